#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# Traffic classes in transport mode: the host's own packets, which a program on the uplink brings
# into the TUN device, have kept mark, control group and the rest on their way there.
. "$(dirname "$0")/../lib/netns.sh"
. "$(dirname "$0")/../lib/transport.sh"
. "$(dirname "$0")/../lib/classes.sh"

ok() { echo "ok - $*"; }

topo_multihomed
transport_confs 'mode = transport start_action = start' 'mode = transport'
rules <<-CONF
	class "voice" { match { dscp = { ef } } }
	class "marked" { match { mark = 0x10/0xf0 } }
	class "app" { match { cgroup = "braid-test.$$" } }
	class "web" { match { protocol = tcp remote_port = 8080 } }
CONF
mkdir "$T/cg"
mount -t cgroup2 none "$T/cg" || skip "no cgroup2 can be mounted here"
mkdir "$T/cg/braid-test.$$" || skip "no control group can be made here"
trap 'rmdir "$T/cg/braid-test.$$"; umount "$T/cg"; lib_cleanup' EXIT
braidd_start gw "$T/gw/braid.conf"
braidd_start user "$T/user/braid.conf"
is_up() { braid user --json sas | jq -e '.ike_sas[0].children[0].mode == "transport"'; }
wait_for 20 is_up || fail "not up: $(braid user sas)"
count_classes

falls "by DSCP" 0 1 "$(pings -Q 0xb8 192.0.2.66)"
falls "by the mark of a socket" 1 2 "$(pings -m 31 192.0.2.66)"
udp 192.0.2.66 7000
falls "by a mark of nftables" 1 2 "python3 $T/udp.py"
falls "by control group" 2 3 "echo \$\$ >$T/cg/braid-test.$$/cgroup.procs; exec $(pings 192.0.2.66)"
falls "by ports" 3 4 "for i in 1 2 3 4 5; do echo >/dev/tcp/192.0.2.66/8080; done"
falls "what fits no rule" 64 0 "$(pings 192.0.2.66)"

#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# multipath = mmx with a gateway that has not the extension (S12): an IKE SA is cloned for each path,
# or one path is used at a time; and with one that has it and is asked to have it.
. "$(dirname "$0")/../lib/netns.sh"
. "$(dirname "$0")/../lib/agent.sh"
. "$(dirname "$0")/../lib/clones.sh"
. "$(dirname "$0")/../lib/mmx.sh"

ok() { echo "ok - $*"; }

clones_topo
mmx_confs 'multipath = mmx' 'multipath = true'
clones_up
have "$I0>$R0" "$I1>$R1"
[ "$(relation user .on)" = false ] || fail "the extension is on: $(braid user mmx list)"
braid user mmx list | grep -q 'has no multi-interface extension' || fail "list: $(braid user mmx list)"
braid user mmx add home ran >"$T/out" 2>&1
[ $? = 4 ] || fail "an action without it: $(cat "$T/out")"
traffic_begin
ip -n "$(ns user)" link set ran0 down
wait_for 10 reach || fail "the LAN is not reached"
traffic_end 100
ok "S12: clones, where the gateway makes them"
clones_down
ip -n "$(ns user)" link set ran0 up
ip -n "$(ns user)" route add default via 198.51.100.1 dev ran0 metric 200

mmx_confs 'multipath = mmx' 'multipath = no clone = no'
clones_up
have "$I0>$R0"
traffic_begin
ip -n "$(ns user)" link set wlan0 down
have "$I1>$R0"
wait_for 10 reach || fail "the LAN is not reached"
traffic_end 400
ok "S12: one path, where it does not"
clones_down
ip -n "$(ns user)" link set wlan0 up
ip -n "$(ns user)" route add default via 192.0.2.1 dev wlan0 metric 100

mmx_confs 'multipath = mmx mmx = require' 'multipath = no'
for h in gw user; do
	: >"$T/$h/log"
	braidd_start "$h" "$T/$h/braid.conf"
done
braid user up home >"$T/up" 2>&1 && fail "a gateway without it is taken: $(cat "$T/up")"
[ "$(sas user length)" = 0 ] || fail "an IKE SA stays: $(braid user sas)"
ok "required"

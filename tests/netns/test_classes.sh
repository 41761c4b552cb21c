#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# Traffic classes: which packet falls under which rule, by every property that a rule can ask for, in
# both IP versions; its class reaches the steering; rules are changed while packets go, without a
# loss; a kernel that cannot do it says so.
. "$(dirname "$0")/../lib/netns.sh"
. "$(dirname "$0")/../lib/agent.sh"
. "$(dirname "$0")/../lib/classes.sh"

ok() { echo "ok - $*"; }

topo_multihomed
for i in 1 2 3 4 5 6; do ip -n "$(ns lan)" addr add "203.0.113.1$i/26" dev eth0; done
ip -n "$(ns lan)" addr add 2001:db8:3::41/64 dev eth0 nodad
agent_confs 100ms
sed -i -e 's/vips = .*/vips = { "0.0.0.0", "::" }/' -e 's/remote_ts = .*/remote_ts = { "203.0.113.0\/26", "2001:db8:3::\/64" } }/' "$T/user/braid.conf"
sed -i -e 's/pool "p" .*/&\npool "q" { addrs = "2001:db8:3:1::\/120" }/' -e 's/pools = .*/pools = { "p", "q" }/' \
	-e 's/local_ts = .*/local_ts = { "203.0.113.0\/26", "2001:db8:3::\/64" } }/' "$T/gw/braid.conf"
mkdir "$T/cg"
mount -t cgroup2 none "$T/cg" || skip "no cgroup2 can be mounted here"
group=braid-test.$$
trap 'rmdir "$T/cg/$group/sub" "$T/cg/$group" 2>/dev/null; umount "$T/cg"; lib_cleanup' EXIT
braidd_start gw "$T/gw/braid.conf"
braidd_start user "$T/user/braid.conf"
braid user up home >"$T/up" 2>&1 || fail "up: $(cat "$T/up")"
wait_for 10 two_up user || fail "two paths are not up: $(braid user paths)"
[ ! -e "$pins/class_cur" ] || fail "programs for classes without any"
count_classes

# While packets go: from no rules to rules, to others, and back.
load 3
rules <<-CONF
	class "voice" { match { dscp = { ef } } }
	class "bulk" { match { mark = 0x10/0xf0 } match { protocol = tcp remote_port = "5201-5210" } }
	class "lan" { match { remote = "203.0.113.16/32" } match { remote = "2001:db8:3::40/122" } }
	class "backup" { match { cgroup = "/$group" } }
	class "names" { match { protocol = udp remote_port = 53 } }
	class "ours" { match { local_port = "6000-6010" protocol = udp } match { local = "2001:db8:3:1::/64" protocol = icmpv6 } }
CONF
reload
one=$(slot)
[ "$one" -gt 0 ] || fail "no table"
sleep 0.3
sed -i 's/5201-5210/5201-5211/' "$T/user/braid.conf"
reload
[ "$(slot)" != "$one" ] || fail "the table is not another one"
load_end 0 "rules are changed while packets go"
ok "no packet is lost when rules come and change"

falls "by DSCP" 0 1 "$(pings -Q 0xb8 203.0.113.11)"
falls "by DSCP, IPv6" 0 1 "$(pings -Q 0xb8 2001:db8:3::10)"
falls "by the mark of a socket" 1 2 "$(pings -m 31 203.0.113.11)"
udp 203.0.113.11 7000
falls "by a mark of nftables" 1 2 "python3 $T/udp.py"
falls "by prefix" 3 3 "$(pings 203.0.113.16)"
falls "by prefix, IPv6" 4 3 "$(pings 2001:db8:3::41)"
udp 203.0.113.11 53
falls "by protocol and port" 6 5 "python3 $T/udp.py"
udp 2001:db8:3::10 53
falls "by protocol and port, IPv6" 6 5 "python3 $T/udp.py"
udp 203.0.113.11 53 4000
falls "fragments by what they all have: no ports" 64 0 "python3 $T/udp.py"
falls "by our own address" 8 6 "$(pings 2001:db8:3::10)"
falls "the first rule counts" 0 1 "$(pings -Q 0xb8 203.0.113.16)"
falls "what fits no rule" 64 0 "$(pings 203.0.113.12)"

cgroup_there() { grep -q "no control group $group now" "$T/user/log"; }
cgroup_there || fail "a missing control group is not told of: $(cat "$T/user/log")"
mkdir -p "$T/cg/$group/sub"
in_group() { echo "bash -c \"echo \\\$\\\$ >'$T/cg/$1/cgroup.procs' && exec ping -c 5 -i 0.02 -W 1 -q 203.0.113.12\""; }
counted() {
	local before
	before=$(rule 5)
	in_ns user bash -c "$(in_group "$1")" >"$T/out" 2>&1 || return 1
	[ $(($(rule 5) - before)) -ge 5 ]
}
wait_for 5 counted "$group" || fail "a control group that appears is not seen"
ok "by control group, as soon as there is one"
counted "$group/sub" || fail "a group below it"
ok "and by one below"
inode=$(stat -c %i "$T/cg/$group")
wait_for 5 rmdir "$T/cg/$group/sub"
wait_for 5 rmdir "$T/cg/$group"
mkdir "$T/cg/$group"
[ "$inode" != "$(stat -c %i "$T/cg/$group")" ] || fail "the group is the same"
wait_for 5 counted "$group" || fail "a control group that is made anew is not seen"
ok "and by another one of the same name"

# The table is put again when there is something new, and not else.
cp "$T/user/braid.conf" "$T/whole"
rules <<-CONF
	class "backup" { match { cgroup = "$group" } }
CONF
before=$(slot)
reload
anew() { [ "$(slot)" != "$before" ]; }
wait_for 5 anew || fail "fewer rules are not put"
one=$(slot)
sleep 1
[ "$(slot)" = "$one" ] || fail "the table is put again and again"
cp "$T/whole" "$T/user/braid.conf"
reload
ok "nothing is done while nothing changes"

# An agent that dies leaves all as it is, and its successor takes it over.
kill -9 "$(agent_pid user)"
falls "without an agent" 1 2 "$(pings -m 31 203.0.113.11)"
before=$(slot)
braidd_start user "$T/user/braid.conf"
wait_for 5 anew || fail "a new agent does not put its rules"
falls "with the next agent" 1 2 "$(pings -m 31 203.0.113.11)"
# Another engine has another device.
for p in $(ip netns pids "$(ns user)"); do
	[ "$(cat "/proc/$p/comm" 2>/dev/null)" != braid-esp ] || kill -9 "$p"
done
wait_for 10 grep -q 'the ESP engine is gone' "$T/user/log" || fail "the engine's end is not seen"
reached() { in_ns user ping -c 1 -W 1 -q 203.0.113.11; }
wait_for 15 reached || fail "no connection after the engine's end"
falls "with another engine" 1 2 "$(pings -m 31 203.0.113.11)"

load 1
rules </dev/null
reload
load_end 0 "rules go while packets go"
falls "without rules all is default" 64 0 "$(pings -Q 0xb8 203.0.113.12)"
ok "no packet is lost when rules go"

# A kernel whose TUN driver takes no program: TUNSETSTEERINGEBPF is 0x800454e0.
braid user stop >"$T/out" 2>&1 || kill "$(agent_pid user)"
wait_for 5 eval '! kill -0 "$(agent_pid user)" 2>/dev/null' || fail "braidd does not stop"
[ ! -e "$pins/class_table" ] || fail "pins stay: $(ls "$pins")"
: >"$T/user/log"
rules <<-CONF
	class "voice" { match { dscp = { ef } } }
CONF
in_ns user "$B/tests/netns/deny" ioctl:1=2147767520=\>EINVAL -- "$B/braidd" -c "$T/user/braid.conf" -d "$T/user/run" \
	--pin-dir "$T/user/bpf/braid" >>"$T/user/log" 2>&1 </dev/null &
wait_for 10 braid user version || fail "braidd does not start"
grep -q 'all traffic is of class default: the TUN driver of this kernel lets no program choose queues' "$T/user/log" ||
	fail "no word about the kernel"
braid user up home >"$T/up" 2>&1 || fail "up: $(cat "$T/up")"
in_ns user ping -c 5 -i 0.02 -W 1 -Q 0xb8 -q 203.0.113.11 >"$T/ping" || fail "nothing goes without classes"
ok "a kernel that cannot tell classes apart is told of, and carries all as one"

# What a class must not use nothing uses then, since anything may be of that class.
wait_for 10 two_up user || fail "two paths are not up: $(braid user paths)"
tx_data() { # PATH: packets of all classes
	local id
	id=$(braid user --json paths | jq --arg n "$1" '.paths[] | select(.name == $n).id')
	bpftool -j map lookup pinned "$pins/path_stat" key hex "$(printf %02x "$id")" 00 00 00 | jq '[.formatted.values[].value.tx_class[].packets] | add'
}
by_wlan() { # what is sent: all of it
	local wlan ran
	wlan=$(tx_data wlan-a) ran=$(tx_data ran-b)
	many_flows
	[ $(($(tx_data wlan-a) - wlan)) -ge 200 ] && [ "$(tx_data ran-b)" = "$ran" ]
}
by_both() {
	local wlan ran
	wlan=$(tx_data wlan-a) ran=$(tx_data ran-b)
	many_flows
	[ "$(tx_data wlan-a)" -gt "$wlan" ] && [ "$(tx_data ran-b)" -gt "$ran" ]
}
wait_for 5 by_both || fail "not by both paths before"
rules <<-CONF
	class "voice" { match { dscp = { ef } } never = { ran } }
CONF
reload
grep -q 'now nothing goes where one of them must not' "$T/user/log" || fail "no word about what must not go everywhere"
wait_for 5 by_wlan || fail "traffic goes where a class must not: $(braid user steering)"
by_wlan || fail "and again"
rules <<-CONF
	class "lab" { match { dscp = { ef } } only_trusted = true }
CONF
reload
nothing() {
	local wlan ran
	wlan=$(tx_data wlan-a) ran=$(tx_data ran-b)
	many_flows
	[ "$(tx_data wlan-a)" = "$wlan" ] && [ "$(tx_data ran-b)" = "$ran" ]
}
wait_for 5 nothing || fail "traffic goes where nothing is trusted: $(braid user steering)"
ok "nothing goes where a class must not that cannot be told from others"
rules <<-CONF
	class "voice" { match { dscp = { ef } } }
CONF
reload
wait_for 5 by_both || fail "without such a class not by both paths: $(braid user steering)"
ok "without such a class all paths are used"

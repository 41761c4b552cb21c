#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# A kernel with ESP and without XFRM interfaces: tunnels by policies, of what is routed to a plain device. Set-up, a
# rekey, a move and the death of the agent without a lost packet, nothing in clear, nothing left; what it cannot do is
# refused, or goes to the engine. Hides the module, so only in a machine for tests (tests/vm/run.sh).
. "$(dirname "$0")/../lib/netns.sh"
. "$(dirname "$0")/../lib/agent.sh"
. "$(dirname "$0")/../lib/kernel.sh"
[ -n "${TESTS_IN_VM:-}" ] || skip "hides a module of the kernel: only in a virtual machine"
command -v tcpdump >/dev/null || skip "needs tcpdump"
kernel_esp_or_skip
ok() { echo "ok - $*"; }
in_ns probe ip link del xfrm0
loader=$(cat /proc/sys/kernel/modprobe)
cat >"$T/modprobe" <<-SH
	#!/bin/sh
	case "\$*" in *rtnl-link-xfrm* | *xfrm_interface*) exit 1 ;; esac
	exec $loader "\$@"
SH
chmod +x "$T/modprobe"
trap 'echo "$loader" >/proc/sys/kernel/modprobe; lib_cleanup' EXIT
wait_for 60 modprobe -r xfrm_interface || skip "the module xfrm_interface stays"
echo "$T/modprobe" >/proc/sys/kernel/modprobe

topo_multihomed
confs() { # multipath of the user, and what else is configured
	cat >"$T/user/braid.conf" <<-CONF
		uplink "wlan" { interface = wlan0 preference = 0 fail_back = 500ms }
		uplink "ran" { interface = ran0 preference = 1 }
		dataplane { backend = $backend }
		connection "home" {
			remote_addrs = { "192.0.2.66" }
			multipath = $1
			vips = { "0.0.0.0" }
			local { id = "user@example.org" }
			remote { id = "gw.example.org" }
			child "net" { remote_ts = { "203.0.113.0/26" } }
		}
		secret "s" { id = { "user@example.org", "gw.example.org" } secret = "a long secret of ours" }
		$2
	CONF
}
cat >"$T/gw/braid.conf" <<-CONF
	uplink "a" { interface = eth0 }
	uplink "b" { interface = eth1 }
	dataplane { backend = kernel }
	pool "p" { addrs = "203.0.113.128/26" }
	connection "rw" {
		multipath = no
		pools = { "p" }
		local { id = "gw.example.org" }
		remote { id = "user@example.org" }
		child "net" { local_ts = { "203.0.113.0/26" } }
	}
	secret "s" { id = { "user@example.org", "gw.example.org" } secret = "a long secret of ours" }
CONF
backend=kernel
confs no ""
for i in wlan0 ran0; do
	in_ns user tcpdump -Q out --immediate-mode -lni $i 'net 203.0.113.0/24' >"$T/clear-$i" 2>"$T/clear-$i.err" &
	soon grep -q 'listening on' "$T/clear-$i.err" || fail "no capture on $i"
done
kernel_up
grep -q 'no XFRM interfaces: braidtun0 is a plain device' "$T/user/log" || fail "it has XFRM interfaces: $(cat "$T/user/log")"
in_ns user ip xfrm policy list dir out | grep -q 'dev braidtun0' || fail "$(xfrm_of user)"
in_ns user ping -c 2 -i 0.2 -W 3 -q -I "$vip" 203.0.113.10 >"$T/ping" || fail "the LAN is not reached: $(braid user sas; xfrm_of user)"
in_ns lan ping -c 2 -i 0.2 -W 3 -q "$vip" >/dev/null || fail "the LAN does not reach the user"
ok "a tunnel both ways"

in_ns user ping -c 150 -i 0.1 -q -I "$vip" 203.0.113.10 >"$T/ping" &
ping=$!
braid user rekey home/net >"$T/out" 2>&1 || fail "rekey: $(cat "$T/out")"
agent_dies user
braidd_start user "$T/user/braid.conf" -v
soon braid user sas || fail "the agent does not answer"
wait $ping || fail "the pings: $(cat "$T/ping")"
grep -q ' 0% packet loss' "$T/ping" || fail "of a rekey and a death: $(cat "$T/ping"; xfrm_of user)"
ok "a rekey and the agent's death lose nothing"

ip -n "$(ns user)" link set wlan0 down
reach() { in_ns user ping -c 1 -W 3 -q -I "$vip" 203.0.113.10; }
soon reach || fail "nothing passes after a move: $(braid user paths)"
braid user down home >"$T/out" 2>&1 || fail "down: $(cat "$T/out")"
! reach >/dev/null || fail "without an SA something passes"
grep -hv 'listening' "$T"/clear-wlan0 "$T"/clear-ran0 | grep . && fail "that left in clear"
ok "a move; nothing in clear without an SA"

confs clone ""
! braid user reload >"$T/out" 2>&1 || fail "clones are taken"
grep -q 'no XFRM interfaces.*several paths' "$T/out" || fail "$(cat "$T/out")"
confs no 'class "x" { match { protocol = icmp } }'
! braid user reload >"$T/out" 2>&1 || fail "classes are taken"
grep -q 'no XFRM interfaces.*traffic classes' "$T/out" || fail "$(cat "$T/out")"
pid=$(agent_pid user)
kill "$pid"
ended() { ! kill -0 "$1" 2>/dev/null; }
soon ended "$pid" || fail "it does not end"
[ -z "$(left_of user)" ] || fail "left: $(left_of user)"
backend=auto
confs no 'class "x" { match { protocol = icmp } }'
braidd_start user "$T/user/braid.conf" -v
[ "$(braid user --json status | jq -r .esp.by)" = engine ] || fail "$(braid user status)"
ok "what it cannot do is refused, or is the engine's"

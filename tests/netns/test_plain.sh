#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# Two agents without a NAT, one of which does not want ESP in UDP: protocol 50 over two paths, with
# probes and a cut, and IKE alone on port 4500. Then both want it. NAT-3, NAT-6
. "$(dirname "$0")/../lib/netns.sh"
. "$(dirname "$0")/../lib/agent.sh"

ok() { echo "ok - $*"; }
reach() { in_ns user ping -c 3 -i 0.1 -W 1 -s 1200 -q 203.0.113.10 >"$T/ping" || fail "$1: the LAN is not reached"; }

# Packets of a kind that r1 forwards from the user while it pings.
seen() { # tcpdump expression
	local pid
	rm -f "$T/cap.log"
	ip netns exec "$(ns r1)" tcpdump --immediate-mode -i user -n -c 3 "$1" >/dev/null 2>"$T/cap.log" &
	pid=$!
	wait_for 5 grep -q 'listening on' "$T/cap.log" || fail "tcpdump does not start"
	reach "$1"
	wait_for 2 gone $pid && return 0
	kill $pid
	return 1
}
gone() { ! kill -0 "$1" 2>/dev/null; }

up() {
	braidd_start gw "$T/gw/braid.conf"
	braidd_start user "$T/user/braid.conf"
	braid user up home >"$T/up" 2>&1 || fail "up: $(cat "$T/up")"
	wait_for 5 two_up user || fail "two paths are not up: $(braid user paths)"
	wait_for 5 two_up gw || fail "two paths are not up at the gateway: $(braid gw paths)"
}

topo_multihomed
agent_confs 50ms
sed -i 's/vips = /encap = no vips = /' "$T/user/braid.conf"
up
seen 'ip proto 50' || fail "no ESP is seen"
! seen 'udp port 4500 and udp[8:4] != 0' || fail "ESP in UDP although one side does not want it"
for h in user gw; do
	[ "$(braid $h --json paths | jq -c '[.paths[] | .one_way, (.last_rx_usec | type)] | unique')" = '[false,"number"]' ] ||
		fail "answers come on their own paths: $(braid $h --json paths)"
done
ok "ESP without UDP, two paths"
cut_path r1
wait_for 3 path_is user wlan-a down || fail "a cut path is not noticed"
reach "cut"
mend_path r1
wait_for 3 two_up user || fail "a mended path does not come back"
in_ns lan iperf3 -s -1 -B 203.0.113.10 -p 5301 >/dev/null 2>&1 &
wait_for 3 in_ns lan sh -c 'ss -ltn | grep -q :5301' || fail "iperf3"
in_ns user iperf3 -c 203.0.113.10 -p 5301 -t 1 -P 4 -J >"$T/iperf" || fail "TCP"
[ "$(jq .end.sum_received.bytes "$T/iperf")" -ge 1000000 ] || fail "TCP: $(jq .end.sum_received "$T/iperf")"
ok "a cut, and TCP"

braid user down home >/dev/null || fail "down"
for h in user gw; do
	kill "$(agent_pid $h)"
	wait_for 8 no_pids $h || fail "the agent does not end"
done
sed -i 's/encap = no //' "$T/user/braid.conf"
up
seen 'udp port 4500 and udp[8:4] != 0' || fail "no ESP in UDP although both want it"
! seen 'ip proto 50' || fail "ESP without UDP although both want it in"
ok "ESP in UDP, since both sides want it"

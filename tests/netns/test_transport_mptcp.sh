#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# MPTCP over three pairs of addresses, a transport mode SA for each: one connection uses all three,
# loses one after the other and goes on while one is left, and nothing of it is in clear text. A UDP
# service on each pair. SLIDE-15-1
. "$(dirname "$0")/../lib/netns.sh"
. "$(dirname "$0")/../lib/transport.sh"
command -v tcpdump >/dev/null || skip "needs tcpdump"

host user gw
for i in 1 2 3; do
	wire user "u$i" "198.51.100.$((i * 8 + 1))/29" gw "g$i" "198.51.100.$((i * 8 + 2))/29"
	uplinks_user+="uplink \"u$i\" { interface = u$i }
"
	uplinks_gw+="uplink \"g$i\" { interface = g$i }
"
	conns_user+="connection \"c$i\" {
	local_addrs = { \"198.51.100.$((i * 8 + 1))\" }
	remote_addrs = { \"198.51.100.$((i * 8 + 2))\" }
	multipath = false
	mobike = false
	local { id = \"user$i@example.org\" }
	remote { id = \"gw$i.example.org\" }
	child \"host\" { mode = transport start_action = start }
}
secret \"s$i\" { id = { \"user$i@example.org\", \"gw$i.example.org\" } secret = \"a long secret of ours\" }
"
	conns_gw+="connection \"c$i\" {
	local_addrs = { \"198.51.100.$((i * 8 + 2))\" }
	remote_addrs = { \"198.51.100.$((i * 8 + 1))\" }
	multipath = false
	mobike = false
	local { id = \"gw$i.example.org\" }
	remote { id = \"user$i@example.org\" }
	child \"host\" { mode = transport }
}
secret \"s$i\" { id = { \"user$i@example.org\", \"gw$i.example.org\" } secret = \"a long secret of ours\" }
"
done
printf '%s\n%s' "$uplinks_user" "$conns_user" >"$T/user/braid.conf"
printf '%s\n%s' "$uplinks_gw" "$conns_gw" >"$T/gw/braid.conf"
uplinks="user:u1 user:u2 user:u3 gw:g1 gw:g2 gw:g3"
braidd_start gw "$T/gw/braid.conf"
braidd_start user "$T/user/braid.conf"
three() { [ "$(braid user --json sas | jq '[.ike_sas[].children[] | select(.mode == "transport")] | length')" = 3 ]; }
wait_for 20 three || fail "not three SAs: $(braid user sas)"
capture clear 'ip and net 198.51.100.0/24 and not esp and not udp port 500 and not udp port 4500'
for i in 1 2 3; do
	echo_serve gw "198.51.100.$((i * 8 + 2))" 7000
	echo_udp user "198.51.100.$((i * 8 + 2))" 7000 500 || fail "no datagram over pair $i"
	kill "$!" 2>/dev/null
done
no_clear "a UDP service on each pair"

mptcp_begin
for i in 2 3; do
	in_ns gw ip mptcp endpoint add "198.51.100.$((i * 8 + 2))" dev "g$i" signal
done
# To each address that the gateway tells of the user takes the link that leads there.
mptcp_stream 198.51.100.10
subflows() { in_ns user ss -tnH | grep :8000; }
is_used() { [ "$(braid user --json sas | jq --arg c "c$1" '[.ike_sas[] | select(.connection == $c or .conn == $c) | .children[].tx_packets] | add')" -gt "$2" ]; }
for i in 1 2 3; do
	wait_for 10 is_used $i 8 || fail "pair $i is not used: $(subflows; in_ns user nstat -az; braid user stats)"
done
no_clear "one MPTCP connection over three SAs"

for i in 1 2; do
	ip -n "$(ns user)" link set "u$i" down
	mptcp_grows 60 || fail "without pair $i the connection does not go on: $(tail -n 3 "$T/stream")"
	kill -0 $stream 2>/dev/null || fail "the connection ended without pair $i: $(tail -n 3 "$T/stream")"
	no_clear "goes on without pair $i"
done
kill $stream

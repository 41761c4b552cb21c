#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# Stable transport between two hosts: a pair of addresses that applications keep while the hosts' own
# change. Plain TCP outlasts moves from one network to another and back, with no inner IP header on
# the wire and nothing in clear text; a peer that is asked for a tunnel makes one, or none.
. "$(dirname "$0")/../lib/netns.sh"
. "$(dirname "$0")/../lib/transport.sh"
command -v tcpdump >/dev/null || skip "needs tcpdump"

topo_multihomed
wire r1 r2 198.51.100.129/30 r2 r1 198.51.100.130/30
ip -n "$(ns r1)" route add 198.51.100.0/26 via 198.51.100.130
ip -n "$(ns r2)" route add 192.0.2.64/26 via 198.51.100.129
ip -n "$(ns gw)" route replace 198.51.100.0/26 via 192.0.2.65
local_ts='local_ts = { "203.0.113.201" } remote_ts = { "203.0.113.202" }'
remote_ts='local_ts = { "203.0.113.202" } remote_ts = { "203.0.113.201" }'
options='multipath = false dpd_delay = 1s'
transport_confs "mode = stable-transport start_action = start $local_ts" "mode = stable-transport $remote_ts" "$options"
# one address the operator has set, the other one is set as it is needed
ip -n "$(ns gw)" addr add 203.0.113.202/32 dev lo
capture clear 'ip and net 203.0.113.192/26 and not esp and not udp port 4500'
braidd_start gw "$T/gw/braid.conf"
braidd_start user "$T/user/braid.conf"
mode() { braid "$1" --json sas | jq -r '.ike_sas[0].children[0].mode'; }
is_mode() { [ "$(mode user)" = "$1" ] && [ "$(mode gw)" = "$1" ]; }
wait_for 10 is_mode stable-transport || fail "not up: $(braid user sas; braid gw sas)"
ip -n "$(ns user)" addr show dev braidtun0 | grep -q 203.0.113.201 || fail "the local address is not set"
echo_serve gw 203.0.113.202 7000
echo_udp user 203.0.113.202 7000 1000 203.0.113.201 || fail "no datagram comes back"
echo_tcp user 203.0.113.202 7000 5000000 || fail "TCP does not get through"
in_ns gw ping -c 1 -W 1 -q -I 203.0.113.202 203.0.113.201 >/dev/null || fail "the user is not reached"
no_clear "UDP, TCP and ICMP between the fixed addresses"

# 28 octets of ping make a UDP payload of 8 + 8 + 28 + padding and trailer + 16, without the 20 of
# another header: 8 ICMP + 20 data + 2, to a multiple of 4
sizes() { in_ns user timeout 5 tcpdump --immediate-mode -lni wlan0 -c 2 'udp port 4500 and greater 60' >"$T/sizes" 2>"$T/sizes.err" & }
sizes
wait_for 5 grep -q 'listening on' "$T/sizes.err" || fail "no capture"
in_ns user ping -c 1 -s 20 -W 1 -q 203.0.113.202 >/dev/null || fail "no answer"
both_seen() { [ "$(grep -c 'length 64' "$T/sizes")" = 2 ]; }
wait_for 5 both_seen || fail "another size than that of transport mode: $(cat "$T/sizes")"
echo "ok - no inner header on the wire"

# ---- a connection that outlasts moves ----
in_ns user $PY - >"$T/stream" 2>&1 <<-'PY' &
	import socket, time
	s = socket.create_connection(("203.0.113.202", 7000), 5)
	s.settimeout(40)
	n = 0
	print("connected from %s" % s.getsockname()[0], flush=True)
	while True:
	    line = b"%07d\n" % n
	    s.sendall(line)
	    got = b""
	    while len(got) < len(line):
	        got += s.recv(64)
	    assert got == line
	    n += 1
	    print("answer %d" % n, flush=True)
	    time.sleep(0.02)
PY
stream=$!
answers() { grep -c '^answer' "$T/stream"; }
grow() { [ "$(answers)" -gt $((before + 20)) ]; }
goes_on() { # what, local address of the user
	before=$(answers)
	wait_for 40 at "$2" || fail "$1: not from $2: $(braid user sas)"
	wait_for 40 grow || fail "$1: the connection does not go on: $(tail -n 3 "$T/stream")"
	kill -0 $stream 2>/dev/null || fail "$1: the connection ended: $(tail -n 3 "$T/stream")"
	no_clear "$1"
}
at() { braid user --json sas | jq -e --arg l "$1" '.ike_sas[0].local | startswith($l + ":")'; }
before=0
wait_for 10 grow || fail "no connection: $(cat "$T/stream")"
grep -q 'connected from 203.0.113.201' "$T/stream" || fail "$(head -n 1 "$T/stream")"

ip -n "$(ns user)" link set wlan0 down
goes_on "moved to another network" 198.51.100.2
ip -n "$(ns user)" link set wlan0 up
ip -n "$(ns user)" route replace default via 192.0.2.1 dev wlan0 metric 100
goes_on "and back" 192.0.2.2
ip -n "$(ns user)" addr del 192.0.2.2/26 dev wlan0
ip -n "$(ns user)" addr add 192.0.2.5/26 dev wlan0
ip -n "$(ns user)" route replace default via 192.0.2.1 dev wlan0 metric 100
goes_on "another address in the same network" 192.0.2.5
braid user rekey home/host >/dev/null || fail "rekey"
goes_on "rekeyed" 192.0.2.5
kill -9 "$(agent_pid user)"
braidd_start user "$T/user/braid.conf"
goes_on "another agent in place of one that was killed" 192.0.2.5
kill $stream
grep -q Traceback "$T/stream" && fail "$(cat "$T/stream")"

# ---- a peer that does not know it ----
sed -i 's/mode = stable-transport/mode = tunnel/' "$T/gw/braid.conf"
braid gw reload >/dev/null || fail "reload"
braid user down home >/dev/null || fail "down"
braid user up home >"$T/up" 2>&1 || fail "up: $(cat "$T/up")"
wait_for 10 is_mode tunnel || fail "no tunnel: $(braid user sas)"
echo_udp user 203.0.113.202 7000 1000 203.0.113.201 || fail "no datagram comes back by the tunnel"
grep -q 'does not do stable transport: Child SA is a tunnel between the same addresses' "$T/user/log" || fail "nothing is said of it"
echo "ok - with a peer that does not know it: a tunnel"
sed -i 's/mode = stable-transport/& stable_fallback = no/' "$T/user/braid.conf"
braid user reload >/dev/null || fail "reload"
braid user down home >/dev/null || fail "down"
braid user up home >"$T/up" 2>&1 && fail "set up, though configured not to: $(braid user sas)"
grep -q 'does not do stable transport: refused, as configured' "$T/user/log" || fail "nothing is said of it"
in_ns user ping -c 1 -W 0.3 -q 203.0.113.202 >/dev/null && fail "answers, with no SA"
no_clear "or nothing, as configured"

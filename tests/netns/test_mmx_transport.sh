#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# Transport mode whose selectors follow the endpoints (MMX 9): an update and an addition while a UDP
# service is used and a TCP connection stands. The service goes on at the new address, the connection
# of the old one ends or waits, and nothing of either is in clear text. MIF-5.2.3-1 MM-12-1
. "$(dirname "$0")/../lib/netns.sh"
. "$(dirname "$0")/../lib/agent.sh"
. "$(dirname "$0")/../lib/clones.sh"
. "$(dirname "$0")/../lib/mmx.sh"
. "$(dirname "$0")/../lib/transport.sh"
command -v tcpdump >/dev/null || skip "needs tcpdump"

clones_topo
transport_confs 'mode = transport' 'mode = transport' 'multipath = no mmx = yes'
ip -n "$(ns user)" -6 addr flush scope global
ip -n "$(ns gw)" -6 addr flush scope global
echo_serve gw $R0 7000
mmx_up
capture clear "$clear_text"
forget_clear
ts() { braid "$1" --json sas | jq -c '[.ike_sas[0].children[0] | (.local_ts | sort), (.remote_ts | sort)]'; }
ts_are() { [ "$(ts "$1")" = "$2" ]; }
both_ts() { # of the user: LOCAL REMOTE
	wait_for 10 ts_are user "[$1,$2]" || fail "the user's selectors are $(ts user), not $1 and $2"
	wait_for 10 ts_are gw "[$2,$1]" || fail "the gateway's selectors are $(ts gw), not $2 and $1"
}
both_ts "[\"$I0/32\"]" "[\"$R0/32\"]"
before=$(spis user)
echo_udp user $R0 7000 500 $I0 || fail "no datagram comes back"

in_ns user $PY - $I0 $R0 >"$T/stream" 2>&1 <<-'PY' &
	import socket, sys, time
	s = socket.create_connection((sys.argv[2], 7000), 5, (sys.argv[1], 0))
	s.settimeout(1)
	while True:
	    try:
	        s.sendall(b"x" * 100)
	        s.recv(65536)
	        print("answer", flush=True)
	    except TimeoutError:
	        print("silence", flush=True)
	    time.sleep(0.05)
PY
wait_for 5 grep -q answer "$T/stream" || fail "no connection: $(cat "$T/stream")"

# ---- another address ----
braid user mmx update home $I0 $I1 >"$T/out" 2>&1 || fail "update: $(cat "$T/out")"
both_ts "[\"$I1/32\"]" "[\"$R0/32\"]"
echo_udp user $R0 7000 500 $I1 || fail "no datagram comes back at the new address: $(braid user sas; braid gw sas)"
in_ns gw ping -c 1 -W 2 -q -I $R0 $I1 >/dev/null || fail "the gateway does not reach the new address"
a=$(engine_drop user drop_blocked)
echo_udp user $R0 7000 500 $I0 && fail "the old address is answered"
[ "$(engine_drop user drop_blocked)" -gt "$a" ] || fail "what the old address sends is not counted: $(braid user stats)"
wait_for 5 grep -q silence "$T/stream" || fail "TCP does not see the change: $(tail -n 2 "$T/stream")"
no_clear "an update: UDP at the new address, TCP at the old one stands still"

kill -9 "$(agent_pid user)"
braidd_start user "$T/user/braid.conf"
echo_udp user $R0 7000 500 $I1 || fail "no datagram comes back with another agent"
both_ts "[\"$I1/32\"]" "[\"$R0/32\"]"
kill -9 "$(agent_pid gw)"
braidd_start gw "$T/gw/braid.conf"
in_ns gw ping -c 2 -i 0.2 -W 0.3 -q -I $R0 $I0 >/dev/null && fail "another agent of the gateway reaches the old address"
both_ts "[\"$I1/32\"]" "[\"$R0/32\"]"
no_clear "other agents have the selectors that were changed, and block what was before"

braid user mmx update home $I1 $I0 >"$T/out" 2>&1 || fail "back: $(cat "$T/out")"
both_ts "[\"$I0/32\"]" "[\"$R0/32\"]"
echo_udp user $R0 7000 500 $I0 || fail "no datagram comes back at the first address"
n=$(grep -c answer "$T/stream")
more() { [ "$(grep -c answer "$T/stream")" -gt "$n" ]; }
wait_for 30 more || fail "the connection does not go on at its address: $(tail -n 2 "$T/stream")"
no_clear "and back: TCP goes on where it was"

# ---- several addresses: each packet goes over the path with its own pair ----
braid user mmx add home $I1 >"$T/out" 2>&1 || fail "add: $(cat "$T/out")"
both_ts "[\"$I0/32\",\"$I1/32\"]" "[\"$R0/32\"]"
for i in $I0 $I1; do
	for u in wlan0 ran0; do : >"$T/pair-$u"; done
	for u in wlan0 ran0; do
		in_ns user tcpdump --immediate-mode -lni $u "src $i and udp port 4500 and greater 500" >"$T/pair-$u" 2>"$T/pair-$u.err" &
	done
	for u in wlan0 ran0; do wait_for 5 grep -q 'listening on' "$T/pair-$u.err" || fail "no capture"; done
	echo_udp user $R0 7000 500 "$i" || fail "no datagram comes back at $i: $(braid user mmx list)"
	own_seen() { [ -s "$T/pair-wlan0" ] || [ -s "$T/pair-ran0" ]; }
	wait_for 5 own_seen || fail "$i is not the source of its own packets"
done
no_clear "two addresses, each with its own path"

# A class that must not go by one of them is not taken there by its address.
cp "$T/user/braid.conf" "$T/without"
echo 'class "voice" { match { dscp = { ef } } never = { wlan } }' >>"$T/user/braid.conf"
braid user reload >"$T/out" 2>&1 || fail "reload: $(cat "$T/out")"
voice() { in_ns user ping -Q 0xb8 -c 3 -i 0.05 -W 1 -q -I "$1" $R0 >"$T/ping" 2>&1; }
wait_for 5 voice $I1 || fail "voice does not go by ran: $(cat "$T/ping"; braid user steering; braid user stats)"
a=$(engine_drop user drop_transport)
voice $I0 && fail "voice goes by wlan: $(braid user steering)"
[ "$(engine_drop user drop_transport)" -ge $((a + 3)) ] || fail "what must not go by wlan is not counted: $(braid user stats)"
in_ns user ping -c 3 -i 0.05 -W 1 -q -I $I0 $R0 >"$T/ping" || fail "the rest does not go by wlan: $(cat "$T/ping")"
cp "$T/without" "$T/user/braid.conf"
braid user reload >"$T/out" 2>&1 || fail "reload: $(cat "$T/out")"
wait_for 5 voice $I0 || fail "without the class: $(cat "$T/ping")"
no_clear "a class that must not go by one address"

braid user mmx remove home $I0 >"$T/out" 2>&1 || fail "remove: $(cat "$T/out")"
both_ts "[\"$I1/32\"]" "[\"$R0/32\"]"
echo_udp user $R0 7000 500 $I1 || fail "no datagram comes back at what is left"
echo_udp user $R0 7000 500 $I0 && fail "the address that was removed is answered"
[ "$(spis user)" = "$before" ] || fail "Child SAs have been replaced: $(braid user sas)"
no_clear "one of two removed"

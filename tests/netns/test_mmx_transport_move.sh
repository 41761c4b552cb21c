#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# A host with one interface moves in transport mode (MMX 12, S8): its address is replaced while a UDP
# service is used and a TCP connection stands. The SA stays, its selectors follow at both ends, the
# service goes on from the new address, the connection of the old one ends, and nothing of the old
# address is in clear text, not even where it is the address of no uplink. [MIF-5.2-2]
. "$(dirname "$0")/../lib/netns.sh"
. "$(dirname "$0")/../lib/agent.sh"
. "$(dirname "$0")/../lib/clones.sh"
. "$(dirname "$0")/../lib/mmx.sh"
. "$(dirname "$0")/../lib/transport.sh"
command -v tcpdump >/dev/null || skip "needs tcpdump"

clones_topo
transport_confs 'mode = transport' 'mode = transport' "multipath = mmx"
sed -i '/uplink "ran"/d' "$T/user/braid.conf"
sed -i '/uplink "b"/d' "$T/gw/braid.conf"
ip -n "$(ns user)" link set ran0 down
ip -n "$(ns user)" -6 addr flush scope global
ip -n "$(ns gw)" -6 addr flush scope global
echo_serve gw $R0 7000
mmx_up
uplinks="user:wlan0 gw:eth0 gw:eth1"
capture clear "$clear_text"
forget_clear
ts() { braid "$1" --json sas | jq -c '[.ike_sas[0].children[0] | (.local_ts | sort), (.remote_ts | sort)]'; }
ts_are() { [ "$(ts "$1")" = "$2" ]; }
both_ts() { # of the user: LOCAL REMOTE
	wait_for 15 ts_are user "[[\"$1/32\"],[\"$2/32\"]]" || fail "the user's selectors are $(ts user), not $1 and $2"
	wait_for 10 ts_are gw "[[\"$2/32\"],[\"$1/32\"]]" || fail "the gateway's selectors are $(ts gw), not $2 and $1"
}
both_ts $I0 $R0
before=$(spis user)

# A service is asked all the time from whatever address there is; a connection stays with its own.
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
in_ns user $PY - $R0 >"$T/datagrams" 2>&1 <<-'PY' &
	import socket, sys, time
	s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
	s.settimeout(0.3)
	n = 0
	while True:
	    n += 1
	    try:
	        s.sendto(b"%d" % n, (sys.argv[1], 7000))
	        while int(s.recv(100)) != n:
	            pass
	        print("answer", flush=True)
	    except OSError as e:
	        print(e, flush=True)
	    time.sleep(0.05)
PY
datagrams=$!
more() { [ "$(grep -c answer "$T/$1")" -gt "$((${2:-0} + 3))" ]; }
wait_for 5 more stream || fail "no connection: $(cat "$T/stream")"
wait_for 5 more datagrams || fail "no datagrams: $(cat "$T/datagrams")"
no_clear "before it moves"

new=192.0.2.9
in_ns user sysctl -qw net.ipv4.conf.wlan0.promote_secondaries=1
move() { # FROM TO
	ip -n "$(ns user)" addr add "$2/26" dev wlan0
	ip -n "$(ns user)" addr del "$1/26" dev wlan0
	ip -n "$(ns user)" route replace default via 192.0.2.1 dev wlan0
}
move $I0 $new
both_ts $new $R0
n=$(grep -c answer "$T/datagrams")
wait_for 10 more datagrams "$n" || fail "the service does not go on: $(tail -n 3 "$T/datagrams") $(braid user sas)"
kill -0 $datagrams || fail "the socket of the service has ended"
n=$(grep -c answer "$T/stream")
wait_for 15 eval 'tail -n 1 "$T/stream" | grep -qv answer' || fail "TCP of the old address goes on: $(tail -n 2 "$T/stream")"
[ "$(grep -c answer "$T/stream")" -le "$((n + 1))" ] || fail "TCP of the old address goes on"
echo_tcp user $R0 7000 300000 || fail "no new connection from the new address"
[ "$(spis user)" = "$before" ] || fail "the SA has been replaced: $(braid user sas)"
no_clear "it moves: UDP goes on, TCP of the old address stands still"

# Whoever has the old address now: to it and from it nothing is in clear text.
ip -n "$(ns user)" addr add $I0/32 dev lo
in_ns gw ping -c 2 -i 0.2 -W 0.3 -q -I $R0 $I0 >/dev/null && fail "the gateway reaches the old address"
echo_udp user $R0 7000 100 $I0 && fail "the old address is answered"
no_clear "the old selector is blocked at both ends"

#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# Copies over paths that carry different sizes: what an SA's packets may have is what the narrowest of
# them carries, so a copy fits every path. 1350 octets with DF are refused with that size, without DF
# they come, in two copies; and while a path has become narrower, and nobody knows it yet, the other
# copy arrives: nothing is lost.
. "$(dirname "$0")/../lib/netns.sh"
. "$(dirname "$0")/../lib/agent.sh"
for tool in nft jq python3; do command -v $tool >/dev/null || skip "needs $tool"; done

ok() { echo "ok - $*"; }
mtu_is() { [ "$(braid "$1" --json paths | jq -r --arg n "$2" '.paths[] | select(.name == $n).mtu')" = "$3" ]; }
counter() { braid "$1" --json stats | jq ".engine.$2"; }
drops() { braid "$1" --json stats | jq '.drops | add // 0'; }
tx() { braid "$1" --json paths | jq --arg n "$2" '.paths[] | select(.name == $n).tx_packets'; }

# udp do|dont PACKETS: of 1350 octets each. How many were refused, with which MTU, and how many echoes came
cat >"$T/echo.py" <<-PY
	import socket, sys
	s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
	s.bind(("203.0.113.10", 7000))
	while True:
	    data, peer = s.recvfrom(4096)
	    s.sendto(data[:8], peer)
PY
cat >"$T/udp.py" <<-PY
	import errno, socket, struct, sys
	IP_MTU_DISCOVER, IP_MTU = 10, 14
	s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
	s.setsockopt(socket.IPPROTO_IP, IP_MTU_DISCOVER, {"do": 2, "dont": 0}[sys.argv[1]])
	s.connect(("203.0.113.10", 7000))
	s.settimeout(2)
	refused, got = 0, set()
	for n in range(int(sys.argv[2])):
	    try:
	        s.send(struct.pack("!II", 0, n) + bytes(1350 - 28 - 8))
	        got.add(s.recv(100)[4:8])
	    except OSError as e:
	        refused += e.errno == errno.EMSGSIZE
	print(refused, s.getsockopt(socket.IPPROTO_IP, IP_MTU), len(got))
PY
udp() { in_ns user python3 "$T/udp.py" "$@"; }

topo_multihomed
no_icmp_errors r1
for end in user:ran0 r2:user r2:gw gw:eth1; do ip -n "$(ns "${end%:*}")" link set "${end#*:}" mtu 1300; done
agent_confs 100ms
sed -i 's/paths { probe_interval = 100ms }/paths { probe_interval = 100ms  mtu_raise = 1h }/' "$T"/*/braid.conf
for h in user gw; do echo 'class "default" { mode = redundant copies = 2 }' >>"$T/$h/braid.conf"; done
in_ns lan python3 "$T/echo.py" &
echo=$!
braidd_start gw "$T/gw/braid.conf"
braidd_start user "$T/user/braid.conf"
braid user up home >"$T/up" || fail "up: $(cat "$T/up")"
wait_for 10 two_up user || fail "no two paths"
wait_for 10 mtu_is user ran-b 1300 || fail "the narrow path: $(braid user paths)"
wait_for 10 mtu_is user wlan-a 1500 || fail "the wide path: $(braid user paths)"
reached() { in_ns user ping -c 1 -W 1 -q 203.0.113.10 >"$T/ping"; }
wait_for 10 reached || fail "no ping"

both() { # what a path got more of since, at both
	[ $(($(tx user wlan-a) - $1)) -ge "$3" ] && [ $(($(tx user ran-b) - $2)) -ge "$3" ]
}
copies() { [ $(($(counter gw duplicates) - $1)) -ge "$2" ]; }

read -r refused mtu got < <(udp "do" 5)
[ "$refused" -ge 1 ] && [ "$mtu" -lt 1300 ] && [ "$mtu" -gt 1200 ] && [ "$got" = 0 ] ||
	fail "1350 octets with DF: $refused refused, an MTU of $mtu, $got came"
[ "$(counter user drop_too_big)" -ge 1 ] || fail "not counted: $(braid user --json stats)"
ok "with DF: who sends is told of $mtu"

in_ns user ip route flush cache
wlan=$(tx user wlan-a) ran=$(tx user ran-b) twice=$(counter gw duplicates)
read -r refused mtu got < <(udp dont 50)
[ "$refused" = 0 ] && [ "$got" -ge 49 ] || fail "1350 octets without DF: $refused refused, $got of 50 came"
[ "$(counter user fragmented)" -ge 50 ] || fail "not counted: $(braid user --json stats)"
# two fragments of each, by both paths; the second copies are duplicates
wait_for 5 both "$wlan" "$ran" 100 || fail "by wlan from $wlan to $(tx user wlan-a), by ran from $ran to $(tx user ran-b)"
wait_for 5 copies "$twice" 90 || fail "duplicates from $twice to $(counter gw duplicates)"
ok "without DF: in fragments, each of which goes over both"

# The other path becomes the narrower one, and its router says nothing. Copies are lost there until probes
# find it; later packets are cut to what it carries.
cut_off() { in_ns r1 cat /proc/net/snmp | awk '/^Ip: [0-9]/ { print $(f) } /^Ip: F/ { for (i = 1; i <= NF; i++) if ($i == "FragFails") f = i }'; }
narrow 1280
before=$(cut_off)
in_ns user ping -i 0.01 -c 300 -W 1 -M dont -s $((mtu - 28)) -q 203.0.113.10 >"$T/ping" 2>&1
sent=$(sed -n 's/ packets transmitted.*//p' "$T/ping") got=$(sed -n 's/.*transmitted, \([0-9]*\) received.*/\1/p' "$T/ping")
[ -n "$got" ] && [ $((sent - got)) -le 1 ] || fail "a path gets narrower: $(cat "$T/ping")"
[ $(($(cut_off) - before)) -ge 10 ] || fail "no copy was lost: the path did not get narrower"
wait_for 10 mtu_is user wlan-a 1280 || fail "the path's new size is not found: $(braid user paths)"
ok "a path gets narrower: $(($(cut_off) - before)) packets are too large for it, the other copies come"
[ "$(drops user)" = 0 ] || fail "the steering dropped: $(braid user --json stats)"
kill $echo

#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# Two Child SAs with the same selectors, of two lines, over two paths: engine and steering as they
# are, the agents played. Each SA's packets are on its own wire only; a word that says down moves a
# path's flows to the other SA, and back, without a lost packet, and so do rekeys and Deletes.
# [CLONE-A-6] [CLONE-70] [CLONE-71] [CLONE-73] [CLONE-74]
#
#     a (tun0 10.1.0.1)  u0 192.0.2.1 ====== v0 192.0.2.2      z (tun0 10.1.0.2)
#                        u1 198.51.100.1 === v1 198.51.100.2
. "$(dirname "$0")/../lib/netns.sh"
. "$(dirname "$0")/../lib/driven.sh"
for tool in nft tcpdump tshark /usr/bin/python3; do command -v $tool >/dev/null || skip "needs $tool"; done
FLOWS=40

begin() { # host, tunnel address, u|v, addresses of path 1: own, peer's, of path 2: own, peer's
	local h=$1 dev=$3
	driven_begin "$h" "$2"
	[ "$(steer "$h" path "${dev}0" "$4" "$5")" = 1 ] && [ "$(steer "$h" path "${dev}1" "$6" "$7")" = 2 ] &&
		members "$h" 1 && members "$h" 2 || fail "paths and groups"
}

members() { steer "$1" group 0 1:11:1 2:12:1 >/dev/null; } # host, group

add_sa() { # id, line, option...: at both ends, the receiver first
	local id=$1 line=$2 group=$((8 * ($2 - 10)))
	shift 2
	steer z sa "$id" b $group && steer a sa "$id" a $group &&
		drive z sa "$id" b 10.1.0.2/32 10.1.0.1/32 line="$line" group=$group "$@" &&
		drive a sa "$id" a 10.1.0.1/32 10.1.0.2/32 line="$line" group=$group "$@" || fail "SA $id"
}
del_sa() {
	local h
	for h in a z; do
		drive $h del "$1" && steer $h del "$1" || fail "SA $1 does not go"
	done
}

sent() { drive "$1" stats | sed -n "s/^sa $2 .* out \([0-9]*\) .*/\1/p"; } # host, SA
over() { steer "$1" paths | sed -n "s/^path $2 .* tx //p"; }             # host, path
dropped() { steer "$1" paths | sed -n 's/^dropped //p'; }

# stream SECONDS [FUNCTION...]: what is done meanwhile loses nothing
stream() {
	local seconds=$1 lost
	shift
	in_ns a /usr/bin/python3 "$top/tests/lib/stream.py" send 10.1.0.2 7000 $FLOWS 20 "$seconds" >"$T/stream" &
	local pid=$!
	for step in "$@"; do
		sleep 0.5
		$step
	done
	wait $pid
	lost=$(jq .lost "$T/stream")
	[ "$lost" = 0 ] || for h in a z; do
		drive $h stats
		in_ns $h nstat -az UdpInErrors UdpRcvbufErrors
	done >&2
	[ "$(jq .sent "$T/stream")" -gt $((FLOWS * 20)) ] && [ "$lost" = 0 ] || fail "${*:-at rest}: $(cat "$T/stream")"
	[ "$(dropped a)$(dropped z)" = 00 ] || fail "${*:-at rest}: the steering dropped packets"
}

# What was sent since then.
mark() {
	local h
	for h in a z; do steer $h paths >"$T/$h/paths"; drive $h stats >"$T/$h/stats"; done
}
since_path() { echo $(($(over "$1" "$2") - $(sed -n "s/^path $2 .* tx //p" "$T/$1/paths"))); }
since_sa() { echo $(($(sent "$1" "$2") - $(sed -n "s/^sa $2 .* out \([0-9]*\) .*/\1/p" "$T/$1/stats" | grep . || echo 0))); }

# Each path carried what its SA sent, and nothing else.
each_its_own() { # SA of path 1, of path 2
	local h
	for h in a z; do
		[ "$(since_path $h 1)" = "$(since_sa $h "$1")" ] && [ "$(since_path $h 2)" = "$(since_sa $h "$2")" ] ||
			fail "$h: path 1 $(since_path $h 1), SA $1 $(since_sa $h "$1"); path 2 $(since_path $h 2), SA $2 $(since_sa $h "$2")"
	done
}

host a z
wire a u0 192.0.2.1/24 z v0 192.0.2.2/24
wire a u1 198.51.100.1/24 z v1 198.51.100.2/24
begin a 10.1.0.1 u 192.0.2.1 192.0.2.2 198.51.100.1 198.51.100.2
begin z 10.1.0.2 v 192.0.2.2 192.0.2.1 198.51.100.2 198.51.100.1
add_sa 1 11 probes
add_sa 2 12 probes
ip netns exec "$(ns z)" /usr/bin/python3 "$top/tests/lib/stream.py" echo 10.1.0.2 7000 &
wait_for 5 in_ns z sh -c 'ss -uln | grep -q :7000' || fail "no echo"
# until the neighbours know each other packets may be lost
wait_for 10 in_ns a ping -c 1 -W 1 192.0.2.2 && wait_for 10 in_ns a ping -c 1 -W 1 198.51.100.2 || fail "the wires"
wait_for 10 in_ns a ping -c 1 -W 1 10.1.0.2 || fail "no ping"

captures=()
capture() { # into files of this name, at both uplinks
	local dev
	for dev in u0 u1; do
		ip netns exec "$(ns a)" tcpdump --immediate-mode -Uni $dev -w "$T/$dev.$1" 'udp port 4500 or esp' \
			2>"$T/$dev.$1.log" &
		captures+=($!)
		wait_for 5 grep -q listening "$T/$dev.$1.log" || fail "no capture"
	done
}
captured() {
	kill "${captures[@]}"
	wait "${captures[@]}" 2>/dev/null
	captures=()
}
packets() { tshark -r "$T/$1" -Y "$2" 2>/dev/null | wc -l; } # file, filter
capture spis
mark
stream 1
each_its_own 1 2
for p in 1 2; do
	[ "$(since_path a $p)" -gt $((FLOWS * 5)) ] && [ "$(since_path z $p)" -gt $((FLOWS * 5)) ] || fail "flows are not spread: $(steer a paths; steer z paths)"
done
echo "ok - flows are spread, each path has its SA's packets and no others"

captured
spis() { tshark -r "$T/$1.spis" -d udp.port==4500,udpencap -T fields -e esp.spi 2>/dev/null | sort -u | tr '\n' ' '; }
# engine_drive's SPIs: generation a0 is a's inbound, b0 z's
[ "$(spis u0)" = "0x0a000001 0x0b000001 " ] && [ "$(spis u1)" = "0x0a000002 0x0b000002 " ] ||
	fail "on the wires: $(spis u0), $(spis u1)"
echo "ok - and so say the wires"

down() { for h in a z; do steer $h state 1 down; done; mark; }
up() { for h in a z; do steer $h state 1 up; done; }
stream 5 down
for h in a z; do
	[ "$(since_sa $h 1)" -le $FLOWS ] && [ "$(since_sa $h 2)" -gt $((FLOWS * 4)) ] ||
		fail "$h: SA 1 sent $(since_sa $h 1), SA 2 $(since_sa $h 2) while path 1 was down"
done
mark
stream 1
[ "$(since_sa a 1)$(since_sa z 1)" = 00 ] || fail "SA 1 still sends"
each_its_own 1 2
echo "ok - a path that is down: its flows go on with the other SA, nothing is lost"
stream 5 up
mark
stream 1
each_its_own 1 2
[ "$(since_path a 1)" -gt $((FLOWS * 5)) ] || fail "the path is not used again"
echo "ok - and come back"

# ---- what happens to the one path is told over the other line's ----

path_says() { drive "$1" list | grep -q "^path $2 state $3 .*$4$"; } # host, path, state, more
word_is() { steer "$1" paths | grep -q "^path $2 state $3 "; }
PROBE_USEC=2000000
watch_paths() { # host, u|v, addresses as for begin
	drive "$1" path 1 1 "$3" "$4" $PROBE_USEC line=11 group=8 dev="${2}0" manage &&
		drive "$1" path 2 2 "$5" "$6" $PROBE_USEC line=12 group=16 dev="${2}1" manage || fail "paths"
}
watch_paths a u 192.0.2.1 192.0.2.2 198.51.100.1 198.51.100.2
watch_paths z v 192.0.2.2 192.0.2.1 198.51.100.2 198.51.100.1
for h in a z; do
	for p in 1 2; do
		wait_for 15 path_says $h $p 1 "lost 0" || fail "path $p of $h is not up: $(drive $h list)"
	done
done
ip -n "$(ns a)" addr del 192.0.2.1/24 dev u0
wait_for 15 path_says a 1 3 "lost 1" || fail "the lost address is not noticed: $(drive a list)"
# told, not found out by silence
wait_for 15 path_says z 1 3 "lost 2" || fail "z was not told over the other line's path: $(drive z list)"
# there is company: it is not kept as a last resort
word_is a 1 3 && word_is z 1 3 || fail "words: $(steer a paths; steer z paths)"
mark
stream 1
[ "$(since_sa a 1)$(since_sa z 1)" = 00 ] || fail "SA 1 is used"
echo "ok - an address that is lost: the other end is told over the path of the other line"
ip -n "$(ns a)" addr add 192.0.2.1/24 dev u0
for h in a z; do
	wait_for 30 word_is $h 1 1 || fail "path 1 of $h does not come back: $(drive $h list)"
done
stream 1

# Nothing of z gets through to a on its path: that direction is left, the other one goes on, for the
# answers come by the other line's path.
PROBE_USEC=200000
watch_paths a u 192.0.2.1 192.0.2.2 198.51.100.1 198.51.100.2
watch_paths z v 192.0.2.2 192.0.2.1 198.51.100.2 198.51.100.1
in_ns a nft -f - <<-'NFT' || fail "nft"
	table inet oneway { chain in { type filter hook input priority 0; iifname "u0" udp sport 4500 drop; }; }
NFT
wait_for 15 path_says z 1 3 "" || fail "z goes on sending there: $(drive z list)"
wait_for 15 path_says a 1 1 "one_way 1 lost 0" || fail "a does not learn that its direction works: $(drive a list)"
mark
stream 1
[ "$(since_sa a 1)" -gt $((FLOWS * 5)) ] && [ "$(since_sa z 1)" = 0 ] ||
	fail "over the path that works one way a sent $(since_sa a 1), z $(since_sa z 1)"
path_says a 1 1 "one_way 1 lost 0" || fail "a has left it: $(drive a list)"
echo "ok - a path that works in one direction is used in that, by answers over the other line's"
in_ns a nft delete table inet oneway
for h in a z; do
	wait_for 30 word_is $h 1 1 || fail "path 1 of $h does not come back: $(drive $h list)"
	drive $h pathdel 1 && drive $h pathdel 2 || fail "pathdel"
done

rekey() { add_sa 3 11 replaces=1 defer; add_sa 4 12 replaces=2 defer; }
settle() { for h in z a; do drive $h on 3 && drive $h on 4; done; }
drop_old() { del_sa 1; del_sa 2; }
stream 3 rekey settle drop_old
mark
stream 1
each_its_own 3 4
[ "$(since_path a 1)" -gt $((FLOWS * 5)) ] && [ "$(since_path a 2)" -gt $((FLOWS * 5)) ] || fail "the successors do not share"
echo "ok - successors take the places of both"

new_agent() { for h in a z; do drive $h maps "$T/$h/bpf/braid" || fail "maps again"; done; }
shrink() { for h in a z; do steer $h group 16 1:11:0 2:12:1 >/dev/null; steer $h group 8 1:11:0 2:12:1 >/dev/null; done; }
stream 2 new_agent shrink
mark
stream 1
each_its_own 3 4
[ "$(since_sa a 3)$(since_sa z 3)" = 00 ] || fail "a standby is used"
echo "ok - an agent that comes later, members that change"

# Line 12's path carries less, and its ESP goes without UDP: each packet as its own SA wants it.
for h in a z; do steer $h group 16 1:11:1 2:12:1 >/dev/null; steer $h group 8 1:11:1 2:12:1 >/dev/null; done
add_sa 5 11 replaces=3
add_sa 6 12 replaces=4 plain room=1020
del_sa 3
del_sa 4
too_big() { drive a stats | sed -n 's/^too_big \([0-9]*\) .*/\1/p'; }
before=$(too_big)
capture sizes
mark
# whatever the kernel has learned of the path: one datagram of each flow, with DF
in_ns a /usr/bin/python3 - <<-PY || fail "datagrams"
	import socket
	for i in range($FLOWS):
	    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
	    s.setsockopt(socket.IPPROTO_IP, 10, 3)  # IP_MTU_DISCOVER, IP_PMTUDISC_PROBE
	    s.sendto(bytes(1200), ("10.1.0.2", 7001))
PY
fits() { [ $(($(since_sa a 5) + $(too_big) - before)) = $FLOWS ]; }
wait_for 5 fits || fail "of $FLOWS datagrams SA 5 took $(since_sa a 5), $(($(too_big) - before)) were too large"
[ "$(since_sa a 5)" -gt 0 ] && [ "$(too_big)" -gt "$before" ] && [ "$(since_sa a 6)" = 0 ] ||
	fail "sizes: SA 5 sent $(since_sa a 5), SA 6 $(since_sa a 6)"
stream 1
captured
[ "$(packets u0.sizes 'udp')" -gt $((FLOWS * 5)) ] && [ "$(packets u0.sizes 'ip.proto == 50')" = 0 ] &&
	[ "$(packets u1.sizes 'ip.proto == 50')" -gt $((FLOWS * 5)) ] && [ "$(packets u1.sizes 'udp')" = 0 ] ||
	fail "u0: $(packets u0.sizes udp) in UDP, $(packets u0.sizes 'ip.proto == 50') not; u1: $(packets u1.sizes udp), $(packets u1.sizes 'ip.proto == 50')"
echo "ok - how large packets may be, and UDP around ESP, are the chosen SA's"

end_line() { for h in a z; do drive $h retire 6; done; }
stream 2 end_line
del_sa 6
mark
stream 1
[ "$(since_sa a 5)" = $(($(since_path a 1) + $(since_path a 2))) ] && [ "$(since_path a 2)" -gt $((FLOWS * 5)) ] ||
	fail "SA 5 sent $(since_sa a 5), over the paths went $(since_path a 1) and $(since_path a 2)"
echo "ok - a line that ends leaves its flows to the other's SA, over the paths there are"

for h in a z; do
	drive $h shutdown
	steer $h flush || fail "flush"
done

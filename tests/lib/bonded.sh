# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
# Two engines and their steering, the agents played, and two wires between them that are shaped and take
# time. Sourced after netns.sh and relay.sh.
#
#     a (tun0 10.1.0.1)  u0 192.0.2.1 ==== w1 ==== v0 192.0.2.2      z (tun0 10.1.0.2)
#                        u1 198.51.100.1 = w2 ==== v1 198.51.100.2

# shellcheck source=tests/lib/driven.sh
. "${top:?by netns.sh}/tests/lib/driven.sh"

# bonded_wire NAME MBIT USEC HOST1 IF1 ADDR1 HOST2 IF2 ADDR2: with queues of 50 ms
bonded_wire() {
	local end name=$1 mbit=$2
	relay_wire "$name" "${@:3}"
	for end in one two; do
		in_ns "$name" tc qdisc add dev $end root tbf rate "${mbit}mbit" burst 32k limit $((mbit * 1000 / 8 * 50)) ||
			skip "needs tbf"
	done
	# a wire carries no super-packets
	in_ns "$4" ethtool -K "$5" tso off gso off tx-udp-segmentation off >/dev/null
	in_ns "$7" ethtool -K "$8" tso off gso off tx-udp-segmentation off >/dev/null
}

bonded_begin() { # host, tunnel address, option of config...
	local h=$1 inner=$2
	mkdir "$T/$h/bpf"
	mount -t bpf bpf "$T/$h/bpf" || skip "no bpffs can be mounted here"
	ip netns exec "$(ns "$h")" "$B/braid-esp" -f -d "$T/$h" >>"$T/$h/log" 2>&1 &
	wait_for 5 test -S "$T/$h/engine.sock" || fail "no engine"
	steer "$h" open || skip "the steering programs cannot be loaded here"
	drive "$h" config tun0 198.18.0.1 198.18.0.2 "${@:3}" || fail "configuration"
	ip -n "$(ns "$h")" addr add "$inner/24" dev tun0
	in_ns "$h" sysctl -qw net.ipv4.tcp_rmem='4096 131072 16777216' net.ipv4.tcp_wmem='4096 131072 16777216'
	drive "$h" maps "$T/$h/bpf/braid" || fail "the engine does not take the maps"
}

# bonded_paths HOST DEV0 LOCAL0 REMOTE0 DEV1 LOCAL1 REMOTE1: their group, a bond, in $group
bonded_paths() {
	[ "$(steer "$1" path "$2" "$3" "$4")" = 1 ] && [ "$(steer "$1" path "$5" "$6" "$7")" = 2 ] || fail "paths"
	group=$(steer "$1" group 0 mode=3 1:0:1 2:0:1) || fail "group"
}

bonded_sa() { # id, option...: at both ends, the receiver first
	steer z sa "$1" b "$group" && steer a sa "$1" a "$group" &&
		drive z sa "$1" b 10.1.0.2/32 10.1.0.1/32 probes group="$group" "${@:2}" &&
		drive a sa "$1" a 10.1.0.1/32 10.1.0.2/32 probes group="$group" "${@:2}" || fail "SA $1"
}

# bonded_probes SA RATE1 RATE2: both ends probe both paths; rates in Mbit/s, 0: they are to find out
bonded_probes() {
	local h
	drive a path 1 "$1" 192.0.2.1 192.0.2.2 50000 group="$group" rate="$2" &&
		drive a path 2 "$1" 198.51.100.1 198.51.100.2 50000 group="$group" rate="$3" &&
		drive z path 1 "$1" 192.0.2.2 192.0.2.1 50000 group="$group" rate="$2" &&
		drive z path 2 "$1" 198.51.100.2 198.51.100.1 50000 group="$group" rate="$3" || fail "paths"
	for h in a z; do
		wait_for 10 bonded_proven $h || fail "paths of $h: $(drive $h list)"
	done
}
bonded_proven() { [ "$(drive "$1" list | grep -c '^path .* state 1 verified 1')" = 2 ]; }

# bonded_up MBIT1 USEC1 MBIT2 USEC2 [RATE1 RATE2 [option of the SA...]]: all of it
bonded_up() {
	host a z
	bonded_wire w1 "$1" "$2" a u0 192.0.2.1/24 z v0 192.0.2.2/24
	bonded_wire w2 "$3" "$4" a u1 198.51.100.1/24 z v1 198.51.100.2/24
	bonded_begin a 10.1.0.1 workers=2
	bonded_begin z 10.1.0.2 workers=2
	bonded_paths a u0 192.0.2.1 192.0.2.2 u1 198.51.100.1 198.51.100.2
	bonded_paths z v0 192.0.2.2 192.0.2.1 v1 198.51.100.2 198.51.100.1
	bonded_sa 1 "${@:7}"
	bonded_probes 1 "${5:-$1}" "${6:-$3}"
	in_ns a ping -c 1 -W 2 10.1.0.2 >/dev/null || fail "no ping"
}

# What one end counts: drive's names. bonded_count HOST NAME
bonded_count() { drive "$1" stats | sed -n "s/.* $2 \([0-9]*\).*/\1/p" | tail -1; }
bonded_over() { steer "$1" paths | sed -n "s/^path $2 .* tx //p"; } # host, path: packets sent

# bonded_stream SECONDS [PORT]: one TCP stream from a to z. Its JSON is in $T/stream.
bonded_stream() {
	local port=${2:-7000} receiver
	in_ns z "$B/tests/netns/streams" receive 10.1.0.2 "$port" 1 >"$T/stream" 2>"$T/stream.err" &
	receiver=$!
	bonded_listens() { in_ns z ss -Hlnt "sport = :$port" | grep -q .; }
	wait_for 5 bonded_listens || fail "no receiver: $(cat "$T/stream.err")"
	in_ns a "$B/tests/netns/streams" send 10.1.0.2 "$port" 1 "$1" 2>"$T/stream.err" || fail "sender: $(cat "$T/stream.err")"
	wait $receiver || fail "receiver: $(cat "$T/stream.err")"
}

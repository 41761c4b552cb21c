#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# The wires that take time (tests/lib/relay.sh), of which other tests and benchmarks think that they
# take that long, keep the order and lose nothing but what they are told to lose.
#
#     a 192.0.2.1 ---- the relay ---- 192.0.2.2 b
. "$(dirname "$0")/../lib/netns.sh"
. "$(dirname "$0")/../lib/relay.sh"

ok() { echo "ok - $*"; }
pings() { in_ns a ping -c "$1" -i "$2" -W 1 -q 192.0.2.2 >"$T/ping"; }
# The shortest round trip, usec: none is shorter, and the shortest of many is hardly longer.
least() { awk -F'[/= ]+' '/^rtt/ { printf "%d\n", $6 * 1000 }' "$T/ping"; }
takes() { # USEC
	local us
	pings 100 0.005 || fail "not relayed: $(cat "$T/ping")"
	us=$(least)
	[ "$us" -ge "$1" ] && [ "$us" -le $(($1 + 2000)) ] || fail "$us us instead of $1"
}
relayed() { # FILTER of jq: of what it says
	relay_say wire stat
	relay_hear wire
	jq -r "$1" <<<"$relay_heard"
}

host a b
for h in a b; do in_ns $h sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1; done # no frames but these
relay_wire wire 10000 a eth0 192.0.2.1/24 b eth0 192.0.2.2/24
takes 20000
relay_say wire delay 5000 25000
takes 30000
relay_say wire delay 0
takes 0
ok "round trips take both delays"

# Numbered datagrams as fast as they can be sent, and a delay that becomes shorter meanwhile.
order() { # HOST ARGUMENT...
	local h=$1
	shift
	in_ns "$h" /usr/bin/python3 "$top/tests/netns/in_order.py" "$@"
}
listening() { in_ns b ss -Hlntu "sport = :9" | grep -q .; }
relay_say wire delay 20000
order b receive 192.0.2.2 5000 2>"$T/order" &
receiver=$!
wait_for 10 listening || fail "no receiver: $(cat "$T"/order "$T"/came 2>&1)"
order a send 192.0.2.2 2500
relay_say wire delay 1000
order a send 192.0.2.2 2500 2500
wait "$receiver" || fail "$(cat "$T/order")"
ok "5,000 datagrams come in order, also when it becomes shorter"

order b listen 192.0.2.2 >"$T/came" 2>&1 &
receiver=$!
wait_for 10 listening || fail "no receiver: $(cat "$T"/order "$T"/came 2>&1)"
order a stream 192.0.2.2 50000000 >"$T/went" 2>&1 || fail "$(cat "$T/went")"
wait "$receiver" && cmp -s "$T/went" "$T/came" || fail "$(cat "$T/went") became $(cat "$T/came")"
[ "$(relayed '[.there, .back] | map(.lost + .full + .refused) | add')" = 0 ] || fail "lost: $relay_heard"
ok "super-packets pass as they are, and nothing is lost"

# The frames of a seed that are lost are the same each time; of 500 pings with 10 % one may guess how many.
lost_pings() {
	relay_say wire loss 100 0 "$1"
	pings 500 0.002
	sed -n 's/\([0-9]*\) packets transmitted, \([0-9]*\) received.*/\1 \2/p' "$T/ping" | awk '{ print $1 - $2 }'
}
relay_say wire delay 0
in_ns a ip neigh replace 192.0.2.2 lladdr "$(in_ns b cat /sys/class/net/eth0/address)" dev eth0
in_ns b ip neigh replace 192.0.2.1 lladdr "$(in_ns a cat /sys/class/net/eth0/address)" dev eth0
first=$(lost_pings 1)
[ "$first" -ge 20 ] && [ "$first" -le 90 ] || fail "$first of 500 pings are lost, of 10 %"
[ "$(lost_pings 1)" = "$first" ] || fail "not the same with the same seed"
relay_say wire loss 0 0 0
ok "one of ten is lost: $first of 500, twice"

relay_end wire
wait_for 5 no_pids wire || fail "it does not end with its input"
jq -e ".there.lost == 2 * $first and .back.lost == 0" <<<"$relay_heard" >/dev/null || fail "it says $relay_heard"
ok "it ends with its input, and says what it did"

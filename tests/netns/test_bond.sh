#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# Bonding: one TCP stream over two wires of different rate and length, engines and steering as they are,
# the agents played. Both carry of it, no octet is wrong, nothing is lost but by
# the wires, and the receiver brings nothing out of order. Rekeying and a wire that is cut in the middle do
# not end it, and packets are as long as the wires allow.
. "$(dirname "$0")/../lib/netns.sh"
. "$(dirname "$0")/../lib/relay.sh"
. "$(dirname "$0")/../lib/bonded.sh"
for tool in tc ethtool jq tcpdump; do command -v $tool >/dev/null || skip "needs $tool"; done

good() { jq '.streams[0] | if .wrong == null then .octets else 0 end' "$T/stream"; }
later() { jq '(2000000 / .bin_usec) as $s | .streams[0].bins[$s:] | add // 0' "$T/stream"; } # than two seconds
since() { echo $(($(bonded_over a "$1") - $2)); }

group=0 # bonded_up says which
bonded_up 40 2000 20 12000 40 20 room=1480

# ---- both carry one stream ----
one=$(bonded_over a 1) two=$(bonded_over a 2)
bonded_stream 4
[ "$(good)" -gt 0 ] || fail "octets are wrong: $(jq -c '.streams[0].wrong' "$T/stream")"
one=$(since 1 "$one") two=$(since 2 "$two")
if [ "$two" -le $((one / 10)) ] || [ "$one" -le $((two / 10)) ]; then fail "packets by the wires: $one, $two"; fi
# what they carry together is for a benchmark to tell: this machine may be busy
[ "$(good)" -gt 1000000 ] || fail "only $(good) octets"
[ "$(bonded_count z waited)" -gt 100 ] || fail "nothing was put in order: $(drive z stats)"
# late are only such as no wire kept in order: a busy machine
[ "$(bonded_count z behind)" -le $(($(bonded_count z waited) / 2)) ] || fail "not in order: $(drive z stats)"
[ "$(bonded_count z no_room)" = 0 ] || fail "no room: $(drive z stats)"

# ---- packets are as long as they may be: 8 octets less than without ----
# 1480 behind the outer header: UDP 8, ESP 8 + 8 + 16; what is left is a multiple of 4, less 2 and those
longest=$(((1480 - 40) / 4 * 4 - 2 - 8))
in_ns a ip link set tun0 mtu 1500
in_ns a ping -c 1 -W 2 -M "do" -s 1472 10.1.0.2 >"$T/ping" 2>&1
grep -q "mtu *= *$longest" "$T/ping" || fail "not told of $longest: $(cat "$T/ping")"
in_ns a ping -c 1 -W 2 -M "do" -s $((longest - 28)) 10.1.0.2 >/dev/null || fail "$longest octets do not arrive"
in_ns a ip link set tun0 mtu 1400

# ---- a new SA in the middle, then a wire that brings nothing ----
rekey() {
	steer z sa 2 b "$group" && steer a sa 2 a "$group" &&
		drive z sa 2 b 10.1.0.2/32 10.1.0.1/32 probes room=1480 group="$group" replaces=1 &&
		drive a sa 2 a 10.1.0.1/32 10.1.0.2/32 probes room=1480 group="$group" replaces=1 || fail "SA 2"
}
(sleep 1 && rekey) &
rekeyed=$!
bonded_stream 3 7001
wait $rekeyed || fail "not rekeyed"
[ "$(good)" -gt 0 ] || fail "octets are wrong while there is a rekeying"
bonded_stream 1 7003
[ "$(good)" -gt 0 ] || fail "octets are wrong after a rekeying"
[ "$(drive a stats | sed -n 's/^sa 2 .* out \([0-9]*\) .*/\1/p')" -gt 100 ] || fail "the new SA is not used"

(sleep 1 && relay_say w1 loss 1000 1000 1 && sleep 0.2 && for h in a z; do steer $h state 1 down; done) &
cut=$!
bonded_stream 4 7002
wait $cut
[ "$(good)" -gt 1000000 ] && [ "$(later)" -gt 100000 ] || fail "only $(good) octets, $(later) of them when a wire is cut"

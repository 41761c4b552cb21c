#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# Redundant mode: engine and steering as they are, the agents played. Each packet goes over both
# paths, each of which loses a tenth of its packets by itself: a hundredth is lost, nothing comes
# twice; and nothing at all is lost when either path is cut.
#
#                       +-- u0 192.0.2.0/26 ----- r1 --- 192.0.2.64/26 ----+
#     a (tun0 10.1.0.1) |                                                  | z (tun0 10.1.0.2)
#                       +-- u1 198.51.100.0/26 -- r2 --- 198.51.100.64/26 -+
. "$(dirname "$0")/../lib/netns.sh"
. "$(dirname "$0")/../lib/driven.sh"
for tool in nft /usr/bin/python3 jq; do command -v $tool >/dev/null || skip "needs $tool"; done
REDUNDANT=2 # enum steer_mode
FLOWS=20
ok() { echo "ok - $*"; }

both_paths() { steer "$1" group 8 mode=$REDUNDANT copies=2 1:11:1 2:11:1 >/dev/null; } # host

begin() { # host, tunnel address, u|v, addresses of path 1: own, peer's, of path 2: own, peer's
	local h=$1 dev=$3
	driven_begin "$h" "$2"
	ip -n "$(ns "$h")" link set tun0 txqueuelen 20000 # a machine under load loses nothing of its own
	[ "$(steer "$h" path "${dev}0" "$4" "$5")" = 1 ] && [ "$(steer "$h" path "${dev}1" "$6" "$7")" = 2 ] ||
		fail "paths"
	[ "$(steer "$h" group 0 1:11:1)" = 8 ] && both_paths "$h" || fail "groups"
}

host a r1 r2 z
wire a u0 192.0.2.2/26 r1 a0 192.0.2.1/26
wire a u1 198.51.100.2/26 r2 a1 198.51.100.1/26
wire r1 z0 192.0.2.65/26 z v0 192.0.2.66/26
wire r2 z1 198.51.100.65/26 z v1 198.51.100.66/26
router r1
router r2
ip -n "$(ns a)" route add 192.0.2.64/26 via 192.0.2.1
ip -n "$(ns a)" route add 198.51.100.64/26 via 198.51.100.1
ip -n "$(ns z)" route add 192.0.2.0/26 via 192.0.2.65
ip -n "$(ns z)" route add 198.51.100.0/26 via 198.51.100.65
begin a 10.1.0.1 u 192.0.2.2 192.0.2.66 198.51.100.2 198.51.100.66
begin z 10.1.0.2 v 192.0.2.66 192.0.2.2 198.51.100.66 198.51.100.2
steer z sa 1 b 8 && steer a sa 1 a 8 && drive z sa 1 b 10.1.0.2/32 10.1.0.1/32 line=11 group=8 &&
	drive a sa 1 a 10.1.0.1/32 10.1.0.2/32 line=11 group=8 || fail "no SA"
ip netns exec "$(ns z)" /usr/bin/python3 "$top/tests/lib/copies.py" receive 10.1.0.2 7000 >"$T/received" &
receiver=$!
wait_for 5 in_ns z sh -c 'ss -uln | grep -q :7000' || fail "no receiver"
# next hops are known from here on
in_ns a ping -c 1 -W 2 10.1.0.2 >/dev/null || fail "no ping"
for there in 192.0.2.66 198.51.100.66; do in_ns a ping -c 1 -W 2 "$there" >/dev/null || fail "no way to $there"; done
for back in 192.0.2.2 198.51.100.2; do in_ns z ping -c 1 -W 2 "$back" >/dev/null || fail "no way to $back"; done

over() { steer a paths | sed -n "s/^path $1 .* tx //p"; }
# send PACKETS [FUNCTION]: and what is done meanwhile
send() {
	in_ns a /usr/bin/python3 "$top/tests/lib/copies.py" send 10.1.0.2 7000 $FLOWS "$1" >"$T/sent" &
	local pid=$!
	shift
	for step in "$@"; do
		sleep 0.3
		$step
	done
	wait $pid || fail "the sender"
}
result() { # of what was sent since the last time: sent, lost, twice
	in_ns a /usr/bin/python3 "$top/tests/lib/copies.py" ask 10.1.0.2 7000 "$(jq .sent "$T/sent")"
}

first=$(over 1) second=$(over 2)
send 4000
r=$(result)
[ "$(jq .lost <<<"$r")" = 0 ] && [ "$(jq .twice <<<"$r")" = 0 ] || fail "without loss: $r"
[ $(($(over 1) - first)) -ge 4000 ] && [ $(($(over 1) - first)) = $(($(over 2) - second)) ] ||
	fail "over the paths: $first to $(over 1), $second to $(over 2)"
copies=$(drive z list | sed -n 's/^sa 1 .* replay \([0-9]*\) .* duplicates \([0-9]*\) .*/\1 \2/p')
[ "${copies% *}" -ge 4000 ] && [ "${copies% *}" = "${copies#* }" ] || fail "replayed and duplicates: $copies"
ok "everything goes over both, and comes once"

# One packet is one datagram: it is lost for itself.
lossy() {
	in_ns "$1" nft -f - <<-END
		table ip loss {
			chain f {
				type filter hook forward priority 0
				ip protocol udp numgen random mod 10 0 drop
			}
		}
	END
}
lossy r1 && lossy r2 || skip "nft knows no random numbers here"
send 40000
in_ns r1 nft delete table ip loss
in_ns r2 nft delete table ip loss
r=$(result)
# 400 on the average, and 20 the standard deviation
lost=$(jq .lost <<<"$r")
[ "$lost" -ge 320 ] && [ "$lost" -le 480 ] && [ "$(jq .twice <<<"$r")" = 0 ] || fail "a tenth of each path: $r"
ok "a tenth of each path lost: $lost of 40000, nothing came twice"

for cut in r1 r2; do
	cut_it() { cut_path $cut; }
	send 4000 cut_it
	r=$(result)
	[ "$(jq .lost <<<"$r")" = 0 ] && [ "$(jq .twice <<<"$r")" = 0 ] || fail "$cut is cut: $r"
	mend_path $cut
done
ok "either path is cut: nothing is lost"

dropped=$(steer a paths | sed -n 's/^dropped //p')
[ "$dropped" = 0 ] || fail "the steering dropped $dropped"
kill $receiver

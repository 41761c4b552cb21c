#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# Sixteen TCP streams over two uplinks with an IKE SA each: both carry some, answers go the way of what
# they answer, and when an uplink is cut and comes back all of it arrives as it was sent, nothing of it in clear.
. "$(dirname "$0")/../lib/netns.sh"
. "$(dirname "$0")/../lib/agent.sh"
for tool in tcpdump nft python3; do command -v $tool >/dev/null || skip "needs $tool"; done

ok() { echo "ok - $*"; }
N=16

# Which uplink carries which streams, there and back, for a while: lines "STREAM ROUTER" in $T/data and
# $T/acks. Probes and IKE have DSCP 0, which no stream has.
look() {
	local r pids=()
	for r in r1 r2; do
		in_ns $r /usr/bin/python3 "$top/tests/lib/dscp_paths.py" gw 500 >"$T/seen-$r" &
		pids+=($!)
	done
	wait "${pids[@]}"
	for r in r1 r2; do
		jq -r ".out | keys[] | select(. != \"0\") + \" $r\"" "$T/seen-$r" >>"$T/data"
		jq -r ".in | keys[] | select(. != \"0\") + \" $r\"" "$T/seen-$r" >>"$T/acks"
	done
}
forget() { rm -f "$T/data" "$T/acks"; }
on() { grep -c " $1\$" "$T/data"; }
spread_out() {
	forget
	look
	[ "$(on r1)" -gt 0 ] && [ "$(on r2)" -gt 0 ] && [ "$(cut -d' ' -f1 "$T/data" | sort -u | wc -l)" = $N ]
}
all_on() { # ROUTER
	forget
	look
	[ "$(on "$1")" = $N ] && [ "$(wc -l <"$T/data")" = $N ]
}

topo_multihomed
for r in r1 r2; do # the machine has other things to do, too
	for dev in user gw; do in_ns $r tc qdisc add dev $dev root tbf rate 20mbit burst 32k limit 200000 2>/dev/null; done
	in_ns $r tcpdump --immediate-mode -lni any 'net 203.0.113.0/24' >"$T/clear-$r" 2>"$T/clear-$r.err" &
	wait_for 5 grep -q 'listening on' "$T/clear-$r.err" || fail "no capture at $r"
done
in_ns user ping -c 1 -W 1 -I ran0 -q 203.0.113.63 >/dev/null
wait_for 5 grep -q ICMP "$T/clear-r2" || fail "the capture sees nothing"
: >"$T/clear-r2"

agent_confs 100ms
sed -i 's/multipath = true/multipath = clone/' "$T/user/braid.conf"
braidd_start gw "$T/gw/braid.conf"
braidd_start user "$T/user/braid.conf"
braid user up home >"$T/up" 2>&1 || fail "up: $(cat "$T/up")"
for h in user gw; do wait_for 15 two_up $h || fail "two paths of $h: $(braid $h paths)"; done

in_ns lan "$B/tests/netns/streams" receive 203.0.113.10 7000 $N >"$T/streams" 2>"$T/streams.err" &
receiver=$!
listening() { in_ns lan ss -Hlnt "sport = :7000" | grep -q .; }
wait_for 5 listening || fail "no receiver: $(cat "$T/streams.err")"
ip netns exec "$(ns user)" "$B/tests/netns/streams" send 203.0.113.10 7000 $N 100 2>"$T/sender.err" &
sender=$!
wait_for 20 spread_out || fail "streams do not use both uplinks: $(cat "$T/data")"
same_way() {
	spread_out || return 1
	sort "$T/data" >"$T/there"
	sort "$T/acks" | comm -13 "$T/there" - >"$T/elsewhere"
	[ ! -s "$T/elsewhere" ]
}
wait_for 20 same_way || fail "answers go elsewhere: $(paste -sd' ' "$T/elsewhere"), of $(paste -sd' ' "$T/there")"
ok "each stream has its uplink, both ways: $(on r1) and $(on r2) of $N"

in_ns r1 nft add table inet cut '{ chain c { type filter hook forward priority 0; policy drop; }; }'
wait_for 20 all_on r2 || fail "streams do not leave what is cut: $(cat "$T/data")"
in_ns r1 nft delete table inet cut
for h in user gw; do wait_for 30 two_up $h || fail "two paths again, $h: $(braid $h paths)"; done
wait_for 20 spread_out || fail "streams do not come back: $(cat "$T/data")"
ok "those of an uplink that is cut take the other one, and come back"

kill $sender
wait $sender || fail "sender: $(cat "$T/sender.err")"
wait $receiver || fail "receiver: $(cat "$T/streams.err")"
jq -e ".unfinished == 0 and (.streams | length == $N and all(.wrong == null and .octets > 100000))" "$T/streams" >/dev/null ||
	fail "not as it was sent: $(jq -c '.streams[] | del(.bins)' "$T/streams")"
ok "all octets of $N streams are those that were sent"
cat "$T"/clear-r? >"$T/clear"
[ ! -s "$T/clear" ] || fail "in clear: $(head -n 3 "$T/clear")"
ok "nothing in clear"

#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# inner_address = per_line: each IKE SA of a family has a virtual address of its own, and carries what is
# sent from it. They are the host's as long as their Child SAs are there; a new agent finds them.
# [CLONE-41] [CLONE-42]
. "$(dirname "$0")/../lib/netns.sh"
. "$(dirname "$0")/../lib/agent.sh"

ok() { echo "ok - $*"; }
vips() { in_ns user ip -j addr show | jq -r '[.[].addr_info[].local | select(startswith("203.0.113."))] | sort | join(" ")'; }
have_vips() { [ "$(vips | wc -w)" = "$1" ]; }
from() { in_ns user ping -I "$1" -c 1 -W 0.5 -q 203.0.113.10; }
source_is() { in_ns user ip route get 203.0.113.10 | grep -q "src $1 "; }
# packets sent by the Child SA that has that address
sent() {
	braid user --json sas |
		jq -s --arg a "$1" '[.[].ike_sas[].children[] | select(.local_ts | tostring | contains($a)) | .tx_packets] | add'
}

topo_multihomed
agent_confs 100ms
sed -i 's/multipath = true/& inner_address = per_line/' "$T/user/braid.conf"
braidd_start gw "$T/gw/braid.conf"
braidd_start user "$T/user/braid.conf"
braid user up home >/dev/null 2>&1 || fail "not up: $(braid user status)"
wait_for 5 have_vips 1 || fail "addresses: $(vips)"
first=$(vips)
braid user clone home/net >/dev/null 2>"$T/err" || fail "not cloned: $(cat "$T/err")"
wait_for 5 have_vips 2 || fail "addresses with a clone: $(vips)"
second=$(vips | tr ' ' '\n' | grep -vx "$first")
for a in "$first" "$second"; do
	wait_for 5 from "$a" || fail "nothing from $a: $(braid user sas)"
done
source_is "$first" || fail "the first one's is not the source of what does not choose: $(in_ns user ip route)"
ok "two IKE SAs, two virtual addresses: $first, $second"

for a in "$first" "$second"; do
	other=$first
	[ "$a" = "$first" ] && other=$second
	was=$(sent "$a") was_other=$(sent "$other")
	in_ns user ping -I "$a" -i 0.02 -c 50 -W 1 -q 203.0.113.10 >"$T/ping" || fail "pings from $a"
	grep -q ' 50 received' "$T/ping" || fail "lost from $a: $(cat "$T/ping")"
	[ $(($(sent "$a") - was)) -ge 50 ] || fail "the SA of $a sent $(sent "$a"), $was before"
	[ $(($(sent "$other") - was_other)) -lt 25 ] || fail "that of $other carries it, too"
done
ok "each carries what is sent from its address"

for w in user gw; do
	kill -9 "$(agent_pid "$w")"
	sleep 0.3
	braidd_start "$w" "$T/$w/braid.conf"
	for a in "$first" "$second"; do
		wait_for 5 from "$a" || fail "a new agent of $w: nothing from $a"
	done
done
braid user rekey home >/dev/null 2>&1 || fail "rekey"
[ "$(vips)" = "$(printf '%s\n' "$first" "$second" | sort | xargs)" ] || fail "addresses after all that: $(vips)"
ok "new agents and rekeys keep them"

# As the first line goes, so does its address; the other's is the source then, and its traffic does not stop.
line=$(braid user --json sas | jq -s --arg a "$first" '.[].ike_sas[] | select(.vips == [$a]).line')
in_ns user ping -I "$second" -i 0.01 -c 150 -W 1 -q 203.0.113.10 >"$T/ping" &
pinger=$!
sleep 0.3
braid user down "home#$line" >/dev/null 2>"$T/err" || fail "the line is not ended: $(cat "$T/err")"
wait_for 5 have_vips 1 || fail "addresses without the first line: $(vips)"
source_is "$second" || fail "the source of what does not choose: $(in_ns user ip route)"
wait "$pinger"
grep -q ' 150 received' "$T/ping" || fail "the other line lost packets: $(cat "$T/ping")"
wait_for 2 in_ns user ping -c 1 -W 0.5 -q 203.0.113.10 || fail "nothing by the route"
ok "without the first line"

braid user down home >/dev/null 2>&1 || fail "down"
wait_for 5 have_vips 0 || fail "addresses stay: $(vips)"
ok "down takes all of them"

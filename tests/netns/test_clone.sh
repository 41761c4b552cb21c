#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# IKE SAs are cloned between two agents (RFC 7791), by either. A clone has a Child SA of its own, and
# outlives the one that was there first, and both agents; traffic goes on, also when the family
# authenticates anew or one IKE SA of it ends.
# [CLONE-3] [CLONE-14] [CLONE-18] [CLONE-24] [CLONE-35]
. "$(dirname "$0")/../lib/netns.sh"
. "$(dirname "$0")/../lib/agent.sh"

ok() { echo "ok - $*"; }
reach() { in_ns user ping -c 1 -W 0.3 -q 203.0.113.10; }
sas() { braid "$1" --json sas | jq -s "[.[].ike_sas[]] | $2"; }
# has WHO N CHILDREN: so many IKE SAs of one family, and so many Child SAs
has() {
	[ "$(sas "$1" '[.[] | select(.state == "ESTABLISHED")] | length')" = "$2" ] &&
		[ "$(sas "$1" '[.[].family] | unique | length')" = 1 ] &&
		[ "$(sas "$1" '[.[].children[]] | length')" = "$3" ]
}
both_have() {
	local w
	for w in user gw; do
		wait_for 5 has "$w" "$1" "$2" || fail "$3: $w has $(braid "$w" sas)"
	done
}

topo_multihomed
agent_confs 100ms
sed -i 's/connection "[a-z]*" {/& ike_sas_max = 3/' "$T"/*/braid.conf
braidd_start gw "$T/gw/braid.conf"
braidd_start user "$T/user/braid.conf"
braid user up home >/dev/null 2>&1 || fail "not up: $(braid user status)"
wait_for 10 reach || fail "the LAN is not reached: $(braid user status)"

braid user clone home/net >/dev/null 2>"$T/err" || fail "not cloned: $(cat "$T/err")"
both_have 2 2 "after the clone"
braid user sas | grep -q '  line [0-9]*, clone of [0-9]*; family [0-9]*: 2 IKE SAs, 2 Child SAs' ||
	fail "it is not shown: $(braid user sas)"
wait_for 5 reach || fail "no traffic beside a clone: $(braid user paths)"
ok "the initiator clones, with a Child SA"

braid gw clone rw >/dev/null 2>"$T/err" || fail "not cloned by the gateway: $(cat "$T/err")"
both_have 3 2 "after the gateway's"
braid user clone home >/dev/null 2>"$T/err" && fail "a fourth one, where there may be three"
grep -q 'as many IKE SAs as may be' "$T/err" || fail "that is said so: $(cat "$T/err")"
ok "the responder clones; no more than there may be"

for w in user gw; do
	kill -9 "$(agent_pid "$w")"
	sleep 0.3
	braidd_start "$w" "$T/$w/braid.conf"
	both_have 3 2 "after a new agent of $w"
done
wait_for 5 reach || fail "no traffic with new agents: $(braid user paths)"
ok "new agents take all of them over"

braid user rekey home >/dev/null 2>&1 || fail "rekey"
both_have 3 2 "after a rekey"
wait_for 5 reach || fail "no traffic after a rekey: $(braid user paths)"
braid user down home >/dev/null 2>&1 || fail "down"
lines() { sas "$1" '[.[].line] | unique | tostring'; }
none() { [ "$(sas "$1" length)" = 0 ]; }
for w in user gw; do
	wait_for 5 none "$w" || fail "$w keeps $(braid "$w" sas)"
	[ -z "$(braid "$w" --json paths | jq -r '.paths[].name')" ] || fail "paths of $w stay"
done
ok "down ends the family"

# The family authenticates anew: the clone, with a Child SA for the same traffic, goes on, too. [CLONE-45]
sed -i 's/multipath = true/& reauth_time = 5s over_time = 20s rand_time = 0/' "$T/user/braid.conf"
braid user reload >/dev/null || fail "reload"
vip() { in_ns user ip -j addr show | jq -r '[.[].addr_info[].local | select(startswith("203.0.113."))] | unique | join(" ")'; }
anew() { [ "$(grep -c 'IKE SA authenticated anew' "$T/user/log")" -ge "$1" ]; }
declare -A skipped
for w in user gw; do skipped[$w]=$(grep -c 'session with .* ended: .*; received' "$T/$w/log"); done
braid user up home >/dev/null 2>&1 || fail "not up again: $(braid user status)"
wait_for 10 reach || fail "no traffic after up: $(braid user status)"
was=$(vip)
in_ns user ping -i 0.01 -w 13 -q 203.0.113.10 >"$T/ping" 2>&1 &
pinger=$!
braid user clone home/net >/dev/null 2>"$T/err" || fail "not cloned: $(cat "$T/err")"
was_lines=$(lines user)
wait_for 10 anew 2 || fail "not authenticated anew: $(braid user sas)"
wait_for 10 anew 4 || fail "not authenticated anew twice: $(braid user sas)"
wait "$pinger"
read -r sent got < <(sed -n 's/\([0-9]*\) packets transmitted, \([0-9]*\) received.*/\1 \2/p' "$T/ping")
[ "$got" -gt 100 ] || fail "no pings: $(cat "$T/ping")"
[ $((sent - got)) -le 2 ] || fail "authentication anew with a clone lost packets: $(cat "$T/ping")"
[ "$(vip)" = "$was" ] || fail "another virtual address: $(vip), $was"
for w in user gw; do
	wait_for 10 has "$w" 2 2 || fail "$w has $(braid "$w" sas)"
done
[ "$(lines user)" = "$was_lines" ] || fail "lines $was_lines became $(lines user)"
ok "two authentications anew, with a clone for the same traffic: nothing lost"

# What was carried by all of them is in the record: of the sessions that authentication anew ended, and of
# the last one. Each ping was counted once, in one of them. [CLONE-48]
records() { # WHO FIELD: sum over all records of the log since the last up
	sed -n "s/.*session with .* ended: .*; received \\([0-9]*\\) octets in \\([0-9]*\\) packets, sent \\([0-9]*\\) in \\([0-9]*\\)$/\\$2/p" "$T/$1/log" |
		tail -n "+$((${skipped[$1]} + 1))" | awk '{ n += $1 } END { print n + 0 }'
}
braid user down home >/dev/null 2>&1 || fail "down at the end"
for w in user gw; do
	wait_for 10 grep -q 'session with .* ended: deleted by' "$T/$w/log" || fail "no record at $w"
done
all_there() { [ "$(records user 2)" -ge "$got" ] && [ "$(records gw 2)" -ge "$sent" ]; }
wait_for 10 all_there || fail "records: user received $(records user 2) of $got, gateway $(records gw 2) of $sent"
for n in "$(records user 2)" "$(records gw 4)"; do
	[ "$n" -le $((got + 20)) ] || fail "counted twice: $n of $got"
done
grep -q 'session with gw.example.org ended: authenticated anew; it lasted 0:00:0[4-9], with 2 IKE SAs;' "$T/user/log" ||
	fail "the session that authentication anew ended: $(grep 'session with' "$T/user/log")"
ok "a record of each session"

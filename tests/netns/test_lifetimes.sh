#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# Lifetimes of a second or two under a stream each way: rekeys of both kinds from both ends, by time
# and by volume, between two braids on two paths and with strongSwan, and not one packet lost. Deadlines
# survive the agent. [REK-4] [REK-5] [REK-15] [REK-16]
. "$(dirname "$0")/../lib/netns.sh"
. "$(dirname "$0")/../lib/agent.sh"

ok() { echo "ok - $*"; }
rekeyed() { # HOST KIND: how many, from its log
	grep -c "$2" "$T/$1/log"
}
children() { braid "$1" --json sas | jq '[.ike_sas[].children[]] | length'; }
one_child() { [ "$(children "$1")" = 1 ]; }
down_events() { grep -cE 'SA( [a-z]+)? down|deleted by the peer|no answer from' "$T/$1/log"; }

# stream LABEL: 1,000 packets a second to the LAN and back, and a ping the other way
stream() {
	local vip lost got sent
	vip=$(ip -n "$(ns user)" -j addr show | jq -r '.[].addr_info[].local | select(startswith("203.0.113."))' | head -n 1)
	in_ns lan ping -i 0.01 -w 7 -q "$vip" >"$T/ping" 2>&1 &
	in_ns user /usr/bin/python3 "$top/tests/lib/stream.py" send 203.0.113.10 7007 4 4 6 >"$T/stream" ||
		fail "$1: no stream"
	wait $!
	lost=$(jq .lost "$T/stream")
	[ "$lost" = 0 ] || fail "$1: packets were lost: $(cat "$T/stream")"
	# the last one may be under way when it ends
	got=$(sed -n 's/.*transmitted, \([0-9]*\) received.*/\1/p' "$T/ping")
	sent=$(sed -n 's/\([0-9]*\) packets transmitted.*/\1/p' "$T/ping")
	[ "$got" -gt 300 ] || fail "$1: no pings: $(cat "$T/ping")"
	[ "$sent" -le $((got + 1)) ] || fail "$1: pings were lost: $(cat "$T/ping")"
}

# lifetimes HOST CHILD-LINES CONNECTION-LINES: into its configuration
lifetimes() {
	sed -i -e "s/child \"net\" {/& $2 /" -e "s/multipath = true/&\n$3/" "$T/$1/braid.conf"
}

topo_multihomed
in_ns lan /usr/bin/python3 "$top/tests/lib/stream.py" echo 203.0.113.10 7007 &

agent_confs 100ms
for h in user gw; do
	lifetimes $h "rekey_time = 900ms life_time = 20s rand_time = 300ms" \
		"rekey_time = 1500ms\nover_time = 20s\nrand_time = 500ms"
done
braidd_start gw "$T/gw/braid.conf"
braidd_start user "$T/user/braid.conf"
braid user up home >"$T/up" || fail "up: $(cat "$T/up")"
wait_for 5 two_up user || fail "no two paths"
stream "two braids"
for h in user gw; do
	[ "$(rekeyed $h 'Child SA net rekeyed')" -ge 6 ] || fail "$h: $(rekeyed $h 'Child SA net rekeyed') rekeys of the Child SA"
	[ "$(rekeyed $h 'IKE SA rekeyed')" -ge 3 ] || fail "$h: $(rekeyed $h 'IKE SA rekeyed') rekeys of the IKE SA"
	[ "$(down_events $h)" = 0 ] || fail "$h: something went down"
done
two_up user || fail "the paths did not follow the rekeys: $(braid user paths)"
ok "rekeys of both kinds by both ends every second or so: nothing lost" \
	"($(rekeyed user 'Child SA net rekeyed') and $(rekeyed user 'IKE SA rekeyed'))"

# when it will be, for people and programs
braid user sas | grep -q 'rekey in' || fail "sas does not say when: $(braid user sas)"
braid user down home >/dev/null || fail "down"

agent_confs 100ms
for h in user gw; do
	lifetimes $h "rekey_packets = 400 life_packets = 100000 rekey_bytes = 500k" "rekey_time = 0"
	braid $h reload >"$T/reload" || fail "reload: $(cat "$T/reload")"
done
: >"$T/user/log"
braid user up home >"$T/up" || fail "up: $(cat "$T/up")"
wait_for 5 two_up user || fail "no two paths"
stream "by volume"
[ "$(rekeyed user 'Child SA net rekeyed')" -ge 5 ] || fail "$(rekeyed user 'Child SA net rekeyed') rekeys by volume"
[ "$(rekeyed user 'has carried what it may')" -ge 1 ] || fail "the engine's word is not in the log"
[ "$(down_events user)" = 0 ] || fail "something went down"
ok "rekeys by packets and octets: nothing lost ($(rekeyed user 'Child SA net rekeyed'))"
braid user down home >/dev/null || fail "down"

# Authentication anew, make before break: another IKE SA, the same address.
agent_confs 100ms
lifetimes user "rekey_time = 0" "reauth_time = 1500ms\nover_time = 20s\nrand_time = 300ms"
lifetimes gw "rekey_time = 0" "rekey_time = 0"
for h in user gw; do
	braid $h reload >"$T/reload" || fail "reload: $(cat "$T/reload")"
	: >"$T/$h/log"
done
braid user up home >"$T/up" || fail "up: $(cat "$T/up")"
wait_for 5 two_up user || fail "no two paths"
vip() { braid user --json sas | jq -r '.ike_sas[0].vips[0]'; }
was=$(vip)
stream "reauthentication"
[ "$(rekeyed user 'IKE SA authenticated anew')" -ge 2 ] || fail "$(rekeyed user 'authenticated anew') reauthentications"
[ "$(vip)" = "$was" ] || fail "another virtual address: $(vip), $was"
[ "$(down_events user)" = 0 ] || fail "something went down"
two_up user || fail "the paths did not follow: $(braid user paths)"
ok "authentication anew every second or two: nothing lost ($(rekeyed user 'IKE SA authenticated anew'))"
braid user down home >/dev/null || fail "down"
no_peer() { [ "$(braid gw --json sas | jq '.ike_sas | length')" = 0 ]; }
wait_for 5 no_peer || fail "the gateway keeps an IKE SA: $(braid gw sas)"

# A hard limit that no rekey comes before: the SA ends, and is set up again, as it is wanted.
agent_confs 100ms
lifetimes user "rekey_packets = 0 life_packets = 200" "rekey_time = 0"
lifetimes gw "rekey_time = 0" "rekey_time = 0"
for h in user gw; do braid $h reload >"$T/reload" || fail "reload: $(cat "$T/reload")"; done
braid user up home >"$T/up" || fail "up: $(cat "$T/up")"
first=$(braid user --json sas | jq '.ike_sas[0].children[0].id')
in_ns user ping -c 250 -i 0.002 -W 1 -q 203.0.113.10 >"$T/ping"
[ "$(sed -n 's/.*transmitted, \([0-9]*\) received.*/\1/p' "$T/ping")" -le 200 ] || fail "beyond the hard limit: $(cat "$T/ping")"
another() { [ "$(braid user --json sas | jq '.ike_sas[0].children[0].id')" -gt "$first" ]; }
wait_for 10 another || fail "not set up again: $(braid user sas)"
in_ns user ping -c 2 -i 0.1 -W 1 -q 203.0.113.10 >"$T/ping" || fail "the new one does not carry"
ok "the hard limit ends an SA, and another is set up"

# The next agent keeps what was drawn.
agent_confs 100ms
lifetimes user "rekey_time = 1h" "rekey_time = 4h"
braid user down home >/dev/null || fail "down"
braid user reload >/dev/null || fail "reload"
braid user up home >"$T/up" || fail "up: $(cat "$T/up")"
deadlines() { braid user --json sas | jq -c '[.ike_sas[0] | .rekey_usec, .ends_usec, (.children[0] | .rekey_usec, .ends_usec)] | map(. / 100000 | round)'; }
before=$(deadlines)
kill -9 "$(agent_pid user)"
braidd_start user "$T/user/braid.conf"
[ "$(deadlines)" = "$before" ] || fail "deadlines after a restart: $(deadlines), before: $before"
ok "deadlines survive the agent"

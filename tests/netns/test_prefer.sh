#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# braid path prefer: all traffic of a relation goes to one path, both ways, and nothing is lost; the
# others carry on while that path does not work, and after the operator's word is taken back.
. "$(dirname "$0")/../lib/netns.sh"
. "$(dirname "$0")/../lib/agent.sh"

ok() { echo "ok - $*"; }
both_up() { two_up user && two_up gw; }
field() { braid "$1" --json paths | jq -r --arg n "$2" ".paths[] | select(.name == \$n).$3"; }
field_is() { [ "$(field "$1" "$2" "$3")" = "$4" ]; }
# alone HOST PATH OTHER: data of many flows goes there, and nothing but probes and answers elsewhere
alone() {
	local a b
	a=$(tx "$1" "$2") b=$(tx "$1" "$3")
	load 1
	load_end 0 "$1: by $2 alone"
	[ $(($(tx "$1" "$2") - a)) -ge 1100 ] || fail "$2 does not carry the traffic: $(braid "$1" paths)"
	[ $(($(tx "$1" "$3") - b)) -lt 200 ] || fail "$3 carries traffic: $(braid "$1" paths)"
}
spread() { # HOST PATH PATH
	local a b
	a=$(tx "$1" "$2") b=$(tx "$1" "$3")
	in_ns user bash -c 'for ((p = 2000; p < 2200; p++)); do echo x >/dev/udp/203.0.113.11/$p; done' 2>/dev/null
	[ $(($(tx "$1" "$2") - a)) -gt 50 ] && [ $(($(tx "$1" "$3") - b)) -gt 50 ]
}
ike_on() { braid user --json sas | jq -e --arg a "$1:" '.ike_sas[0].local | startswith($a)' >/dev/null; }

topo_multihomed
for i in 1 2 3 4 5 6; do ip -n "$(ns lan)" addr add "203.0.113.1$i/26" dev eth0; done
agent_confs 50ms
braidd_start gw "$T/gw/braid.conf"
braidd_start user "$T/user/braid.conf"
braid user up home >"$T/up" 2>&1 || fail "up: $(cat "$T/up")"
wait_for 5 both_up || fail "two paths: $(braid user paths)"
name_of() { braid gw --json paths | jq -r --arg u "$1" '.paths[] | select(.uplink == $u).name'; }
on_a=$(name_of a) on_b=$(name_of b)

braid user path prefer nowhere 2>"$T/err" && fail "a path that is not there is preferred"
grep -q '^braid: no path "nowhere"' "$T/err" || fail "$(cat "$T/err")"
braid user path disable --clear ran-b 2>"$T/err" && fail "disable takes --clear"
ok "exact errors"

in_ns user "$B/braid" -d "$T/user/run" --json events >"$T/events" 2>&1 &
load 2
sleep 0.3
braid user path prefer ran-b || fail "prefer"
braid user path prefer ran-b || fail "prefer again"
load_end 0 "a planned move loses nothing"
wait_for 2 field_is gw "$on_a" peer_standby true || fail "the peer does not hear of it: $(braid gw --json paths)"
field_is user ran-b preferred true || fail "$(braid user --json paths)"
field_is user wlan-a state up || fail "the other path is not up any more"
alone user ran-b wlan-a
alone gw "$on_b" "$on_a"
wait_for 2 ike_on 198.51.100.2 || fail "IKE does not go there: $(braid user sas)"
wait_for 2 eval '[ "$(grep -c "\"kind\":\"path-preferred\"" "$T/events")" = 1 ]' || fail "events: $(cat "$T/events")"
ok "both directions, IKE too, told once"

cut_path r2
wait_for 2 path_is user ran-b down || fail "the cut is not seen"
wait_for 2 path_is gw "$on_b" down || fail "the cut is not seen by the gateway"
load 1
load_end 0 "the other path carries on"
mend_path r2
wait_for 3 both_up || fail "a mended path does not come back"
alone user ran-b wlan-a
wait_for 2 ike_on 198.51.100.2 || fail "IKE does not come back: $(braid user sas)"

kill -9 "$(agent_pid user)"
braidd_start user "$T/user/braid.conf"
field_is user ran-b preferred true || fail "a new agent does not know: $(braid user --json paths)"
alone user ran-b wlan-a
ok "a new agent knows what is preferred"

# each end's own word counts for what it sends
braid gw path prefer "$on_a" || fail "prefer at the gateway"
wait_for 2 field_is user ran-b peer_standby true || fail "the user does not hear of it"
alone gw "$on_a" "$on_b"
alone user ran-b wlan-a
braid gw path prefer --clear "$on_a" || fail "clear at the gateway"
wait_for 2 field_is user ran-b peer_standby false || fail "the user does not hear that it was taken back"

load 2
sleep 0.3
braid user path prefer --clear wlan-a || fail "clear"
load_end 0 "nor does its end"
wait_for 2 field_is gw "$on_a" peer_standby false || fail "the peer does not hear of the end"
spread user wlan-a ran-b || fail "flows are not spread: $(braid user paths)"
field_is user ran-b preferred false || fail "still preferred"
cut_path r2
wait_for 2 path_is user ran-b down || fail "the cut is not seen"
r=0
braid user path prefer ran-b 2>"$T/err" || r=$?
[ $r = 4 ] && grep -q '^braid: ran-b is down: ' "$T/err" || fail "one that is down: $r, $(cat "$T/err")"
ok "spread again; one that is down is refused"

#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# Each decision about a path is one line that explains it, in the log and as an event: who saw it, from
# which state to which, for how long, with numbers. The lines of a peer are not without end.
. "$(dirname "$0")/../lib/netns.sh"
. "$(dirname "$0")/../lib/agent.sh"

ok() { echo "ok - $*"; }
# told FILTER: an event that jq's filter is true for has come
told() { jq -e -s "map(select($1)) | length > 0" "$T/events" >/dev/null 2>&1; }
expect() { wait_for 5 told "$2" || fail "$1: $(cat "$T/events")"; }
logged() { wait_for 2 grep -Eq -- "$1" "$T/user/log" || fail "no \"$1\" in the log"; }

topo_multihomed
agent_confs 50ms
sed -i 's/paths {.*/paths { probe_interval = 50ms fail_back = 300ms }/' "$T/user/braid.conf"
# up again before the user's: while it is down, its answers come over the other path
sed -i 's/paths {.*/paths { probe_interval = 50ms fail_back = 0s }/' "$T/gw/braid.conf"
braidd_start gw "$T/gw/braid.conf"
braidd_start user "$T/user/braid.conf"
in_ns user "$B/braid" -d "$T/user/run" --json events >"$T/events" 2>&1 &
wait_for 2 eval '[ "$(braid user --json stats | jq .ctl.clients)" -ge 2 ]' || fail "no events"
braid user up home >"$T/up" 2>&1 || fail "up: $(cat "$T/up")"
wait_for 5 two_up user || fail "two paths: $(braid user paths)"
expect "the first path" '.kind == "path-added" and .path == "wlan-a" and .by == "ike"'
expect "the second path" '.kind == "path-added" and .path == "ran-b" and .by == "agent"'
expect "proved" '.kind == "path-state" and .path == "ran-b" and .from == "unknown" and .to == "up" and .state == "up" and .by == "probes" and .lasted_usec > 0'

cut_path r2
expect "silence" '.kind == "path-state" and .path == "ran-b" and .from == "up" and .to == "down" and .by == "probes"
	and .why == "3 probes unanswered" and .silent_usec >= 100000 and .lasted_usec > 0'
logged 'path ran-b \(.* to .*\) down: 3 probes unanswered \(probes; nothing heard for [0-9]+\.[0-9]{3} s; was up for [0-9.]+ s\)$'
mend_path r2
expect "back" '.kind == "path-state" and .path == "ran-b" and .from == "down" and .to == "up" and .by == "probes"
	and (.why | test("^probes are answered again, for (0[.][3-9]|[1-9][0-9]*[.][0-9]) s$"))'
ok "silence, and the way back"

ip -n "$(ns user)" link set wlan0 down
expect "link" '.kind == "path-state" and .path == "wlan-a" and .from == "up" and .to == "down" and (.by == "netlink" or .by == "engine")'
expect "link of the uplink" '.kind == "uplink-down" and .uplink == "wlan" and .by == "netlink"'
expect "IKE goes on" '.kind == "path-moved" and .from == "wlan-a" and .to == "ran-b" and (.why | test("^the former one is down: "))'
ip -n "$(ns user)" link set wlan0 up
ip -n "$(ns user)" route replace default via 192.0.2.1 dev wlan0 metric 100
wait_for 5 two_up user || fail "the link does not come back"
ok "a link"

braid user path disable ran-b || fail "disable"
expect "operator" '.path == "ran-b" and .state == "disabled" and .by == "operator"'
braid user path enable ran-b || fail "enable"
wait_for 5 two_up user || fail "enable"
wait_for 5 two_up gw || fail "two paths at the gateway: $(braid gw paths)"
b=$(braid gw --json paths | jq -r '.paths[] | select(.uplink == "b").name')
braid gw path disable "$b" || fail "disable at the gateway"
expect "peer" '.path == "ran-b" and .state == "disabled" and .by == "peer" and .why == "the peer took it out of use"'
braid gw path enable "$b" || fail "enable at the gateway"
wait_for 5 two_up user || fail "enable at the gateway"
ok "an operator here, and there"

# a peer whose operator has a cramp
for _ in {1..60}; do
	braid gw path disable "$b" >/dev/null
	braid gw path enable "$b" >/dev/null
done
n=$(grep -c 'path ran-b .* disabled: the peer' "$T/user/log")
[ "$n" -le 51 ] || fail "$n lines in the log"
many() { [ "$(jq -s 'map(select(.kind == "path-state" and .by == "peer")) | length' "$T/events")" -gt 55 ]; }
wait_for 5 many || fail "events are missing: $(grep -c peer "$T/events")"
ok "a flapping peer has its share of the log"

#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# Which connections are up is the operator's word: down stays down through a reload and a new
# address, up stays up through the death of the peer, with its guard all the time; attempts come
# later and later and take another uplink each time.
. "$(dirname "$0")/../lib/netns.sh"
. "$(dirname "$0")/../lib/agent.sh"

ok() { echo "ok - $*"; }
conn() { braid user --json status | jq -r ".conns[0].$1"; }
conn_is() { [ "$(conn "$1")" = "$2" ]; }
guard() { [ -n "$(ip -n "$(ns user)" route show type unreachable 203.0.113.0/26)" ]; }
no_guard() { ! guard; }
attempts() { grep -c 'home: next attempt in' "$T/user/log"; }
attempts_are() { [ "$(attempts)" -ge "$1" ]; }
last_pause() { grep 'home: next attempt in' "$T/user/log" | tail -n 1 | sed 's/.*next attempt in \([0-9]*\) s.*/\1/'; }
cut_both() { cut_path r1 && cut_path r2; }
mend_both() { mend_path r1 && mend_path r2; }
reach() { in_ns user ping -c 2 -i 0.1 -W 1 -q 203.0.113.10 >"$T/ping" || fail "$1: the LAN is not reached"; }

topo_multihomed
agent_confs 100ms
sed -i 's/multipath = true/&\nretransmit_timeout = 100ms\nretransmit_tries = 2\ndpd_delay = 1s/' "$T/user/braid.conf"
cp "$T/user/braid.conf" "$T/user/plain.conf"
sed -i 's/child "net" {/& start_action = start /' "$T/user/braid.conf"

braidd_start gw "$T/gw/braid.conf"
braidd_start user "$T/user/braid.conf"
wait_for 5 conn_is state established || fail "start_action = start does not start it: $(braid user status)"
guard || fail "no guard while it is up"
braid user down home >"$T/down" || fail "down: $(cat "$T/down")"
guard || fail "the guard of what the configuration protects goes with down"
conn_is held true && conn_is wanted false || fail "down is not in the status: $(braid user status)"
braid user status | grep -q 'down, by the operator' || fail "status does not show it: $(braid user status)"
braid user reload >/dev/null || fail "reload"
ip -n "$(ns user)" addr add 192.0.2.9/26 dev wlan0
sleep 2
ip -n "$(ns user)" addr del 192.0.2.9/26 dev wlan0
conn_is state down || fail "down by the operator, and it comes up again"
[ "$(braid gw --json sas | jq '.ike_sas | length')" = 0 ] || fail "the gateway has an IKE SA"
braid user down home >"$T/down" || fail "a second down is a failure: $(cat "$T/down")"
ok "down stays down, through a reload and a new address"

braid user up home >"$T/up" || fail "up: $(cat "$T/up")"
guard || fail "up puts no guard"
conn_is held false || fail "up does not take down's word back"
reach "up again"
braid user down home/net >/dev/null || fail "down of a child"
conn_is 'children[0].held' true || fail "down of a child is not in the status"
sleep 1.5
conn_is 'children[0].state' down || fail "the child comes up again"
braid user up home/net >/dev/null || fail "up of a child"
guard || fail "up of a child puts no guard"
reach "child up again"
ok "up takes it back, also for one child"

# the best uplink alone could fill the group of eight
braid user down home >/dev/null || fail "down"
cp "$T/user/braid.conf" "$T/user/named.conf"
sed -i '/path "/d' "$T/user/braid.conf"
for i in 20 21 22 23; do ip -n "$(ns user)" addr add 192.0.2.$i/26 dev wlan0; done
braid user reload >/dev/null || fail "reload"
braid user up home >"$T/up" 2>&1 || fail "up: $(cat "$T/up")"
wait_for 3 path_is user ran-2 up || fail "an uplink with many addresses leaves no room: $(braid user paths)"
braid user down home >/dev/null || fail "down"
for i in 20 21 22 23; do ip -n "$(ns user)" addr del 192.0.2.$i/26 dev wlan0; done
cp "$T/user/named.conf" "$T/user/braid.conf"
braid user reload >/dev/null || fail "reload"
ok "an uplink with many addresses leaves room for the others"

braid user down home >/dev/null || fail "down"
cp "$T/user/plain.conf" "$T/user/braid.conf"
braid user reload >/dev/null || fail "reload"
braid user up home >/dev/null || fail "up without start_action"
cut_both
wait_for 10 conn_is state down || fail "the death of the peer is not noticed"
wait_for 10 attempts_are 3 || fail "no attempts: $(braid user status)"
guard || fail "no guard while the peer is dead"
[ "$(last_pause)" -gt 1 ] || fail "attempts do not become rarer"
case $(conn last_error) in *'no answer from'*) ;; *) fail "last error: $(conn last_error)" ;; esac
[ "$(conn last_error_usec)" -gt 0 ] || fail "the time of the last error is missing"
braid user reload >/dev/null || fail "reload"
guard || fail "a reload takes the guard of what waits for its peer"
mend_both
wait_for 20 conn_is state established || fail "the connection is not set up again: $(braid user status)"
wait_for 3 two_up user || fail "no two paths"
reach "peer back"
ok "up by the operator, the peer dies and comes back: set up again"

a=$(attempts)
cut_both
wait_for 10 attempts_are $((a + 1)) || fail "the second death of the peer is not noticed"
braid user down home >"$T/down" || fail "down while it waits: $(cat "$T/down")"
no_guard || fail "the guard stays after down"
mend_both
sleep 3
conn_is state down || fail "down while it waits, and it comes up again"
conn_is retry_usec null || fail "an attempt is planned: $(braid user status)"
ok "down while it waits for the next attempt"

cut_path r1
cp "$T/user/plain.conf" "$T/user/braid.conf"
sed -i 's/child "net" {/& start_action = start /' "$T/user/braid.conf"
braid user reload >/dev/null || fail "reload"
conn_is state down || fail "start_action counts more than the operator's down"
braid user up home >"$T/up" 2>&1 || fail "the other uplink is not tried: $(braid user status)"
braid user --json sas | jq -e '.ike_sas[0].local | startswith("198.51.100.2:")' >/dev/null ||
	fail "not by the other uplink: $(braid user sas)"
reach "by the other uplink"
ok "the next try takes the other uplink"

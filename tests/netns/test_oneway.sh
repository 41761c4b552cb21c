#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# A path on which packets get through in one direction only: each end judges its own direction. What
# arrives does not keep the other one in use, and what does not arrive takes nothing else out (DES-5.1.2-1).
. "$(dirname "$0")/../lib/netns.sh"
. "$(dirname "$0")/../lib/agent.sh"

nft list ruleset >/dev/null 2>&1 || skip "needs nft"
ok() { echo "ok - $*"; }
field() { braid "$1" --json paths | jq -r --arg n "$2" ".paths[] | select(.name == \$n).$3"; }
field_is() { [ "$(field "$1" "$2" "$3")" = "$4" ]; }
ike_on() { braid user --json sas | jq -e --arg a "$1:" '.ike_sas[0].local | startswith($a)' >/dev/null; }

topo_multihomed
for i in 1 2 3 4 5 6; do ip -n "$(ns lan)" addr add "203.0.113.1$i/26" dev eth0; done
agent_confs 50ms
sed -i 's/paths {.*/paths { probe_interval = 50ms fail_back = 300ms }/' "$T"/*/braid.conf
braidd_start gw "$T/gw/braid.conf"
braidd_start user "$T/user/braid.conf"
braid user up home >"$T/up" 2>&1 || fail "up: $(cat "$T/up")"
wait_for 5 two_up user || fail "two paths: $(braid user paths)"
wait_for 5 two_up gw || fail "two paths at the gateway: $(braid gw paths)"
a=$(braid gw --json paths | jq -r '.paths[] | select(.uplink == "a").name')

# what the gateway sends over the first path is lost
in_ns r1 nft -f - <<-'NFT'
	table inet oneway { chain forward { type filter hook forward priority 0; policy accept;
		iifname "gw" udp sport 4500 drop; }; }
NFT
wait_for 5 path_is gw "$a" down || fail "the gateway goes on sending there: $(braid gw paths)"
wait_for 5 field_is user wlan-a one_way true || fail "the user does not find out: $(braid user paths)"
wait_for 5 path_is user wlan-a up || fail "the user does not use the direction that works: $(braid user paths)"
field user wlan-a why | grep -q 'over another path' || fail "why: $(field user wlan-a why)"
wait_for 5 ike_on 198.51.100.2 || fail "IKE stays where no response comes back: $(braid user sas)"
before=$(tx user wlan-a)
load 2
load_end 0 "used in one direction: nothing is lost"
# the probes of that path are some 40 in these two seconds
in_ns user bash -c 'for ((p = 2000; p < 2200; p++)); do echo x >/dev/udp/203.0.113.11/$p; done' 2>/dev/null
[ $(($(tx user wlan-a) - before)) -gt 130 ] || fail "the user does not use it: $(braid user paths)"
path_is gw "$a" down || fail "the gateway uses it again: $(braid gw paths)"
braid user rekey home >/dev/null 2>&1 || fail "IKE does not work"
ok "the other direction is left, and IKE goes elsewhere"

in_ns r1 nft flush ruleset
wait_for 5 path_is gw "$a" up || fail "the gateway does not come back: $(braid gw paths)"
wait_for 5 field_is user wlan-a one_way false || fail "still one way: $(braid user paths)"
ok "both directions again"

# nothing gets through at all: no answers by another path make it work
cut_path r1
wait_for 5 path_is user wlan-a down || fail "a cut is not seen"
wait_for 5 path_is gw "$a" down || fail "a cut is not seen by the gateway"
sleep 1
path_is user wlan-a down && path_is gw "$a" down || fail "a path that is cut is up: $(braid user paths)"
ok "a path that is cut is down at both ends"

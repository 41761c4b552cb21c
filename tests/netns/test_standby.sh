#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# A relation with one path at a time (DES-3.2-1): the pairs of addresses it may move to are tested and
# shown, and the operator moves it to one of them without a lost packet.
. "$(dirname "$0")/../lib/netns.sh"
. "$(dirname "$0")/../lib/agent.sh"

ok() { echo "ok - $*"; }
standby() { braid user --json paths | jq -r --arg n "$1" ".pairs[] | select(.name == \$n).$2"; }
standby_is() { [ "$(standby "$1" "$2")" = "$3" ]; }
on() { braid user --json paths | jq -e --arg n "$1" '.paths | length == 1 and .[0].name == $n and .[0].state == "up"' >/dev/null; }
peer_at() { braid gw --json paths | jq -e --arg a "$1:4500" '.paths | length == 1 and .[0].remote == $a' >/dev/null; }

topo_multihomed
for i in 1 2 3 4 5 6; do ip -n "$(ns lan)" addr add "203.0.113.1$i/26" dev eth0; done
agent_confs 100ms
sed -i 's/multipath = true/multipath = false/' "$T/gw/braid.conf"
# every address of the gateway is behind one uplink only
sed -i 's/multipath = true/multipath = false\nretransmit_timeout = 200ms/; /path "/d
	s/paths {.*/paths { standby_interval = 1s fail_back = 500ms }/' "$T/user/braid.conf"
braidd_start gw "$T/gw/braid.conf"
braidd_start user "$T/user/braid.conf"
braid user up home >"$T/up" 2>&1 || fail "up: $(cat "$T/up")"
on wlan-1 || fail "not by the better uplink: $(braid user paths)"
[ "$(braid user --json paths | jq -c '[.pairs[].name] | sort')" = '["ran-1","ran-2","wlan-2"]' ] || fail "$(braid user --json paths)"
wait_for 10 eval '[ "$(standby ran-2 rtt_usec)" -gt 0 ] 2>/dev/null' || fail "not tested: $(braid user --json paths)"
wait_for 10 eval '[ "$(braid user --json paths | jq ".paths[0].rtt_usec")" -gt 0 ] 2>/dev/null' || fail "the one in use is not tested"
wait_for 10 standby_is wlan-2 why 'did not answer the last test' || fail "$(braid user --json paths)"
standby_is ran-2 why 'answered the last test' || fail "$(braid user --json paths)"
on wlan-1 || fail "a test moves something"
ok "pairs in standby are tested, and shown"

# every tenth packet on the way here is lost, and IKE with it
if nft list ruleset >/dev/null 2>&1; then
	esp_loss() { braid user --json paths | jq -e ".paths[0].esp_loss_in_permille | $1" >/dev/null; }
	in_ns user ping -i 0.005 -c 400 -q 203.0.113.10 >/dev/null &
	ping=$!
	wait_for 5 esp_loss '. == 0' || fail "nothing is lost: $(braid user --json paths)"
	wait $ping
	in_ns r1 nft -f - <<-'NFT'
		table inet lossy { chain forward { type filter hook forward priority 0; policy accept;
			iifname "gw" udp sport 4500 numgen inc mod 10 0 drop; }; }
	NFT
	in_ns user ping -i 0.005 -c 800 -q 203.0.113.10 >/dev/null &
	ping=$!
	wait_for 5 esp_loss '. >= 70 and . <= 130' || fail "loss is not seen: $(braid user --json paths)"
	wait $ping
	in_ns r1 nft flush ruleset
	[ "$(braid user --json sas | jq '.ike_sas[0].children[0].rx_missing')" -ge 30 ] || fail "$(braid user --json sas)"
	ok "what was lost on the way here, by sequence numbers"
fi

in_ns user "$B/braid" -d "$T/user/run" --json events >"$T/events" 2>&1 &
load 2
sleep 0.3
# while another test waits for its answer in vain
braid user path test -c 1 wlan-2 >"$T/out" 2>&1 &
vain=$!
wait_for 2 grep -q '^wlan-2: ' "$T/out" || fail "no test: $(cat "$T/out")"
braid user path prefer ran-2 >"$T/up" 2>&1 || fail "prefer: $(cat "$T/up")"
on ran-2 || fail "it does not move: $(braid user paths)"
load_end 0 "a planned move loses nothing"
wait $vain && fail "a pair that leads nowhere answers"
wait_for 2 peer_at 198.51.100.2 || fail "the peer does not follow: $(braid gw paths)"
[ "$(braid user --json paths | jq '.paths[0].preferred')" = true ] || fail "$(braid user --json paths)"
wait_for 2 grep -q '"kind":"path-preferred"' "$T/events" || fail "no event"
a=$(tx user ran-2)
load 1
load_end 0 "traffic goes there"
[ $(($(tx user ran-2) - a)) -ge 1100 ] || fail "$(braid user paths)"
standby_is wlan-1 state standby || fail "$(braid user --json paths)"

braid user path test -c 2 wlan-1 >"$T/test" || fail "a pair in standby is not tested"
grep -q '^wlan-1: 2 sent, 2 answered' "$T/test" || fail "$(cat "$T/test")"
r=0
braid user path prefer wlan-2 >"$T/out" 2>"$T/err" || r=$?
[ $r = 6 ] || fail "one that does not answer: $r, $(cat "$T/err")"
on ran-2 || fail "it moves where nobody answers"
ok "where nobody answers it does not go"

# the better uplink is there, and stays unused; the preferred one goes, and comes back
ip -n "$(ns user)" link set ran0 down
wait_for 3 on wlan-1 || fail "it does not move on: $(braid user paths)"
ip -n "$(ns user)" link set ran0 up
ip -n "$(ns user)" route replace default via 198.51.100.1 dev ran0 metric 200
wait_for 10 on ran-2 || fail "it does not come back: $(braid user paths)"
ok "it moves on while the preferred pair is away"

load 3
sleep 0.3
braid user path prefer --clear ran-2 || fail "clear"
wait_for 5 on wlan-1 || fail "not back to the better uplink: $(braid user paths)"
load_end 0 "and back to the better uplink: nothing lost"

# What costs is not asked for nothing.
sed -i 's/uplink "ran" {/& metered = true/' "$T/user/braid.conf"
braid user reload >"$T/out" || fail "reload: $(cat "$T/out")"
before=$(standby ran-2 tested_usec)
sleep 2.5 # as long as two tests take
[ $(($(standby ran-2 tested_usec) - before)) -le 200000 ] || fail "a metered pair is tested: $(braid user --json paths)"
ok "metered pairs are left alone"
sed -i 's/ metered = true//' "$T/user/braid.conf"

# not where the peer is never to be asked whether it lives
sed -i 's/retransmit_timeout/dpd_delay = 0s\n&/' "$T/user/braid.conf"
braid user down home >/dev/null || fail "down"
braid user reload >"$T/out" 2>&1 || fail "reload: $(cat "$T/out")"
braid user up home >"$T/up" 2>&1 || fail "up: $(cat "$T/up")"
sleep 2.5
braid user --json paths | jq -e '(.pairs | length == 3) and all(.pairs[]; .tested_usec == 0)' >/dev/null ||
	fail "tested without dpd_delay: $(braid user --json paths)"
ok "nothing is asked without dpd_delay"

#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# Two lines of one family, each on an uplink of its own: a clone that MOBIKE moved there. Flows are
# spread over the Child SAs of both by weight; prefer, disable and metered are about both; a lost
# path, a new agent and an end of one of them disturb nobody else.
# [CLONE-35] [CLONE-60] [CLONE-61] [CLONE-62] [CLONE-63] [CLONE-64]
. "$(dirname "$0")/../lib/netns.sh"
. "$(dirname "$0")/../lib/agent.sh"
. "$(dirname "$0")/../lib/clones.sh"

ok() { echo "ok - $*"; }
field() { braid "$1" --json paths | jq -r --arg n "$2" ".paths[] | select(.name == \$n).$3"; }
field_is() { [ "$(field "$1" "$2" "$3")" = "$4" ]; }
names() { braid "$1" --json paths | jq -c '[.paths[].name] | sort'; }
names_are() { [ "$(names "$1")" = "$2" ]; }
line_on() { sas user "map(select(.paths[0] == \"$1\"))[0].line"; }
# sent WHO PATH: packets of the Child SAs of the line that has this path
sent() { sas "$1" "map(select(.paths[0] == \"$2\"))[0].children | map(.tx_packets) | add"; }
# share WHO PATH LEAST MOST: so many of 400 flows go by Child SA and path of that line, to the other side
share() {
	local sa path
	sa=$(sent "$1" "$2") path=$(tx "$1" "$2")
	flows "$1"
	sa=$(($(sent "$1" "$2") - sa)) path=$(($(tx "$1" "$2") - path))
	{ [ $sa -ge "$3" ] && [ $sa -le "$4" ] && [ $path -ge "$3" ] && [ $path -le $(($4 + 30)) ]; } ||
		echo "$1: by $2 $sa of 400 flows with its Child SA, $path packets over it, not $3 to $4"
}
shares() {
	local text
	text=$(share "$@")
	[ -z "$text" ] || fail "$text: $(braid "$1" paths; braid "$1" sas)"
}

topo_multihomed
for i in 1 2 3 4 5 6; do ip -n "$(ns lan)" addr add "203.0.113.1$i/26" dev eth0; done
agent_confs 100ms
sed -i 's/multipath = true/multipath = false dpd_delay = 2s/' "$T"/*/braid.conf
sed -i 's/path "wlan-a" {/& weight = 3/' "$T/user/braid.conf"
braidd_start gw "$T/gw/braid.conf"
braidd_start user "$T/user/braid.conf"
braid user up home >/dev/null 2>&1 || fail "not up: $(braid user status)"
wait_for 10 reach || fail "the LAN is not reached: $(braid user status)"
vip=$(sas user '.[0].vips[0]' | tr -d '"')

# a clone has no Child SA yet: its path is known, and stands by
braid user clone home >/dev/null 2>"$T/err" || fail "not cloned: $(cat "$T/err")"
first=$(line_on wlan-a)
clone=$(sas user "map(select(.clone_of == $first))[0].line")
names_are user "[\"wlan-a\",\"wlan-a#$clone\"]" || fail "names: $(braid user paths)"
field_is user "wlan-a#$clone" standby_why no_child || fail "$(braid user --json paths)"
[ "$(sas user "map(select(.line == $clone))[0].standby_why" | tr -d '"')" = no_child ] || fail "$(braid user --json sas)"
braid user sas | grep -q 'stands by: it has no Child SA' || fail "$(braid user sas)"
wait_for 2 eval '[ "$(braid gw --json paths | jq ".paths | length")" = 2 ]' || fail "$(braid gw paths)"
ok "a clone without Child SAs is shown"

braid user up "home#$clone/net" >/dev/null 2>"$T/err" || fail "no Child SA: $(cat "$T/err")"
field_is user "wlan-a#$clone" standby_why same_pair || fail "one pair counts once: $(braid user --json paths)"
field_is user wlan-a share 3 || fail "$(braid user --json paths)"
reach >/dev/null || fail "no traffic with two lines on one pair"

load 2
braid user path prefer nowhere#$clone 2>/dev/null && fail "a pair that is not there is preferred"
braid user path prefer "ran-b#$clone" >"$T/err" 2>&1 || fail "the clone does not move: $(cat "$T/err"; braid user paths)"
wait_for 5 names_are user '["ran-b","wlan-a"]' || fail "names after the move: $(braid user paths)"
load_end 0 "a clone moves to the other uplink"
[ "$(line_on ran-b)" = "$clone" ] || fail "$(braid user sas)"
b_on=$(braid gw --json paths | jq -r '.paths[] | select(.uplink == "b").name')
a_on=$(braid gw --json paths | jq -r '.paths[] | select(.uplink == "a").name')
[ -n "$b_on" ] && [ -n "$a_on" ] || fail "the gateway's paths: $(braid gw paths)"
[ "$(sas user "map(.shares_with[0])" | jq -c 'sort')" = "$(jq -nc "[$first,$clone] | sort")" ] || fail "$(braid user --json sas)"
braid user sas | grep -q "shares traffic with line $first" || fail "$(braid user sas)"
[ "$(sas user "map(.family_totals | select(. != null)) | length")" = 1 ] || fail "$(braid user --json sas)"
spread() { # 3:1 by the user, 1:1 by the gateway
	shares user wlan-a 260 340
	shares user ran-b 60 140
	shares gw "$a_on" 140 260
	shares gw "$b_on" 140 260
}
spread
ok "flows are spread over both Child SAs, by weight, at both ends"

for p in wlan-a ran-b; do
	braid user path test -c 2 $p >"$T/out" 2>&1 || fail "test of $p: $(cat "$T/out")"
	grep -q "^$p: 2 sent, 2 answered" "$T/out" || fail "test of $p: $(cat "$T/out")"
done
braid user path test -c 1 "nowhere#$clone" 2>"$T/err" && fail "a pair that is not there is tested"
ok "either is tested by its name"

load 2
sleep 0.3
braid user path prefer ran-b >/dev/null || fail "prefer"
load_end 0 "a planned move to the other line"
shares user ran-b 400 400
shares user wlan-a 0 0
field_is user wlan-a standby_why other_preferred || fail "$(braid user --json paths)"

load 2
agent_dies user
braidd_start user "$T/user/braid.conf"
load_end 0 "a new agent takes both over"
names_are user '["ran-b","wlan-a"]' || fail "names: $(braid user paths)"
field_is user ran-b preferred true || fail "it does not know what is preferred: $(braid user --json paths)"
shares user ran-b 400 400
braid user path prefer --clear ran-b >/dev/null || fail "clear"
spread
agent_dies gw
braidd_start gw "$T/gw/braid.conf"
spread
ok "new agents know all of it"

load 2
sleep 0.3
braid user path disable wlan-a || fail "disable"
load_end 0 "one is taken out of use"
shares user ran-b 400 400
braid user path disable ran-b 2>"$T/err" && fail "the last one is given away"
grep -q 'only path' "$T/err" || fail "$(cat "$T/err")"
braid user path enable wlan-a || fail "enable"
sed -i 's/interface = wlan0/& metered = true/' "$T/user/braid.conf"
braid user reload >/dev/null || fail "reload"
shares user ran-b 400 400
field_is user wlan-a standby_why metered || fail "$(braid user --json paths)"
sed -i 's/interface = wlan0 metered = true/interface = wlan0/' "$T/user/braid.conf"
braid user reload >/dev/null || fail "reload"
spread
ok "disabled, and metered"

braid user rekey "home#$clone" >"$T/err" 2>&1 || fail "rekey of one: $(cat "$T/err")"
braid user rekey "home#$clone/net" >"$T/err" 2>&1 || fail "rekey of a child: $(cat "$T/err")"
braid user rekey "home#99" 2>"$T/err" && fail "a line that is not there"
grep -q 'home has no line 99' "$T/err" || fail "$(cat "$T/err")"
[ "$(sas user 'map(.line) | sort')" = "$(jq -n "[$first,$clone] | sort")" ] || fail "$(braid user sas)"
for w in user gw; do
	wait_for 5 eval '[ "$(sas $w "map(.children[]) | length")" = 2 ]' || fail "$(braid $w sas)"
done
spread
ok "one of them is rekeyed"

# down: the flows of the other go on, those of the one that ends move
load 2
sleep 0.3
braid user down "home#$clone" >"$T/err" 2>&1 || fail "down of one: $(cat "$T/err")"
load_end 0 "one of them ends"
wait_for 5 names_are user '["wlan-a"]' || fail "$(braid user paths)"
wait_for 5 eval '[ "$(braid gw --json paths | jq ".paths | length")" = 1 ]' || fail "$(braid gw paths)"
shares user wlan-a 400 400
braid user clone home/net >/dev/null 2>"$T/err" || fail "not cloned again: $(cat "$T/err")"
braid user sas >"$T/sas"
clone=$(sas user "map(select(.clone_of == $first))[0].line")
braid user path prefer "ran-b#$clone" >"$T/err" 2>&1 || fail "the second clone does not move: $(cat "$T/err")"
wait_for 5 names_are user '["ran-b","wlan-a"]' || fail "$(braid user paths)"
ok "and another one comes"

load 2
sleep 0.3
braid user down "home#$first" >"$T/err" 2>&1 || fail "down of the first: $(cat "$T/err")"
load_end 0 "the first of them ends"
wait_for 5 names_are user '["ran-b"]' || fail "$(braid user paths)"
shares user ran-b 400 400

kill -9 "$(braid user --json status | jq .engine.pid)"
wait_for 10 reach || fail "no traffic after the engine was lost: $(braid user status)"
braid user clone home/net >/dev/null 2>"$T/err" || fail "not cloned after the engine was lost: $(cat "$T/err")"
wait_for 5 eval '[ "$(braid user --json paths | jq ".paths | length")" = 2 ]' || fail "$(braid user paths)"
wait_for 5 reach || fail "no traffic beside a clone: $(braid user paths)"
ok "an engine that is lost"

# more lines than a group has room for, all on one pair of addresses
for i in {1..9}; do braid user clone home/net >/dev/null 2>"$T/err" || fail "clone $i: $(cat "$T/err")"; done
whys() { braid user --json paths | jq -c '[.paths[].standby_why] | group_by(.) | map([.[0], length])'; }
[ "$(whys)" = '[[null,1],["group_full",3],["same_pair",7]]' ] || fail "$(braid user --json paths)"
braid user sas | grep -q 'stands by: there is no room in the group' || fail "$(braid user sas)"
load 2
sleep 0.3
for i in 1 2 3; do
	first=$(braid user --json paths | jq '[.paths[] | select(.share > 0)][0].line')
	braid user down "home#$first" >"$T/err" 2>&1 || fail "down: $(cat "$T/err")"
done
load_end 1 "each takes the place of one that ends"
[ "$(whys)" = '[[null,1],["same_pair",7]]' ] || fail "$(braid user --json paths)"
[ "$(braid user --json paths | jq '[.paths[] | select(.share > 0)][0].line')" != "$first" ] || fail "$(braid user paths)"

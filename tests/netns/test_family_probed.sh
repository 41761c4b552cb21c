#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# A family whose lines, one for each path (multipath = clone), are probed at both ends: prefer and
# disable are told to the peer across lines, a path that fails silently takes only its own flows
# along, new agents find everything, and with an inner address each lines stand by for one another.
# [CLONE-35] [CLONE-60] [CLONE-61] [CLONE-62] [CLONE-63]
. "$(dirname "$0")/../lib/netns.sh"
. "$(dirname "$0")/../lib/agent.sh"
. "$(dirname "$0")/../lib/clones.sh"

ok() { echo "ok - $*"; }
field() { braid "$1" --json paths | jq -r --arg n "$2" ".paths[] | select(.name == \$n).$3"; }
field_is() { [ "$(field "$1" "$2" "$3")" = "$4" ]; }
name_of() { braid "$1" --json paths | jq -r --arg u "$2" '.paths[] | select(.uplink == $u).name'; }
all_up() { [ "$(braid "$1" --json paths | jq '[.paths[] | select(.state == "up" and .verified)] | length')" = 2 ]; }
both_up() { all_up user && all_up gw; }
# sent WHO PATH: packets of the Child SAs of the line that has this path
sent() { sas "$1" "map(select(.paths | index(\"$2\")))[0].children | map(.tx_packets) | add"; }
# shares WHO PATH LEAST MOST: so many of 400 flows that this side sends have the Child SA of that line
shares() {
	local n
	n=$(sent "$1" "$2")
	flows "$1"
	n=$(($(sent "$1" "$2") - n))
	{ [ $n -ge "$3" ] && [ $n -le "$4" ]; } ||
		fail "$1: by $2 $n of 400 flows, not $3 to $4: $(braid "$1" paths; braid "$1" sas)"
}
spread() {
	shares user wlan-1 140 260
	shares user ran-2 140 260
	shares gw "$on_a" 140 260
	shares gw "$on_b" 140 260
}
alone() { # WHO PATH OTHER
	shares "$1" "$2" 400 400
	shares "$1" "$3" 0 0
}

clones_topo
for i in 1 2 3 4 5 6; do ip -n "$(ns lan)" addr add "203.0.113.1$i/26" dev eth0; done
clones_confs "\"$R0\", \"$R1\""
clones_up
have "$I0>$R0" "$I1>$R1"
wait_for 5 both_up || fail "two paths: $(braid user paths)"
wait_for 5 reach || fail "the LAN is not reached: $(braid user paths)"
on_a=$(name_of gw a) on_b=$(name_of gw b)
vip=$(sas user '.[0].vips[0]' | tr -d '"')
[ "$(braid user --json paths | jq -c '[.paths[].name] | sort')" = '["ran-2","wlan-1"]' ] || fail "names: $(braid user paths)"
braid user status | grep -q 'established, 2 IKE SAs' || fail "$(braid user status)"
spread
ok "flows are spread over the Child SAs of both lines, at both ends"

load 2
sleep 0.3
braid user path prefer ran-2 || fail "prefer"
load_end 0 "a planned move to the other line"
wait_for 2 field_is gw "$on_a" standby_why peer || fail "the peer does not hear of it: $(braid gw --json paths)"
alone user ran-2 wlan-1
alone gw "$on_b" "$on_a"
ok "the peer follows, across lines"

for w in user gw; do
	load 1
	agent_dies $w
	braidd_start $w "$T/$w/braid.conf" -v
	load_end 0 "a new agent of $w"
done
field_is user ran-2 preferred true || fail "a new agent does not know: $(braid user --json paths)"
wait_for 5 both_up || fail "paths after new agents: $(braid user paths)"
alone user ran-2 wlan-1
wait_for 2 field_is gw "$on_a" standby_why peer || fail "forgotten by a new agent: $(braid gw --json paths)"
alone gw "$on_b" "$on_a"
load 2
sleep 0.3
braid user path prefer --clear ran-2 || fail "clear"
load_end 0 "nor does its end lose anything"
wait_for 2 field_is gw "$on_a" peer_standby false || fail "the peer does not hear of the end"
spread

load 2
sleep 0.3
braid user path disable wlan-1 || fail "disable"
load_end 0 "one is taken out of use"
wait_for 2 field_is gw "$on_a" state disabled || fail "the peer does not hear of it: $(braid gw paths)"
alone user ran-2 wlan-1
alone gw "$on_b" "$on_a"
braid user path enable wlan-1 || fail "enable"
wait_for 5 both_up || fail "not back: $(braid user paths)"
spread
ok "the peer follows that, too"

# fails in its middle: flows that have nothing to do with it, neither way, do not notice
for i in {21..50}; do ip -n "$(ns lan)" addr add "203.0.113.$i/26" dev eth0; done
aside() { # address: do its pings go and come by the other line?
	local a b
	a=$(sent user wlan-1) b=$(sent gw "$on_a")
	in_ns user ping -i 0.01 -c 2 -W 1 -q "$1" >/dev/null
	[ $(($(sent user wlan-1) - a)) = 2 ] && [ $(($(sent gw "$on_a") - b)) = 2 ]
}
pings=()
for i in {21..50}; do
	aside "203.0.113.$i" || continue
	in_ns user ping -i 0.01 -c 600 -W 1 -q "203.0.113.$i" >"$T/aside$i" 2>&1 &
	pings+=($!)
done
[ ${#pings[@]} -gt 0 ] && [ ${#pings[@]} -lt 30 ] || fail "all flows on one path: $(braid user paths)"
cut_path r2
wait "${pings[@]}"
# some thousand pings, of which the machine may lose one
lost=$(cat "$T"/aside* | awk '/ packets transmitted/ { n += $1 - $4 } END { print n + 0 }')
[ "$lost" -le 1 ] || fail "flows on the path that works: $(cat "$T"/aside*)"
wait_for 5 path_is user ran-2 down || fail "the cut is not seen: $(braid user paths)"
wait_for 5 path_is gw "$on_b" down || fail "the cut is not seen by the gateway: $(braid gw paths)"
load 1
load_end 0 "the other line carries on"
have "$I0>$R0" "$I1>$R1"
alone user wlan-1 ran-2
alone gw "$on_a" "$on_b"
mend_path r2
wait_for 10 both_up || fail "a mended path does not come back: $(braid user paths)"
spread
ok "a path that fails, and its return"
clones_down

# An inner address each: either line carries its own traffic, over the other's path when its own fails.
clones_confs "\"$R0\", \"$R1\"" 'inner_address = per_line'
clones_up
have "$I0>$R0" "$I1>$R1"
wait_for 5 both_up || fail "two paths: $(braid user paths)"
vip_of() { sas user "map(select(.paths | index(\"$1\")))[0].children[0].local_ts[0]" | tr -d '"' | sed 's,/.*,,'; }
from() { in_ns user ping -I "$1" -c 1 -W 0.5 -q 203.0.113.10; }
vip=$(vip_of ran-2)
[ -n "$vip" ] && [ "$vip" != "$(vip_of wlan-1)" ] || fail "inner addresses: $(braid user sas)"
wait_for 5 from "$vip" || fail "nothing from $vip: $(braid user sas)"
[ "$(sas user '[.[].shares_with[]] | length')" = 0 ] || fail "they share traffic: $(braid user sas)"
braid user sas | grep -q 'shares traffic with no other line' || fail "$(braid user sas)"
field_is user ran-2 share 1 && field_is user wlan-1 share 1 || fail "$(braid user paths)"
n=$(sent user ran-2)
in_ns user ping -I "$vip" -i 0.01 -c 500 -W 1 -q 203.0.113.10 >"$T/ping" 2>&1 &
ping=$!
sleep 0.5
cut_path r2
wait $ping
got=$(sed -n 's/.* \([0-9]*\) received.*/\1/p' "$T/ping")
[ "$got" -ge 350 ] || fail "its traffic waits for the path: $(cat "$T/ping"; braid user paths)"
[ $(($(sas user "map(select(.children[0].local_ts | tostring | contains(\"$vip\")))[0].children | map(.tx_packets) | add") - n)) -ge 500 ] ||
	fail "another Child SA carries it: $(braid user sas)"
ok "lines with an inner address each stand by for one another"

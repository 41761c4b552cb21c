#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# MMX: each end tells of its interfaces, and again when they change; both show both lists. The numbers stay
# what they are over a restart of the agent.
# [MIF-3.1.1-4]
. "$(dirname "$0")/../lib/netns.sh"
. "$(dirname "$0")/../lib/agent.sh"

ok() { echo "ok - $*"; }
topo_multihomed
agent_confs
sed -i 's/multipath = true/multipath = no mmx = yes/' "$T"/*/braid.conf
sed -i 's/uplink "ran" { interface = ran0 preference = 1 }/uplink "ran" { interface = ran0 preference = 1 metered = yes cost = 7 }/' "$T/user/braid.conf"
ip -n "$(ns user)" -6 addr flush scope global
ip -n "$(ns gw)" -6 addr flush scope global
braidd_start gw "$T/gw/braid.conf"
braidd_start user "$T/user/braid.conf"
braid user up home >"$T/up" 2>&1 || fail "up: $(cat "$T/up")"

# Addresses of a list, in its order, with "*" where the IKE SA is.
addrs() { # HOST ours|peer
	braid "$1" --json sas | jq -r ".ike_sas[0].mmx.$2.interfaces[].endpoints[] | \"\(.id):\(.address)\(if .current then \"*\" else \"\" end)\"" | xargs
}
addrs_are() { [ "$(addrs "$1" "$2" | sed 's/[0-9]*://g')" = "$3" ]; }
same() { [ -n "$(addrs "$1" ours)" ] && [ "$(addrs "$1" ours)" = "$(addrs "$2" peer)" ]; }
wait_for 10 same user gw || fail "I's list: $(addrs user ours), at R: $(addrs gw peer)"
wait_for 10 same gw user || fail "R's list: $(addrs gw ours), at I: $(addrs user peer)"
addrs_are gw peer "192.0.2.2* 198.51.100.2" || fail "I's list: $(braid gw sas)"
addrs_are user peer "192.0.2.66* 198.51.100.66 203.0.113.1" || addrs_are user peer "192.0.2.66* 198.51.100.66" ||
	fail "R's list: $(braid user sas)"
[ "$(braid gw --json sas | jq -c '.ike_sas[0].mmx.peer.interfaces[1] | [.metered, .preference, .up, .mtu, .name]')" = '[true,1,true,1500,null]' ] ||
	fail "what I tells of ran0: $(braid gw --json sas)"
[ "$(braid user --json sas | jq -r '[.ike_sas[0].mmx.ours.interfaces[].name] | join(" ")')" = "wlan ran" ] || fail "names: $(braid user sas)"
braid user sas | grep -q 'the peer.s interfaces, list' || fail "braid sas: $(braid user sas)"
ok "both ends show both lists"

# MIF-3.4.1-1: nothing moves by a list.
ip -n "$(ns user)" addr add 198.51.100.3/26 dev ran0
ip -n "$(ns gw)" addr add 192.0.2.67/26 dev eth0
wait_for 10 addrs_are gw peer "192.0.2.2* 198.51.100.2 198.51.100.3" || fail "I has another address: $(braid gw sas)"
wait_for 10 eval 'addrs user peer | grep -q 192.0.2.67' || fail "R has another address: $(braid user sas)"
in_ns user ping -c 3 -i 0.05 -W 1 -q 203.0.113.10 >"$T/ping" || fail "pings: $(cat "$T/ping")"
ip -n "$(ns user)" link set ran0 down
down() { [ "$(braid gw --json sas | jq -c '[.ike_sas[0].mmx.peer.interfaces[] | .up]')" = '[true,false]' ]; }
wait_for 10 down || fail "ran0 is down: $(braid gw sas)"
ip -n "$(ns user)" link set ran0 up
ip -n "$(ns user)" route add default via 198.51.100.1 dev ran0 metric 200
wait_for 10 eval '! down' || fail "ran0 is up: $(braid gw sas)"
same user gw || fail "I's list: $(braid gw sas)"
same gw user || fail "lists: $(braid user sas) $(braid gw sas)"
ok "changes are told"

before=$(addrs user ours) theirs=$(addrs gw ours)
agent_dies user
agent_dies gw
# addresses come in another order
ip -n "$(ns user)" addr del 192.0.2.2/26 dev wlan0
ip -n "$(ns user)" addr add 192.0.2.4/26 dev wlan0
ip -n "$(ns user)" addr add 192.0.2.2/26 dev wlan0
ip -n "$(ns user)" route add default via 192.0.2.1 dev wlan0 metric 100
braidd_start gw "$T/gw/braid.conf"
braidd_start user "$T/user/braid.conf"
wait_for 10 eval 'addrs gw peer | grep -q 192.0.2.4' || fail "after a restart: $(braid gw sas)"
wait_for 10 same user gw || fail "I's list: $(addrs user ours), at R: $(addrs gw peer)"
for e in $before; do
	addrs user ours | tr ' ' '\n' | grep -qxF "$e" || fail "$e has another number: $(addrs user ours), before $before"
done
new=$(addrs user ours | tr ' ' '\n' | sed -n 's/:192.0.2.4$//p')
for e in $before; do
	[ "$new" != "${e%%:*}" ] || fail "number $new is another's: $(addrs user ours), before $before"
done
[ "$(addrs gw ours)" = "$theirs" ] || fail "R's list: $(addrs gw ours), before $theirs"
wait_for 5 in_ns user ping -c 3 -i 0.05 -W 1 -q 203.0.113.10 || fail "no traffic"
ok "numbers stay over a restart of the agent"

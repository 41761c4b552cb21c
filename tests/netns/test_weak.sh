#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# A gateway that peers know by an address of none of its uplinks: packets for it come over either.
. "$(dirname "$0")/../lib/netns.sh"
. "$(dirname "$0")/../lib/agent.sh"

ok() { echo "ok - $*"; }
topo_multihomed
agent_confs 100ms
ip -n "$(ns gw)" addr add 203.0.113.66/32 dev lan0
ip -n "$(ns r1)" route add 203.0.113.66 via 192.0.2.66
ip -n "$(ns r2)" route add 203.0.113.66 via 198.51.100.66
sed -i 's/remote_addrs = .*/remote_addrs = { "203.0.113.66" }/; s/remote = "192.0.2.66"/remote = "203.0.113.66"/; s/remote = "198.51.100.66"/remote = "203.0.113.66"/' "$T/user/braid.conf"
braidd_start gw "$T/gw/braid.conf"
braidd_start user "$T/user/braid.conf"
reach() { in_ns user ping -c 3 -i 0.1 -W 1 -q 203.0.113.10 >"$T/ping" || fail "$1: $(cat "$T/ping"; braid gw paths)"; }
seen() { braid gw --json paths | jq -r '[.paths[] | "\(.uplink) \(.local) \(.state)"] | sort | join(", ")'; }
seen_is() { [ "$(seen)" = "$1" ]; }

braid user up home >"$T/up" 2>&1 || fail "up: $(cat "$T/up")"
wait_for 10 two_up user || fail "two paths: $(braid user paths)"
wait_for 5 seen_is 'a 203.0.113.66:4500 up, b 203.0.113.66:4500 up' || fail "at the gateway: $(braid gw paths)"
reach "both"
# what makes all paths be looked at again
ip -n "$(ns gw)" addr add 192.0.2.70/26 dev eth0
wait_for 5 grep -q 'has address 192.0.2.70' "$T/gw/log" || fail "an address is not seen"
ip -n "$(ns gw)" link set eth1 down
wait_for 5 seen_is 'a 203.0.113.66:4500 up, b 203.0.113.66:4500 down' || fail "one link down: $(braid gw paths)"
wait_for 5 path_is user ran-b down || fail "the peer does not notice: $(braid user paths)"
reach "one link"
ip -n "$(ns gw)" link set eth1 up
ip -n "$(ns gw)" route add 198.51.100.0/26 via 198.51.100.65
wait_for 10 seen_is 'a 203.0.113.66:4500 up, b 203.0.113.66:4500 up' || fail "back: $(braid gw paths)"
ok "an address of another interface serves over both uplinks"

ip -n "$(ns gw)" addr del 203.0.113.66/32 dev lan0
# both go down by that; what becomes of them then is not told here: one is removed at once
left() { ! seen | grep -q up && [ "$(grep -c 'down: its address is gone (netlink' "$T/gw/log")" = 2 ]; }
wait_for 10 left || fail "the address is gone, the paths stay: $(braid gw paths)"
ok "gone is gone"

#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# What happens to addresses: leases that are renewed, prefixes that a router gives up, addresses of a
# day. What is in use stays in use; new paths take the best there is (DES-2-1); nothing is said of nothing.
. "$(dirname "$0")/../lib/netns.sh"
. "$(dirname "$0")/../lib/agent.sh"

ok() { echo "ok - $*"; }
topo_multihomed
agent_confs 100ms
sed -i -e 's/remote_addrs = .*/remote_addrs = { "192.0.2.66", "2001:db8:1:1::66" }/' -e '/path "/d' -e '/uplink "ran"/d' "$T/user/braid.conf"
u=$(ns user)

# The router's announcement: an address to stay, and the kernel makes one for the day.
ip -n "$u" -6 addr flush dev wlan0 scope global
in_ns user sysctl -qw net.ipv6.conf.wlan0.use_tempaddr=2
ip -n "$u" addr add 2001:db8:1::a:2/64 dev wlan0 nodad mngtmpaddr valid_lft 9000 preferred_lft 8000
ip -n "$u" -6 route replace default via 2001:db8:1::1 dev wlan0 metric 100
wait_for 10 eval 'ip -n "$u" -6 addr show dev wlan0 temporary -tentative | grep -q inet6' || fail "the kernel makes no temporary address"
braidd_start gw "$T/gw/braid.conf"
braidd_start user "$T/user/braid.conf"
braid user up home >"$T/up" 2>&1 || fail "up: $(cat "$T/up")"
locals() { braid user --json paths | jq -r '[.paths[] | select(.state == "up").local] | sort | join(" ")'; }
locals_are() { [ "$(locals)" = "$1" ]; }
wait_for 10 locals_are "192.0.2.2:4500 [2001:db8:1::a:2]:4500" || fail "paths: $(braid user paths)"
wait_for 5 grep -q 'has address 2001:db8:1:.*, temporary' "$T/user/log" || fail "nothing is said of the temporary address"
[ "$(braid user --json paths | jq '.paths | length')" = 2 ] || fail "a path of the temporary address: $(braid user paths)"
ok "a stable address before a temporary one"

# Renewals, as DHCP clients and router announcements do them.
lines=$(wc -l <"$T/user/log")
clients() { braid user --json stats | jq .ctl.clients; }
others=$(clients)
followed() { [ "$(clients)" -gt "$others" ]; }
in_ns user "$B/braid" -d "$T/user/run" --json events >"$T/events" &
follower=$!
wait_for 5 followed || fail "nobody follows events"
for i in 1 2 3 4 5; do
	ip -n "$u" addr change 192.0.2.2/26 dev wlan0 valid_lft $((3000 + i)) preferred_lft $((2000 + i))
	ip -n "$u" addr change 2001:db8:1::a:2/64 dev wlan0 mngtmpaddr valid_lft $((9000 + i)) preferred_lft $((8000 + i))
	in_ns user ping -c 1 -W 1 -q 203.0.113.10 >"$T/ping" || fail "a renewal costs a packet: $(cat "$T/ping")"
done
# what is told next is the first thing told
ip -n "$u" addr add 192.0.2.9/26 dev wlan0
wait_for 5 grep -q 192.0.2.9 "$T/events" || fail "the next change is not told"
kill $follower
head -n 1 "$T/events" | grep -q 192.0.2.9 || fail "a renewal was told: $(cat "$T/events")"
[ "$(tail -n +$((lines + 1)) "$T/user/log" | head -n 1 | grep -c 192.0.2.9)" = 1 ] ||
	fail "a renewal was logged: $(tail -n +$((lines + 1)) "$T/user/log")"
ip -n "$u" addr del 192.0.2.9/26 dev wlan0
ok "renewals move nothing and say nothing"

# The prefix is given up: the path that uses it stays; the new prefix gets a path of its own.
in_ns user sysctl -qw net.ipv6.conf.wlan0.use_tempaddr=0
ip -n "$u" addr change 2001:db8:1::a:2/64 dev wlan0 mngtmpaddr valid_lft 9000 preferred_lft 0
wait_for 5 grep -q 'has address 2001:db8:1::a:2, deprecated' "$T/user/log" || fail "nothing is said of it"
locals_are "192.0.2.2:4500 [2001:db8:1::a:2]:4500" || fail "the deprecated address was left: $(braid user paths)"
ip -n "$(ns r1)" addr add 2001:db8:7::1/64 dev user nodad
ip -n "$(ns gw)" -6 route add 2001:db8:7::/64 via 2001:db8:1:1::65
ip -n "$u" addr add 2001:db8:7::2/64 dev wlan0 nodad
three="192.0.2.2:4500 [2001:db8:1::a:2]:4500 [2001:db8:7::2]:4500"
wait_for 10 locals_are "$three" || fail "the new prefix: $(braid user paths)"
# a restart of the relation begins with the new one only
braid user down home >"$T/down" && braid user up home >"$T/up" 2>&1 || fail "again: $(cat "$T/down" "$T/up")"
wait_for 10 locals_are "192.0.2.2:4500 [2001:db8:7::2]:4500" || fail "a new path of a deprecated address: $(braid user paths)"
ok "deprecated: what uses it stays, nothing begins with it"

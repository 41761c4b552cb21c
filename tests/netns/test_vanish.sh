#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# An uplink's device is removed while it carries flows, and comes back as another device of the same
# name (topology: tests/lib/netns.sh): rtnetlink takes its path out, the flows go on over the other,
# and the new device gets its ingress program and its path. So it does when the agent sees the end of
# the one and the beginning of the other at once; and the engine watches the device that is there.
. "$(dirname "$0")/../lib/netns.sh"
. "$(dirname "$0")/../lib/agent.sh"

ok() { echo "ok - $*"; }
wlan_up() { braid user --json paths | jq -e '.paths[] | select(.uplink == "wlan" and .state == "up")' >/dev/null; }
wlan_rx() { braid user --json paths | jq '[.paths[] | select(.uplink == "wlan").rx_packets] | add'; }
wlan_receives() { [ "$(wlan_rx)" -gt 3 ]; }

topo_multihomed
for i in 1 2 3 4 5 6; do ip -n "$(ns lan)" addr add "203.0.113.1$i/26" dev eth0; done
agent_confs 500ms
braidd_start gw "$T/gw/braid.conf"
braidd_start user "$T/user/braid.conf"
braid user up home >"$T/up" 2>&1 || fail "up: $(cat "$T/up")"
wait_for 10 two_up user || fail "two paths are not up: $(braid user paths)"

# Answers still come over the path that is gone until the gateway's probes tell: what the user sends
# is counted where it arrives.
arrived() { in_ns lan nft -j list counter ip t echo | jq '.nftables[] | select(.counter).counter.packets'; }
in_ns lan nft 'add table ip t; add counter ip t echo;
	add chain ip t i { type filter hook input priority 0; };
	add rule ip t i icmp type echo-request counter name echo' || skip "nftables cannot count here"
loads=()
for i in 1 2 3 4 5 6; do
	in_ns user ping -i 0.005 -c 400 -W 1 -q 203.0.113.1$i >"$T/ping$i" 2>&1 &
	loads+=($!)
done
sleep 0.5
ip -n "$(ns user)" link del wlan0
wait_for 2 grep -Eq 'wlan0.*(link is down|interface is gone)' "$T/user/log" || fail "it is not noticed that the device is gone"
wait "${loads[@]}"
# By three probes unanswered it would be some 900.
lost=$((2400 - $(arrived)))
[ $lost -le 100 ] || fail "$lost of 2400 packets were lost when the device vanished"
ok "the device is gone: $lost of 2400 packets lost on their way out"

wire user wlan0 192.0.2.2/26 r1 user 192.0.2.1/26
ip -n "$(ns user)" route replace default via 192.0.2.1 dev wlan0 metric 100
wait_for 10 wlan_up || fail "the new device has no path: $(braid user paths)"
[ "$(braid user --json status | jq -r '.uplinks[] | select(.name == "wlan").attach')" = tc ] ||
	fail "the new device has no ingress program: $(braid user status)"
wait_for 10 wlan_receives || fail "nothing is counted on the new device: $(braid user paths)"
in_ns user ping -c 5 -i 0.1 -W 2 -q 203.0.113.10 >"$T/ping" || fail "no traffic over the new device"
ok "another device of that name: its path is up, its packets are counted"

# Gone and back before the agent looks.
taken_out() { braid user --json stats | jq .engine.no_link; }
kill -STOP "$(agent_pid user)"
ip -n "$(ns user)" link del wlan0
wire user wlan0 192.0.2.2/26 r1 user 192.0.2.1/26
ip -n "$(ns user)" route replace default via 192.0.2.1 dev wlan0 metric 100
kill -CONT "$(agent_pid user)"
wait_for 10 wlan_up || fail "the device made anew has no path: $(braid user paths)"
wait_for 10 wlan_receives || fail "nothing is counted on the device made anew: $(braid user paths)"
before=$(taken_out)
kill -STOP "$(agent_pid user)"
ip -n "$(ns user)" link set wlan0 down
sleep 1 # nobody can be asked meanwhile
kill -CONT "$(agent_pid user)"
[ "$(taken_out)" -gt "$before" ] || fail "the engine does not watch the device made anew: $(braid user paths)"
ok "made anew unseen: the engine takes its path out when it loses its link"

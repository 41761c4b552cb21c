#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# Stable transport over IPv6 where ESP is the kernel's: a connection between two fixed addresses goes on when the user
# moves to another network and when both agents die. States are not touched, and nothing is in clear text.
. "$(dirname "$0")/../lib/netns.sh"
. "$(dirname "$0")/../lib/clones.sh"
. "$(dirname "$0")/../lib/transport.sh"
. "$(dirname "$0")/../lib/kernel.sh"
. "$(dirname "$0")/../lib/kernel_transport.sh"
command -v tcpdump >/dev/null || skip "needs tcpdump"
kernel_esp_or_skip

# The gateway by either uplink of the user.
clones_topo
ip -n "$(ns r1)" addr add 2001:db8:9::1/64 dev r2 nodad
ip -n "$(ns r2)" addr add 2001:db8:9::2/64 dev r1 nodad
ip -n "$(ns r1)" -6 route add 2001:db8:2::/64 via 2001:db8:9::2
ip -n "$(ns r2)" -6 route add 2001:db8:1:1::/64 via 2001:db8:9::1
ip -n "$(ns gw)" -6 route replace 2001:db8:2::/64 via 2001:db8:1:1::65
capture clear 'ip6 and net 2001:db8:5::/64 and not ip6 proto 50 and not udp port 4500'
at() { braid user --json sas | jq -e --arg l "[$1]:" '.ike_sas[0].local | startswith($l)'; }
S=2001:db8:5::201 Z=2001:db8:5::202
ip -n "$(ns gw)" addr add $Z/128 dev lo nodad
echo_serve gw $Z 7000
confs6 "mode = stable-transport local_ts = { \"$S\" } remote_ts = { \"$Z\" }" \
	"mode = stable-transport local_ts = { \"$Z\" } remote_ts = { \"$S\" }" 'dpd_delay = 2s' kernel
kernel_agents
soon is_mode stable-transport || fail "stable transport is not up: $(braid user sas)"
carries_all $Z $S
before=$(states)
stream_begin $Z $S
ip -n "$(ns user)" link set wlan0 down
soon at 2001:db8:2::2 || fail "it does not move: $(braid user sas)"
goes_on "moved"
kill_agents
goes_on "without agents"
kernel_agents
goes_on "other agents"
[ "$(states)" = "$before" ] || fail "states were touched by a move: $(states)"
kill -0 $stream 2>/dev/null || fail "the connection ended: $(tail -n 3 "$T/stream")"
kill $stream
no_clear "stable transport over IPv6: one connection through a move and the deaths of both agents"
transport_stop

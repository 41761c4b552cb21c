#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# Stable transport where ESP is the kernel's, with a peer of either kind: one connection outlasts moves from one network to
# another and back, and the deaths of both agents. States are not touched, and nothing is in clear text.
. "$(dirname "$0")/../lib/netns.sh"
. "$(dirname "$0")/../lib/clones.sh"
. "$(dirname "$0")/../lib/transport.sh"
. "$(dirname "$0")/../lib/kernel.sh"
. "$(dirname "$0")/../lib/kernel_transport.sh"
command -v tcpdump >/dev/null || skip "needs tcpdump"
kernel_esp_or_skip

clones_topo
for h in user gw; do ip -n "$(ns $h)" -6 addr flush scope global; done
ip -n "$(ns gw)" route replace 198.51.100.0/26 via 192.0.2.65
capture clear 'ip and net 203.0.113.192/26 and not esp and not udp port 4500'
at() { braid user --json sas | jq -e --arg l "$1" '.ike_sas[0].local | startswith($l + ":")'; }
ip -n "$(ns gw)" addr add 203.0.113.202/32 dev lo
echo_serve gw 203.0.113.202 7000
for peer in kernel engine; do
	transport_confs 'mode = stable-transport start_action = start local_ts = { "203.0.113.201" } remote_ts = { "203.0.113.202" }' \
		'mode = stable-transport local_ts = { "203.0.113.202" } remote_ts = { "203.0.113.201" }' \
		'multipath = no dpd_delay = 2s'
	transport_backend user kernel
	transport_backend gw $peer
	kernel_agents
	soon is_mode stable-transport || fail "not up: $(braid user sas)"
	echo_udp user 203.0.113.202 7000 1300 203.0.113.201 || fail "$peer: no datagram comes back: $(xfrm_of user; braid user stats)"
	echo_tcp user 203.0.113.202 7000 300000 || fail "$peer: TCP does not get through"
	no_clear "$peer: stable transport carries"
	before=$(states)
	stream_begin 203.0.113.202 203.0.113.201
	ip -n "$(ns user)" link set wlan0 down
	soon at 198.51.100.2 || fail "$peer: it does not move: $(braid user sas)"
	goes_on "$peer: moved"
	ip -n "$(ns user)" link set wlan0 up
	ip -n "$(ns user)" route replace default via 192.0.2.1 dev wlan0 metric 100
	soon at 192.0.2.2 || fail "$peer: it does not go back: $(braid user sas)"
	goes_on "$peer: moved back"
	[ "$(states)" = "$before" ] || fail "$peer: states were touched by a move: $(states)"
	kill_agents
	goes_on "$peer: without agents"
	kernel_agents
	goes_on "$peer: other agents"
	kill -0 $stream 2>/dev/null || fail "$peer: the connection ended: $(tail -n 3 "$T/stream")"
	kill $stream
	no_clear "$peer: one connection through moves and the deaths of both agents"
	transport_stop
done

#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# An interface loses its link, its address, or vanishes while the agent is stopped and probes are too
# slow to tell: the engine alone takes the path out, and traffic goes on over the other one. So it does
# when more happens than the kernel could tell it.
. "$(dirname "$0")/../lib/netns.sh"
. "$(dirname "$0")/../lib/agent.sh"

topo_multihomed
for i in $(seq 11 28); do ip -n "$(ns lan)" addr add "203.0.113.$i/26" dev eth0; done
agent_confs 100ms
sed -i 's/probe_interval = 100ms/probe_interval = 4s/' "$T/user/braid.conf"

flows() { # all reach the LAN: enough that no path is left without any
	for i in $(seq 11 28); do in_ns user ping -c 1 -W 1 -q "203.0.113.$i" >/dev/null || return 1; done
}
taken_out() { braid user --json stats | jq .engine.no_link; }
# Both paths carry data: what is lost is noticed.
both_used() {
	local name before
	for name in wlan-a ran-b; do
		before=$(braid user --json paths | jq --arg n "$name" '.paths[] | select(.name == $n).tx_packets')
		for _ in 1 2 3 4 5; do flows || return 1; done
		[ "$(braid user --json paths | jq --arg n "$name" '.paths[] | select(.name == $n).tx_packets')" -ge $((before + 5)) ] || return 1
	done
}

lose() { # label, command...
	local label=$1 engine
	shift
	braidd_start gw "$T/gw/braid.conf"
	braidd_start user "$T/user/braid.conf"
	braid user up home >"$T/up" 2>&1 || fail "$label: $(cat "$T/up")"
	wait_for 25 two_up user || fail "$label: two paths: $(braid user paths)"
	wait_for 5 two_up gw || fail "$label: two paths at the gateway: $(braid gw paths)"
	both_used || fail "$label: not both paths are used: $(braid user paths)"
	engine=$(braid user --json status | jq .engine.pid)
	kill -STOP "$(agent_pid user)"
	"$@"
	# the gateway's own probes tell it soon; ours take twelve seconds
	for _ in 1 2 3 4; do flows && break; done
	flows || fail "$label: the agent is stopped, and nobody takes the path out"
	for _ in 1 2 3; do flows || fail "$label: a flow is lost"; done
	kill -CONT "$(agent_pid user)"
	[ "$(taken_out)" -ge 1 ] || fail "$label: not counted: $(braid user --json stats)"
	kill "$(agent_pid user)" "$(agent_pid gw)"
	wait_for 10 no_pids user && wait_for 10 no_pids gw || fail "$label: they do not end"
	echo "ok - $label: the engine takes the path out, agent or no agent"
}

storm() { # command...: it happens among more events than the engine's socket has room for
	kill -STOP "$engine"
	for i in $(seq 1000); do echo "link set silence mtu $((1400 + i % 2))"; done | in_ns user ip -batch -
	"$@"
	kill -CONT "$engine"
}

lose "link down" ip -n "$(ns user)" link set wlan0 down
ip -n "$(ns user)" link set wlan0 up
ip -n "$(ns user)" route replace default via 192.0.2.1 dev wlan0 metric 100
lose "address removed" ip -n "$(ns user)" addr del 192.0.2.2/26 dev wlan0
ip -n "$(ns user)" addr add 192.0.2.2/26 dev wlan0
ip -n "$(ns user)" route replace default via 192.0.2.1 dev wlan0 metric 100
in_ns user ip link add noise type veth peer name silence
lose "address removed in a storm of events" storm ip -n "$(ns user)" addr del 192.0.2.2/26 dev wlan0
ip -n "$(ns user)" addr add 192.0.2.2/26 dev wlan0
ip -n "$(ns user)" route replace default via 192.0.2.1 dev wlan0 metric 100
lose "interface gone" ip -n "$(ns user)" link del wlan0

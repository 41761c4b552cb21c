#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# What policy protects never leaves in clear text, whatever dies: both uplinks are captured while a
# ping stream into the LAN goes on through cuts and the deaths of engine and agent.
# MIF-4-4: what policy does not protect goes its own way all the time.
. "$(dirname "$0")/../lib/netns.sh"
. "$(dirname "$0")/../lib/agent.sh"
command -v tcpdump >/dev/null || skip "needs tcpdump"

topo_multihomed
agent_confs 50ms
# The bystander: a host of the world outside, by the default route.
ip -n "$(ns r1)" addr add 192.0.2.129/32 dev lo

for i in wlan0 ran0; do
	in_ns user tcpdump -lni $i 'net 203.0.113.0/24' >"$T/clear-$i" 2>"$T/clear-$i.err" &
	wait_for 5 grep -q 'listening on' "$T/clear-$i.err" || fail "no capture on $i"
done
no_clear() { # stage
	sleep 0.2 # tcpdump's own buffer
	[ ! -s "$T/clear-wlan0" ] && [ ! -s "$T/clear-ran0" ] ||
		fail "$1: in clear text: $(head -n 3 "$T"/clear-wlan0 "$T"/clear-ran0)"
	in_ns user ping -c 1 -W 2 -q 192.0.2.129 >/dev/null || fail "$1: unprotected traffic does not pass"
	echo "ok - $1"
}
engine_of() { # host
	local p
	for p in $(ip netns pids "$(ns "$1")"); do
		[ "$(cat "/proc/$p/comm")" != braid-esp ] || echo "$p"
	done
}
reach() { in_ns user ping -c 1 -W 1 -q 203.0.113.10; }

braidd_start gw "$T/gw/braid.conf"
braidd_start user "$T/user/braid.conf"
braid user up home >"$T/up" || fail "up: $(cat "$T/up")"
(while :; do in_ns user ping -i 0.02 -c 500 -q 203.0.113.10; sleep 0.1; done) >/dev/null 2>&1 &
stream=$!
wait_for 5 two_up user || fail "two paths"
wait_for 5 reach || fail "the LAN is not reached"
no_clear "tunnel up"

cut_path r1
cut_path r2
wait_for 5 path_is user wlan-a down || fail "the cut is not seen"
sleep 0.5
no_clear "every path cut"
mend_path r1
mend_path r2
wait_for 5 reach || fail "the LAN is not reached after the cut"

kill -9 "$(engine_of user)"
sleep 0.5
no_clear "the engine killed"
wait_for 20 reach || fail "no new engine took over"
no_clear "another engine in its place"

kill -9 "$(agent_pid user)"
kill -9 "$(engine_of user)"
sleep 0.7
reach >/dev/null 2>&1 && fail "the LAN is reached without agent and engine"
no_clear "agent and engine killed"

kill "$stream"


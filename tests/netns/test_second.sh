#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# A second braidd where one runs: it says why it cannot, and the first one's programs, pins, socket
# and traffic stay as they are. The gateway's, in a namespace of its own, runs beside it all the time.
. "$(dirname "$0")/../lib/netns.sh"
. "$(dirname "$0")/../lib/agent.sh"

ok() { echo "ok - $*"; }

# What the first one has put in place. The programs' ids change when they are replaced.
state() {
	ls "$T/user/bpf/braid"
	in_ns user tc filter show dev braid0 egress
	in_ns user tc filter show dev wlan0 ingress
	in_ns user tc filter show dev ran0 ingress
	in_ns user ip -o addr show dev braid0 2>/dev/null
	ip netns pids "$(ns user)"
}

# refused LABEL TEXT HOST OPTION...: a second braidd ends by itself and says TEXT
refused() {
	local label=$1 text=$2 h=$3 stream
	shift 3
	in_ns user ping -i 0.01 -c 100 -W 2 -q 203.0.113.10 >"$T/ping" 2>&1 &
	stream=$!
	in_ns "$h" timeout 10 "$B/braidd" -c "$T/second.conf" "$@" >"$T/second.log" 2>&1 &&
		fail "$label: it runs"
	[ $? -ne 124 ] || fail "$label: it does not end"
	grep -q "$text" "$T/second.log" || fail "$label: it does not say why: $(cat "$T/second.log")"
	wait $stream
	grep -q ' 0% packet loss' "$T/ping" || fail "$label: $(grep loss "$T/ping")"
	state >"$T/after"
	diff "$T/before" "$T/after" >&2 || fail "$label: the first one is disturbed"
	braid user status >/dev/null || fail "$label: the first one does not answer"
	ok "$label"
}

topo_multihomed
agent_confs 200ms
cp "$T/user/braid.conf" "$T/second.conf"
chmod 600 "$T/second.conf"
braidd_start gw "$T/gw/braid.conf"
braidd_start user "$T/user/braid.conf"
braid user up home >"$T/up" 2>&1 || fail "up: $(cat "$T/up")"
wait_for 10 two_up user || fail "two paths are not up: $(braid user paths)"
at_rest() { [ "$(state | sort | cksum)" = "$(sleep 0.2 && state | sort | cksum)" ]; }
wait_for 3 at_rest || fail "the first one does not come to rest"

mkdir -p "$T/second"
in_ns user ping -c 3 -i 0.1 -W 2 -q 203.0.113.10 >"$T/ping" || fail "the LAN is not reached"
state >"$T/before"
refused "the same namespace, directories of its own" 'port 500.*is another' user \
	-d "$T/second" --pin-dir "$T/user/bpf/second"
[ ! -e "$T/user/bpf/second" ] || fail "it leaves pins"
refused "the same namespace, the same directories" . user -d "$T/user/run" --pin-dir "$T/user/bpf/braid"
refused "another namespace, the same pins" 'another braidd uses it' lan \
	-d "$T/second" --pin-dir "$T/user/bpf/braid"
[ -z "$(ip -n "$(ns lan)" -o link show type dummy 2>/dev/null)" ] || fail "it leaves a device"

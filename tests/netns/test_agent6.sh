#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# Two agents over IPv6 uplinks, IPv4 inside; then starts that must be refused without harm to the
# agent that runs.
. "$(dirname "$0")/../lib/netns.sh"
. "$(dirname "$0")/../lib/agent.sh"

ok() { echo "ok - $*"; }
reach() { in_ns user ping -c 2 -i 0.1 -W 1 -q 203.0.113.10 >"$T/ping" || fail "$1: the LAN is not reached"; }

topo_multihomed
agent_confs 100ms
sed -i 's/"192.0.2.66"/"2001:db8:1:1::66"/; s/"198.51.100.66"/"2001:db8:2:1::66"/' "$T/user/braid.conf"
braidd_start gw "$T/gw/braid.conf"
braidd_start user "$T/user/braid.conf"
braid user up home >"$T/up" 2>&1 || fail "up: $(cat "$T/up")"
# the better default route is by wlan0: ran0's own next hop must be found all the same
wait_for 3 two_up user || fail "two paths are not up: $(braid user paths)"
reach "set-up"
ok "two paths over IPv6"
cut_path r1
wait_for 2 path_is user wlan-a down || fail "a cut path is not noticed"
wait_for 1 path_is gw a-2 down || fail "the gateway does not notice: $(braid gw paths)"
reach "cut"
mend_path r1
wait_for 3 two_up user || fail "a mended path does not come back"
ok "cut and mended"

refused() { # exit code, text, options...
	local code=$1 text=$2 rc
	shift 2
	in_ns user timeout 10 "$B/braidd" "$@" >"$T/out" 2>&1
	rc=$?
	[ $rc -eq "$code" ] || fail "expected a refusal ($text), got exit code $rc: $(cat "$T/out")"
	grep -q "$text" "$T/out" || fail "expected \"$text\": $(cat "$T/out")"
	reach "$text"
	ok "refused: $text"
}
mkdir "$T/other"
refused 1 'another braidd answers at .*ctl.sock' -c "$T/user/braid.conf" -d "$T/user/run" --pin-dir "$T/user/bpf/braid"
refused 1 'port 500 .*is another IKE daemon running' -c "$T/user/braid.conf" -d "$T/other" --pin-dir "$T/user/bpf/other"
refused 78 'cannot be read: No such file' -c "$T/none" -d "$T/other" --pin-dir "$T/user/bpf/other"
[ ! -e "$T/other/engine.sock" ] || fail "a refused start left an engine"

#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# The agent works within what it has kept: few capabilities, a list of system calls, no execution of
# programs. Interfaces that appear late get their program in every mode, the configuration is read
# again, a dead engine is replaced by the starter, and the end leaves nothing.
. "$(dirname "$0")/../lib/netns.sh"

ok() { echo "ok - $*"; }
sys_admin=0x200000
caps() { sed -n "s/^$2:\t*/0x/p" "/proc/$1/status"; }
procs() { # host, command name
	local p
	for p in $(ip netns pids "$(ns "$1")"); do
		[ "$(cat "/proc/$p/comm" 2>/dev/null)" != "$2" ] || echo "$p"
	done
}
none() { [ -z "$(procs "$1" "$2")" ]; }
attached() { # host, interface, mode
	[ "$(braid "$1" --json status | jq -r --arg i "$2" '.uplinks[] | select(.interface == $i).attach')" = "$3" ]
}
programs() { # on the uplinks of a host, by what the kernel shows
	local d
	for d in late0 later0; do
		ip -n "$(ns "$1")" -d link show "$d" 2>/dev/null | grep -q 'prog/xdp' && echo "$d xdp"
		tc -n "$(ns "$1")" filter show dev "$d" ingress 2>/dev/null | grep -q 'steer_in' && echo "$d tc"
	done
}
engine_pid() { braid "$1" --json status | jq .engine.pid; }
other_engine() { [ "$(engine_pid "$1")" -gt 0 ] && [ "$(engine_pid "$1")" != "$2" ]; }

conf() { # host, mode, second interface
	cat >"$T/$1/braid.conf" <<-CONF
		uplink "late" { interface = late0 }
		uplink "later" { interface = $3 }
		dataplane { attach = $2 }
	CONF
	chmod 600 "$T/$1/braid.conf"
}

for mode in tc xdp xdp-generic; do
	h=h-$mode
	host "$h" "p-$mode"
	conf "$h" $mode later0
	braidd_start "$h" "$T/$h/braid.conf"
	pid=$(agent_pid "$h")
	[ "$(cat "/proc/$pid/comm")" = braidd ] || fail "process $pid is not braidd"
	grep -q '^Seccomp:.*2' "/proc/$pid/status" || fail "$mode: no system call filter"
	grep -q '^NoNewPrivs:.*1' "/proc/$pid/status" || fail "$mode: new privileges are possible"
	[ $(($(caps "$pid" CapBnd))) = 0 ] || fail "$mode: bounding set is $(caps "$pid" CapBnd)"
	has=$(($(caps "$pid" CapPrm) & sys_admin ? 1 : 0))
	if [ $mode = tc ]; then want=0; else want=1; fi
	[ $has = $want ] || fail "$mode: CAP_SYS_ADMIN is $has, expected $want"
	ok "$mode: few capabilities ($([ $want = 1 ] && echo with || echo without) CAP_SYS_ADMIN), a system call filter"

	for i in 1 2; do
		wire "$h" late0 192.0.2.2/26 "p-$mode" late0 192.0.2.1/26
		wire "$h" later0 198.51.100.2/26 "p-$mode" later0 198.51.100.1/26
		wait_for 3 attached "$h" late0 $mode || fail "$mode: late0: $(braid "$h" --json status | jq -c .uplinks)"
		wait_for 3 attached "$h" later0 $mode || fail "$mode: later0: $(braid "$h" --json status | jq -c .uplinks)"
		[ "$(programs "$h" | wc -l)" = 2 ] || fail "$mode: the kernel shows $(programs "$h")"
		[ $i = 2 ] || ip -n "$(ns "$h")" link del late0
		[ $i = 2 ] || ip -n "$(ns "$h")" link del later0
	done
	ok "$mode: interfaces that appear late, and again, get their program"

	conf "$h" $mode absent0
	braid "$h" reload >"$T/reload" 2>&1 || fail "$mode: reload: $(cat "$T/reload")"
	[ "$(programs "$h" | wc -l)" = 1 ] || fail "$mode: after the reload the kernel shows $(programs "$h")"
	ok "$mode: an uplink gone from the configuration loses its program"

	old=$(engine_pid "$h")
	kill -9 "$old"
	wait_for 5 other_engine "$h" "$old" || fail "$mode: no other engine"
	[ $(($(caps "$(engine_pid "$h")" CapEff))) = $((0x2000)) ] || fail "$mode: the new engine has $(caps "$(engine_pid "$h")" CapEff)"
	ok "$mode: a dead engine is replaced, and keeps CAP_NET_RAW only"

	kill -9 "$pid"
	wait_for 3 none "$h" braidd-starter || fail "$mode: the starter stays after the agent's death"
	[ "$(procs "$h" braid-esp)" != "" ] || fail "$mode: the engine dies with the agent"
	braidd_start "$h" "$T/$h/braid.conf"
	attached "$h" late0 $mode || fail "$mode: not attached after a restart"
	kill "$(agent_pid "$h")"
	wait_for 5 no_pids "$h" || fail "$mode: processes stay"
	[ -z "$(programs "$h")" ] || fail "$mode: programs stay: $(programs "$h")"
	[ ! -e "$T/$h/bpf/braid" ] || fail "$mode: pins stay"
	ok "$mode: killed, started again, ended: nothing of ours stays"
done

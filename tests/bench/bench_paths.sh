#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# What probing costs: processor time of the engine's control thread, by the number of paths, between
# two engines without agents. ROUNDS="paths:interval-usec ...", SECONDS_EACH, ENGINE (another program).
#
#     namespace user                             namespace gw
#     engine 1, probes -- 192.0.2.1 ==veth== 192.0.2.2 -- engine 2, answers
#
# Prints a table and writes JSON lines to <build>/bench/paths.jsonl.
. "$(dirname "$0")/../lib/netns.sh"
[ "$(id -u)" = 0 ] || skip "needs root"
engine=${ENGINE:-$B/braid-esp} each=${SECONDS_EACH:-5}
hz=$(getconf CLK_TCK)
out=$B/bench/paths.jsonl
mkdir -p "$B/bench"
: >"$out"

engine() { # host
	mkdir -p "$T/$1"
	in_ns "$1" "$engine" -f -d "$T/$1" 2>"$T/$1/log" &
	wait_for 5 test -S "$T/$1/engine.sock" || fail "no engine"
	pid=$(drive "$1" hello | sed 's/pid \([0-9]*\).*/\1/')
}
load() { "$B/tests/bench/path_load" "$T/$1/engine.sock" "${@:2}"; }
drive() { "$B/tests/netns/engine_drive" "$T/$1/engine.sock" "${@:2}"; }
ticks() { # of a process's first thread, the control thread: user, system
	awk '{ print $14, $15 }' "/proc/$1/task/$1/stat"
}

measure() { # paths, interval
	local pid user u1 s1 u2 s2 tx1 tx2 rx1 rx2 up
	engine gw
	engine user
	user=$pid
	for h in user gw; do
		[ $h = user ] && ends="192.0.2.1 192.0.2.2" || ends="192.0.2.2 192.0.2.1"
		# shellcheck disable=SC2086
		drive $h config tun0 $ends workers=1 || fail "config"
	done
	load gw b 192.0.2.2 192.0.2.1 0 0 || fail "SAs"
	load user a 192.0.2.1 192.0.2.2 "$1" "$2" || fail "paths"
	sleep 1
	read -r tx1 rx1 _ < <(load user count)
	read -r u1 s1 < <(ticks "$user")
	sleep "$each"
	read -r u2 s2 < <(ticks "$user")
	read -r tx2 rx2 up < <(load user count)
	awk -v n="$1" -v i="$2" -v u=$((u2 - u1)) -v s=$((s2 - s1)) -v hz="$hz" -v t="$each" \
		-v tx=$((tx2 - tx1)) -v rx=$((rx2 - rx1)) -v up="$up" -v out="$out" 'BEGIN {
		cpu = (u + s) * 100 / hz / t; user = u * 100 / hz / t
		printf "%6d paths, %6.1f ms: %5.1f %% of a processor, %5.1f in user space; %7.0f probes/s, %7.0f answers/s, %d up\n",
			n, i / 1000, cpu, user, tx / t, rx / t, up
		printf "{\"what\":\"probing\",\"paths\":%d,\"interval_usec\":%d,\"cpu_percent\":%.1f,\"user_percent\":%.1f,\"probes_per_sec\":%.0f,\"answers_per_sec\":%.0f}\n",
			n, i, cpu, user, tx / t, rx / t >>out }'
	for h in user gw; do drive $h shutdown; done
	wait_for 5 no_pids user && wait_for 5 no_pids gw || fail "the engines do not end"
}

host user gw
wire user eth0 192.0.2.1/24 gw eth0 192.0.2.2/24
for r in ${ROUNDS:-10:100000 1000:100000 10000:1000000 10000:100000}; do
	measure "${r%:*}" "${r#*:}"
done

#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# What it costs to move many SAs to another path. Two parts, in one run:
#
# 1. One group of two paths with SIZES (1 100 10000 100000) SAs on it, which is more than two IKE peers
#    agree on: switch_load plays the agent for a real engine with the real programs and maps. All
#    SAs carry traffic, 10,000 packets a second in all. How long until the last packet by the old path after
#    the agent's store, and from the last by the old one to the first by the new one when its link goes;
#    what changed in the maps; system calls of the engine. ROUNDS (5) each.
# 2. Real daemons with CHILDREN (1 10 100) Child SAs, braid and strongSwan at both ends: how long until
#    none of them sends from the old address any more, from the command on: `braid path disable`, and
#    for strongSwan a better route, which it is told to prefer. Its userspace ESP cannot change an
#    SA's addresses, it rekeys them one by one. And once more under strace, without traffic: system
#    calls within a while in which that happens, less those in one in which it does not.
#    DAEMON_ROUNDS (3) in turn.
. "$(dirname "$0")/../lib/netns.sh"
. "$(dirname "$0")/../lib/agent.sh"
. "$(dirname "$0")/../lib/strongswan.sh"
. "$(dirname "$0")/../lib/handover.sh"
command -v strace >/dev/null || skip "needs strace"

rounds=${ROUNDS:-5}
daemon_rounds=${DAEMON_ROUNDS:-3}
read -ra sizes <<<"${SIZES-1 100 10000 100000}"
read -ra children <<<"${CHILDREN-1 10 100}"
results=$T/results
record() { printf '%s\t%s\t%s\n' "$@" >>"$results"; } # candidate, measure, value

# ---- maps and engine ----

drive() { "$B/tests/netns/engine_drive" "$T/$1/engine.sock" "${@:2}"; }
maps_engine() { # host
	in_ns "$1" "$B/braid-esp" -f -d "$T/$1" 2>"$T/$1/log" &
	wait_for 5 test -S "$T/$1/engine.sock" || fail "no engine"
}

maps_size() { # SAs
	local n=$1 h
	maps_engine near
	maps_engine far
	drive far config tun0 192.0.2.2 192.0.2.1 workers=1 || fail "config"
	"$B/tests/bench/path_load" "$T/far/engine.sock" b 192.0.2.2 192.0.2.1 0 0 || fail "SAs"
	mkdir -p "$T/near/bpf"
	mount -t bpf bpf "$T/near/bpf" || skip "no bpffs can be mounted here"
	in_ns near "$B/tests/bench/switch_load" "$T/near/engine.sock" "$T/near/bpf/braid" "$n" "$rounds" \
		"$(drive near hello | sed 's/pid \([0-9]*\).*/\1/')" >"$T/maps" || fail "$n SAs: $(cat "$T/near/log")"
	echo "maps: $n SAs measured"
	jq -r --arg n "$n" 'if .what == "calls" then ["quiet", .without], ["calls", .with]
		else [.what, .nsec / 1000], [.what + "-lost", .lost], [.what + "-octets", .map_octets],
			(select(.what == "agent") | ["store", .call_nsec]) end |
		"maps\t\(.[0])-\($n)\t\(.[1])"' "$T/maps" >>"$results"
	for h in near far; do drive $h shutdown; done
	wait_for 5 no_pids near && wait_for 5 no_pids far || fail "the engines do not end"
	umount "$T/near/bpf"
	ip -n "$(ns near)" link del braid0
}

# ---- daemons ----

target() { echo "10.77.0.$1"; } # of the nth Child SA

# multiply FILE BEGIN END NUMBER: its one Child SA, between these, becomes several, each with a target
multiply() {
	local text piece i
	text=$(<"$1")
	piece=${text#*"$2"}
	piece=$2${piece%%"$3"*}$3
	{
		printf '%s' "${text%%"$piece"*}"
		for ((i = 1; i <= $4; i++)); do
			piece_i=${piece/net/c$i}
			printf '%s\n' "${piece_i/203.0.113.0\/26/$(target "$i")/32}"
		done
		printf '%s\n' "${text#*"$piece"}"
	} >"$1.n"
	mv "$1.n" "$1"
}

braid_up() { # number of Child SAs
	local h i
	handover_braid_confs 1s
	for h in user gw; do
		multiply "$T/$h/braid.conf" 'child "net" {' '} }' "$1"
		chmod 600 "$T/$h/braid.conf"
		braidd_start $h "$T/$h/braid.conf"
	done
	for ((i = 1; i <= $1; i++)); do
		braid user up "home/c$i" >"$T/up" 2>&1 || fail "up: $(cat "$T/up")"
	done
	wait_for 15 two_up user && wait_for 15 two_up gw || fail "two paths: $(braid user paths)"
}
braid_down() { handover_braid_down; }
braid_move() { echo "braid user path disable wlan-a"; }
braid_pids() { echo "$(agent_pid user) $(braid user --json status | jq .engine.pid)"; }
braid_while() { echo 1000; } # of so many Child SAs: msec in which it is done

charon_up() {
	local h i
	swan_options=$handover_swan_options
	handover_swan_gw_conf
	handover_swan_user_conf
	for h in gw user; do
		multiply "$T/$h/swanctl.conf" 'net {' '}' "$1"
		strongswan_start $h
	done
	for ((i = 1; i <= $1; i++)); do
		swan user --initiate --child "c$i" >"$T/up" 2>&1 || fail "strongSwan: $(tail -n 3 "$T/up")"
	done
}
charon_down() { stop_all; }
charon_move() { echo wlan_leave; }
charon_pids() { ip netns pids "$(ns user)"; }
charon_while() { echo $((2000 + $1 * 20)); }

# System calls of those processes in so many milliseconds, in which the command is run.
calls_of() { # msec, pids, command
	local tracer args=()
	for p in $2; do args+=(-p "$p"); done
	strace -cfq "${args[@]}" -o "$T/calls" 2>/dev/null &
	tracer=$!
	sleep 0.5
	bash -c "$3" >/dev/null
	sleep "$(awk "BEGIN { print $1 / 1000 }")"
	kill -INT "$tracer"
	wait "$tracer"
	awk '$NF == "total" { print $4 }' "$T/calls"
}

daemons() { # candidate, number of Child SAs
	local c=$1 n=$2 msec without with
	msec=$("${c}_while" "$n")
	"${c}_up" "$n"
	in_ns user "$B/tests/bench/switch_watch" wlan0 192.0.2.2 ran0 198.51.100.2 "$(target 1)" "$n" 2000 \
		"$msec" "$("${c}_move")" >"$T/moved" || fail "$c: no move"
	jq -e --argjson n "$n" '.old_packets > 0 and .new_sas >= $n' "$T/moved" >/dev/null ||
		fail "$c: not all Child SAs have moved: $(cat "$T/moved")"
	jq -r --arg c "$c" --arg n "$n" '[["moved", .old_last / 1e6], ["began", .old_first_sa_last / 1e6],
		["lost", .sent - .old_packets - .new_packets]][] | "\($c)\t\(.[0])-\($n)\t\(.[1])"' "$T/moved" >>"$results"
	"${c}_down"
	wlan_route
	"${c}_up" "$n"
	without=$(calls_of "$msec" "$("${c}_pids")" :)
	with=$(calls_of "$msec" "$("${c}_pids")" "$("${c}_move")")
	record "$c" "calls-$n" $((with - without))
	printf '%-7s %3d Child SAs: the last packet from the old address after %7.1f ms, %5d system calls\n' \
		"$c" "$n" "$(jq '.old_last / 1e6' "$T/moved")" $((with - without))
	"${c}_down"
	wlan_route
}

host near far
wire near eth0 192.0.2.1/24 far eth0 192.0.2.2/24
wire near eth1 198.51.100.1/24 far eth1 198.51.100.2/24
for n in ${sizes[@]+"${sizes[@]}"}; do maps_size "$n"; done

handover_topo
# strongSwan would move to IPv6 of the same uplink
for h in user gw; do in_ns $h sysctl -qw net.ipv6.conf.all.disable_ipv6=1; done
for ((i = 1; i <= 254; i++)); do echo "addr add $(target "$i")/32 dev lo"; done | ip -n "$(ns gw)" -batch -
in_ns gw nft -f - <<-NFT
	table inet sink { chain input { type filter hook input priority 0; udp dport 9 drop; }; }
NFT
for ((round = 1; round <= daemon_rounds; round++)); do
	for n in ${children[@]+"${children[@]}"}; do
		for c in braid charon; do daemons $c "$n"; done
	done
done
mkdir -p "$B/bench"
python3 "$top/tests/bench/report_switch.py" "$results" "$B/bench/switch.jsonl"

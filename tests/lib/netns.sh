# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
# Hosts in network namespaces, for tests, demo and benchmarks. Sourced.
#
#                    +-- wlan 192.0.2.0/26 --- r1 --- 192.0.2.64/26 ---+
#     user (wlan0, ran0)                                               gw (eth0, eth1) --- lan
#                    +-- ran 198.51.100.0/26 - r2 - 198.51.100.64/26 --+   203.0.113.0/26
#
#     user .2, routers .1 and .65, gw .66; IPv6 the same in 2001:db8:1::/64 (wlan), :1:1 (r1-gw),
#     :2 (ran), :2:1 (r2-gw); gw is 203.0.113.1, lan .10; virtual addresses 203.0.113.128/26.
#
# Every name carries this shell's pid; all of it goes when the shell ends. Waiting is for a
# condition, never for a time.

set -u
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
B=${BRAID_BUILD:-build}
case $B in /*) ;; *) B=$top/$B ;; esac
T=$(mktemp -d "${TMPDIR:-/tmp}/braid-test.XXXXXX")
hosts=()

skip() {
	echo "$*"
	exit 77
}

fail() {
	echo "FAIL: $*" >&2
	for log in "$T"/*/log; do
		[ -f "$log" ] || continue
		echo "--- ${log#"$T"/}" >&2
		tail -n 40 "$log" >&2
	done
	exit 1
}

lib_cleanup() {
	local h p
	trap '' INT TERM
	for h in ${hosts[@]+"${hosts[@]}"}; do
		for p in $(ip netns pids "$(ns "$h")" 2>/dev/null); do kill "$p" 2>/dev/null; done
	done
	for h in ${hosts[@]+"${hosts[@]}"}; do
		# a leak check at the end takes its time
		wait_for "${SAN_LOGS:+2}3" no_pids "$h" || for p in $(ip netns pids "$(ns "$h")"); do kill -9 "$p" 2>/dev/null; done
		ip netns del "$(ns "$h")" 2>/dev/null
		umount "$T/$h/bpf" 2>/dev/null
	done
	[ -n "${KEEP:-}" ] || rm -rf "$T"
}
trap lib_cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

ns() { echo "br$$-$1"; }
no_pids() { [ -z "$(ip netns pids "$(ns "$1")")" ]; }

# in HOST COMMAND...
in_ns() {
	local h=$1
	shift
	ip netns exec "$(ns "$h")" "$@"
}

# wait_for SECONDS COMMAND...: true as soon as the command is
wait_for() {
	local tries=$(($1 * 20))
	shift
	until "$@" >/dev/null 2>&1; do
		tries=$((tries - 1))
		[ $tries -gt 0 ] || return 1
		sleep 0.05
	done
}

host() {
	local h
	for h in "$@"; do
		ip netns add "$(ns "$h")" || skip "network namespaces cannot be made here"
		hosts+=("$h")
		mkdir -p "$T/$h"
		in_ns "$h" sysctl -qw net.ipv6.conf.all.accept_dad=0 net.ipv6.conf.default.accept_dad=0 \
			net.ipv6.conf.all.router_solicitations=0 2>/dev/null
		ip -n "$(ns "$h")" link set lo up
	done
}

# wire HOST1 IF1 ADDR1 HOST2 IF2 ADDR2 [ADDR6-1 ADDR6-2]: a veth pair with addresses
wire() {
	ip link add "$2" netns "$(ns "$1")" type veth peer name "$5" netns "$(ns "$4")" ||
		skip "veth pairs cannot be made here"
	ip -n "$(ns "$1")" addr add "$3" dev "$2"
	ip -n "$(ns "$4")" addr add "$6" dev "$5"
	if [ $# -gt 6 ]; then
		ip -n "$(ns "$1")" addr add "$7" dev "$2" nodad
		ip -n "$(ns "$4")" addr add "$8" dev "$5" nodad
	fi
	ip -n "$(ns "$1")" link set "$2" up
	ip -n "$(ns "$4")" link set "$5" up
}

router() {
	in_ns "$1" sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
}

# The topology at the top of this file.
topo_multihomed() {
	host user r1 r2 gw lan
	wire user wlan0 192.0.2.2/26 r1 user 192.0.2.1/26 2001:db8:1::2/64 2001:db8:1::1/64
	wire user ran0 198.51.100.2/26 r2 user 198.51.100.1/26 2001:db8:2::2/64 2001:db8:2::1/64
	wire r1 gw 192.0.2.65/26 gw eth0 192.0.2.66/26 2001:db8:1:1::65/64 2001:db8:1:1::66/64
	wire r2 gw 198.51.100.65/26 gw eth1 198.51.100.66/26 2001:db8:2:1::65/64 2001:db8:2:1::66/64
	wire gw lan0 203.0.113.1/26 lan eth0 203.0.113.10/26 2001:db8:3::1/64 2001:db8:3::10/64
	router r1
	router r2
	router gw
	local n
	n=$(ns user)
	ip -n "$n" route add default via 192.0.2.1 dev wlan0 metric 100
	ip -n "$n" route add default via 198.51.100.1 dev ran0 metric 200
	ip -n "$n" -6 route add default via 2001:db8:1::1 dev wlan0 metric 100
	ip -n "$n" -6 route add default via 2001:db8:2::1 dev ran0 metric 200
	n=$(ns gw)
	ip -n "$n" route add 192.0.2.0/26 via 192.0.2.65
	ip -n "$n" route add 198.51.100.0/26 via 198.51.100.65
	ip -n "$n" -6 route add 2001:db8:1::/64 via 2001:db8:1:1::65
	ip -n "$n" -6 route add 2001:db8:2::/64 via 2001:db8:2:1::65
	ip -n "$(ns lan)" route add default via 203.0.113.1
	ip -n "$(ns lan)" -6 route add default via 2001:db8:3::1
}

# The middle of a path: its router forwards or does not; every link stays up.
cut_path() { in_ns "$1" sysctl -qw net.ipv4.ip_forward=0 net.ipv6.conf.all.forwarding=0; }
mend_path() { router "$1"; }

# The links of r1 carry no more than that...
narrow() { # MTU
	ip -n "$(ns r1)" link set user mtu "$1"
	ip -n "$(ns r1)" link set gw mtu "$1"
}
# ... and nobody hears of it.
no_icmp_errors() {
	in_ns "$1" nft -f - <<-NFT
		table inet quiet {
			chain out { type filter hook output priority 0;
				icmp type { destination-unreachable, time-exceeded } drop
				icmpv6 type { packet-too-big, destination-unreachable } drop; }
		}
	NFT
}

# With the engine, whatever this kernel can do, where a configuration says nothing of it.
by_engine() { # CONFIG
	grep -q 'backend *=' "$1" && return
	if grep -q '^dataplane {' "$1"; then
		sed -i 's/^dataplane {/& backend = engine/' "$1"
	else
		sed -i '1s/^/dataplane { backend = engine } /' "$1"
	fi
}

# braidd_start HOST CONFIG [OPTION...]: the agent, ready
braidd_start() {
	local h=$1 conf=$2
	shift 2
	by_engine "$conf"
	mkdir -p "$T/$h/bpf" "$T/$h/run"
	mountpoint -q "$T/$h/bpf" || mount -t bpf bpf "$T/$h/bpf" || skip "no bpffs can be mounted here"
	chmod 600 "$conf"
	ip netns exec "$(ns "$h")" "$B/braidd" -c "$conf" -d "$T/$h/run" --pin-dir "$T/$h/bpf/braid" "$@" \
		>>"$T/$h/log" 2>&1 </dev/null &
	echo $! >"$T/$h/pid"
	wait_for 10 braid "$h" version || fail "braidd on $h does not start"
}

agent_pid() { cat "$T/$1/pid"; }

# braid HOST ARGUMENT...
braid() {
	local h=$1
	shift
	in_ns "$h" "$B/braid" -d "$T/$h/run" "$@"
}

# path_is HOST NAME STATE
path_is() {
	[ "$(braid "$1" --json paths | jq -r --arg n "$2" '.paths[] | select(.name == $n).state')" = "$3" ]
}

# Number of paths in that state.
paths_in_state() { braid "$1" --json paths | jq "[.paths[] | select(.state == \"$2\")] | length"; }
two_up() { [ "$(paths_in_state "$1" up)" = 2 ]; }

[ "$(id -u)" = 0 ] || skip "needs root"
for tool in ip jq; do command -v $tool >/dev/null || skip "needs $tool"; done

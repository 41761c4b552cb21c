#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# The kernel's ESP (XFRM) with braid's steering beside the same without, and transport beside tunnel
# mode, all in one boot and in turn: steer_xfrm.sh BUILD_DIR. `make bench-xfrm` runs it on Debian's stock
# kernel. One pair of hosts per candidate, on two wires:
#
#     X-a 192.0.2.1 ===== 192.0.2.2 X-b       tunnel: 10.1.0.1 to 10.1.0.2
#         198.51.100.1 == 198.51.100.2
#
#     xfrm       tunnel mode on the wire's own addresses, by an XFRM interface
#     steered    tunnel mode on the stable pair: braid0, steer_tc_out, one path, steer_in
#     two-paths  the same over both wires, with a class of traffic for each: the classifier is at work
#     policy     tunnel mode by policy alone, as without an XFRM interface
#     transport  transport mode, by policy alone
#     beet       BEET, which is how braid does transport mode, by policy alone
#     wireguard  where the kernel has it
#
# CANDIDATES: only those. ROUNDS (5) rounds; in each, through each, SECONDS_EACH (0.5) s of UDP as fast as it goes, with 64, 512 and
# 1400 octets of payload, with 1372 by two sockets, and one TCP stream for 1 s. Then `xfrm`, `steered`,
# `policy` and `transport` once more with SAs that were made with esp4_offload, which leaves segmentation to the
# last moment (SECOND=no: without). What is compared is what arrived, and the processor time of the
# machine, both ends, for a packet or a GB. An emulated machine is slow and its host may be busy: told are
# ratios to another candidate of the same round, a moment apart: their median, and the quartiles. With
# VM_ICOUNT=1 (tests/vm/run.sh), as `make bench-xfrm` has it, a packet a second stands for instructions.
export BRAID_BUILD=$1
. "$(dirname "$0")/../lib/netns.sh"
for tool in iperf3 tc python3; do command -v $tool >/dev/null || skip "needs $tool"; done
modprobe -q esp4 && modprobe -q xfrm_user && modprobe -q xfrm_interface || skip "needs a kernel with ESP"
modprobe -q -a gcm ghash_generic ctr seqiv aesni_intel || :
modprobe -qr esp4_offload || :

rounds=${ROUNDS:-5}
each=${SECONDS_EACH:-0.5}
load=$B/tests/bench/udp_load
results=$T/results
key=0x000102030405060708090a0b0c0d0e0f10111213
declare -A server=() to=() from=()
candidates=()

# state HOST SRC DST SPI MODE OPTION...
state() {
	local h=$1
	ip -n "$(ns "$h")" xfrm state add src "$2" dst "$3" proto esp spi "$4" reqid 1 mode "$5" \
		aead 'rfc4106(gcm(aes))' $key 128 flag esn replay-window 4096 "${@:6}" || fail "$h: SA"
}
# policy HOST DIR SRC DST TEMPLATE-SRC TEMPLATE-DST MODE OPTION...
policy() {
	local h=$1
	ip -n "$(ns "$h")" xfrm policy add dir "$2" src "$3" dst "$4" "${@:8}" \
		tmpl src "$5" dst "$6" proto esp reqid 1 mode "$7" || fail "$h: policy"
}

pair() { # NAME
	candidates+=("$1")
	host "$1-a" "$1-b"
	wire "$1-a" eth0 192.0.2.1/24 "$1-b" eth0 192.0.2.2/24
	wire "$1-a" eth1 198.51.100.1/24 "$1-b" eth1 198.51.100.2/24
}

# The numbers of both ends: inner address, SPI of what comes here; the other's.
ends=("a 1 0x0a000001 2 0x0b000001" "b 2 0x0b000001 1 0x0a000001")

tunnel() { # NAME wire|stable|policy OPTION-OUT...: the stable pair looks the same to both ends
	local e h me in peer out here there by=(if_id 7)
	[ "$2" != policy ] || by=()
	for e in "${ends[@]}"; do
		read -r h me in peer out <<<"$e"
		h=$1-$h here=192.0.2.$me there=192.0.2.$peer
		[ "$2" != stable ] || here=198.18.0.1 there=198.18.0.2
		if [ "$2" = policy ]; then
			ip -n "$(ns "$h")" addr replace 10.1.0.$me/32 dev lo
			ip -n "$(ns "$h")" route replace 10.1.0.$peer via 192.0.2.$peer src 10.1.0.$me
		elif ! ip -n "$(ns "$h")" link show xfrm0 >/dev/null 2>&1; then
			ip -n "$(ns "$h")" link add xfrm0 type xfrm if_id 7 || skip "needs XFRM interfaces"
			ip -n "$(ns "$h")" link set xfrm0 mtu 1446 up
			ip -n "$(ns "$h")" addr add 10.1.0.$me/24 dev xfrm0
		fi
		state "$h" $here $there "$out" tunnel ${by[@]+"${by[@]}"} "${@:3}"
		state "$h" $there $here "$in" tunnel ${by[@]+"${by[@]}"}
		policy "$h" out 10.1.0.$me 10.1.0.$peer $here $there tunnel ${by[@]+"${by[@]}"}
		policy "$h" in 10.1.0.$peer 10.1.0.$me $there $here tunnel ${by[@]+"${by[@]}"}
	done
	server[$1]=10.1.0.2
}

# The addresses inside are those of tunnel mode; on the wire it is transport mode.
beet() { # NAME
	local e h me peer out in
	for e in "${ends[@]}"; do
		read -r h me in peer out <<<"$e"
		h=$1-$h
		ip -n "$(ns "$h")" addr replace 10.1.0.$me/32 dev lo
		ip -n "$(ns "$h")" route replace 10.1.0.$peer via 192.0.2.$peer src 10.1.0.$me
		state "$h" 192.0.2.$me 192.0.2.$peer "$out" beet sel src 10.1.0.$me dst 10.1.0.$peer
		state "$h" 192.0.2.$peer 192.0.2.$me "$in" beet sel src 10.1.0.$peer dst 10.1.0.$me
		policy "$h" out 10.1.0.$me 10.1.0.$peer 192.0.2.$me 192.0.2.$peer beet
		policy "$h" in 10.1.0.$peer 10.1.0.$me 192.0.2.$peer 192.0.2.$me beet
	done
	server[$1]=10.1.0.2
}

transport() { # NAME
	local e h me in peer out
	for e in "${ends[@]}"; do
		read -r h me in peer out <<<"$e"
		h=$1-$h
		state "$h" 192.0.2.$me 192.0.2.$peer "$out" transport
		state "$h" 192.0.2.$peer 192.0.2.$me "$in" transport
		policy "$h" out 192.0.2.$me 192.0.2.$peer 192.0.2.$me 192.0.2.$peer transport
		policy "$h" in 192.0.2.$peer 192.0.2.$me 192.0.2.$peer 192.0.2.$me transport
	done
	server[$1]=192.0.2.2
}

wireguard() { # NAME
	local e h me peer
	command -v wg >/dev/null && modprobe -q wireguard || return
	pair "$1"
	for h in a b; do
		(umask 077 && wg genkey >"$T/$1-$h/key")
		ip -n "$(ns "$1-$h")" link add wg0 type wireguard || fail "$1: no device"
	done
	for e in "a 1 b 2" "b 2 a 1"; do
		read -r h me other peer <<<"$e"
		in_ns "$1-$h" wg set wg0 listen-port 51820 private-key "$T/$1-$h/key" \
			peer "$(wg pubkey <"$T/$1-$other/key")" allowed-ips 10.1.0.0/24 endpoint 192.0.2.$peer:51820 || fail "$1: wg"
		ip -n "$(ns "$1-$h")" addr add 10.1.0.$me/24 dev wg0
		ip -n "$(ns "$1-$h")" link set wg0 mtu 1420 up
	done
	server[$1]=10.1.0.2
}

# One dp_drive for each host takes commands all the time: to open everything anew takes seconds here.
drive() { # HOST
	mkfifo "$T/$1/to" "$T/$1/from"
	exec {to_fd}<>"$T/$1/to" {from_fd}<>"$T/$1/from"
	to[$1]=$to_fd from[$1]=$from_fd
	ip netns exec "$(ns "$1")" env BRAID_KERNEL_ESP=1 "$B/tests/netns/dp_drive" "$T/$1/bpf/braid" - \
		<"$T/$1/to" >"$T/$1/from" 2>"$T/$1/log" &
}
steer() { # HOST COMMAND...
	local h=$1 line
	shift
	echo "$*" >&"${to[$h]}"
	while read -r -t 120 line <&"${from[$h]}"; do
		case $line in
		"= 0") return ;;
		"= "*) break ;;
		*) echo "$line" ;;
		esac
	done
	fail "$h: dp_drive $*: $line"
}
mac_of() { in_ns "$1" cat "/sys/class/net/$2/address"; }
path() { # HOST DEVICE LOCAL REMOTE HOST-OF-REMOTE
	steer "$1" path "$2" "$3" "$4" "$(mac_of "$1" "$2")" "$(mac_of "$5" "$2")"
}
steered() { # NAME PATHS
	local e h me in peer out p other paths group
	for e in "${ends[@]}"; do
		read -r h me in peer out <<<"$e"
		p=$h other=$1-$(tr ab ba <<<"$h") h=$1-$h paths=()
		mkdir -p "$T/$h/bpf"
		mount -t bpf bpf "$T/$h/bpf" || skip "no bpffs can be mounted here"
		drive "$h"
		steer "$h" uplink eth0 >/dev/null
		steer "$h" uplink eth1 >/dev/null
		paths+=("$(path "$h" eth0 192.0.2.$me 192.0.2.$peer "$other"):0:1")
		[ "$2" = 1 ] || paths+=("$(path "$h" eth1 198.51.100.$me 198.51.100.$peer "$other"):0:1")
		group=$(steer "$h" group 0 mode=1 "${paths[@]}")
		[ "$2" = 1 ] || steer "$h" group "$group" class=1 mode=1 "${paths[1]}" "${paths[0]}" >/dev/null
		steer "$h" sa 1 "$p" "$group"
	done
	tunnel "$1" stable output-mark 1 mask 0xfffff
	for h in a b; do
		steer "$1-$h" classify xfrm0
		[ "$2" = 1 ] || steer "$1-$h" rule 5203 1 # of the second socket
	done
}

listens() { in_ns "$1" ss -Hltnu "sport = :$2" | grep -q .; }
machine_time() { awk -v hz="$(getconf CLK_TCK)" '/^cpu / { print ($2 + $3 + $4 + $7 + $8) / hz }' /proc/stat; }
record() { # candidate, measure, value
	printf '%s\t%s\t%s\n' "$1" "$phase$2" "$3" >>"$results"
}
per() { awk "BEGIN { print $1 / ($2 ? $2 : 1) }"; }

measure_tcp() { # NAME
	local s m0 gb
	in_ns "$1-b" iperf3 -s -1 -B "${server[$1]}" >/dev/null 2>&1 &
	s=$!
	wait_for 20 listens "$1-b" 5201 || fail "$1: no iperf3 server"
	m0=$(machine_time)
	in_ns "$1-a" iperf3 -c "${server[$1]}" -t 1 -J >"$T/run" || fail "$1: $(jq -r .error "$T/run")"
	m0=$(awk "BEGIN { print $(machine_time) - $m0 }")
	gb=$(jq '.end.sum_received.bytes / 1e9' "$T/run")
	record "$1" tcp "$(jq '.end.sum_received.bits_per_second / 1e6' "$T/run")"
	record "$1" tcp_cpu "$(per "$m0" "$gb")"
	wait $s
}

measure_udp() { # NAME MEASURE OCTETS SOCKETS: each to a port of its own, each end on a CPU of its own
	local i m0 r=() s=() cpus
	cpus=$(nproc)
	for ((i = 0; i < $4; i++)); do
		taskset -c $(((i + 1) % cpus)) ip netns exec "$(ns "$1-b")" "$load" recv "${server[$1]}" $((5202 + i)) >"$T/got$i" &
		r+=($!)
		wait_for 20 listens "$1-b" $((5202 + i)) || fail "$1: no receiver"
	done
	m0=$(machine_time)
	for ((i = 0; i < $4; i++)); do
		taskset -c $((i % cpus)) ip netns exec "$(ns "$1-a")" "$load" send "${server[$1]}" $((5202 + i)) "$each" 0 "$3" &
		s+=($!)
	done
	wait "${s[@]}" || fail "$1: udp_load"
	m0=$(awk "BEGIN { print $(machine_time) - $m0 }")
	kill "${r[@]}"
	wait "${r[@]}"
	# udp_load tells packets of 1372 octets per second, and octets in all
	record "$1" "$2" "$(awk -v len="$3" '{ n += $1 * 1372 / len } END { print n }' "$T"/got*)"
	record "$1" "$2_cpu" "$(per "$m0 * 1e6" "$(awk -v len="$3" '{ n += $2 / len } END { print n + 0 }' "$T"/got*)")"
	rm -f "$T"/got*
}

rounds_of() { # MEASURE...: of all candidates, every second round in reverse order
	local round order c m i
	for ((round = 1; round <= rounds; round++)); do
		order=("${candidates[@]}")
		if ((round % 2 == 0)); then
			order=()
			for ((i = ${#candidates[@]} - 1; i >= 0; i--)); do order+=("${candidates[i]}"); done
		fi
		for m in "$@"; do
			for c in "${order[@]}"; do
				case $m in
				tcp) measure_tcp "$c" ;;
				udp2) measure_udp "$c" udp2 1372 2 ;;
				udp*) measure_udp "$c" "$m" "${m#udp}" 1 ;;
				esac
			done
		done
		echo "round $round/$rounds${phase:+, esp4_offload}"
	done
}
reachable() {
	local c
	for c in "${candidates[@]}"; do
		wait_for 30 in_ns "$c-a" ping -c 1 -W 1 -q "${server[$c]}" || fail "$c: no way to ${server[$c]}"
	done
}

echo "Setting up"
phase=
wanted() { [[ " ${CANDIDATES:-$1} " = *" $1 "* ]]; }
! wanted xfrm || { pair xfrm && tunnel xfrm wire; }
! wanted steered || { pair steered && steered steered 1; }
! wanted two-paths || { pair two-paths && steered two-paths 2; }
! wanted policy || { pair policy && tunnel policy policy; }
! wanted transport || { pair transport && transport transport; }
! wanted beet || { pair beet && beet beet; }
! wanted wireguard || wireguard wireguard
reachable
# shellcheck disable=SC2086
rounds_of ${MEASURES:-udp64 udp512 udp1400 udp2 tcp}
! wanted two-paths || steer two-paths-a paths >"$T/paths"
wanted two-paths && grep -q udp2 "$results" && awk '/^path/ && !$NF { bad = 1 } END { exit !bad }' "$T/paths" && fail "two paths: not both carry packets: $(cat "$T/paths")"
if [ "${SECOND:-yes}" = yes ] && modprobe -q esp4_offload; then
	phase=offload_
	candidates=()
	for c in xfrm steered policy transport beet; do ! wanted $c || candidates+=("$c"); done
	for c in "${candidates[@]}"; do # SAs know at their birth whether it is there
		for h in a b; do
			ip -n "$(ns "$c-$h")" xfrm state flush
			ip -n "$(ns "$c-$h")" xfrm policy flush
		done
	done
	for c in "${candidates[@]}"; do
		case $c in
		xfrm) tunnel xfrm wire ;;
		steered) tunnel steered stable output-mark 1 mask 0xfffff ;;
		policy) tunnel policy policy ;;
		*) $c $c ;;
		esac
	done
	reachable
	rounds_of udp64 udp1400 tcp
fi
/usr/bin/python3 "$top/tests/bench/report_xfrm.py" "$results"

#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# The kernel's ESP (XFRM) with braid's steering beside the same without, and transport beside tunnel
# mode, all in one boot and in turn: steer_xfrm.sh BUILD_DIR. `make bench-xfrm` runs it on Debian's stock
# kernel. One pair of hosts per candidate, on two wires:
#
#     X-a 192.0.2.1 ===== 192.0.2.2 X-b       tunnel: 10.1.0.1 to 10.1.0.2 by an XFRM interface
#         198.51.100.1 == 198.51.100.2
#
#     xfrm       tunnel mode on the wire's own addresses
#     steered    tunnel mode on the stable pair: braid0, steer_tc, one path, steer_in
#     two-paths  the same over both wires
#     transport  transport mode on the wire's own addresses
#
# ROUNDS (5) rounds; in each, through each, SECONDS_EACH (0.5) s of UDP as fast as it goes, with 1372 octets and
# with 100, by one socket and by two, and one TCP stream for 1 s. What is compared is what arrived, and
# for TCP the processor time of the machine for a GB. An emulated machine is slow and its host may
# be busy: told are ratios to the candidate `xfrm` of the same round, a moment apart: their median,
# and the quartiles.
export BRAID_BUILD=$1
. "$(dirname "$0")/../lib/netns.sh"
for tool in iperf3 tc python3; do command -v $tool >/dev/null || skip "needs $tool"; done
modprobe -q esp4 && modprobe -q xfrm_user && modprobe -q xfrm_interface || skip "needs a kernel with ESP"
modprobe -q -a gcm ghash_generic ctr seqiv aesni_intel || :

rounds=${ROUNDS:-5}
each=${SECONDS_EACH:-0.5}
load=$B/tests/bench/udp_load
results=$T/results
key=0x000102030405060708090a0b0c0d0e0f10111213
declare -A server=()
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

tunnel() { # NAME wire|stable OPTION-OUT...: the stable pair looks the same to both ends
	local e h me in peer out here there
	for e in "${ends[@]}"; do
		read -r h me in peer out <<<"$e"
		h=$1-$h here=192.0.2.$me there=192.0.2.$peer
		[ "$2" = wire ] || here=198.18.0.1 there=198.18.0.2
		ip -n "$(ns "$h")" link add xfrm0 type xfrm if_id 7 || skip "needs XFRM interfaces"
		ip -n "$(ns "$h")" link set xfrm0 mtu 1446 up
		ip -n "$(ns "$h")" addr add 10.1.0.$me/24 dev xfrm0
		state "$h" $here $there "$out" tunnel if_id 7 "${@:3}"
		state "$h" $there $here "$in" tunnel if_id 7
		policy "$h" out 10.1.0.$me 10.1.0.$peer $here $there tunnel if_id 7
		policy "$h" in 10.1.0.$peer 10.1.0.$me $there $here tunnel if_id 7
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

steer() { # HOST COMMAND...
	local h=$1
	shift
	in_ns "$h" env BRAID_KERNEL_ESP=1 "$B/tests/netns/dp_drive" "$T/$h/bpf/braid" "$@" || fail "$h: dp_drive $*"
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
		steer "$h" open
		steer "$h" uplink eth0
		steer "$h" uplink eth1
		paths+=("$(path "$h" eth0 192.0.2.$me 192.0.2.$peer "$other"):0:1")
		[ "$2" = 1 ] || paths+=("$(path "$h" eth1 198.51.100.$me 198.51.100.$peer "$other"):0:1")
		group=$(steer "$h" group 0 "${paths[@]}")
		steer "$h" sa 1 "$p" "$group"
	done
	tunnel "$1" stable output-mark 1 mask 0xfffff
	for e in a b; do # the second socket's flow has another slot
		tc -n "$(ns "$1-$e")" qdisc add dev xfrm0 clsact
		tc -n "$(ns "$1-$e")" filter add dev xfrm0 egress protocol ip flower ip_proto udp dst_port 5203 \
			action skbedit mark 0x00100000 || fail "$1: no mark"
	done
}

listens() { in_ns "$1" ss -Hltnu "sport = :$2" | grep -q .; }
machine_time() { awk -v hz="$(getconf CLK_TCK)" '/^cpu / { print ($2 + $3 + $4 + $7 + $8) / hz }' /proc/stat; }
record() { # candidate, measure, value
	printf '%s\t%s\t%s\n' "$@" >>"$results"
	echo "# $*"
}

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
	record "$1" tcp_cpu "$(awk "BEGIN { print $m0 / $gb }")"
	wait $s
}

measure_udp() { # NAME MEASURE OCTETS SOCKETS: each to a port of its own
	local i r=() s=()
	for ((i = 0; i < $4; i++)); do
		ip netns exec "$(ns "$1-b")" "$load" recv "${server[$1]}" $((5202 + i)) >"$T/got$i" &
		r+=($!)
		wait_for 20 listens "$1-b" $((5202 + i)) || fail "$1: no receiver"
	done
	for ((i = 0; i < $4; i++)); do
		ip netns exec "$(ns "$1-a")" "$load" send "${server[$1]}" $((5202 + i)) "$each" 0 "$3" &
		s+=($!)
	done
	wait "${s[@]}" || fail "$1: udp_load"
	kill "${r[@]}"
	wait "${r[@]}"
	# udp_load tells packets of 1372 octets per second
	record "$1" "$2" "$(awk -v len="$3" '{ n += $1 * 1372 / len } END { print n }' "$T"/got*)"
	rm -f "$T"/got*
}

echo "Setting up"
pair xfrm && tunnel xfrm wire
pair steered && steered steered 1
pair two-paths && steered two-paths 2
pair transport && transport transport
for c in "${candidates[@]}"; do
	wait_for 30 in_ns "$c-a" ping -c 1 -W 1 -q "${server[$c]}" || fail "$c: no way to ${server[$c]}"
done
for ((round = 1; round <= rounds; round++)); do
	order=("${candidates[@]}")
	((round % 2)) || order=(transport two-paths steered xfrm)
	for m in ${MEASURES:-udp small udp2 tcp}; do
		for c in "${order[@]}"; do
			case $m in
			tcp) measure_tcp "$c" ;;
			udp) measure_udp "$c" udp 1372 1 ;;
			small) measure_udp "$c" small 100 1 ;;
			udp2) measure_udp "$c" udp2 1372 2 ;;
			esac
		done
	done
	echo "round $round/$rounds"
done
steer two-paths-a paths | awk '/^path/ && !$NF { bad = 1 } END { exit bad }' || fail "two paths: not both carry packets"
python3 - "$results" <<'PY'
import collections, statistics, sys
runs = collections.defaultdict(list)
for line in open(sys.argv[1]):
    candidate, measure, value = line.split("\t")
    runs[measure, candidate].append(float(value))
what = {"udp": "packets per second, 1372 octets", "small": "packets per second, 100 octets",
        "udp2": "packets per second, 1372 octets, two sockets", "tcp": "Mbit/s, one TCP stream",
        "tcp_cpu": "seconds of processor time per GB, one TCP stream"}
for (measure, candidate), values in runs.items():
    base = runs[measure, "xfrm"]
    text = f"{what[measure]}: {candidate} {statistics.median(values):.0f}"
    if candidate != "xfrm":
        ratios = [v / b for v, b in zip(values, base)]
        quartiles = statistics.quantiles(ratios, n=4) if len(ratios) > 1 else ratios * 3
        text += f", {statistics.median(ratios):.2f} times xfrm ({quartiles[0]:.2f} to {quartiles[2]:.2f})"
    print("ok -", text)
PY

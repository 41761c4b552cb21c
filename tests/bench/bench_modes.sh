#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# Processor time of tunnel and transport mode, host to host, in turn and in one run. One pair of
# hosts per candidate, on a veth pair:
#
#     X-a (192.0.2.1) ====== (192.0.2.2) X-b
#
# In tunnel mode a virtual address talks to an address of X-b's own (203.0.113.1); in transport mode
# 192.0.2.1 to 192.0.2.2, with an SA for each protocol. ROUNDS (5) rounds; in each, through each: OCTETS (1000000000) by one TCP
# stream and by eight; SECONDS_EACH (3) s of UDP: 1372 octets, at a rate that is carried whole, the
# same with the application's GSO, and 100 octets; and 1372, 512 and 64 octets as fast as they go, where more is
# sent than arrives. Counted is the processor time of both engines, and of the whole machine, for a
# GB that arrived, or a million datagrams: alone on the machine, or the second says nothing. Between a third pair the same
# goes in clear text, without braid: what the machine spends on sending and receiving itself.
# BACKEND=kernel takes the kernel's ESP, where there is no engine (in a virtual machine: VM_RUN of tests/vm/run.sh),
# MEASURES are those that shall be taken, RATE (80000) is that of the datagrams; BRAID_BUILD or the first argument is the build directory.
# shellcheck source=../lib/netns.sh
[ $# = 0 ] || export BRAID_BUILD=$1
. "$(dirname "$0")/../lib/netns.sh"

backend=${BACKEND:-engine}
rate=${RATE:-80000}
rounds=${ROUNDS:-5}
octets=${OCTETS:-1000000000}
each=${SECONDS_EACH:-3}
load=$B/tests/bench/udp_load
results=$T/results
for tool in iperf3 python3; do
	command -v $tool >/dev/null || skip "needs $tool"
done
psk="a long secret of ours"

setup() { # NAME CHILDREN-OF-A CHILDREN-OF-B ADDRESS
	local child
	host "$1-a" "$1-b"
	wire "$1-a" eth0 192.0.2.1/26 "$1-b" eth0 192.0.2.2/26
	ip -n "$(ns "$1-b")" link add lan0 type veth peer name lan1
	ip -n "$(ns "$1-b")" link set lan1 up
	ip -n "$(ns "$1-b")" addr add 203.0.113.1/26 dev lan0
	ip -n "$(ns "$1-b")" link set lan0 up
	cat >"$T/$1-a/braid.conf" <<-CONF
		uplink "one" { interface = eth0 }
		dataplane { backend = $backend }
		connection "c" {
			remote_addrs = { "192.0.2.2" }
			multipath = false
			local { id = "a.example.org" }
			remote { id = "b.example.org" }
			$2
		}
		secret "s" { id = { "a.example.org", "b.example.org" } secret = "$psk" }
	CONF
	cat >"$T/$1-b/braid.conf" <<-CONF
		uplink "one" { interface = eth0 }
		dataplane { backend = $backend }
		pool "p" { addrs = "203.0.113.128/26" }
		connection "c" {
			multipath = false
			local { id = "b.example.org" }
			remote { id = "a.example.org" }
			$3
		}
		secret "s" { id = { "a.example.org", "b.example.org" } secret = "$psk" }
	CONF
	braidd_start "$1-b" "$T/$1-b/braid.conf"
	braidd_start "$1-a" "$T/$1-a/braid.conf"
	for child in $(grep -o 'child "[a-z]*"' "$T/$1-a/braid.conf" | cut -d '"' -f 2); do
		braid "$1-a" up "c/$child" >"$T/up" 2>&1 || fail "$1: $child: $(cat "$T/up")"
	done
	server[$1]=$4
	wait_for 20 in_ns "$1-a" ping -c 1 -W 1 -q "$4" || fail "$1: no way to $4"
	engines_of "$1"
}

engines_of() { # NAME
	local h p
	: >"$T/$1-engines"
	[ "$backend" = engine ] || return 0
	for h in a b; do
		for p in $(ip netns pids "$(ns "$1-$h")"); do
			[ "$(basename "$(readlink "/proc/$p/exe")")" = braid-esp ] && echo "$p" >>"$T/$1-engines"
		done
	done
	[ "$(wc -l <"$T/$1-engines")" = 2 ] || fail "$1: two engines are expected"
}

# Milliseconds of processor time so far: of both engines, of the machine.
engine_time() {
	local p sum=0
	while read -r p; do
		sum=$((sum + $(awk -v hz="$(getconf CLK_TCK)" '{ sub(/.*\) /, ""); print ($12 + $13) * 1000 / hz }' "/proc/$p/stat")))
	done <"$T/$1-engines"
	echo $sum
}
machine_time() { awk -v hz="$(getconf CLK_TCK)" '/^cpu / { print ($2 + $3 + $4 + $7 + $8) * 1000 / hz }' /proc/stat; }

listens() { in_ns "$1" ss -Hltnu "sport = :$2" | grep -q .; }

before() { e0=$(engine_time "$1") m0=$(machine_time); }
after() { # NAME MEASURE UNITS
	printf '%s\t%s\t%s\t%s\n' "$1" "$2" "$(awk "BEGIN { print ($(engine_time "$1") - $e0) / $3 }")" \
		"$(awk "BEGIN { print ($(machine_time) - $m0) / $3 }")" >>"$results"
}

measure_tcp() { # NAME MEASURE STREAMS
	local s
	in_ns "$1-b" iperf3 -s -1 -B "${server[$1]}" >/dev/null 2>&1 &
	s=$!
	wait_for 20 listens "$1-b" 5201 || fail "$1: no iperf3 server"
	before "$1"
	in_ns "$1-a" iperf3 -c "${server[$1]}" -n "$octets" -P "$3" -J >"$T/run" || fail "$1: $(jq -r .error "$T/run")"
	after "$1" "$2" "$(jq '.end.sum_received.bytes / 1e9' "$T/run")"
	wait $s
}

measure_udp() { # NAME MEASURE OCTETS RATE [gso]; RATE 0: as fast as it goes
	local n=$1 m=$2 len=$3 rate=$4 s
	shift 4
	ip netns exec "$(ns "$n-b")" "$load" recv "${server[$n]}" 5202 "$@" >"$T/run" &
	s=$!
	wait_for 20 listens "$n-b" 5202 || fail "$n: no receiver"
	before "$n"
	in_ns "$n-a" "$load" send "${server[$n]}" 5202 "$each" "$rate" "$len" "$@" || fail "$n: udp_load"
	kill $s
	wait $s
	awk -v rate="$rate" -v each="$each" -v len="$len" '$2 < rate * each * len * 0.98 { exit 1 }' "$T/run" ||
		fail "$n: $m: $(cat "$T/run") of $rate a second arrived: the rate is too high here"
	after "$n" "$m" "$(awk -v len="$len" '{ print $2 / len / 1e6 }' "$T/run")"
}

measure() { # NAME MEASURE
	case $2 in
	tcp) measure_tcp "$1" tcp 1 ;;
	tcp8) measure_tcp "$1" tcp8 8 ;;
	udp) measure_udp "$1" udp 1372 "$rate" ;;
	udp_gso) measure_udp "$1" udp_gso 1372 $((rate * 33 / 10)) gso ;;
	small) measure_udp "$1" small 100 "$rate" ;;
	flood) measure_udp "$1" flood 1372 0 ;;
	flood[0-9]*) measure_udp "$1" "$2" "${2#flood}" 0 ;;
	*) fail "$2 is no measure" ;;
	esac
}

# what a machine has loaded by what it found of its processor
[ "$backend" = engine ] || modprobe -q -a ghash_clmulni_intel aesni_intel || :
all="tcp tcp8 udp udp_gso small flood flood512 flood64"
# with policies of the host's own addresses, which UDP has there, the kernel refuses an application's own GSO (EIO)
[ "$backend" = engine ] || all=${all/udp_gso /}
declare -A server=()
esp='esp_proposals = { "aes128gcm16" }'
echo "Setting up"
setup tunnel "vips = { \"0.0.0.0\" } child \"net\" { remote_ts = { \"203.0.113.0/26\" } $esp }" \
	"pools = { \"p\" } child \"net\" { local_ts = { \"203.0.113.0/26\" } $esp }" 203.0.113.1
host=
for p in udp tcp icmp; do
	host+="child \"$p\" { mode = transport local_ts = { \"dynamic[$p]\" } remote_ts = { \"dynamic[$p]\" } $esp } "
done
setup transport "$host" "$host" 192.0.2.2
host clear-a clear-b
wire clear-a eth0 192.0.2.1/26 clear-b eth0 192.0.2.2/26
server[clear]=192.0.2.2
: >"$T/clear-engines"

for ((round = 1; round <= rounds; round++)); do
	order=(tunnel transport clear)
	((round % 2)) || order=(clear transport tunnel)
	for m in ${MEASURES:-$all}; do
		for c in "${order[@]}"; do measure "$c" "$m"; done
	done
	echo "round $round/$rounds"
done
mkdir -p "$B/bench"
python3 "$top/tests/bench/report_modes.py" "$results" "$B/bench/modes.jsonl"

#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# Throughput through a tunnel between two hosts on plain veth pairs, of braid and of others, in turn
# and in one run. One pair of hosts per candidate:
#
#     X-a (192.0.2.1) ====== veth ====== (192.0.2.2) X-b, behind it 203.0.113.1
#     braid's pairs have a second wire, 198.51.100.1 - 198.51.100.2, and use both
#
# ROUNDS (5) rounds of SECONDS_EACH (3) s for each measurement. Medians; a small loss shows in
# processor time per gigabyte long before it shows in the throughput, which varies by 15 %.
. "$(dirname "$0")/../lib/netns.sh"
. "$(dirname "$0")/../lib/strongswan.sh"

rounds=${ROUNDS:-5}
each=${SECONDS_EACH:-3}
server=203.0.113.1
results=$T/results
load=$B/tests/bench/udp_load
for tool in iperf3 wireguard-go wg ethtool python3; do
	command -v $tool >/dev/null || skip "needs $tool"
done

pair() { # NAME
	host "$1-a" "$1-b"
	wire "$1-a" eth0 192.0.2.1/26 "$1-b" eth0 192.0.2.2/26
	ip -n "$(ns "$1-b")" link add lan0 type veth peer name lan1
	ip -n "$(ns "$1-b")" addr add $server/26 dev lan0
	ip -n "$(ns "$1-b")" link set lan1 up
	ip -n "$(ns "$1-b")" link set lan0 up
}

setup_raw() {
	pair "$1"
	ip -n "$(ns "$1-a")" route add 203.0.113.0/26 via 192.0.2.2
}

setup_raw_off() {
	local h
	setup_raw "$1"
	for h in a b; do
		in_ns "$1-$h" ethtool -K eth0 tso off gso off gro off tx-udp-segmentation off >/dev/null
	done
}

swan_pair_conf() { # HOST MINE THEIRS CONNECTION CHILD REST
	cat >"$T/$1/swanctl.conf" <<-CONF
		connections { c { version = 2
			proposals = aes128gcm16-prfsha256-curve25519
			mobike = no
			rekey_time = 0
			dpd_delay = 0
			$4
			local { auth = psk
				id = $2 }
			remote { auth = psk
				id = $3 }
			children { net { $5
				esp_proposals = aes128gcm16
				rekey_time = 0 } } } }
		$6
		secrets { ike-1 { secret = "$psk" } }
	CONF
}

setup_strongswan() {
	pair "$1"
	swan_pair_conf "$1-a" a.example.org b.example.org \
		'remote_addrs = 192.0.2.2
		vips = 0.0.0.0' 'remote_ts = 203.0.113.0/26' ''
	swan_pair_conf "$1-b" b.example.org a.example.org \
		'pools = p' 'local_ts = 203.0.113.0/26' 'pools { p { addrs = 203.0.113.128/26 } }'
	strongswan_start "$1-b"
	strongswan_start "$1-a"
	swan "$1-a" --initiate --child net >"$T/up" 2>&1 || fail "strongSwan: $(tail -n 3 "$T/up")"
	pids_of "$1" charon-systemd
}

setup_wireguard() {
	local h
	pair "$1"
	for h in a b; do
		(umask 077 && wg genkey >"$T/$1-$h/key")
		wg pubkey <"$T/$1-$h/key" >"$T/$1-$h/pub"
	done
	wg_start "$1-a" 192.0.2.2 203.0.113.128/32 "$(cat "$T/$1-b/pub")"
	wg_start "$1-b" 192.0.2.1 203.0.113.127/32 "$(cat "$T/$1-a/pub")"
	ip -n "$(ns "$1-a")" route add 203.0.113.0/26 dev wg0
	ip -n "$(ns "$1-b")" route add 203.0.113.128/32 dev wg0
	pids_of "$1" wireguard-go
}

# The socket it is configured by is below /run: a private one.
wg_start() { # HOST ENDPOINT ADDRESS PEER
	ip netns exec "$(ns "$1")" unshare -m sh -c \
		'mount -t tmpfs run /run; wireguard-go -f wg0 & until wg show wg0; do sleep 0.05; done
		wg set wg0 private-key "$1" listen-port 51820 peer "$2" endpoint "$3:51820" allowed-ips 0.0.0.0/0
		wait' sh "$T/$1/key" "$4" "$2" >"$T/$1/log" 2>&1 &
	wait_for 5 in_ns "$1" ip link show wg0 || fail "wireguard-go does not start"
	ip -n "$(ns "$1")" addr add "$3" dev wg0
	ip -n "$(ns "$1")" link set wg0 mtu 1400 up
}

setup_braid() { # NAME CRYPTO
	pair "$1"
	wire "$1-a" eth1 198.51.100.1/26 "$1-b" eth1 198.51.100.2/26
	cat >"$T/$1-a/braid.conf" <<-CONF
		uplink "one" { interface = eth0 }
		uplink "two" { interface = eth1 }
		dataplane { crypto = ${2:-auto} }
		connection "home" {
			remote_addrs = { "192.0.2.2", "198.51.100.2" }
			vips = { "0.0.0.0" }
			local { id = "a.example.org" }
			remote { id = "b.example.org" }
			child "net" { remote_ts = { "203.0.113.0/26" } esp_proposals = { "aes128gcm16" } }
			path "one" { uplink = one remote = "192.0.2.2" }
			path "two" { uplink = two remote = "198.51.100.2" }
		}
		secret "s" { id = { "a.example.org", "b.example.org" } secret = "$psk" }
	CONF
	cat >"$T/$1-b/braid.conf" <<-CONF
		uplink "one" { interface = eth0 }
		uplink "two" { interface = eth1 }
		dataplane { crypto = ${2:-auto} }
		pool "p" { addrs = "203.0.113.128/26" }
		connection "rw" {
			pools = { "p" }
			local { id = "b.example.org" }
			remote { id = "a.example.org" }
			child "net" { local_ts = { "203.0.113.0/26" } esp_proposals = { "aes128gcm16" } }
		}
		secret "s" { id = { "a.example.org", "b.example.org" } secret = "$psk" }
	CONF
	braidd_start "$1-b" "$T/$1-b/braid.conf"
	braidd_start "$1-a" "$T/$1-a/braid.conf"
	braid "$1-a" up home >"$T/up" 2>&1 || fail "braid: $(cat "$T/up")"
	wait_for 5 two_up "$1-a" || fail "braid: the second path does not come up"
	wait_for 5 two_up "$1-b" || fail "braid: the second path does not come up"
	pids_of "$1" braid-esp
}

# Process whose time is counted, of each end.
pids_of() { # NAME PROGRAM
	local h p
	for h in a b; do
		for p in $(ip netns pids "$(ns "$1-$h")"); do
			[ "$(basename "$(readlink "/proc/$p/exe")")" = "$2" ] && echo "$p" >"$T/$1-$h/engine"
		done
	done
	[ -s "$T/$1-a/engine" ] && [ -s "$T/$1-b/engine" ] || fail "$1: $2 is not running"
}

# Seconds of processor time so far at one end; 0 where the kernel alone works.
cpu() { # HOST
	[ -s "$T/$1/engine" ] || { echo 0 && return; }
	awk -v hz="$(getconf CLK_TCK)" '{ sub(/.*\) /, ""); print ($12 + $13) / hz }' "/proc/$(cat "$T/$1/engine")/stat"
}

listens() { in_ns "$1" ss -Hltnu "sport = :$2" | grep -q .; }
record() { printf '%s\t%s\t%s\n' "$@" >>"$results"; } # candidate, measure, value

iperf() { # NAME ARGUMENT...: a run's JSON in $T/run, processor time per GB in cpu_a, cpu_b
	local n=$1 s a0 b0
	shift
	in_ns "$n-b" iperf3 -s -1 -B $server >/dev/null 2>&1 &
	s=$!
	wait_for 5 listens "$n-b" 5201 || fail "$n: no iperf3 server"
	a0=$(cpu "$n-a") b0=$(cpu "$n-b")
	in_ns "$n-a" iperf3 -c $server -t "$each" -J "$@" >"$T/run" 2>"$T/run.err" ||
		fail "$n: iperf3 $*: $(jq -r .error "$T/run" 2>/dev/null)"
	cpu_a=$(awk "BEGIN { print $(cpu "$n-a") - $a0 }") cpu_b=$(awk "BEGIN { print $(cpu "$n-b") - $b0 }")
	wait $s
}

measure_tcp() { # NAME STREAMS
	iperf "$1" -P "$2"
	record "$1" "tcp$2" "$(jq '.end.sum_received.bits_per_second / 1e9' "$T/run")"
	[ -s "$T/$1-a/engine" ] || return 0
	record "$1" "cpu_send_tcp$2" "$(jq "$cpu_a * 1e9 / .end.sum_received.bytes" "$T/run")"
	record "$1" "cpu_recv_tcp$2" "$(jq "$cpu_b * 1e9 / .end.sum_received.bytes" "$T/run")"
}

# iperf3 is no receiver for this: what it cannot take from its small socket buffer in time is lost
# there, after the tunnel. Counted is what the application has received.
measure_udp() { # NAME MEASURE [gso]
	local n=$1 m=$2 s
	shift 2
	ip netns exec "$(ns "$n-b")" "$load" recv $server 5202 "$@" >"$T/run" &
	s=$!
	wait_for 5 listens "$n-b" 5202 || fail "$n: no receiver"
	in_ns "$n-a" "$load" send $server 5202 "$each" "$@" || fail "$n: udp_load"
	kill $s
	wait $s
	record "$n" "$m" "$(cut -d " " -f 1 "$T/run")"
}

candidates=(raw raw-off strongswan wireguard braid braid-evp)
echo "Setting up"
setup_raw raw
setup_raw_off raw-off
setup_strongswan strongswan
setup_wireguard wireguard
setup_braid braid
setup_braid braid-evp openssl
for c in "${candidates[@]}"; do
	wait_for 5 in_ns "$c-a" ping -c 1 -W 1 -q $server || fail "$c: no way to $server"
done

for ((round = 1; round <= rounds; round++)); do
	for c in "${candidates[@]}"; do
		printf 'round %d/%d  %-12s' "$round" "$rounds" "$c"
		measure_tcp "$c" 1
		printf '  TCP %6.2f' "$(tail -n 1 <(grep -P "^$c\ttcp1\t" "$results") | cut -f3)"
		measure_tcp "$c" 4
		printf '  4 TCP %6.2f Gbit/s' "$(tail -n 1 <(grep -P "^$c\ttcp4\t" "$results") | cut -f3)"
		measure_udp "$c" udp
		printf '  UDP %7.0f' "$(tail -n 1 "$results" | cut -f3)"
		measure_udp "$c" udp_gso gso
		printf '  UDP with GSO %8.0f packets/s\n' "$(tail -n 1 "$results" | cut -f3)"
	done
done
mkdir -p "$B/bench"
python3 "$top/tests/bench/report.py" "$results" "$B/bench/throughput.jsonl"

#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# What braid is for, on real traffic: see README. PEER=strongswan shows the part with one path.
. "$(dirname "$0")/../lib/netns.sh"

bold='' off='' up=''
if [ -t 1 ]; then
	bold=$'\e[1m' off=$'\e[0m' up=1
fi
say() { printf '%s\n' "$bold$*$off"; }
note() { printf '  %s\n' "$*"; }
verdict=0
expect() { # text condition...
	local text=$1
	shift
	if "$@"; then note "ok    $text"; else
		note "FAIL  $text"
		verdict=1
	fi
}
num() { awk "BEGIN { exit !($1) }"; }

rate_mbit=100      # each uplink is shaped to this
file_mib=256
probe_msec=100     # as in the example configurations
bg=()

demo_cleanup() {
	local p
	for p in ${bg[@]+"${bg[@]}"}; do kill "$p" 2>/dev/null; done
	lib_cleanup
}
trap demo_cleanup EXIT

shape() {
	local r d
	for r in r1 r2; do
		for d in user gw; do
			tc -n "$(ns $r)" qdisc add dev $d root tbf rate ${rate_mbit}mbit burst 64kb latency 40ms
		done
	done
}

# The LAN host: a file over HTTP, and an echo for the probe streams.
serve() {
	mkdir -p "$T/lan/www"
	head -c $((file_mib * 1048576)) /dev/urandom >"$T/lan/www/file"
	in_ns lan busybox httpd -f -p 203.0.113.10:80 -h "$T/lan/www" &
	bg+=($!)
	in_ns lan python3 "$top/tests/lib/stream.py" echo 203.0.113.10 7007 &
	bg+=($!)
	wait_for 5 in_ns lan curl -s -o /dev/null -r 0-0 http://203.0.113.10/file || fail "no HTTP server"
}

start_hosts() {
	local c
	for c in roadwarrior gateway; do
		cp "$top/user/examples/$c.conf" "$top/user/examples/secrets.conf" "$T/" || exit 1
		chmod 600 "$T/$c.conf" "$T/secrets.conf"
	done
	braidd_start gw "$T/gateway.conf"
	braidd_start user "$T/roadwarrior.conf"
}

# ---- the table -------------------------------------------------------------------------------------

table_lines=0
last_json=''
table() {
	local json
	json=$(braid user --json paths)
	[ -z "$up" ] || [ $table_lines -eq 0 ] || printf '\e[%dA\e[J' $table_lines
	{
		printf '  %-8s %-9s %8s %12s %10s %7s  %s\n' path state RTT rate packets share why
		jq -rn --argjson a "${last_json:-null}" --argjson b "$json" '
			($b.now_usec - ($a.now_usec // ($b.now_usec - 1))) as $dt |
			[$b.paths[] | . as $p |
			 (($a.paths // []) | map(select(.name == $p.name)) | .[0]) as $o |
			 {n: .name, s: .state, rtt: (.rtt_usec // 0), w: .why,
			  oct: (.rx_octets + .tx_octets - (($o.rx_octets // .rx_octets) + ($o.tx_octets // .tx_octets))),
			  pkt: (.rx_packets + .tx_packets)}] as $r |
			([$r[].oct] | add) as $sum | $r[] |
			[.n, .s, (.rtt / 1000), (.oct * 8 / $dt), .pkt,
			 (if $sum > 0 then .oct * 100 / $sum else 0 end), .w] | @tsv' |
			while IFS=$'\t' read -r n s rtt rate pkt share why; do
				printf '  %-8s %-9s %5.1f ms %7.1f Mb/s %10d %5.0f %%  %s\n' "$n" "$s" "$rtt" "$rate" "$pkt" "$share" "$why"
			done
	} >"$T/table"
	cat "$T/table"
	table_lines=$(wc -l <"$T/table")
	last_json=$json
}

watch_for() { # seconds
	local n=$(($1 * 2))
	while [ $n -gt 0 ]; do
		table
		sleep 0.5
		n=$((n - 1))
	done
}
say_and_keep() { # a line below the table; the next table starts afresh
	say "$*"
	table_lines=0
}

octets() { braid user --json paths | jq -r --arg n "$1" '[.paths[] | select(.name == $n) | .rx_octets + .tx_octets] | add'; }

# ---- both forms ---------------------------------------------------------------------------------------

hashes() {
	local a b
	a=$(sha256sum <"$T/lan/www/file" | cut -d' ' -f1)
	b=$(sha256sum <"$T/user/file" 2>/dev/null | cut -d' ' -f1)
	note "sha256 sent     $a"
	note "sha256 received $b"
	[ "$a" = "$b" ]
}

fetch() {
	in_ns user aria2c -q --no-conf -x16 -s16 -k1M --file-allocation=none --summary-interval=0 \
		--allow-overwrite=true -d "$T/user" -o file http://203.0.113.10/file
}

demo_multipath() {
	local w0 r0 w1 r1 share fetch_pid stream_pid gap bound rtt lost t0=$SECONDS
	say "1. A user with two uplinks, a router on each, a gateway with two addresses, a LAN behind it"
	topo_multihomed
	shape
	note "each uplink shaped to $rate_mbit Mbit/s; user $(ns user), gateway $(ns gw)"
	serve
	say "2. braidd on both hosts, from user/examples; braid up home"
	start_hosts
	braid user up home | sed 's/^/  /' || fail "the connection does not come up"
	wait_for 5 two_up user || fail "the second path does not come up"
	wait_for 5 two_up gw || fail "the gateway does not see the second path"

	say "3. $file_mib MiB over HTTP through the tunnel, both uplinks carry ESP"
	w0=$(octets wlan-1) r0=$(octets ran-1)
	fetch &
	fetch_pid=$!
	bg+=("$fetch_pid")
	in_ns user python3 "$top/tests/lib/stream.py" send 203.0.113.10 7007 8 5 13 >"$T/stream" &
	stream_pid=$!
	bg+=("$stream_pid")
	watch_for 5
	w1=$(octets wlan-1) r1=$(octets ran-1)
	share=$(awk "BEGIN { w=$w1-$w0; r=$r1-$r0; printf \"%.0f\", 100*(w<r?w:r)/(w+r) }")

	rtt=$(braid user --json paths | jq '[.paths[].rtt_usec // 0] | max')
	cut_path r1
	say_and_keep "4. The WLAN path is cut in its middle; its link stays up"
	watch_for 3
	mend_path r1
	say_and_keep "5. The path is back"
	watch_for 4
	say_and_keep "   waiting for the transfer to end"
	wait "$fetch_pid" || fail "the transfer failed"
	wait "$stream_pid"
	gap=$(jq .gap_msec "$T/stream")
	bound=$(awk "BEGIN { print 3*$probe_msec + $rtt/1000 }")

	say "6. The RAN path is taken out on purpose, and put back, under 8 streams of 250 packets a second"
	in_ns user python3 "$top/tests/lib/stream.py" send 203.0.113.10 7007 8 4 3 >"$T/planned" &
	stream_pid=$!
	sleep 1
	braid user path disable ran-1 || fail "path disable"
	wait_for 2 path_is user ran-1 disabled || fail "ran-1 is not disabled"
	sleep 0.8
	braid user path enable ran-1
	wait "$stream_pid"
	lost=$(jq .lost "$T/planned")
	table_lines=0
	table

	say "Summary ($((SECONDS - t0)) s)"
	expect "both uplinks carried at least 35 % of the ESP octets before the cut (the lesser: $share %)" \
		num "$share >= 35"
	expect "longest silence of 8 streams at the cut: $gap ms (bound: 3 probe intervals + RTT = $bound ms)" \
		num "$gap <= $bound"
	expect "planned removal and return: $lost of $(jq .sent "$T/planned") packets lost" num "$lost == 0"
	expect "the file arrived whole" hashes
}

demo_strongswan() {
	local t0=$SECONDS
	. "$top/tests/lib/strongswan.sh"
	say "1. The same hosts; the gateway is Debian's strongSwan with its userspace ESP"
	topo_multihomed
	shape
	file_mib=64
	serve
	cat >"$T/gw/swanctl.conf" <<-CONF
		connections { rw { version = 2
			local_addrs = 192.0.2.66
			pools = p
			proposals = aes128gcm16-prfsha256-curve25519
			local { auth = psk
				id = gw.example.org }
			remote { auth = psk
				id = user@example.org }
			children { net { local_ts = 203.0.113.0/26
				esp_proposals = aes128gcm16 } } } }
		pools { p { addrs = 203.0.113.128/26 } }
		secrets { ike-1 { secret = "$(sed -n 's/.*secret *= *"\(.*\)".*/\1/p' "$top/user/examples/secrets.conf" | head -n 1)" } }
	CONF
	strongswan_start gw
	cp "$top/user/examples/roadwarrior.conf" "$top/user/examples/secrets.conf" "$T/"
	chmod 600 "$T/roadwarrior.conf" "$T/secrets.conf"
	braidd_start user "$T/roadwarrior.conf"
	say "2. braid up home"
	braid user up home | sed 's/^/  /' || fail "the connection does not come up"
	say "3. $file_mib MiB over HTTP; strongSwan knows no path probes, so one path is used"
	fetch &
	bg+=($!)
	watch_for 4
	wait "${bg[-1]}" || fail "the transfer failed"
	swan gw --list-sas | sed 's/^/  /'
	say "Summary ($((SECONDS - t0)) s)"
	expect "one path" [ "$(braid user --json paths | jq '.paths | length')" = 1 ]
	expect "the file arrived whole" hashes
	braid user down home >/dev/null
}

for tool in aria2c busybox curl python3 tc; do command -v $tool >/dev/null || skip "needs $tool"; done
case ${PEER:-braid} in
braid | '') demo_multipath ;;
strongswan) demo_strongswan ;;
*)
	echo "PEER is braid or strongswan" >&2
	exit 2
	;;
esac
[ $verdict = 0 ] && say "All of it held." || say "Something did not hold."
exit $verdict

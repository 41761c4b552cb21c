#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# What two uplinks of 200 and 50 Mbit/s carry of TCP streams together, and what becomes of the streams
# when one of them is cut in its middle. Topology: netns.sh's; r1 and r2 shape what leaves them, both
# ways, with queues of 50 ms.
#
# "there": from the host into the LAN, "back": from the LAN to the host; STREAMS (16) of CUBIC. Each is a
# flow, which stays on its path; which one is seen by the DSCP of its packets, which ESP copies. It is
# enough that no uplink is without a stream, for they take what there is. With the paths' WEIGHTS
# ("2 1") all 16 are by chance on the faster one in 2 of 1,000 runs; with 4 to 1, as the rates are, each
# stream gets about as much, but in 3 of 100 runs the slower uplink none.
#
# Measured for SECONDS_EACH (3) s after one: on either uplink alone, which the operator prefers; on both;
# and while one is cut, with probes PROBES (50ms) apart. All packets of inner addresses on any uplink
# are counted.
#
# MODES (clone yes): multipath = clone (an IKE SA and Child SAs for each uplink), yes (the Child SAs of one).
# ROUNDS (3) of all of it, in turn, each with other ports; about a minute each.
. "$(dirname "$0")/../lib/netns.sh"
. "$(dirname "$0")/../lib/agent.sh"
for tool in tc tcpdump nft ethtool python3; do command -v $tool >/dev/null || skip "needs $tool"; done

rounds=${ROUNDS:-3}
each=${SECONDS_EACH:-3}
streams=${STREAMS:-16}
probes=${PROBES:-50ms}
read -ra modes <<<"${MODES:-clone yes}"
read -ra weights <<<"${WEIGHTS:-2 1}"
declare -A rate=([r1]=200 [r2]=50) path=([r1]=wlan-a [r2]=ran-b)
results=$T/results
queue=50 # ms
port=7000

record() { printf '%s\t%s\t%s\n' "$@" >>"$results"; } # candidate, measure, value

shape() { # ROUTER
	local dev
	for dev in user gw; do
		in_ns "$1" tc qdisc add dev "$dev" root tbf rate "${rate[$1]}mbit" burst 32k \
			limit $((rate[$1] * 1000 / 8 * queue)) || skip "needs tbf"
	done
}
cut() { in_ns "$1" nft add table inet cut '{ chain c { type filter hook forward priority 0; policy drop; }; }'; }
mend() { in_ns "$1" nft delete table inet cut; }

# Everything of the inner addresses on the way, until the end; one of ours that is to be seen comes first.
watch_clear() {
	local r
	for r in r1 r2; do
		in_ns $r tcpdump --immediate-mode -lni any 'net 203.0.113.0/24' >"$T/clear-$r" 2>"$T/clear-$r.err" &
		wait_for 5 grep -q 'listening on' "$T/clear-$r.err" || fail "no capture at $r"
	done
	in_ns user ping -c 1 -W 1 -I wlan0 -q 203.0.113.63 >/dev/null
	in_ns user ping -c 1 -W 1 -I ran0 -q 203.0.113.63 >/dev/null
	for r in r1 r2; do
		wait_for 5 grep -q ICMP "$T/clear-$r" || fail "the capture at $r sees nothing"
		: >"$T/clear-$r"
	done
}

start() { # MODE
	local h
	agent_confs "$probes"
	sed -i -e "s/multipath = true/multipath = $1/" -e "s/interface = \(wlan0\|eth0\)/& weight = ${weights[0]}/" \
		-e "s/interface = \(ran0\|eth1\)/& weight = ${weights[1]}/" "$T"/*/braid.conf
	for h in gw user; do
		braidd_start $h "$T/$h/braid.conf"
		braid $h --json events >"$T/$h/events" 2>/dev/null &
	done
	braid user up home >"$T/up" 2>&1 || fail "up: $(cat "$T/up")"
	for h in user gw; do wait_for 15 two_up $h || fail "two paths of $h: $(braid $h paths)"; done
	vip=$(braid user --json sas | jq -r '.ike_sas[0].vips[0]')
}
stop() {
	local h
	for h in user gw; do
		kill "$(agent_pid $h)"
		wait_for 10 no_pids $h || fail "braidd on $h does not end"
	done
}

octets() { # ROUTER DEV: when, and how many it has let through
	echo "$EPOCHREALTIME $(in_ns "$1" tc -s -j qdisc show dev "$2" | jq '.[0].bytes')"
}

# run WAY [ROUTER]: the streams, and what is to be seen of them, in files of $T/run; ROUTER is cut meanwhile
run() {
	local from=user to=lan at=203.0.113.10 dev=gw r receiver sender
	[ "$1" = there ] || { from=lan to=user at=$vip dev=user; }
	rm -rf "$T/run" && mkdir "$T/run"
	in_ns $to "$B/tests/netns/streams" receive "$at" $port "$streams" >"$T/run/streams" 2>"$T/run/err" &
	receiver=$!
	listening() { in_ns $to ss -Hlnt "sport = :$port" | grep -q .; }
	wait_for 5 listening || fail "no receiver: $(cat "$T/run/err")"
	in_ns $from "$B/tests/netns/streams" send "$at" $port "$streams" $((each + 2)) 2>"$T/run/err" &
	sender=$!
	sleep 1
	for r in r1 r2; do octets $r $dev >"$T/run/$r.octets"; done
	for r in r1 r2; do
		in_ns $r python3 "$top/tests/lib/dscp_paths.py" $dev 300 >"$T/run/$r" &
	done
	if [ $# -gt 1 ]; then
		sleep 0.8
		cut "$2"
		echo "$EPOCHREALTIME" >"$T/run/cut"
	fi
	sleep "$each"
	for r in r1 r2; do octets $r $dev >>"$T/run/$r.octets"; done
	wait $sender || fail "sender: $(cat "$T/run/err")"
	wait $receiver || fail "receiver: $(cat "$T/run/err")"
	[ $# = 1 ] || mend "$2"
	cp "$T/user/events" "$T/run/user"
	cp "$T/gw/events" "$T/run/gw"
	port=$((port + 1))
}

analyze() { # CANDIDATE MEASURE [ROUTER]: what the run says
	python3 "$top/tests/bench/streams_seen.py" "$T/run" ${3:+"$3"} | sed "s/^/$1\t$2-/" >>"$results" ||
		fail "$1 $2: what was seen cannot be read"
}
last() { awk -F '\t' -v n="$1" -v m="$2" '$1 == n && $2 == m { v = $3 } END { print v }' "$results"; }

both_up() { wait_for 20 two_up user && wait_for 20 two_up gw || fail "two paths: $(braid user paths)"; }

round() { # MODE
	local m=$1 way r h
	for way in there back; do
		printf '%-6s %-6s' "$m" $way
		for r in r1 r2; do
			braid user path prefer "${path[$r]}" >/dev/null || fail "not preferred"
			sleep 0.3
			run $way
			analyze "$m" "$way-$r"
			printf ' %6.1f' "$(last "$m" "$way-$r-goodput")"
			braid user path prefer --clear "${path[$r]}" >/dev/null || fail "not cleared"
			sleep 0.3
		done
		run $way
		analyze "$m" "$way-both"
		printf '; both %6.1f Mbit/s' "$(last "$m" "$way-both-goodput")"
		for r in r1 r2; do
			run $way $r
			analyze "$m" "$way-cut-$r" $r
			printf '; %s cut' $r
			both_up
		done
		echo
	done
}

topo_multihomed
for u in user:wlan0 user:ran0 gw:eth0 gw:eth1; do # a wire carries no super-packets
	in_ns "${u%:*}" ethtool -K "${u#*:}" tso off gso off tx-udp-segmentation off >/dev/null
done
shape r1
shape r2
watch_clear
for ((n = 1; n <= rounds; n++)); do
	for m in "${modes[@]}"; do
		start "$m"
		round "$m"
		stop
	done
done
record all clear "$(cat "$T"/clear-r? | wc -l)"
mkdir -p "$B/bench"
python3 "$top/tests/bench/report_aggregate.py" "$results" "$B/bench/aggregate.jsonl" "${probes%ms}" $queue

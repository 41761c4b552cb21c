#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# What steering does with the capacity of several paths. Parts, each a function part_NAME, which writes
# lines of NAME, MEASURE and VALUE; report_steering.py has a function for each.
#
#     bond    one TCP stream over wires of 200 and 50 Mbit/s with queues of 50 ms (tests/lib/bonded.sh):
#             each alone and both bonded, with equal delays and with 10 and 40 ms, one way; rates as they
#             are configured, and with equal delays also as they are found out
#     balance 16 TCP streams over such wires without a delay, class default with mode = balance and weights
#             of 4 and 1; each wire alone, which the class prefers, in the same round
#     redundant  class default with mode = redundant, 40,000 numbered datagrams: as it is, a tenth of the
#             packets of each path lost at random, either path cut
#     delay   class default with mode = smallest-delay and no hold, round trips of 10 and 20 ms, of which the
#             first becomes 30 ms and 10 ms again; then both vary around 20 ms for JITTER_SECONDS (15)
#
# The last three have agents at both ends, and what they are configured to do. PARTS (bond balance redundant
# delay); ROUNDS (3); SECONDS_EACH (6); STREAMS (16); PROBES (50ms), of delay.
. "$(dirname "$0")/../lib/netns.sh"
. "$(dirname "$0")/../lib/relay.sh"
. "$(dirname "$0")/../lib/bonded.sh"
. "$(dirname "$0")/../lib/agent.sh"
for tool in tc ethtool jq nft python3; do command -v $tool >/dev/null || skip "needs $tool"; done

read -ra parts <<<"${PARTS:-bond balance redundant delay}"
rounds=${ROUNDS:-3}
each=${SECONDS_EACH:-6}
streams=${STREAMS:-16}
probes=${PROBES:-50ms}
probes=${probes%ms}
jitter_seconds=${JITTER_SECONDS:-15}
results=$T/results
record() { printf '%s\t%s\t%s\n' "$@" >>"$results"; } # name, measure, value

# ---- bond ----

port=7100
bond_goodput() { # Mbit/s, in $goodput, once it is under way
	bonded_stream "$each" $port
	port=$((port + 1))
	[ "$(jq '.streams[0].wrong' "$T/stream")" = null ] || fail "octets are wrong"
	goodput=$(jq '(1000000 / .bin_usec) as $s | .streams[0].bins[$s:(($s * '"$each"') | floor)]
		| (add * 8 / (length / $s) / 1000000 * 10 | round / 10)' "$T/stream")
}
bond_use() { # state of path 1, of path 2
	local h
	for h in a z; do
		steer $h state 1 "$1" && steer $h state 2 "$2" || fail "states"
	done
}

# Other delays, one way, and rates: the paths begin anew.
bond_anew() { # USEC1 USEC2 RATE1 RATE2
	local h
	for h in a z; do
		drive $h pathdel 1 && drive $h pathdel 2 || fail "paths of $h"
	done
	relay_say w1 delay "$1"
	relay_say w2 delay "$2"
	sleep 0.5
	bonded_probes 1 "$3" "$4"
}
bond_case() { # NAME USEC1 USEC2 RATE1 RATE2
	local before
	bond_anew "${@:2}"
	bond_use up down
	bond_goodput
	record "$1" bond-fast "$goodput"
	printf '%-9s %6.1f' "$1" "$goodput"
	bond_use down up
	bond_goodput
	record "$1" bond-slow "$goodput"
	printf ' %6.1f' "$goodput"
	bond_use up up
	before=$(bonded_count z behind)
	bond_goodput
	record "$1" bond-both "$goodput"
	record "$1" bond-late $(($(bonded_count z behind) - before))
	printf '; bonded %6.1f Mbit/s\n' "$goodput"
}
part_bond() {
	local n
	bonded_up 200 5000 50 5000
	for ((n = 1; n <= rounds; n++)); do
		bond_case equal 5000 5000 200 50
		bond_case 10-40 10000 40000 200 50
		bond_case found 5000 5000 0 0
	done
}

# ---- agents ----

topo_agents() { # once
	[ -z "${agents_topo:-}" ] || return 0
	local u
	agents_topo=1
	topo_multihomed
	for u in user:wlan0 user:ran0 gw:eth0 gw:eth1; do # a wire carries no super-packets
		in_ns "${u%:*}" ethtool -K "${u#*:}" tso off gso off tx-udp-segmentation off >/dev/null
	done
}
agents_conf() { # probe interval; classes of the user by standard input
	agent_confs "$1"
	sed -i -e "s/probe_interval = [^ ]*/& down_after = 10/" \
		-e 's/interface = \(wlan0\|eth0\)/& weight = 4/' "$T"/*/braid.conf
	cat >>"$T/user/braid.conf"
}
agents_up() {
	local h
	for h in gw user; do braidd_start $h "$T/$h/braid.conf"; done
	braid user up home >"$T/up" 2>&1 || fail "up: $(cat "$T/up")"
	for h in user gw; do wait_for 15 two_up $h || fail "two paths of $h: $(braid $h paths)"; done
}
agents_down() {
	local h
	for h in user gw; do
		kill "$(agent_pid $h)"
		wait_for 10 no_pids $h || fail "braidd on $h does not end"
	done
}
agents_class() { # probe interval, words of class default
	agents_conf "$1" <<<"class \"default\" { ${*:2} }"
	braid user reload >"$T/out" 2>&1 || fail "reload: $(cat "$T/out")"
	sleep 0.3
}

# ---- balance ----

shape() { # ROUTER MBIT
	local dev
	for dev in user gw; do
		in_ns "$1" tc qdisc replace dev $dev root tbf rate "${2}mbit" burst 32k limit $(($2 * 1000 / 8 * 50)) ||
			skip "needs tbf"
	done
}
balance_goodput() { # NAME MEASURE: Mbit/s of all streams once they are under way
	local receiver
	in_ns lan "$B/tests/netns/streams" receive 203.0.113.10 $port "$streams" >"$T/stream" 2>"$T/stream.err" &
	receiver=$!
	balance_listens() { in_ns lan ss -Hlnt "sport = :$port" | grep -q .; }
	wait_for 5 balance_listens || fail "no receiver: $(cat "$T/stream.err")"
	in_ns user "$B/tests/netns/streams" send 203.0.113.10 $port "$streams" "$each" 2>"$T/stream.err" ||
		fail "sender: $(cat "$T/stream.err")"
	wait $receiver || fail "receiver: $(cat "$T/stream.err")"
	port=$((port + 1))
	[ "$(jq '[.streams[].wrong | values] | length' "$T/stream")" = 0 ] || fail "octets are wrong"
	goodput=$(jq '(1000000 / .bin_usec) as $s | [.streams[].bins[$s:(($s * '"$each"') | floor)]] as $b
		| ($b | map(add) | add) * 8 / (($b | map(length) | max) / $s) / 1000000 * 10 | round / 10' "$T/stream")
	record "$1" "$2" "$goodput"
	printf ' %6.1f' "$goodput"
}
part_balance() {
	local n
	topo_agents
	shape r1 200
	shape r2 50
	agents_conf 50ms <<<'class "default" { mode = balance }'
	agents_up
	for ((n = 1; n <= rounds; n++)); do
		printf 'balance  '
		agents_class 50ms "mode = balance prefer = { wlan }"
		balance_goodput balance balance-fast
		agents_class 50ms "mode = balance prefer = { ran }"
		balance_goodput balance balance-slow
		agents_class 50ms "mode = balance"
		printf '; both'
		balance_goodput balance balance-both
		echo " Mbit/s"
	done
	agents_down
	for n in r1 r2; do
		in_ns $n tc qdisc del dev user root
		in_ns $n tc qdisc del dev gw root
	done
}

# ---- redundant ----

copies() { # HOST WORD...
	local h=$1
	shift
	in_ns "$h" python3 "$top/tests/lib/copies.py" "$@"
}
redundant_sends() { # CASE PACKETS COMMAND...: which is done meanwhile
	local r sender
	copies user send 203.0.113.10 7000 20 "$2" >"$T/sent" &
	sender=$!
	sleep 0.3
	"${@:3}"
	wait $sender || fail "the sender"
	no_loss # neither the question nor its answer is lost
	r=$(copies user ask 203.0.113.10 7000 "$2") || fail "no answer"
	record "$1" redundant-lost "$(jq .lost <<<"$r")"
	record "$1" redundant-twice "$(jq .twice <<<"$r")"
	record "$1" redundant-sent "$2"
	echo "redundant $1: $r"
}
lossy() { # ROUTER: a tenth of what passes
	in_ns "$1" nft 'table ip loss { chain f { type filter hook forward priority 0; ip protocol udp numgen random mod 10 0 drop; }; }' ||
		skip "nft knows no random numbers here"
}
no_loss() {
	local r
	for r in r1 r2; do in_ns $r nft delete table ip loss 2>/dev/null || :; done
}
part_redundant() {
	local n r h receiver
	topo_agents
	agents_conf 50ms <<<'class "default" { mode = redundant copies = 2 }'
	agents_up
	for h in user gw; do ip -n "$(ns $h)" link set braid0 txqueuelen 20000; done # the sender is faster at times
	ip netns exec "$(ns lan)" python3 "$top/tests/lib/copies.py" receive 203.0.113.10 7000 >"$T/received" &
	receiver=$!
	wait_for 5 in_ns lan sh -c 'ss -uln | grep -q :7000' || fail "no receiver"
	for ((n = 1; n <= rounds; n++)); do
		redundant_sends whole 5000 :
		lossy r1
		lossy r2
		redundant_sends lossy 40000 :
		for r in r1 r2; do
			redundant_sends cut-$r 5000 cut_path $r
			mend_path $r
			for h in user gw; do wait_for 20 two_up $h || fail "two paths of $h: $(braid $h paths)"; done
		done
	done
	kill $receiver
	agents_down
}

# ---- delay ----

# What the class does, each line with its time in usec.
delay_watch() {
	braid user --json events 2>/dev/null | while read -r line; do
		[[ $line != *'"class"'* ]] || echo "${EPOCHREALTIME/./} $line"
	done >"$T/seen"
}
delay_follows() { # USEC of m1
	local before begun at
	before=$(wc -l <"$T/seen")
	begun=${EPOCHREALTIME/./}
	relay_say m1 delay "$1"
	seen_more() { [ "$(wc -l <"$T/seen")" -gt "$before" ]; }
	wait_for 10 seen_more || fail "the class does not follow: $(braid user steering)"
	at=$(sed -n "$((before + 1))s/ .*//p" "$T/seen")
	record step delay-intervals "$(jq -n "($at - $begun) / 1000 / $probes")"
	sleep 1
	record step delay-switches $(($(wc -l <"$T/seen") - before))
}
part_delay() {
	local n i end before
	topo_agents
	[ -n "${relays_topo:-}" ] || relay_multihomed 5000 10000
	relays_topo=1
	agents_conf "${probes}ms" <<<'class "default" { mode = smallest-delay hold = 0s }'
	agents_up
	delay_watch &
	sleep 2 # what is remembered of either path
	for ((n = 1; n <= rounds; n++)); do
		for i in 1 2 3; do
			delay_follows 15000
			delay_follows 5000
		done
		before=$(wc -l <"$T/seen")
		end=$((SECONDS + jitter_seconds))
		while [ $SECONDS -lt $end ]; do
			relay_say m1 delay $((6000 + RANDOM % 8000))
			relay_say m2 delay $((6000 + RANDOM % 8000))
			sleep 0.05
		done
		record jitter delay-switches $(($(wc -l <"$T/seen") - before))
		relay_say m2 delay 10000
		relay_say m1 delay 5000
		sleep 2
	done
	echo "delay: $(awk -F '\t' '$2 == "delay-intervals" { printf " %.1f", $3 }' "$results") intervals"
	agents_down
}

for part in "${parts[@]}"; do part_"$part"; done
mkdir -p "$B/bench"
python3 "$top/tests/bench/report_steering.py" "$results" "$B/bench/steering.jsonl" "$probes" "$jitter_seconds"

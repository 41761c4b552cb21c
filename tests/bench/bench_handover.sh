#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# How long no packet arrives, and how many are lost, of a stream of 1,000 packets a second in each
# direction between a host with two uplinks and a network behind a gateway with two addresses, while
# the uplink it goes by is lost in one way or another: by braid with its probes 10, 100 and 1000 ms
# apart, and with an IKE SA for each path (clone), by strongSwan, and by a braid host with one path, which MOBIKE moves, to a strongSwan gateway
# (mobike); the host is the initiator. All uplinks are captured at both ends.
# Topology and cases: tests/lib/handover.sh. With a strongSwan gateway a
# packet or two are lost when the gateway's address changes in a move, planned or not: its ESP takes an SA's
# packets at one address only, and it rekeys after the move.
#
# ROUNDS (3) rounds of every candidate and case, in turn. CASES, CANDIDATES: some of them only. LIMIT
# (10): seconds after which silence is not waited for any more. A gap that does not end is given as
# long as it was then, with a note.
. "$(dirname "$0")/../lib/netns.sh"
. "$(dirname "$0")/../lib/agent.sh"
. "$(dirname "$0")/../lib/strongswan.sh"
. "$(dirname "$0")/../lib/handover.sh"
for tool in nft python3; do command -v $tool >/dev/null || skip "needs $tool"; done

rounds=${ROUNDS:-3}
limit=$((${LIMIT:-10} * 1000))
read -ra cases <<<"${CASES:-${handover_cases[*]}}"
read -ra candidates <<<"${CANDIDATES:-braid-10 braid-100 braid-1000 clone-10 mobike charon}"
results=$T/results

record() { printf '%s\t%s\t%s\n' "$@" >>"$results"; } # candidate, measure, value

up() { # candidate
	case $1 in
	braid-*) handover_braid_up "${1#braid-}ms" ;;
	clone-*) handover_multipath=clone handover_braid_up "${1#clone-}ms" ;;
	mobike) handover_mobike_up ;;
	charon) handover_swan_up ;;
	esac
}
down() {
	case $1 in
	braid-* | clone-*) handover_braid_down ;;
	*) stop_all ;;
	esac
}

# All that one has to say of what it does by itself, in seconds since it happened.
noticed() {
	local at
	at=$(sed -n 's/^\([0-9.]*\) .*giving up after.*/\1/p' "$T/user/log" | head -n 1)
	[ -z "$at" ] || awk "BEGIN { print 1e6 * ($at - $(cat "$T/at")) }"
}

# What happens to braid's paths happens only if the stream leaves the first uplink, or returns to it.
moved() { # candidate case way
	case ${1/#clone-/braid-}-$2 in
	braid-*-link | braid-*-carrier | braid-*-address | braid-*-gateway | braid-*-blackhole)
		case $(watched ".$3.by") in ran0 | eth1) ;; *) return 1 ;; esac
		;;
	braid-*-planned | braid-*-preferred | braid-*-failback)
		case $(watched ".$3.by") in wlan0 | eth0) ;; *) return 1 ;; esac
		;;
	esac
}

measure() { # candidate case
	local n=$1 c=$2 way what at last=2000
	[ "$c" != brownout ] || last=4000
	handover_watch "$c" -d $last -m "$limit"
	printf '%-11s %-10s' "$n" "$c"
	for way in there back; do
		for what in gap lost quiet pause; do record "$n" "$c-$way-$what" "$(watched ".$way.$what")"; done
		[ "$(watched ".$way.arrives")" = true ] || record "$n" "$c-$way-silent" 1
		moved "$n" "$c" "$way" || fail "$n: $c: it did not happen: $(cat "$T/watch")"
		printf ' %s: silent for %8.1f ms, %5d lost;' "$way" "$(watched ".$way.gap / 1000")" \
			"$(watched ".$way.lost")"
	done
	for what in in_clear missed; do record "$n" "$c-$what" "$(watched ".$what")"; done
	record "$n" "$c-captured" "$(watched '.captured | add')"
	printf ' %d in clear\n' "$(watched .in_clear)"
	[ "$n" = charon ] && at=$(noticed) && [ -n "$at" ] && record "$n" "$c-noticed" "$at"
	return 0
}

run() { # candidate
	local n=$1 c fresh=yes
	peer=${n%-*}
	[ "$peer" != clone ] || peer=braid
	for c in "${cases[@]}"; do
		# what strongSwan makes of it may not be mended by itself
		if [ "$c" = rebinding ] || [ "$peer" != braid ]; then
			[ $fresh = yes ] || down "$n"
			fresh=yes
		fi
		case $n-$c in mobike-planned | charon-preferred) continue ;; esac # no such word
		[ "$c" != rebinding ] || handover_nat
		[ $fresh = no ] || up "$n"
		fresh=no
		measure "$n" "$c"
		"mend_$c"
		if [ "$c" = rebinding ]; then
			down "$n"
			handover_no_nat
			fresh=yes
		elif [ "$peer" = braid ]; then
			wait_for 30 two_up user && wait_for 30 two_up gw || fail "$c: two paths: $(braid user paths)"
		fi
	done
	[ $fresh = yes ] || down "$n"
}

handover_topo
for ((round = 1; round <= rounds; round++)); do
	for n in "${candidates[@]}"; do run "$n"; done
done
mkdir -p "$B/bench"
python3 "$top/tests/bench/report_handover.py" "$results" "$B/bench/handover.jsonl"

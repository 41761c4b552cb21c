#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# Bad datagrams of every kind on both ports and protocol 50 from the middle of a path, towards the
# gateway and towards the user, while a tunnel carries pings: nothing is disturbed, what was bad is
# counted, logs and the memory of each daemon stay bounded.
# [HDR-1] [HDR-8] [SK-5] [MID-5] [MID-16] [INI-1] [INI-14] [INF-11] [ESP-14] [ROB-3]
. "$(dirname "$0")/../lib/netns.sh"
. "$(dirname "$0")/../lib/agent.sh"
command -v tcpdump >/dev/null || skip "needs tcpdump"
/usr/bin/python3 -c 'import scapy.all' 2>/dev/null || skip "needs python3-scapy"

declare -A address=([gw]=192.0.2.66 [user]=192.0.2.2) peer=([gw]=user [user]=gw)
stat() { braid "$1" --json stats | jq "$2"; } # host, counter
capture() { # host, file: what its peer sends to it, at r1's device of that name
	in_ns r1 tcpdump -i "$1" --immediate-mode -U -w "$2" \
		"dst host ${address[$1]} and src host ${address[${peer[$1]}]}" >/dev/null 2>"$2.err" &
	wait_for 5 grep -q 'listening on' "$2.err" || fail "no capture"
}
captured() { [ "$(wc -c <"$1")" -gt "$2" ]; }
throw() { # host, capture, kind
	in_ns r1 /usr/bin/python3 "$top/tests/netns/hostile.py" "$1" "${address[$1]}" \
		"${address[${peer[$1]}]}" "$2" "$3" >"$T/attack" 2>&1 || fail "$1: $3: $(tail -n 3 "$T/attack")"
}

topo_multihomed
agent_confs 500ms
for h in gw user; do capture $h "$T/early-$h"; done
braidd_start gw "$T/gw/braid.conf"
braidd_start user "$T/user/braid.conf"

# Before any IKE_SA_INIT
in_ns user ping -c 1 -W 2 -q 192.0.2.66 >/dev/null || fail "no way to the gateway"
for h in gw user; do
	wait_for 5 captured "$T/early-$h" 50 || fail "nothing captured towards $h"
	throw $h "$T/early-$h" early
	[ "$(stat $h .ike.dropped_spi)" -ge 300 ] || fail "$h: early: only $(stat $h .ike.dropped_spi) dropped"
	[ "$(stat $h .ike.half_open)" = 0 ] || fail "$h: early: half-open IKE SAs"
done
echo "ok - IKE messages before IKE_SA_INIT"

for h in gw user; do capture $h "$T/pcap-$h"; done
braid user up home >"$T/up" || fail "up: $(cat "$T/up")"
wait_for 5 two_up gw || fail "two paths"
# Requests from both sides, and some more than the last one
braid user rekey home/net >/dev/null || fail "rekey by the user"
braid gw rekey rw/net >/dev/null || fail "rekey by the gateway"
in_ns user ping -c 40 -i 0.02 -q 203.0.113.10 >/dev/null || fail "the LAN is not reached"
sas() { braid "$1" --json sas | jq -c '[.ike_sas[] | .spi_i, .spi_r, (.children[] | .spi_in)]'; }
declare -A spis lines
for h in gw user; do
	spis[$h]=$(sas $h) lines[$h]=$(wc -l <"$T/$h/log")
	wait_for 2 captured "$T/pcap-$h" 1500 || fail "little captured towards $h"
	cp "$T/pcap-$h" "$T/pcap1-$h"
done

rss() { # host, daemon: KiB
	local p
	for p in $(ip netns pids "$(ns "$1")"); do
		[ "$(cat "/proc/$p/comm" 2>/dev/null)" != "$2" ] || awk '/^VmRSS/ {print $2}' "/proc/$p/status"
	done
}
declare -A before
for h in gw user; do
	for d in braidd braid-esp; do before[$h/$d]=$(rss $h $d); done
done

attack() { # host, kind, counters that have to rise, each
	local h=$1 kind=$2 c was=() now text=
	shift 2
	for c in "$@"; do was+=("$(stat "$h" "$c")"); done
	in_ns user ping -c 100 -i 0.02 -W 2 -q 203.0.113.10 >"$T/ping" &
	local stream=$!
	throw "$h" "$T/pcap1-$h" "$kind"
	wait $stream || fail "$h: $kind: no ping came back"
	grep -q ' 0% packet loss' "$T/ping" || fail "$h: $kind: $(grep loss "$T/ping")"
	for c in "$@"; do
		now=$(stat "$h" "$c")
		[ "$now" -gt "${was[0]}" ] || fail "$h: $kind: $c did not rise from ${was[0]}"
		text+=", $c ${was[0]} -> $now"
		was=("${was[@]:1}")
	done
	[ "$(sas "$h")" = "${spis[$h]}" ] || fail "$h: $kind: the SAs changed"
	echo "ok - $h: $kind: nothing lost, SAs stay$text"
}
unknown='.engine.drop_unknown_spi + .drops.UNKNOWN_SPI'
for h in gw user; do
	attack $h garbage .ike.dropped_syntax .engine.drop_short
	attack $h replay .engine.drop_replay .ike.dropped_window
	attack $h flip-esp .engine.drop_integrity
	attack $h flip-ike .ike.dropped_integrity .ike.dropped_window
	attack $h spi "$unknown" .ike.dropped_spi
	attack $h version .ike.dropped_version
	attack $h early .ike.dropped_spi
	attack $h huge .ike.dropped_syntax .engine.drop_integrity "$unknown"
	attack $h fragments .ike.dropped_syntax .engine.drop_integrity
done
# A replayed request is known again: the last one of each side gets its answer once more, and is not
# executed once more.
for h in gw user; do attack $h replay .ike.retransmits_rx; done
attack gw flood .ike.cookies_sent
[ "$(stat gw .ike.half_open)" -le 10 ] || fail "more half-open IKE SAs than the threshold: $(stat gw .ike.half_open)"
# a legitimate peer still gets in: through the cookie
braid user down home >/dev/null || fail "down"
braid user up home >"$T/up" || fail "up while half-open SAs are many: $(cat "$T/up")"
echo "ok - set-up under cookies"

for h in gw user; do
	for d in braidd braid-esp; do
		grown=$(($(rss $h $d) - ${before[$h/$d]}))
		# its quarantine keeps what is freed
		[ -z "${SAN_LOGS:-}" ] || { echo "memory is not judged under a sanitizer" && continue; }
		[ $grown -lt 8192 ] || fail "$h: memory of $d grew by $grown KiB"
		echo "ok - $h: memory of $d grew by $grown KiB"
	done
	new=$(($(wc -l <"$T/$h/log") - ${lines[$h]}))
	[ $new -lt 200 ] || fail "$h: $new log lines"
	echo "ok - $h: $new log lines"
done

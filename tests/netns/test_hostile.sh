#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# Bad datagrams of every kind on both ports and protocol 50 from the middle of a path, while a tunnel
# carries pings: nothing is disturbed, what was bad is counted, logs and memory stay bounded.
# [HDR-1] [HDR-8] [SK-5] [MID-16] [INI-1] [INI-14] [INF-11] [ESP-14] [ROB-3]
. "$(dirname "$0")/../lib/netns.sh"
. "$(dirname "$0")/../lib/agent.sh"
command -v tcpdump >/dev/null || skip "needs tcpdump"
/usr/bin/python3 -c 'import scapy.all' 2>/dev/null || skip "needs python3-scapy"

topo_multihomed
agent_confs 500ms
in_ns r1 tcpdump -i gw --immediate-mode -U -w "$T/pcap" 'dst host 192.0.2.66' >/dev/null 2>"$T/tcpdump" &
wait_for 5 grep -q 'listening on' "$T/tcpdump" || fail "no capture"
braidd_start gw "$T/gw/braid.conf"
braidd_start user "$T/user/braid.conf"
braid user up home >"$T/up" || fail "up: $(cat "$T/up")"
wait_for 5 two_up gw || fail "two paths"
in_ns user ping -c 20 -i 0.02 -q 203.0.113.10 >/dev/null || fail "the LAN is not reached"
spis=$(braid gw --json sas | jq -c '[.ike_sas[] | .spi_i, .spi_r, (.children[] | .spi_in)]')
sleep 0.2; cp "$T/pcap" "$T/pcap1"

rss() { # host: KiB of agent and engine together
	local p sum=0
	for p in $(ip netns pids "$(ns "$1")"); do
		case $(cat "/proc/$p/comm") in
		braidd | braid-esp) sum=$((sum + $(awk '/^VmRSS/ {print $2}' "/proc/$p/status"))) ;;
		esac
	done
	echo $sum
}
stat() { braid gw --json stats | jq "$1"; }

before=$(rss gw)
lines=$(wc -l <"$T/gw/log")
attack() { # kind, counter that has to rise
	local was now
	was=$(stat "$2")
	in_ns user ping -c 100 -i 0.02 -W 2 -q 203.0.113.10 >"$T/ping" &
	local stream=$!
	in_ns r1 /usr/bin/python3 "$top/tests/netns/hostile.py" gw 192.0.2.66 "$T/pcap1" "$1" >"$T/attack" 2>&1 ||
		fail "$1: $(tail -n 3 "$T/attack")"
	wait $stream || fail "$1: no ping came back"
	grep -q ' 0% packet loss' "$T/ping" || fail "$1: $(grep loss "$T/ping")"
	now=$(stat "$2")
	[ "$now" -gt "$was" ] || fail "$1: $2 did not rise from $was"
	[ "$(braid gw --json sas | jq -c '[.ike_sas[] | .spi_i, .spi_r, (.children[] | .spi_in)]')" = "$spis" ] ||
		fail "$1: the SAs changed"
	echo "ok - $1: nothing lost, SAs stay, $2 $was -> $now"
}
attack garbage '.ike.dropped_syntax + .engine.drop_short'
attack replay '.engine.drop_replay'
attack flip-esp '.engine.drop_integrity'
attack flip-ike '.ike.dropped_integrity'
attack spi '.engine.drop_unknown_spi + .drops.UNKNOWN_SPI'
attack version '.ike.dropped_version'
attack early '.ike.dropped_spi'
attack flood '.ike.cookies_sent'
# a legitimate peer still gets in: through the cookie
braid user down home >/dev/null || fail "down"
braid user up home >"$T/up" || fail "up while half-open SAs are many: $(cat "$T/up")"
echo "ok - set-up under cookies"

grown=$(($(rss gw) - before))
[ $grown -lt 16384 ] || fail "memory grew by $grown KiB"
new=$(($(wc -l <"$T/gw/log") - lines))
[ $new -lt 200 ] || fail "$new log lines"
echo "ok - memory grew by $grown KiB, $new log lines"

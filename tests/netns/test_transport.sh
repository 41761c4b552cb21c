#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# Transport mode between two hosts: UDP and TCP with real traffic, captures on all uplinks of both
# ends; what is not to be carried is dropped and counted; nothing leaves in clear text while there is
# no SA, no engine, nothing at all. [ESP-15]
. "$(dirname "$0")/../lib/netns.sh"
. "$(dirname "$0")/../lib/transport.sh"
command -v tcpdump >/dev/null || skip "needs tcpdump"

topo_multihomed
transport_confs 'mode = transport start_action = start' 'mode = transport'
echo_serve gw 192.0.2.66 7000
echo_udp user 192.0.2.66 7000 100 || fail "the hosts do not reach each other without braid"
capture clear "$clear_text"
capture esp 'udp port 4500 and greater 200'
echo_udp user 192.0.2.66 7000 100
[ -s "$T/clear-wlan0" ] && [ -s "$T/clear-eth0" ] || fail "the captures do not see clear text without braid"
echo "ok - without braid the captures see clear text"

# ---- no peer yet ----
cut_path r1
braidd_start user "$T/user/braid.conf"
sleep 0.3
forget_clear
mend_path r1
in_ns user ping -c 2 -i 0.2 -W 0.3 -q 192.0.2.66 >/dev/null && fail "answers in clear text, with no SA"
echo_udp user 192.0.2.66 7000 100 && fail "answers in clear text, with no SA"
no_clear "no SA yet: nothing in clear text"
if command -v bpftool >/dev/null; then
	bpftool map dump pinned "$T/user/bpf/braid/shield" >"$T/shield"
	for f in family remote n rule any_local protocol local_first remote_last; do
		grep -q "\"$f\": " "$T/shield" || fail "shield has no field $f: $(head -n 20 "$T/shield")"
	done
	echo "ok - the shield's map is dumped with the names of its fields"
fi
[ "$(engine_drop user drop_no_policy)" -gt 0 ] || fail "what is not sent is not counted: $(braid user stats)"

# ---- an SA ----
braidd_start gw "$T/gw/braid.conf"
is_up() { braid user --json sas | jq -e '.ike_sas[0].children[0].mode == "transport"'; }
wait_for 20 is_up || fail "not up: $(braid user sas)"
in_ns user ping -c 3 -i 0.1 -W 1 -q 192.0.2.66 >"$T/ping" || fail "no answer: $(cat "$T/ping")"
in_ns gw ping -c 3 -i 0.1 -W 1 -q 192.0.2.2 >"$T/ping" || fail "no answer to the gateway: $(cat "$T/ping")"
for n in 0 1 100 1300; do
	echo_udp user 192.0.2.66 7000 $n || fail "a datagram of $n octets does not come back"
done
a=$(carried gw rx)
echo_tcp user 192.0.2.66 7000 20000000 || fail "TCP does not get through"
[ "$(carried gw rx)" -gt $((a + 10000)) ] || fail "the SA did not carry it: $(braid gw sas)"
no_clear "UDP, TCP and ICMP in transport mode"
[ -s "$T/esp-wlan0" ] && [ -s "$T/esp-eth0" ] || fail "no ESP was seen"

# RFC 4303 3.3.4: no fragments; who sends too much is told
b=$(engine_drop user drop_transport)
in_ns user ping -M dont -s 3000 -c 2 -i 0.2 -W 0.3 -q 192.0.2.66 >/dev/null && fail "fragments are answered"
[ "$(engine_drop user drop_transport)" -gt "$b" ] || fail "fragments are not counted: $(braid user stats)"
in_ns user ping -M 'do' -s 1472 -c 3 -i 0.2 -W 2 192.0.2.66 2>&1 | grep -Eqi 'too long|frag needed' ||
	fail "nobody is told of the path's MTU"
in_ns user ping -T tsonly -c 1 -W 0.3 -q 192.0.2.66 >/dev/null && fail "IPv4 options are answered"
no_clear "fragments and IPv4 options are dropped and counted"

braid user rekey home/host >/dev/null || fail "rekey"
echo_tcp user 192.0.2.66 7000 300000 || fail "after a rekey"
braid gw rekey rw/host >/dev/null || fail "rekey by the gateway"
echo_tcp user 192.0.2.66 7000 300000 || fail "after a rekey by the gateway"
no_clear "rekeyed from both ends"

# What comes in clear text is not let in: forged by the router in between
c=$(bpf_drop gw CLEAR_IN)
in_ns r1 $PY - >/dev/null 2>&1 <<-'PY'
	from scapy.all import IP, UDP, send
	send(IP(src="192.0.2.2", dst="192.0.2.66") / UDP(sport=5, dport=7000) / b"x" * 8, count=3, verbose=0)
PY
counted() { [ "$(bpf_drop gw CLEAR_IN)" -ge $((c + 3)) ]; }
wait_for 3 counted || fail "clear text is let in: $(braid gw stats)"
echo "ok - forged clear text is not let in"
forget_clear

# ---- failures ----
kill -9 "$(agent_pid user)"
echo_tcp user 192.0.2.66 7000 300000 || fail "without an agent"
braidd_start user "$T/user/braid.conf"
echo_tcp user 192.0.2.66 7000 300000 || fail "with another agent"
no_clear "the agent killed, another one in its place"

ingress() { tc -n "$(ns user)" filter show dev wlan0 ingress; }
engine_of() {
	local p
	for p in $(ip netns pids "$(ns "$1")"); do
		[ "$(cat "/proc/$p/comm" 2>/dev/null)" != braid-esp ] || echo "$p"
	done
}
no_engine() { [ -z "$(engine_of "$1")" ]; }
again() { echo_udp user 192.0.2.66 7000 100; }
kill -9 "$(engine_of user)"
wait_for 10 again || fail "no new engine took over"
no_clear "the engine killed, another one in its place"

kill -9 "$(agent_pid user)" "$(engine_of user)"
[ "$(ingress | grep -o '[a-z_]*:\[' | sort -u)" = 'steer_in_shield:[' ] || fail "not in one program: $(ingress)"
in_ns user ping -c 3 -i 0.2 -W 0.3 -q 192.0.2.66 >/dev/null && fail "answers with nothing alive"
in_ns gw ping -c 2 -i 0.2 -W 0.3 -q 192.0.2.2 >/dev/null && fail "answers with nothing alive"
no_clear "agent and engine killed"
braidd_start user "$T/user/braid.conf"
wait_for 10 again || fail "both anew"
no_clear "both anew"

kill -9 "$(agent_pid user)"
braid user flush >/dev/null 2>"$T/flush" || fail "braid flush: $(cat "$T/flush")"
[ -z "$(ingress)$(tc -n "$(ns user)" filter show dev wlan0 egress)" ] || fail "braid flush leaves filters: $(ingress)"
tc -n "$(ns user)" qdisc show dev wlan0 | grep -q clsact && fail "braid flush leaves a qdisc of ours"
braidd_start user "$T/user/braid.conf"
wait_for 10 again || fail "after braid flush"
no_clear "killed, everything removed, and started again"

kill -TERM "$(agent_pid user)"
wait_for 5 no_engine user || fail "the engine stays after SIGTERM"
shield_alone() { [ "$(ingress | grep -o '[a-z_]*:\[' | sort -u)" = 'shield_in:[' ]; }
wait_for 5 shield_alone || fail "the steering is to go and the shield to stay: $(ingress)"
in_ns user ping -c 2 -i 0.2 -W 0.3 -q 192.0.2.66 >/dev/null && fail "answers after an orderly end"
no_clear "an orderly end: what the configuration protects stays blocked"
braidd_start user "$T/user/braid.conf"
wait_for 10 again || fail "started again"
no_clear "started again"

# ---- not protected by anybody any more ----
sed -i 's/ start_action = start//' "$T/user/braid.conf"
kill -TERM "$(agent_pid user)"
wait_for 5 no_engine user || fail "the engine stays after SIGTERM"
kill -TERM "$(agent_pid gw)"
wait_for 5 no_engine gw || fail "gw: the engine stays after SIGTERM"
braidd_start user "$T/user/braid.conf"
echo_udp user 192.0.2.66 7000 100 || fail "still blocked, though nobody asks for it"
tc -n "$(ns user)" filter show dev wlan0 egress | grep -q shield && fail "the shield stays"
ingress | grep -q shield && fail "the shield stays: $(ingress)"
echo "ok - without a policy there is no shield"

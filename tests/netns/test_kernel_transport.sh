#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# Transport mode where ESP is the kernel's, between two such hosts and with one whose ESP is the engine's: UDP and TCP,
# rekeys from both ends, the deaths of both agents, captures on all uplinks of both ends: nothing is in clear text at any
# time, with an SA or without. [ESP-15]
. "$(dirname "$0")/../lib/netns.sh"
. "$(dirname "$0")/../lib/transport.sh"
. "$(dirname "$0")/../lib/kernel.sh"
. "$(dirname "$0")/../lib/kernel_transport.sh"
command -v tcpdump >/dev/null || skip "needs tcpdump"
kernel_esp_or_skip

topo_multihomed
for h in user gw; do ip -n "$(ns $h)" -6 addr flush scope global; done
again() { echo_udp user "$1" 7000 100 "${2:-}"; }
restarted() { # what, addresses as above
	kill_agents
	again "$2" "$3" || fail "$1: nothing gets through without agents"
	echo_tcp user "$2" 7000 50000 || fail "$1: TCP without agents"
	kernel_agents
	again "$2" "$3" || fail "$1: nothing gets through after the restart"
	braid user rekey home/host >"$T/rekey" 2>&1 || fail "$1: rekey: $(cat "$T/rekey")"
	echo_tcp user "$2" 7000 50000 || fail "$1: TCP after the restart and a rekey"
	braid gw rekey rw/host >"$T/rekey" 2>&1 || fail "$1: rekey by the gateway: $(cat "$T/rekey")"
	echo_tcp user "$2" 7000 50000 || fail "$1: TCP after a rekey by the gateway"
	no_clear "$1: both agents killed and started again, rekeys from both ends"
}

capture clear "$clear_text"
echo_serve gw 192.0.2.66 7000
again 192.0.2.66 || fail "the hosts do not reach each other without braid"
for peer in kernel engine; do
	transport_confs 'mode = transport start_action = start' 'mode = transport' 'multipath = no'
	transport_backend user kernel
	transport_backend gw $peer
	cut_path r1
	braidd_start user "$T/user/braid.conf"
	forget_clear
	mend_path r1
	again 192.0.2.66 && fail "answers in clear text, with no SA"
	no_clear "$peer: no SA yet: nothing in clear text"
	braidd_start gw "$T/gw/braid.conf"
	soon is_mode transport || fail "not up: $(braid user sas)"
	[ "$(braid user --json status | jq -r .esp.by)" = kernel ] || fail "not the kernel's ESP: $(braid user status)"
	a=$(carried gw rx)
	carries_all 192.0.2.66 192.0.2.2
	[ "$(carried gw rx)" -gt $((a + 100)) ] || fail "the SA did not carry it: $(braid gw sas)"
	no_clear "$peer: UDP, TCP and ICMP in transport mode"

	c=$(bpf_drop gw CLEAR_IN)
	in_ns r1 $PY - >/dev/null 2>&1 <<-'PY'
		from scapy.all import IP, UDP, send
		send(IP(src="192.0.2.2", dst="192.0.2.66") / UDP(sport=5, dport=7000) / b"x" * 8, count=3, verbose=0)
	PY
	counted() { [ "$(bpf_drop gw CLEAR_IN)" -ge $((c + 3)) ]; }
	soon counted || fail "clear text is let in: $(braid gw stats)"
	echo "ok - $peer: forged clear text is not let in"
	forget_clear

	restarted "$peer, transport" 192.0.2.66 192.0.2.2
	transport_stop
	again 192.0.2.66 && fail "answers after an orderly end"
	no_clear "$peer: an orderly end: what the configuration protects stays blocked"
done

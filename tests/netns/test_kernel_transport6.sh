#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# Transport mode over IPv6 where ESP is the kernel's: in UDP with such a peer, not in UDP with one whose ESP is the
# engine's; UDP, TCP, ICMP, the deaths of both agents, a rekey. Nothing is in clear text. [ESP-15]
. "$(dirname "$0")/../lib/netns.sh"
. "$(dirname "$0")/../lib/transport.sh"
. "$(dirname "$0")/../lib/kernel.sh"
. "$(dirname "$0")/../lib/kernel_transport.sh"
command -v tcpdump >/dev/null || skip "needs tcpdump"
kernel_esp_or_skip

topo_multihomed
user6=2001:db8:1::2 gw6=2001:db8:1:1::66

# Of neighbour discovery nothing is protected.
capture clear "ip6 and host $gw6 and not ip6 proto 50 and not udp port 500 and not udp port 4500
	and not (icmp6 and ip6[40] >= 133 and ip6[40] <= 137)"
echo_serve gw $gw6 7000
echo_udp user $gw6 7000 10 || fail "the hosts do not reach each other without braid"
soon grep -q . "$T/clear-eth0" || fail "the captures do not see clear text"
for how in "kernel yes" "engine no"; do
	peer=${how% *}
	confs6 'mode = transport' 'mode = transport' "encap = ${how#* }" "$peer"
	kernel_agents
	soon is_mode transport || fail "$how: not up: $(braid user sas)"
	[ "$(braid user --json sas | jq -r '.ike_sas[0].local')" = "[$user6]:4500" ] || fail "$how: not over IPv6: $(braid user sas)"
	forget_clear
	a=$(carried gw rx)
	carries_all $gw6 $user6
	[ "$(carried gw rx)" -gt $((a + 100)) ] || fail "$how: the SA did not carry it: $(braid gw sas)"
	kill_agents
	echo_udp user $gw6 7000 100 || fail "$how: nothing gets through without agents"
	kernel_agents
	braid gw rekey rw/host >"$T/rekey" 2>&1 || fail "$how: rekey: $(cat "$T/rekey")"
	echo_tcp user $gw6 7000 50000 || fail "$how: TCP after a restart and a rekey"
	no_clear "transport mode over IPv6, peer $peer, in UDP: ${how#* }: UDP, TCP, ICMP, other agents, a rekey"
	transport_stop
	echo_udp user $gw6 7000 10 && fail "$how: answers after an orderly end"
	no_clear "what the configuration protects stays blocked"
done

#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# Transport mode behind a NAT, where ESP is the kernel's: each end has the other by the address that it sees, and checksums
# are right although they were made with other addresses. [TS-10] [NAT-11]
. "$(dirname "$0")/../lib/netns.sh"
. "$(dirname "$0")/../lib/transport.sh"
. "$(dirname "$0")/../lib/kernel.sh"
. "$(dirname "$0")/../lib/kernel_transport.sh"
for tool in nft tcpdump; do command -v $tool >/dev/null || skip "needs $tool"; done
kernel_esp_or_skip

topo_multihomed
for h in user gw; do ip -n "$(ns $h)" -6 addr flush scope global; done
R0=192.0.2.66
echo_serve gw $R0 7000
capture clear 'ip and (tcp port 7000 or udp port 7000)'
in_ns r1 nft -f - <<-NFT || fail "no NAT"
	table ip nat {
		chain post { type nat hook postrouting priority srcnat; oifname "gw" ip saddr 192.0.2.2 masquerade; }
	}
NFT
for protocol in tcp udp; do
	remote+="${remote:+, }\"dynamic[$protocol/7000]\""
	local+="${local:+, }\"dynamic[$protocol]\""
done
transport_confs "mode = transport remote_ts = { $remote } local_ts = { $local }" \
	"mode = transport local_ts = { $remote }" 'multipath = no'
for h in user gw; do transport_backend $h kernel; done
kernel_agents
braid user up home >"$T/up" 2>&1 || fail "up: $(cat "$T/up")"
braid user --json sas | jq -e '.ike_sas[0].nat_local' >/dev/null || fail "the NAT was not found"
for n in 1 100 1300; do
	echo_udp user $R0 7000 $n || fail "a datagram of $n octets does not come back: $(braid gw sas; xfrm_of gw)"
done
echo_tcp user $R0 7000 300000 || fail "TCP does not get through"
braid gw rekey rw/host >"$T/rekey" 2>&1 || fail "rekey by the gateway: $(cat "$T/rekey")"
echo_tcp user $R0 7000 50000 || fail "after a rekey by the gateway"
no_clear "UDP and TCP through a NAT, with a rekey"

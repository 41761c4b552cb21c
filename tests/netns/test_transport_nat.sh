#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# Transport mode behind a NAT: each end has the other by the address that it sees, and checksums are
# right although they were made with other addresses. Of one service only: the rest of what the hosts
# say to each other goes its own way. [TS-10] [NAT-11]
. "$(dirname "$0")/../lib/netns.sh"
. "$(dirname "$0")/../lib/transport.sh"
for tool in nft tcpdump; do command -v $tool >/dev/null || skip "needs $tool"; done

topo_multihomed
in_ns r1 nft -f - <<-NFT || skip "nftables NAT is not available"
	table ip nat {
		chain post { type nat hook postrouting priority srcnat; oifname "gw" ip saddr 192.0.2.2 masquerade; }
	}
NFT
for protocol in tcp udp; do
	remote+="${remote:+, }\"dynamic[$protocol/7000]\""
	local+="${local:+, }\"dynamic[$protocol]\""
done
transport_confs "mode = transport remote_ts = { $remote } local_ts = { $local }" \
	"mode = transport local_ts = { $remote }"
echo_serve gw 192.0.2.66 7000
braidd_start gw "$T/gw/braid.conf"
braidd_start user "$T/user/braid.conf"
braid user up home >"$T/up" 2>&1 || fail "up: $(cat "$T/up")"
braid user --json sas | jq -e '.ike_sas[0].nat_local' >/dev/null || fail "the NAT was not found"
ts() { braid "$1" --json sas | jq -r '.ike_sas[0].children[0] | "\(.local_ts[0]) \(.remote_ts[0])"'; }
[[ $(ts user) == "192.0.2.2/32"*" 192.0.2.66/32"* ]] || fail "the user's selectors: $(ts user)"
[[ $(ts gw) == "192.0.2.66/32"*" 192.0.2.65/32"* ]] || fail "the gateway's selectors: $(ts gw)"
echo "ok - each end has the addresses that it sees"

capture clear 'ip and (tcp port 7000 or udp port 7000)'
for n in 1 100 1300; do
	echo_udp user 192.0.2.66 7000 $n || fail "a datagram of $n octets does not come back"
done
a=$(carried gw rx)
echo_tcp user 192.0.2.66 7000 5000000 || fail "TCP does not get through"
[ "$(carried gw rx)" -gt "$a" ] || fail "the SA did not carry it"
no_clear "UDP and TCP through a NAT"
in_ns user ping -c 1 -W 1 -q 192.0.2.66 >/dev/null || fail "what no selector names does not go its own way"
[ "$(braid gw --json sas | jq '[.ike_sas[].children[].drop_malformed] | add')" = 0 ] || fail "$(braid gw sas)"
braid gw rekey rw/host >/dev/null || fail "rekey by the gateway"
echo_tcp user 192.0.2.66 7000 300000 || fail "after a rekey by the gateway"
braid user rekey home/host >/dev/null || fail "rekey"
echo_tcp user 192.0.2.66 7000 300000 || fail "after a rekey"
[[ $(ts gw) == "192.0.2.66/32"*" 192.0.2.65/32"* ]] || fail "the gateway's selectors, rekeyed: $(ts gw)"
no_clear "rekeyed from both ends"

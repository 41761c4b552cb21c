#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# A gateway behind a static NAT: each of its two addresses has one outside, and what it tells of its own
# is of no use there. When it loses the address in use the user goes to the other one if he knows that:
# from his configuration, or because the gateway itself can tell him from there. Else he goes nowhere,
# notices that nobody answers, and comes back when the address does. [DES-5.2.4-1]
. "$(dirname "$0")/../lib/netns.sh"
. "$(dirname "$0")/../lib/agent.sh"
. "$(dirname "$0")/../lib/clones.sh"
. "$(dirname "$0")/../lib/mmx.sh"
for tool in nft tcpdump; do command -v $tool >/dev/null || skip "needs $tool"; done

ok() { echo "ok - $*"; }
clones_topo
P0=203.0.113.193 P1=203.0.113.194
ip -n "$(ns r1)" route add $P1/32 via 198.51.100.130
static_nat() { # ROUTER INSIDE OUTSIDE
	in_ns "$1" nft -f - <<-NFT || skip "nftables NAT is not available"
		table ip static {
			chain private {
				type filter hook prerouting priority -300;
				iifname != "gw" ip daddr { 192.0.2.64/26, 198.51.100.64/26 } drop
			}
			chain in {
				type nat hook prerouting priority dstnat;
				ip daddr $3 dnat to $2
			}
			chain out {
				type nat hook postrouting priority srcnat;
				oifname != "gw" ip saddr $2 snat to $3
			}
		}
	NFT
}
static_nat r1 $R0 $P0
static_nat r2 $R1 $P1
# One path at a time, one uplink of the user's; IKE is asked often.
confs() { # REMOTE-ADDRS
	agent_confs 100ms
	sed -i -e 's/multipath = true/multipath = false/' "$T/gw/braid.conf"
	sed -i -e "s/remote_addrs = .*/remote_addrs = { $1 }/" -e '/path "/d' -e '/uplink "ran"/d' \
		-e 's/multipath = true/multipath = false dpd_delay = 500ms retransmit_timeout = 200ms retransmit_base = 1.3 retransmit_tries = 6/' \
		"$T/user/braid.conf"
}
remote() { braid user --json sas | jq -r '[.ike_sas[] | select(.state == "ESTABLISHED").remote] | join(" ")'; }
remote_is() { [ "$(remote)" = "$1:4500" ]; }
gw_link() { # up|down: the way to its first address
	ip -n "$(ns gw)" link set eth0 "$1"
	[ "$1" = down ] || ip -n "$(ns gw)" route replace default via 192.0.2.65 dev eth0 metric 100
}

# Nothing begins inside of the second NAT: it lets in, and out what belongs to that.
in_only() {
	in_ns r2 nft 'table ip only { chain in { type filter hook forward priority 0; iifname "gw" ct state new drop; }; }'
}
lost() { # it loses its first address while packets go
	(exec ip netns exec "$(ns user)" ping -i 0.1 -q 203.0.113.10 >/dev/null) &
	ping=$!
	gw_link down
}
follows() { # WHY
	local before
	reach >/dev/null || fail "the LAN is not reached: $(braid user sas)"
	remote_is $P0 || fail "not by the first address: $(braid user sas)"
	braid user --json sas | jq -e '.ike_sas[0].nat_remote' >/dev/null || fail "the NAT was not found: $(braid user sas)"
	before=$(spis user)
	lost
	wait_for 20 remote_is $P1 || fail "$1: the user is at $(remote): $(braid user paths)"
	wait_for 10 reach >/dev/null || fail "the LAN is not reached over the other address: $(braid user sas)"
	[ "$(spis user)" = "$before" ] || fail "with another SA: $(braid user sas)"
	kill $ping
	ok "$1"
	clones_down
	gw_link up
}

in_only
confs "\"$P0\""
clones_up
reach >/dev/null || fail "the LAN is not reached: $(braid user sas)"
(exec ip netns exec "$(ns user)" tcpdump --immediate-mode -lni wlan0 "host $P1" >"$T/other" 2>"$T/other.err") &
tcpdump=$!
wait_for 5 grep -q 'listening on' "$T/other.err" || fail "tcpdump does not start"
lost
wait_for 30 grep -q "no answer from $P0:4500 to .* after" "$T/user/log" || fail "the user does not notice: $(braid user sas)"
wait_for 30 eval '[ -z "$(remote)" ]' || fail "the user goes on at $(remote): $(braid user sas)"
reach >/dev/null && fail "the LAN is reached"
[ ! -s "$T/other" ] || fail "something goes to an address that the user does not know: $(head -n 3 "$T/other")"
ok "to one that he does not know it cannot, and that is noticed"

gw_link up
back() { reach || { braid user up home && reach; }; } >/dev/null
wait_for 30 back || fail "the user does not come back: $(braid user status)"
ok "and is over when its address is back"
kill $ping $tcpdump
clones_down

confs "\"$P0\", \"$P1\""
clones_up
follows "to one that the user knows from his configuration, too"

in_ns r2 nft delete table ip only
confs "\"$P0\""
clones_up
follows "to an address from which the gateway tells of itself it moves"

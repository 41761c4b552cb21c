#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# One Child SA over two interfaces, of which one is behind a NAT: ESP goes in UDP there, and without
# UDP on the other one, both ways, packet by packet; each takes over from the other as it is.
. "$(dirname "$0")/../lib/netns.sh"
. "$(dirname "$0")/../lib/agent.sh"
. "$(dirname "$0")/../lib/clones.sh"
. "$(dirname "$0")/../lib/mmx.sh"

ok() { echo "ok - $*"; }
clones_topo
mmx_confs 'multipath = no mmx = yes encap = no keep_alive = 1s' 'multipath = no mmx = yes encap = no'
for i in 1 2 3 4 5 6; do ip -n "$(ns lan)" addr add 203.0.113.1$i/26 dev eth0 2>/dev/null; done
in_ns r2 nft -f - <<-NFT
	table ip nat {
		chain post { type nat hook postrouting priority 100;
			ip saddr 198.51.100.2 masquerade random; }
	}
NFT
# What of ESP goes over each uplink: without UDP, in UDP. IKE has four zero octets in front.
for r in r1 r2; do
	in_ns $r nft -f - <<-NFT
		table ip seen {
			counter bare { }
			counter wrapped { }
			chain pre { type filter hook prerouting priority -300;
				iifname "user" ip protocol esp counter name bare
				iifname "user" udp dport 4500 udp length > 20 @th,64,32 != 0x0 counter name wrapped
			}
			chain post { type filter hook postrouting priority 300;
				oifname "user" ip protocol esp counter name bare
				oifname "user" udp sport 4500 udp length > 20 @th,64,32 != 0x0 counter name wrapped
			}
		}
	NFT
done
seen() { in_ns "$1" nft -j list counter ip seen "$2" | jq '[.nftables[].counter.packets // empty] | add'; }
mmx() { braid user --json mmx "$@" >"$T/out" 2>&1 || fail "mmx $*: $(cat "$T/out")"; }
mmx_up
before=$(spis user)
in_ns user ping -c 20 -i 0.01 -W 1 -q 203.0.113.12 >"$T/ping" || fail "pings: $(cat "$T/ping")"
[ "$(seen r1 bare)" -ge 40 ] || fail "ESP is in UDP"
[ "$(seen r1 wrapped)" = 0 ] || fail "without a NAT: $(seen r1 bare) plain, $(seen r1 wrapped) in UDP"

mmx probe home $I1 $R0 --keep
jq -e '.nat == true' "$T/out" >/dev/null || fail "no NAT is seen: $(cat "$T/out")"
load 3
mmx add home $I1 --observed
bound_both() { [ "$(relation user '[.bindings[].paths[] | select((.boot or .alternate) | not) | .verified] | tostring')" = '[true,true]' ]; }
wait_for 10 bound_both || fail "the binding: $(braid user mmx list)"
load_end 0 "no packet is lost when an interface behind a NAT is added"
both() {
	local p1 u1 p2 u2
	p1=$(seen r1 bare) u1=$(seen r1 wrapped) p2=$(seen r2 bare) u2=$(seen r2 wrapped)
	many_flows
	p1=$(($(seen r1 bare) - p1)) u1=$(($(seen r1 wrapped) - u1)) p2=$(($(seen r2 bare) - p2)) u2=$(($(seen r2 wrapped) - u2))
	echo "wlan: $p1 plain, $u1 in UDP; ran: $p2 plain, $u2 in UDP" >"$T/both"
	[ $p1 -ge 50 ] && [ $u1 = 0 ] && [ $p2 = 0 ] && [ $u2 -ge 50 ]
}
wait_for 10 both || fail "$(cat "$T/both"): $(braid user paths) $(braid gw mmx list)"
ok "each path as it is: $(cat "$T/both")"

# The one with the NAT carries all of it, then the other one.
only() { # IN-UDP-OVER-RAN PLAIN-OVER-WLAN
	local p1 u2 n
	p1=$(seen r1 bare) u2=$(seen r2 wrapped)
	in_ns user ping -c 100 -i 0.005 -W 1 -q 203.0.113.12 | grep -q ' 0% packet loss' || return 1
	p1=$(($(seen r1 bare) - p1)) u2=$(($(seen r2 wrapped) - u2))
	[ "$1" = 1 ] && n=$u2 || n=$p1
	[ $n -ge 200 ]
}
mmx remove home $I0
wait_for 10 only 1 || fail "ran alone: $(braid user paths)"
mmx add home $I0
wait_for 10 both || fail "both again: $(cat "$T/both")"
mmx remove home $I1
wait_for 10 only 0 || fail "wlan alone: $(braid user paths)"
[ "$(spis user)" = "$before" ] || fail "Child SAs have been replaced: $(braid user sas)"
ok "each alone"

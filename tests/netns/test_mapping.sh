#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# A NAT forgets its mappings, between peers that speak MOBIKE: the gateway learns it from the ESP that
# comes from elsewhere, checks the address and follows (MOB-23); where the peer only receives, its
# liveness checks show it the new mapping, and it sends an update (MOB-35).
. "$(dirname "$0")/../lib/netns.sh"
command -v nft >/dev/null || skip "needs nft"

topo_multihomed
in_ns r1 nft -f - <<-NFT || skip "nftables NAT is not available"
	table ip nat {
		chain post {
			type nat hook postrouting priority srcnat;
			oifname "gw" ip saddr 192.0.2.2 masquerade random
		}
		chain old { type filter hook forward priority 0; }
	}
NFT
# Forgotten, and another program has the old port: nothing gets through there any more.
flush() {
	in_ns r1 nft add rule ip nat old ip protocol udp ip daddr "${before%:*}" udp dport "${before#*:}" drop &&
		in_ns r1 nft add rule ip nat old ip protocol udp ct reply proto-dst "${before#*:}" drop &&
		in_ns r1 /usr/bin/python3 "$top/tests/lib/conntrack_flush.py"
}

conf() { # host, the connection's own lines
	cat >"$T/$1/braid.conf" <<-CONF
		$2
			multipath = false
			dpd_delay = 1s
			local { id = "$3" }
			remote { id = "$4" }
			child "net" { $5 = { "203.0.113.0/26" } }
		}
		secret "s" { id = { "user@example.org", "gw.example.org" } secret = "a long secret of ours" }
	CONF
}
conf user 'uplink "wlan" { interface = wlan0 } connection "home" { remote_addrs = { "192.0.2.66" } vips = { "0.0.0.0" }' \
	user@example.org gw.example.org remote_ts
conf gw 'uplink "a" { interface = eth0 } pool "p" { addrs = "203.0.113.128/26" } connection "rw" { pools = { "p" }' \
	gw.example.org user@example.org local_ts

ike_at() { braid gw --json sas | jq -r '.ike_sas[0].remote'; }
path_at() { braid gw --json paths | jq -r '.paths[0].remote'; }
moved() { [ "$(ike_at)" != "$before" ] && [ "$(ike_at)" = "$(path_at)" ]; }
reach() { in_ns user ping -c 1 -W 1 -q -I "$vip" 203.0.113.10; }
hosts_up() {
	braidd_start gw "$T/gw/braid.conf"
	braidd_start user "$T/user/braid.conf"
	braid user up home >"$T/up" 2>&1 || fail "up: $(cat "$T/up")"
	vip=$(braid user --json sas | jq -r '.ike_sas[0].vips[0]')
	braid user --json sas | jq -e '.ike_sas[0].nat_local' >/dev/null || fail "the NAT is not seen"
}

hosts_up
for round in 1 2; do
	before=$(ike_at)
	in_ns user ping -i 0.05 -c 60 -q -I "$vip" 203.0.113.10 >"$T/ping" &
	ping=$!
	flush >"$T/flush" || skip "connections cannot be forgotten here: $(cat "$T/flush")"
	wait_for 5 moved || fail "round $round: the gateway stays at $before (path $(path_at))"
	wait $ping
	wait_for 3 reach || fail "round $round: nothing passes: $(cat "$T/ping")"
done
grep -q 'our NAT has another mapping' "$T/user/log" || echo "# ESP was always quicker"
echo "ok - the gateway follows ESP from a new mapping"

# Nothing but what the gateway sends, and IKE: which must not move it by itself, but by the update.
in_ns user nft add table inet q
in_ns user nft 'add chain inet q out { type filter hook output priority 0; }'
in_ns user nft 'add rule inet q out icmp type echo-reply drop'
before=$(ike_at)
in_ns lan ping -i 0.1 -c 100 -q "$vip" >/dev/null &
ping=$!
flush || fail "flush"
wait_for 8 moved || fail "a peer that is silent: the gateway stays at $before (path $(path_at))"
kill $ping
in_ns user nft delete table inet q
wait_for 3 reach || fail "nothing passes after the update"
echo "ok - liveness checks show the peer its new mapping"

# The port that a NAT gave to one address is not that of another, which the gateway tries when nobody answers there.
in_ns user nft -f - <<-NFT
	table inet seen {
		counter right { }
		counter wrong { }
		chain in {
			type filter hook input priority 0;
			ip6 daddr 2001:db8:1::2 udp sport 4500 udp dport 4500 counter name right
			ip6 daddr 2001:db8:1::2 udp sport 4500 udp dport != 4500 counter name wrong
		}
	}
NFT
seen() { in_ns user nft -j list counter inet seen "$1" | jq '.nftables[] | .counter // empty | .packets'; }
tried() { [ "$(seen right)" -gt 0 ] || [ "$(seen wrong)" -gt 0 ]; }
kill -STOP "$(agent_pid user)"
wait_for 20 tried || fail "the gateway does not try the other address"
kill -CONT "$(agent_pid user)"
[ "$(seen wrong)" = 0 ] || fail "the gateway tries another address with the port that the NAT has for this one"
wait_for 10 reach || fail "nothing passes after a silence"
grep -q 'IKE SA down' "$T"/*/log && fail "it was set up anew"
echo "ok - other addresses are tried on port 4500"

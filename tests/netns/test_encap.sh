#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# Plain ESP that moves behind a NAT goes in UDP from then on, both ways and for all Child SAs, and
# without it again once there is no NAT (MOB-14, MOB-24, MOB-25, RFC 4555 3.5), also when one end has a
# new agent since. No packet of the stream is lost but for those of the link that failed.
. "$(dirname "$0")/../lib/netns.sh"
for tool in nft tcpdump tshark; do command -v $tool >/dev/null || skip "needs $tool"; done

topo_multihomed
wire r1 r2 198.51.100.129/30 r2 r1 198.51.100.130/30
ip -n "$(ns r1)" route add 198.51.100.0/26 via 198.51.100.130
ip -n "$(ns r2)" route add 192.0.2.64/26 via 198.51.100.129
ip -n "$(ns gw)" route add default via 192.0.2.65
in_ns r2 nft -f - <<-NFT || skip "nftables NAT is not available"
	table ip nat {
		chain post {
			type nat hook postrouting priority srcnat;
			iifname "user" masquerade random
		}
	}
NFT

children=${CHILDREN:-5}
kids() { # which side of the selectors
	for i in $(seq 2 "$children"); do echo "child \"c$i\" { $1 = { \"203.0.113.7$i/32\" } }"; done
}
for i in $(seq 2 "$children"); do
	ip -n "$(ns lan)" addr add "203.0.113.7$i/32" dev eth0
	ip -n "$(ns gw)" route add "203.0.113.7$i/32" dev lan0
done
cat >"$T/user/braid.conf" <<-CONF
	uplink "wlan" { interface = wlan0 preference = 0 fail_back = 500ms }
	uplink "ran" { interface = ran0 preference = 1 }
	connection "home" {
		remote_addrs = { "192.0.2.66" }
		multipath = false
		encap = no
		retransmit_timeout = 1s
		vips = { "0.0.0.0" }
		local { id = "user@example.org" }
		remote { id = "gw.example.org" }
		child "net" { remote_ts = { "203.0.113.0/26" } }
		$(kids remote_ts)
	}
	secret "s" { id = { "user@example.org", "gw.example.org" } secret = "a long secret of ours" }
CONF
cat >"$T/gw/braid.conf" <<-CONF
	uplink "a" { interface = eth0 }
	pool "p" { addrs = "203.0.113.128/26" }
	connection "rw" {
		multipath = false
		encap = no
		pools = { "p" }
		local { id = "gw.example.org" }
		remote { id = "user@example.org" }
		child "net" { local_ts = { "203.0.113.0/26" } }
		$(kids local_ts)
	}
	secret "s" { id = { "user@example.org", "gw.example.org" } secret = "a long secret of ours" }
CONF

ok() { echo "ok - $*"; }
local_is() { braid user --json sas | jq -e --arg a "$1" '.ike_sas[0].local | startswith($a + ":")'; }
remote_is() { braid gw --json sas | jq -e --arg a "$1" '.ike_sas[0].remote | startswith($a + ":")'; }
encap_is() { # HOST BOOL: of every Child SA
	braid "$1" --json sas | jq -e --argjson e "$2" --argjson n "$children" \
		'[.ike_sas[].children[] | select(.encap == $e)] | length == $n'
}
arrived() { # local address, where the gateway sees it, in UDP
	local_is "$1" && remote_is "$2" && encap_is user "$3" && encap_is gw "$3"
}
arrives() { wait_for 15 arrived "$@" || fail "not from $1, seen at $2, in UDP: $3: $(braid user sas; braid gw sas)"; }

capture() { # what it is called: on the wire towards the gateway
	rm -f "$T/cap.log"
	ip netns exec "$(ns gw)" tcpdump --immediate-mode -i eth0 -n -s 128 -U -w "$T/$1.pcap" 'host 192.0.2.66' 2>"$T/cap.log" &
	tcpdump=$!
	wait_for 5 grep -q 'listening on' "$T/cap.log" || fail "tcpdump does not start"
}
captured() { # file, filter, direction: how many
	tshark -r "$T/$1.pcap" -Y "$2 && ip.$3 == 192.0.2.66" 2>/dev/null | wc -l
}
enough() { [ "$(captured "$@")" -ge $((3 * children)) ]; }
# Every Child SA carries packets both ways, in that form alone.
form() { # what, form wanted, the other
	local d
	capture "$1"
	for i in 10 $(seq -f '7%g' 2 "$children"); do
		in_ns user ping -c 3 -i 0.05 -W 1 -q -I "$vip" "203.0.113.$i" >"$T/ping" || fail "$1: 203.0.113.$i is not reached"
	done
	for d in src dst; do
		wait_for 5 enough "$1" "$2" $d || fail "$1: no $2 with ip.$d of the gateway"
	done
	kill $tcpdump && wait $tcpdump
	for d in src dst; do
		[ "$(captured "$1" "$3" $d)" = 0 ] || fail "$1: $3 with ip.$d of the gateway"
	done
	ok "$1: $2, both ways, $children Child SAs"
}
plain='esp && !udp' udp='udpencap && esp'

stream() { in_ns "$1" ping -i 0.02 -c "$4" -q -I "$2" "$3" >"$T/stream-$1" & }
lost() { sed -n 's/\([0-9]*\) packets transmitted, \([0-9]*\) received.*/\1 \2/p' "$T/stream-$1" | awk '{ print $1 - $2 }'; }

braidd_start gw "$T/gw/braid.conf"
braidd_start user "$T/user/braid.conf"
braid user up home >"$T/up" 2>&1 || fail "up: $(cat "$T/up")"
for i in $(seq 2 "$children"); do braid user up "home/c$i" >"$T/up" 2>&1 || fail "up: $(cat "$T/up")"; done
vip=$(braid user --json sas | jq -r '.ike_sas[0].vips[0]')
arrives 192.0.2.2 192.0.2.2 false
form "no NAT" "$plain" "$udp"

ip -n "$(ns user)" link set wlan0 down
arrives 198.51.100.2 198.51.100.130 true
form "behind a NAT" "$udp" "$plain"

# What is made there is in UDP as well, and what is there stays so with a new agent.
braid user rekey home/net >"$T/rekey" 2>&1 || fail "rekey: $(cat "$T/rekey")"
kill -9 "$(agent_pid gw)"
braidd_start gw "$T/gw/braid.conf"
form "rekeyed, and a new agent" "$udp" "$plain"

# Back, with both links up: nothing is lost.
stream user "$vip" 203.0.113.10 150
up=$!
stream lan 203.0.113.10 "$vip" 150
down=$!
ip -n "$(ns user)" link set wlan0 up
ip -n "$(ns user)" route replace default via 192.0.2.1 dev wlan0 metric 100
arrives 192.0.2.2 192.0.2.2 false
wait $up $down
[ "$(lost user) $(lost lan)" = "0 0" ] || fail "back: lost $(lost user) and $(lost lan) of 150"
form "away from the NAT again" "$plain" "$udp"
grep -q 'IKE SA down' "$T"/*/log && fail "it was set up anew"
ok "the way back loses nothing"

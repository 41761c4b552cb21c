#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# DF of the outer IPv4 header (RFC 4301 8.1): set, copied, clear, as the router r1 sees it, in UDP and as
# protocol 50; and a router that fragments what it may.
. "$(dirname "$0")/../lib/netns.sh"
. "$(dirname "$0")/../lib/agent.sh"
command -v nft >/dev/null || skip "needs nft"

ok() { echo "ok - $*"; }

topo_multihomed
agent_confs
declare -A address=([set]=203.0.113.10 [copy]=203.0.113.11 [clear]=203.0.113.12)
ip -n "$(ns lan)" addr add 203.0.113.11/26 dev eth0
ip -n "$(ns lan)" addr add 203.0.113.12/26 dev eth0
{
	echo 'uplink "wlan" { interface = wlan0 }'
	for how in udp esp; do
		echo "connection \"$how\" { remote_addrs = { \"192.0.2.66\" } vips = { \"0.0.0.0\" }"
		[ $how = udp ] || echo 'encap = false'
		echo 'local { id = "user@example.org" } remote { id = "gw.example.org" }'
		for df in set copy clear; do
			echo "child \"$df\" { remote_ts = { \"${address[$df]}/32\" }"
			[ $df = set ] || echo "df = $df"
			echo '}'
		done
		echo '}'
	done
	echo 'secret "s" { id = { "user@example.org", "gw.example.org" } secret = "a long secret of ours" }'
} >"$T/user/braid.conf"
braidd_start gw "$T/gw/braid.conf"
braidd_start user "$T/user/braid.conf"

# Four of 1100 octets, with DF or without: what r1 has forwarded, long packets only.
pings() { # address, -M argument
	in_ns r1 nft -f - <<-NFT || return 1
		table ip df
		delete table ip df
		table ip df {
			chain see { type filter hook forward priority 0;
				iifname user meta l4proto { udp, esp } meta length > 1100 jump long; }
			chain long {
				ip frag-off & 0x4000 == 0 counter comment "clear"
				ip frag-off & 0x4000 == 0x4000 counter comment "set"; }
		}
	NFT
	in_ns user ping -c 4 -i 0.02 -W 2 -q -M "$2" -s 1100 "$1" >"$T/ping" || return 1
	seen_clear=$(in_ns r1 nft list chain ip df long | sed -n 's/.*packets \([0-9]*\).*"clear".*/\1/p')
	seen_set=$(in_ns r1 nft list chain ip df long | sed -n 's/.*packets \([0-9]*\).*"set".*/\1/p')
}
expect() { # child, -M argument, set, clear
	pings "${address[$1]}" "$2" || fail "$how, df = $1: $(cat "$T/ping")"
	[ "$seen_set $seen_clear" = "$3 $4" ] ||
		fail "$how, df = $1, ping -M $2: $seen_set packets with DF, $seen_clear without"
}
for how in udp esp; do
	for df in set copy clear; do
		braid user up $how/$df >"$T/up" || fail "up: $(cat "$T/up")"
	done
	braid user --json sas | jq -e "[.ike_sas[].children[].encap] | all(. == $([ $how = udp ] && echo true || echo false))" >/dev/null ||
		fail "encapsulation: $(braid user sas)"
	expect set 'do' 4 0
	expect set dont 4 0
	ok "$how: DF is set"
	expect copy 'do' 4 0
	expect copy dont 0 4
	ok "$how: DF is copied"
	expect clear 'do' 0 4
	expect clear dont 0 4
	ok "$how: DF is clear"
	[ $how = esp ] || braid user down $how >"$T/down" || fail "down: $(cat "$T/down")"
done

# Nobody says that the link behind r1 is narrow.
in_ns r1 nft -f - <<-NFT
	table inet quiet {
		chain out { type filter hook output priority 0; icmp type destination-unreachable drop; }
	}
NFT
fragmented() { in_ns r1 cat /proc/net/snmp | awk '/^Ip:/ { n = $18 } END { print n }'; } # FragOKs
before=$(fragmented)
ip -n "$(ns r1)" link set gw mtu 1280
ip -n "$(ns gw)" link set eth0 mtu 1280
in_ns user ping -c 4 -i 0.02 -W 2 -q -M 'do' -s 1300 "${address[clear]}" >"$T/ping" ||
	fail "large packets over the narrow link: $(cat "$T/ping")"
[ $(($(fragmented) - before)) -ge 4 ] || fail "the router has fragmented $(($(fragmented) - before)) packets"
ok "a router fragments what has no DF, and the peer puts it together"

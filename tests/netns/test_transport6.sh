#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# Transport mode with IPv6, and with ESP that is in UDP or is not: neighbour discovery passes, what has
# extension headers does not, and nothing else is in clear text. [ESP-15]
. "$(dirname "$0")/../lib/netns.sh"
. "$(dirname "$0")/../lib/transport.sh"
command -v tcpdump >/dev/null || skip "needs tcpdump"

# neighbours, so that discovery is between the two
host user gw
wire user wlan0 192.0.2.2/26 gw eth0 192.0.2.66/25 2001:db8:1::2/64 2001:db8:1::66/64
ip -n "$(ns user)" addr change 192.0.2.2/25 dev wlan0
uplinks="user:wlan0 gw:eth0"
try() { # what, address of the user, of the gateway, settings
	transport_confs 'mode = transport start_action = start' 'mode = transport' "multipath = false $4"
	sed -i -e '/ran0/d' -e "s/\"192.0.2.66\"/\"$3\"/" "$T/user/braid.conf"
	sed -i '/eth1/d' "$T/gw/braid.conf"
	braidd_start gw "$T/gw/braid.conf"
	braidd_start user "$T/user/braid.conf"
	is_up() { braid user --json sas | jq -e --arg t "$2" '.ike_sas[0].children[0] | .mode == "transport" and (.local_ts[0] | startswith($t))'; }
	wait_for 20 is_up "$1" "$2" || fail "$1: not up: $(braid user sas)"
	forget_clear
	ip -n "$(ns user)" neigh flush dev wlan0
	ip -n "$(ns gw)" neigh flush dev eth0
	in_ns user ping -c 2 -i 0.2 -W 2 -q "$3" >"$T/ping" || fail "$1: no answer: $(cat "$T/ping")"
	for n in 1 100 1300; do
		echo_udp user "$3" 7000 $n || fail "$1: a datagram of $n octets does not come back"
	done
	echo_tcp user "$3" 7000 10000000 || fail "$1: TCP does not get through"
	echo_tcp gw "$2" 7001 3000000 || fail "$1: TCP from the gateway does not get through"
	a=$(engine_drop user drop_transport)
	in_ns user ping -s 3000 -M 'dont' -c 1 -W 0.3 -q "$3" >/dev/null && fail "$1: fragments are answered"
	[ "$(engine_drop user drop_transport)" -gt "$a" ] || fail "$1: fragments are not counted"
	[ "$(braid gw --json sas | jq '[.ike_sas[].children[] | .drop_malformed + .drop_ts + .drop_integrity] | add')" = 0 ] ||
		fail "$1: $(braid gw sas)"
	no_clear "$1"
	for h in user gw; do kill "$(agent_pid $h)"; done
	for h in user gw; do wait_for 10 no_daemons $h || fail "$1: braidd on $h does not end"; done
	in_ns user tc filter del dev wlan0 egress pref 16979
	in_ns user tc filter del dev wlan0 ingress pref 16979
	echo_udp user "$3" 7000 10 || fail "$1: the shield cannot be removed"
	wait_for 5 grep -q . "$T/clear-eth0" || fail "$1: the captures do not see clear text"
}
capture clear '(host 2001:db8:1::66 or host 192.0.2.66) and not arp and not ip proto 50 and not ip6 proto 50
	and not udp port 500 and not udp port 4500 and not (icmp6 and ip6[40] >= 133 and ip6[40] <= 137)'
echo_serve gw 2001:db8:1::66 7000
echo_serve user 2001:db8:1::2 7001
try "IPv6, in UDP" 2001:db8:1::2 2001:db8:1::66 'encap = yes'
try "IPv6, plain ESP" 2001:db8:1::2 2001:db8:1::66 'encap = no'
echo_serve gw 192.0.2.66 7000
echo_serve user 192.0.2.2 7001
try "IPv4, plain ESP" 192.0.2.2 192.0.2.66 'encap = no'

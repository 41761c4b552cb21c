#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# An uplink of the user is lost where ESP is the kernel's: its link, its address, its way through the network; 20 ms of
# delay on every path. A TCP connection and datagrams in both directions go on by the other uplink or address,
# and the states of the kernel stay as they were. Nobody asks for minutes whether the peer lives, unless packets
# go out and nothing comes in. WireGuard beside it, where there is one, on the same paths.
. "$(dirname "$0")/../lib/netns.sh"
. "$(dirname "$0")/../lib/agent.sh"
. "$(dirname "$0")/../lib/handover.sh"
. "$(dirname "$0")/../lib/kernel.sh"
kernel_esp_or_skip
ok() { echo "ok - $*"; }

handover_topo
# as default routes would: either uplink of the gateway leads to either of the user
ip -n "$(ns gw)" route add 198.51.100.0/26 via 192.0.2.65 metric 200
ip -n "$(ns gw)" route add 192.0.2.0/26 via 198.51.100.65 metric 200
n=$(ns user)
ip -n "$n" -6 addr flush scope global
in_ns user sysctl -qw net.ipv4.conf.all.promote_secondaries=1 # the second address outlives the first
ip -n "$(ns gw)" -6 addr flush scope global
for r in r1 r2; do
	in_ns $r tc qdisc add dev gw root netem delay 10ms && in_ns $r tc qdisc add dev user root netem delay 10ms ||
		echo "# no delay: no netem here"
done 2>/dev/null
agent_confs
for h in user gw; do
	sed -i -e '/path "/d' -e '1i dataplane { backend = kernel }' \
		-e 's/multipath = true/multipath = no dpd_delay = 600s/' "$T/$h/braid.conf"
done
sed -i -e 's/preference = 0/& fail_back = 500ms/' "$T/user/braid.conf"
for h in gw user; do braidd_start $h "$T/$h/braid.conf"; done
braid user up home >"$T/up" 2>&1 || fail "up: $(cat "$T/up")"
vip=$(braid user --json sas | jq -r '.ike_sas[0].vips[0]')
listens() { in_ns "$1" ss -ltnH | grep -q :7007; }
in_ns lan /usr/bin/python3 "$top/tests/lib/traffic.py" echo 203.0.113.10 7007 &
wait_for 20 listens lan || fail "no echo"

at() { braid user --json paths | jq -e --arg a "$1:" 'any(.paths[]; .state == "up" and (.local | startswith($a)))'; }
reach() { in_ns user ping -c 1 -W 2 -q -I "$vip" 203.0.113.10; }
states() { ip -n "$n" xfrm state list | grep -A1 '^src' | sort; }
states=$(states)
rx() { braid user --json sas | jq '[.ike_sas[].children[].rx_packets] | add'; }
traffic_runs() { [ "$(rx)" -gt $((seen + 20)) ]; }
traffic_begin() { # HOST SOURCE
	ip netns exec "$(ns "$1")" /usr/bin/python3 "$top/tests/lib/traffic.py" run 203.0.113.10 7007 "$2" >"$T/traffic" 2>"$T/traffic.err" &
	traffic=$!
}
traffic_end() { # what
	kill $traffic
	wait $traffic || fail "$1: $(cat "$T/traffic.err")"
	jq -e '.[] | .tcp and .sent > 60' "$T/traffic" >/dev/null || fail "$1: $(cat "$T/traffic")"
	ok "$1: $(jq -r '.[] | "TCP goes on, \(.lost) of \(.sent) datagrams lost, silent for \(.gap_msec) ms"' "$T/traffic")"
}

# moved WHAT ADDRESS COMMAND...: it is at that address in the end
moved() {
	local what=$1 to=$2
	shift 2
	seen=$(rx)
	traffic_begin user "$vip"
	wait_for 20 traffic_runs || fail "$what: no traffic: $(cat "$T/traffic.err")"
	"$@"
	wait_for 60 at "$to" || fail "$what: it is not at $to: $(braid user paths; tail -n 20 "$T/user/log")"
	wait_for 30 reach || fail "$what: nothing passes: $(braid user sas; braid gw sas)"
	traffic_end "$what"
	[ "$(states)" = "$states" ] || fail "$what: states have been touched: $(states)"
}

route() { ip -n "$n" route replace default via 192.0.2.1 dev wlan0 metric 100; }
link() {
	ip -n "$n" link set wlan0 "$1"
	[ "$1" = down ] || route
}
another_address() {
	ip -n "$n" addr add "$2/26" dev wlan0
	ip -n "$n" addr del "$1/26" dev wlan0
	route
}
moved "the link goes" 198.51.100.2 link down
moved "the link comes back" 192.0.2.2 link up
moved "another address" 192.0.2.3 another_address 192.0.2.2 192.0.2.3
moved "the first address again" 192.0.2.2 another_address 192.0.2.3 192.0.2.2
moved "its way goes silent" 198.51.100.2 cut_path r1
mend_path r1
for h in user gw; do
	kill "$(agent_pid $h)"
	wait_for 20 no_pids $h || fail "$h does not end"
	[ -z "$(left_of $h)" ] || fail "$h: left after an orderly stop: $(left_of $h)"
done

# ---- WireGuard ----

command -v wg >/dev/null && ip -n "$n" link add wg0 type wireguard 2>/dev/null || {
	echo "# no WireGuard here"
	exit 0
}
ip -n "$(ns gw)" link add wg0 type wireguard
for h in user gw; do
	(umask 077 && wg genkey >"$T/$h/key")
	wg pubkey <"$T/$h/key" >"$T/$h/pub"
done
in_ns user wg set wg0 private-key "$T/user/key" peer "$(cat "$T/gw/pub")" endpoint 192.0.2.66:51820 allowed-ips 203.0.113.0/26
in_ns gw wg set wg0 listen-port 51820 private-key "$T/gw/key" peer "$(cat "$T/user/pub")" allowed-ips 203.0.113.129/32
ip -n "$n" addr add 203.0.113.129/32 dev wg0
ip -n "$n" link set wg0 up
ip -n "$(ns gw)" link set wg0 up
ip -n "$n" route add 203.0.113.0/26 dev wg0 src 203.0.113.129
ip -n "$(ns gw)" route add 203.0.113.129 dev wg0
vip=203.0.113.129
wait_for 30 reach || fail "WireGuard does not come up: $(in_ns user wg)"
traffic_begin user $vip
wait_for 20 eval 'in_ns lan ss -tnH state established | grep -q 7007' || fail "no traffic"
link down
wait_for 30 reach || fail "WireGuard does not move: $(in_ns gw wg)"
traffic_end "WireGuard, the link goes"

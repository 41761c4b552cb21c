#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# Two agents whose ESP is the kernel's: set-up, rekeys and restarts without a lost packet, a move by MOBIKE, a NAT,
# nothing but ESP on the wire, and nothing of ours left after an orderly stop, or after a flush of what a killed agent
# left. Topology: tests/lib/netns.sh.
. "$(dirname "$0")/../lib/netns.sh"
. "$(dirname "$0")/../lib/kernel.sh"
command -v tcpdump >/dev/null || skip "needs tcpdump"
kernel_esp_or_skip
topo_multihomed
ok() { echo "ok - $*"; }

confs() { # keys of both connections
	cat >"$T/user/braid.conf" <<-CONF
		uplink "wlan" { interface = wlan0 preference = 0 fail_back = 500ms }
		uplink "ran" { interface = ran0 preference = 1 }
		dataplane { backend = kernel }
		class "pings" { match { protocol = icmp } }
		connection "home" {
			remote_addrs = { "192.0.2.66", "198.51.100.66" }
			dpd_delay = 2s
			retransmit_timeout = 1s
			vips = { "0.0.0.0" }
			$1
			local { id = "user@example.org" }
			remote { id = "gw.example.org" }
			child "net" { remote_ts = { "203.0.113.0/26" } }
		}
		secret "s" { id = { "user@example.org", "gw.example.org" } secret = "a long secret of ours" }
	CONF
	cat >"$T/gw/braid.conf" <<-CONF
		uplink "a" { interface = eth0 }
		uplink "b" { interface = eth1 }
		dataplane { backend = kernel }
		pool "p" { addrs = "203.0.113.128/26" }
		connection "rw" {
			dpd_delay = 10s
			retransmit_timeout = 1s
			pools = { "p" }
			$1
			local { id = "gw.example.org" }
			remote { id = "user@example.org" }
			child "net" { local_ts = { "203.0.113.0/26" } }
		}
		secret "s" { id = { "user@example.org", "gw.example.org" } secret = "a long secret of ours" }
	CONF
}
ended() { ! kill -0 "$1" 2>/dev/null; }
stop() {
	local h pid
	for h in user gw; do
		pid=$(agent_pid $h)
		kill "$pid"
		soon ended "$pid" || fail "$h does not end"
	done
}
reach() { in_ns user ping -c 1 -W 3 -q -I "$vip" 203.0.113.10; }
spis() { braid "$1" --json sas | jq -c '[.ike_sas[] | .spi_i, (.children[] | .spi_in, .spi_out)]'; }
children() { braid "$1" --json sas | jq '[.ike_sas[].children[]] | length'; }
one_child() { [ "$(children user)" = 1 ] && [ "$(children gw)" = 1 ]; }

# A TCP connection and datagrams to the LAN and back, 100 a second, until traffic_end LOST: at most so many datagrams
# lost, and no octet of TCP.
traffic_begin() {
	ip netns exec "$(ns user)" /usr/bin/python3 "$top/tests/lib/traffic.py" run 203.0.113.10 7007 "$vip" >"$T/traffic" 2>"$T/traffic.err" &
	traffic=$!
	rx=$(braid user --json sas | jq '[.ike_sas[].children[].rx_packets] | add')
	soon traffic_runs || fail "$1: no traffic: $(cat "$T/traffic.err")"
}
traffic_runs() { [ "$(braid user --json sas | jq '[.ike_sas[].children[].rx_packets] | add')" -gt $((rx + 20)) ]; }
drops_of() {
	echo "$1:"
	in_ns "$1" cat /proc/net/xfrm_stat | grep -v ' 0$' | sed 's/\t */ /'
	braid "$1" --json stats | jq -c '.drops, .engine | with_entries(select(.value > 0))'
}
traffic_end() { # what, how many may be lost
	kill $traffic
	wait $traffic || fail "$1: $(cat "$T/traffic.err")"
	jq -e --argjson most "$2" '.[] | .tcp and .lost <= $most and .sent > 60' "$T/traffic" >/dev/null ||
		fail "$1: $(cat "$T/traffic"; drops_of user; drops_of gw)"
	ok "$1: $(jq -r '.[] | "\(.lost) of \(.sent) datagrams lost, at most \(.gap_msec) ms apart"' "$T/traffic")"
}

# What is on the uplinks of the user that is neither ESP, nor of IKE, nor none of its business.
watch_wire() { # file
	local i
	for i in wlan0 ran0; do
		in_ns user tcpdump --immediate-mode -lni $i "$2" >"$T/$1-$i" 2>"$T/$1-$i.err" &
		soon grep -q 'listening on' "$T/$1-$i.err" || fail "no capture on $i"
	done
}

confs "encap = false"
watch_wire clear 'net 203.0.113.0/24'
watch_wire esp 'esp'
kernel_up
reach || fail "the LAN is not reached: $(braid user sas; xfrm_of user)"
in_ns lan ping -c 2 -i 0.2 -W 3 -q "$vip" >/dev/null || fail "the LAN does not reach the user"
[ -z "$(engines_of user)$(engines_of gw)" ] || fail "an engine runs"
[ "$(braid user --json status | jq -r '.esp.by, .engine.crypto' | xargs)" = "kernel kernel" ] || fail "$(braid user status)"
braid user status | grep -q '^ESP of the kernel, device braidtun0: backend = kernel$' || fail "$(braid user status)"
[ "$(braid user --json paths | jq -r '.paths[0] | .checked_by, .state' | xargs)" = "ike up" ] || fail "$(braid user paths)"
braid user paths | grep -q '^No path is probed' || fail "$(braid user paths)"
[ "$(ip -n "$(ns user)" xfrm state list | grep -c '^src')" = 2 ] || fail "states: $(xfrm_of user)"
soon [ -s "$T/esp-wlan0" ] || fail "no ESP was seen"
braid user --json steering >"$T/steering"
jq -e '.rules[0].packets > 0 and ([.relations[].classes[] | select(.name == "pings").packets] | add > 0)' "$T/steering" >/dev/null ||
	fail "the class does not come through encryption: $(cat "$T/steering")"
ok "set-up: traffic both ways in ESP, by the kernel alone"

in_ns lan /usr/bin/python3 "$top/tests/lib/traffic.py" echo 203.0.113.10 7007 &
listens() { in_ns lan ss -tln | grep -q ':7007 '; }
soon listens || fail "nobody listens"

traffic_begin rekey
for who in "user home/net" "gw rw/net" "user home/net"; do
	before=$(spis user)
	# shellcheck disable=SC2086
	set -- $who
	braid "$1" rekey "$2" >"$T/rekey" 2>&1 || fail "rekey of $who: $(cat "$T/rekey")"
	[ "$(spis user)" != "$before" ] || fail "rekey of $who: the same SPIs"
done
braid user rekey home >"$T/rekey" 2>&1 || fail "rekey of the IKE SA: $(cat "$T/rekey")"
traffic_end "rekeys from both ends under traffic" 0
soon one_child || fail "old Child SAs stay: $(braid user sas)"
only_two() { [ "$(ip -n "$(ns user)" xfrm state list | grep -c '^src')" = 2 ]; }
soon only_two || fail "old states stay: $(xfrm_of user)"

at() { braid user --json paths | jq -e --arg a "$1" '.paths | length == 1 and (.[0] | .state == "up" and (.local | startswith($a)))'; }
link() { ip -n "$(ns user)" link set wlan0 "$1"; }
traffic_begin "move"
before=$(spis user)
states=$(ip -n "$(ns user)" xfrm state list | grep -A1 '^src' | sort)
link down
soon at 198.51.100.2: || fail "it does not move: $(braid user paths)"
soon reach || fail "nothing passes after the move"
link up
ip -n "$(ns user)" route replace default via 192.0.2.1 dev wlan0 metric 100
soon at 192.0.2.2: || fail "it does not go back: $(braid user paths; cat "$T/user/log")"
soon reach || fail "nothing passes after it went back"
[ "$(spis user)" = "$before" ] || fail "SAs were made anew by a move"
[ "$(ip -n "$(ns user)" xfrm state list | grep -A1 '^src' | sort)" = "$states" ] || fail "states were touched by a move"
traffic_end "MOBIKE to another uplink and back, states untouched" 400
[ -s "$T/esp-ran0" ] || fail "no ESP was seen on the other uplink"

traffic_begin "restart"
before=$(spis user)
for h in user gw; do
	pid=$(agent_pid $h)
	kill -9 "$pid"
	soon ended "$pid" || fail "the agent of $h does not die"
	rm -f "$T/$h/log"
	braidd_start $h "$T/$h/braid.conf"
	grep -q 'took over 1 IKE SAs, 1 Child SAs and 1 paths from the kernel' "$T/$h/log" || fail "$h takes over nothing"
done
[ "$(spis user)" = "$before" ] || fail "a new agent made new SAs"
braid user rekey home/net >"$T/rekey" 2>&1 || fail "rekey after the restart: $(cat "$T/rekey")"
braid gw rekey rw >"$T/rekey" 2>&1 || fail "rekey by the gateway after the restart: $(cat "$T/rekey")"
traffic_end "both agents killed, started again, rekeys" 0

sed -i 's/backend = kernel/backend = auto/; s/^connection "home" {/& multipath = yes/' "$T/user/braid.conf"
braid user reload >"$T/reload" 2>&1 && fail "a reload with what needs the engine passes"
grep -q 'multipath = yes.*: do without, or restart braidd' "$T/reload" || fail "reload says: $(cat "$T/reload")"
ok "a reload with what needs the engine is refused"

stop
for h in user gw; do [ -z "$(left_of $h)" ] || fail "$h: left after an orderly stop: $(left_of $h)"; done
[ -z "$(guards_of user)" ] || fail "guards of a connection that was brought up by hand: $(guards_of user)"
sleep 0.2
[ ! -s "$T/clear-wlan0" ] && [ ! -s "$T/clear-ran0" ] || fail "in clear: $(head -n 3 "$T"/clear-*0)"
ok "an orderly stop leaves nothing; nothing was in clear"

# ---- behind a NAT: ESP in UDP, and what a killed agent leaves is flushed ----

command -v nft >/dev/null || skip "needs nft for the rest"
in_ns r1 nft -f - <<-NFT || fail "no NAT"
	table ip nat {
		chain post { type nat hook postrouting priority srcnat;
			oifname "gw" ip saddr 192.0.2.2 masquerade random
		}
	}
NFT
confs "encap = true"
: >"$T/esp-wlan0"
watch_wire udp 'udp port 4500 and udp[8:4] != 0 and greater 60'
kernel_up
braid gw --json sas | jq -e '.ike_sas[0].nat_remote' >/dev/null || fail "the NAT is not seen: $(braid gw sas)"
reach || fail "the LAN is not reached: $(braid user sas; xfrm_of user)"
traffic_begin NAT
braid gw rekey rw/net >"$T/rekey" 2>&1 || fail "rekey: $(cat "$T/rekey")"
traffic_end "behind a NAT, with a rekey" 0
[ -s "$T/udp-wlan0" ] || fail "no ESP in UDP"
[ ! -s "$T/esp-wlan0" ] || fail "ESP without UDP: $(head -n 3 "$T/esp-wlan0")"
ok "behind a NAT all of it is in UDP"

braid user flush >"$T/flush" 2>&1 && fail "a flush beside a living agent"
grep -q 'braidd answers at .*ctl.sock: stop it' "$T/flush" || fail "flush says: $(cat "$T/flush")"
others_make user
for h in user gw; do
	pid=$(agent_pid $h)
	kill -9 "$pid"
	soon ended "$pid" || fail "the agent of $h does not die"
done
reach || fail "traffic does not go on without agents"
[ -n "$(guards_of user)" ] || fail "no guards stand"
in_ns user setpriv --reuid 65534 --clear-groups "$B/braid" -d "$T/user/run" flush >"$T/flush" 2>&1 && fail "anybody may flush"
for h in user gw; do
	braid $h --json flush >"$T/flush" 2>&1 || fail "flush: $(cat "$T/flush")"
	jq -e '.flushed and (.engine_ended | not) and .tun == "braidtun0"' "$T/flush" >/dev/null || fail "flush says: $(cat "$T/flush")"
	[ -z "$(left_of $h)$(guards_of $h)" ] || fail "$h: left after a flush: $(left_of $h; guards_of $h)"
done
others_stay user
braid user flush >"$T/flush" 2>&1 || fail "a second flush: $(cat "$T/flush")"
ok "what killed agents left is flushed, and nothing of others"

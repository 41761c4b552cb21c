#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# A peer behind a NAT that forgets its mappings in the middle of traffic, without probes and MOBIKE: the
# gateway follows its newest valid packet with IKE SA, Child SAs and steering (NAT-9, NAT-10), and nothing
# else. Keepalives from behind the NAT, and only in silence (NAT-7).
. "$(dirname "$0")/../lib/netns.sh"
for tool in nft tcpdump; do command -v $tool >/dev/null || skip "needs $tool"; done

topo_multihomed
in_ns r1 nft -f - <<-NFT || skip "nftables NAT is not available"
	table ip nat {
		chain post {
			type nat hook postrouting priority srcnat;
			oifname "gw" ip saddr 192.0.2.2 masquerade random
		}
	}
NFT
flush() { in_ns r1 /usr/bin/python3 "$top/tests/lib/conntrack_flush.py"; }
flush >"$T/flush" || skip "connections cannot be forgotten here: $(cat "$T/flush")"
ip -n "$(ns lan)" addr add 203.0.113.70/32 dev eth0
ip -n "$(ns gw)" route add 203.0.113.70/32 dev lan0

cat >"$T/user/braid.conf" <<-CONF
	uplink "wlan" { interface = wlan0 }
	connection "home" {
		remote_addrs = { "192.0.2.66" }
		multipath = false
		mobike = false
		dpd_delay = 0s
		keep_alive = 1s
		vips = { "0.0.0.0" }
		local { id = "user@example.org" }
		remote { id = "gw.example.org" }
		child "net" { remote_ts = { "203.0.113.0/26" } }
		child "more" { remote_ts = { "203.0.113.70/32" } }
	}
	secret "s" { id = { "user@example.org", "gw.example.org" } secret = "a long secret of ours" }
CONF
cat >"$T/gw/braid.conf" <<-CONF
	uplink "a" { interface = eth0 }
	pool "p" { addrs = "203.0.113.128/26" }
	connection "rw" {
		multipath = false
		dpd_delay = 0s
		keep_alive = 1s
		pools = { "p" }
		local { id = "gw.example.org" }
		remote { id = "user@example.org" }
		child "net" { local_ts = { "203.0.113.0/26" } }
		child "more" { local_ts = { "203.0.113.70/32" } }
	}
	secret "s" { id = { "user@example.org", "gw.example.org" } secret = "a long secret of ours" }
CONF
braidd_start gw "$T/gw/braid.conf"
braidd_start user "$T/user/braid.conf"
braid user up home >"$T/up" 2>&1 || fail "up: $(cat "$T/up")"
braid user up home/more >"$T/up" 2>&1 || fail "up: $(cat "$T/up")"
braid user --json sas | jq -e '.ike_sas[0] | .nat_local and (.nat_remote | not)' >/dev/null || fail "the NAT was not found"
braid user --json paths | jq -e '.paths[0] | .nat_local and .nat_remote == false' >/dev/null || fail "braid paths does not tell of it: $(braid user --json paths)"
braid gw --json paths | jq -e '.paths[0] | .nat_local == false and .nat_remote' >/dev/null || fail "braid paths does not tell of it: $(braid gw --json paths)"
vip=$(braid user --json sas | jq -r '.ike_sas[0].vips[0]')

ike_at() { braid gw --json sas | jq -r '.ike_sas[0].remote'; }
path_at() { braid gw --json paths | jq -r '.paths[0].remote'; }
lost() { sed -n 's/.*, \([0-9]*\)[.0-9]*% packet loss.*/\1/p' "$1"; }
moved_from() { [ "$(ike_at)" != "$1" ] && [ "$(ike_at)" = "$(path_at)" ]; }

# ---- the mapping goes, twice, under traffic both ways on both Child SAs ----

ip netns exec "$(ns r1)" tcpdump --immediate-mode -i user -n -s 0 -U -w "$T/cap" 'udp port 4500' 2>"$T/cap.log" &
tcpdump=$!
wait_for 5 grep -q 'listening on' "$T/cap.log" || fail "tcpdump does not start"
for round in 1 2; do
	before=$(ike_at)
	in_ns user ping -i 0.05 -c 80 -q -I "$vip" 203.0.113.10 >"$T/ping1" &
	one=$!
	in_ns lan ping -i 0.05 -c 80 -q -I 203.0.113.70 "$vip" >"$T/ping2" &
	two=$!
	sleep 1
	flush || fail "round $round: flush"
	wait_for 3 moved_from "$before" || fail "round $round: the gateway stays at $before (path $(path_at))"
	wait $one $two
	for p in 1 2; do
		[ "$(lost "$T/ping$p")" -le 15 ] || fail "round $round: $(grep loss "$T/ping$p")"
	done
done
grep -q "NAT mapping changed" "$T/gw/log" || fail "nothing was said of the change"
[ "$(braid gw --json paths | jq '.paths | length')" = 1 ] || fail "a second path was made: $(braid gw paths)"
echo "ok - both Child SAs and the path follow a NAT that forgets: at most $(lost "$T/ping1") and $(lost "$T/ping2") % lost"

# The gateway's own requests find the peer there, and the next Child SA does.
braid gw rekey rw/net >"$T/rekey" 2>&1 || fail "the gateway's rekey: $(cat "$T/rekey")"
in_ns lan ping -c 3 -i 0.1 -W 1 -q "$vip" >"$T/ping" || fail "nothing passes after the gateway's rekey"
echo "ok - the gateway's requests go there"

# ---- what is not new moves nothing ----

kill "$tcpdump" && wait "$tcpdump"
before=$(ike_at)
in_ns r1 /usr/bin/python3 - "$T/cap" <<-'PY' || fail "replay"
	import socket, sys
	from scapy.all import IP, UDP, rdpcap
	s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
	s.bind(("192.0.2.65", 34567))
	n = 0
	for p in rdpcap(sys.argv[1]):
	    if p.haslayer(UDP) and p[IP].src == "192.0.2.2":
	        s.sendto(bytes(p[UDP].payload), ("192.0.2.66", 4500))
	        n += 1
	sys.exit(n < 100)
PY
in_ns user ping -c 5 -i 0.1 -W 1 -q -I "$vip" 203.0.113.10 >"$T/ping" || fail "nothing passes after the replay"
[ "$(ike_at)" = "$before" ] && [ "$(path_at)" = "$before" ] || fail "a replay moved the peer to $(ike_at)"
[ "$(braid gw --json sas | jq '[.ike_sas[].children[].drop_replay] | add')" -ge 100 ] || fail "the replay did not arrive"
echo "ok - replayed packets from elsewhere move nothing"

# ---- keepalives ----

kept() { braid "$1" --json stats | jq .ike.keepalives_tx; }
sent=$(kept user)
in_ns user ping -i 0.1 -c 30 -q -I "$vip" 203.0.113.10 >"$T/ping" || fail "ping"
[ "$(kept user)" -le $((sent + 1)) ] || fail "keepalives although ESP is sent"
sent=$(kept user)
more_kept() { [ "$(kept user)" -ge $((sent + 3)) ]; }
wait_for 8 more_kept || fail "no keepalives in silence"
[ "$(kept gw)" = 0 ] || fail "keepalives from the side without a NAT"
[ "$(braid gw --json stats | jq .engine.keepalives)" -ge 3 ] || fail "none of them arrived"
echo "ok - keepalives from behind the NAT, and only in silence"

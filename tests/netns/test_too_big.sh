#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# Somebody forges a router's word that ESP is too big: each costs one question by IKE at most, of the size in use, and
# keeps no other hint out of the log; where a path has become narrow it is believed after two such questions, not before.
. "$(dirname "$0")/../lib/netns.sh"
. "$(dirname "$0")/../lib/agent.sh"
PY=$(command -v python3) || skip "needs python3"
command -v nft >/dev/null || skip "needs nft"

says() { # SPI|0 COUNT: of ESP, or with 0 of UDP as peers behind one NAT send it, with nothing of the SPI
	in_ns r1 "$PY" - "$@" <<-'PY' || fail "cannot forge"
		import socket, struct, sys, time
		spi, count = int(sys.argv[1], 16), int(sys.argv[2])
		def total(b):
		    s = sum(struct.unpack("!%dH" % (len(b) // 2), b))
		    s = (s & 0xffff) + (s >> 16)
		    return ~(s + (s >> 16)) & 0xffff
		user, gw = socket.inet_aton("192.0.2.2"), socket.inet_aton("192.0.2.66")
		quoted = struct.pack("!II", spi, 7) if spi else struct.pack("!HHHH", 4500, 4500, 1300, 0)
		quoted = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 1400, 1, 0x4000, 60, 50 if spi else 17, 0, user, gw) + quoted
		icmp = struct.pack("!BBHHH", 3, 4, 0, 0, 1280) + quoted
		icmp = icmp[:2] + struct.pack("!H", total(icmp)) + icmp[4:]
		s = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
		for i in range(count):
		    s.sendto(icmp, ("192.0.2.2", 0))
		    time.sleep(0.05)
	PY
}
stray() { # ESP for nobody
	in_ns r1 "$PY" - <<-'PY' || fail "cannot send"
		import socket, struct
		s = socket.socket(socket.AF_INET, socket.SOCK_RAW, 50)
		s.sendto(struct.pack("!II", 0x77700001, 1) + bytes(40), ("192.0.2.2", 0))
	PY
}
path() { braid user --json paths | jq -r ".paths[0].$1"; }
by_ike() { [ "$(path mtu_from)" = ike ]; }
asked() { grep -o 'packets of [0-9]* octets.*get through' "$T/user/log"; }
more() { [ "$(asked | wc -l)" -gt "$before" ]; }

topo_multihomed
# r1's links drop what is larger by more than a VLAN tag, silently: other words than the forged ones come of the search alone
agent_confs 100ms
sed -i 's/multipath = true/multipath = false/; s/log_level = info/log_level = debug/' "$T"/*/braid.conf
sed -i '/path "/d' "$T/user/braid.conf"
narrow 1400
braidd_start gw "$T/gw/braid.conf"
braidd_start user "$T/user/braid.conf"
braid user up home >"$T/up" || fail "up: $(cat "$T/up")"
wait_for 60 by_ike || fail "the path is not measured: $(braid user --json paths)"
is=$(path mtu)
[ "$is" -le 1400 ] && [ "$is" -gt 1350 ] || fail "$is octets"
spi=$(braid user --json sas | jq -r '.ike_sas[0].children[0].spi_out')

before=$(asked | wc -l) began=$SECONDS
for s in "$spi" 0; do
	says "$s" 80
	wait_for 10 more || fail "nobody asks: $(tail -n 20 "$T/user/log")"
done
took=$((SECONDS - began + 1)) new=$(asked | tail -n +$((before + 1)))
grep -qv "packets of $is octets get through" <<<"$new" && fail "other sizes are asked for: $new"
[ "$(wc -l <<<"$new")" -le $((took / 2 + 1)) ] || fail "in $took seconds: $new"
[ "$(path mtu)" = "$is" ] || fail "it was believed: $(path mtu)"
echo "ok - 160 forged words, in $took s $(wc -l <<<"$new") questions of $is octets"

says 0x77700009 3
stray
wait_for 5 grep -q '77700001.*is for no SA of ours' "$T/user/log" || fail "nothing is said of ESP for nobody: $(tail -n 20 "$T/user/log")"
grep -q 'a router says of ESP to 192.0.2.66: too big' "$T/user/log" || fail "nothing is said of routers"
echo "ok - and other hints are told"

# A peer that is away for three datagrams of one question, as one whose agent starts, is no narrow path.
in_ns gw nft -f - <<-NFT || fail "nft cannot be used here"
	table inet away {
		chain in { type filter hook input priority 0;
			udp dport 4500 meta length > 1300 quota until $((3 * is + 10)) bytes drop; }
	}
NFT
before=$(asked | wc -l)
answered_again() {
	says "$spi" 1
	asked | tail -n +$((before + 1)) | grep -qx "packets of $is octets get through"
}
new() { asked | tail -n +$((before + 1)); }
wait_for 60 answered_again || fail "nobody asks again: $(new)"
[ "$(new | head -n 1)" = "packets of $is octets do not get through" ] || fail "the quota took other packets: $(new)"
new | grep -qv " $is " && fail "other sizes are asked for: $(new)"
[ "$(path mtu)" = "$is" ] || fail "one question was believed: $(path mtu)"
in_ns gw nft delete table inet away
echo "ok - one question that is not answered changes nothing"

narrow 1300
less() {
	says "$spi" 1
	[ "$(path mtu)" -le 1300 ] && by_ike
}
wait_for 60 less || fail "a path that has become narrow is not found: $(path mtu)"
echo "ok - a path that has become narrow: $(path mtu) octets"

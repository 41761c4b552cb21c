#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Two engines without agents and without steering: the stable pair is the hosts' own addresses.
#
#     namespace A                                   namespace B
#     tun0 10.1.0.1 -- engine 1 -- 192.0.2.1 ==veth== 192.0.2.2 -- engine 2 -- tun0 10.1.0.2
#          fd00:1::1                2001:db8::1        2001:db8::2                  fd00:1::2
#
# Needs root. Exits 77 when something it needs is missing.
set -u
here=$(cd "$(dirname "$0")" && pwd)
B=${BRAID_BUILD:-build}
case $B in /*) ;; *) B=$here/../../$B ;; esac
A=brA$$ Z=brB$$
dir=$(mktemp -d)
passed=0 failed=0
engines=() # that must be alive
pids=()

cleanup() {
	for p in "${pids[@]}"; do kill "$p" 2>/dev/null; done
	ip netns del "$A" 2>/dev/null
	ip netns del "$Z" 2>/dev/null
	rm -rf "$dir"
}
trap cleanup EXIT

check() { # name, command...
	local name=$1
	shift
	if "$@" >"$dir/out" 2>&1; then
		echo "ok - $name"
		passed=$((passed + 1))
	else
		echo "not ok - $name"
		sed 's/^/#   /' "$dir/out" | tail -12
		failed=$((failed + 1))
		for p in "${engines[@]}"; do
			kill -0 "$p" 2>/dev/null && continue
			tail -40 "$dir"/?.log
			echo "an engine has died; $passed passed, $failed failed"
			exit 1
		done
	fi
}

skip() {
	echo "skipped: $1"
	exit 77
}

wait_for() { # command...: up to five seconds
	for _ in $(seq 100); do
		"$@" >/dev/null 2>&1 && return 0
		sleep 0.05
	done
	echo "still not: $*"
	return 1
}

a() { ip netns exec "$A" "$@"; }
z() { ip netns exec "$Z" "$@"; }
drive_a() { "$B/tests/netns/engine_drive" "$dir/1/engine.sock" "$@"; }
drive_z() { "$B/tests/netns/engine_drive" "$dir/2/engine.sock" "$@"; }

# Value of a word in the counters of side b ("sa" line or totals).
count() { drive_z stats | tr '\n' ' ' | sed "s/.* $1 \([0-9]*\).*/\1/"; }

sas() { # options
	drive_a del 1 2>/dev/null
	drive_z del 1 2>/dev/null
	drive_z sa 1 b "${inner_z:-10.1.0.2/32}" "${inner_a:-10.1.0.1/32}" "$@" &&
		drive_a sa 1 a "${inner_a:-10.1.0.1/32}" "${inner_z:-10.1.0.2/32}" "$@"
}

transfer() { # host: the same octets arrive
	# shellcheck disable=SC2016
	a timeout 10 bash -c 'exec 3<>"/dev/tcp/$0/8000" && printf "GET /file HTTP/1.0\r\n\r\n" >&3 &&
		sed "1,/^\r*$/d" <&3' "$1" >"$dir/got" && cmp "$dir/file" "$dir/got"
}

works() { a ping -c 2 -i 0.05 -W 2 "$1" && transfer "$1"; }

rises() { # counter, oracle kind, by
	local before after
	before=$(count "$1")
	a /usr/bin/python3 "$here/esp_oracle.py" 192.0.2.2 "$2" || return 1
	for _ in $(seq 40); do
		after=$(count "$1")
		[ "$after" = $((before + ${3:-1})) ] && return 0
		sleep 0.05
	done
	echo "$1: $before -> $after"
	return 1
}

[ "$(id -u)" = 0 ] || skip "needs root"
[ -c /dev/net/tun ] || skip "no /dev/net/tun"
ip netns add "$A" 2>/dev/null || skip "no network namespaces"
ip netns add "$Z"

ip link add v0 netns "$A" type veth peer name v0 netns "$Z"
n=0
for ns in "$A" "$Z"; do
	n=$((n + 1))
	ip -n "$ns" link set lo up
	ip -n "$ns" addr add 192.0.2.$n/24 dev v0
	ip -n "$ns" addr add 2001:db8::$n/64 dev v0 nodad
	ip -n "$ns" link set v0 up
	mkdir "$dir/$n"
	ip netns exec "$ns" "$B/braid-esp" -f -d "$dir/$n" 2>"$dir/$n.log" &
	pids+=($!)
done
head -c 3000000 /dev/urandom >"$dir/file"
wait_for drive_a hello
wait_for drive_z hello
engines=("${pids[@]}")
check "configuration" drive_a config tun0 192.0.2.1 192.0.2.2 local6=2001:db8::1 remote6=2001:db8::2
check "configuration of the other" drive_z config tun0 192.0.2.2 192.0.2.1 local6=2001:db8::2 remote6=2001:db8::1
check "the same configuration again" drive_a config tun0 192.0.2.1 192.0.2.2 local6=2001:db8::1 remote6=2001:db8::2
for n in 1 2; do
	ns=$([ $n = 1 ] && echo "$A" || echo "$Z")
	ip -n "$ns" addr add 10.1.0.$n/24 dev tun0
	ip -n "$ns" addr add fd00:1::$n/64 dev tun0 nodad
done
(cd "$dir" && exec ip netns exec "$Z" busybox httpd -f -p 8000) &
pids+=($!)

check "nothing leaves without an SA" bash -c "! ip netns exec $A ping -c 1 -W 1 10.1.0.2"
for suite in aes128gcm16 aes256gcm16 chacha20poly1305 aes128cbc-sha256 aes256cbc-sha512; do
	check "install $suite" sas suite=$suite
	check "ping and transfer, $suite" works 10.1.0.2
	check "install $suite with ESN" sas suite=$suite esn
	check "ping and transfer, $suite with ESN" works 10.1.0.2
done
check "install plain ESP" sas plain
check "ping and transfer, protocol 50 [ESP-1]" works 10.1.0.2
mixed() {
	drive_a del 1
	drive_z del 1
	drive_z sa 1 b 10.1.0.2/32 10.1.0.1/32 && drive_a sa 1 a 10.1.0.1/32 10.1.0.2/32 plain
}
check "one side sends plain ESP, the other UDP" mixed
check "each takes what comes [NAT-4]" works 10.1.0.2
check "install with IPv6 outside" sas outer6
check "ping and transfer, IPv6 outside" works 10.1.0.2
check "install plain ESP over IPv6" sas outer6 plain
check "ping and transfer, protocol 50 over IPv6" works 10.1.0.2
inner_a=fd00:1::1/128 inner_z=fd00:1::2/128
check "install IPv6 in IPv4" sas
check "ping and transfer, IPv6 inside" works fd00:1::2
unset inner_a inner_z

check "back to the first suite" sas
check "ping" a ping -c 1 -W 2 10.1.0.2
if /usr/bin/python3 -c 'import scapy.layers.ipsec, cryptography' 2>/dev/null; then
	check "an independent sender's packet is delivered" rises in good
	check "also without a UDP checksum [NAT-6]" rises in nocheck
	check "a replayed packet is not [ESP-3]" rises replay replay 2
	check "a changed packet fails its ICV" rises integrity integrity
	check "so does one with a wrong key" rises integrity wrongkey
	check "selectors are checked after decapsulation [ESP-10]" rises ts ts
	check "a dummy is dropped silently [ESP-8]" rises dummies dummy
	check "an unknown SPI is counted [ESP-14]" rises unknown_spi unknown
	check "a NAT keepalive is ignored [NAT-5] [NAT-7]" rises keepalives keepalive
	check "a short datagram is counted [NAT-5]" rises short short
	check "a truncated packet is counted" rises malformed tiny
	check "a forged number does not move the window [ESP-4]" bash -c "
		ip netns exec $A /usr/bin/python3 $here/esp_oracle.py 192.0.2.2 far; sleep 0.1
		ip netns exec $A /usr/bin/python3 $here/esp_oracle.py 192.0.2.2 far; sleep 0.1
		[ \$($B/tests/netns/engine_drive $dir/2/engine.sock stats | sed -n 's/.* replay \([0-9]*\) integ.*/\1/p') = 2 ]"
	# Packets that come before their SA wait for it, a second and no longer, and so many.
	early() { # packets, how it is awaited: what then arrives and is counted
		local got
		drive_z del 1
		drive_z sa 1 b 10.1.0.2/32 10.1.0.1/32 "${@:2}" >"$dir/early" &
		wait_for grep -q expected "$dir/early" &&
			a /usr/bin/python3 "$here/esp_oracle.py" 192.0.2.2 "$1" && wait $!
	}
	arrived() { # packets
		got=$(drive_z list | sed -n 's/.* in \([0-9]*\) .*/\1/p')
		echo "$got arrived, $1 expected"
		[ "$got" = "$1" ]
	}
	was_full=$(count full) was_late=$(count late)
	check "packets before their SA" early early held=3
	check "arrive" wait_for arrived 3
	check "packets of protocol 50 before their SA" early plain held=3 plain
	check "arrive" wait_for arrived 3
	check "more than can wait" early flood held=256 refused=44
	check "those that can do [ESP-3]" wait_for arrived 256
	check "the others are counted" test "$(count full)" = $((was_full + 44))
	check "an SA that comes too late" early early held=3 late=3
	check "has nothing waiting" arrived 0
	check "which is counted" test "$(count late)" = $((was_late + 3))
	check "back to the SAs of both" sas
	drive_z watch 20 >"$dir/events" &
	watcher=$!
	sleep 0.3
	a /usr/bin/python3 "$here/esp_oracle.py" 192.0.2.2 ike
	check "IKE is handed to the agent without its marker [HDR-2] [NAT-5]" wait_for grep -q 'ike 31 octets from 192.0.2.1' "$dir/events"
	kill "$watcher"
else
	echo "# no scapy: independent packets not tried"
fi

# DSCP and ECN: what the outer header has, and what the inner one has after it. [ESP-12]
marks() { # outer match, inner match: how many packets side z has seen of each
	z nft flush chain inet tos outer && z nft flush chain inet tos inner &&
		z nft "add rule inet tos outer meta l4proto { udp, esp } iifname v0 $1 counter" &&
		z nft "add rule inet tos inner iifname tun0 $2 counter"
}
seen() { # outer, inner: the least numbers
	local outer inner
	outer=$(z nft list chain inet tos outer | sed -n 's/.*packets \([0-9]*\).*/\1/p')
	inner=$(z nft list chain inet tos inner | sed -n 's/.*packets \([0-9]*\).*/\1/p')
	echo "outer $outer, inner $inner"
	[ "$outer" -ge "$1" ] && [ "$inner" -ge "$2" ]
}
dscp() { # outer match, outer number, inner match, inner number, ping options: a ping of 4
	local outer=$1 n=$2 inner=$3 m=$4
	shift 4
	for _ in 1 2 3; do # those that a busy machine sends at once may be one super-packet outside
		marks "$outer" "$inner" && a ping -c 4 -i 0.02 -W 1 -q "$@" || return 1
		! seen "$n" "$m" || break
	done
}
congested() { # family, which: those outer packets are marked
	z nft -f - <<-NFT
		table $1 paint {
			chain in { type filter hook prerouting priority -300;
				iifname v0 meta l4proto { udp, esp } $2 $1 ecn set ce; }
		}
	NFT
}
if z nft -f - 2>/dev/null <<-NFT; then
	table inet tos {
		chain outer { type filter hook prerouting priority 0; }
		chain inner { type filter hook prerouting priority 0; }
	}
NFT
	a sysctl -qw net.ipv4.tcp_ecn=1
	z sysctl -qw net.ipv4.tcp_ecn=1
	for how in "" plain outer6 "outer6 plain"; do
		ip=$([ -z "${how##outer6*}" ] && [ -n "$how" ] && echo ip6 || echo ip)
		# shellcheck disable=SC2086
		check "SAs that copy DSCP out, $how" sas dscp-out $how
		check "DSCP and ECN go out ($how)" dscp "$ip dscp ef $ip ecn ect0" 4 "ip dscp ef ip ecn ect0" 4 -Q 0xba 10.1.0.2
		check "and are there" seen 4 4
		# shellcheck disable=SC2086
		check "SAs that do not, $how" sas $how
		check "ECN goes out alone ($how)" dscp "$ip dscp 0 $ip ecn ect0" 4 "ip dscp ef ip ecn ect0" 4 -Q 0xba 10.1.0.2
		check "and is there" seen 4 4
		check "super-packets of a transport with ECN ($how)" bash -c "
			$(declare -f a z marks transfer); A=$A Z=$Z dir=$dir
			marks '$ip ecn ect0' 'ip ecn ect0' && transfer 10.1.0.2"
		check "have it on each packet" seen 1 1
		congested "$ip" "$ip ecn ect0"
		marks "$ip ecn ce" "ip ecn ce"
		check "what is marked on the way ($how)" transfer 10.1.0.2
		check "is marked for the receiver [RFC 6040 4.2]" seen 1 1
		z nft delete table "$ip" paint
		congested "$ip" ""
		before=$(count ecn)
		check "or dropped if the transport does not know it" bash -c "
			! ip netns exec $A ping -c 4 -i 0.02 -W 1 -q 10.1.0.2"
		check "and counted" test "$(count ecn)" = $((before + 4))
		z nft delete table "$ip" paint
	done
	check "SAs that take DSCP in" sas dscp-in
	z nft -f - <<-NFT
		table ip paint {
			chain in { type filter hook prerouting priority -300;
				iifname v0 udp dport 4500 ip dscp set af41; }
		}
	NFT
	check "DSCP of the network" dscp "ip dscp af41" 4 "ip dscp af41 ip ecn ect0" 4 -Q 0x02 10.1.0.2
	check "comes in" seen 4 4
	z nft delete table ip paint
	z nft delete table inet tos
else
	echo "# no nft: DSCP and ECN not tried"
fi

# Paths that carry less than the tunnel device.
narrow() { # room, options: no packet on the wire is longer
	local room=$1 how
	shift
	check "SAs for $room octets, $*" sas room="$room" "$@"
	how="$room $*"
	a ip route flush cache && a ip -6 route flush cache && z ip route flush cache && z ip -6 route flush cache
	a ethtool -K v0 gso off tx-udp-segmentation off tso off >/dev/null 2>&1
	z ethtool -K v0 gro off >/dev/null 2>&1
	z nft -f - <<-NFT
		table inet narrow {
			chain in { type filter hook prerouting priority -300;
				iifname v0 meta l4proto { udp, esp } meta length > $((room + header)) counter drop; }
		}
	NFT
	before=$(drive_a stats | sed -n 's/.*fragmented \([0-9]*\).*/\1/p')
	check "transfer ($how)" transfer "$inner"
	check "an echo of 4000 octets ($how)" wait_for a ping -c 1 -W 1 -q -M dont -s 4000 "$inner"
	check "was fragmented ($how)" test "$(drive_a stats | sed -n 's/.*fragmented \([0-9]*\).*/\1/p')" -gt "$before"
	check "UDP super-packets ($how)" burst "$inner"
	check "nothing too long was sent ($how)" bash -c "ip netns exec $Z nft list chain inet narrow in | grep -q 'packets 0 '"
	z nft delete table inet narrow
	a ethtool -K v0 gso on tx-udp-segmentation on tso on >/dev/null 2>&1
	z ethtool -K v0 gro on >/dev/null 2>&1
}
burst() { # address: 20 datagrams of 1300 octets in one send, fragmented or not, arrive as they are
	z timeout 10 /usr/bin/python3 -c '
import socket, sys
v6 = ":" in sys.argv[1]
s = socket.socket(socket.AF_INET6 if v6 else socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("", 7000)); s.settimeout(5)
for i in range(20):
    assert s.recv(4000) == bytes([i]) * 1300, i' "$1" &
	local rx=$!
	wait_for bash -c "ip netns exec $Z ss -lun | grep -q ':7000 '" || return 1
	a /usr/bin/python3 -c '
import socket, sys
v6 = ":" in sys.argv[1]
s = socket.socket(socket.AF_INET6 if v6 else socket.AF_INET, socket.SOCK_DGRAM)
if v6: s.setsockopt(socket.IPPROTO_IPV6, 23, 0)   # IPV6_MTU_DISCOVER: may be fragmented
else: s.setsockopt(socket.IPPROTO_IP, 10, 0)      # IP_MTU_DISCOVER
s.connect((sys.argv[1], 7000))
if not v6: s.setsockopt(socket.IPPROTO_UDP, 103, 1300)  # UDP_SEGMENT
if v6:
    for i in range(20): s.send(bytes([i]) * 1300)
else: s.send(b"".join(bytes([i]) * 1300 for i in range(20)))' "$1"
	wait "$rx"
}
if z nft list tables >/dev/null 2>&1 && command -v ethtool >/dev/null; then
	for how in "" plain suite=aes128cbc-sha256; do
		inner=10.1.0.2 header=20
		# shellcheck disable=SC2086
		narrow 1260 $how
		# shellcheck disable=SC2086
		narrow 600 $how
	done
	inner_a=fd00:1::1/128 inner_z=fd00:1::2/128 inner=fd00:1::2 header=20
	narrow 1260
	narrow 700
	header=40
	narrow 1240 outer6
	unset inner_a inner_z inner
fi

# TFC padding: all packets of a size, whatever is inside.
padded() { # octets of the IP packet, options: each packet from A to B is as long as that
	local octets=$1
	shift
	check "SAs with TFC padding, $*" sas "$@"
	a ethtool -K v0 gso off tx-udp-segmentation off tso off >/dev/null 2>&1
	z ethtool -K v0 gro off >/dev/null 2>&1
	a ip route flush cache
	z nft -f - <<-NFT
		table inet tfc {
			chain in { type filter hook prerouting priority -300;
				iifname v0 meta l4proto { udp, esp } meta length != $octets counter;
				iifname v0 meta l4proto { udp, esp } meta length $octets counter; }
		}
	NFT
	check "small packets ($*)" a ping -c 5 -i 0.02 -W 1 -q -s 40 10.1.0.2
	check "long ones, in fragments ($*)" wait_for a ping -c 1 -W 1 -q -M dont -s 3000 10.1.0.2
	check "a transfer ($*)" transfer 10.1.0.2
	check "all are of one size [RFC 4303 2.7] ($*)" bash -c "ip netns exec $Z nft list chain inet tfc in |
		tee /dev/stderr | grep -q '!=.*packets 0 ' && ip netns exec $Z nft list chain inet tfc in | grep -q 'length $octets .*packets [1-9]'"
	z nft delete table inet tfc
	a ethtool -K v0 gso on tx-udp-segmentation on tso on >/dev/null 2>&1
	z ethtool -K v0 gro on >/dev/null 2>&1
}
if z nft list tables >/dev/null 2>&1 && command -v ethtool >/dev/null; then
	# 20 IP, 8 UDP, 16 ESP and IV, padding to 4 with pad length and next header, 16 ICV
	padded 1464 tfc=4294967295
	padded 1280 tfc=4294967295 room=1260
	padded 1456 tfc=1400 plain
	padded 660 tfc=600 room=640
	check "SAs with less padding" sas tfc=300
	check "super-packets are not padded beyond their size, others are" works 10.1.0.2
fi

# Rekey: the old SA carries on until the new one is heard of.
check "SAs anew" sas
check "old SA is in use" a ping -c 1 -W 2 10.1.0.2
check "install successors" bash -c "
	$B/tests/netns/engine_drive $dir/1/engine.sock sa 2 a 10.1.0.1/32 10.1.0.2/32 replaces=1 defer &&
	$B/tests/netns/engine_drive $dir/2/engine.sock sa 2 b 10.1.0.2/32 10.1.0.1/32 replaces=1 defer"
check "traffic during the rekey" transfer 10.1.0.2
check "still the old one" bash -c "$B/tests/netns/engine_drive $dir/1/engine.sock list | grep -q 'sa 1 .*out 1 '"
check "one side switches" drive_a on 2
check "traffic" transfer 10.1.0.2
check "the other follows the first valid packet" wait_for bash -c \
	"$B/tests/netns/engine_drive $dir/2/engine.sock list | grep -q 'sa 2 .*out 1 '"
check "delete the old" bash -c "
	$B/tests/netns/engine_drive $dir/1/engine.sock del 1 && $B/tests/netns/engine_drive $dir/2/engine.sock del 1"
check "traffic on the new" transfer 10.1.0.2
drive_a del 2
drive_z del 2

# Limits: told once each, and the sender stops at the hard one.
limit_sas() {
	drive_z sa 1 b 10.1.0.2/32 10.1.0.1/32 && drive_a sa 1 a 10.1.0.1/32 10.1.0.2/32 soft=20 hard=30
}
drive_a del 1 2>/dev/null
drive_z del 1 2>/dev/null
check "an SA with limits" limit_sas
drive_a watch 3 >"$dir/events" &
watcher=$!
sleep 0.3
# the ends of earlier transfers may take one or two of them
check "packets up to the hard limit [REK-16]" bash -c "
	ip netns exec $A ping -c 60 -i 0.01 -W 1 -q 10.1.0.2 | tee /dev/stderr | grep -qE ' (2[5-9]|30) received'"
check "and none beyond" bash -c "$B/tests/netns/engine_drive $dir/1/engine.sock list | tee /dev/stderr | grep -q 'sa 1 .*out 30 '"
wait "$watcher"
check "each limit is told once" bash -c "[ \"\$(grep limit $dir/events | tr '\n' ' ')\" = 'limit 1 hard 0 limit 1 hard 1 ' ]"
drive_a del 1
drive_z del 1

# Probes: a path goes up, down when the middle eats everything, and up again.
check "SAs with probes" sas probes
drive_z path 1 1 192.0.2.2 192.0.2.1 100000
drive_a path 1 1 192.0.2.1 192.0.2.2 100000 join
check "path is up and verified" wait_for bash -c \
	"$B/tests/netns/engine_drive $dir/1/engine.sock list | grep -q 'path 1 state 1 verified 1'"
check "on the other side too" wait_for bash -c \
	"$B/tests/netns/engine_drive $dir/2/engine.sock list | grep -q 'path 1 state 1 verified 1'"
if z nft add table ip cut 2>/dev/null; then
	z nft add chain ip cut in '{ type filter hook input priority 0; }'
	z nft add rule ip cut in udp dport 4500 drop
	check "silent path is down" wait_for bash -c \
		"$B/tests/netns/engine_drive $dir/1/engine.sock list | grep -q 'path 1 state 3'"
	z nft delete table ip cut
	check "and up again" wait_for bash -c \
		"$B/tests/netns/engine_drive $dir/1/engine.sock list | grep -q 'path 1 state 1'"
fi
# Every fourth packet is lost in one direction: which one, both ends know.
lossy() { # namespace that loses
	ip netns exec "$1" nft -f - <<-NFT
		table inet lossy { chain in { type filter hook input priority 0; policy accept;
			udp dport 4500 numgen inc mod 4 0 drop; }; }
	NFT
}
loss_is() { # the first side's way there and back, in permille
	drive_a list | awk -v there="$1" -v back="$2" '$1 == "path" {
		for (i = 1; i < NF; i++) v[$i] = $(i + 1)
		d = v["there"] - there; e = v["back"] - back
		exit !(v["there"] >= 0 && d * d <= 6400 && e * e <= 6400) }'
}
if nft list ruleset >/dev/null 2>&1; then
	drive_z pathdel 1
	drive_z path 1 1 192.0.2.2 192.0.2.1 10000000
	drive_a path 1 1 192.0.2.1 192.0.2.2 10000 join
	check "nothing is lost" wait_for loss_is 0 0
	lossy "$Z"
	check "loss on the way there" wait_for loss_is 250 0
	ip netns exec "$Z" nft flush ruleset
	lossy "$A"
	check "loss on the way back" wait_for loss_is 0 250
	ip netns exec "$A" nft flush ruleset
	check "and none again" wait_for loss_is 0 0
fi

# What is said of a path counts if an SA of its own group says it.
path_used() { drive_z list | grep -q "path 1 .* use $1 "; }
check "a path of another peer" drive_z path 1 1 192.0.2.2 192.0.2.1 100000 group=5
drive_z watch 2 >"$dir/events" & # one a second is told
watcher=$!
sleep 0.2
drive_a want 1 0
wait "$watcher"
check "is asked to be left" grep -q 'join sa 1 .* use 0' "$dir/events"
check "which it is not" path_used 1
check "a path of this peer" drive_z path 1 1 192.0.2.2 192.0.2.1 100000
check "is left" wait_for path_used 0
drive_a want 1 1
check "and used again" wait_for path_used 1
drive_z pathdel 1
drive_z watch 2 >"$dir/events" &
watcher=$!
check "a stranger's authenticated probe is announced" wait_for grep -q 'join sa 1 epids 00010001 use 1' "$dir/events"
wait "$watcher"

check "nonsense from an agent" drive_a garbage
check "does no harm" drive_a hello
check "traffic goes on" a ping -c 2 -i 0.05 -W 2 10.1.0.2

# Nothing depends on an agent; a second engine does not take a living one's place.
check "second engine refuses" bash -c "! $B/braid-esp -f -d $dir/1"
asan=$(grep -cE "libasan|__asan|libtsan" "/proc/${pids[0]}/maps")
if [ "$asan" = 0 ]; then
	check "no capability but marking packets, system calls filtered" bash -c "
		grep -q 'CapEff:.*0000002000' /proc/${pids[0]}/status && grep -q 'Seccomp:.*2' /proc/${pids[0]}/status"
fi
engines=()
check "shutdown" drive_a shutdown
check "and exit" wait_for bash -c "! kill -0 ${pids[0]}"
kill -TERM "${pids[1]}"
check "exit on SIGTERM" wait_for bash -c "! kill -0 ${pids[1]} 2>/dev/null"

check "its socket is gone" bash -c "[ ! -e $dir/1/engine.sock ]"
check "no sanitizer complains" bash -c "! grep -E 'Sanitizer|runtime error' $dir/?.log"

echo "$passed passed, $failed failed"
[ "$failed" = 0 ]

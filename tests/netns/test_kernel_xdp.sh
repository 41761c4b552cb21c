#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# ESP of the kernel's, taken in by XDP beside somebody's program in libxdp's dispatcher, and decrypted on all CPUs;
# what is for nobody or malformed is dropped and counted; ESP that routers have cut arrives, in UDP or not; a hop
# that becomes narrow, and says so, does not stop TCP for long. Topology: tests/lib/netns.sh.
. "$(dirname "$0")/../lib/netns.sh"
. "$(dirname "$0")/../lib/kernel.sh"
for tool in nft xdp-loader bpftool curl busybox; do command -v $tool >/dev/null || skip "needs $tool"; done
kernel_esp_or_skip
topo_multihomed
ok() { echo "ok - $*"; }

confs() { # keys of both connections, of both data planes
	cat >"$T/user/braid.conf" <<-CONF
		uplink "wlan" { interface = wlan0 }
		dataplane { backend = kernel
			$2 }
		connection "home" {
			remote_addrs = { "192.0.2.66" }
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
		dataplane { backend = kernel
			$2 }
		pool "p" { addrs = "203.0.113.128/26" }
		connection "rw" {
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
start() {
	local h
	for h in gw user; do
		: >"$T/$h/log"
		braidd_start $h "$T/$h/braid.conf" -v
	done
	braid user up home >"$T/up" 2>&1 || fail "up: $(cat "$T/up")"
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
states() {
	local h
	for h in user gw; do
		echo "$h: $(braid $h --json stats | jq -c '.drops | with_entries(select(.value > 0))')"
		in_ns $h cat /proc/net/xfrm_stat | grep -v ' 0$'
		braid $h paths
	done
}
dropped() { braid gw --json stats | jq ".drops.$1"; } # reason
reach() { in_ns user ping -c "${2:-1}" -i 0.05 -W 5 -q -s "$1" 203.0.113.10 >"$T/ping"; }

# esp SPI PACKETS FORM: to the gateway, from a stranger on the user's host
stranger() {
	in_ns user /usr/bin/python3 - "$@" <<-'PY'
		import socket, sys
		spi, n, form = int(sys.argv[1], 16).to_bytes(4, "big"), int(sys.argv[2]), sys.argv[3]
		udp = form == "udp"
		s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM) if udp else socket.socket(socket.AF_INET, socket.SOCK_RAW, 50)
		for i in range(n):
		    s.sendto(spi[:2] if form == "short" else spi + i.to_bytes(4, "big") + bytes(60), ("192.0.2.66", 4500 if udp else 0))
	PY
}
counts() { # REASON PACKETS FORM SPI: all of them
	local before
	before=$(dropped "$1")
	stranger "$4" "$2" "$3"
	soon eval "[ \$(dropped $1) -ge $((before + $2)) ]" || fail "$2 packets ($3) are not counted as $1: $(states)"
}

# ---- XDP, beside another's program ----

loader() { in_ns gw env LIBXDP_BPFFS="$T/gw/bpf" xdp-loader "$@" 2>&1; }
mkdir -p "$T/gw/bpf" && mount -t bpf bpf "$T/gw/bpf" || skip "no bpffs can be mounted here"
loader load -m native -s xdp -P 30 eth0 "$B/bpf/xdp_seen.bpf.o" >"$T/loader" || skip "no XDP by xdp-loader here: $(cat "$T/loader")"
their_id() { loader status eth0 | sed -n 's/.*xdp_seen .* \([0-9][0-9]*\)  *[0-9a-f]\{16\}.*/\1/p'; }
seen() { # packets that theirs saw
	local map
	map=$(bpftool -j prog show id "$(their_id)" | jq '.map_ids[0]')
	bpftool -j map dump id "$map" | jq '.[0].formatted.value'
}

confs "encap = false" "attach = xdp spread = packets unknown_esp = drop"
start
why() { braid "$1" --json status | jq -r '.uplinks[0].attach_why'; }
for h in user gw; do
	[[ $(why $h) == 'native XDP, as configured; decrypted by '*' CPUs, each SA by all of them'* ]] || fail "$h: not by XDP: $(why $h; cat "$T/$h/log")"
done
loader status eth0 | grep -q steer_xdp || fail "not beside the other program: $(loader status eth0)"
before=$(seen)
reach 56 20 || fail "nothing passes: $(states)"
reach 1300 20 || fail "large packets do not pass: $(states)"
[ "$(seen)" -ge $((before + 40)) ] || fail "the other program saw $(seen), before $before"
grep -q ' 0% packet loss' "$T/ping" || fail "lost: $(cat "$T/ping")"
ok "by XDP in both hosts, beside another's program: $(why gw)"

head -c 2000000 /dev/urandom >"$T/file"
(cd "$T" && exec ip netns exec "$(ns lan)" busybox httpd -f -p 8000) &
get() { in_ns user curl -s -m "$1" -o "$T/got" http://203.0.113.10:8000/file && cmp -s "$T/file" "$T/got"; }
get 60 || fail "no transfer: $(states)"
[ "$(in_ns gw awk '/XfrmInStateSeqError/ { print $2 }' /proc/net/xfrm_stat)" = 0 ] || fail "out of the replay window: $(states)"
ok "TCP, decrypted on all CPUs: none falls out of the replay window"

counts UNKNOWN_SPI 20 plain 0x77700001
counts UNKNOWN_SPI 20 udp 0x77700001
counts BAD_PACKET 5 short 0x77700001
[ "$(in_ns gw awk '/XfrmInNoStates/ { print $2 }' /proc/net/xfrm_stat)" = 0 ] || fail "the kernel has looked for them: $(states)"
reach 56 3 || fail "nothing passes afterwards: $(states)"
ok "ESP for nobody and malformed packets are dropped before the kernel looks, and counted"

# ---- ESP that a router cuts ----

# Link MTUs would make veth drop silently what comes in.
hop() { # OCTETS: r1 sends on no more in one packet
	ip -n "$(ns r1)" route replace 192.0.2.64/26 dev gw proto kernel scope link src 192.0.2.65 mtu "$1"
	ip -n "$(ns r1)" route replace 192.0.2.0/26 dev user proto kernel scope link src 192.0.2.1 mtu "$1"
}
cuts() { # PROTOCOL: r1 takes DF away from what is long, and cuts it
	in_ns r1 nft -f - <<-NFT || fail "no nft"
		table ip cut { chain pre { type filter hook prerouting priority -400;
			ip protocol $1 ip length > 600 ip frag-off set 0; }; }
	NFT
	hop 1000
}
heals() {
	in_ns r1 nft delete table ip cut
	hop 1500
}
cut_pings() { # both ways, in pieces
	local n
	n=$(in_ns gw awk '/^Ip: [0-9]/ { print $16 }' /proc/net/snmp)
	reach 1200 10 || fail "in pieces nothing passes ($1): $(states; in_ns gw cat /proc/net/snmp)"
	grep -q ' 0% packet loss' "$T/ping" || fail "lost in pieces ($1): $(cat "$T/ping")"
	[ "$(in_ns gw awk '/^Ip: [0-9]/ { print $16 }' /proc/net/snmp)" -ge $((n + 10)) ] || fail "nothing was put together ($1): $(in_ns gw cat /proc/net/snmp)"
	ok "ESP in fragments is put together, $1"
}
cuts esp
cut_pings "by XDP"
heals

# ---- a hop that becomes narrow ----

mtu() { braid user --json paths | jq '.paths[0].mtu'; }
settled() { [ "$(braid user --json paths | jq -r '.paths[0].mtu_from')" = ike ]; }
soon settled || fail "the path is not measured: $(braid user paths; cat "$T/user/log")"
was=$(mtu)
hop 1300
get 240 || fail "TCP stops at a narrow hop: $(states; cat "$T/user/log" "$T/gw/log")"
for h in user gw; do grep -q 'a router says of ESP .*too big' "$T/$h/log" && said=$h; done
[ -n "${said:-}" ] || fail "no router's word was heard: $(cat "$T/user/log" "$T/gw/log")"
ok "a hop that becomes narrow: the router's word makes the path asked, TCP goes on ($was to $(mtu) octets)"
hop 1500
stop

# ---- the same by tc, in UDP ----

confs "encap = true" "attach = tc"
start
reach 56 3 || fail "nothing passes: $(states)"
cuts udp
cut_pings "in UDP, by tc"
heals
counts UNKNOWN_SPI 20 udp 0x77700001
n=$(in_ns gw awk '/XfrmInNoStates/ { print $2 }' /proc/net/xfrm_stat)
counts UNKNOWN_SPI 20 plain 0x77700001
soon eval "[ \$(in_ns gw awk '/XfrmInNoStates/ { print \$2 }' /proc/net/xfrm_stat) -ge $((n + 20)) ]" ||
	fail "somebody else's ESP does not reach the kernel: $(states)"
ok "ESP that may be somebody else's passes unless it is said that there is none"

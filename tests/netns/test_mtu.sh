#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# A path whose middle carries 1,280 octets and says nothing about it: router r1 has smaller links on
# both sides and sends no ICMP errors. Probes find it, TCP and large datagrams pass, and what is
# mended is found again. A slower kind of link: the configured MTU. [ESP-13]
. "$(dirname "$0")/../lib/netns.sh"
. "$(dirname "$0")/../lib/agent.sh"
command -v nft >/dev/null || skip "needs nft"

ok() { echo "ok - $*"; }
mtu_is() { [ "$(braid "$1" --json paths | jq -r --arg n "$2" '.paths[] | select(.name == $n).mtu')" = "$3" ]; }
# What is used is confirmed, what is not is left alone.
found() { # HOST PATH MTU, under traffic
	in_ns user ping -c 1 -W 1 -q 203.0.113.10 >"$T/ping"
	mtu_is "$@"
}
gw_mtu_is() { [ "$(braid gw --json paths | jq -r '.paths[] | select(.uplink == "a").mtu')" = "$1" ]; }
counter() { braid "$1" --json stats | jq ".engine.$2"; }
forget() { # what the hosts have learned of the tunnel
	in_ns user ip route flush cache
	in_ns lan ip route flush cache
}
serve() { # HOST: the file, by HTTP
	(cd "$T" && exec ip netns exec "$(ns "$1")" busybox httpd -f -p 8000) &
}
get() { # HOST ADDRESS: the same octets arrive there
	in_ns "$1" curl -s -m 20 -o "$T/got" "http://$2:8000/file" && cmp -s "$T/file" "$T/got"
}
fetch() { get user 203.0.113.10; } # to the user
push() { get lan "$(braid user --json sas | jq -r '.ike_sas[0].vips[0]')"; } # to the LAN
both_ways() { fetch && push; }
wide() { # 1400 octets pass as they are; the peer hears a moment later than we
	forget
	in_ns user ping -c 1 -W 1 -q -M 'do' -s 1372 203.0.113.10 >"$T/ping"
}
datagram() { # octets: an echo of that many comes back, in fragments
	in_ns user ping -c 1 -W 1 -q -M dont -s "$1" 203.0.113.10 >"$T/ping"
}

topo_multihomed
no_icmp_errors r1
agent_confs 100ms
sed -i 's/paths { probe_interval = 100ms }/paths { probe_interval = 100ms  mtu_raise = 2s }/' "$T"/*/braid.conf
head -c 2000000 /dev/urandom >"$T/file"
serve lan
serve user

braidd_start gw "$T/gw/braid.conf"
braidd_start user "$T/user/braid.conf"
braid user up home >"$T/up" || fail "up: $(cat "$T/up")"
wait_for 5 two_up user || fail "no two paths"
wait_for 5 mtu_is user wlan-a 1500 || fail "a good path: $(braid user paths)"
fetch || fail "no transfer"
[ "$(counter user drop_too_big)" = 0 ] || fail "a good path has packets that are too big"
ok "a path of 1500 octets"

narrow 1280
wait_for 10 found user wlan-a 1280 || fail "the narrow path is not found: $(braid user --json paths)"
wait_for 10 gw_mtu_is 1280 || fail "nor by the gateway: $(braid gw --json paths)"
mtu_is user ran-b 1500 || fail "the other path is 1500: $(braid user paths)"
bpftool map dump pinned "$T/user/bpf/braid/path" 2>/dev/null | grep -q '"mtu": 1280' || fail "not in the map"
ok "an MTU of 1280 is found without a word of the router"

in_ns user ping -c 1 -W 1 -M 'do' -s 1200 203.0.113.10 >"$T/ping" 2>&1 && fail "a packet that does not fit passed"
grep -q 'Frag needed and DF set (mtu = 1218)' "$T/ping" || fail "no ICMP error: $(cat "$T/ping")"
in_ns user ping -c 1 -W 1 -q -M 'do' -s 1190 203.0.113.10 >"$T/ping" || fail "a packet that fits: $(cat "$T/ping")"
ok "packets with DF are answered with the MTU"

# both hosts know nothing of it any more
forget
fetch || fail "no transfer to the user"
push || fail "no transfer to the LAN"
ok "TCP passes in both directions"

forget
for size in 1300 4000 20000; do
	wait_for 5 datagram $size || fail "an echo of $size octets: $(cat "$T/ping")"
done
[ "$(counter user fragmented)" -gt 0 ] || fail "nothing was fragmented"
ok "datagrams of up to 20,000 octets pass"

# no other path to go to
braid user path disable ran-b >/dev/null || fail "disable"
wait_for 5 path_is user ran-b disabled
forget
fetch || fail "no transfer over the narrow path alone"
datagram 4000 || fail "an echo over the narrow path alone"
braid user path enable ran-b >/dev/null
wait_for 5 path_is user ran-b up || fail "the other path does not come back"
braid user path disable wlan-a >/dev/null || fail "disable the narrow one"
wait_for 5 wide || fail "the wide path alone carries 1400: $(cat "$T/ping")"
braid user path enable wlan-a >/dev/null
wait_for 5 two_up user || fail "no two paths again"
ok "the least of the paths in use counts"

narrow 1500
wait_for 10 found user wlan-a 1500 || fail "a wider path is not found: $(braid user paths)"
wait_for 10 gw_mtu_is 1500 || fail "nor by the gateway"
wait_for 5 wide || fail "1400 again: $(cat "$T/ping")"
ok "a path that grows is found again"

# a black hole opens under traffic
narrow 1400
wait_for 10 found user wlan-a 1400 || fail "1400: $(braid user --json paths)"
forget
both_ways || fail "no transfer at 1400"
narrow 900
wait_for 10 found user wlan-a 900 || fail "900: $(braid user --json paths)"
forget
both_ways || fail "no transfer at 900"
narrow 1500
wait_for 10 found user wlan-a 1500 || fail "1500: $(braid user --json paths)"
ok "any other size too"

ip -n "$(ns user)" link set wlan0 mtu 1352
wait_for 5 mtu_is user wlan-a 1352 || fail "the link's own MTU: $(braid user --json paths)"
ip -n "$(ns user)" link set wlan0 mtu 1500
wait_for 10 found user wlan-a 1500 || fail "the link's own MTU again: $(braid user --json paths)"
sed -i 's/interface = wlan0/& mtu = 1380/' "$T/user/braid.conf"
braid user reload >/dev/null || fail "reload"
wait_for 5 mtu_is user wlan-a 1380 || fail "the configured MTU: $(braid user --json paths)"
ok "link and configuration are an upper limit"

# the same outside over IPv6, which links below 1280 octets have lost
ip -n "$(ns r1)" addr replace 2001:db8:1::1/64 dev user nodad
ip -n "$(ns r1)" addr replace 2001:db8:1:1::65/64 dev gw nodad
router r1
braid user down home >/dev/null || fail "down"
cp "$T/user/braid.conf" "$T/user/v4.conf"
sed -i '/path "ran-b"/d; s/192\.0\.2\.66", "198\.51\.100\.66/2001:db8:1:1::66/; s/192\.0\.2\.66/2001:db8:1:1::66/; s/ mtu = 1380//' \
	"$T/user/braid.conf"
narrow 1400
braid user reload >/dev/null || fail "reload"
braid user up home >"$T/up" || fail "up over IPv6: $(cat "$T/up")"
wait_for 10 found user wlan-a 1400 || fail "1400 over IPv6: $(braid user --json paths)"
forget
fetch || fail "no transfer over IPv6 at 1400 to the user"
push || fail "no transfer over IPv6 at 1400 to the LAN"
narrow 1280
wait_for 10 found user wlan-a 1280 || fail "1280 over IPv6: $(braid user --json paths)"
wait_for 10 gw_mtu_is 1280 || fail "nor by the gateway, over IPv6"
forget
both_ways || fail "no transfer over IPv6 at 1280"
datagram 4000 || fail "an echo over IPv6"
braid user down home >/dev/null || fail "down"
mv "$T/user/v4.conf" "$T/user/braid.conf"
ok "over IPv6 too"

# a peer without probes: what is configured is all that is known
sed -i 's/multipath = true/multipath = false/; s/mtu = 1380/mtu = 1280/' "$T/user/braid.conf"
sed -i 's/multipath = true/multipath = false/; s/interface = eth0/& mtu = 1280/' "$T/gw/braid.conf"
braid gw reload >/dev/null || fail "reload"
braid user reload >/dev/null || fail "reload"
braid user up home >"$T/up" || fail "up: $(cat "$T/up")"
forget
fetch || fail "no transfer with a configured MTU"
push || fail "no transfer to the LAN with a configured MTU"
datagram 4000 || fail "an echo with a configured MTU"
ok "without probes the configured MTU counts"

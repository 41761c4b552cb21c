#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# A path whose middle carries 1,280 or 1,400 octets and says nothing about it, to strongSwan, which knows
# none of our probes: requests of IKE find it (RFC 7383 2.5.2), in both roles and both families. TCP
# passes both ways, large datagrams from our side. [ESP-13]
. "$(dirname "$0")/../lib/netns.sh"
. "$(dirname "$0")/../lib/strongswan.sh"
for tool in nft curl busybox; do command -v $tool >/dev/null || skip "needs $tool"; done
topo_multihomed
ip -n "$(ns r1)" addr replace 2001:db8:1::1/64 dev user nodad
ip -n "$(ns r1)" addr replace 2001:db8:1:1::65/64 dev gw nodad
no_icmp_errors r1
head -c 300000 /dev/urandom >"$T/file"
# the last datagram that came, in $T/HOST/datagram
receive() {
	in_ns "$1" /usr/bin/python3 -c 'import os, socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("", 9000))
while True:
    data = s.recv(65535)
    with open(sys.argv[1] + ".new", "wb") as f:
        f.write(data)
    os.rename(sys.argv[1] + ".new", sys.argv[1])' "$T/$1/datagram" &
	wait_for 5 in_ns "$1" sh -c 'ss -lun | grep -q :9000' || fail "no receiver"
}
serve() { # HOST: files and datagrams
	(cd "$T" && exec ip netns exec "$(ns "$1")" busybox httpd -f -p 8000) &
	receive "$1"
}
serve user
serve lan

forget() { for h in user lan; do in_ns $h ip route flush cache; done; }
found() { [ "$(braid "$1" --json paths | jq -r '.paths[0] | "\(.mtu) \(.mtu_from)"')" = "$2 ike" ]; }
get() { # HOST ADDRESS: the same octets arrive there
	in_ns "$1" curl -s -m 20 -o "$T/got" "http://$2:8000/file" && cmp -s "$T/file" "$T/got"
}
# Echoes do not tell: strongSwan's own packets are as large as it thinks.
datagram() { # FROM TO ADDRESS OCTETS
	head -c "$4" "$T/file" >"$T/sent"
	in_ns "$1" bash -c "cat '$T/sent' >/dev/udp/$3/9000" 2>/dev/null
	wait_for 1 cmp -s "$T/sent" "$T/$2/datagram"
}
passes() { # LABEL FROM TO ADDRESS BACK: the address of the other side, and from there
	forget
	get "$2" "$4" || fail "$1: no transfer to $2"
	get "$3" "$5" || fail "$1: no transfer to $3"
	for size in 1300 4000 20000; do
		wait_for 5 datagram "$2" "$3" "$4" $size || fail "$1: a datagram of $size octets"
	done
	row "$1: TCP both ways, datagrams of up to 20,000 octets"
}
no_sas() { [ "$(braid "$1" --json sas | jq '.ike_sas | length')" = 0 ]; }

# ---- braid begins ----

cat >"$T/gw/swanctl.conf" <<-CONF
	connections { c { version = 2
		proposals = aes128gcm16-prfsha256-x25519, aes128-sha256-prfsha256-modp2048
		mobike = no
		rekey_time = 0
		pools = p
		local { auth = psk
			id = gw.example.org }
		remote { auth = psk
			id = user@example.org }
		children { net { local_ts = 203.0.113.0/26
			esp_proposals = aes128gcm16
			rekey_time = 0 } } } }
	pools { p { addrs = 203.0.113.128/26 } }
	secrets { ike-1 { secret = "$psk" } }
CONF
conn() { # NAME ADDRESS PROPOSAL MORE
	cat <<-CONF
		connection "$1" {
			remote_addrs = { "$2" }
			proposals = { "$3" }
			vips = { "0.0.0.0" }
			$4
			local { id = "user@example.org" }
			remote { id = "gw.example.org" }
			child "net" { remote_ts = { "203.0.113.0/26" } esp_proposals = { "aes128gcm16" } }
		}
	CONF
}
gcm=aes128gcm16-prfsha256-x25519
{
	echo 'uplink "wlan" { interface = wlan0 }'
	conn v4 192.0.2.66 $gcm ''
	conn cbc 192.0.2.66 aes128-sha256-prfsha256-modp2048 ''
	conn v6 2001:db8:1:1::66 $gcm ''
	conn whole 192.0.2.66 $gcm 'fragmentation = no'
	echo "secret \"s\" { id = { \"user@example.org\", \"gw.example.org\" } secret = \"$psk\" }"
} >"$T/user/braid.conf"
strongswan_start gw
braidd_start user "$T/user/braid.conf"
up() {
	braid user up "$1" >"$T/up" || fail "up $1: $(cat "$T/up")"
	vip=$(braid user --json sas | jq -r '.ike_sas[0].vips[0]')
}
down() {
	braid user down "$1" >/dev/null || fail "down"
	wait_for 5 no_sas user || fail "$1 stays"
}

narrow 1280
up v4
wait_for 60 found user 1280 || fail "1280: $(braid user --json paths)"
passes "1280, IPv4" user lan 203.0.113.10 "$vip"
narrow 1400
ip -n "$(ns user)" link set wlan0 mtu 1490 # looked at again
wait_for 60 found user 1400 || fail "1400: $(braid user --json paths)"
ip -n "$(ns user)" link set wlan0 mtu 1500
passes "1400, IPv4" user lan 203.0.113.10 "$vip"
braid user rekey v4 >/dev/null || fail "rekey of the IKE SA"
found user 1400 || fail "a rekey forgets what was found"
# an agent that starts anew keeps to it
pid=$(agent_pid user)
kill -9 "$pid"
wait "$pid" 2>/dev/null
braidd_start user "$T/user/braid.conf"
used() { [ "$(braid user --json paths | jq '.paths[0].mtu')" = "$1" ]; }
wait_for 3 used 1400 || fail "a new agent forgets it: $(braid user --json paths)"
wait_for 60 found user 1400 || fail "and does not find it again: $(braid user --json paths)"
passes "after a restart of the agent" user lan 203.0.113.10 "$vip"
down v4

narrow 1280
up v6
wait_for 60 found user 1280 || fail "1280 over IPv6: $(braid user --json paths)"
passes "1280, IPv6" user lan 203.0.113.10 "$vip"
down v6
narrow 1400
up v6
wait_for 60 found user 1400 || fail "1400 over IPv6: $(braid user --json paths)"
passes "1400, IPv6" user lan 203.0.113.10 "$vip"
down v6

# messages of this cipher come in multiples of 16 octets
up cbc
wait_for 60 found user 1392 || fail "1392 with CBC: $(braid user --json paths)"
passes "1400, IPv4, IKE with CBC" user lan 203.0.113.10 "$vip"
down cbc

narrow 1500
up v4
wait_for 60 found user 1500 || fail "1500: $(braid user --json paths)"
braid user --json stats | jq -e '.ike.retransmits == 0' >/dev/null || fail "retransmissions: $(braid user --json stats | jq -c .ike)"
row "1500, IPv4"
down v4
up whole
[ "$(braid user --json paths | jq -r '.paths[0].mtu_from')" = interface ] || fail "without fragmentation"
row "without fragmentation nothing is looked for"
down whole
stop_all
serve user # it went with the daemons

# ---- strongSwan begins ----

cat >"$T/gw/braid.conf" <<-CONF
	uplink "a" { interface = eth0 }
	pool "p" { addrs = "203.0.113.128/26" }
	connection "rw" {
		proposals = { "$gcm" }
		pools = { "p" }
		local { id = "gw.example.org" }
		remote { id = "user@example.org" }
		child "net" { local_ts = { "203.0.113.0/26" } esp_proposals = { "aes128gcm16" } }
	}
	secret "s" { id = { "user@example.org", "gw.example.org" } secret = "$psk" }
CONF
cat >"$T/user/swanctl.conf" <<-CONF
	connections { c { version = 2
		proposals = aes128gcm16-prfsha256-x25519
		mobike = no
		rekey_time = 0
		remote_addrs = 192.0.2.66
		vips = 0.0.0.0
		local { auth = psk
			id = user@example.org }
		remote { auth = psk
			id = gw.example.org }
		children { net { remote_ts = 203.0.113.0/26
			esp_proposals = aes128gcm16
			rekey_time = 0 } } } }
	secrets { ike-1 { secret = "$psk" } }
CONF
narrow 1400
braidd_start gw "$T/gw/braid.conf"
strongswan_start user
swan user --initiate --child net >"$T/up" || fail "strongSwan: $(cat "$T/up")"
vip=$(swan user --list-sas | sed -n 's/.*\[\(203\.0\.113\.[0-9]*\)\].*/\1/p' | head -n 1)
wait_for 60 found gw 1400 || fail "1400 at the responder: $(braid gw --json paths)"
passes "1400, strongSwan begins" lan user "$vip" 203.0.113.10

echo "${#rows[@]} cells passed"

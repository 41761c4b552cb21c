#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# Two peers, strongSwan both, that have chosen the same SPI for what a gateway with the kernel's ESP sends them: both
# are reached, also after a restart of the gateway's agent.
. "$(dirname "$0")/../lib/netns.sh"
. "$(dirname "$0")/../lib/kernel.sh"
. "$(dirname "$0")/../lib/strongswan.sh"
kernel_esp_or_skip
host user other gw lan
wire user u0 192.0.2.2/26 gw eth0 192.0.2.1/26
wire other o0 198.51.100.2/26 gw eth1 198.51.100.1/26
wire gw lan0 203.0.113.1/26 lan eth0 203.0.113.10/26
router gw
ip -n "$(ns lan)" route add default via 203.0.113.1

cat >"$T/gw/braid.conf" <<-CONF
	uplink "a" { interface = eth0 }
	uplink "b" { interface = eth1 }
	dataplane { backend = kernel }
	connection "user" {
		local { id = "gw.example.org" }
		remote { id = "user@example.org" }
		child "net" { local_ts = { "203.0.113.0/26" } remote_ts = { "10.1.0.1/32" } }
	}
	connection "other" {
		local { id = "gw.example.org" }
		remote { id = "other@example.org" }
		child "net" { local_ts = { "203.0.113.0/26" } remote_ts = { "10.1.0.2/32" } }
	}
	secret "s" { id = { "user@example.org", "other@example.org", "gw.example.org" } secret = "a long secret of ours" }
CONF
peer() { # HOST GATEWAY ADDRESS
	ip -n "$(ns "$1")" addr add "$3/32" dev lo
	cat >"$T/$1/swanctl.conf" <<-CONF
		connections { gw {
			version = 2
			remote_addrs = $2
			proposals = aes128gcm16-prfsha256-x25519
			mobike = no
			local { auth = psk
				id = $1@example.org }
			remote { auth = psk
				id = gw.example.org }
			children { net { local_ts = $3/32
				remote_ts = 203.0.113.0/26
				esp_proposals = aes128gcm16 } }
		} }
		secrets { ike-1 { secret = "a long secret of ours" } }
	CONF
	strongswan_start "$1"
	swan "$1" --initiate --ike gw --child net --timeout 60 >"$T/up" 2>&1 || fail "$1: $(tail -n 3 "$T/up")"
}
# shellcheck disable=SC2034  # for strongswan.sh
swan_esp='' swan_options='spi_min = 0xc7654321
	spi_max = 0xc7654321'
spis_out() { braid gw --json sas | jq -r '[.ike_sas[].children[].spi_out] | sort | join(" ")'; }
reached() { in_ns lan ping -c 2 -i 0.2 -W 5 -q "$1"; }
both() {
	soon reached 10.1.0.1 || fail "$1: the first peer is not reached"
	soon reached 10.1.0.2 || fail "$1: the second peer is not reached"
}

braidd_start gw "$T/gw/braid.conf"
peer user 192.0.2.1 10.1.0.1
first=$(spis_out)
peer other 198.51.100.1 10.1.0.2
[ "$(spis_out)" = "$first $first" ] || fail "they have chosen $(spis_out)"
both "at first"
xfrm_of gw | grep -q 'src 198.18.0.1 dst 198.18.0.3' || fail "where do they go? $(xfrm_of gw)"
echo "ok - both peers are reached by the SPI $first"

kill -9 "$(agent_pid gw)"
both "without an agent"
braidd_start gw "$T/gw/braid.conf"
both "after a restart"
[ "$(spis_out)" = "$first $first" ] || fail "after a restart: $(spis_out)"
echo "ok - and after a restart"

kill "$(agent_pid gw)"
left() { [ -n "$(left_of gw)" ]; }
soon eval '! left' || fail "left: $(left_of gw)"
echo "ok - nothing is left"

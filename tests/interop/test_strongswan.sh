#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# strongSwan 5.9 with its userspace ESP as the peer, in both roles: set-up, traffic both ways, rekeys
# it starts, its DPD, its Delete and ours. MIF-3.1.2-3, DES-5.2.3-2, MM-6-3. It shares no code with us:
# what it understands and proves is as the standards say. [HDR-2] [KEY-1] [KEY-2] [KEY-5] [KEY-6] [KEY-7]
# [KEY-8] [SK-1] [SK-3] [AUT-1] [AUT-2] [NAT-1] [NAT-3] [FRG-3]
#
#     user 192.0.2.2 --- r1 (routes, or masquerades) --- gw 192.0.2.66 --- lan 203.0.113.10
#
# A few suites that differ most; the matrix of strongswan_matrix.sh has them all.
. "$(dirname "$0")/../lib/netns.sh"
. "$(dirname "$0")/../lib/strongswan.sh"
for tool in tcpdump tshark nft; do command -v $tool >/dev/null || skip "needs $tool"; done
topo_multihomed

# name | IKE proposal | ESP proposal, in words both understand. No ESN: strongSwan's userspace ESP has
# none.
suites=(
	"gcm128-x25519|aes128gcm16-prfsha256-curve25519|aes128gcm16"
	"cbc-sha256-modp2048|aes128-sha256-modp2048|aes128-sha256"
	"chacha-ecp256|chacha20poly1305-prfsha256-ecp256|chacha20poly1305"
)
braid_user_conf() { # ike esp
	cat >"$T/user/braid.conf" <<-CONF
		allow_key_export = true
		uplink "wlan" { interface = wlan0 }
		connection "home" {
			remote_addrs = { "192.0.2.66" }
			proposals = { "$1" }
			vips = { "0.0.0.0" }
			retransmit_timeout = 1s
			${fragment_size:+fragment_size = $fragment_size}
			local { id = "user@example.org" }
			remote { id = "gw.example.org" }
			child "net" { remote_ts = { "203.0.113.0/26" } esp_proposals = { "$2" } tfc_padding = mtu }
		}
		secret "s" { id = { "user@example.org", "gw.example.org" } secret = "$psk" }
	CONF
}

braid_gw_conf() {
	cat >"$T/gw/braid.conf" <<-CONF
		uplink "a" { interface = eth0 }
		pool "p" { addrs = "203.0.113.128/26" }
		connection "rw" {
			proposals = { "$1" }
			pools = { "p" }
			dpd_delay = 2s
			${fragment_size:+fragment_size = $fragment_size}
			local { id = "gw.example.org" }
			remote { id = "user@example.org" }
			child "net" { local_ts = { "203.0.113.0/26" } esp_proposals = { "$2" } tfc_padding = mtu }
		}
		secret "s" { id = { "user@example.org", "gw.example.org" } secret = "$psk" }
	CONF
}

swan_conf() { # host role ike esp
	local conn='' pool=''
	if [ "$2" = responder ]; then
		conn="local_addrs = 192.0.2.66
			pools = p
			local { auth = psk
				id = gw.example.org }
			remote { auth = psk
				id = user@example.org }"
		pool='pools { p { addrs = 203.0.113.128/26 } }'
	else
		conn="remote_addrs = 192.0.2.66
			vips = 0.0.0.0
			local { auth = psk
				id = user@example.org }
			remote { auth = psk
				id = gw.example.org }"
	fi
	cat >"$T/$1/swanctl.conf" <<-CONF
		connections { c { version = 2
			proposals = $3
			dpd_delay = 2s
			mobike = no
			rekey_time = 0
			${swan_conn:-}
			$conn
			children { net {
				$([ "$2" = responder ] && echo local_ts || echo remote_ts) = 203.0.113.0/26
				esp_proposals = $4
				rekey_time = 0
			} } } }
		$pool
		secrets { ike-1 { secret = "$psk" } }
	CONF
}

swan_established() { swan "$1" --list-sas | grep -q 'ESTABLISHED'; }
swan_child_gone() { ! swan "$1" --list-sas | grep -q 'INSTALLED'; }
braid_sas() { braid "$1" --json sas | jq '.ike_sas | length'; }
no_sas() { [ "$(braid_sas "$1")" = 0 ]; }
spi_now() { braid "$1" --json sas | jq -r "[.ike_sas[].children[] | select(.state == \"INSTALLED\")][0].spi_in"; }
spi_changed() { local s; s=$(spi_now "$1"); [ "$s" != "$2" ] && [ "$s" != null ]; }
ike_spi() { braid "$1" --json sas | jq -r '[.ike_sas[] | select(.state == "ESTABLISHED")][0].spi_i'; }
ike_changed() { local s; s=$(ike_spi "$1"); [ "$s" != "$2" ] && [ "$s" != null ]; }

# What r1 sees from here on, in $T/cap.
capture() {
	rm -f "$T/cap" "$T/cap.log"
	ip netns exec "$(ns r1)" tcpdump --immediate-mode -i user -n -s 0 -U -w "$T/cap" udp 2>"$T/cap.log" &
	tcpdump=$!
	wait_for 5 grep -q 'listening on' "$T/cap.log" || fail "tcpdump does not start"
}

# What tests/fuzz/seeds.py reads: the set-up, and what comes under the same keys.
keep() {
	local d
	d=$(mktemp -d -p "$CAPTURES")
	cp -r "$T/cap" "$T/keys" "$d"
	ip netns exec "$(ns r1)" timeout 20 tcpdump --immediate-mode -i user -n -s 0 -U -w "$d/cap2" udp 2>"$T/cap.log" &
	wait_for 5 grep -q 'listening on' "$T/cap.log" || fail "tcpdump does not start"
}

# With the keys braid exports an independent decoder reads IKE_AUTH, both identities in it. (ESP keys
# never leave the engine.)
decodes() { # label
	rm -rf "$T/keys" && mkdir "$T/keys"
	braid user keys --wireshark "$T/keys" >/dev/null || fail "$1: keys are not exported"
	kill "$tcpdump" && wait "$tcpdump"
	WIRESHARK_CONFIG_DIR="$T/keys" tshark -n -V -O isakmp -r "$T/cap" >"$T/decoded" 2>/dev/null
	grep -q 'Identification Data:user@example.org' "$T/decoded" &&
		grep -q 'Identification Data:gw.example.org' "$T/decoded" ||
		fail "$1: tshark does not decrypt IKE_AUTH"
	[ -z "${fragment_size:-}" ] || grep -q 'Total Fragments: [2-9]' "$T/decoded" ||
		fail "$1: no fragments on the wire"
	row "$1: tshark decodes the exchanges with exported keys"
	[ -z "${CAPTURES:-}" ] || keep
}

# Both sides cut what they sent, IKE_AUTH too, which the decoder above could read all the same.
fragmented() { # braid-host label
	[ -n "${fragment_size:-}" ] || return 0
	braid "$1" --json stats | jq -e '.ike | .fragments_rx > 1 and .fragments_tx > 1 and .dropped_fragments == 0' \
		>/dev/null || fail "$2: $(braid "$1" --json stats | jq -c .ike)"
	row "$2: messages in fragments both ways"
}

rekeys() { # strongswan-host braid-host vip label
	local old ike
	old=$(spi_now "$2")
	swan "$1" --rekey --child net >/dev/null || fail "$4: strongSwan's Child SA rekey"
	wait_for 5 spi_changed "$2" "$old" || fail "$4: Child SA is not rekeyed"
	ping_both "$3"
	ike=$(ike_spi "$2")
	swan "$1" --rekey --ike c >/dev/null || fail "$4: strongSwan's IKE SA rekey"
	wait_for 5 ike_changed "$2" "$ike" || fail "$4: IKE SA is not rekeyed"
	ping_both "$3"
	row "$4: rekey of Child SA and IKE SA started by strongSwan"
}

# All we have sent is of one size, and was understood.
padded() { # host label
	braid "$1" --json paths | jq -e '.paths[0] | .tx_packets > 0 and .tx_octets % .tx_packets == 0 and
		.tx_octets / .tx_packets > 1440' >"$T/jq" || fail "$2: not padded: $(braid "$1" --json paths)"
	row "$2: packets with TFC padding"
}

braid_initiates() { # name ike esp nat
	local label="braid initiates, $1, $4" vip
	braid_user_conf "$2" "$3"
	swan_conf gw responder "$2" "$3"
	strongswan_start gw
	braidd_start user "$T/user/braid.conf"
	capture
	braid user up home >"$T/up" 2>&1 || fail "$label: $(cat "$T/up")"
	vip=$(braid user --json sas | jq -r '.ike_sas[0].vips[0]')
	ping_both "$vip"
	row "$label: set-up, traffic both ways"
	padded user "$label"
	case $2 in
	chacha*) kill "$tcpdump" ;; # Wireshark 4.0 cannot decrypt it
	*) decodes "$label" ;;
	esac
	fragmented user "$label"
	rekeys gw user "$vip" "$label"
	braid user rekey home/net >/dev/null || fail "$label: our Child SA rekey"
	braid user rekey home >/dev/null || fail "$label: our IKE SA rekey"
	ping_both "$vip"
	row "$label: rekey of Child SA and IKE SA started by braid"
	sleep 3 # strongSwan's DPD interval passes
	swan_established gw || fail "$label: DPD ended the IKE SA"
	ping_both "$vip"
	row "$label: its DPD is answered"
	braid user down home >/dev/null || fail "$label: our Delete"
	wait_for 5 swan_child_gone gw || fail "$label: strongSwan kept the SA after our Delete"
	row "$label: our Delete"
	stop_all
}

braid_responds() { # name ike esp nat
	local label="strongSwan initiates, $1, $4" vip
	braid_gw_conf "$2" "$3"
	swan_conf user initiator "$2" "$3"
	braidd_start gw "$T/gw/braid.conf"
	strongswan_start user
	swan user --initiate --child net >"$T/up" 2>&1 || fail "$label: $(tail -n 5 "$T/up")"
	vip=$(swan user --list-sas | sed -n 's/.*\[\(203\.0\.113\.[0-9]*\)\].*/\1/p' | head -n 1)
	ping_both "$vip"
	row "$label: set-up, traffic both ways"
	padded gw "$label"
	fragmented gw "$label"
	! braid gw keys --wireshark "$T" >/dev/null 2>&1 || fail "$label: keys were exported without permission"
	rekeys user gw "$vip" "$label"
	sleep 3 # both sides' DPD interval passes
	[ "$(braid_sas gw)" = 1 ] || fail "$label: DPD ended the IKE SA"
	row "$label: DPD both ways"
	swan user --terminate --ike c >/dev/null || fail "$label: its Delete"
	wait_for 5 no_sas gw || fail "$label: we kept the SA after its Delete"
	row "$label: its Delete"
	stop_all
}

nat_on() {
	in_ns r1 nft -f - <<-NFT
		table ip nat {
			chain post {
				type nat hook postrouting priority srcnat;
				oifname "gw" ip saddr 192.0.2.2 masquerade random
			}
		}
	NFT
}

# strongSwan sets up the IKE SA alone, and its Child SA afterwards.
IFS='|' read -r name ike esp <<<"${suites[0]}"
swan_conn='childless = force'
braid_responds "$name" "$ike" "$esp" "childless"
grep 'generating IKE_AUTH request' "$T/user/log" >"$T/auth" && ! grep -q ' SA ' "$T/auth" ||
	fail "childless: $(cat "$T/auth")"
swan_conn=''

# Every protected message with more than a little in it is cut.
# shellcheck disable=SC2034  # swan_options: for strongswan.sh
fragment_size=256 swan_options='fragment_size = 200'
for s in "${suites[@]:0:2}"; do
	IFS='|' read -r name ike esp <<<"$s"
	braid_initiates "$name" "$ike" "$esp" "fragments of $fragment_size octets"
	braid_responds "$name" "$ike" "$esp" "fragments of $fragment_size octets"
done
fragment_size='' swan_options=''

for s in "${suites[@]}"; do
	IFS='|' read -r name ike esp <<<"$s"
	braid_initiates "$name" "$ike" "$esp" "no NAT"
	braid_responds "$name" "$ike" "$esp" "no NAT"
done
nat_on || skip "nftables NAT is not available"
IFS='|' read -r name ike esp <<<"${suites[0]}"
braid_initiates "$name" "$ike" "$esp" "initiator behind NAT"
braid_responds "$name" "$ike" "$esp" "initiator behind NAT"
echo "${#rows[@]} cells passed"

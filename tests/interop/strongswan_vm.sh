#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# Cells with strongSwan whose ESP is the kernel's: for a kernel that has it, such as that of tests/vm/run.sh.
# Without a NAT and without MOBIKE it stays on port 500 where it is the initiator, and ESP is plain. braid's
# ESP is the engine's, then the kernel's (BACKENDS), which also moves to another uplink by MOBIKE, in both roles.
. "$(dirname "$0")/../lib/netns.sh"
. "$(dirname "$0")/../lib/strongswan.sh"
. "$(dirname "$0")/../lib/pki.sh"
. "$(dirname "$0")/../lib/cells.sh"
. "$(dirname "$0")/../lib/kernel.sh"
. "$(dirname "$0")/../lib/handover.sh"
. "$(dirname "$0")/../lib/stock.sh"
kernel_esp_or_skip
phases=${PHASES:-life moves outer}
stock_topo
[[ $phases != *outer* ]] && stock_echo 4 || stock_echo 4 6

read -r -a auths <<<"${AUTHS:-psk ecdsa}"
outer=4 nat=''
ike=aes128gcm16-prfsha256-x25519 esp=aes128gcm16-x25519
stock_protect "${auths[@]}"
certs() { [[ " ${auths[*]} " == *" ecdsa "* ]]; }
! certs || pki_make "$T/pki/ecdsa" ecdsa email:ecdsa@example.org DNS:ecdsa.example.org || fail "$(cat "$T/pki/ecdsa/openssl.log")"

braid_conf() { # host
	local a
	{
		stock_uplink "$1"
		for a in "${auths[@]}"; do
			# shellcheck disable=SC2034  # for stock.sh
			stock_remote=
			[ "$1$nat" != gwyes ] || stock_remote=$nat_at
			stock_conn "$1" "$a" "$a" "$a" $outer "$a" $ike $esp 'dpd_delay = 0'
		done
		stock_secrets "$1" "${auths[@]}"
	} >"$T/$1/braid.conf"
}

swan_conf() { # host
	local a d=$T/$1 at=${gw_at[$outer]} me peer mine_key=local lan_key=remote
	[ "$1" = user ] || at=${nat:+$nat_at} mine_key=remote lan_key=local
	at=${at:-${user_at[$outer]}}
	rm -rf "$d"/{x509,x509ca,private}
	mkdir -p "$d"/{x509,x509ca,private}
	if certs; then
		cp "$T/pki/ecdsa/$1.pem" "$d/x509/"
		cp "$T/pki/ecdsa/ca.pem" "$T/pki/ecdsa/$1-ca.pem" "$d/x509ca/"
		cp "$T/pki/ecdsa/$1.key" "$d/private/"
	fi
	{
		echo 'connections {'
		for a in "${auths[@]}"; do
			me=$a@example.org peer=$a.example.org
			[ "$1" = user ] || me=$a.example.org peer=$a@example.org
			printf '%s { version = 2\n remote_addrs = %s\n proposals = %s\n mobike = %s\n rekey_time = 0\n' "$a" "$at" $ike "${moves:-no}"
			if [ "$a" = psk ]; then
				printf 'local { auth = psk\n id = %s }\n remote { auth = psk\n id = %s }\n' "$me" "$peer"
			else
				printf 'local { auth = pubkey\n certs = %s.pem\n id = %s }\n' "$1" "$me"
				printf 'remote { auth = pubkey\n cacerts = ca.pem\n id = %s }\n' "$peer"
			fi
			printf 'children { net { %s_ts = %s/%s\n %s_ts = %s\n' $mine_key "${mine[$a,$outer]}" "${bits[$outer]}" $lan_key "${lan[$outer]}"
			printf 'esp_proposals = %s\n rekey_time = 0 } } }\n' $esp
		done
		echo "} secrets { ike-1 { secret = \"$psk\" } }"
	} >"$d/swanctl.conf"
}

sas() { braid "$us" --json sas; }
ike_count() { sas | jq '[.ike_sas[] | select(.state == "ESTABLISHED")] | length'; }
ike_spi() { sas | jq -r '[.ike_sas[] | select(.state == "ESTABLISHED")][0].spi_i'; }
child_spi() { sas | jq -r '[.ike_sas[].children[] | select(.state == "INSTALLED")][0].spi_in'; }
child_count() { sas | jq '[.ike_sas[].children[] | select(.state == "INSTALLED")] | length'; }
swan_children() { swan "$them" --list-sas | grep -c INSTALLED; }
is() { [ "$($1)" = "$2" ]; }
isnt() { local v; v=$($1); [ "$v" != "$2" ] && [ "$v" != null ]; }

set_up() {
	if [ "$us" = user ]; then
		say up braid user -t 60 up "$auth" || return 1
	else
		say up swan user --initiate --ike "$auth" --child net --timeout 60 || return 1
	fi
	stock_reach $us "$auth" "$auth" $outer && on_its_port
}
# Where strongSwan began it stays on port 500; we go to 4500 as soon as we know that it has it.
on_its_port() {
	local port=500
	if [ -n "$nat" ]; then
		why="not behind the NAT: $(sas | jq -c '.ike_sas[0] | [.local, .remote, .nat_local, .nat_remote, .children[0].encap]')"
		sas | jq -e '.ike_sas[0] | .children[0].encap and (.nat_local or .nat_remote)' >/dev/null
		return
	fi
	[ "$us$moves" = gw ] || port=4500 # with MOBIKE always
	why="not port $port and plain ESP: $(sas | jq -c '.ike_sas[0] | [.local, .remote, .children[0].encap]')"
	sas | jq -e --arg p ":$port" '.ike_sas[0] | (.local | endswith($p)) and (.remote | endswith($p)) and
		(.children[0].encap | not)' >/dev/null
}

renewed() { # question command...
	local was question=$1
	shift
	was=$($question)
	say rekey "$@" && say "another SPI" wait_for 4 isnt "$question" "$was" && say "$(ike_count) IKE SAs" wait_for 4 is ike_count 1 &&
		say "$(child_count) Child SAs" wait_for 4 is child_count 1 &&
		say "$(swan_children) Child SAs of strongSwan" wait_for 4 is swan_children 1 && on_its_port
}
rekeyed() { stock_traffic renewed "$@"; }

swan_without() { ! swan "$them" --list-sas | grep -q "${1}_i"; }
end_by() { # who
	local was
	was=$(ike_spi)
	if [ "$1" = us ]; then
		say Delete braid $us -t 30 down "$auth"
	else
		say Delete swan $them --terminate --ike "$auth" --timeout 30
	fi && say "strongSwan still has it" wait_for 4 swan_without "$was" || return 1
	# a connection that is wanted is set up again, maybe at once
	if [ "$1$us" = themuser ]; then
		say "the IKE SA is left" wait_for 4 isnt_now "$was"
	else
		say "an IKE SA is left" wait_for 4 is ike_count 0
	fi
}
isnt_now() { [ "$(ike_spi)" != "$1" ]; }

attempt() { # column COMMAND...
	local column=$1 row="braid $role, $stock_backend, $auth"
	shift
	why=
	if "$@"; then
		cell "$row" "$column" ok
		echo "ok $row ${column//\// } ($(sas | jq -r '[.ike_sas[].children[]] | "ESP: \([.[].rx_packets] | add // 0) in, \([.[].tx_packets] | add // 0) out"'), $SECONDS s)"
	else
		cell "$row" "$column" FAIL "$why"
	fi
}

# shellcheck disable=SC2034  # for strongswan.sh
swan_esp='' swan_options='retransmit_timeout = 4.0'
cells_begin "$(strongswan_version) with the kernel's ESP, which is plain: no NAT, IPv4"
run_role() {
	us=user them=gw moves=
	[ $role = initiator ] || us=gw them=user
	braid_conf $us
	swan_conf $them
	strongswan_start $them
	braidd_start $us "$T/$us/braid.conf"
	for auth in "${auths[@]}"; do
		# shellcheck disable=SC2034  # for stock_traffic
		address=${mine[$auth,4]}
		attempt set-up set_up
		attempt 'Child/rekey/by braid' rekeyed child_spi braid $us rekey "$auth/net"
		attempt 'Child/rekey/by swan' rekeyed child_spi swan $them --rekey --child net
		attempt 'IKE/rekey/by braid' rekeyed ike_spi braid $us rekey "$auth"
		attempt 'IKE/rekey/by swan' rekeyed ike_spi swan $them --rekey --ike "$auth"
		attempt 'IKE/Delete/by braid' end_by us
		set_up || echo "not set up again: $why"
		attempt 'IKE/Delete/by swan' end_by them
		braid $us -t 30 down "$auth" >/dev/null 2>&1
	done
	stop_all
}
run_mobike() {
	us=user them=gw moves=yes stock_backend=kernel auth=psk
	[ $role = initiator ] || us=gw them=user
	braid_conf $us
	swan_conf $them
	strongswan_start $them
	braidd_start $us "$T/$us/braid.conf"
	attempt 'MOBIKE/set-up' set_up
	address=${mine[$auth,4]}
	may_lose=100000 attempt 'MOBIKE/move' stock_traffic stock_moved $us $auth
	stop_all
	stock_move_back
}
# Over IPv6, then from behind a NAT, which means ESP in UDP.
run_outer() { # COLUMN
	us=user them=gw moves='' auth=psk
	[ $role = initiator ] || us=gw them=user
	braid_conf $us
	swan_conf $them
	strongswan_start $them
	braidd_start $us "$T/$us/braid.conf"
	address=${mine[$auth,$outer]}
	attempt "$1/set-up" set_up
	attempt "$1/rekey" rekeyed child_spi braid $us rekey "$auth/net"
	stop_all
}
nat_at=192.0.2.65
run_outers() {
	outer=6 run_outer IPv6
	in_ns r1 nft "add table ip nat; add chain ip nat post { type nat hook postrouting priority srcnat; }"
	in_ns r1 nft add rule ip nat post oifname gw ip saddr ${user_at[4]} masquerade random
	nat=yes run_outer NAT
	in_ns r1 nft delete table ip nat
}
for role in ${ROLES:-initiator responder}; do
	for stock_backend in ${BACKENDS:-engine kernel}; do
		[[ $phases != *life* ]] || run_role
	done
	[[ $phases != *moves* ]] || run_mobike
	[[ $phases != *outer* ]] || run_outers
done
cells_end

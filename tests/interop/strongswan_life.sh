#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# The life of an IKE SA with strongSwan 5.9, for braid's role and authentication: set up in fragments
# (certificates: a chain of RSA with 4096 bits, or of the other kinds), both kinds of rekey from both
# ends, with perfect forward secrecy and under pings both ways of which none may be lost, a hundred Child
# SAs, Deletes from both ends, liveness, reauthentication, a peer that dies.
#
#     user 192.0.2.2 --- r1 --- gw 192.0.2.66 --- lan 203.0.113.10
#                                   198.51.100.128-227
. "$(dirname "$0")/../lib/netns.sh"
. "$(dirname "$0")/../lib/strongswan.sh"
. "$(dirname "$0")/../lib/pki.sh"
. "$(dirname "$0")/../lib/cells.sh"
. "$(dirname "$0")/../lib/strongswan_conf.sh"
for tool in openssl nft; do command -v $tool >/dev/null || skip "needs $tool"; done
topo_multihomed
# shellcheck disable=SC2034  # for pki.sh
pki_rsa_bits=4096
make_certs

ike=aes128gcm16-prfsha256-x25519 esp=aes128gcm16-x25519
many=100
# The gateway's own: strongSwan's userspace ESP asks for a local address in what it protects.
for ((n = 0; n < many; n++)); do echo "addr add 198.51.100.$((128 + n))/32 dev lo"; done |
	ip -n "$(ns gw)" -batch - || fail "addresses of the gateway"
# nothing gets there in clear
ip -n "$(ns r1)" route add unreachable 198.51.100.128/25
ip -n "$(ns r1)" route add unreachable 203.0.113.128/26

# What both ends have in common with braid_conf and swan_conf.
swan_options='make_before_break = yes
	fragment_size = 200
	retransmit_timeout = 0.5
	retransmit_tries = 2'

braid_conf() { # host
	local auth name where how children n
	{
		if [ "$1" = user ]; then
			echo 'uplink "wlan" { interface = wlan0 }'
			where='remote_addrs = { "192.0.2.66" } vips = { "0.0.0.0" }'
		else
			echo 'uplink "a" { interface = eth0 } pool "p" { addrs = "203.0.113.128/26" }'
			where='pools = { "p" }'
		fi
		for auth in "${auths[@]}"; do for name in "$auth" "$auth-reauth"; do
			children="child \"net\" { $(ts_key "$1") = { \"203.0.113.0/26\" } esp_proposals = { \"$esp\" } rand_time = 0 }"
			how='reauth_time = 2s over_time = 20s rand_time = 0'
			if [ "$name" = "$auth" ]; then
				how=''
				[ "$1" = gw ] || for ((n = 0; n < many; n++)); do
					children+=" child \"c$n\" { remote_ts = { \"198.51.100.$((128 + n))/32\" } esp_proposals = { \"$esp\" } }"
				done
				[ "$1" = user ] || children+=" child \"many\" { local_ts = { \"198.51.100.128/25\" } esp_proposals = { \"$esp\" } }"
			elif [ "$1" = gw ]; then
				continue
			fi
			cat <<-CONF
				connection "$name" {
					$where
					$how
					proposals = { "$ike" }
					dpd_delay = 4s
					fragment_size = 256
					retransmit_timeout = 500ms
					retransmit_tries = 2
					$(if [ "$1" = user ]; then
						braid_auth user "$auth" "$auth@example.org" "$auth.example.org"
					else
						braid_auth gw "$auth" "$auth.example.org" "$auth@example.org"
					fi)
					$children
				}
			CONF
		done; done
		braid_secrets "$1"
	} >"$T/$1/braid.conf"
}
ts_key() { [ "$1" = user ] && echo remote_ts || echo local_ts; }

swan_conf() { # host
	local auth n
	swan_keys "$1"
	{
		echo 'connections {'
		for auth in "${auths[@]}"; do
			cat <<-CONF
				$auth { version = 2
					$([ "$1" = gw ] && echo 'pools = p' || printf 'remote_addrs = 192.0.2.66\n vips = 0.0.0.0\n')
					proposals = $ike
					mobike = no
					rekey_time = 0
					dpd_delay = 2s
					$(if [ "$1" = user ]; then
						swan_auth user "$auth" "$auth@example.org" "$auth.example.org"
					else
						swan_auth gw "$auth" "$auth.example.org" "$auth@example.org"
					fi)
					children {
						net { $(ts_key "$1") = 203.0.113.0/26
							esp_proposals = $esp
							rekey_time = 0 }
			CONF
			if [ "$1" = gw ]; then
				printf 'many { local_ts = 198.51.100.128/25\n esp_proposals = %s\n rekey_time = 0 }\n' $esp
			else
				for ((n = 0; n < many; n++)); do
					printf 'c%d { remote_ts = 198.51.100.%d/32\n esp_proposals = %s\n rekey_time = 0 }\n' \
						$n $((128 + n)) $esp
				done
			fi
			echo '} }'
		done
		echo '} pools { p { addrs = 203.0.113.128/26 } }'
		echo "secrets { ike-1 { secret = \"$psk\" } }"
	} >"$T/$1/swanctl.conf"
}

# ---- what the ends say --------------------------------------------------------------------------

# us and them: the hosts of braid and strongSwan
sas() { braid "$us" --json sas; }
ike_count() { sas | jq '.ike_sas | length'; }
ike_spi() { sas | jq -r '[.ike_sas[] | select(.state == "ESTABLISHED")][0].spi_i'; }
child_spi() { sas | jq -r '[.ike_sas[].children[] | select(.name == "net" and .state == "INSTALLED")][0].spi_in'; }
child_count() { sas | jq '[.ike_sas[].children[] | select(.state == "INSTALLED")] | length'; }
counter() { braid "$us" --json stats | jq ".ike.$1"; }
swan_children() { swan "$them" --list-sas | grep -c 'INSTALLED'; }
swan_empty() { [ -z "$(swan "$them" --list-sas)" ]; }
mark() { wc -l <"$T/$them/log" >"$T/mark"; }
logged() { tail -n +"$(($(cat "$T/mark") + 1))" "$T/$them/log" | grep -c "$1"; }
is() { [ "$($1)" = "$2" ]; }
isnt() { local v; v=$($1); [ "$v" != "$2" ] && [ "$v" != null ]; }
at_least() { [ "$("${@:2}")" -ge "$1" ]; }

vip() {
	if [ "$us" = user ]; then
		sas | jq -r '.ike_sas[0].vips[0]'
	else
		swan user --list-sas | sed -n 's/^  local .*\[\([0-9.]*\)\]$/\1/p' | head -n 1
	fi
}

up() { # connection
	if [ "$us" = user ]; then
		say up braid user -t 8 up "$1"
	else
		say up swan user --initiate --ike "$1" --child net
	fi && address=$(vip)
}

down() { # connection
	if [ "$us" = user ]; then
		say down braid user -t 8 down "$1"
	else
		say down swan user --terminate --ike "$1" --timeout 8
	fi
}

# ---- the cells ----------------------------------------------------------------------------------

set_up() {
	local fragments=2 rx tx
	[ "$auth" = psk ] || fragments=6
	rx=$(counter fragments_rx) tx=$(counter fragments_tx)
	up "$auth" || return 1
	say "the user does not reach the LAN" in_ns user ping -c 3 -i 0.02 -W 2 -q -I "$address" 203.0.113.10 || return 1
	[ $(($(counter fragments_rx) - rx)) -ge $fragments ] && [ $(($(counter fragments_tx) - tx)) -ge $fragments ] ||
		no "fragments: $(($(counter fragments_rx) - rx)) in, $(($(counter fragments_tx) - tx)) out"
}

rekey_child_us() { local s; s=$(child_spi); say rekey braid "$us" rekey "$auth/net" && say "another SPI" wait_for 5 isnt child_spi "$s" && one_each; }
rekey_child_them() { local s; s=$(child_spi); say rekey swan "$them" --rekey --child net && say "another SPI" wait_for 5 isnt child_spi "$s" && one_each; }
rekey_ike_us() { local s; s=$(ike_spi); say rekey braid "$us" rekey "$auth" && say "another SPI" wait_for 5 isnt ike_spi "$s" && one_each; }
rekey_ike_them() { local s; s=$(ike_spi); say rekey swan "$them" --rekey --ike "$auth" && say "another SPI" wait_for 5 isnt ike_spi "$s" && one_each; }
one_each() {
	say "one IKE SA" wait_for 3 is ike_count 1 && say "one Child SA" wait_for 3 is child_count 1 &&
		say "one Child SA of strongSwan" wait_for 3 is swan_children 1
}

hundred() {
	local n
	for ((n = 0; n < many; n++)); do
		if [ "$us" = user ]; then
			say "Child SA $n" braid user up "$auth/c$n" || return 1
		else
			say "Child SA $n" swan user --initiate --ike "$auth" --child c$n || return 1
		fi
	done
	[ "$(child_count)" = $((many + 1)) ] || no "$(child_count) Child SAs" || return 1
	# and an IKE SA that takes them all along
	say "IKE SA rekey" swan "$them" --rekey --ike "$auth" || return 1
	for ((n = 0; n < many; n++)); do
		say "Child SA $n: ping" in_ns user ping -c 1 -W 2 -q -I "$address" 198.51.100.$((128 + n)) || return 1
	done
	sas | jq -e "[.ike_sas[].children[] | select(.rx_packets > 0 and .tx_packets > 0)] | length >= $many" >/dev/null ||
		no "not each has carried something"
}

delete_child_us() { # the first of the hundred
	say Delete braid "$us" down "$auth/$([ "$us" = user ] && echo c0 || echo many)" &&
		say "strongSwan's Child SAs: $(swan_children)" wait_for 3 is swan_children "$(child_count)" &&
		[ "$(child_count)" -le $many ] || no "${why:-$(child_count) Child SAs}"
}
delete_child_them() {
	local before
	before=$(child_count)
	say Delete swan "$them" --terminate --child net && say "Child SAs" wait_for 3 is child_count $((before - 1)) &&
		say "strongSwan's Child SAs" wait_for 3 is swan_children $((before - 1))
}

# In silence strongSwan asks first. While packets come from braid only, braid asks.
liveness() { # who asks
	local s pid='' rc=0 asked='sending DPD request'
	s=$(ike_spi)
	if [ "$1" = us ]; then
		asked='parsed INFORMATIONAL request [0-9]* \[ \]'
		mute 1
		if [ "$us" = gw ]; then
			ip netns exec "$(ns lan)" ping -i 0.1 -q "$address" >/dev/null 2>&1 &
		else
			ip netns exec "$(ns user)" ping -i 0.1 -q -I "$address" 203.0.113.10 >/dev/null 2>&1 &
		fi
		pid=$!
	fi
	mark
	say "nobody asks" wait_for 8 at_least 1 logged "$asked" || rc=1
	if [ -n "$pid" ]; then
		kill "$pid"
		wait "$pid"
		mute 0
	fi 2>/dev/null
	[ $rc = 0 ] && { is ike_spi "$s" || no "the IKE SA ended"; }
}
mute() {
	in_ns user sysctl -qw net.ipv4.icmp_echo_ignore_all="$1"
	in_ns lan sysctl -qw net.ipv4.icmp_echo_ignore_all="$1"
}

# The end that did not set it up ends it; who wants it sets it up again.
delete_responder() {
	local s
	s=$(ike_spi)
	if [ "$us" = gw ]; then
		say Delete braid gw down "$auth" && say "strongSwan's IKE SAs" wait_for 3 swan_empty
	else
		say Delete swan gw --terminate --ike "$auth" && say "set up again" wait_for 8 isnt ike_spi "$s" && down "$auth"
	fi
}

reauth_us() { say "authenticated anew" wait_for 6 isnt ike_spi "$1" && say "one IKE SA" wait_for 4 is ike_count 1; }
reauth_them() {
	say reauthentication swan user --rekey --ike "$auth" --reauth &&
		say "authenticated anew" wait_for 5 isnt ike_spi "$1" && say "one IKE SA" wait_for 4 is ike_count 1
}
reauth() {
	# strongSwan may send by a new Child SA as soon as it has answered IKE_AUTH, before we have seen
	# the answer and have installed it: such packets wait for it
	local was
	if [ "$us" = user ]; then
		up "$auth-reauth" && was=$address && under_pings 400 reauth_us "$(ike_spi)" || return 1
		[ "$(vip)" = "$was" ] || no "another virtual address" || return 1
		down "$auth-reauth"
	else
		up "$auth" && was=$address && under_pings 150 reauth_them "$(ike_spi)" || return 1
		[ "$(vip)" = "$was" ] || no "another virtual address"
		# stays, for the next cell
	fi
}

# Nothing gets through any more: both ends give up.
dead_peer() {
	local spi
	[ "$us" = gw ] || up "$auth" || return 1
	spi=$(ike_spi)
	in_ns r1 sysctl -qw net.ipv4.ip_forward=0
	say "strongSwan keeps it" wait_for 12 swan_empty && say "braid keeps it" wait_for 12 isnt_now "$spi"
	local rc=$?
	in_ns r1 sysctl -qw net.ipv4.ip_forward=1
	down "$auth" >/dev/null 2>&1
	return $rc
}
isnt_now() { ! sas | jq -e --arg s "$1" '.ike_sas[] | select(.spi_i == $s and .state == "ESTABLISHED")' >/dev/null; }

attempt() { # column COMMAND...
	local column=$1
	shift
	why=
	if "$@"; then
		cell "braid $role $auth" "$column" ok
	else
		cell "braid $role $auth" "$column" FAIL "$why"
		clear_away >/dev/null 2>&1
		[ "$column" = "dead/peer" ] || up "$auth"
	fi
}

# Whatever a cell that failed left.
clear_away() {
	braid "$us" -t 3 down "$auth"
	[ "$us" = gw ] || braid user -t 3 down "$auth-reauth"
	swan "$them" --terminate --ike "$auth" --force
}

life() {
	address=
	attempt 'set-up in/fragments' set_up
	attempt 'DPD/by braid' liveness us
	attempt 'DPD/by swan' liveness them
	attempt 'Child/rekey/by braid' under_pings 100 rekey_child_us
	attempt 'Child/rekey/by swan' under_pings 100 rekey_child_them
	attempt 'IKE/rekey/by braid' under_pings 100 rekey_ike_us
	attempt 'IKE/rekey/by swan' under_pings 100 rekey_ike_them
	attempt "$many/Child SAs" hundred
	attempt 'Child/Delete/by braid' delete_child_us
	attempt 'Child/Delete/by swan' delete_child_them
	attempt 'IKE/Delete/by R' delete_responder
	attempt 'reauth.' reauth
	attempt 'dead/peer' dead_peer
}

cells_begin "IKE SAs with $(strongswan_version) through their life"
for role in ${ROLES:-initiates responds}; do
	us=user them=gw
	[ $role = initiates ] || us=gw them=user
	braid_conf $us
	swan_conf $them
	strongswan_start $them
	braidd_start $us "$T/$us/braid.conf"
	for auth in ${AUTHS:-"${auths[@]}"}; do life; done
	stop_all
done
cells_end

# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
# One configuration for many connections, of braid and of strongSwan in either role: names are
# AUTH-SUITE-FAMILY-ROUTE, the route being direct or to the address a static NAT has for the responder.
# Sourced after netns.sh, strongswan.sh and pki.sh.
# shellcheck disable=SC2034,SC2154  # for those who source it, and from them

auths=(psk rsa ecdsa ed25519)
suites=(gcm cbc chacha)
# in full, as braid shows them
declare -A ike_of=(
	[gcm]=aes128gcm16-prfsha256-x25519
	[cbc]=aes128-sha256-prfsha256-modp2048
	[chacha]=chacha20poly1305-prfsha256-ecp256
) esp_of=([gcm]=aes128gcm16 [cbc]=aes128-sha256 [chacha]=chacha20poly1305)
# with psk, IPv4 and no NAT only; the suite of ESP is the cipher and integrity of these
more_suites=(
	aes256gcm16-prfsha384-ecp384 aes192gcm16-prfsha512-ecp521 aes256gcm16-prfsha512-x448
	aes256gcm8-prfsha256-x25519 aes256gcm12-prfsha256-x25519
	aes256-sha384-prfsha384-ecp384 aes256-sha512-prfsha512-modp3072 aes192-sha256-prfsha256-modp4096
	aes128-sha1-prfsha1-modp2048
)
for s in "${more_suites[@]}"; do
	ike_of[$s]=$s
	esp_of[$s]=${s%-prf*}
done
declare -A gw_at=(
	[4-direct]=192.0.2.66 [4-nat]=192.0.2.1 [6-direct]=2001:db8:1:1::66 [6-nat]=2001:db8:1::1
) lan_net=([4]=203.0.113.0/26 [6]=2001:db8:3::/64) any=([4]=0.0.0.0 [6]=::) lan_at=(
	[4]=203.0.113.10 [6]=2001:db8:3::10)

# All of them, for the responder.
aead=aes128gcm16-aes192gcm16-aes256gcm16-aes256gcm12-aes256gcm8-chacha20poly1305
cbc=aes128-aes192-aes256-sha256-sha384-sha512-sha1
prf=prfsha256-prfsha384-prfsha512-prfsha1
ke=x25519-x448-ecp256-ecp384-ecp521-modp2048-modp3072-modp4096

# Every connection of the initiator as "NAME AUTH SUITE FAMILY ADDRESS".
initiator_conns() {
	local a s f r
	for s in "${more_suites[@]}"; do echo "psk-$s-4-direct psk $s 4 ${gw_at[4-direct]}"; done
	for a in "${auths[@]}"; do for s in "${suites[@]}"; do for f in 4 6; do for r in direct nat; do
		echo "$a-$s-$f-$r $a $s $f ${gw_at[$f-$r]}"
	done; done; done; done
}

# The certificates of both hosts, of every kind, in $T/pki/KIND.
make_certs() {
	local a
	for a in "${auths[@]}"; do
		[ "$a" != psk ] || continue
		# shellcheck disable=SC2034  # for pki.sh
		pki_org="braid test $a"
		pki_make "$T/pki/$a" "$a" "email:$a@example.org" "DNS:$a.example.org" ||
			fail "$a: $(cat "$T/pki/$a/openssl.log")"
	done
}

# How braid on HOST authenticates itself and the peer: AUTH LOCAL-ID REMOTE-ID
braid_auth() {
	if [ "$2" = psk ]; then
		echo "local { id = \"$3\" } remote { id = \"$4\" }"
	else
		echo "local { id = \"$3\" auth = pubkey certs = { \"../pki/$2/$1-chain.pem\" } }
			remote { id = \"$4\" auth = $2 cacerts = { \"../pki/$2/ca.pem\" } }"
	fi
}

braid_secrets() {
	local a
	echo "secret \"s\" { id = { \"psk@example.org\", \"psk.example.org\" } secret = \"$psk\" }"
	for a in "${auths[@]}"; do
		[ "$a" = psk ] || echo "private \"$a\" { file = \"../pki/$a/$1.key\" }"
	done
}

braid_user_conf() {
	local name auth suite family at
	{
		echo 'uplink "wlan" { interface = wlan0 }'
		while read -r name auth suite family at; do
			cat <<-CONF
				connection "$name" {
					remote_addrs = { "$at" }
					proposals = { "${ike_of[$suite]}" }
					vips = { "${any[$family]}" }
					retransmit_timeout = 1s
					${braid_extra:-}
					$(braid_auth user "$auth" "$auth@example.org" "$auth.example.org")
					child "net" { remote_ts = { "${lan_net[$family]}" } esp_proposals = { "${esp_of[$suite]}" } }
				}
			CONF
		done < <(initiator_conns)
		braid_secrets user
	} >"$T/user/braid.conf"
}

braid_gw_conf() {
	local auth
	{
		echo 'uplink "a" { interface = eth0 }'
		echo 'pool "p4" { addrs = "203.0.113.128/26" } pool "p6" { addrs = "2001:db8:4::/120" }'
		for auth in "${auths[@]}"; do
			cat <<-CONF
				connection "$auth" {
					proposals = { "$aead-$prf-$ke", "$cbc-$prf-$ke" }
					pools = { "p4", "p6" }
					${braid_extra:-}
					$(braid_auth gw "$auth" "$auth.example.org" "$auth@example.org")
					child "net" {
						local_ts = { "${lan_net[4]}", "${lan_net[6]}" }
						esp_proposals = { "$aead", "$cbc" }
					}
				}
			CONF
		done
		braid_secrets gw
	} >"$T/gw/braid.conf"
}

# How strongSwan on HOST authenticates itself and the peer: AUTH LOCAL-ID REMOTE-ID
swan_auth() {
	if [ "$2" = psk ]; then
		printf 'local { auth = psk\n id = %s }\n remote { auth = psk\n id = %s }\n' "$3" "$4"
	else
		printf 'local { auth = pubkey\n certs = %s-%s.pem\n id = %s }\n' "$2" "$1" "$3"
		printf 'remote { auth = pubkey\n cacerts = %s-ca.pem\n id = %s }\n' "$2" "$4"
	fi
}

swan_keys() { # HOST
	local d=$T/$1 a
	rm -rf "$d"/{x509,x509ca,private}
	mkdir -p "$d"/{x509,x509ca,private}
	for a in "${auths[@]}"; do
		[ "$a" != psk ] || continue
		cp "$T/pki/$a/$1.pem" "$d/x509/$a-$1.pem"
		cp "$T/pki/$a/ca.pem" "$d/x509ca/$a-ca.pem"
		cp "$T/pki/$a/$1-ca.pem" "$d/x509ca/$a-$1-ca.pem"
		cp "$T/pki/$a/$1.key" "$d/private/$a.key"
	done
}

swan_user_conf() {
	local name auth suite family at
	swan_keys user
	{
		echo 'connections {'
		while read -r name auth suite family at; do
			cat <<-CONF
				$name { version = 2
					remote_addrs = $at
					proposals = ${ike_of[$suite]}
					vips = ${any[$family]}
					mobike = no
					rekey_time = 0
					${swan_extra:-}
					$(swan_auth user "$auth" "$auth@example.org" "$auth.example.org")
					children { net {
						remote_ts = ${lan_net[$family]}
						esp_proposals = ${esp_of[$suite]}
						rekey_time = 0
					} } }
			CONF
		done < <(initiator_conns)
		echo "} secrets { ike-1 { secret = \"$psk\" } }"
	} >"$T/user/swanctl.conf"
}

swan_gw_conf() {
	local auth
	swan_keys gw
	{
		echo 'connections {'
		for auth in "${auths[@]}"; do
			cat <<-CONF
				$auth { version = 2
					proposals = $aead-$prf-$ke,$cbc-$prf-$ke
					pools = p4, p6
					mobike = no
					rekey_time = 0
					${swan_extra:-}
					$(swan_auth gw "$auth" "$auth.example.org" "$auth@example.org")
					children { net {
						local_ts = ${lan_net[4]},${lan_net[6]}
						esp_proposals = $aead,$cbc
						rekey_time = 0
					} } }
			CONF
		done
		echo '} pools { p4 { addrs = 203.0.113.128/26 }
			p6 { addrs = 2001:db8:4::/120 } }'
		echo "secrets { ike-1 { secret = \"$psk\" } }"
	} >"$T/gw/swanctl.conf"
}

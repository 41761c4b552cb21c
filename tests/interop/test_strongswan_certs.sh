#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# Certificates with strongSwan 5.9, in both roles: RSA, ECDSA and Ed25519, each end below an intermediate
# CA that only its owner has, so that both must send their chain. Then what must not work.
. "$(dirname "$0")/../lib/netns.sh"
. "$(dirname "$0")/../lib/strongswan.sh"
. "$(dirname "$0")/../lib/pki.sh"
command -v openssl >/dev/null || skip "needs openssl"
topo_multihomed

ike=aes128gcm16-prfsha256-curve25519
esp=aes128gcm16

braid_conf() { # host auth-of-peer
	local h=$1 id peer conn child uplink
	if [ "$h" = user ]; then
		uplink='uplink "wlan" { interface = wlan0 }'
		conn='remote_addrs = { "192.0.2.66" } vips = { "0.0.0.0" } retransmit_timeout = 1s'
		id=user@example.org peer=gw.example.org child='remote_ts'
	else
		uplink='uplink "a" { interface = eth0 } pool "p" { addrs = "203.0.113.128/26" }'
		conn='pools = { "p" } dpd_delay = 2s'
		id=gw.example.org peer='*@example.org' child='local_ts'
	fi
	cat >"$T/$h/braid.conf" <<-CONF
		$uplink
		connection "c" {
			$conn
			ocsp = both # which strongSwan 5.9.8 does not know and must not mind
			proposals = { "$ike" }
			local { id = "$id" auth = "${our_auth:-pubkey}" certs = { "../pki/$h-chain.pem" } }
			remote { id = "$peer" auth = $2 cacerts = { "../pki/ca.pem" } }
			child "net" { $child = { "203.0.113.0/26" } esp_proposals = { "$esp" } }
		}
		private "k" { file = "../pki/$h.key" }
	CONF
}

swan_conf() { # host
	local h=$1 conn ids child pool=''
	if [ "$h" = gw ]; then
		conn='local_addrs = 192.0.2.66
			pools = p'
		ids=(gw.example.org user@example.org) child=local_ts
		pool='pools { p { addrs = 203.0.113.128/26 } }'
	else
		conn='remote_addrs = 192.0.2.66
			vips = 0.0.0.0'
		ids=(user@example.org gw.example.org) child=remote_ts
	fi
	rm -rf "${T:?}/$h"/{x509,x509ca,private}
	mkdir -p "$T/$h"/{x509,x509ca,private}
	cp "$T/pki/$h.pem" "$T/$h/x509/"
	cp "$T/pki/ca.pem" "$T/pki/$h-ca.pem" "$T/$h/x509ca/"
	cp "$T/pki/$h.key" "$T/$h/private/"
	cat >"$T/$h/swanctl.conf" <<-CONF
		connections { c { version = 2
			proposals = $ike
			mobike = no
			fragmentation = no
			rekey_time = 0
			$conn
			local { auth = pubkey
				certs = $h.pem
				id = ${ids[0]} }
			remote { auth = pubkey
				cacerts = ca.pem
				id = ${ids[1]} }
			children { net {
				$child = 203.0.113.0/26
				esp_proposals = $esp
				rekey_time = 0
			} } } }
		$pool
	CONF
}

# What strongSwan says our signature was.
saw() { # host signature
	grep -q "with $2 successful" "$T/$1/log" || fail "not signed with $2: $(grep 'authentication of' "$T/$1/log")"
}

braid_initiates() { # kind signature
	braid_conf user "$1"
	swan_conf gw
	strongswan_start gw
	braidd_start user "$T/user/braid.conf"
	braid user up c >"$T/up" 2>&1 || fail "braid initiates, $1: $(cat "$T/up")"
	ping_both "$(braid user --json sas | jq -r '.ike_sas[0].vips[0]')"
	saw gw "$2"
	row "braid initiates, $1, $2: set-up, traffic both ways"
	stop_all
}

braid_responds() { # kind signature
	braid_conf gw "$1"
	swan_conf user
	braidd_start gw "$T/gw/braid.conf"
	strongswan_start user
	swan user --initiate --child net >"$T/up" 2>&1 || fail "strongSwan initiates, $1: $(tail -n 5 "$T/up")"
	ping_both "$(swan user --list-sas | sed -n 's/.*\[\(203\.0\.113\.[0-9]*\)\].*/\1/p' | head -n 1)"
	saw user "$2"
	row "strongSwan initiates, $1, $2: set-up, traffic both ways"
	stop_all
}

for cell in "rsa RSA_EMSA_PSS_SHA2_256_SALT_32" "ecdsa ECDSA_WITH_SHA256_DER" "ed25519 ED25519"; do
	read -r kind signature <<<"$cell"
	rm -rf "$T/pki"
	pki_make "$T/pki" $kind email:user@example.org DNS:gw.example.org || fail "$kind: $(cat "$T/pki/openssl.log")"
	braid_initiates "$kind" "$signature"
	braid_responds "$kind" "$signature"
done

# PKCS#1 v1.5 where it is asked for.
rm -rf "$T/pki"
pki_make "$T/pki" rsa email:user@example.org DNS:gw.example.org || fail "$(cat "$T/pki/openssl.log")"
our_auth=rsa-sha256
braid_initiates rsa RSA_EMSA_PKCS1_SHA2_256
our_auth=

# Without RFC 7427 (a peer from before it), ECDSA has a method of its own.
rm -rf "$T/pki"
pki_make "$T/pki" ecdsa email:user@example.org DNS:gw.example.org || fail "$(cat "$T/pki/openssl.log")"
# shellcheck disable=SC2034  # for strongswan_start
swan_options='signature_authentication = no'
braid_initiates ecdsa "ECDSA-256 signature"
braid_responds ecdsa-256 "ECDSA-256 signature"
swan_options=''

# What the operator sees of them.
braid_conf user pubkey
braidd_start user "$T/user/braid.conf"
[ "$(braid user --json certs | jq -r '.certs[] | "\(.use) \(.subject) \(.state) \(.conns[0])"' | sort)" = \
	"ca C=CH, O=braid test, CN=ca valid c
intermediate C=CH, O=braid test, CN=user-ca valid c
own C=CH, O=braid test, CN=user valid c" ] || fail "braid certs: $(braid user certs)"
row "braid certs"
stop_all

# A kind of key that the configuration does not want.
rm -rf "$T/pki"
pki_make "$T/pki" ed25519 email:user@example.org DNS:gw.example.org || fail "$(cat "$T/pki/openssl.log")"
braid_conf user rsa
swan_conf gw
strongswan_start gw
braidd_start user "$T/user/braid.conf"
braid user up c >"$T/up" 2>&1
[ $? -eq 7 ] && grep -q 'its key, Ed25519, is not what remote auth asks for' "$T/up" ||
	fail "a key that is not wanted: $(cat "$T/up")"
wait_for 5 grep -q 'AUTH_FAILED\|AUTHENTICATION_FAILED' "$T/gw/log" || fail "strongSwan was not told"
row "a key that is not wanted is refused"
stop_all

# The same names from a CA we do not know.
braid_conf user pubkey
cp "$T/pki/ca.pem" "$T/pki/ours.pem"
sed -i 's,pki/ca.pem,pki/ours.pem,' "$T/user/braid.conf"
mv "$T/pki/user-chain.pem" "$T/pki/user.key" "$T/"
pki_make "$T/pki" ecdsa email:user@example.org DNS:gw.example.org || fail "$(cat "$T/pki/openssl.log")"
mv "$T/user-chain.pem" "$T/user.key" "$T/pki/"
swan_conf gw
cp "$T/pki/ours.pem" "$T/gw/x509ca/"
sed -i 's/cacerts = ca.pem/cacerts = ca.pem, ours.pem/' "$T/gw/swanctl.conf"
strongswan_start gw
braidd_start user "$T/user/braid.conf"
braid user up c >"$T/up" 2>&1
[ $? -eq 7 ] && grep -q 'unable to get local issuer certificate' "$T/up" || fail "another CA: $(cat "$T/up")"
row "a certificate of another CA is refused"
stop_all
echo "${#rows[@]} cells passed"

#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# Two braids with certificates over two paths. A certificate is revoked by a list that the running agent
# reads again; a file that cannot be used leaves the old configuration in place.
. "$(dirname "$0")/../lib/netns.sh"
. "$(dirname "$0")/../lib/agent.sh"
. "$(dirname "$0")/../lib/pki.sh"
command -v openssl >/dev/null || skip "needs openssl"
topo_multihomed
pki_days=5
pki_make "$T/pki" ecdsa email:user@example.org DNS:gw.example.org || fail "$(cat "$T/pki/openssl.log")"
agent_confs 100ms

# The same connections with certificates in place of the secret; the user's key is encrypted.
openssl pkey -in "$T/pki/user.key" -aes256 -passout 'pass:open sesame' -out "$T/user/user.key"
chmod 600 "$T/user/user.key"
swap() { # host id peer-id more-about-the-peer private
	sed -i -e '/secret "s"/d' \
		-e "s,local {.*,local { id = \"$2\" auth = pubkey certs = { \"../pki/$1-chain.pem\" } }," \
		-e "s,remote {.*,remote { id = \"$3\" auth = ecdsa-256-sha256 cacerts = { \"../pki/ca.pem\" } $4 }," "$T/$1/braid.conf"
	echo "private \"k\" { $5 }" >>"$T/$1/braid.conf"
}
swap user user@example.org gw.example.org "" 'file = "user.key" secret = "open sesame"'
swap gw gw.example.org '*@example.org' 'revocation = strict crls = { "../pki/all.crl" } certs = { "../pki/user.pem" }' 'file = "../pki/gw.key"'

# crl ISSUER [REVOKED]: a list of that CA
crl() {
	local d=$T/pki serial
	: >"$d/index"
	echo 01 >"$d/number"
	if [ $# -gt 1 ]; then
		serial=$(openssl x509 -in "$d/$2.pem" -noout -serial)
		printf 'R\t391231235959Z\t260101000000Z\t%s\tunknown\t/CN=x\n' "${serial#serial=}" >"$d/index"
	fi
	printf '[ca]\ndefault_ca=d\n[d]\ndatabase=%s/index\ncrlnumber=%s/number\ndefault_md=sha256\ndefault_crl_days=10\n' \
		"$d" "$d" >"$d/ca.conf"
	openssl ca -config "$d/ca.conf" -gencrl -keyfile "$d/$1.key" -cert "$d/$1.pem" 2>>"$d/openssl.log"
}
lists() { # [REVOKED BY-CA]: of both CAs in the user's chain
	{ crl ca && crl user-ca "$@"; } >"$T/pki/all.crl" || fail "$(cat "$T/pki/openssl.log")"
}
lists

braidd_start gw "$T/gw/braid.conf"
braidd_start user "$T/user/braid.conf"
braid user up home >"$T/up" 2>&1 || fail "up: $(cat "$T/up")"
wait_for 10 two_up user || fail "two paths are not up"
in_ns user ping -c 3 -i 0.2 -W 2 -q -I "$(braid user --json sas | jq -r '.ike_sas[0].vips[0]')" 203.0.113.10 >/dev/null ||
	fail "no traffic"
braid gw --json sas | jq -e '.ike_sas[0].remote_id == "user@example.org"' >/dev/null || fail "identity"
braid gw --json conns | jq -e '.conns[0].remote | .revocation == "strict" and .crls == 2 and .key_types == ["ecdsa"] and
	.key_bits_min == 256 and .cacerts == ["C=CH, O=braid test, CN=ca"] and .certs == ["C=CH, O=braid test, CN=user"] and
	.hashes == ["sha256"] and .rsa_padding == null and .id == "*@example.org"' \
	>/dev/null || fail "conns: $(braid gw --json conns)"
echo "ok - certificates, encrypted key, strict lists, two paths"

grep -q 'certificate "C=CH, O=braid test, CN=gw" (own, connection rw) expires on 20..-..-..: renew it' "$T/gw/log" ||
	fail "no warning about a certificate's end"
! grep -q 'CN=ca" (ca' "$T/gw/log" || fail "a warning about the CA, which has 30 days"
echo "ok - told that they end soon"

# the list is read again, not looked at before
braid user down home >/dev/null
lists user
braid user up home >/dev/null 2>&1 || fail "the new list counts before it was read"
braid user down home >/dev/null
braid gw reload || fail "reload"
braid user up home >"$T/up" 2>&1
[ $? -eq 7 ] || fail "a revoked certificate is believed: $(cat "$T/up")"
grep -q 'AUTHENTICATION_FAILED; check ids, and secret or certificates' "$T/up" || fail "$(cat "$T/up")"
grep -q 'peer with id user@example.org: certificate "C=CH, O=braid test, CN=user": certificate revoked; answered AUTHENTICATION_FAILED' \
	"$T/gw/log" || fail "the gateway does not say why"
echo "ok - revoked after reload"

# a broken file changes nothing
lists
cp "$T/pki/gw.key" "$T/pki/saved"
chmod 644 "$T/pki/gw.key"
braid gw reload >"$T/up" 2>&1 && fail "a key that all can read is taken"
grep -q 'found a private key in a file of mode 0644' "$T/up" || fail "$(cat "$T/up")"
braid user up home >/dev/null 2>&1 && fail "the old list is forgotten"
chmod 600 "$T/pki/gw.key"
braid gw reload || fail "reload"
braid user up home >"$T/up" 2>&1 || fail "up again: $(cat "$T/up")"
echo "ok - mistakes leave the old configuration, a new list is taken"

# one that has two weeks left a few seconds from now; the program makes days of validity but for "ca"
d=$T/pki
: >"$d/soon.index"
printf '[ca]\ndefault_ca=d\n[d]\ndatabase=%s/soon.index\nserial=%s/soon.serial\nnew_certs_dir=%s\ndefault_md=sha256
policy=p\nx509_extensions=e\n[p]\ncommonName=supplied\n[e]\nbasicConstraints=critical,CA:TRUE\n' "$d" "$d" "$d" >"$d/soon.conf"
pki_key ecdsa "$d/soon.key"
{
	openssl req -new -key "$d/soon.key" -subj "/CN=soon" -out "$d/soon.csr" &&
		openssl ca -config "$d/soon.conf" -create_serial -batch -notext -selfsign -keyfile "$d/soon.key" -in "$d/soon.csr" \
			-out "$d/soon.pem" -enddate "$(date -u -d '+14 days +7 seconds' +%y%m%d%H%M%SZ)"
} >>"$d/openssl.log" 2>&1 || fail "$(cat "$d/openssl.log")"
sed -i 's|cacerts = {|& "../pki/soon.pem",|' "$T/gw/braid.conf"
: >"$T/gw/log"
braid gw reload || fail "reload"
told() { [ "$(grep -c 'certificate "CN=soon" (ca, connection rw) expires on' "$T/gw/log")" = 1 ]; }
told && fail "told too early"
wait_for 40 told || fail "not told while running: $(cat "$T/gw/log")"
echo "ok - told when two weeks are left, while running"

#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# Two braids that must see an OCSP response for every certificate: stapled by the peer (RFC 4806), else
# from files, which the openssl program makes. Nobody asks a responder. What is wrong with those a host sends
# is told.
. "$(dirname "$0")/../lib/netns.sh"
. "$(dirname "$0")/../lib/agent.sh"
. "$(dirname "$0")/../lib/pki.sh"
command -v openssl >/dev/null || skip "needs openssl"
topo_multihomed
P=$T/pki
pki_make "$P" ecdsa email:user@example.org DNS:gw.example.org || fail "$(cat "$P/openssl.log")"
for ca in ca user-ca gw-ca; do
	pki_cert "$P" ecdsa $ca "$ca-ocsp" 'extendedKeyUsage=OCSPSigning\nnoCheck=ignored'
done
agent_confs 100ms

# response CA NAME V|R [DAYS]: NAME.ocsp, by whom the CA appointed
response() {
	local serial
	serial=$(openssl x509 -in "$P/$2.pem" -noout -serial)
	if [ "$3" = V ]; then
		printf 'V\t391231235959Z\t\t%s\tunknown\t/CN=x\n' "${serial#serial=}" >"$P/index"
	else
		printf 'R\t391231235959Z\t260101000000Z\t%s\tunknown\t/CN=x\n' "${serial#serial=}" >"$P/index"
	fi
	{
		openssl ocsp -no_nonce -issuer "$P/$1.pem" -cert "$P/$2.pem" -reqout "$P/request" &&
			openssl ocsp -index "$P/index" -CA "$P/$1.pem" -rsigner "$P/$1-ocsp.pem" -rkey "$P/$1-ocsp.key" \
				-reqin "$P/request" -respout "$P/$2.ocsp" -ndays "${4:-2}"
	} >>"$P/openssl.log" 2>&1 || fail "$(cat "$P/openssl.log")"
}
response ca user-ca V
response ca gw-ca V
response user-ca user V
response gw-ca gw V

swap() { # host id peer-id local remote
	sed -i -e '/secret "s"/d' -e 's/multipath = true/multipath = true ocsp = both/' \
		-e "s|local {.*|local { id = \"$2\" auth = pubkey certs = { \"../pki/$1-chain.pem\" } $4 }|" \
		-e "s|remote {.*|remote { id = \"$3\" auth = pubkey cacerts = { \"../pki/ca.pem\" } revocation = strict $5 }|" \
		"$T/$1/braid.conf"
	echo "private \"k\" { file = \"../pki/$1.key\" }" >>"$T/$1/braid.conf"
}
# the gateway staples for its whole chain; the user for itself, and of its CA the gateway has a file
swap user user@example.org gw.example.org 'ocsp = { "../pki/user.ocsp" }' ''
swap gw gw.example.org user@example.org 'ocsp = { "../pki/gw.ocsp", "../pki/gw-ca.ocsp" }' 'ocsp = { "cache/*" }'
mkdir "$T/gw/cache"
cp "$P/user-ca.ocsp" "$T/gw/cache/"

braidd_start gw "$T/gw/braid.conf"
braidd_start user "$T/user/braid.conf"
braid user up home >"$T/up" 2>&1 || fail "up: $(cat "$T/up")"
wait_for 10 two_up user || fail "two paths are not up"
echo "ok - stapled both ways, one response from a file"

refused() { # WHY
	braid user down home >/dev/null
	: >"$T/gw/log"
	braid gw reload || fail "reload"
	braid user up home >"$T/up" 2>&1
	[ $? -eq 7 ] || fail "up although $1: $(cat "$T/up")"
	grep -q "$2" "$T/gw/log" || fail "no \"$2\""
}
rm "$T/gw/cache/user-ca.ocsp"
refused "nothing is known of the intermediate CA" 'CN=user-ca": unable to get certificate CRL'
cp "$P/user-ca.ocsp" "$T/gw/cache/"
# what the peer staples does not hide what we know
response user-ca user R
cp "$P/user.ocsp" "$T/gw/cache/"
refused "revoked" 'CN=user": certificate revoked, says its OCSP response'
rm "$T/gw/cache/user.ocsp"
braid gw reload || fail "reload"
braid user up home >"$T/up" 2>&1 || fail "up again: $(cat "$T/up")"
echo "ok - missing and revoked ones are refused after a reload"

# what goes along with our own certificate, and what the operator is told of it
staple_is() { # use subject state
	[ "$(braid gw --json certs | jq -r --arg s "CN=$2" --arg u "$1" \
		'.certs[] | select(.use == $u and (.subject | endswith($s))).ocsp.state')" = "$3" ]
}
said() { [ "$(grep -c "CN=gw\" (connection rw): $1; renew the file" "$T/gw/log")" = 1 ]; }
reloaded() {
	: >"$T/gw/log"
	braid gw reload || fail "reload"
}
reloaded
staple_is own gw good && staple_is intermediate gw-ca good || fail "certs: $(braid gw certs)"
grep -q 'OCSP response' "$T/gw/log" && fail "told of nothing: $(cat "$T/gw/log")"
mv "$P/gw.ocsp" "$T/saved"
cp "$P/user.ocsp" "$P/gw.ocsp"
reloaded
staple_is own gw none && staple_is intermediate gw-ca good || fail "certs: $(braid gw certs)"
said 'no OCSP response is about it, of 2 in the files of ocsp' || fail "not told: $(cat "$T/gw/log")"
if ! /usr/bin/python3 -c 'import cryptography' 2>/dev/null; then
	echo "ok - told what is wrong with a response of ours"
	echo "# needs python3-cryptography: responses that end"
	exit 0
fi
made() { /usr/bin/python3 "$top/tests/lib/ocsp_response.py" "$P/gw-ca" "$P/gw" "$1" "$2" >"$P/gw.ocsp" || fail "no response"; }
made -7200 -3600
reloaded
staple_is own gw stale || fail "certs: $(braid gw certs)"
braid gw certs | grep -q 'stale since 20' || fail "certs: $(braid gw certs)"
said 'its OCSP response is outdated since 20..-..-.. ..:.. UTC' || fail "not told: $(cat "$T/gw/log")"
braid user down home >/dev/null
braid user up home >/dev/null 2>&1 && fail "up with a response that is outdated"
made -7200 5
reloaded
grep -q 'OCSP response' "$T/gw/log" && fail "told too early: $(cat "$T/gw/log")"
wait_for 40 said 'its OCSP response is outdated since 20..-..-.. ..:.. UTC' || fail "not told: $(cat "$T/gw/log")"
staple_is own gw stale || fail "certs: $(braid gw certs)"
cp "$T/saved" "$P/gw.ocsp"
reloaded
braid user up home >"$T/up" 2>&1 || fail "up again: $(cat "$T/up")"
echo "ok - told what is wrong with a response of ours, also when its time runs out, and once"

# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
# Certificates made by the openssl program: a CA, an intermediate CA for each host, an end certificate
# each. Sourced.

# pki_key KIND FILE: rsa, ecdsa, ed25519
pki_key() {
	case $1 in
	rsa) openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:${pki_rsa_bits:-2048} -out "$2" 2>/dev/null ;;
	ecdsa) openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$2" ;;
	ed25519) openssl genpkey -algorithm ED25519 -out "$2" ;;
	esac
	chmod 600 "$2"
}

# pki_ca DIR KIND NAME: NAME.key, NAME.pem, self-signed
pki_ca() {
	pki_key "$2" "$1/$3.key"
	openssl req -x509 -new -key "$1/$3.key" -subj "/C=CH/O=${pki_org:-braid test}/CN=$3" -days 30 -out "$1/$3.pem" \
		-addext keyUsage=critical,keyCertSign,cRLSign 2>"$1/openssl.log"
}

# pki_cert DIR KIND ISSUER NAME EXTENSIONS: NAME.key, NAME.pem, for pki_days (20)
pki_cert() {
	pki_key "$2" "$1/$4.key"
	printf '%b\n' "$5" >"$1/$4.ext"
	openssl req -new -key "$1/$4.key" -subj "/C=CH/O=${pki_org:-braid test}/CN=$4" 2>>"$1/openssl.log" |
		openssl x509 -req -CA "$1/$3.pem" -CAkey "$1/$3.key" -CAcreateserial -days "${pki_days:-20}" \
			-extfile "$1/$4.ext" -out "$1/$4.pem" 2>>"$1/openssl.log"
}

# pki_make DIR KIND ID-USER ID-GW: ca; user and gw, each with an intermediate CA of its own. The file
# NAME-chain.pem has the end certificate and its intermediate. An id is a subjectAltName (email:..., DNS:...).
pki_make() {
	local dir=$1 kind=$2 host
	mkdir -p "$dir"
	pki_ca "$dir" "$kind" ca
	for host in user gw; do
		pki_cert "$dir" "$kind" ca "$host-ca" \
			'basicConstraints=critical,CA:TRUE,pathlen:0\nkeyUsage=critical,keyCertSign,cRLSign'
		pki_cert "$dir" "$kind" "$host-ca" "$host" \
			"subjectAltName=$([ $host = user ] && echo "$3" || echo "$4")\nkeyUsage=critical,digitalSignature"
		cat "$dir/$host.pem" "$dir/$host-ca.pem" >"$dir/$host-chain.pem"
		openssl verify -CAfile "$dir/ca.pem" -untrusted "$dir/$host-ca.pem" "$dir/$host.pem" >/dev/null || return 1
	done
}

#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# Checksums, AUTH, cookies and tokens are compared in constant time [ROB-2]: where they are checked,
# nothing that stops at the first difference is called, and secret_equal is.
set -eu
cd "$(dirname "$0")/.."
status=0
for f in user/crypto/aead*.c user/ikemsg/sk*.c user/ike/cookie.c user/ike/proof.c user/ike/export.c \
	user/ike/*qcd*.c user/ike/*token*.c; do
	[ -f "$f" ] || continue
	if grep -nE '\b(memcmp|bcmp|str(n)?cmp)\(' "$f" /dev/null; then
		echo "$f: compares octets, and not in constant time" >&2
		status=1
	fi
done
for f in user/crypto/aead_openssl_etm.c user/crypto/aead_ipsec_mb.c user/ike/cookie.c user/ike/proof.c user/ike/export.c; do
	if ! grep -q 'secret_equal(' "$f"; then
		echo "$f: does not use secret_equal" >&2
		status=1
	fi
done
exit $status

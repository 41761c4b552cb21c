# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
# A PKCS#11 token in files, by SoftHSM. Sourced.

# shellcheck disable=SC2034  # for configurations
softhsm_module=/usr/lib/softhsm/libsofthsm2.so

# token_make DIR KEY...: a token with those keys (PEM files); their handles are 01, 02 and so on. Whoever
# uses it has SOFTHSM2_CONF in its environment.
token_make() {
	local dir=$1 n=0 key
	shift
	mkdir -p "$dir/tokens"
	printf 'directories.tokendir = %s/tokens\nobjectstore.backend = file\nlog.level = ERROR\n' "$dir" >"$dir/softhsm2.conf"
	export SOFTHSM2_CONF=$dir/softhsm2.conf
	softhsm2-util --init-token --free --label braid --pin 1234 --so-pin 12345678 >"$dir/log" 2>&1 || return 1
	for key in "$@"; do
		n=$((n + 1))
		openssl pkcs8 -topk8 -nocrypt -in "$key" -out "$dir/key" &&
			softhsm2-util --import "$dir/key" --token braid --label key --id "0$n" --pin 1234 >>"$dir/log" 2>&1 || return 1
		rm -f "$dir/key"
	done
}
token_slot() { softhsm2-util --show-slots | awk '$1 == "Slot" && NF == 2 { print $2; exit }'; }

#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# Two braids whose private keys are in PKCS#11 tokens (SoftHSM), RSA at one end, ECDSA at the other: keys are
# found before the agent confines itself and sign afterwards, also after a reload. Keys of two modules, by
# p11-kit's proxy; it also shows how often a PIN is tried.
. "$(dirname "$0")/../lib/netns.sh"
. "$(dirname "$0")/../lib/agent.sh"
. "$(dirname "$0")/../lib/pki.sh"
. "$(dirname "$0")/../lib/token.sh"
command -v openssl >/dev/null || skip "needs openssl"
command -v softhsm2-util >/dev/null || skip "needs softhsm2"
engines=$(openssl version -e | cut -d'"' -f2)
[ -e "$engines/pkcs11.so" ] || skip "needs libengine-pkcs11-openssl"
topo_multihomed
P=$T/pki
pki_make "$P" ecdsa email:user@example.org DNS:gw.example.org || fail "$(cat "$P/openssl.log")"
pki_cert "$P" rsa gw-ca gw 'subjectAltName=DNS:gw.example.org'
cat "$P/gw.pem" "$P/gw-ca.pem" >"$P/gw-chain.pem"
agent_confs 100ms

swap() { # host id peer-id
	sed -i -e '/secret "s"/d' \
		-e "s|local {.*|local { id = \"$2\" auth = pubkey certs = { \"../pki/$1-chain.pem\" } }|" \
		-e "s|remote {.*|remote { id = \"$3\" auth = pubkey cacerts = { \"../pki/ca.pem\" } }|" "$T/$1/braid.conf"
}
swap user user@example.org gw.example.org
swap gw gw.example.org user@example.org
token_make "$T/hsm" "$P/user.key" "$P/gw.key" || fail "$(cat "$T/hsm/log")"
rm "$P/user.key" "$P/gw.key"
slot=$(token_slot)
echo "token \"t\" { module = \"$softhsm_module\" slot = $slot handle = 01 pin = 1234 }" >>"$T/user/braid.conf"
echo "token \"t\" { module = \"$softhsm_module\" handle = 02 pin = 1234 }" >>"$T/gw/braid.conf"

braidd_start gw "$T/gw/braid.conf"
braidd_start user "$T/user/braid.conf"
braid user up home >"$T/up" 2>&1 || fail "up: $(cat "$T/up")"
wait_for 10 two_up user || fail "two paths are not up"
grep -q 'Seccomp:.*2' "/proc/$(agent_pid gw)/status" || [ -n "${SAN_LOGS:-}" ] || fail "the agent is not confined"
echo "ok - ECDSA and RSA keys in a token sign for confined agents"

for h in user gw; do braid $h reload || fail "reload of $h"; done
braid user down home >/dev/null
braid user up home >"$T/up" 2>&1 || fail "up after a reload: $(cat "$T/up")"
echo "ok - and after a reload"

# mistakes, each with what the token says: the running agent keeps the old configuration, a new one does
# not start
wrong() { # sed-script message [only-a-new-one]
	sed "$1" "$T/gw/braid.conf" >"$T/gw/wrong.conf"
	chmod --reference="$T/gw/braid.conf" "$T/gw/wrong.conf"
	"$B/braidd" -n -c "$T/gw/wrong.conf" >"$T/up" 2>&1 && fail "taken: $1"
	grep -q "$2" "$T/up" || fail "$1: $(cat "$T/up")"
	[ $# -eq 2 ] || return
	cp -p "$T/gw/braid.conf" "$T/saved"
	cp -p "$T/gw/wrong.conf" "$T/gw/braid.conf"
	braid gw reload >"$T/up" 2>&1 && fail "taken: $1"
	grep -q "$2" "$T/up" || fail "$1: $(cat "$T/up")"
	cp -p "$T/saved" "$T/gw/braid.conf"
}
# who is logged in needs none
wrong '/^token/s/1234/4321/' 'found no usable key by token "t", expected one: PIN incorrect' once
wrong '/^token/s/02/77/' 'expected one: object not found'
wrong '/^token/s/libsofthsm2/libnone/' 'expected one: Unable to load PKCS#11 module' once
wrong '/^token/{p;s/"t"/"u"/;s/libsofthsm2/libother/}' 'found another module in token "u", expected the one that is in use'
wrong '/^token/s/handle = 02/handle = 01/' 'found no private key for certificate "../pki/gw-chain.pem"'
chmod 640 "$T/gw/braid.conf"
wrong 's/^$//' 'found a pin in a file of mode 0640'
chmod 600 "$T/gw/braid.conf"
unshare -m sh -c 'mount -t tmpfs none "$1" && exec "$2" -n -c "$3"' - "$engines" "$B/braidd" "$T/gw/braid.conf" >"$T/up" 2>&1
grep -q 'found token "t", expected OpenSSL to have the engine pkcs11: install libengine-pkcs11-openssl' "$T/up" ||
	fail "without the engine: $(cat "$T/up")"
braid gw reload || fail "reload"
braid user down home >/dev/null
braid user up home >"$T/up" 2>&1 || fail "up again: $(cat "$T/up")"
echo "ok - wrong PIN, key, module, mode are refused, the token still signs"

# the token is gone
braid user down home >/dev/null
mv "$T/hsm/tokens" "$T/hsm/gone"
: >"$T/gw/log"
braid user up home >"$T/up" 2>&1 && fail "up without the token"
grep -q 'our key, ECDSA P-256, does not sign' "$T"/*/log || fail "no word about it"
mv "$T/hsm/gone" "$T/hsm/tokens"
echo "ok - a token that is gone"

# by p11-kit, with what it logs of the first module
proxy=$(dirname "$engines")/p11-kit-proxy.so modules=/usr/share/p11-kit/modules
logins() { grep -ac '^C_Login$' "$1"; }
signs() { grep -aq '^C_Sign$' "$1"; }
# p11-kit counts slots from 16 on; each module has one with the token and a free one, in any order
proxy_slot() { # module
	local n
	for n in $((14 + 2 * $1)) $((15 + 2 * $1)); do
		sed "/^token/s|{.*|{ module = \"$proxy\" slot = $n handle = 01 pin = 1234 }|" "$T/user/braid.conf" >"$T/user/try.conf"
		chmod 600 "$T/user/try.conf"
		if "$B/braidd" -n -c "$T/user/try.conf" >"$T/up" 2>&1; then echo $n; fi
	done
}
# restart HOST sed-script: a new agent with another configuration
restart() {
	kill "$(agent_pid "$1")"
	wait_for 5 no_pids "$1" || fail "$1 does not end"
	sed -i "$2" "$T/$1/braid.conf"
	braidd_start "$1" "$T/$1/braid.conf"
}
if [ -e "$proxy" ]; then
	cp "$softhsm_module" "$T/second.so"
	mount -t tmpfs none "$modules"
	printf 'module: %s\nlog-calls: yes\n' "$softhsm_module" >"$modules/1.module"
	printf 'module: %s\n' "$T/second.so" >"$modules/2.module"
	first=$(proxy_slot 1) second=$(proxy_slot 2)
	restart user "/^token/s|{.*|{ module = \"$proxy\" slot = $first handle = 01 pin = 1234 }|"
	restart gw "/^token/s|.*|token \"t\" { module = \"$proxy\" slot = $first handle = 01 pin = 1234 }\ntoken \"u\" { module = \"$proxy\" slot = $second handle = 02 pin = 1234 }|"
	braid user up home >"$T/up" 2>&1 || fail "up: $(cat "$T/up")"
	[ "$(logins "$T/user/log")/$(logins "$T/gw/log")" = 1/1 ] || fail "PINs are tried more than once"
	signs "$T/user/log" || fail "the first module does not sign"
	signs "$T/gw/log" && fail "the first module signs, not the second"
	echo "ok - keys of two modules"

	sed 's/pin = 1234/pin = 4321/' "$T/gw/braid.conf" >"$T/gw/wrong.conf"
	chmod 600 "$T/gw/wrong.conf"
	"$B/braidd" -n -c "$T/gw/wrong.conf" >"$T/up" 2>&1
	[ $? -eq 78 ] || fail "a wrong PIN is not a mistake of its own: $(cat "$T/up")"
	[ "$(logins "$T/up")" = 1 ] || fail "a wrong PIN is tried $(logins "$T/up") times at a start"
	# an agent that is not logged in
	restart gw '$a secret "s" { secret = "a long secret" }
			/^token/d; s|local {.*|local { id = "gw.example.org" }|; s|remote {.*|remote { id = "user@example.org" }|'
	cp -p "$T/gw/wrong.conf" "$T/gw/braid.conf"
	: >"$T/gw/log"
	for i in 1 2; do
		braid gw reload >"$T/up" 2>&1 && fail "a wrong PIN is taken"
		[ "$(logins "$T/gw/log")" = $i ] || fail "$i reloads try a wrong PIN $(logins "$T/gw/log") times"
	done
	echo "ok - a wrong PIN is tried once a start and once a reload"
else
	echo "# needs p11-kit-modules: keys of two modules, and how often a PIN is tried"
fi

# an orderly end
pid=$(agent_pid gw)
kill "$pid"
wait_for 5 eval "! kill -0 $pid" || fail "braidd does not end"
wait "$pid" || fail "braidd ends with $?"
echo "ok - ends as it should"

#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# Cells with OpenIKED 7.2, whose ESP is the kernel's by PF_KEY: for a kernel that has it, such as that of
# tests/vm/run.sh. Debian's package is unpacked by tests/interop/peers. Built for Linux it has no AEAD for
# ESP, no ESN, and takes SHA2-256 at the kernel's word, which is 96 bits there.
. "$(dirname "$0")/../lib/netns.sh"
. "$(dirname "$0")/../lib/pki.sh"
. "$(dirname "$0")/../lib/cells.sh"
. "$(dirname "$0")/../lib/stock.sh"
root=$B/interop/peers/openiked
[ -x "$root/usr/sbin/iked" ] || skip "needs OpenIKED unpacked in $root"
modprobe -q af_key 2>/dev/null || skip "OpenIKED needs PF_KEY, which this kernel has not"
topo_multihomed

auths=(psk ecdsa rsa)
suites=(gcm cbc ecp)
declare -A ike_of=([gcm]=aes128gcm16-prfsha256-x25519 [cbc]=aes128-sha256-modp2048 [ecp]=aes256-sha384-ecp384) \
	esp_of=([gcm]=aes128-sha512 [cbc]=aes256-sha384 [ecp]=aes128-sha1)
declare -A their_ike=([gcm]='enc aes-128-gcm prf hmac-sha2-256 group curve25519'
	[cbc]='enc aes-128 auth hmac-sha2-256 prf hmac-sha2-256 group modp2048'
	[ecp]='enc aes-256 auth hmac-sha2-384 prf hmac-sha2-384 group ecp384')
declare -A their_esp=([gcm]='enc aes-128 auth hmac-sha2-512' [cbc]='enc aes-256 auth hmac-sha2-384'
	[ecp]='enc aes-128 auth hmac-sha1')

# In each cell the user has another identity: by it OpenIKED chooses a policy.
cells_of() { # auth...
	local a s f
	for a; do for s in ${SUITES:-"${suites[@]}"}; do for f in ${FAMILIES:-4 6}; do echo "$a-$s-$f $a $s $f"; done; done; done
}
protected=()
for a in "${auths[@]}"; do for s in "${suites[@]}"; do protected+=("$a-$s"); done; done
stock_protect "${protected[@]}"

for a in rsa ecdsa; do
	mkdir -p "$T/pki/$a"
	pki_ca "$T/pki/$a" $a ca
	users=
	while read -r name _; do users+=,email:$name@example.org; done < <(cells_of $a)
	pki_cert "$T/pki/$a" $a ca user "subjectAltName=${users#,}\nkeyUsage=critical,digitalSignature"
	pki_cert "$T/pki/$a" $a ca gw "subjectAltName=DNS:$a.example.org\nkeyUsage=critical,digitalSignature"
	for h in user gw; do cp "$T/pki/$a/$h.pem" "$T/pki/$a/$h-chain.pem"; done
done

# Its files have fixed names: a layer over /etc, in this mount namespace only, with them and its user.
etc=$T/etc
mkdir -p "$T/empty" "$etc"/iked/{ca,crls,certs,private,pubkeys/{ipv4,ipv6,fqdn,ufqdn}}
chmod 755 "$T" "$T/empty"
{ cat /etc/passwd && echo "_iked:x:990:990::$T/empty:/bin/false"; } >"$etc/passwd"
{ cat /etc/group && echo '_iked:x:990:'; } >"$etc/group"
mount -t overlay -o "lowerdir=$etc:/etc" overlay /etc || skip "no overlay can be mounted here"

braid_conf() { # host
	local name a s f
	{
		stock_uplink "$1"
		while read -r name a s f; do
			stock_conn "$1" "$name" "$a" "$name" "$f" "$a-$s" "${ike_of[$s]}" "${esp_of[$s]}"
		done < <(cells_of "${auths[@]}")
		stock_secrets "$1" "${auths[@]}"
	} >"$T/$1/braid.conf"
}

iked_conf() { # host, its cells on standard input
	local h=$1 name a s f how
	{
		echo 'set nomobike'
		while read -r name a s f; do
			how="psk \"$psk\""
			[ "$a" = psk ] || how=rfc7427
			if [ "$h" = gw ]; then
				echo "ikev2 \"$name\" passive esp from ${lan[$f]} to ${mine[$a-$s,$f]}/${bits[$f]} \\"
				echo "local ${gw_at[$f]} peer ${user_at[$f]} ikesa ${their_ike[$s]} childsa ${their_esp[$s]} noesn \\"
				echo "srcid $a.example.org dstid $name@example.org $how"
			else
				echo "ikev2 \"$name\" active esp from ${mine[$a-$s,$f]}/${bits[$f]} to ${lan[$f]} \\"
				echo "local ${user_at[$f]} peer ${gw_at[$f]} ikesa ${their_ike[$s]} childsa ${their_esp[$s]} noesn \\"
				echo "srcid $name@example.org dstid $a.example.org $how"
			fi
		done
	} >"$T/$h/iked.conf"
	chmod 600 "$T/$h/iked.conf"
}

# iked_start HOST KEY: it has one private key
iked_start() {
	local h=$1 key=$2
	cp "$T/pki/$key/ca.pem" "$etc/iked/ca/ca.crt"
	cp "$T/pki/$key/$h.pem" "$etc/iked/certs/local.crt"
	cp "$T/pki/$key/$h.key" "$etc/iked/private/local.key"
	: >"$T/$h/log"
	ip netns exec "$(ns "$h")" "$root/usr/sbin/iked" -dvv ${iked_options:-} -f "$T/$h/iked.conf" -s "$T/$h/iked.sock" \
		>>"$T/$h/log" 2>&1 </dev/null &
	iked=$!
	# It answers before it is ready, and then drops what it has begun. The kernel looks for its algorithms first.
	wait_for 20 grep -q 'stickyaddress' "$T/$h/log" || fail "iked does not start"
	sleep 1
}
iked_stop() {
	kill "$iked" 2>/dev/null
	wait "$iked" 2>/dev/null
	ip -n "$(ns "$1")" xfrm state flush
	ip -n "$(ns "$1")" xfrm policy flush
}
ikectl() { # host...
	local h=$1
	shift
	in_ns "$h" "$root/usr/sbin/ikectl" -s "$T/$h/iked.sock" "$@"
}

run_cell() { # role name protected family
	local host=user
	if [ "$1" = initiator ]; then
		say up braid user -t 60 up "$2" || return 1
	else
		host=gw
		# it sets up by itself what it has
		iked_conf user <<<"$2 ${2%%-*} ${3#*-} $4"
		say load ikectl user load "$T/user/iked.conf" || return 1
		say "not set up" wait_for 6 installed gw "$2" || return 1
	fi
	stock_reach $host "$2" "$3" "$4" && run_end "$1" "$2"
}
run_end() { # role name
	local host=user
	[ "$1" = initiator ] || host=gw
	if [ "$1" = initiator ]; then
		say "our Delete" braid user -t 30 down "$2"
	else
		say "its Delete" ikectl user reset id "FQDN/${2%%-*}.example.org"
	fi && say "an SA is left" wait_for 4 no_sas $host "$2"
}

key_cells() { # role key auth...
	local role=$1 us=user them=gw name a s f
	[ "$role" = initiator ] || us=gw them=user
	# Its policies do not say which SA is theirs: of several between two hosts the kernel takes any. So as
	# the initiator it has one connection at a time.
	if [ "$role" = initiator ]; then cells_of "${@:3}"; else :; fi | iked_conf $them
	iked_start $them "$2"
	while read -r name a s f; do
		why=
		if run_cell "$role" "$name" "$a-$s" "$f"; then
			cell "$a $s" "$role/no NAT/v$f" ok
			echo "ok $a $s $role v$f ($SECONDS s)"
		else
			cell "$a $s" "$role/no NAT/v$f" FAIL "$why"
			[ -z "${SHOW:-}" ] || tail -n "$SHOW" "$T/$them/log"
			braid $us -t 3 down "$name" >/dev/null 2>&1
		fi
	done < <(cells_of "${@:3}")
	iked_stop $them
}

# Told to know nothing of NATs it is a peer that has port 500 only, for IKE and for us.
port_500_cells() {
	local a f why
	cells_of psk ecdsa | iked_conf gw
	iked_options=-T iked_start gw ecdsa
	for a in psk ecdsa; do for f in ${FAMILIES:-4 6}; do
		why=
		if on_port_500 "$a-cbc-$f" "$a-cbc" "$f"; then
			cell "$a cbc" "initiator/port 500/v$f" ok
			echo "ok $a cbc initiator port 500 v$f ($SECONDS s)"
		else
			cell "$a cbc" "initiator/port 500/v$f" FAIL "$why"
			braid user -t 3 down "$a-cbc-$f" >/dev/null 2>&1
		fi
	done; done
	iked_stop gw
}
on_port_500() { # name protected family
	say up braid user -t 60 up "$1" && stock_reach user "$1" "$2" "$3" || return 1
	why="not on port 500: $(sa_of user "$1" | jq -c '[.local, .remote, .children[0].encap]')"
	sa_of user "$1" | jq -e '(.local | endswith(":500")) and (.remote | endswith(":500")) and
		(.children[0].encap | not)' >/dev/null && run_end initiator "$1"
}

cells_begin "braid, initiator and responder, with OpenIKED 7.2"
for role in ${ROLES:-initiator responder}; do
	us=user them=gw
	[ $role = initiator ] || us=gw them=user
	braid_conf $us
	braidd_start $us "$T/$us/braid.conf"
	key_cells $role ecdsa psk ecdsa
	[ $role = responder ] || port_500_cells
	key_cells $role rsa rsa
	kill "$(agent_pid $us)"
	wait_for 30 no_pids user && wait_for 30 no_pids gw || fail "something does not stop"
	rm -rf "$T"/{user,gw}/run/*.sock
done
cells_end

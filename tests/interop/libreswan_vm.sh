#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# Cells with Libreswan 4.10, whose ESP is the kernel's: for a kernel that has it, such as that of
# tests/vm/run.sh. Debian's package is unpacked by tests/interop/peers.
#
#     user 192.0.2.2 --- r1 --- gw 192.0.2.66 --- lan 203.0.113.10
. "$(dirname "$0")/../lib/netns.sh"
. "$(dirname "$0")/../lib/pki.sh"
. "$(dirname "$0")/../lib/cells.sh"
command -v openssl >/dev/null || skip "needs openssl"
root=$B/interop/peers/libreswan
ipsec=$root/usr/libexec/ipsec
[ -x "$ipsec/pluto" ] || skip "needs Libreswan unpacked in $root"
# it looks for its helpers there; this mount namespace is ours
mount -t overlay -o "lowerdir=$root/usr/libexec:/usr/libexec" overlay /usr/libexec || skip "no overlay can be mounted here"
libs=$root/usr/lib/x86_64-linux-gnu:$root/lib/x86_64-linux-gnu
lsw() { LD_LIBRARY_PATH=$libs "$@"; }
topo_multihomed

psk='correct horse battery staple'
auths=(psk rsa ecdsa)
suites=(gcm cbc chacha)
declare -A ike_of=([gcm]=aes128gcm16-prfsha256-x25519 [cbc]=aes128-sha256-modp2048
	[chacha]=chacha20poly1305-prfsha256-ecp256) esp_of=([gcm]=aes128gcm16 [cbc]=aes128-sha256 [chacha]=chacha20poly1305)
declare -A their_ike=([gcm]=aes_gcm128-sha2_256-dh31 [cbc]=aes128-sha2_256-dh14 [chacha]=chacha20_poly1305-sha2_256-dh19) \
	their_esp=([gcm]=aes_gcm128 [cbc]=aes128-sha2_256 [chacha]=chacha20_poly1305)
their_ike[any]=$(IFS=,; echo "${their_ike[*]}")
their_esp[any]=$(IFS=,; echo "${their_esp[*]}")
declare -A lan=([4]=203.0.113.0/26 [6]=2001:db8:3::/64) lan_at=([4]=203.0.113.10 [6]=2001:db8:3::10) \
	gw_at=([4]=192.0.2.66 [6]=2001:db8:1:1::66) user_at=([4]=192.0.2.2 [6]=2001:db8:1::2)

# What the user's end protects, and the way there for a kernel with policies; r1 knows neither. Another for
# each authentication: a connection there holds on to its selectors for a while.
declare -A mine=()
for i in 0 1 2; do
	mine[${auths[i]},4]=203.0.113.$((129 + i)) mine[${auths[i]},6]=2001:db8:4::$((1 + i))
	ip -n "$(ns user)" addr add "${mine[${auths[i]},4]}/32" dev lo
	ip -n "$(ns user)" addr add "${mine[${auths[i]},6]}/128" dev lo
done
ip -n "$(ns gw)" route add 203.0.113.128/26 via 192.0.2.65
ip -n "$(ns gw)" route add 2001:db8:4::/64 via 2001:db8:1:1::65
for r in 203.0.113.128/26 2001:db8:4::/64 "${lan[@]}"; do ip -n "$(ns r1)" route add unreachable "$r"; done

for a in rsa ecdsa; do
	# shellcheck disable=SC2034  # for pki.sh
	pki_org="braid test $a"
	pki_make "$T/pki/$a" $a "email:$a@example.org" "DNS:$a.example.org" || fail "$a: $(cat "$T/pki/$a/openssl.log")"
done

braid_conf() { # host
	local a s f where me peer ts
	{
		[ "$1" = user ] && echo 'uplink "wlan" { interface = wlan0 }' || echo 'uplink "a" { interface = eth0 }'
		for a in "${auths[@]}"; do for s in "${suites[@]}"; do for f in 4 6; do
			if [ "$1" = user ]; then
				where="remote_addrs = { \"${gw_at[$f]}\" }" me=$a@example.org peer=$a.example.org
				ts="local_ts = { \"${mine[$a,$f]}\" } remote_ts = { \"${lan[$f]}\" }"
			else
				where="remote_addrs = { \"${user_at[$f]}\" }" me=$a.example.org peer=$a@example.org
				ts="remote_ts = { \"${mine[$a,$f]}\" } local_ts = { \"${lan[$f]}\" }"
			fi
			echo "connection \"$a-$s-$f\" { $where proposals = { \"${ike_of[$s]}\" } retransmit_timeout = 4s"
			if [ "$a" = psk ]; then
				echo "local { id = \"$me\" } remote { id = \"$peer\" }"
			else
				echo "local { id = \"$me\" auth = pubkey certs = { \"../pki/$a/$1-chain.pem\" } }"
				echo "remote { id = \"$peer\" auth = $a cacerts = { \"../pki/$a/ca.pem\" } }"
			fi
			echo "child \"net\" { $ts esp_proposals = { \"${esp_of[$s]}\" } } }"
		done; done; done
		echo "secret \"s\" { id = { \"psk@example.org\", \"psk.example.org\" } secret = \"$psk\" }"
		for a in rsa ecdsa; do echo "private \"$a\" { file = \"../pki/$a/$1.key\" }"; done
	} >"$T/$1/braid.conf"
}

pluto_conf() { # host
	local h=$1 a s f theirs
	mkdir -p "$T/$h/nss"
	lsw "$root/usr/bin/certutil" -N -d "sql:$T/$h/nss" --empty-password || fail "certutil"
	for a in rsa ecdsa; do
		openssl pkcs12 -export -in "$T/pki/$a/$h.pem" -inkey "$T/pki/$a/$h.key" -certfile "$T/pki/$a/$h-ca.pem" \
			-name "$a" -passout pass: -out "$T/$h/$a.p12"
		lsw "$root/usr/bin/pk12util" -i "$T/$h/$a.p12" -d "sql:$T/$h/nss" -W '' >/dev/null || fail "pk12util"
		lsw "$root/usr/bin/certutil" -A -n "$a-ca" -t CT,, -d "sql:$T/$h/nss" -i "$T/pki/$a/ca.pem" || fail "certutil"
	done
	echo ": PSK \"$psk\"" >"$T/$h/ipsec.secrets"
	{
		echo 'config setup'
		# a responder of its kind takes the first connection between the addresses for its proposals
		for a in "${auths[@]}"; do for s in $([ $h = user ] && echo "${suites[@]}" || echo any); do for f in 4 6; do
			printf 'conn %s-%s-%s\n' "$a" "$s" "$f"
			case $a in
			psk) printf '\tauthby=secret\n' ;;
			rsa) printf '\tauthby=rsa-sha2\n' ;;
			ecdsa) printf '\tauthby=ecdsa\n' ;;
			esac
			theirs=${mine[$a,$f]}/$([ "$f" = 4 ] && echo 32 || echo 128)
			if [ "$h" = user ]; then
				printf '\tleft=%s\n\tright=%s\n\tleftid=%s\n\trightid=%s\n' ${user_at[$f]} ${gw_at[$f]} \
					"$a@example.org" "@$a.example.org"
				printf '\tleftsubnet=%s\n\trightsubnet=%s\n' "$theirs" "${lan[$f]}"
			else
				printf '\tleft=%s\n\tright=%s\n\tleftid=%s\n\trightid=%s\n' ${gw_at[$f]} ${user_at[$f]} \
					"@$a.example.org" "$a@example.org"
				printf '\trightsubnet=%s\n\tleftsubnet=%s\n' "$theirs" "${lan[$f]}"
			fi
			[ "$a" = psk ] || printf '\tleftcert=%s\n\tleftsendcert=always\n\tsendca=all\n' "$a"
			printf '\tikev2=insist\n\tike=%s\n\tesp=%s\n\tpfs=no\n\tmobike=no\n\tleftupdown=/bin/true\n' \
				"${their_ike[$s]}" "${their_esp[$s]}"
			printf '\tauto=add\n\tretransmit-timeout=20s\n'
		done; done; done
	} >"$T/$h/ipsec.conf"
}

whack() { # host...
	local h=$1
	shift
	in_ns "$h" env LD_LIBRARY_PATH="$libs" "$ipsec/whack" --rundir "$T/$h" "$@"
}

pluto_start() { # host
	local h=$1
	pluto_conf "$h"
	LD_LIBRARY_PATH=$libs ip netns exec "$(ns "$h")" "$ipsec/pluto" --nofork --stderrlog --config "$T/$h/ipsec.conf" \
		--nssdir "$T/$h/nss" --rundir "$T/$h" --ipsecdir "$T/$h" --secretsfile "$T/$h/ipsec.secrets" --use-xfrm --no-dnssec \
		>>"$T/$h/log" 2>&1 </dev/null &
	wait_for 60 test -S "$T/$h/pluto.ctl" || fail "pluto on $h does not start"
	wait_for 60 whack "$h" --status || fail "pluto on $h does not answer"
	whack "$h" --listen >>"$T/$h/log" 2>&1
	# shellcheck disable=SC2046  # names
	in_ns "$h" env LD_LIBRARY_PATH="$libs" "$ipsec/addconn" --config "$T/$h/ipsec.conf" --ctlsocket "$T/$h/pluto.ctl" \
		$(sed -n 's/^conn //p' "$T/$h/ipsec.conf") >"$T/$h/addconn" 2>&1 || fail "addconn: $(cat "$T/$h/addconn")"
}

sa_of() { braid "$1" --json sas | jq -c '.ike_sas[0] // empty'; }
no_sas() { [ -z "$(sa_of "$1")" ]; }

run_cell() { # role auth suite family
	local host=user them=gw name=$2-$3-$4 lan_host=${lan_at[$4]} vip=${mine[$2,$4]}
	if [ "$1" = initiator ]; then
		say up braid user -t 60 up "$name" || return 1
	else
		host=gw them=user
		say up timeout 60 ip netns exec "$(ns user)" env LD_LIBRARY_PATH="$libs" "$ipsec/whack" --rundir "$T/user" \
			--initiate --name "$name" || return 1
	fi
	say "the user does not reach the LAN" in_ns user ping -c 3 -i 0.05 -W 5 -s 1000 -q -I "$vip" "$lan_host" || return 1
	say "the LAN does not reach the user" in_ns lan ping -c 3 -i 0.05 -W 5 -s 1000 -q "$vip" || return 1
	why="not by ESP: $(sa_of $host | jq -c '.children[0]')"
	sa_of $host | jq -e '.children[0] | .rx_packets >= 6 and .tx_packets >= 6' >/dev/null || return 1
	if [ "$1" = initiator ]; then
		say "our Delete" braid user -t 30 down "$name"
	else
		say "its Delete" whack user --delete --name "$name"
	fi && say "an SA is left" wait_for 20 no_sas $host
}

cells_begin "braid, initiator and responder, with Libreswan 4.10"
for role in ${ROLES:-initiator responder}; do
	us=user them=gw
	[ $role = initiator ] || us=gw them=user
	braid_conf $us
	pluto_start $them
	braidd_start $us "$T/$us/braid.conf"
	for family in ${FAMILIES:-4 6}; do for auth in ${AUTHS:-"${auths[@]}"}; do for suite in ${SUITES:-"${suites[@]}"}; do
		why=
		if run_cell $role "$auth" "$suite" "$family"; then
			cell "$auth $suite" "$role/no NAT/v$family" ok
			echo "ok $auth $suite $role v$family ($SECONDS s)"
		else
			cell "$auth $suite" "$role/no NAT/v$family" FAIL "$why"
			[ $role = responder ] || braid user -t 3 down "$auth-$suite-$family" >/dev/null 2>&1
			[ $role = initiator ] || whack user --delete --name "$auth-$suite-$family" >/dev/null 2>&1
		fi
	done; done; done
	for p in $(ip netns pids "$(ns user)") $(ip netns pids "$(ns gw)"); do kill "$p" 2>/dev/null; done
	wait_for 30 no_pids user && wait_for 30 no_pids gw || fail "something does not stop"
	rm -rf "$T"/{user,gw}/run/*.sock "$T"/{user,gw}/pluto.*
done
cells_end

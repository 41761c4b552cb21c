#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# Cells with Libreswan 4.10, whose ESP is the kernel's: for a kernel that has it, such as that of
# tests/vm/run.sh. Debian's package is unpacked by tests/interop/peers. The second table is of NATs and of the
# life of an IKE SA: rekeys from both ends under pings of which none may be lost, Deletes, liveness,
# reauthentication, a peer that dies.
. "$(dirname "$0")/../lib/netns.sh"
. "$(dirname "$0")/../lib/pki.sh"
. "$(dirname "$0")/../lib/cells.sh"
. "$(dirname "$0")/../lib/kernel.sh"
. "$(dirname "$0")/../lib/handover.sh"
. "$(dirname "$0")/../lib/stock.sh"
root=$B/interop/peers/libreswan
ipsec=$root/usr/libexec/ipsec
[ -x "$ipsec/pluto" ] || skip "needs Libreswan unpacked in $root"
kernel_esp_or_skip
# it looks for its helpers there; this mount namespace is ours
mount -t overlay -o "lowerdir=$root/usr/libexec:/usr/libexec" overlay /usr/libexec || skip "no overlay can be mounted here"
libs=$root/usr/lib/x86_64-linux-gnu:$root/lib/x86_64-linux-gnu
lsw() { LD_LIBRARY_PATH=$libs "$@"; }
stock_topo
stock_echo 4

# braid asks after 4 s of silence, and gives up within half a minute
braid_life='dpd_delay = 4s retransmit_tries = 2'
read -r -a auths <<<"${AUTHS:-psk rsa ecdsa}"
suites=(gcm cbc chacha)
declare -A ike_of=([gcm]=aes128gcm16-prfsha256-x25519 [cbc]=aes128-sha256-modp2048
	[chacha]=chacha20poly1305-prfsha256-ecp256) esp_of=([gcm]=aes128gcm16 [cbc]=aes128-sha256 [chacha]=chacha20poly1305)
declare -A their_ike=([gcm]=aes_gcm128-sha2_256-dh31 [cbc]=aes128-sha2_256-dh14 [chacha]=chacha20_poly1305-sha2_256-dh19) \
	their_esp=([gcm]=aes_gcm128 [cbc]=aes128-sha2_256 [chacha]=chacha20_poly1305)
their_ike[any]=$(IFS=,; echo "${their_ike[*]}")
their_esp[any]=$(IFS=,; echo "${their_esp[*]}")
# a connection there holds on to its selectors for a while
protected=()
for a in "${auths[@]}"; do protected+=("$a" "$a-masq" "$a-static" "$a-reauth"); done
stock_protect "${protected[@]}"
declare -A nat_names=([masq]="NAT of I" [static]="NAT of R") nat_at=([masq]=192.0.2.65 [static]=192.0.2.1)

for a in "${auths[@]}"; do
	[ "$a" != psk ] || continue
	# shellcheck disable=SC2034  # for pki.sh
	pki_org="braid test $a"
	pki_make "$T/pki/$a" $a "email:$a@example.org" "DNS:$a.example.org" || fail "$a: $(cat "$T/pki/$a/openssl.log")"
done

braid_conf() { # host
	local a s f nat more
	{
		stock_uplink "$1"
		if [ -n "$moves" ]; then
			stock_conn "$1" psk-moves psk psk 4 psk "${ike_of[gcm]}" "${esp_of[gcm]}" 'dpd_delay = 0'
			stock_secrets "$1"
			return
		fi
		for a in "${auths[@]}"; do
			more=
			[ "$1" = user ] || more=" $a-masq $a-static $a-reauth"
			for s in "${suites[@]}"; do for f in 4 6; do
				stock_conn "$1" "$a-$s-$f" "$a" "$a" $f "$a$more" "${ike_of[$s]}" "${esp_of[$s]}" "$braid_life"
			done; done
			for nat in masq static; do
				stock_remote=
				[ "$1$nat" != gwmasq ] || stock_remote=${nat_at[masq]}
				[ "$1$nat" != userstatic ] || stock_remote=${nat_at[static]}
				stock_conn "$1" "$a-gcm-$nat" "$a" "$a" 4 "$a-$nat" "${ike_of[gcm]}" "${esp_of[gcm]}"
			done
			stock_remote=
			[ "$1" = gw ] || stock_conn user "$a-reauth" "$a" "$a" 4 "$a" "${ike_of[gcm]}" "${esp_of[gcm]}" \
				'reauth_time = 12s over_time = 60s rand_time = 0'
		done
		stock_secrets "$1" "${auths[@]}"
	} >"$T/$1/braid.conf"
}

pluto_conf() { # host
	local h=$1 a s f
	rm -rf "$T/$h/nss"
	mkdir -p "$T/$h/nss"
	lsw "$root/usr/bin/certutil" -N -d "sql:$T/$h/nss" --empty-password || fail "certutil"
	for a in "${auths[@]}"; do
		[ "$a" != psk ] || continue
		openssl pkcs12 -export -in "$T/pki/$a/$h.pem" -inkey "$T/pki/$a/$h.key" -certfile "$T/pki/$a/$h-ca.pem" \
			-name "$a" -passout pass: -out "$T/$h/$a.p12"
		lsw "$root/usr/bin/pk12util" -i "$T/$h/$a.p12" -d "sql:$T/$h/nss" -W '' >/dev/null || fail "pk12util"
		lsw "$root/usr/bin/certutil" -A -n "$a-ca" -t CT,, -d "sql:$T/$h/nss" -i "$T/pki/$a/ca.pem" || fail "certutil"
	done
	echo ": PSK \"$psk\"" >"$T/$h/ipsec.secrets"
	if [ -n "$moves" ]; then
		# an initiator of its kind looks for the other uplink by its default routes; a responder follows whom it knows by
		# name only
		if [ "$h" = user ]; then
			pluto_conn user psk-moves psk gcm 4 %defaultroute "${gw_at[4]}" psk
		else
			pluto_conn gw psk-moves psk gcm 4 %any "${gw_at[4]}" psk
		fi >"$T/$h/ipsec.conf"
		return
	fi
	{
		echo 'config setup'
		# a responder of its kind takes the first connection between the addresses for its proposals
		for a in "${auths[@]}"; do
			for s in $([ "$h" = user ] && echo "${suites[@]}" || echo any); do for f in 4 6; do
				pluto_conn "$h" "$a-$s-$f" "$a" "$s" $f "${user_at[$f]}" "${gw_at[$f]}" "$a"
			done; done
			if [ "$h" = user ]; then
				pluto_conn user "$a-gcm-static" "$a" gcm 4 "${user_at[4]}" "${nat_at[static]}" "$a-static"
				pluto_conn user "$a-gcm-masq" "$a" gcm 4 "${user_at[4]}" "${gw_at[4]}" "$a-masq"
				pluto_life='\treauth=yes\n\tikelifetime=30s\n\trekeymargin=15s\n\trekeyfuzz=0%%\n' pluto_conn user \
					"$a-reauth" "$a" gcm 4 "${user_at[4]}" "${gw_at[4]}" "$a-reauth"
			fi
			if [ "$h" = gw ]; then
				pluto_conn gw "$a-any-masq" "$a" any 4 "${nat_at[masq]}" "${gw_at[4]}" "$a-masq"
				pluto_conn gw "$a-any-static" "$a" any 4 "${user_at[4]}" "${gw_at[4]}" "$a-static"
			fi
		done
	} >"$T/$h/ipsec.conf"
}

pluto_conn() { # host name auth suite family user gw protected
	local a=$3
	printf 'conn %s\n' "$2"
	case $a in
	psk) printf '\tauthby=secret\n' ;;
	rsa) printf '\tauthby=rsa-sha2\n' ;;
	ecdsa) printf '\tauthby=ecdsa\n' ;;
	esac
	if [ "$1" = user ]; then
		printf '\tleft=%s\n\tright=%s\n\tleftid=%s\n\trightid=%s\n' "$6" "$7" "$a@example.org" "@$a.example.org"
		printf '\tleftsubnet=%s\n\trightsubnet=%s\n' "${mine[$8,$5]}/${bits[$5]}" "${lan[$5]}"
	else
		printf '\tleft=%s\n\tright=%s\n\tleftid=%s\n\trightid=%s\n' "$7" "$6" "@$a.example.org" "$a@example.org"
		printf '\trightsubnet=%s\n\tleftsubnet=%s\n' "${mine[$8,$5]}/${bits[$5]}" "${lan[$5]}"
	fi
	[ "$a" = psk ] || printf '\tleftcert=%s\n\tleftsendcert=always\n\tsendca=all\n' "$a"
	printf '\tikev2=insist\n\tike=%s\n\tesp=%s\n\tpfs=no\n\tmobike=%s\n\tleftupdown=/bin/true\n' \
		"${their_ike[$4]}" "${their_esp[$4]}" "${moves:-no}"
	# shellcheck disable=SC2059  # lines more
	printf "\tauto=add\n\tretransmit-timeout=20s\n\tdpddelay=6s\n\tdpdtimeout=60s\n${pluto_life:-}"
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

# Only a connection that is deleted there lets go of its route.
# initiate ROLE CONNECTION, end ROLE CONNECTION: by the initiator, whoever it is
initiate() {
	if [ "$1" = initiator ]; then
		say up braid user -t 60 up "$2"
	else
		say up timeout 60 ip netns exec "$(ns user)" env LD_LIBRARY_PATH="$libs" "$ipsec/whack" --rundir "$T/user" \
			--initiate --name "$2"
	fi
}
end() {
	if [ "$1" = initiator ]; then
		say "our Delete" braid user -t 30 down "$2"
	else
		say "its Delete" whack user --delete --name "$2"
	fi && say "an SA is left" wait_for 4 no_sas $us
}

run_cell() { # role auth suite family-or-NAT
	local name=$2-$3-$4 family=4 net=$2
	case $4 in
	6) family=6 ;;
	masq | static) net=$2-$4 ;;
	esac
	initiate "$1" "$name" && stock_reach $us "" "$net" $family || return 1
	case $4 in
	masq | static)
		why="not behind the NAT: $(sa_of $us | jq -c '[.local, .remote, .nat_local, .nat_remote, .children[0].encap]')"
		sa_of $us | jq -e '.children[0].encap and (.nat_local or .nat_remote)' >/dev/null || return 1
		;;
	esac
	end "$1" "$name"
}

# What r1 does to IPv4: the initiator is behind its one address, or the responder is reached by the other.
nat_set() {
	in_ns r1 nft flush ruleset
	case $1 in
	masq)
		in_ns r1 nft -f - <<-NFT
			table ip nat {
				chain post {
					type nat hook postrouting priority srcnat;
					oifname "gw" ip saddr ${user_at[4]} masquerade random
				}
			}
		NFT
		;;
	static)
		in_ns r1 nft -f - <<-NFT
			table ip nat {
				chain pre {
					type nat hook prerouting priority dstnat;
					iifname "user" ip daddr ${nat_at[static]} udp dport { 500, 4500 } dnat to ${gw_at[4]}
				}
			}
		NFT
		;;
	esac
}

# ---- through the life of an IKE SA --------------------------------------------------------------

# $conn is the connection of the initiator, $theirs Libreswan's, $auth how
sas() { braid "$us" --json sas; }
ike_count() { sas | jq '[.ike_sas[] | select(.state == "ESTABLISHED")] | length'; }
ike_spi() { sas | jq -r '[.ike_sas[] | select(.state == "ESTABLISHED")][0].spi_i'; }
child_spi() { sas | jq -r '[.ike_sas[].children[] | select(.state == "INSTALLED")][0].spi_in'; }
child_count() { sas | jq '[.ike_sas[].children[] | select(.state == "INSTALLED")] | length'; }
# an IKE SA may be of another of its connections than the Child SA
ike_conn() { whack "$them" --showstates | sed -n 's/.*: "\([^"]*\)".*STATE_V2_ESTABLISHED_IKE_SA.*/\1/p' | head -n 1; }
rekey_theirs() { whack "$them" --rekey-ike --name "$(ike_conn)"; }
their_children() { whack "$them" --showstates | grep -c 'STATE_V2_ESTABLISHED_CHILD_SA'; }
is() { [ "$($1)" = "$2" ]; }
isnt() { local v; v=$($1); [ "$v" != "$2" ] && [ "$v" != null ]; }
one_each() {
	say "$(ike_count) IKE SAs" wait_for 4 is ike_count 1 && say "$(child_count) Child SAs" wait_for 4 is child_count 1 &&
		say "$(their_children) Child SAs of Libreswan" wait_for 4 is their_children 1
}
our_conn() { sas | jq -r '.ike_sas[0].conn'; }

# another SPI by COMMAND...: QUESTION COMMAND...
renewed() {
	local was question=$1
	shift
	was=$($question)
	say rekey "$@" && say "another SPI" wait_for 4 isnt "$question" "$was" && one_each
}
rekeyed() { stock_traffic renewed "$@"; }

asked() { braid "$us" --json counters | jq --arg d "requests_$1" '.total.exchanges.INFORMATIONAL[$d]'; }
more_than() { [ "$(asked "$1")" -gt "$2" ]; }
# In silence braid asks first. While packets come to braid only, Libreswan asks.
liveness() { # direction of the requests
	local n spi pid='' rc=0
	n=$(asked "$1") spi=$(ike_spi)
	if [ "$1" = rx ]; then
		in_ns "$([ "$us" = user ] && echo user || echo lan)" sysctl -qw net.ipv4.icmp_echo_ignore_all=1
		if [ "$us" = user ]; then
			ip netns exec "$(ns lan)" ping -i 0.5 -q "$address" >/dev/null 2>&1 &
		else
			ip netns exec "$(ns user)" ping -i 0.5 -q -I "$address" "${lan_at[4]}" >/dev/null 2>&1 &
		fi
		pid=$!
	fi
	say "nobody asks" wait_for 8 more_than "$1" "$n" || rc=1
	if [ -n "$pid" ]; then
		kill "$pid"
		wait "$pid"
		in_ns user sysctl -qw net.ipv4.icmp_echo_ignore_all=0
		in_ns lan sysctl -qw net.ipv4.icmp_echo_ignore_all=0
	fi 2>/dev/null
	[ $rc = 0 ] && { is ike_spi "$spi" || no "the IKE SA ended"; }
}

state_of() { whack "$them" --showstates | sed -n "s/.*#\([0-9]*\): .*STATE_V2_ESTABLISHED_$1_SA.*/\1/p" | head -n 1; }
delete_child_us() { say Delete braid "$us" down "$(our_conn)/net" && say "a Child SA is left" wait_for 4 is their_children 0; }
delete_child_them() {
	say Delete whack "$them" --deletestate "$(state_of CHILD)" && say "a Child SA is left" wait_for 4 is child_count 0
}
set_up() { initiate "$role" "$conn" && stock_reach $us "" "$auth" 4; }
again() { [ "$(child_count)" = 1 ] && [ "$(ike_count)" = 1 ] || { clear_away && set_up; }; }

# Who wants the connection sets it up again, Libreswan at once.
delete_responder() {
	local spi
	again || return 1
	spi=$(ike_spi)
	if [ "$us" = gw ]; then
		say Delete braid gw -t 30 down "$(our_conn)"
	else
		say Delete whack gw --deletestate "$(state_of IKE)"
	fi && say "the IKE SA is left" wait_for 4 isnt_now "$spi"
}
isnt_now() { [ "$(ike_spi)" != "$1" ]; }

reauthenticated() { say "authenticated anew" wait_for 30 isnt ike_spi "$1" && one_each; }
reauth() {
	local may_lose=${reauth_may_lose:-3} rc=0
	clear_away
	local address=$address net=$auth
	# another connection of Libreswan, with another address
	[ "$us" = user ] || net=$auth-reauth address=${mine[$auth-reauth,4]}
	initiate "$role" "$auth-reauth" && stock_reach $us "" "$net" 4 &&
		under_pings 200 reauthenticated "$(ike_spi)" || rc=1
	clear_away
	return $rc
}

dead_peer() {
	local rc=0
	again || return 1
	in_ns r1 sysctl -qw net.ipv4.ip_forward=0
	say "Libreswan keeps it" wait_for 40 is their_children 0 && say "braid keeps it" wait_for 40 is ike_count 0 || rc=1
	in_ns r1 sysctl -qw net.ipv4.ip_forward=1
	return $rc
}

clear_away() {
	if [ "$us" = user ]; then
		braid user -t 5 down "$conn"
		braid user -t 5 down "$auth-reauth"
	else
		whack user --terminate --name "$conn"
		whack user --terminate --name "$auth-reauth"
	fi >/dev/null 2>&1
	wait_for 4 is ike_count 0 && wait_for 4 is their_children 0
}

attempt() { # column COMMAND...
	local column=$1
	shift
	why=
	if "$@"; then
		cell "braid $role, $auth" "$column" ok
		echo "ok $role $auth ${column//\// } ($SECONDS s)"
	else
		cell "braid $role, $auth" "$column" FAIL "$why"
		again >/dev/null 2>&1
	fi
}

life() {
	address=${mine[$auth,4]} conn=$auth-gcm-4 theirs=$auth-any-4
	[ "$us" = user ] || theirs=$conn
	set_up || echo "not set up: $why"
	# it sends by a new SA as soon as it has answered: such packets wait for theirs
	attempt 'Child/rekey/by braid' rekeyed child_spi braid $us rekey "$conn/net"
	attempt 'Child/rekey/by it' rekeyed child_spi whack $them --rekey-ipsec --name "$theirs"
	attempt 'IKE/rekey/by braid' rekeyed ike_spi braid $us rekey "$conn"
	attempt 'IKE/rekey/by it' rekeyed ike_spi rekey_theirs
	if [ "${LIFE:-all}" = rekeys ]; then
		clear_away
		return
	fi
	attempt 'DPD/by braid' liveness tx
	attempt 'DPD/by it' liveness rx
	attempt 'Child/Delete/by braid' delete_child_us
	again
	attempt 'Child/Delete/by it' delete_child_them
	attempt 'IKE/Delete/by R' delete_responder
	attempt 'reauth.' reauth
	[ "$auth" != psk ] || attempt 'dead/peer' dead_peer
	clear_away
}

matrix_cell() { # column auth suite family-or-NAT
	why=
	if run_cell $role "${@:2}"; then
		cell "$2 $3" "$role/$1" ok
		echo "ok $2 $3 $role $1 ($SECONDS s)"
	else
		cell "$2 $3" "$role/$1" FAIL "$why"
		[ $role = responder ] || braid user -t 3 down "$2-$3-$4" >/dev/null 2>&1
		[ $role = initiator ] || whack user --terminate --name "$2-$3-$4" >/dev/null 2>&1
	fi
}

start_role() {
	us=user them=gw
	[ "$1" = initiator ] || us=gw them=user
	braid_conf $us
	pluto_start $them
	braidd_start $us "$T/$us/braid.conf"
}

stop_role() {
	for p in $(ip netns pids "$(ns user)") $(ip netns pids "$(ns gw)"); do kill "$p" 2>/dev/null; done
	wait_for 30 no_pids user && wait_for 30 no_pids gw || fail "something does not stop"
	rm -rf "$T"/{user,gw}/run/*.sock "$T"/{user,gw}/pluto.*
}

matrix() {
	local family auth suite nat
	cells_begin "braid ($stock_backend), initiator and responder, with Libreswan 4.10"
	for role in ${ROLES-initiator responder}; do
		start_role $role
		for family in ${FAMILIES:-4 6}; do for auth in "${auths[@]}"; do for suite in ${SUITES:-"${suites[@]}"}; do
			matrix_cell "no NAT/v$family" "$auth" "$suite" "$family"
		done; done; done
		for nat in ${NATS-masq static}; do
			nat_set $nat
			for auth in "${auths[@]}"; do matrix_cell "${nat_names[$nat]}/v4" "$auth" gcm $nat; done
		done
		nat_set none
		stop_role
	done
	cells_end
}
lives() {
	# the emulated processor is slow
	local ping_gap=0.1 ping_wait=5
	cells_begin "IKE SAs of braid ($stock_backend) with Libreswan 4.10 through their life"
	for role in ${LIVES-initiator responder}; do
		start_role $role
		for auth in ${LIFE_AUTHS:-psk}; do life; done
		stop_role
	done
	cells_end
}
# An initiator loses the address it was set up from, and goes on from another.
mobile() {
	initiate $role psk-moves && stock_reach $us "" psk 4
}
moves() {
	local moves=yes auth=psk address=${mine[psk,4]} may_lose=100000
	cells_begin "braid ($stock_backend) with Libreswan 4.10 and MOBIKE"
	for role in ${MOVES-initiator responder}; do
		start_role $role
		attempt 'set-up' mobile
		attempt 'move' stock_traffic stock_moved $us psk
		stop_role
		stock_move_back
	done
	cells_end
}
# whose ESP is the engine's, then the kernel's
for stock_backend in ${BACKENDS:-engine kernel}; do
	[ -z "${ROLES-all}" ] || matrix
	[ -z "${LIVES-all}" ] || lives
	[ -z "${MOVES-all}" ] || moves
done

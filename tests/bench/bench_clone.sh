#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# Further tunnels beside one that is up, between the same two hosts: by clones of its IKE SA (RFC 7791),
# and by a full IKE SA each, with RSA-3072 certificates below an intermediate CA at both ends; by braid,
# and full ones also by strongSwan's charon with its userspace ESP. One Child SA each, x25519,
# AES-GCM-128, Child SAs without a key exchange of their own.
#
#     user u0 .. u8 ==== r1 ==== delay, each way ==== gw
#
# How long, until both ends have the last one; how many messages and octets of IKE; how much processor
# time, of all processes of both ends. "each": one after the other, "once": all asked for at once.
# auto: clones as the configuration has them (multipath = clone), one for each uplink, tested and moved
# there; beside: IKE SAs by the same configuration, with a gateway that does not clone; clone, full:
# by command, clones where the first one is, full ones each on an uplink; spare: Child SAs for clones
# that are kept ready without one (clone_spare); swan: strongSwan's. In the first
# round all is decrypted, and payloads AUTH and CERT are counted.
#
# ROUNDS (5) of every cell, in turn, about 100 s each. TUNNELS (2 3 8), DELAYS (0 20 100): milliseconds
# each way, so that a round trip takes twice as long. CANDIDATES: some of them only.
. "$(dirname "$0")/../lib/netns.sh"
. "$(dirname "$0")/../lib/strongswan.sh"
. "$(dirname "$0")/../lib/pki.sh"
. "$(dirname "$0")/../lib/relay.sh"
for tool in python3 tshark; do command -v $tool >/dev/null || skip "needs $tool"; done

rounds=${ROUNDS:-5}
read -ra tunnels <<<"${TUNNELS:-2 3 8}"
read -ra delays <<<"${DELAYS:-0 20 100}"
read -ra candidates <<<"${CANDIDATES:-auto-once beside-once clone-each clone-once spare-once full-each full-once swan-each swan-once}"
results=$T/results
uplinks=8 # besides the first
ids=(user@example.org gw.example.org)

topo() {
	local i
	host user r1 gw
	router r1
	router gw
	for ((i = 0; i <= uplinks; i++)); do
		wire user "u$i" "198.51.100.$((4 * i + 2))/30" r1 "u$i" "198.51.100.$((4 * i + 1))/30"
		ip -n "$(ns user)" route add default via "198.51.100.$((4 * i + 1))" dev "u$i" metric $((100 + i))
	done
	relay_wire relay 0 r1 gw 192.0.2.65/26 gw eth0 192.0.2.66/26
	ip -n "$(ns gw)" route add default via 192.0.2.65
	ip -n "$(ns gw)" link add lan0 type veth peer name lan1
	ip -n "$(ns gw)" addr add 203.0.113.1/26 dev lan0
	ip -n "$(ns gw)" link set lan1 up
	ip -n "$(ns gw)" link set lan0 up
}

# ---- configurations -----------------------------------------------------------------------------

braid_proof() { # HOST MINE THEIRS
	echo "local { id = \"$2\" auth = pubkey certs = { \"$T/pki/$1-chain.pem\" } }
		remote { id = \"$3\" auth = pubkey cacerts = { \"$T/pki/ca.pem\" } }
		proposals = { \"aes128gcm16-prfsha256-x25519\" }
		unique = never
		fragment_size = 1280
		window = 8"
}
braid_child='esp_proposals = { "aes128gcm16" }'

# m: the one that is cloned; f0 and so on: one for each uplink
braid_user_conf() {
	local i c n who
	for ((i = 0; i <= uplinks; i++)); do echo "uplink \"u$i\" { interface = u$i preference = $i }"; done
	for c in m $(seq -f 'f%g' 0 $uplinks); do
		cat <<-CONF
			connection "$c" {
				remote_addrs = { "192.0.2.66" }
				multipath = no
				vips = { "0.0.0.0" }
				$(braid_proof user "${ids[0]}" "${ids[1]}")
				path "$c" { uplink = u${c//[!0-9]/} remote = "192.0.2.66" }
				child "net" { remote_ts = { "203.0.113.0/26" } $braid_child }
			}
		CONF
	done | sed 's/uplink = u /uplink = u0 /'
	# a: those of the configuration; b: the same with a gateway that does not clone
	for c in a0 b0 "${tunnels[@]/#/a}" "${tunnels[@]/#/b}"; do
		n=${c:1} who=user
		[ "$c" = "a$n" ] || who=other
		cat <<-CONF
			connection "$c" {
				remote_addrs = { "192.0.2.66" }
				multipath = clone
				clone_fallback = ike_sas
				vips = { "0.0.0.0" }
				$(braid_proof "$who" "$who@example.org" "${ids[1]}")
				$(for ((i = 0; i <= n; i++)); do echo "path \"$c-$i\" { uplink = u$i remote = \"192.0.2.66\" }"; done)
				child "net" { remote_ts = { "203.0.113.0/26" } $braid_child }
			}
		CONF
	done
	for who in user other; do echo "private \"$who\" { file = \"$T/pki/$who.key\" }"; done
}
braid_gw_conf() {
	cat <<-CONF
		uplink "eth" { interface = eth0 }
		pool "p" { addrs = "203.0.113.128/26" }
		connection "rw" {
			pools = { "p" }
			$(braid_proof gw "${ids[1]}" "${ids[0]}")
			child "net" { local_ts = { "203.0.113.0/26" } $braid_child }
		}
		connection "other" {
			pools = { "p" }
			clone = no
			$(braid_proof gw "${ids[1]}" other@example.org)
			child "net" { local_ts = { "203.0.113.0/26" } $braid_child }
		}
		private "k" { file = "$T/pki/gw.key" }
	CONF
}

swan_files() { # HOST
	local d=$T/$1
	mkdir -p "$d/x509" "$d/x509ca" "$d/private"
	cp "$T/pki/$1.pem" "$d/x509"
	cp "$T/pki/ca.pem" "$T/pki/$1-ca.pem" "$d/x509ca"
	cp "$T/pki/$1.key" "$d/private"
}
swan_proof() { # HOST MINE THEIRS
	echo "version = 2
		proposals = aes128gcm16-prfsha256-x25519
		mobike = no
		unique = never
		rekey_time = 0
		dpd_delay = 0
		local { auth = pubkey
			certs = $1.pem
			id = $2 }
		remote { auth = pubkey
			cacerts = ca.pem
			id = $3 }"
}
swan_user_conf() {
	local i
	echo 'connections {'
	for ((i = 0; i <= uplinks; i++)); do
		echo "f$i { $(swan_proof user "${ids[0]}" "${ids[1]}")
			local_addrs = 198.51.100.$((4 * i + 2))
			remote_addrs = 192.0.2.66
			vips = 0.0.0.0
			children { f$i { remote_ts = 203.0.113.0/26
				esp_proposals = aes128gcm16
				rekey_time = 0 } } }"
	done
	echo '}'
}
swan_gw_conf() {
	echo "connections { rw { $(swan_proof gw "${ids[1]}" "${ids[0]}")
			pools = p
			children { net { local_ts = 203.0.113.0/26
				esp_proposals = aes128gcm16
				rekey_time = 0 } } } }
		pools { p { addrs = 203.0.113.128/26 } }"
}

# ---- the run ------------------------------------------------------------------------------------

pids_of() { # HOST
	local p
	for p in $(ip netns pids "$(ns "$1")"); do
		case $(basename "$(readlink "/proc/$p/exe")") in
		braidd | braid-esp | charon-systemd) echo "$p" ;;
		esac
	done
}

start() { # braid|swan
	local h
	for h in gw user; do
		if [ "$1" = braid ]; then
			{
				echo 'log_level = error cookie_threshold = 1000 block_threshold = 0 allow_key_export = true
					paths { probe_interval = 1s }'
				"braid_${h}_conf"
			} >"$T/$h/braid.conf"
			braidd_start $h "$T/$h/braid.conf"
		else
			"swan_${h}_conf" >"$T/$h/swanctl.conf"
			swan_files $h
			# shellcheck disable=SC2034  # for strongswan_start
			swan_options='threads = 32 # each that is asked for keeps one waiting
				init_limit_half_open = 0
				dos_protection = no
				filelog { x { default = -1
				ike = -1 } }'
			strongswan_start $h
		fi
	done
}
stop() {
	local h p
	for h in user gw; do
		for p in $(ip netns pids "$(ns $h)"); do kill "$p" 2>/dev/null; done
		wait_for 10 no_pids $h || fail "$h does not end"
		rm -f "$T/$h/vici"
	done
}

# In the first round everything is decrypted, too.
measure() { # CANDIDATE DELAY TUNNELS ROUND
	local how=braid sock=run/ctl.sock out decode=()
	if [ "$4" = 1 ]; then
		rm -rf "$T/decode" && mkdir "$T/decode"
		decode=("DECODE_DIR=$T/decode" "BRAID=$B/braid")
	fi
	[ "${1%-*}" != swan ] || how=swan sock=vici
	out=$(IFACE=gw USER_SOCK=$T/user/$sock GW_SOCK=$T/gw/$sock USER_PIDS=$(pids_of user) GW_PIDS=$(pids_of gw) \
		SETTLE_MS=$((100 + 2 * $2)) in_ns r1 env "${decode[@]}" python3 "$top/tests/bench/tunnels.py" "$1" "$3") ||
		fail "$1, $3 tunnels, $2 ms: $how: $out"
	sed "s/^/$1\t$2-$3-/" <<<"$out" >>"$results"
	awk -v c="$1" -v d="$2" -v n="$3" '{ v[$1] = $2 } END {
		printf "%-11s %3d ms, %d tunnels: %8.1f ms, %3d messages, %6d octets, %6.1f + %6.1f ms of processor time\n",
			c, d, n, v["time"], v["messages-there"] + v["messages-back"],
			v["octets-there"] + v["octets-back"], v["cpu-user"] - v["first-user"],
			v["cpu-gw"] - v["first-gw"] }' <<<"$out"
}

pki_rsa_bits=3072
pki_make "$T/pki" rsa "email:${ids[0]}" "DNS:${ids[1]}" || fail "certificates: $(cat "$T/pki/openssl.log")"
pki_cert "$T/pki" rsa user-ca other 'subjectAltName=email:other@example.org\nkeyUsage=critical,digitalSignature'
cat "$T/pki/other.pem" "$T/pki/user-ca.pem" >"$T/pki/other-chain.pem"
topo
for ((round = 1; round <= rounds; round++)); do
	for how in braid swan; do
		started=
		for delay in "${delays[@]}"; do
			relay_say relay delay $((delay * 1000))
			for n in "${tunnels[@]}"; do
				for c in "${candidates[@]}"; do
					case $how-$c in braid-swan-* | swan-auto-* | swan-beside-* | swan-clone-* | swan-spare-* | swan-full-*) continue ;; esac
					[ -n "$started" ] || start $how
					started=yes
					measure "$c" "$delay" "$n" "$round"
				done
			done
		done
		[ -z "$started" ] || stop
	done
done

mkdir -p "$B/bench"
python3 "$top/tests/bench/report_clone.py" "$results" "$B/bench/clone.jsonl"

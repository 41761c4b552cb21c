#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# How long no packet arrives after the address of a host's only uplink became another one, of a stream
# of 2,000 packets a second in each direction between the host and a network behind a gateway:
#   mmx          an UPDATE of the multi-interface extension; the gateway asks the host for an answer at
#                its new address before it sends there (return_check = before)
#   mmx_named    the same, of an address that the gateway's connection names: it asks afterwards
#   mmx_second   the host has another uplink, which is used only when the first one is not: it loses the
#                address of the first; the gateway knows the other one beforehand, and that it answers
#   mobike       UPDATE_SA_ADDRESSES
#   renegotiate  the old IKE SA is deleted in order, and another one with its Child SA begun at once
#                (IKE_SA_INIT, IKE_AUTH with a shared key), as if nothing had to be noticed
#   ecdsa, rsa   the same with certificates at both ends, each with an intermediate CA (RSA 3072 bits)
#   swan, swan_rsa  the same by strongSwan at both ends: swanctl --terminate, --initiate
#   swan_self    strongSwan without MOBIKE (a shared key), as it does by itself when the address changes
#     user (wlan0, ran0) --- r1 --- relay --- (eth0) gw --- lan
#
# The way between the two takes DELAYS (0 20000) usec in each direction. ROUNDS (5) rounds of each of
# CANDIDATES, in turn. MOBIKE and MMX are compared with every other one.
. "$(dirname "$0")/../lib/netns.sh"
. "$(dirname "$0")/../lib/relay.sh"
. "$(dirname "$0")/../lib/strongswan.sh"
. "$(dirname "$0")/../lib/pki.sh"
. "$(dirname "$0")/../lib/strongswan_conf.sh"

rounds=${ROUNDS:-5}
read -ra delays <<<"${DELAYS:-0 20000}"
read -ra candidates <<<"${CANDIDATES:-mmx mmx_named mmx_second mobike renegotiate ecdsa rsa swan swan_rsa swan_self}"
results=$T/results
vip=203.0.113.200
auths=(psk rsa ecdsa)
# shellcheck disable=SC2034  # for pki.sh
pki_rsa_bits=3072

confs() { # AUTH, settings of the connection, of the gateway's, another uplink
	local h id peer ts
	for h in user gw; do
		id=$1@example.org peer=$1.example.org ts='local_ts = { "203.0.113.200/32" } remote_ts = { "203.0.113.0/26" }'
		[ $h = user ] || id=$1.example.org peer=$1@example.org \
			ts='remote_ts = { "203.0.113.200/32" } local_ts = { "203.0.113.0/26" }'
		cat >"$T/$h/braid.conf" <<-CONF
			log_level = info
			uplink "one" { interface = $([ $h = user ] && echo wlan0 || echo eth0) }
			$([ $h = user ] && echo "${4:-}")
			paths { probe_interval = 50ms }
			connection "c" {
				$([ $h = gw ] && echo "${3:-}" || echo 'remote_addrs = { "192.0.2.66" }')
				$2
				unique = replace
				$(braid_auth $h "$1" "$id" "$peer")
				child "net" { $ts }
			}
			$([ $h = gw ] || echo "connection \"again\" { remote_addrs = { \"192.0.2.66\" } $2
				$(braid_auth $h "$1" "$id" "$peer") child \"net\" { $ts } }")
			$(braid_secrets $h)
		CONF
	done
}

swan_confs() { # AUTH
	local h id peer ts
	for h in user gw; do
		swan_keys $h
		id=$1@example.org peer=$1.example.org ts="local_ts = $vip/32
			remote_ts = 203.0.113.0/26"
		[ $h = user ] || id=$1.example.org peer=$1@example.org ts="remote_ts = $vip/32
			local_ts = 203.0.113.0/26"
		cat >"$T/$h/swanctl.conf" <<-CONF
			connections { c { version = 2
				$([ $h = gw ] || echo 'remote_addrs = 192.0.2.66')
				proposals = aes256gcm16-prfsha256-ecp256
				mobike = no
				unique = replace
				rekey_time = 0
				$(swan_auth $h "$1" "$id" "$peer")
				children { net { $ts
					esp_proposals = aes256gcm16
					rekey_time = 0 } } } }
			secrets { ike-1 { secret = "$psk" } }
		CONF
	done
}

renumber() { # FROM TO
	ip -n "$(ns user)" -force -batch - <<-IP
		addr del 192.0.2.$1/26 dev wlan0
		addr add 192.0.2.$2/26 dev wlan0
		route replace default via 192.0.2.1 dev wlan0
	IP
}
by_update() { renumber 2 3; }
by_second() { ip -n "$(ns user)" addr del 192.0.2.2/26 dev wlan0; }
by_renegotiation() { braid user down c && renumber 2 3 && braid user up again; }
by_swanctl() { swan user --terminate --ike c && renumber 2 3 && swan user --initiate --child net; }
# a shell of its own has another pid
export ns_tag=$$ top T B
ns() { echo "br$ns_tag-$1"; }
for f in in_ns ns braid swan renumber by_update by_second by_renegotiation by_swanctl; do export -f "${f?}"; done

watched() { jq -r "$1" "$T/watch"; }

begin() { # CANDIDATE
	happens=by_update
	case $1 in
	mmx) confs psk 'multipath = mmx' ;;
	mmx_named) confs psk 'multipath = mmx' 'remote_addrs = { "192.0.2.2", "192.0.2.3" } return_check = after' ;;
	mmx_second)
		happens=by_second
		ip -n "$(ns user)" link set ran0 up
		confs psk 'multipath = mmx' '' 'uplink "two" { interface = ran0 gateway = "198.51.100.1" metered = true }'
		;;
	mobike) confs psk 'multipath = no' ;;
	swan_self) swan_confs psk ;;
	swan | swan_rsa)
		happens=by_swanctl
		swan_confs "$([ "$1" = swan ] && echo psk || echo rsa)"
		;;
	*)
		happens=by_renegotiation
		confs "${1/renegotiate/psk}" 'multipath = no mobike = no'
		;;
	esac
	if [[ $1 = swan* ]]; then
		strongswan_start gw
		strongswan_start user
		swan user --initiate --child net >"$T/up" 2>&1 || fail "$1: $(cat "$T/up")"
	else
		braidd_start gw "$T/gw/braid.conf"
		braidd_start user "$T/user/braid.conf"
		braid user up c >"$T/up" 2>&1 || fail "$1: $(cat "$T/up")"
	fi
}

run() { # CANDIDATE DELAY
	local way
	begin "$1"
	wait_for 10 in_ns lan ping -c 1 -W 0.3 -q $vip || fail "$1: the host is not reached"
	"$B/tests/netns/stream_watch" -e $happens -i 500 -d 1000 -m 10000 "$(ns user)" $vip "$(ns lan)" 203.0.113.10 \
		"$(ns user):wlan0" "$(ns gw):eth0" >"$T/watch" 2>"$T/watch.err" || fail "$1: $(cat "$T/watch.err")"
	printf '%-12s %5d usec' "$1" "$2"
	for way in there back; do
		[ "$(watched ".$way.arrives")" = true ] || fail "$1: $way: nothing arrives any more: $(cat "$T/watch")"
		printf '%s\t%s\t%s\t%s\n' "$1" "$2" $way "$(watched ".$way.gap / 1000")" >>"$results"
		printf ' %s: silent for %7.1f ms, %5d lost;' $way "$(watched ".$way.gap / 1000")" "$(watched ".$way.lost")"
	done
	printf ' %d in clear\n' "$(watched .in_clear)"
	stop_all
	ip -n "$(ns user)" link set ran0 down
	renumber 3 2 2>/dev/null
	in_ns user ip -4 route get 192.0.2.66 | grep -q 'src 192.0.2.2 ' || fail "the address does not come back"
}

make_certs
host user r1 gw lan
wire user wlan0 192.0.2.2/26 r1 user 192.0.2.1/26
relay_wire middle 0 r1 gw 192.0.2.65/26 gw eth0 192.0.2.66/26
router r1
ip -n "$(ns user)" route add default via 192.0.2.1 dev wlan0
ip -n "$(ns gw)" route add 192.0.2.0/26 via 192.0.2.65
wire gw lan0 203.0.113.1/26 lan eth0 203.0.113.10/26
router gw
wire user ran0 198.51.100.2/26 r1 user2 198.51.100.1/26
ip -n "$(ns user)" link set ran0 down
ip -n "$(ns gw)" route add 198.51.100.0/26 via 192.0.2.65
ip -n "$(ns user)" addr add $vip/32 dev lo
ip -n "$(ns lan)" route add default via 203.0.113.1
for ((round = 1; round <= rounds; round++)); do
	for d in "${delays[@]}"; do
		relay_say middle delay "$d"
		for c in "${candidates[@]}"; do run "$c" "$d"; done
	done
done
mkdir -p "$B/bench"
python3 "$top/tests/bench/report_react.py" "$results" "$B/bench/react.jsonl"

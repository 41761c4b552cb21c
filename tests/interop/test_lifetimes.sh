#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# Short lifetimes at both ends, strongSwan 5.9 with its userspace ESP as the peer in either role: rekeys
# of both kinds, started mostly by one end and then by the other, under a ping each way, and not one
# packet lost. [REK-4] [REK-15]
#
#     user 192.0.2.2 --- r1 --- gw 192.0.2.66 --- lan 203.0.113.10
. "$(dirname "$0")/../lib/netns.sh"
. "$(dirname "$0")/../lib/strongswan.sh"
topo_multihomed

ike=aes128gcm16-prfsha256-curve25519 esp=aes128gcm16-curve25519

# braid_conf HOST ADDRESSES LOCAL REMOTE TS IKE-REKEY CHILD-REKEY
braid_conf() {
	cat >"$T/$1/braid.conf" <<-CONF
		uplink "u" { interface = $([ "$1" = user ] && echo wlan0 || echo eth0) }
		connection "c" {
			$2
			proposals = { "$ike" }
			rekey_time = $6
			over_time = 20s
			rand_time = 300ms
			local { id = "$3" }
			remote { id = "$4" }
			child "net" {
				$5
				esp_proposals = { "$esp" }
				rekey_time = $7
				life_time = 20s
				rand_time = 200ms
			}
		}
		pool "p" { addrs = "203.0.113.128/26" }
		secret "s" { id = { "user@example.org", "gw.example.org" } secret = "$psk" }
	CONF
}

# swan_conf HOST CONNECTION-LINES LOCAL REMOTE TS
swan_conf() {
	cat >"$T/$1/swanctl.conf" <<-CONF
		connections { c { version = 2
			proposals = $ike
			mobike = no
			rekey_time = 3s
			over_time = 20s
			rand_time = 1s
			$2
			local { auth = psk
				id = $3 }
			remote { auth = psk
				id = $4 }
			children { net {
				$5
				esp_proposals = $esp
				rekey_time = 2s
				life_time = 20s
				rand_time = 1s
			} } } }
		pools { p { addrs = 203.0.113.128/26 } }
		secrets { ike-1 { secret = "$psk" } }
	CONF
}

received() { sed -n 's/.*transmitted, \([0-9]*\) received.*/\1/p' "$1"; }
sent() { sed -n 's/\([0-9]*\) packets transmitted.*/\1/p' "$1"; }

# traffic LABEL BRAID-HOST VIRTUAL-ADDRESS WHO: a ping each way for ten seconds; who of the log rekeys
traffic() {
	in_ns lan ping -i 0.005 -w 10 -q "$3" >"$T/ping-lan" 2>&1 &
	in_ns user ping -I "$3" -i 0.005 -w 10 -q 203.0.113.10 >"$T/ping-user" 2>&1
	wait $!
	for p in "$T/ping-lan" "$T/ping-user"; do
		[ "$(received "$p")" -gt 500 ] || fail "$1: no traffic: $(cat "$p")"
		# the last one may be under way when it ends
		[ "$(sent "$p")" -le $(($(received "$p") + 1)) ] || fail "$1: packets were lost: $(cat "$p")"
	done
	for kind in 'Child SA net' 'IKE SA'; do
		[ "$(grep -c "$kind $4\$" "$T/$2/log")" -ge 1 ] || fail "$1: no $kind was $4"
	done
	! grep -qE 'SA( net)? down|deleted by the peer|no answer' "$T/$2/log" || fail "$1: something went down"
	echo "ok - $1: $(grep -c 'Child SA net rekeyed' "$T/$2/log") rekeys of Child SAs," \
		"$(grep -c 'IKE SA rekeyed' "$T/$2/log") of IKE SAs, $(sent "$T/ping-lan") and $(sent "$T/ping-user") pings, none lost"
}

braid_conf user 'remote_addrs = { "192.0.2.66" } vips = { "0.0.0.0" }' user@example.org gw.example.org \
	'remote_ts = { "203.0.113.0/26" }' 1800ms 900ms
swan_conf gw "local_addrs = 192.0.2.66
	pools = p" gw.example.org user@example.org 'local_ts = 203.0.113.0/26'
strongswan_start gw
braidd_start user "$T/user/braid.conf"
braid user up c >"$T/up" 2>&1 || fail "up: $(cat "$T/up")"
traffic "braid initiates" user "$(braid user --json sas | jq -r '.ike_sas[0].vips[0]')" rekeyed
braid user down c >"$T/down" || fail "down: $(cat "$T/down")"
for h in user gw; do
	for p in $(ip netns pids "$(ns $h)"); do kill "$p" 2>/dev/null; done
	wait_for 8 no_pids $h || fail "$h does not stop"
	rm -f "$T/$h/vici" "$T/$h/log"
done

braid_conf gw 'pools = { "p" }' gw.example.org user@example.org 'local_ts = { "203.0.113.0/26" }' 8s 5s
swan_conf user "remote_addrs = 192.0.2.66
	vips = 0.0.0.0" user@example.org gw.example.org 'remote_ts = 203.0.113.0/26'
braidd_start gw "$T/gw/braid.conf"
strongswan_start user
swan user --initiate --child net >"$T/up" 2>&1 || fail "up: $(tail -n 5 "$T/up")"
traffic "strongSwan initiates" gw "$(swan user --list-sas | sed -n 's/.*\[\(203\.0\.113\.[0-9]*\)\].*/\1/p' | head -n 1)" 'rekeyed by the peer'

#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# multipath = clone with strongSwan 5.9, which does not clone IKE SAs: one path that moves as MOBIKE has it,
# or an IKE SA with an authentication of its own for each path; said once. [CLONE-7] [CLONE-52] [CLONE-53]
. "$(dirname "$0")/../lib/netns.sh"
. "$(dirname "$0")/../lib/strongswan.sh"
. "$(dirname "$0")/../lib/agent.sh"
. "$(dirname "$0")/../lib/clones.sh"

ok() { echo "ok - $*"; }
from() { in_ns user ping -I "$1" -c 1 -W 0.5 -q 203.0.113.10; }
vips() { in_ns user ip -j addr show | jq -r '[.[].addr_info[].local | select(startswith("203.0.113."))] | sort | join(" ")'; }
user_pairs() { pairs user; }
are() { [ "$(user_pairs)" = "$1" ]; }
wait_pairs() { wait_for "$1" are "$2" || fail "$3: the user has $(user_pairs), not $2: $(braid user status)"; }
said() { grep -c 'does not clone IKE SAs' "$T/user/log"; }
vip_at() { sas user ".[] | select(.local | startswith(\"$1:\")).vips[0]" | tr -d '"'; }
sent() { sas user "[.[] | select(.vips[0] == \"$1\").children[].tx_packets] | add"; }
auths() { grep -c 'parsed IKE_AUTH request' "$T/gw/log"; }

confs() { # fallback
	cat >"$T/user/braid.conf" <<-CONF
		uplink "wlan" { interface = wlan0 preference = 0 }
		uplink "ran" { interface = ran0 preference = 1 }
		connection "home" {
			remote_addrs = { "$R0" }
			multipath = clone
			clone_fallback = $1
			vips = { "0.0.0.0" }
			dpd_delay = 1s
			retransmit_timeout = 500ms
			local { id = "user@example.org" }
			remote { id = "gw.example.org" }
			child "net" { remote_ts = { "203.0.113.0/26" } }
		}
		secret "s" { id = { "user@example.org", "gw.example.org" } secret = "$psk" }
	CONF
	chmod 600 "$T/user/braid.conf"
	cat >"$T/gw/swanctl.conf" <<-CONF
		connections { c { version = 2
			mobike = yes
			unique = no
			dpd_delay = 60s
			pools = p
			local { auth = psk
				id = gw.example.org }
			remote { auth = psk
				id = user@example.org }
			children { net { local_ts = 203.0.113.0/26
			} } } }
		secrets { ike { secret = "$psk" } }
		pools { p { addrs = 203.0.113.128/26 } }
	CONF
}

up() {
	confs "$1"
	: >"$T/user/log"
	strongswan_start gw
	braidd_start user "$T/user/braid.conf"
	braid user up home >"$T/up" 2>&1 || fail "$1: up: $(cat "$T/up")"
}

clones_topo
up single
wait_pairs 10 "$I0>$R0" single
vip=$(vips)
wait_for 5 from "$vip" || fail "single: the LAN is not reached"
wait_for 5 test "$(said)" = 1 || fail "single: said $(said) times: $(cat "$T/user/log")"
braid user --json status | grep -q 'one path is used at a time' || fail "the status does not say it: $(braid user status)"
ip -n "$(ns user)" link set wlan0 down
wait_pairs 20 "$I1>$R0" "single, without its link"
wait_for 20 from "$vip" || fail "single: the LAN is not reached over the other link"
ip -n "$(ns user)" link set wlan0 up
ip -n "$(ns user)" route replace default via 192.0.2.1 dev wlan0 metric 100
wait_pairs 30 "$I0>$R0" "single, with its link again"
[ "$(auths)" = 1 ] || fail "single: $(auths) authentications"
[ "$(said)" = 1 ] || fail "single: said $(said) times"
ok "single: one path, which moves"
stop_all

up ike_sas
wait_pairs 15 "$I0>$R0 $I1>$R0" ike_sas
[ "$(vips | wc -w)" = 2 ] || fail "virtual addresses: $(vips)"
first=$(vip_at "$I0") second=$(vip_at "$I1")
for a in "$first" "$second"; do
	wait_for 5 from "$a" || fail "nothing from $a: $(braid user sas)"
done
[ "$(said)" = 1 ] || fail "ike_sas: said $(said) times"
grep -q 'an IKE SA of its own is set up for each path' "$T/user/log" || fail "what: $(cat "$T/user/log")"
[ "$(auths)" = 2 ] || fail "ike_sas: $(auths) authentications"
[ "$(sas user '[.[].family] | unique | length')" = 1 ] || fail "they are not put together: $(braid user sas)"
was=$(sent "$first") other=$(sent "$second")
in_ns user ping -I "$first" -i 0.02 -c 50 -W 1 -q 203.0.113.10 >"$T/ping" || fail "pings"
grep -q ' 50 received' "$T/ping" || fail "lost: $(cat "$T/ping")"
[ $(($(sent "$first") - was)) -ge 50 ] || fail "its SA does not carry it"
[ $(($(sent "$second") - other)) -lt 25 ] || fail "another SA carries it"
ok "ike_sas: an IKE SA for each path, put together"

# the agent comes back
kill -9 "$(agent_pid user)"
sleep 0.3
braidd_start user "$T/user/braid.conf"
for a in "$first" "$second"; do wait_for 5 from "$a" || fail "a new agent: nothing from $a"; done
wait_pairs 5 "$I0>$R0 $I1>$R0" "a new agent"
[ "$(sas user '[.[].family] | unique | length')" = 1 ] || fail "a new agent: they are not put together"
[ "$(auths)" = 2 ] || fail "a new agent: $(auths) authentications"
ok "a new agent goes on with both"

# one of them loses its link: the other one carries on, and it moves
in_ns user ping -I "$second" -i 0.02 -c 400 -W 1 -q 203.0.113.10 >"$T/ping" &
pinger=$!
ip -n "$(ns user)" link set wlan0 down
wait_for 20 from "$first" || fail "the other one's traffic does not move: $(braid user status)"
ip -n "$(ns user)" link set wlan0 up
ip -n "$(ns user)" route replace default via 192.0.2.1 dev wlan0 metric 100
wait "$pinger"
grep -q ' 400 received' "$T/ping" || fail "the other one lost packets: $(cat "$T/ping")"
wait_pairs 30 "$I0>$R0 $I1>$R0" "with its link again"
for a in $(vips); do wait_for 10 from "$a" || fail "at the end: nothing from $a: $(braid user sas)"; done
ok "one loses its link, the other one does not notice"
braid user down home >/dev/null 2>&1 || fail down
wait_for 5 test -z "$(vips)" || fail "addresses stay: $(vips)"
ok "down takes both"

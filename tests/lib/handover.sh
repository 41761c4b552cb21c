# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
# What can happen to a host with two uplinks and a gateway with two addresses, while a stream in each
# direction runs through the tunnel by the first uplink and everything on all four is captured. For the
# test and the benchmark of it; sourced after netns.sh, agent.sh and strongswan.sh. Topology: netns.sh's, and a wire between the
# routers, by which either uplink leads to either address.

handover_topo() {
	topo_multihomed
	wire r1 r2 198.51.100.129/30 r2 r1 198.51.100.130/30
	ip -n "$(ns r1)" route add 198.51.100.0/26 via 198.51.100.130
	ip -n "$(ns r2)" route add 192.0.2.64/26 via 198.51.100.129
}

# multipath of both: handover_multipath (true)
handover_braid_confs() { # probe interval [that of the gateway]
	agent_confs "$1"
	sed -i "s/multipath = true/multipath = ${handover_multipath:-true}/" "$T/user/braid.conf"
	sed -i -e '/interface = \(wlan0\|eth0\)/s/interface = [a-z0-9]*/& sla { loss = 10 hold = 100ms clear = 500ms }/' \
		-e 's/^\(paths {.*\) }/\1 fail_back = 300ms }/' "$T/user/braid.conf" "$T/gw/braid.conf"
	[ $# = 1 ] || sed -i "s/probe_interval = $1/probe_interval = $2/" "$T/gw/braid.conf"
}

handover_braid_up() { # probe interval [that of the gateway]
	handover_braid_confs "$@"
	braidd_start gw "$T/gw/braid.conf"
	braidd_start user "$T/user/braid.conf"
	braid user up home >"$T/up" 2>&1 || fail "up: $(cat "$T/up")"
	wait_for 15 two_up user || fail "two paths: $(braid user paths)"
	wait_for 15 two_up gw || fail "two paths at the gateway: $(braid gw paths)"
	vip=$(braid user --json sas | jq -r '.ike_sas[0].vips[0]')
}

handover_braid_down() {
	local h
	for h in user gw; do
		kill "$(agent_pid $h)"
		wait_for 10 no_pids $h || fail "braidd on $h does not end"
	done
}

user_ip() { ip -n "$(ns user)" "$@"; }
wlan_route() { user_ip route replace default via 192.0.2.1 dev wlan0 metric 100; }
# Another metric would be another route, beside the first; by IPv6 it would stay on the same uplink.
wlan_leave() {
	user_ip route del default via 192.0.2.1 dev wlan0
	user_ip -6 route del default dev wlan0 2>/dev/null || :
}

# Each case: what is done before, what happens, and how it is mended. Done by bash, which needs these.
happens_nothing() { :; }
happens_link() { user_ip link set wlan0 down; }
mend_link() { user_ip link set wlan0 up && wlan_route; }
before_carrier() { sleep 1.1; } # the kernel tells it once a second, whatever happened before
happens_carrier() { ip -n "$(ns r1)" link set user down; }
mend_carrier() { ip -n "$(ns r1)" link set user up; }
happens_address() { user_ip addr del 192.0.2.2/26 dev wlan0; }
mend_address() { user_ip addr add 192.0.2.2/26 dev wlan0 && wlan_route; }
happens_gateway() { ip -n "$(ns gw)" addr del 192.0.2.66/26 dev eth0; }
mend_gateway() {
	ip -n "$(ns gw)" addr add 192.0.2.66/26 dev eth0 &&
		ip -n "$(ns gw)" route replace 192.0.2.0/26 via 192.0.2.65
}
# The middle of the way: packets of wlan0 vanish, every link stays up, nobody hears of it.
at_r1() { # what becomes of a packet
	in_ns r1 nft -f - <<-NFT
		table inet middle { chain forward { type filter hook forward priority 0;
			iifname "user" $1
			oifname "user" $1; }; }
	NFT
}
happens_blackhole() { at_r1 drop; }
mend_blackhole() { in_ns r1 nft delete table inet middle; }
happens_brownout() { at_r1 'numgen random mod 100 < 30 drop'; }
mend_brownout() { mend_blackhole; }
happens_rebinding() { in_ns r1 /usr/bin/python3 "$top/tests/lib/conntrack_flush.py"; }
mend_rebinding() { :; }
# The operator takes the path out, and puts it back.
happens_planned() {
	case $peer in
	braid) braid user path disable wlan-a && sleep 1 && braid user path enable wlan-a ;;
	charon) wlan_leave && sleep 1 && wlan_route ;;
	esac
}
mend_planned() { :; }
# He wants all traffic on the other one, and then again on both.
happens_preferred() { braid user path prefer ran-b && sleep 1 && braid user path prefer --clear ran-b; }
mend_preferred() { :; }
# The uplink was lost, and returns.
before_failback() { happens_link && sleep "${settle:-1}"; }
happens_failback() { mend_link; }
mend_failback() { :; }
# a shell of its own has another pid
export ns_tag=$$ top T B peer=braid
ns() { echo "br$ns_tag-$1"; }
export -f in_ns ns user_ip wlan_route wlan_leave at_r1 braid
for f in $(compgen -A function | grep -E '^(before|happens|mend)_'); do export -f "${f?}"; done

# shellcheck disable=SC2034  # for those who source it
handover_cases=(link carrier address gateway blackhole brownout rebinding planned preferred failback)

# A NAT in the router of the first uplink, with another port for each mapping.
handover_nat() {
	in_ns r1 nft -f - <<-NFT
		table ip nat { chain post { type nat hook postrouting priority srcnat;
			oifname "gw" ip saddr 192.0.2.2 masquerade random; }; }
	NFT
}
handover_no_nat() { in_ns r1 nft delete table ip nat; }

# watch CASE [OPTION...]: the streams while it happens; JSON in $T/watch, when it happened in $T/at
handover_watch() {
	local c=$1 before=()
	shift
	[ "$(type -t "before_$c")" != function ] || before=(-b "before_$c")
	"$B/tests/netns/stream_watch" ${before[@]+"${before[@]}"} -e 'echo "$EPOCHREALTIME" >"$T/at"; '"happens_$c"  "$@" "$(ns user)" "$vip" "$(ns lan)" 203.0.113.10 \
		"$(ns user):wlan0" "$(ns gw):eth0" "$(ns user):ran0" "$(ns gw):eth1" >"$T/watch" 2>"$T/watch.err" ||
		fail "$c: $(cat "$T/watch.err")"
}
watched() { jq -r "$1" "$T/watch"; } # a filter of jq's

# ---- strongSwan at one end or both, as quick as it can be ----

# The host asks whether the peer is there each second, the least it can be told, and has five requests
# unanswered within a tenth of a second. It returns to the better route when there is one. The gateway
# leaves all that to it: what it asks at an address that is lost would end the IKE SA.
# shellcheck disable=SC2034  # for strongswan_start
handover_swan_options='retransmit_timeout = 0.02
	retransmit_base = 1
	retransmit_tries = 4
	prefer_best_path = yes
	filelog { x { time_format = %s
		time_add_ms = yes } }'
swan_connection='version = 2
	mobike = yes
	proposals = aes128gcm16-prfsha256-curve25519
	rekey_time = 0'
swan_child='esp_proposals = aes128gcm16
	rekey_time = 0'

# shellcheck disable=SC2154  # psk is strongswan.sh's
handover_swan_gw_conf() {
	cat >"$T/gw/swanctl.conf" <<-CONF
		connections { c { $swan_connection
			dpd_delay = 60s
			pools = p
			local { auth = psk
				id = gw.example.org }
			remote { auth = psk
				id = user@example.org }
			children { net { local_ts = 203.0.113.0/26
				$swan_child } } } }
		pools { p { addrs = 203.0.113.128/26 } }
		secrets { ike { secret = "$psk" } }
	CONF
}

handover_swan_user_conf() {
	cat >"$T/user/swanctl.conf" <<-CONF
		connections { c { $swan_connection
			dpd_delay = 1s
			remote_addrs = 192.0.2.66,198.51.100.66
			vips = 0.0.0.0
			keyingtries = 0
			local { auth = psk
				id = user@example.org }
			remote { auth = psk
				id = gw.example.org }
			children { net { remote_ts = 203.0.113.0/26
				$swan_child
				dpd_action = restart } } } }
		secrets { ike { secret = "$psk" } }
	CONF
}

handover_swan_up() {
	# shellcheck disable=SC2034  # for strongswan_start
	swan_options=$handover_swan_options
	handover_swan_gw_conf
	handover_swan_user_conf
	strongswan_start gw
	strongswan_start user
	swan user --initiate --child net >"$T/up" 2>&1 || fail "strongSwan: $(tail -n 3 "$T/up")"
	vip=$(swan user --list-sas | sed -n 's/.*local .*\[\(203[0-9.]*\)\].*/\1/p' | head -n 1)
	[ -n "$vip" ] || fail "no virtual address: $(swan user --list-sas)"
}

# braid as the host: one path, which MOBIKE moves.
handover_mobike_up() {
	# shellcheck disable=SC2034  # for strongswan_start
	swan_options=$handover_swan_options
	handover_swan_gw_conf
	cat >"$T/user/braid.conf" <<-CONF
		uplink "wlan" { interface = wlan0 preference = 0 fail_back = 300ms }
		uplink "ran" { interface = ran0 preference = 1 }
		connection "home" {
			remote_addrs = { "192.0.2.66", "198.51.100.66" }
			vips = { "0.0.0.0" }
			dpd_delay = 1s
			retransmit_timeout = 20ms
			retransmit_base = 1.2
			retransmit_tries = 20
			local { id = "user@example.org" }
			remote { id = "gw.example.org" }
			child "net" { remote_ts = { "203.0.113.0/26" } }
			path "wlan-a" { uplink = wlan remote = "192.0.2.66" }
			path "ran-b" { uplink = ran remote = "198.51.100.66" }
		}
		secret "s" { id = { "user@example.org", "gw.example.org" } secret = "$psk" }
	CONF
	strongswan_start gw
	braidd_start user "$T/user/braid.conf"
	braid user up home >"$T/up" 2>&1 || fail "up: $(cat "$T/up")"
	vip=$(braid user --json sas | jq -r '.ike_sas[0].vips[0]')
}

#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# One path over IPv4 and one over IPv6 at the same time, with IPv4 and IPv6 inside: the SA does not
# know. MM-11-5, CLONE-2-1 (its case of several paths).
. "$(dirname "$0")/../lib/netns.sh"
. "$(dirname "$0")/../lib/agent.sh"

topo_multihomed

confs() { # wlan's remote, ran's remote
	cat >"$T/user/braid.conf" <<-CONF
		uplink "wlan" { interface = wlan0 }
		uplink "ran" { interface = ran0 }
		paths { probe_interval = 50ms }
		connection "home" {
			remote_addrs = { "$1", "$2" }
			vips = { "0.0.0.0", "::" }
			local { id = "user@example.org" }
			remote { id = "gw.example.org" }
			child "net" { remote_ts = { "203.0.113.0/26", "2001:db8:3::/64" } }
			path "w" {
				uplink = wlan
				remote = "$1"
			}
			path "r" {
				uplink = ran
				remote = "$2"
			}
		}
		secret "s" { id = { "user@example.org", "gw.example.org" } secret = "a secret of some length" }
	CONF
	cat >"$T/gw/braid.conf" <<-CONF
		uplink "a" { interface = eth0 }
		uplink "b" { interface = eth1 }
		paths { probe_interval = 50ms }
		pool "v4" { addrs = "203.0.113.128/26" }
		pool "v6" { addrs = "2001:db8:4::/112" }
		connection "rw" {
			pools = { "v4", "v6" }
			local { id = "gw.example.org" }
			remote { id = "user@example.org" }
			child "net" { local_ts = { "203.0.113.0/26", "2001:db8:3::/64" } }
		}
		secret "s" { id = { "user@example.org", "gw.example.org" } secret = "a secret of some length" }
	CONF
}

both() { # label
	in_ns user ping -c 3 -i 0.1 -W 2 -q -s 1200 203.0.113.10 >"$T/ping" || fail "$1: IPv4 inside"
	in_ns user ping -c 3 -i 0.1 -W 2 -q -s 1200 2001:db8:3::10 >"$T/ping" || fail "$1: IPv6 inside"
	in_ns lan iperf3 -s -1 -B 203.0.113.10 -p 5301 >/dev/null 2>&1 &
	wait_for 3 in_ns lan sh -c 'ss -ltn | grep -q :5301' || fail "$1: iperf3"
	in_ns user iperf3 -c 203.0.113.10 -p 5301 -t 1 -P 4 -J >"$T/iperf" || fail "$1: TCP"
	[ "$(jq .end.sum_received.bytes "$T/iperf")" -ge 10000000 ] || fail "$1: TCP $(jq .end.sum_received "$T/iperf")"
	echo "ok - $1: IPv4 and IPv6 inside, ping and TCP"
}

scenario() { # label remote1 remote2
	confs "$2" "$3"
	braidd_start gw "$T/gw/braid.conf"
	braidd_start user "$T/user/braid.conf"
	braid user up home >"$T/up" 2>&1 || fail "$1: $(cat "$T/up")"
	wait_for 5 two_up user || fail "$1: two paths: $(braid user paths)"
	wait_for 5 two_up gw || fail "$1: two paths at the gateway: $(braid gw paths)"
	both "$1, two paths"
	cut_path r1
	wait_for 3 path_is user w down || fail "$1: the cut is not seen"
	both "$1, first path cut"
	mend_path r1
	wait_for 3 path_is user w up || fail "$1: the path does not come back"
	cut_path r2
	wait_for 3 path_is user r down || fail "$1: the second cut is not seen"
	both "$1, second path cut"
	mend_path r2
	wait_for 3 path_is user r up || fail "$1: the second path does not come back"
	braid user down home >/dev/null || fail "$1: down"
	kill "$(agent_pid user)" "$(agent_pid gw)"
	wait_for 8 no_pids user && wait_for 8 no_pids gw || fail "$1: the agents do not end"
}

scenario "IPv4 and IPv6 outside" 192.0.2.66 2001:db8:2:1::66
scenario "IPv6 and IPv4 outside" 2001:db8:1:1::66 198.51.100.66

# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
# braid on user and gateway of netns.sh's topology: configurations and questions. Sourced after it.

agent_confs() { # probe interval
	cat >"$T/user/braid.conf" <<-CONF
		log_level = info
		uplink "wlan" { interface = wlan0 preference = 0 }
		uplink "ran" { interface = ran0 preference = 1 }
		paths { probe_interval = ${1:-100ms} }
		connection "home" {
			remote_addrs = { "192.0.2.66", "198.51.100.66" }
			multipath = true
			vips = { "0.0.0.0" }
			local { id = "user@example.org" }
			remote { id = "gw.example.org" }
			child "net" { remote_ts = { "203.0.113.0/26" } }
			path "wlan-a" { uplink = wlan remote = "192.0.2.66" }
			path "ran-b" { uplink = ran remote = "198.51.100.66" }
		}
		secret "s" { id = { "user@example.org", "gw.example.org" } secret = "a long secret of ours" }
	CONF
	cat >"$T/gw/braid.conf" <<-CONF
		log_level = info
		uplink "a" { interface = eth0 }
		uplink "b" { interface = eth1 }
		paths { probe_interval = ${1:-100ms} }
		pool "p" { addrs = "203.0.113.128/26" }
		connection "rw" {
			multipath = true
			pools = { "p" }
			local { id = "gw.example.org" }
			remote { id = "user@example.org" }
			child "net" { local_ts = { "203.0.113.0/26" } }
		}
		secret "s" { id = { "user@example.org", "gw.example.org" } secret = "a long secret of ours" }
	CONF
	chmod 600 "$T"/*/braid.conf
}

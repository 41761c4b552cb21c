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

# Six flows of pings into the LAN, which needs 203.0.113.11 to .16, for about SECONDS; load_end COUNT fails if one lost more than COUNT.
load() {
	local i
	loads=()
	for i in 1 2 3 4 5 6; do
		in_ns user ping -i 0.005 -c $(($1 * 200)) -W 1 -q 203.0.113.1$i >"$T/ping$i" 2>&1 &
		loads+=($!)
	done
}

# Of all 1,200 a second one may be lost to the machine: what is wrong here loses more.
load_end() {
	local i lost sent spare=1
	wait "${loads[@]}"
	for i in 1 2 3 4 5 6; do
		read -r sent got < <(sed -n 's/\([0-9]*\) packets transmitted, \([0-9]*\) received.*/\1 \2/p' "$T/ping$i")
		lost=$((sent - got))
		if [ "$lost" -gt "$1" ] && [ "$lost" -le $(($1 + spare)) ]; then
			spare=$((spare + $1 - lost))
			continue
		fi
		[ "$lost" -le "$1" ] || fail "$2: flow $i lost $lost of $sent packets, more than $1"
	done
	echo "ok - $2"
}

# 200 flows of a datagram: they tell what six flows cannot, each of which has one chance in two.
many_flows() {
	# shellcheck disable=SC2016
	in_ns user bash -c 'for ((p = 2000; p < 2200; p++)); do echo x >/dev/udp/203.0.113.11/$p; done' 2>/dev/null
}

# Packets sent on a path.
tx() { braid "$1" --json paths | jq --arg n "$2" '.paths[] | select(.name == $n).tx_packets'; }

# The agent of a host dies at once; what it left goes on.
agent_dies() {
	local pid
	pid=$(agent_pid "$1")
	kill -9 "$pid"
	wait_for 5 eval "! kill -0 $pid 2>/dev/null" || fail "the agent of $1 does not die"
}

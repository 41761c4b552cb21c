#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# What policy protects never leaves in clear text, whatever dies or is stopped: all uplinks of both
# hosts are captured while datagrams into the tunnel go on, IPv4 and IPv6, from the user towards the
# LAN and from the LAN towards the virtual addresses; both hosts have default routes that would
# carry them. MIF-4-4: what policy does not protect goes its own way all the time. [ESP-15]
. "$(dirname "$0")/../lib/netns.sh"
. "$(dirname "$0")/../lib/agent.sh"
command -v tcpdump >/dev/null || skip "needs tcpdump"

topo_multihomed
agent_confs 50ms
sed -i -e 's/vips = .*/vips = { "0.0.0.0", "::" }/' \
	-e 's|remote_ts = .*|remote_ts = { "203.0.113.0/26", "2001:db8:3::/64" } start_action = start }|' "$T/user/braid.conf"
sed -i -e 's|^pool.*|&\npool "p6" { addrs = "2001:db8:3:1::/112" }|' -e 's/pools = .*/pools = { "p", "p6" }/' \
	-e 's|local_ts = .*|local_ts = { "203.0.113.0/26", "2001:db8:3::/64" } }|' "$T/gw/braid.conf"
n=$(ns gw)
ip -n "$n" route add default via 192.0.2.65
ip -n "$n" -6 route add default via 2001:db8:1:1::65
# The bystanders: hosts of the world outside, by the default routes.
ip -n "$(ns r1)" addr add 192.0.2.129/32 dev lo
ip -n "$(ns r1)" addr add 192.0.2.130/32 dev lo

uplinks="user:wlan0 user:ran0 gw:eth0 gw:eth1"
capture() { # name: on every uplink, until the test ends; the new name is the one looked at
	local u f
	taken=$1
	for u in $uplinks; do
		f=$T/$taken-${u#*:}
		in_ns "${u%:*}" tcpdump --immediate-mode -lni "${u#*:}" \
			'net 203.0.113.0/24 or net 2001:db8:3::/48' >"$f" 2>"$f.err" &
		wait_for 5 grep -q 'listening on' "$f.err" || fail "no capture on $u"
	done
}
# Datagrams by a new socket each, so that addresses and routes are chosen anew every time. Ends with
# its host, and by itself.
stream() { # host, destinations...
	local h=$1
	shift
	in_ns "$h" timeout 200 bash -c \
		'while :; do for d; do echo x >"/dev/udp/$d/9"; done; sleep 0.02; done' _ "$@" >/dev/null 2>&1 &
}
seen_on() { [ -s "$T/$taken-$1" ]; }
no_clear() { # stage
	local u
	sleep 0.3 # some datagrams more, and what is on its way to the files
	for u in $uplinks; do
		seen_on "${u#*:}" && fail "$1: in clear text on $u: $(head -n 3 "$T/$taken-${u#*:}")"
	done
	in_ns user ping -c 1 -W 2 -q 192.0.2.129 >/dev/null && in_ns gw ping -c 1 -W 2 -q 192.0.2.130 >/dev/null ||
		fail "$1: unprotected traffic does not pass"
	echo "ok - $1"
}
engine_of() { # host
	local p
	for p in $(ip netns pids "$(ns "$1")"); do
		[ "$(cat "/proc/$p/comm" 2>/dev/null)" != braid-esp ] || echo "$p"
	done
}
no_engine() { [ -z "$(engine_of "$1")" ]; }
vips=
reach() { # both ways; without an agent at the virtual addresses it has told last
	local v
	v=$(braid user --json sas 2>/dev/null | jq -r '.ike_sas[0].vips | join(" ")' 2>/dev/null)
	vips=${v:-$vips}
	[ -n "$vips" ] || return 1
	for v in $vips; do in_ns lan ping -c 1 -W 0.3 -q "$v" || return 1; done
	in_ns user ping -c 1 -W 0.3 -q 203.0.113.10 && in_ns user ping -c 1 -W 0.3 -q 2001:db8:3::10
}
again() { wait_for "${2:-4}" reach || fail "$1: the LAN is not reached"; }
dead() { # host
	reach >/dev/null 2>&1 && fail "the LAN is reached, with nothing alive on $1"
	no_clear "$1: agent and engine killed"
}

stream user 203.0.113.10 2001:db8:3::10
stream lan 203.0.113.129 203.0.113.130 2001:db8:3:1::1 2001:db8:3:1::2
capture control
for i in wlan0 eth0; do
	wait_for 5 grep -q 'IP ' "$T/control-$i" && wait_for 5 grep -q 'IP6 ' "$T/control-$i" ||
		fail "the capture of $i does not see clear text without braid"
done
echo "ok - without braid the captures see clear text"

cut_path r1
cut_path r2
braidd_start user "$T/user/braid.conf"
braidd_start gw "$T/gw/braid.conf"
capture clear
no_clear "configured to start, no tunnel yet"
mend_path r1
mend_path r2
braid user up home >"$T/up" 2>&1 || fail "up: $(cat "$T/up")"
wait_for 5 two_up user || fail "two paths"
again "set-up"
[[ $vips == *.*:* ]] || fail "virtual addresses of both families: $vips"
no_clear "tunnel up"

cut_path r1
cut_path r2
wait_for 5 path_is user wlan-a down || fail "the cut is not seen"
sleep 0.5
no_clear "every path cut"
mend_path r1
mend_path r2
again "after the cut"

for h in user gw; do
	kill -9 "$(agent_pid $h)"
	no_clear "$h: the agent killed alone"
	again "$h: no agent"
	braidd_start $h "$T/$h/braid.conf"
	again "$h: another agent"
	no_clear "$h: another agent in its place"
done

kill -9 "$(engine_of user)"
sleep 0.5
no_clear "user: the engine killed"
again "no new engine took over"
no_clear "user: another engine in its place"

kill -9 "$(agent_pid user)" "$(engine_of user)"
sleep 0.5
dead user
braidd_start user "$T/user/braid.conf"
again "user: both anew"
no_clear "user: both anew"

kill -9 "$(agent_pid gw)" "$(engine_of gw)"
sleep 0.5
dead gw
braidd_start gw "$T/gw/braid.conf"
no_clear "gw: both anew, no tunnel"
# The user would notice by its liveness check only.
kill -9 "$(agent_pid user)" "$(engine_of user)"
braidd_start user "$T/user/braid.conf"
again "gw: both anew"
no_clear "gw: both anew"
braid user down home >/dev/null 2>&1
no_clear "taken down by the operator, start_action = start"
braid user up home >"$T/up" 2>&1 || fail "up again: $(cat "$T/up")"
again "up again"
no_clear "up again"

# An orderly stop, as a restart of the service begins with
for h in user gw; do
	kill -TERM "$(agent_pid $h)"
	wait_for 5 no_engine $h || fail "$h: the engine stays after SIGTERM"
	no_clear "$h: SIGTERM"
	braidd_start $h "$T/$h/braid.conf"
	braid user up home >"$T/up" 2>&1 || fail "up after SIGTERM: $(cat "$T/up")"
	again "$h: after SIGTERM"
	no_clear "$h: started again"
done

# Not wanted by the configuration, but by the operator: from up to down, also through a failure.
sed -i 's/ start_action = start//' "$T/user/braid.conf"
braid user reload >/dev/null || fail "reload"
no_clear "reload"
kill -9 "$(agent_pid gw)" "$(engine_of gw)"
kill -9 "$(engine_of user)"
sleep 0.5
no_clear "wanted by the operator: no engine"
braid user reload >/dev/null || fail "reload without a tunnel"
no_clear "wanted by the operator: reload without a tunnel"
in_ns user timeout 2 "$B/braid" -d "$T/user/run" down home >/dev/null 2>&1
wait_for 5 seen_on wlan0 || fail "taken down by the operator, not protected by the configuration: still guarded"
echo "ok - taken down by the operator: his word"

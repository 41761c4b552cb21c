#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# NetworkManager is in charge of the uplinks: it leaves what is ours alone, restarted too, and uplinks
# that it takes down and up again are followed. By hand, since nobody wants it on a build machine:
#
#     sudo tests/lab/networkmanager.sh [DIRECTORY]
#
# Without a directory the host's own one is run, in a namespace, with a bus of its own. With one, what
# was unpacked there (dpkg -x) of the packages network-manager, libnm0, libndp0, libmm-glib0,
# libbluetooth3, libteamdctl0 and what else ldd misses.
[ -n "${LAB_ALONE:-}" ] || LAB_ALONE=1 exec unshare -m --propagation private "$0" "$@"
. "$(dirname "$0")/../lib/netns.sh"
. "$(dirname "$0")/../lib/agent.sh"

ok() { echo "ok - $*"; }
nm=${1:-}
libs=$nm/usr/lib/$(uname -m)-linux-gnu
[ -x "$nm/usr/sbin/NetworkManager" ] || fail "no NetworkManager below ${nm:-/}"
topo_multihomed
agent_confs 100ms
sed -i 's/child "net" {/child "net" { start_action = start/' "$T/user/braid.conf"
u=$(ns user)

mkdir -p "$T/nm/connections" "$T/nm/run"
uplink() { # interface, address, gateway, metric
	ip -n "$u" addr flush dev "$1"
	printf '%s\n' '[connection]' "id=$1" type=ethernet "interface-name=$1" '[ipv4]' method=manual \
		"address1=$2,$3" "route-metric=$4" '[ipv6]' method=disabled >"$T/nm/connections/$1.nmconnection"
	chmod 600 "$T/nm/connections/$1.nmconnection"
	in_ns user sysctl -qw "net.ipv4.conf.$1.rp_filter=1"
}
uplink wlan0 192.0.2.2/26 192.0.2.1 100
uplink ran0 198.51.100.2/26 198.51.100.1 200
in_ns user sysctl -qw net.ipv4.conf.all.rp_filter=1
printf '%s\n' '[main]' plugins=keyfile 'no-auto-default=*' auth-polkit=false rc-manager=unmanaged dns=none \
	'[keyfile]' "path=$T/nm/connections" >"$T/nm/conf"
cat >"$T/nm/bus.conf" <<-XML
	<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
	 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
	<busconfig><type>system</type><listen>unix:path=$T/nm/bus</listen><auth>EXTERNAL</auth>
	<policy context="default"><allow user="*"/><allow own="*"/><allow send_destination="*" eavesdrop="true"/>
	<allow eavesdrop="true"/></policy></busconfig>
XML
cat >"$T/nm/start" <<-SH
	mount --bind "$T/nm/run" /run # what it knows of its devices outlives it
	mkdir -p /run/udev/data /run/NetworkManager
	for index in /sys/class/net/*/ifindex; do echo I:1 >"/run/udev/data/n\$(cat "\$index")"; done
	exec "$nm/usr/sbin/NetworkManager" -d --log-level=INFO --config="$T/nm/conf" --config-dir="$T/nm/none" \
		--system-config-dir="$T/nm/none" --intern-config="$T/nm/intern" --state-file="$T/nm/state"
SH
export DBUS_SYSTEM_BUS_ADDRESS=unix:path=$T/nm/bus LD_LIBRARY_PATH=$libs
in_ns user dbus-daemon --config-file="$T/nm/bus.conf" --nofork --nopidfile >"$T/nm/bus.log" 2>&1 &
wait_for 5 test -S "$T/nm/bus" || fail "no bus: $(cat "$T/nm/bus.log")"

nmcli() { in_ns user "$nm/usr/bin/nmcli" "$@" >"$T/nmcli" 2>&1 || fail "nmcli $*: $(cat "$T/nmcli")"; }
manager_starts() {
	ip netns exec "$u" unshare -m --propagation private bash "$T/nm/start" >"$T/nm/log" 2>&1 </dev/null &
	manager=$!
	wait_for 20 grep -q 'manager: startup complete' "$T/nm/log" || fail "NetworkManager does not start: $(tail -n 20 "$T/nm/log")"
	[ "$(ip -n "$u" route show default proto static | wc -l)" = 2 ] || fail "the uplinks are not set up: $(tail -n 20 "$T/nm/log")"
}
standing() { ip -n "$u" rule show priority 98; ip -n "$u" route show table all proto 98; }
reach() { in_ns user ping -c 3 -i 0.1 -W 1 -q 203.0.113.10 >"$T/ping"; }

manager_starts
braidd_start gw "$T/gw/braid.conf"
braidd_start user "$T/user/braid.conf"
wait_for 15 two_up user || fail "two paths: $(braid user paths)"
reach || fail "the LAN is not reached"
in_ns user "$nm/usr/bin/nmcli" -t -f device,state device >"$T/nmcli"
[ "$(grep -c '^braid.*:unmanaged$' "$T/nmcli")" -ge 2 ] || fail "it manages devices of ours: $(cat "$T/nmcli")"
ok "NetworkManager sets up the uplinks, braid uses them"

before=$(standing)
kill "$manager"
wait "$manager" 2>/dev/null
manager_starts
two_up user && reach || fail "restarted: $(braid user paths)"
[ "$(standing)" = "$before" ] || fail "something of ours went: $before; now $(standing)"
nmcli device reapply ran0
[ "$(standing)" = "$before" ] || fail "something of ours went with reapply: $before; now $(standing)"
grep 'another program took' "$T/user/log" && fail "something was taken away"
ok "restarted, it takes nothing away"

gone() { [ -z "$(braid user --json paths | jq --arg n "$path" '.paths[] | select(.name == $n)')" ]; }
for uplink in wlan0:wlan-a:ran-b ran0:ran-b:wlan-a; do
	IFS=: read -r device path other <<<"$uplink"
	nmcli connection down "$device"
	wait_for 5 gone || fail "$device is down: $(braid user paths)"
	path_is user "$other" up && reach || fail "$device is down, and so is the other: $(braid user paths)"
	nmcli connection up "$device"
	wait_for 10 two_up user && reach || fail "$device is up again: $(braid user paths)"
done
ok "uplinks that it takes down and up"

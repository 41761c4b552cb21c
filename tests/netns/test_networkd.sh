#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# systemd-networkd is in charge of the uplinks, as it comes: when it starts it takes away addresses, to
# set them again, and rules and routes that it did not set. Ours are there again at once, guards too,
# and the IKE SA lives on; told to leave what is not its own alone, networkd takes no route of ours.
. "$(dirname "$0")/../lib/netns.sh"
. "$(dirname "$0")/../lib/agent.sh"

ok() { echo "ok - $*"; }
networkd=/lib/systemd/systemd-networkd
[ -x $networkd ] || fail "$networkd is missing: make deps"
topo_multihomed
agent_confs 100ms
sed -i 's/child "net" {/child "net" { start_action = start/' "$T/user/braid.conf"
u=$(ns user)

mkdir -p "$T/networkd/network" "$T/networkd/networkd.conf.d"
uplink() { # interface, address, gateway, metric
	ip -n "$u" addr flush dev "$1"
	printf '%s\n' '[Match]' "Name=$1" '[Network]' LinkLocalAddressing=no IPv6AcceptRA=no "Address=$2" \
		'[Route]' "Gateway=$3" "Metric=$4" >"$T/networkd/network/50-$1.network"
	in_ns user sysctl -qw "net.ipv4.conf.$1.rp_filter=1"
}
uplink wlan0 192.0.2.2/26 192.0.2.1 100
uplink ran0 198.51.100.2/26 198.51.100.1 200
in_ns user sysctl -qw net.ipv4.conf.all.rp_filter=1
# and some like it all managed
printf '%s\n' '[Match]' 'Name=*' '[Network]' LinkLocalAddressing=no IPv6AcceptRA=no >"$T/networkd/network/99-all.network"
cp "$top/user/systemd/10-braid.network" "$T/networkd/network"
chmod -R a+rX "$T/networkd"
chmod a+x "$T"

# udev has seen to all interfaces, as far as its files tell.
cat >"$T/networkd/start" <<-SH
	mount -t tmpfs tmpfs /run
	mkdir -p /run/systemd/netif /run/udev/data
	chown systemd-network:systemd-network /run/systemd/netif
	cp -r "$T/networkd/network" "$T/networkd/networkd.conf.d" /run/systemd
	for index in /sys/class/net/*/ifindex; do echo I:1 >"/run/udev/data/n\$(cat "\$index")"; done
	SYSTEMD_LOG_TARGET=console exec $networkd
SH
networkd_starts() {
	: >"$T/networkd/log"
	ip netns exec "$u" unshare -m --propagation private bash "$T/networkd/start" >"$T/networkd/log" 2>&1 </dev/null &
	echo $! >"$T/networkd/pid"
	wait_for 10 has_routes || fail "networkd does not set up the uplinks: $(cat "$T/networkd/log")"
	wait_for 10 grep -q 'Enumeration completed' "$T/networkd/log" || fail "networkd: $(cat "$T/networkd/log")"
}
networkd_stops() {
	kill "$(cat "$T/networkd/pid")"
	wait "$(cat "$T/networkd/pid")" 2>/dev/null
}
has_routes() { [ "$(ip -n "$u" route show default proto static | wc -l)" = 2 ]; }
has_rule() { ip -n "$u" rule show priority 98 | grep -q 'from 198.51.100.2 ipproto udp sport 4500'; }
has_source() { ip -n "$u" route show table all proto 98 | grep -q '^198.51.100.66 .* table 1651'; }
has_guard() { ip -n "$u" route show type unreachable | grep -q '203.0.113.0/26'; }
has_inner() { ip -n "$u" route show | grep -q '203.0.113.0/26 dev braidtun0'; }
all_there() { has_rule && has_source && has_guard && has_inner && has_vip; }
standing() { ip -n "$u" rule show; ip -n "$u" route show table all proto 98; }
reach() { in_ns user ping -c 3 -i 0.1 -W 1 -q 203.0.113.10 >"$T/ping"; }
has_vip() { ip -n "$u" addr show dev braidtun0 | grep -q 203.0.113.1; }
taken() { grep -c 'another program took away' "$T/user/log"; }

networkd_starts
braidd_start gw "$T/gw/braid.conf"
braidd_start user "$T/user/braid.conf"
wait_for 15 two_up user || fail "two paths: $(braid user paths; braid user status)"
wait_for 5 all_there || fail "not all of ours is there: $(standing)"
reach || fail "the LAN is not reached"
ok "networkd sets up the uplinks, braid uses them"

spi=$(braid user --json sas | jq -r '.ike_sas[0].spi_i')
networkd_stops
networkd_starts
wait_for 10 eval '[ "$(taken)" -ge 1 ]' || fail "networkd took nothing of ours away: this test is of no use; $(standing; cat "$T/networkd/log")"
wait_for 10 all_there || fail "not set again: $(standing)"
wait_for 10 two_up user && wait_for 10 reach || fail "after a restart of networkd: $(braid user paths)"
[ "$(braid user --json sas | jq -r '.ike_sas[0].spi_i')" = "$spi" ] || fail "another IKE SA"
ok "what networkd takes away when it starts is there again"

printf '%s\n' '[Network]' ManageForeignRoutes=no ManageForeignRoutingPolicyRules=no >"$T/networkd/networkd.conf.d/braid.conf"
sed -i 's/^LinkLocalAddressing=no/&\nKeepConfiguration=static/' "$T"/networkd/network/50-*.network
networkd_stops
networkd_starts # it has forgotten what is to be kept
wait_for 10 two_up user && wait_for 10 all_there || fail "with its new configuration: $(braid user paths; standing)"
ids=$(braid user --json paths | jq -c '[.paths[].id] | sort')
timeout 60 ip -n "$u" monitor route rule >"$T/monitor" 2>&1 &
monitor=$!
networkd_stops
networkd_starts
# the last thing the monitor has to see
ip -n "$u" route add 192.0.2.200 dev wlan0
wait_for 5 grep -q 192.0.2.200 "$T/monitor" || fail "the monitor sees nothing"
kill $monitor
grep -E '^Deleted.*(proto 98|98:)' "$T/monitor" && fail "told to leave them alone, networkd took away what is ours"
all_there || fail "not all of ours is there: $(standing)"
[ "$(braid user --json paths | jq -c '[.paths[].id] | sort')" = "$ids" ] || fail "other paths: $(braid user paths)"
two_up user && reach || fail "with foreign routes left alone: $(braid user paths)"
networkd_stops
ok "ManageForeignRoutes=no, KeepConfiguration=static: nothing is taken away"

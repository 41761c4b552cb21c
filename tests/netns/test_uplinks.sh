#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# Uplinks that no one names: interfaces found by pattern and by kind, that come later, change their
# names and go; what is excluded; metered ones stand by. A reload that calls them otherwise.
. "$(dirname "$0")/../lib/netns.sh"
. "$(dirname "$0")/../lib/agent.sh"

ok() { echo "ok - $*"; }
topo_multihomed
agent_confs 100ms

# ran0 is a modem, as far as the kernel tells this braidd
real=$B
mkdir "$T/bin"
cat >"$T/bin/braidd" <<-SH
	#!/bin/sh
	printf 'DEVTYPE=wwan\nINTERFACE=ran0\n' >"$T/uevent"
	[ ! -e /sys/class/net/ran0 ] || mount --bind "$T/uevent" /sys/class/net/ran0/uevent
	exec "$real/braidd" "\$@"
SH
chmod +x "$T/bin/braidd"
ln -s "$real/braid" "$T/bin/braid"

uplinks() { braid user --json status | jq -c '[.uplinks[] | select(.ifindex > 0).name] | sort'; }
uplinks_are() { [ "$(uplinks)" = "$1" ]; }
path() { braid user --json paths | jq ".paths[] | select(.uplink == \"$1\").$2"; }
up_by() { [ "$(path "$1" state)" = '"up"' ]; }
reach() {
	local try
	for try in 1 2 3 4 5 6 7 8 9 10; do
		in_ns user ping -c 3 -i 0.05 -W 1 -q 203.0.113.10 >"$T/ping" && return
	done
	fail "$1: the LAN is not reached after $try rounds: $(cat "$T/ping"; braid user paths)"
}

conf() { # section of the first path, uplinks
	{
		printf '%s\n' "$2"
		sed -e '/^uplink/d' -e "s/uplink = wlan/uplink = $1/; s/uplink = ran/uplink = mobile/" "$T/user/first.conf"
	} >"$T/user/braid.conf"
	chmod 600 "$T/user/braid.conf"
}
cp "$T/user/braid.conf" "$T/user/first.conf"
modem='uplink "mobile" { kind = ran preference = 0 metered = true }'
conf w "uplink \"w\" { interface = \"wl*\" exclude = { wlan9 } preference = 1 }
$modem"

ip link add wlan9 netns "$(ns user)" type veth peer name nine netns "$(ns r1)"
ip -n "$(ns user)" link add wlbr0 type bridge
ip link add wlport netns "$(ns user)" type veth peer name port netns "$(ns r1)"
ip -n "$(ns user)" link set wlport master wlbr0
braidd_start gw "$T/gw/braid.conf"
B=$T/bin
braidd_start user "$T/user/braid.conf"
B=$real
uplinks_are '["ran0","wlan0","wlbr0"]' || fail "found at the start: $(uplinks)"
[ "$(braid user --json status | jq -r '.uplinks[] | select(.name == "ran0") | "\(.section) \(.kind) \(.metered)"')" = "mobile ran true" ] ||
	fail "the modem's settings: $(braid user --json status)"
ip -n "$(ns user)" link del wlbr0
wait_for 5 uplinks_are '["ran0","wlan0","wlport"]' || fail "a port that is free: $(uplinks)"
ip -n "$(ns user)" link del wlport
wait_for 5 uplinks_are '["ran0","wlan0"]' || fail "after it went: $(uplinks)"
braid user up home >"$T/up" 2>&1 || fail "up: $(cat "$T/up")"
wait_for 10 two_up user && wait_for 10 two_up gw || fail "two paths: $(braid user paths)"
[ "$(path wlan0 name)$(path ran0 name)" = '"wlan-a-wlan0""ran-b-ran0"' ] || fail "names of paths: $(braid user paths)"
ok "by pattern and by kind, without what is excluded and ports of bridges"

# Metered: nothing but probes, whatever its preference, while the other one works.
[ "$(path ran0 standby)$(path wlan0 standby)" = truefalse ] || fail "standby: $(braid user paths)"
gw_stands_by() { [ "$(braid gw --json paths | jq -c '[.paths[] | select(.peer_standby).uplink]')" = '["b"]' ]; }
wait_for 5 gw_stands_by || fail "the gateway does not know: $(braid gw --json paths)"
before=$(path ran0 tx_octets)
for i in 1 2 3 4 5 6 7 8; do in_ns user ping -c 2 -i 0.05 -s 1000 -q "203.0.113.10" -I "$(braid user --json sas | jq -r '.ike_sas[0].vips[0]')" >/dev/null; done
for i in 1 2 3 4 5 6 7 8; do
	in_ns user bash -c "head -c 8000 /dev/zero >/dev/udp/203.0.113.10/$((9000 + i))" 2>/dev/null
done
[ $(($(path ran0 tx_octets) - before)) -lt 16000 ] || fail "traffic over the metered path: $before $(path ran0 tx_octets)"
ip -n "$(ns user)" link set wlan0 down
wait_for 5 eval '! up_by wlan0' || fail "link down is not seen"
reach "over the metered path alone"
ok "metered: stands by"

ip -n "$(ns user)" link set wlan0 name wlp3s0
ip -n "$(ns user)" link set wlp3s0 up
ip -n "$(ns user)" route add default via 192.0.2.1 dev wlp3s0 metric 100
wait_for 5 uplinks_are '["ran0","wlp3s0"]' || fail "the new name: $(uplinks)"
wait_for 10 up_by wlp3s0 || fail "under its new name: $(braid user paths)"
reach "under its new name"
ip -n "$(ns user)" link set wlp3s0 down
ip -n "$(ns user)" link set wlp3s0 name cable0
wait_for 5 uplinks_are '["ran0"]' || fail "a name that does not fit: $(uplinks)"
in_ns user tc filter show dev cable0 ingress | grep -q . && fail "our program stays at an interface that is no uplink any more"
ip -n "$(ns user)" link set cable0 name wlan0
ip -n "$(ns user)" link set wlan0 up
ip -n "$(ns user)" route add default via 192.0.2.1 dev wlan0 metric 100
wait_for 10 up_by wlan0 || fail "back under the first name: $(braid user paths)"
ok "names change"

ip -n "$(ns user)" link del wlan0
wait_for 5 uplinks_are '["ran0"]' || fail "gone: $(uplinks)"
wait_for 5 eval '[ "$(braid user --json status | jq ".uplinks | length")" = 1 ]' || fail "remembered for ever: $(braid user status)"
reach "after it vanished"
wire user wlan1 192.0.2.3/26 r1 user1 192.0.2.4/26
ip -n "$(ns r1)" addr add 192.0.2.1/26 dev user1
ip -n "$(ns user)" route add default via 192.0.2.1 dev wlan1 metric 100
wait_for 10 up_by wlan1 || fail "a new interface: $(braid user paths)"
reach "over a new interface"
ok "interfaces go and come"

# Called otherwise, and named: the same interface, the same paths.
ids=$(braid user --json paths | jq -c '[.paths[].id] | sort')
lines=$(wc -l <"$T/user/log")
conf work "uplink \"work\" { interface = wlan1 }
$modem"
braid user reload >"$T/reload" || fail "reload: $(cat "$T/reload")"
[ "$(braid user --json paths | jq -c '[.paths[].id] | sort')" = "$ids" ] || fail "other paths after a reload: $(braid user paths)"
up_by work || fail "after a reload: $(braid user paths)"
tail -n +$((lines + 1)) "$T/user/log" | grep -E 'path .*(down|removed)|uplink .*(gone|lost)' && fail "a reload moved paths"
ok "a reload that calls the interface otherwise"

# Not configured any more: nothing goes there, once another one carries traffic.
conf mobile "$modem"
sed -i '/path "wlan-a"/d' "$T/user/braid.conf"
braid user reload >"$T/reload" || fail "reload: $(cat "$T/reload")"
wait_for 15 eval '[ "$(braid user --json paths | jq -c "[.paths[].uplink] | unique")" = "[\"ran0\"]" ]' || fail "a path of an uplink that is none any more: $(braid user paths)"
reach "after its uplink was taken away"
conf work "uplink \"work\" { interface = wlan1 }
$modem"
braid user reload >"$T/reload" || fail "reload: $(cat "$T/reload")"
wait_for 10 up_by work || fail "back in the configuration: $(braid user paths)"
ok "an uplink that the configuration has no more"

# More than there is room for; those that are there serve on.
for i in $(seq 1 20); do echo "link add wlx$i type veth peer name peer$i"; done >"$T/batch"
conf work "uplink \"work\" { interface = wlan1 }
uplink \"x\" { interface = \"wlx*\" }
$modem"
braid user reload >"$T/reload" || fail "reload: $(cat "$T/reload")"
ip -n "$(ns user)" -batch "$T/batch"
wait_for 10 eval '[ "$(braid user --json status | jq ".uplinks | length")" = 16 ]' || fail "not as many as there can be: $(uplinks)"
wait_for 5 grep -q 'is not used: 16 uplinks is the limit' "$T/user/log" || fail "nothing is said of the others"
reach "with as many as there can be"
for i in $(seq 1 20); do echo "link del wlx$i"; done >"$T/batch"
ip -n "$(ns user)" -batch "$T/batch"
wait_for 10 eval '[ "$(braid user --json status | jq ".uplinks | length")" = 2 ]' || fail "they stay: $(uplinks)"
up_by work && up_by ran0 || fail "the others suffered: $(braid user paths)"
ok "more interfaces than places"

# Everything there is, but nothing of our own.
conf all "uplink \"all\" { interface = \"*\" exclude = { ran0 } }
$modem"
braid user reload >"$T/reload" || fail "reload: $(cat "$T/reload")"
wait_for 5 uplinks_are '["ran0","wlan1","wlan9"]' || fail "by a pattern for all: $(uplinks)"
kill "$(agent_pid user)"
wait_for 10 no_pids user || fail "braidd does not end"
B=$T/bin
braidd_start user "$T/user/braid.conf"
B=$real
wait_for 5 uplinks_are '["ran0","wlan1","wlan9"]' || fail "by a pattern for all, from the start: $(uplinks)"
grep -E 'uplink (lo|braid)' "$T/user/log" && fail "its own device was an uplink for a moment"
ok "everything, but nothing of its own"

# One path at a time: by preference, what is not metered, cost; and a reload moves it.
one() { # settings of wlan1, of ran0
	conf all "uplink \"all\" { interface = wlan1 $1 }
uplink \"mobile\" { interface = ran0 $2 }
paths { fail_back = 100ms }"
	sed -i -e '/^paths { probe/d' -e 's/multipath = true/multipath = false/' "$T/user/braid.conf"
	braid user reload >"$T/reload" || fail "reload: $(cat "$T/reload")"
}
goes_by() { [ "$(braid user --json paths | jq -c '[.paths[].local]')" = "[\"$1:4500\"]" ]; }
one "cost = 5" "cost = 4"
braid user up home >"$T/up" 2>&1 || fail "up: $(cat "$T/up")"
wait_for 5 goes_by 198.51.100.2 || fail "the cheaper one: $(braid user paths)"
one "cost = 5" "cost = 4 metered = yes"
wait_for 15 goes_by 192.0.2.3 || fail "the one that is not metered: $(braid user paths)"
one "cost = 5 preference = 2" "cost = 9 metered = yes preference = 1"
wait_for 15 goes_by 198.51.100.2 || fail "the one that is preferred: $(braid user paths)"
reach "one path at a time"
ok "one path: preference, metered, cost"

# Whatever they are called, there and in the configuration.
ip -n "$(ns user)" link set braidtun0 down
ip -n "$(ns user)" link set braidtun0 name plain0
ip -n "$(ns user)" link set plain0 up
conf all 'uplink "all" { interface = "*" exclude = { wlan9 } }
uplink "mobile" { kind = ran }
dataplane { tun = other steer = another }'
braid user reload >"$T/reload" || fail "reload: $(cat "$T/reload")"
ip -n "$(ns user)" link set plain0 mtu 1390 # an event of its own
uplinks_are '["ran0","wlan1"]' || fail "devices of ours are uplinks: $(uplinks)"
ip -n "$(ns user)" addr add 192.0.2.4/32 dev wlan1
wait_for 5 eval 'braid user --json status | grep -q 192.0.2.4' || fail "a new address: $(braid user --json status)"
uplinks_are '["ran0","wlan1"]' || fail "devices of ours are uplinks after an event: $(uplinks)"
ok "devices of ours are none by whatever name"

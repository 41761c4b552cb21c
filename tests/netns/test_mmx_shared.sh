#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# multipath = mmx, tunnels = shared: one Child SA comes to use both uplinks and both addresses of the
# gateway, and goes on while uplinks go and come, one pair of SAs all the time: the scenarios S10, S6
# (with REMOVE), S14 and S3, with a TCP connection and a UDP stream.
# [MIF-3.3.1-4] [MM-10.2.1-1] [MM-5.3-2] [MM-5.3-4] [MM-5.4-2] [SLIDE-1-1]
. "$(dirname "$0")/../lib/netns.sh"
. "$(dirname "$0")/../lib/agent.sh"
. "$(dirname "$0")/../lib/clones.sh"
. "$(dirname "$0")/../lib/mmx.sh"

ok() { echo "ok - $*"; }

clones_topo
mmx_confs 'multipath = mmx' 'multipath = mmx'
mmx_up
bind_is "$I0>$R0" "$I0>$R1" "$I1>$R0" "$I1>$R1"
[ "$(sas user '[.[].children[]] | length')" = 1 ] || fail "more than one Child SA: $(braid user sas)"
before=$(spis user)
ok "S10: one pair of SAs for both uplinks and both addresses"
traffic_begin

# S6: an uplink that nothing depends on.
ip -n "$(ns user)" link set ran0 down
bind_is "$I0>$R0" "$I0>$R1"
ok "an uplink goes"
ip -n "$(ns user)" link set ran0 up
ip -n "$(ns user)" route add default via 198.51.100.1 dev ran0 metric 200
bind_is "$I0>$R0" "$I0>$R1" "$I1>$R0" "$I1>$R1"
ok "it comes back"

# By the operator's word, which holds until he says otherwise.
braid user mmx remove home ran >"$T/out" 2>&1 || fail "remove: $(cat "$T/out")"
bind_is "$I0>$R0" "$I0>$R1"
ip -n "$(ns gw)" link set eth1 down
bind_is "$I0>$R0"
ip -n "$(ns gw)" link set eth1 up
ip -n "$(ns gw)" route add 198.51.100.0/26 via 198.51.100.65
bind_is "$I0>$R0" "$I0>$R1"
braid user mmx add home ran >"$T/out" 2>&1 || fail "add: $(cat "$T/out")"
bind_is "$I0>$R0" "$I0>$R1" "$I1>$R0" "$I1>$R1"
ok "what the operator removes stays away until he adds it"
# what the peer refuses holds nothing
braid user mmx remove home ran >"$T/out" 2>&1 || fail "remove: $(cat "$T/out")"
bind_is "$I0>$R0" "$I0>$R1"
braid user mmx remove home wlan >"$T/out" 2>&1 && fail "the last one: $(cat "$T/out")"
grep -q 'last-address.*nothing would be left' "$T/out" || fail "why: $(cat "$T/out")"
braid user mmx add home ran >"$T/out" 2>&1 || fail "add: $(cat "$T/out")"
bind_is "$I0>$R0" "$I0>$R1" "$I1>$R0" "$I1>$R1"
ip -n "$(ns user)" link set wlan0 down
bind_is "$I1>$R0" "$I1>$R1"
ip -n "$(ns user)" link set wlan0 up
ip -n "$(ns user)" route add default via 192.0.2.1 dev wlan0 metric 100
bind_is "$I0>$R0" "$I0>$R1" "$I1>$R0" "$I1>$R1"
ok "what the peer refuses to remove comes back by itself"

# S14: the one that IKE uses.
ip -n "$(ns user)" link set wlan0 down
bind_is "$I1>$R0" "$I1>$R1"
ike_at() { [ "$(sas user '.[0].local')" = "\"$1:4500\"" ]; }
wait_for 10 ike_at $I1 || fail "IKE does not follow: $(braid user sas)"
ok "S14: IKE's own uplink goes"
ip -n "$(ns user)" link set wlan0 up
ip -n "$(ns user)" route add default via 192.0.2.1 dev wlan0 metric 100
bind_is "$I0>$R0" "$I0>$R1" "$I1>$R0" "$I1>$R1"

# S2: another address for the same uplink.
in_ns user sysctl -qw net.ipv4.conf.ran0.promote_secondaries=1
ip -n "$(ns user)" addr add 198.51.100.9/26 dev ran0
ip -n "$(ns user)" addr del 198.51.100.2/26 dev ran0
ip -n "$(ns user)" route replace default via 198.51.100.1 dev ran0 metric 200
bind_is "$I0>$R0" "$I0>$R1" "198.51.100.9>$R0" "198.51.100.9>$R1"
ok "S2: another address"

# S4: the gateway loses an interface and gets it back.
ip -n "$(ns gw)" link set eth1 down
bind_is "$I0>$R0" "198.51.100.9>$R0"
ip -n "$(ns gw)" link set eth1 up
ip -n "$(ns gw)" route add 198.51.100.0/26 via 198.51.100.65
ip -n "$(ns gw)" route add default via 198.51.100.65 metric 200
bind_is "$I0>$R0" "$I0>$R1" "198.51.100.9>$R0" "198.51.100.9>$R1"
ok "S4: an interface of the gateway goes and comes"

traffic_end 400
[ "$(spis user)" = "$before" ] || fail "the Child SA has been replaced: $(braid user sas)"
ok "one Child SA all the time; no connection broke"

#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# multipath = mmx, tunnels = each: an uplink gets Child SAs of its own, with an inner address of their
# own, derived with one request from those of another; they go over another uplink while their own is
# away, and are deleted with it: the
# scenarios S5, S2, S3 and S6. Where the gateway gives several inner addresses at set-up each tunnel has one: S1.
# [MIF-3.4.1-7] [MIF-4-1] [MIF-3.5.1-1] [SLIDE-13-1]
. "$(dirname "$0")/../lib/netns.sh"
. "$(dirname "$0")/../lib/agent.sh"
. "$(dirname "$0")/../lib/clones.sh"
. "$(dirname "$0")/../lib/mmx.sh"

ok() { echo "ok - $*"; }
n_children() { [ "$(sas "$1" '[.[].children[]] | length')" = "$2" ]; }
vips() { sas user '[.[].vips[]] | unique | join(" ")' | tr -d '"'; }

# Two services at the gateway.
services() {
	mmx_confs 'multipath = mmx tunnels = each inner_address = per_line'
	sed -i 's|child "net" { remote_ts = { "203.0.113.0/26" } }|& child "more" { remote_ts = { "203.0.113.70/32" } start_action = start }|' "$T/user/braid.conf"
	sed -i 's|child "net" { local_ts = { "203.0.113.0/26" } }|& child "more" { local_ts = { "203.0.113.70/32" } }|' "$T/gw/braid.conf"
}
selectors() { sas "$1" "[.[].children[] | .$2[] + \">\" + .$3[]] | sort | join(\" \")" | tr -d '"'; }

clones_topo
services
mmx_up
wait_for 10 n_children user 4 || fail "two services on two uplinks: $(braid user mmx list) $(braid user sas)"
wait_for 10 n_children gw 4 || fail "two services on two uplinks, at the gateway: $(braid gw sas)"
want=$(for v in $(vips); do for t in 203.0.113.0/26 203.0.113.70/32; do echo "$v/32>$t"; done; done | sort | paste -sd' ')
[ "$(selectors user local_ts remote_ts)" = "$want" ] || fail "selectors: $(selectors user local_ts remote_ts), not $want"
[ "$(selectors gw remote_ts local_ts)" = "$want" ] || fail "selectors at the gateway: $(braid gw sas)"
ok "each uplink has Child SAs for all services"
clones_down

mmx_confs 'multipath = mmx tunnels = each inner_address = per_line'
mmx_up
wait_for 10 n_children user 2 || fail "no second tunnel: $(braid user mmx list) $(braid user sas)"
wait_for 10 n_children gw 2 || fail "no second tunnel at the gateway: $(braid gw sas)"
wait_for 10 eval '[ "$(vips | wc -w)" = 2 ]' || fail "inner addresses: $(vips)"
[ "$(sas user 'length')" = 1 ] || fail "more than one IKE SA: $(braid user sas)"
wait_for 10 bound_has user "$I1>$R1" || fail "the second tunnel: $(braid user mmx list)"
before=$(spis user)
ok "S5: a tunnel for each uplink, the second one derived"
traffic_begin

ip -n "$(ns user)" link set ran0 down
wait_for 10 bound_has user "$I0>$R1" || fail "the second tunnel stays: $(braid user mmx list)"
wait_for 10 bound_has gw "$R1>$I0" || fail "the second tunnel stays at the gateway: $(braid gw mmx list)"
ok "S3: its uplink goes, the tunnel goes over the other one"
ip -n "$(ns user)" link set ran0 up
ip -n "$(ns user)" route add default via 198.51.100.1 dev ran0 metric 200
wait_for 10 bound_has user "$I1>$R1" || fail "the second tunnel stays away: $(braid user mmx list)"
wait_for 10 bound_has gw "$R1>$I1" || fail "the second tunnel stays away at the gateway: $(braid gw mmx list)"
ok "and comes back"

ip -n "$(ns user)" link set ran0 down
wait_for 10 bound_has gw "$R1>$I0" || fail "the second tunnel stays at the gateway: $(braid gw mmx list)"
agent_dies user
braidd_start user "$T/user/braid.conf" -v
ip -n "$(ns user)" link set ran0 up
ip -n "$(ns user)" route add default via 198.51.100.1 dev ran0 metric 200
wait_for 10 bound_has user "$I1>$R1" || fail "the second tunnel stays away: $(braid user mmx list)"
wait_for 10 bound_has gw "$R1>$I1" || fail "the second tunnel stays away at the gateway: $(braid gw mmx list)"
[ "$(spis user)" = "$before" ] || fail "another agent makes more of them: $(braid user sas)"
ok "and so it does when there is another agent by then"

in_ns user sysctl -qw net.ipv4.conf.ran0.promote_secondaries=1
ip -n "$(ns user)" addr add 198.51.100.9/26 dev ran0
ip -n "$(ns user)" addr del 198.51.100.2/26 dev ran0
ip -n "$(ns user)" route replace default via 198.51.100.1 dev ran0 metric 200
wait_for 10 bound_has gw "$R1>198.51.100.9" || fail "another address: $(braid gw mmx list)"
ok "S2: another address"
traffic_end 400
[ "$(spis user)" = "$before" ] || fail "a Child SA has been replaced: $(braid user sas)"
ok "the same two Child SAs all the time; no connection broke"

sed -i '/uplink "ran"/d' "$T/user/braid.conf"
braid user reload || fail "reload"
wait_for 10 n_children user 1 || fail "the second tunnel is still there: $(braid user sas)"
wait_for 10 n_children gw 1 || fail "the second tunnel is still there at the gateway: $(braid gw sas)"
reach >"$T/ping" || fail "the first tunnel does not work: $(braid user sas)"
ok "S6: an uplink that is not wanted any more goes with its tunnel"
clones_down

# S1: an inner address for each uplink at once; the first tunnel has the first of them.
mmx_confs 'multipath = mmx tunnels = each inner_address = per_line'
sed -i 's/vips = { "0.0.0.0" }/vips = { "0.0.0.0", "0.0.0.0" }/' "$T/user/braid.conf"
ip -n "$(ns user)" addr replace 198.51.100.2/26 dev ran0
ip -n "$(ns user)" addr del 198.51.100.9/26 dev ran0
ip -n "$(ns user)" route replace default via 198.51.100.1 dev ran0 metric 200
mmx_up
wait_for 10 n_children user 2 || fail "no second tunnel: $(braid user mmx list) $(braid user sas)"
wait_for 10 bound_has user "$I1>$R1" || fail "the second tunnel: $(braid user mmx list)"
bound_has user "$I0>$R0" || fail "the first tunnel: $(braid user mmx list)"
[ "$(vips | wc -w)" = 2 ] || fail "inner addresses: $(vips)"
want=$(for v in $(vips); do echo "$v/32>203.0.113.0/26"; done | sort | paste -sd' ')
[ "$(selectors user local_ts remote_ts)" = "$want" ] || fail "selectors: $(selectors user local_ts remote_ts), not $want"
[ "$(selectors gw remote_ts local_ts)" = "$want" ] || fail "selectors at the gateway: $(braid gw sas)"
grep -q "derived for the peer's" "$T/gw/log" && fail "they are derived: $(cat "$T/gw/log")"
traffic_begin
ip -n "$(ns user)" link set wlan0 down
wait_for 10 bound_has gw "$R0>$I1" || fail "the first tunnel stays: $(braid gw mmx list)"
traffic_end 100
ok "S1: a tunnel for each uplink and inner address"

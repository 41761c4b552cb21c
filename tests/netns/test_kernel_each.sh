#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# multipath = mmx, tunnels = each, where ESP is the kernel's: an uplink gets a Child SA of its own, derived from
# another with one request; it goes over another uplink while its own is away, also when both agents have died meanwhile,
# and ends with it. No state is touched by a move.
. "$(dirname "$0")/../lib/netns.sh"
. "$(dirname "$0")/../lib/agent.sh"
. "$(dirname "$0")/../lib/clones.sh"
. "$(dirname "$0")/../lib/mmx.sh"
. "$(dirname "$0")/../lib/kernel.sh"
kernel_esp_or_skip
ok() { echo "ok - $*"; }
n_children() { [ "$(sas "$1" '[.[].children[]] | length')" = "$2" ]; }
vips() { sas user '[.[].vips[]] | unique | join(" ")' | tr -d '"'; }
states() { ip -n "$(ns user)" xfrm state list | grep -A1 '^src' | sort; }
unchanged() {
	[ "$(spis user)" = "$before" ] || fail "$1: Child SAs have been replaced: $(braid user sas)"
	[ "$(states)" = "$states" ] || fail "$1: states have been touched: $(states)"
	ok "$1"
}
ran() {
	ip -n "$(ns user)" link set ran0 "$1"
	[ "$1" = down ] || ip -n "$(ns user)" route replace default via 198.51.100.1 dev ran0 metric 200
}
is_bound() { bound_has user "$1>$2" && bound_has gw "$2>$1"; }
# Each inner address that a Child SA has reaches the LAN.
all_reach() {
	local v
	for v in $(sas user '[.[].children[].local_ts[] | sub("/32"; "")] | join(" ")' | tr -d '"'); do in_ns user ping -c 3 -i 0.05 -W 3 -q -I "$v" 203.0.113.10 >"$T/ping" || return; done
}

clones_topo
mmx_confs 'multipath = mmx tunnels = each inner_address = per_line retransmit_timeout = 1s' 'multipath = no mmx = yes retransmit_timeout = 1s'
for h in user gw; do sed -i '1i dataplane { backend = kernel }' "$T/$h/braid.conf"; done
mmx_up
soon n_children user 2 || fail "no second tunnel: $(braid user mmx list; braid user sas)"
soon n_children gw 2 || fail "no second tunnel at the gateway: $(braid gw sas)"
[ "$(vips | wc -w)" = 2 ] || fail "inner addresses: $(vips)"
soon is_bound $I1 $R1 || fail "the second tunnel: $(braid user mmx list)"
soon all_reach || fail "the LAN is not reached: $(cat "$T/ping"; braid user sas)"
before=$(spis user) states=$(states)
ok "a tunnel for each uplink, the second one derived"

traffic_begin
ran down
soon is_bound $I0 $R1 || fail "the second tunnel stays: $(braid user mmx list; braid gw mmx list)"
soon all_reach || fail "the second tunnel does not go on: $(cat "$T/ping"; braid user paths)"
traffic_end 500
traffic_begin
agent_dies user
agent_dies gw
for h in gw user; do braidd_start "$h" "$T/$h/braid.conf" -v; done
traffic_end 0
ran up
soon is_bound $I1 $R1 || fail "the second tunnel stays away: $(braid user mmx list; braid gw mmx list)"
unchanged "its uplink goes, the tunnel goes over the other one, both agents die without a lost packet, and it comes back"

sed -i '/uplink "ran"/d' "$T/user/braid.conf"
braid user reload >"$T/out" 2>&1 || fail "reload: $(cat "$T/out")"
soon n_children user 1 || fail "the second tunnel is still there: $(braid user sas)"
soon n_children gw 1 || fail "the second tunnel is still there at the gateway: $(braid gw sas)"
soon all_reach || fail "the first tunnel does not work: $(braid user sas)"
ok "an uplink that is not wanted any more goes with its tunnel"
clones_down
for h in user gw; do [ -z "$(left_of $h)" ] || fail "$h: left after an orderly stop: $(left_of $h)"; done
ok "an orderly stop leaves nothing"

#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# Many Child SAs of one IKE SA share a binding: one action moves all of them, and it stays the one that
# they share, at either end.
. "$(dirname "$0")/../lib/netns.sh"
. "$(dirname "$0")/../lib/agent.sh"
. "$(dirname "$0")/../lib/clones.sh"
. "$(dirname "$0")/../lib/mmx.sh"

ok() { echo "ok - $*"; }
N=40
clones_topo
mmx_confs 'multipath = no mmx = yes window = 8' 'multipath = no mmx = yes window = 8'
for i in $(seq 11 $((10 + N))); do
	children+="child \"c$i\" { remote_ts = { \"203.0.113.$i\" } start_action = start } "
	gw_children+="child \"c$i\" { local_ts = { \"203.0.113.$i\" } } "
	ip -n "$(ns lan)" addr add 203.0.113.$i/26 dev eth0 2>/dev/null
done
sed -i "s|child \"net\" {.*|$children|" "$T/user/braid.conf"
sed -i "s|child \"net\" {.*|$gw_children|" "$T/gw/braid.conf"
mmx_up
sas() { braid "$1" --json sas | jq -s '[.[].ike_sas[].children[]] | length'; }
have() { [ "$(sas "$1")" = $N ]; }
wait_for 30 have user || fail "$(sas user) Child SAs: $(braid user status)"
wait_for 30 have gw || fail "$(sas gw) Child SAs at the gateway"
before=$(spis user)

mmx() { braid user --json mmx "$@" >"$T/out" 2>&1 || fail "mmx $*: $(cat "$T/out")"; }
# Of each binding how many Child SAs have it, and its number.
shared() { braid "$1" --json sas | jq -rc '[.ike_sas[0].mmx.bindings[] | [.sas, .id]] | tostring'; }
all_share() { [ "$(braid "$1" --json sas | jq -rc '[.ike_sas[0].mmx.bindings[].sas] | tostring')" = "[$N]" ]; }
sent() { braid user --json paths | jq --arg l "$1:4500" '[.paths[] | select(.local == $l).tx_packets] | add // 0'; }
# One packet of each SA goes from that address.
all_from() {
	local a i
	a=$(sent "$1")
	for i in $(seq 11 $((10 + N))); do in_ns user ping -c 1 -W 1 -q 203.0.113.$i >"$T/ping" || return 1; done
	[ $(($(sent "$1") - a)) -ge $N ]
}
mmx update home $I0 $I1 --all
bind_is "$I1>$R0"
wait_for 5 all_share user || fail "not one binding of all: $(shared user)"
wait_for 5 all_share gw || fail "not one binding of all at the gateway: $(shared gw)"
wait_for 20 all_from $I1 || fail "not all go by ran: $(braid user paths)"
was=$(shared user)
mmx update home $I1 $I0 --all
bind_is "$I0>$R0"
wait_for 20 all_from $I0 || fail "not all go by wlan: $(braid user paths)"
[ "$(shared user)" = "$was" ] || fail "it is another binding: $(shared user), was $was"
[ "$(spis user)" = "$before" ] || fail "Child SAs have been replaced"
ok "$N Child SAs go together"

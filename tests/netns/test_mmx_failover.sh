#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# A path is cut in the middle, where no link tells of it: the gateway takes an alternate of the user's
# endpoint (S3 by R), the user another one of its own (S3 by I), and both at once come to the same (S16).
# [MM-10.3.1-4] [MIF-3.3.2-1]
. "$(dirname "$0")/../lib/netns.sh"
. "$(dirname "$0")/../lib/agent.sh"
. "$(dirname "$0")/../lib/clones.sh"
. "$(dirname "$0")/../lib/mmx.sh"

ok() { echo "ok - $*"; }
# The user's packets by ran, and the gateway's to it, are lost on r2; links stay up.
cut_ran() {
	in_ns r2 nft -f - <<-NFT
		table inet cut {
			chain f { type filter hook forward priority 0; iifname "user" drop; oifname "user" drop; }
		}
	NFT
}
mend_ran() { in_ns r2 nft delete table inet cut; }
bound_has() { [[ " $(bound "$1") " == *" $2 "* ]]; }

clones_topo
mmx_confs 'multipath = no mmx = yes' 'multipath = mmx'
mmx_up
before=$(spis user)
braid user mmx probe home $I1 $R0 >"$T/out" || fail "probe: $(cat "$T/out")"
braid user mmx update home $I0 $I1 >"$T/out" 2>&1 || fail "update: $(cat "$T/out")"
bind_is "$I1>$R0"
wait_for 10 reach || fail "the tunnel is not there: $(braid user mmx list)"
traffic_begin
cut_ran
wait_bound=20 bind_is "$I0>$R0"
ok "S3 by R: the gateway fails over to the alternate"
traffic_end 300
[ "$(spis user)" = "$before" ] || fail "the Child SA has been replaced: $(braid user sas)"
mend_ran
clones_down

mmx_confs 'multipath = mmx tunnels = each inner_address = per_line'
mmx_up
wait_for 10 bound_has user "$I1>$R1" || fail "no second tunnel: $(braid user mmx list)"
before=$(spis user)
wait_for 10 eval '[ "$(paths_in_state user up)" -ge 2 ]' || fail "paths: $(braid user paths)"
traffic_begin
cut_ran
wait_for 20 bound_has user "$I0>$R1" || fail "the second tunnel stays: $(braid user mmx list; braid user paths)"
wait_for 20 bound_has gw "$R1>$I0" || fail "the second tunnel stays at the gateway: $(braid gw mmx list)"
ok "S3 by I: the user takes another uplink"
mend_ran
wait_for 20 bound_has user "$I1>$R1" || fail "the second tunnel does not come back: $(braid user mmx list; braid user paths)"
ok "and goes back"
traffic_end 1000
[ "$(spis user)" = "$before" ] || fail "a Child SA has been replaced: $(braid user sas)"
clones_down

mmx_confs 'multipath = mmx tunnels = each inner_address = per_line' 'multipath = mmx'
mmx_up
wait_for 10 bound_has user "$I1>$R1" || fail "no second tunnel: $(braid user mmx list)"
wait_for 10 eval '[ "$(paths_in_state gw up)" -ge 2 ]' || fail "paths: $(braid gw paths)"
traffic_begin
cut_ran
wait_for 20 bound_has user "$I0>$R1" || fail "the second tunnel stays: $(braid user mmx list)"
wait_for 20 bound_has gw "$R1>$I0" || fail "the second tunnel stays at the gateway: $(braid gw mmx list)"
same() { [ "$(bound gw | tr ' ' '\n' | awk -F'>' '{ print $2 ">" $1 }' | LC_ALL=C sort | xargs)" = "$(bound user)" ]; }
wait_for 10 same || fail "they differ: $(braid user mmx list; braid gw mmx list)"
ok "S16: both notice, and come to the same"
traffic_end 1000

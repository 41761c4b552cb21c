#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# A family authenticates anew while the interface of one of its lines has no link: the gateway hears of
# the end of the old IKE SA over the other one, and sends nothing into the dark on its Child SAs.
# [CLONE-18] [CLONE-45] [CLONE-62]
. "$(dirname "$0")/../lib/netns.sh"
. "$(dirname "$0")/../lib/agent.sh"
. "$(dirname "$0")/../lib/clones.sh"

anew() { grep -q 'IKE SA authenticated anew' "$T/user/log"; }
old_gone() { [ "$(sas gw "map(select(.line == $old)) | length")" = 0 ]; }

clones_topo
for i in 1 2 3 4 5 6; do ip -n "$(ns lan)" addr add "203.0.113.1$i/26" dev eth0; done
clones_confs "\"$R0\"" 'reauth_time = 8s over_time = 60s rand_time = 0'
sed -i 's/retransmit_tries = 6/retransmit_tries = 20/' "$T/user/braid.conf" # it waits for its link all the time
clones_up
have "$I0>$R0" "$I1>$R0"
wait_for 5 reach || fail "the LAN is not reached: $(braid user paths)"
old=$(line_at gw "$R0>$I0")
anew && fail "this machine is too slow for this test: $(cat "$T/user/log")"
ip -n "$(ns user)" link set wlan0 down
wait_for 5 path_is gw "$(braid gw --json paths | jq -r ".paths[] | select(.line == $old).name")" down ||
	fail "the gateway does not hear of it: $(braid gw paths)"
load 12
wait_for 20 anew || fail "not authenticated anew: $(braid user sas)"
wait_for 10 old_gone || fail "the gateway keeps the old IKE SA: $(braid gw sas)"
load_end 1 "authentication anew with one link cut"

#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# An agent that dies and comes again goes on with what its Child SAs are bound to: nothing is made anew,
# and uplinks that go and come after that are followed, at either end.
. "$(dirname "$0")/../lib/netns.sh"
. "$(dirname "$0")/../lib/agent.sh"
. "$(dirname "$0")/../lib/clones.sh"
. "$(dirname "$0")/../lib/mmx.sh"

ok() { echo "ok - $*"; }

clones_topo
mmx_confs 'multipath = mmx' 'multipath = mmx'
mmx_up
bind_is "$I0>$R0" "$I0>$R1" "$I1>$R0" "$I1>$R1"
before=$(spis user)
traffic_begin
for h in user gw; do
	agent_dies $h
	braidd_start $h "$T/$h/braid.conf" -v
	bind_is "$I0>$R0" "$I0>$R1" "$I1>$R0" "$I1>$R1"
	ip -n "$(ns user)" link set ran0 down
	bind_is "$I0>$R0" "$I0>$R1"
	ip -n "$(ns user)" link set ran0 up
	ip -n "$(ns user)" route add default via 198.51.100.1 dev ran0 metric 200
	bind_is "$I0>$R0" "$I0>$R1" "$I1>$R0" "$I1>$R1"
	ok "the agent of $h is another one"
done
traffic_end 400
[ "$(spis user)" = "$before" ] || fail "the Child SA has been replaced: $(braid user sas)"

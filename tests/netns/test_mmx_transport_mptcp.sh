#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# MPTCP over three pairs of addresses, a transport mode SA for each over one IKE SA, while updates of
# the multi-interface extension move them: the address of one uplink is replaced, then that which IKE
# uses; the SAs stay, MPTCP takes the new addresses, the connection goes on also when those are all that
# it has, and nothing of it is in clear text. [SLIDE-15-1] [MIF-5.2-3] [MIF-5.2.3-2]
. "$(dirname "$0")/../lib/netns.sh"
. "$(dirname "$0")/../lib/agent.sh"
. "$(dirname "$0")/../lib/clones.sh"
. "$(dirname "$0")/../lib/mmx.sh"
. "$(dirname "$0")/../lib/transport.sh"
command -v tcpdump >/dev/null || skip "needs tcpdump"

pairs_topo
pairs_confs
mptcp_begin
mmx_up
bind_is "${U[1]}>${G[1]}" "${U[2]}>${G[2]}" "${U[3]}>${G[3]}"
capture clear "$pairs_clear"
before=$(spis user)

# What the gateway tells of its addresses is answered from the uplink that leads there.
route_to() { # NUMBER SOURCE
	ip -n "$(ns user)" route replace "${G[$1]}" via "192.0.2.$(($1 * 32 + 1))" dev "u$1" src "$2"
}
for i in 2 3; do
	route_to $i "${U[i]}"
	in_ns gw ip mptcp endpoint add "${G[i]}" dev "g$i" signal
done
mptcp_stream "${G[1]}" "${U[1]}"
# Packets that the SA from that address has sent; all of them are on one IKE SA.
sent_from() { braid user --json sas | jq --arg a "$1/32" '[.ike_sas[].children[] | select(.local_ts == [$a]) | .tx_packets] | add // 0'; }
more_from() { [ "$(sent_from "$1")" -gt "$2" ]; }
is_used() { # ADDRESS: 50 packets more
	wait_for 15 more_from "$1" $(($(sent_from "$1") + 50))
}
for i in 1 2 3; do
	is_used "${U[i]}" || fail "pair $i is not used: $(in_ns user ss -tnH) $(braid user sas)"
done
no_clear "one MPTCP connection over three SAs of one IKE SA"

# move NUMBER FROM TO: the address of that uplink
move() {
	in_ns user sysctl -qw "net.ipv4.conf.u$1.promote_secondaries=1"
	ip -n "$(ns user)" addr add "$3/27" dev "u$1"
	ip -n "$(ns user)" addr del "$2/27" dev "u$1"
	pairs_route "$1"
	route_to "$1" "$3"
}
n=$(sas user '[.[] | .spi_i] | join(" ")')
move 2 "${U[2]}" 192.0.2.70
bind_is "${U[1]}>${G[1]}" "192.0.2.70>${G[2]}" "${U[3]}>${G[3]}"
mptcp_grows 30 || fail "the connection does not go on: $(tail -n 3 "$T/stream")"
in_ns user ip mptcp endpoint add 192.0.2.70 subflow fullmesh
is_used 192.0.2.70 || fail "the new address is not used: $(in_ns user ss -tnH) $(braid user sas)"
no_clear "an update moves one of them: the connection goes on, and over the new address too"

move 1 "${U[1]}" 192.0.2.38
bind_is "192.0.2.38>${G[1]}" "192.0.2.70>${G[2]}" "${U[3]}>${G[3]}"
mptcp_grows 30 || fail "the connection does not go on without the address it began with: $(tail -n 3 "$T/stream")"
no_clear "another moves the one that IKE has used and the connection began with"

ip -n "$(ns user)" link set u1 down
ip -n "$(ns user)" link set u3 down
mptcp_grows 60 || fail "over the new address alone the connection does not go on: $(tail -n 3 "$T/stream") $(braid user sas)"
# shellcheck disable=SC2154
kill -0 "$stream" 2>/dev/null || fail "the connection ended: $(tail -n 3 "$T/stream")"
[ "$(spis user)" = "$before" ] || fail "an SA has been replaced: $(braid user sas)"
[ "$(sas user '[.[] | .spi_i] | join(" ")')" = "$n" ] || fail "another IKE SA: $(braid user sas)"
no_clear "over the new address alone it goes on; the same SAs all the time"
kill "$stream"

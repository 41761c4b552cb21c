#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# Transport mode with an SA for each uplink, to a gateway with one address: while an uplink is away its
# SA is bound to the address of another one, which has an SA with the same selectors (MMX 7.2 lets the
# new address be one that others use; MMX 8 deletes only what is not wanted any more). It carries or
# does not, and goes back; the other one's UDP stream and TCP connection go on all the time, whichever
# of the two is older. [MIF-3.2.1-3] [MIF-5.2-1] [MIF-3.2.2.2-4]
. "$(dirname "$0")/../lib/netns.sh"
. "$(dirname "$0")/../lib/agent.sh"
. "$(dirname "$0")/../lib/clones.sh"
. "$(dirname "$0")/../lib/mmx.sh"
. "$(dirname "$0")/../lib/transport.sh"
command -v tcpdump >/dev/null || skip "needs tcpdump"

pairs_topo
pairs_confs
sed -i -e '/uplink "g[23]"/d' "$T/gw/braid.conf"
sed -i -e "s/remote_addrs = .*/remote_addrs = { \"${G[1]}\" }/" "$T/user/braid.conf"
mmx_up
pairs_are 1-1 2-1 3-1
before=$(spis user) ike=$(ike_sa user)
capture clear "$pairs_clear"
in_ns gw $PY "$top/tests/lib/traffic.py" echo "${G[1]}" 7007 &
wait_for 5 eval 'in_ns gw ss -ltnH | grep -q "${G[1]}:7007"' || fail "no echo"
away() { ip -n "$(ns user)" link set "u$1" down; }
back() {
	ip -n "$(ns user)" link set "u$1" up
	pairs_route "$1"
	pairs_are 1-1 2-1 3-1
	pinged "$1" 1 || fail "nothing is carried from uplink $1 when it is back: $(braid user sas)"
}

# The oldest SA, and IKE, come to where a younger one is, and go.
pair_traffic kept 2-1
pair_traffic third 3-1
away 1
pairs_have 2-1 2-1 3-1
pinged 2 1 || fail "the pair of two SAs carries nothing: $(braid user sas)"
pinged 1 1 && fail "an address that is not there is answered"
back 1
pinged 2 1 || fail "the pair of the other SA is blocked: $(braid user sas)"
no_clear "the oldest SA stands in beside a younger one, and leaves it as it was"

# A younger one comes to where an older one is.
away 3
pairs_have 1-1 1-1 2-1
back 3
pinged 1 1 || fail "the pair of the other SA is blocked: $(braid user sas)"
pair_end third 2000
pair_end kept 50
[ "$(spis user)" = "$before" ] || fail "an SA has been replaced: $(braid user sas)"
[ "$(ike_sa user)" = "$ike" ] || fail "another IKE SA: $(braid user sas)"
no_clear "a younger one beside an older one; the same SAs all the time"

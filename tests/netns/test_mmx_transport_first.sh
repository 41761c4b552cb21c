#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# An application moves first (MMX 12, S15): it sends from another address of the host, for which there
# is no SA. That packet is not sent in clear text; the address is added to the SA that is there, and
# what is sent again goes. Where the peer refuses it stays blocked. [MIF-5.2-4]
. "$(dirname "$0")/../lib/netns.sh"
. "$(dirname "$0")/../lib/agent.sh"
. "$(dirname "$0")/../lib/clones.sh"
. "$(dirname "$0")/../lib/mmx.sh"
. "$(dirname "$0")/../lib/transport.sh"
command -v tcpdump >/dev/null || skip "needs tcpdump"

clones_topo
transport_confs 'mode = transport' 'mode = transport' 'multipath = no mmx = yes'
sed -i "s|^child \"host\".*|child \"host\" { mode = transport remote_ts = { \"$I0/32\", \"$I1/32\" } }|" "$T/gw/braid.conf"
ip -n "$(ns user)" -6 addr flush scope global
ip -n "$(ns gw)" -6 addr flush scope global
echo_serve gw $R0 7000
mmx_up
capture clear "$clear_text"
forget_clear
ts() { sas "$1" "[.[].children[].$2[]] | sort | join(\" \")" | tr -d '"'; }
local_are() { [ "$(ts user local_ts)" = "$1" ]; }
wait_for 10 local_are "$I0/32" || fail "the user's selectors are $(ts user local_ts)"
before=$(spis user)
echo_udp user $R0 7000 100 $I0 || fail "the service is not there"
no_clear "one address"

again() { echo_udp user $R0 7000 100 "$1"; }
wait_for 10 again $I1 || fail "the service is not there for the other address: $(braid user sas; braid user mmx list)"
wait_for 5 local_are "$I0/32 $I1/32" || fail "the user's selectors are $(ts user local_ts)"
[ "$(ts gw remote_ts)" = "$I0/32 $I1/32" ] || fail "the gateway's selectors are $(ts gw remote_ts)"
[ "$(spis user)" = "$before" ] || fail "another SA was made: $(braid user sas)"
again $I0 || fail "the first address is not served any more"
no_clear "what is sent from another address adds it"

for h in user gw; do kill "$(agent_pid $h)"; done
for h in user gw; do wait_for 10 no_daemons $h || fail "braidd on $h does not end"; done
sed -i "s|\"$I0/32\", \"$I1/32\"|\"$I0/32\"|" "$T/gw/braid.conf"
mmx_up
echo_udp user $R0 7000 100 $I0 || fail "the service is not there again"
again $I1 && fail "an address that the peer may not have is served"
refused() { grep -q 'the peer answers ADD: PAD_DENIED' "$T/user/log"; }
wait_for 5 refused || fail "the peer was not asked: $(cat "$T/user/log")"
again $I1 && fail "an address that was refused is served"
local_are "$I0/32" || fail "the user's selectors are $(ts user local_ts)"
no_clear "what was refused stays blocked"

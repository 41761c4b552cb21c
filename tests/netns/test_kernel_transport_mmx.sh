#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# Transport mode whose selectors follow the endpoints (MMX 9), where ESP is the kernel's: an update while a UDP service is
# used and a TCP connection stands, the deaths of both agents, a rekey, and back. A second address for one SA is
# refused, and nothing but the update's is changed for it. States are not touched, and nothing is in clear text.
. "$(dirname "$0")/../lib/netns.sh"
. "$(dirname "$0")/../lib/agent.sh"
. "$(dirname "$0")/../lib/clones.sh"
. "$(dirname "$0")/../lib/mmx.sh"
. "$(dirname "$0")/../lib/transport.sh"
. "$(dirname "$0")/../lib/kernel.sh"
. "$(dirname "$0")/../lib/kernel_transport.sh"
command -v tcpdump >/dev/null || skip "needs tcpdump"
kernel_esp_or_skip

clones_topo
for h in user gw; do ip -n "$(ns $h)" -6 addr flush scope global; done
transport_confs 'mode = transport' 'mode = transport' 'multipath = no mmx = yes'
for h in user gw; do transport_backend $h kernel; done
capture clear "$clear_text"
kernel_agents
braid user up home >"$T/up" 2>&1 || fail "up: $(cat "$T/up")"
echo_serve gw $R0 7000
ts() { braid "$1" --json sas | jq -c '[.ike_sas[0].children[0] | (.local_ts | sort), (.remote_ts | sort)]'; }
ts_are() { [ "$(ts "$1")" = "$2" ]; }
both_ts() { # of the user: LOCAL REMOTE
	soon ts_are user "[$1,$2]" || fail "the user's selectors are $(ts user), not $1 and $2"
	soon ts_are gw "[$2,$1]" || fail "the gateway's selectors are $(ts gw), not $2 and $1"
}
forget_clear
soon mmx_lists user || fail "the user knows no interfaces of the gateway: $(braid user mmx list)"
soon mmx_lists gw || fail "the gateway knows no interfaces of the user: $(braid gw mmx list)"
both_ts "[\"$I0/32\"]" "[\"$R0/32\"]"
echo_udp user $R0 7000 500 $I0 || fail "no datagram comes back: $(xfrm_of user)"
stream_begin $R0 $I0
braid user mmx update home $I0 $I1 >"$T/out" 2>&1 || fail "update: $(cat "$T/out")"
both_ts "[\"$I1/32\"]" "[\"$R0/32\"]"
echo_udp user $R0 7000 1300 $I1 || fail "no datagram comes back at the new address: $(xfrm_of user; braid gw sas)"
in_ns gw ping -c 2 -i 0.2 -W 5 -q -I $R0 $I1 >/dev/null || fail "the gateway does not reach the new address"
echo_udp user $R0 7000 500 $I0 && fail "the old address is answered"
soon grep -q silence "$T/stream" || fail "TCP does not see the change: $(tail -n 2 "$T/stream")"
no_clear "an update: UDP at the new address, TCP at the old one stands still"
kill_agents
kernel_agents
both_ts "[\"$I1/32\"]" "[\"$R0/32\"]"
in_ns gw ping -c 2 -i 0.2 -W 1 -q -I $R0 $I0 >/dev/null && fail "the gateway reaches the old address"
no_clear "what SAs had before is blocked by other agents too"
echo_udp user $R0 7000 500 $I1 || fail "no datagram comes back with other agents"
braid user rekey home/host >"$T/rekey" 2>&1 || fail "rekey: $(cat "$T/rekey")"
echo_udp user $R0 7000 500 $I1 || fail "no datagram comes back after a rekey"
no_clear "other agents have the selectors that were changed, and so have new keys"
braid user mmx add home $I0 >"$T/out" 2>&1 && fail "a second address was taken: $(cat "$T/out")"
both_ts "[\"$I1/32\"]" "[\"$R0/32\"]"
echo_udp user $R0 7000 500 $I1 || fail "no datagram comes back after what was refused"
no_clear "a second address is refused"
settled() { [ "$(states | grep -c '^src')" = 2 ]; } # what was rekeyed is gone
soon settled || fail "more than two states: $(states)"
before=$(spis user) were=$(states)
braid user mmx update home $I1 $I0 >"$T/out" 2>&1 || fail "back: $(cat "$T/out")"
both_ts "[\"$I0/32\"]" "[\"$R0/32\"]"
echo_udp user $R0 7000 500 $I0 || fail "no datagram comes back at the first address"
goes_on "TCP, back at its address"
kill $stream
[ "$(spis user)" = "$before" ] || fail "Child SAs have been replaced: $(braid user sas)"
[ "$(states)" = "$were" ] || fail "states have been touched: $(states)"
no_clear "and back: TCP goes on where it was, states untouched"

#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# What Child SAs are bound to by MMX is where their packets go, both ways, with nothing lost when it
# changes: one endpoint, both at once, and without a word of the peer the alternate when one is silent.
. "$(dirname "$0")/../lib/netns.sh"
. "$(dirname "$0")/../lib/agent.sh"
. "$(dirname "$0")/../lib/clones.sh"
. "$(dirname "$0")/../lib/mmx.sh"

ok() { echo "ok - $*"; }
clones_topo
mmx_confs 'multipath = no mmx = yes'
for i in 1 2 3 4 5 6; do ip -n "$(ns lan)" addr add 203.0.113.1$i/26 dev eth0 2>/dev/null; done
mmx_up
before=$(spis user)

# Packets sent by a host from one address to another, by all paths of it.
sent() { # HOST LOCAL REMOTE
	braid "$1" --json paths | jq --arg l "$2:4500" --arg r "$3:4500" '[.paths[] | select(.local == $l and .remote == $r).tx_packets] | add // 0'
}
carries() { # HOST LOCAL REMOTE: more than probes do, of which there are some 40 a second
	local n
	n=$(sent "$@")
	in_ns user ping -c 150 -i 0.005 -W 1 -q 203.0.113.12 >"$T/ping"
	[ $(($(sent "$@") - n)) -ge 150 ]
}
used() { carries user "$1" "$2" && carries gw "$2" "$1"; }
unused() { ! carries user "$1" "$2" && ! carries gw "$2" "$1"; }
mmx() { braid user --json mmx "$@" >"$T/out" 2>&1 || fail "mmx $*: $(cat "$T/out")"; }

load 4
mmx update home $I0 $I1
bind_is "$I1>$R0"
wait_for 5 used $I1 $R0 || fail "ran does not carry it: $(braid user paths) $(braid gw paths)"
unused $I0 $R0 || fail "wlan does: $(braid user paths)"
mmx add home $I0
bind_is "$I0>$R0" "$I1>$R0"
mmx remove home $I1
bind_is "$I0>$R0"
wait_for 5 used $I0 $R0 || fail "wlan does not carry it: $(braid user paths)"
load_end 0 "no packet is lost while Child SAs go from one interface to the other and back"
unused $I1 $R0 || fail "ran does: $(braid user paths)"
[ "$(spis user)" = "$before" ] || fail "Child SAs have been replaced: $(braid user sas)"
[ "$(braid user --json sas | jq -c '[.ike_sas[0].mmx.bindings[] | .sas, (.children | length)]')" = '[1,1]' ] || fail "bindings: $(braid user sas)"

# Many flows over both.
mmx add home $I1
bind_is "$I0>$R0" "$I1>$R0"
both() {
	local a b
	a=$(sent user $I0 $R0) b=$(sent user $I1 $R0)
	many_flows
	[ $(($(sent user $I0 $R0) - a)) -ge 50 ] && [ $(($(sent user $I1 $R0) - b)) -ge 50 ]
}
wait_for 10 both || fail "not both: $(braid user paths)"
ok "both interfaces at once"

# Agents die, and those after them take over: packets go on by both, and so do probes.
load 3
agent_dies user
agent_dies gw
for h in gw user; do braidd_start "$h" "$T/$h/braid.conf" -v; done
bind_is "$I0>$R0" "$I1>$R0"
load_end 0 "no packet is lost while agents start anew"
wait_for 10 both || fail "not both: $(braid user paths)"
[ "$(braid user --json sas | jq -c '[.ike_sas[0].mmx.bindings[] | .sas, (.children | length)]')" = '[1,1]' ] || fail "bindings: $(braid user sas)"
[ "$(spis user)" = "$before" ] || fail "Child SAs have been replaced: $(braid user sas)"

# The middle of a path goes silent: everything goes by the others before anybody has said a word.
silent() { # uplink wlan
	in_ns r1 nft -f - <<-NFT
		table inet silent {
			chain forward { type filter hook forward priority 0;
				iifname "user" drop
				oifname "user" drop; }
		}
	NFT
}
heard() { in_ns r1 nft delete table inet silent; }
state_of() { # HOST LOCAL REMOTE
	braid "$1" --json paths | jq -r --arg l "$2:4500" --arg r "$3:4500" '.paths[] | select(.local == $l and .remote == $r).state'
}
state_is() { [ "$(state_of "$1" "$2" "$3")" = "$4" ]; }
reaches() { in_ns user ping -c 20 -i 0.005 -W 1 -q 203.0.113.12 | grep -q ' 0% packet loss'; }
silent
wait_for 10 state_is user $I0 $R0 down || fail "wlan is not known to be silent: $(braid user paths)"
wait_for 10 state_is gw $R0 $I0 down || fail "at the gateway it is not: $(braid gw paths)"
wait_for 10 reaches || fail "the other one does not carry all of it: $(braid user paths)"
heard
wait_for 10 state_is user $I0 $R0 up || fail "wlan is not known to answer: $(braid user paths)"
wait_for 10 both || fail "not both again: $(braid user paths)"
ok "one of two is silent for a while"

# The alternate, which is known to answer, stands by and takes over. [MM-5.4-1] [MM-5.4-4]
mmx remove home $I1
bind_is "$I0>$R0"
mmx alternates home $I0 $I1
mmx probe home $I1 $R0 --keep
braid gw --json mmx probe rw $R0 $I1 >"$T/out" 2>&1 || fail "the gateway: $(cat "$T/out")"
wait_for 10 state_is user $I1 $R0 up || fail "the alternate: $(braid user mmx list)"
wait_for 10 state_is gw $R0 $I1 up || fail "the alternate at the gateway: $(braid gw mmx list)"
wait_for 5 unused $I1 $R0 || fail "the alternate is used: $(braid user paths)"
silent
wait_for 10 reaches || fail "the alternate does not take over: $(braid user paths) $(braid gw paths)"
used $I1 $R0 || fail "it is not the alternate that does: $(braid user paths)"
[ "$(bound user)" = "$I0>$R0" ] || fail "the binding has changed: $(braid user mmx list)"
heard
wait_for 10 used $I0 $R0 || fail "it does not go back: $(braid user paths)"
[ "$(spis user)" = "$before" ] || fail "Child SAs have been replaced: $(braid user sas)"
ok "an alternate takes over, and gives back"

# What follows the IKE SA, which went to ran when wlan was silent, and goes back when it likes, leaves
# nothing behind.
as_ike() {
	local l
	l=$(sas user '.[0].local' | jq -r 'sub(":.*"; "")')
	used "$l" $R0
}
mmx update home $I0 ike
bind_is
one() { [ "$(braid "$1" --json paths | jq '.paths | length')" = 1 ]; }
wait_for 10 one user || fail "paths are left: $(braid user paths)"
wait_for 10 one gw || fail "paths are left at the gateway: $(braid gw paths)"
wait_for 10 as_ike || fail "the IKE SA's pair does not carry it: $(braid user paths)"
ok "back to the IKE SA's pair"

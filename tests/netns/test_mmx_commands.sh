#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# The operator's commands about interfaces: lists, probes, and each action with what the peer says to
# it; nothing of it makes another SA, and packets arrive all the time.
# [MM-8-2] [MM-10.1.2-2] [MM-10.1.2-3] [MM-10.2.2-1] [MM-10.2.2-2] [MM-10.2.2-3] [MM-10.2.2-4] [MM-10.3.2-2] [MM-10.3.2-4]
. "$(dirname "$0")/../lib/netns.sh"
. "$(dirname "$0")/../lib/agent.sh"
. "$(dirname "$0")/../lib/clones.sh"
. "$(dirname "$0")/../lib/mmx.sh"

ok() { echo "ok - $*"; }
# does STATUS WORDS...: the user asks; the status is what the peer says
does() {
	local want=$1 r=0
	shift
	braid user --json mmx "$@" >"$T/out" 2>"$T/err" || r=$?
	[ "$(jq -rs '[.[] | .status // empty] | last' "$T/out" 2>/dev/null)" = "$want" ] || fail "mmx $*: not $want, $r: $(cat "$T/out")"
	case $want in ok) [ $r = 0 ] ;; *) [ $r = 8 ] ;; esac || fail "mmx $* ends with $r: $(cat "$T/out")"
}

clones_topo
mmx_confs 'multipath = no mmx = yes'
mmx_up
before=$(spis user)
braid user mmx list >"$T/list" || fail "list"
grep -q "^home#.*iface" "$T/list" || fail "the relation: $(cat "$T/list")"
braid user mmx list nobody 2>/dev/null && fail "a connection that is none"
[ "$(relation user .initiator)$(relation gw .initiator)" = truefalse ] || fail "who began: $(braid user mmx list)"
ok "lists"

u1=$(epid user $I1) g0=$(epid gw $R0)
braid user --json mmx probe home $I1 $R0 >"$T/out" || fail "probe: $(cat "$T/out")"
jq -e ".path == \"$u1-$g0\" and .rtt_usec > 0 and .seen == \"$I1:4500\" and .nat == false" "$T/out" >/dev/null || fail "probe: $(cat "$T/out")"
braid user mmx probe home "$u1-$g0" >"$T/out" || fail "a path by its numbers: $(cat "$T/out")"
braid user mmx probe home 900-900 >"$T/out" 2>&1 && fail "a path that is none: $(cat "$T/out")"
braid user mmx probe home $I1 >"$T/out" 2>&1
[ $? = 2 ] || fail "half of a pair: $(cat "$T/out")"
ok "probes"

does ok check update home $I0 $I1
does ok check add home ran
# S9: also of an address that there is not yet
does ok check update home $I0 198.51.100.40
jq -es 'last | .valid_sec == 60 and (.pending | not)' "$T/out" >/dev/null || fail "a check: $(cat "$T/out")"
does local-policy check update home $I0 224.0.0.1
jq -es 'last | .detail == 1 and (.why | length > 0)' "$T/out" >/dev/null || fail "a check: $(cat "$T/out")"
bind_is
[ "$(relation user '[.bindings[] | .id, .sas, (.paths[] | .local, .remote, .verified)] | tostring')" = "[0,1,\"$I0:4500\",\"$R0:4500\",true]" ] ||
	fail "what follows IKE: $(braid user --json mmx list)"
braid user mmx list | grep -q "^as IKE  *1 .*$I0:4500 .*verified" || fail "what follows IKE: $(braid user mmx list)"
does ok add home ran
bind_is "$I0>$R0" "$I1>$R0"
does ok check remove home $I0
bind_is "$I0>$R0" "$I1>$R0"
does ok remove home $I0
bind_is "$I1>$R0"
does last-address remove home $I1
jq -es 'last | .why | test("nothing would be left")' "$T/out" >/dev/null || fail "why: $(cat "$T/out")"
does ok update home/net $I1 $I0
bind_is "$I0>$R0"
does ok update home $R0 $R1 --peer
bind_is "$I0>$R1"
does unknown-address update home $R0 $R1 --peer
does ok alternates home $I0 $I1
relation user '[.bindings[].paths[] | select(.alternate).local] | join(" ")' | grep -q "^$I1:4500" || fail "alternates: $(braid user mmx list)"
does ok update home $I0 ike
bind_is
# by the peer, onto what is an alternate without a word about it
braid gw mmx failover rw $I0 $I1 >"$T/out" 2>&1 || fail "the gateway: $(cat "$T/out")"
bind_is "$I1>$R0"
braid gw mmx failover rw $I1 $R0 >"$T/out" 2>&1 && fail "an endpoint of its own: $(cat "$T/out")"
does ok update home $I1 ike
bind_is
# the IKE SA alone, with what follows it, from the new address; and back
does ok update home $I0 $I1 --ike --here --hard
wait_for 10 eval '[ "$(sas user ".[0].local")" = "\"$I1:4500\"" ]' || fail "IKE does not move: $(braid user sas)"
wait_for 10 reach || fail "the LAN is not reached from there: $(braid user sas)"
does ok update home $I1 $I0 --ike --here
wait_for 10 eval '[ "$(sas user ".[0].local")" = "\"$I0:4500\"" ]' || fail "IKE does not move back: $(braid user sas)"
reach >"$T/ping" || fail "the LAN is not reached"
[ "$(spis user)" = "$before" ] || fail "Child SAs have been replaced: $(braid user sas)"
ok "actions"

braid user mmx update home 203.0.113.99 $I1 >"$T/out" 2>&1 && fail "an address that is none: $(cat "$T/out")"
grep -q 'is not announced' "$T/out" || fail "why: $(cat "$T/out")"
braid user mmx update other $I0 $I1 >"$T/out" 2>&1 && fail "a connection that is none"
ok "mistakes"

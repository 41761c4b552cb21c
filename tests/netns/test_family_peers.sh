#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# Two peers of one connection of a gateway, each a family: commands about one IKE SA of one of them.
# [CLONE-64]
. "$(dirname "$0")/../lib/netns.sh"
. "$(dirname "$0")/../lib/agent.sh"

ok() { echo "ok - $*"; }
sas() { braid "$1" --json sas | jq -s "[.[].ike_sas[] | select(.state == \"ESTABLISHED\")] | $2"; }
line_of() { sas gw "map(select(.remote_id == \"$1\")) | map(.line) | sort | .[${2:-0}]"; }
lines_are() { [ "$(sas gw "map(select(.remote_id == \"$1\")) | length")" = "$2" ]; }
conn() { braid gw --json status | jq ".conns[0].$1"; }
said() { # code text command...
	local code=$1 text=$2 r=0
	shift 2
	braid gw "$@" >/dev/null 2>"$T/err" || r=$?
	{ [ $r = "$code" ] && { [ -z "$text" ] || grep -q "$text" "$T/err"; }; } || fail "braid $*: $r, $(cat "$T/err")"
}

topo_multihomed
agent_confs 100ms
sed -i 's/multipath = true/multipath = false/; s/id = "user@example.org"/id = "*@example.org"/' "$T/gw/braid.conf"
sed -i 's/secret "s" { id = .*/secret "s" { secret = "a long secret of ours" }/' "$T"/*/braid.conf
sed -i 's/multipath = true/multipath = false/' "$T/user/braid.conf"
sed -n '/^connection/,/^}/p' "$T/user/braid.conf" | sed 's/"home"/"work"/; s/user@/other@/' >"$T/work"
cat "$T/work" >>"$T/user/braid.conf"
braidd_start gw "$T/gw/braid.conf"
braidd_start user "$T/user/braid.conf"
for c in home work; do braid user up $c >"$T/up" 2>&1 || fail "up $c: $(cat "$T/up")"; done
said 4 'it has several peers' clone rw
said 1 'rw has no line 99' clone rw#99/net
[ "$(conn families) $(conn lines)" = '2 2' ] || fail "$(braid gw --json status)"
ok "which peer is asked for"

first=$(line_of other@example.org)
said 0 '' clone "rw#$first/net"
wait_for 5 lines_are other@example.org 2 || fail "not cloned: $(braid gw sas)"
lines_are user@example.org 1 || fail "another one is cloned: $(braid gw sas)"
[ "$(conn families) $(conn lines)" = '2 3' ] || fail "$(braid gw --json status)"
braid gw status | grep -q 'established, 3 IKE SAs' || fail "$(braid gw status)"
clone=$(line_of other@example.org 1)
[ "$(sas gw "map(select(.line == $clone))[0].shares_with[0]")" = "$first" ] || fail "$(braid gw --json sas)"
[ "$(sas gw 'map(select(.remote_id == "user@example.org"))[0] | has("shares_with")')" = false ] || fail "$(braid gw --json sas)"
in_ns user "$B/braid" -d "$T/user/run" --json paths | jq -e '[.paths[] | select(.conn == "work")] | length == 2' >/dev/null ||
	fail "$(braid user paths)"
ok "and one of its IKE SAs is cloned"

spis() { sas gw "map(select(.line == $1))[0] | .spi_i + .children[0].spi_in"; }
# shellcheck disable=SC2034
was=$(spis "$first") was_clone=$(spis "$clone")
said 0 '' rekey "rw#$clone/net"
wait_for 5 eval '[ "$(spis "$clone")" != "$was_clone" ]' || fail "its Child SA is not rekeyed: $(braid gw sas)"
[ "$(spis "$first")" = "$was" ] || fail "another one's is: $(braid gw sas)"
said 2 'NAME#LINE/CHILD' rekey --child "rw#$clone"
said 0 '' down "rw#$clone/net"
wait_for 5 eval '[ "$(sas gw "map(select(.line == $clone))[0].children | length")" = 0 ]' || fail "$(braid gw sas)"
[ "$(sas gw "map(select(.line == $clone))[0].standby_why")" = '"no_child"' ] || fail "$(braid gw --json sas)"
said 0 '' up "rw#$clone/net"
said 0 '' down "rw#$first"
wait_for 5 lines_are other@example.org 1 || fail "not down: $(braid gw sas)"
[ "$(line_of other@example.org)" = "$clone" ] || fail "the wrong one ended: $(braid gw sas)"
lines_are user@example.org 1 || fail "the other peer's ended: $(braid gw sas)"
other=$(line_of user@example.org)
said 0 '' down "rw#$other"
gone() { [ "$(sas gw "map(select(.line == $other)) | length")" = 0 ]; } # its initiator comes again
wait_for 5 gone || fail "not down: $(braid gw sas)"
lines_are other@example.org 1 || fail "both ended: $(braid gw sas)"
ok "rekey, up and down of one"

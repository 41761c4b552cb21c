#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# An IKE SA for each path (multipath = clone), and what else happens to IKE SAs: rekeys, authentication
# anew, a peer that allows no more or does not clone, one that clones itself, one without path probes,
# and virtual addresses for each.
# [CLONE-50] [CLONE-52] [CLONE-25] [CLONE-24] [CLONE-18] [CLONE-42]
. "$(dirname "$0")/../lib/netns.sh"
. "$(dirname "$0")/../lib/agent.sh"
. "$(dirname "$0")/../lib/clones.sh"

ok() { echo "ok - $*"; }
why() { braid user --json status | jq -r '.conns[0].clones.why'; }
why_is() { why | grep -q "$1"; }
times() { grep -c "$1" "$T/user/log"; }
spis() { sas user '[.[].spi_i] | sort | join(" ")'; }
changed() { [ "$(spis)" != "$1" ]; }
lines() { sas "$1" '[.[] | "\(.line) \(.local)"] | sort | join(", ")'; }
user_ip() { ip -n "$(ns user)" "$@"; }

clones_topo
clones_confs "\"$R0\", \"$R1\"" "reauth_time = 5s over_time = 30s rand_time = 0"
clones_up
have "$I0>$R0" "$I1>$R1"
wait_for 10 two_up user || fail "two paths: $(braid user paths)"

# Rekeys of the IKE SAs, and authentication anew: the same lines, no other clones, nothing lost.
was=$(lines user) old=$(spis)
in_ns user ping -i 0.02 -w 12 -q 203.0.113.10 >"$T/ping" 2>&1 &
pinger=$!
braid user rekey home >/dev/null 2>&1 || fail "rekey"
wait_for 5 changed "$old" || fail "not rekeyed: $(braid user sas)"
have "$I0>$R0" "$I1>$R1"
anew() { [ "$(times 'IKE SA authenticated anew')" -ge "$1" ]; }
wait_for 10 anew 1 || fail "not authenticated anew: $(braid user sas)"
have "$I0>$R0" "$I1>$R1"
wait_for 15 anew 3 || fail "not authenticated anew again: $(braid user sas)"
have "$I0>$R0" "$I1>$R1"
wait "$pinger"
read -r sent got < <(sed -n 's/\([0-9]*\) packets transmitted, \([0-9]*\) received.*/\1 \2/p' "$T/ping")
[ "$got" -gt 100 ] && [ $((sent - got)) -le 2 ] || fail "pings: $(cat "$T/ping")"
[ "$(lines user)" = "$was" ] || fail "other lines: $(lines user), not $was"
clones_down
ok "rekeys, and authentication anew"

# Another way for several paths, and back.
clones_confs "\"$R0\", \"$R1\"" "unique = no"
clones_up
have "$I0>$R0" "$I1>$R1"
was=$(line_at user "$I0>$R0")
sed -i 's/multipath = clone/multipath = yes/' "$T/user/braid.conf"
braid user reload || fail "reload"
alone() { [ "$(sas user length)" = 1 ] && [ "$(paths_in_state user up)" -ge 2 ]; }
wait_for 10 alone || fail "not by probes: $(braid user sas) $(braid user paths)"
[ "$(line_at user "$I0>$R0")" = "$was" ] || fail "another line stays: $(braid user sas)"
sed -i 's/multipath = yes/multipath = clone/' "$T/user/braid.conf"
braid user reload || fail "reload"
have "$I0>$R0" "$I1>$R1"
one_each() { [ "$(braid user --json paths | jq '.paths | length')" = 2 ] && two_up user; }
wait_for 10 one_each || fail "not a path for each: $(braid user paths)"
wait_for 5 reach || fail "the LAN is not reached: $(braid user paths)"
clones_down
ok "probes instead, and clones again"

# The gateway allows one more, and then none: that is not asked for again until one has ended.
clones_confs "\"$R0\", \"$R1\"" "clone_pairs = all"
sed -i 's/connection "rw" {/& ike_sas_max = 2/' "$T/gw/braid.conf"
clones_up
wait_for 15 why_is 'as many IKE SAs as may be' || fail "it is not said: $(braid user status)"
braid user status | grep -q '^home: .*as many IKE SAs as may be' || fail "nor shown: $(braid user status)"
[ "$(sas user length)" = 2 ] || fail "two are allowed: $(braid user sas)"
wait_for 5 reach || fail "the LAN is not reached: $(braid user paths)"
n=$(braid user --json counters | jq '[.. | .NO_ADDITIONAL_SAS? // empty] | max')
sleep 3
[ "$(braid user --json counters | jq '[.. | .NO_ADDITIONAL_SAS? // empty] | max')" = "$n" ] || fail "it is asked for again"
clones_down
ok "a peer that allows no more"

# One that does not clone: one path, which is said once.
clones_confs "\"$R0\", \"$R1\""
sed -i 's/connection "rw" {/& clone = no/' "$T/gw/braid.conf"
clones_up
wait_for 10 why_is 'does not clone' || fail "it is not said: $(braid user status)"
have "$I0>$R0"
[ "$(times 'does not clone')" = 1 ] || fail "said $(times 'does not clone') times"
user_ip link set wlan0 down
have "$I1>$R0"
user_ip link set wlan0 up
user_ip route add default via 192.0.2.1 dev wlan0 metric 100
have "$I0>$R0"
[ "$(times 'does not clone')" = 1 ] || fail "said $(times 'does not clone') times"
clones_down
ok "a peer that does not clone"

# One without path probes: IKE tests the pairs. It makes a clone itself, which is of use for the next.
clones_confs "\"$R0\", \"$R1\""
sed -i 's/multipath = true/multipath = no/' "$T/gw/braid.conf"
sed -i '/uplink "ran"/d' "$T/user/braid.conf"
sed -i "s/remote_addrs = .*/remote_addrs = { \"$R0\" }/" "$T/user/braid.conf"
clones_up
have "$I0>$R0"
braid gw clone rw >/dev/null 2>"$T/err" || fail "the gateway does not clone: $(cat "$T/err")"
has_lines() { [ "$(sas user length)" = "$1" ]; }
wait_for 5 has_lines 2 || fail "no clone: $(braid user sas)"
was=$(sas user '[.[].line] | sort | join(" ")')
sed -i -e 's/^uplink "wlan".*/&\nuplink "ran" { interface = ran0 preference = 1 }/' "$T/user/braid.conf"
braid user reload || fail "reload"
have "$I0>$R0" "$I1>$R0"
[ "$(sas user '[.[].line] | sort | join(" ")')" = "$was" ] || fail "another one is made: $(braid user sas)"
wait_for 5 reach || fail "the LAN is not reached: $(braid user paths)"
clones_down
ok "a peer without path probes, which clones itself"

# A virtual address for each: the line of an interface that is lost moves, and returns.
clones_confs "\"$R0\", \"$R1\"" "inner_address = per_line"
clones_up
have "$I0>$R0" "$I1>$R1"
vips=$(sas user '[.[].vips[]] | unique | join(" ")' | tr -d '"')
[ "$(wc -w <<<"$vips")" = 2 ] || fail "two virtual addresses: $vips"
all_reach() {
	local v
	for v in $vips; do in_ns user ping -I "$v" -c 1 -W 0.3 -q 203.0.113.10 || return; done
}
wait_for 10 all_reach || fail "not by both addresses: $(braid user paths)"
was=$(lines user)
user_ip addr del $I1/26 dev ran0
wait_for 10 all_reach || fail "not by both addresses over one interface: $(braid user paths)"
have "$I0>$R0" "$I0>$R1"
wait_for 10 two_up user || fail "two paths over one interface: $(braid user paths)"
[ "$(sas user '[.[].vips[]] | unique | join(" ")' | tr -d '"')" = "$vips" ] || fail "other addresses: $(braid user sas)"
user_ip addr add $I1/26 dev ran0
user_ip route add default via 198.51.100.1 dev ran0 metric 200
have "$I0>$R0" "$I1>$R1"
[ "$(lines user)" = "$was" ] || fail "other lines: $(lines user), not $was"
wait_for 10 all_reach || fail "not by both addresses again: $(braid user paths)"
ok "a virtual address for each"

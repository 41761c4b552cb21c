#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# clone_spare: clones without Child SAs are kept ready; a path that appears takes one at once, and another is
# made. They follow when the path they are on is lost, and no more of them are made than wanted. [CLONE-59]
. "$(dirname "$0")/../lib/netns.sh"
. "$(dirname "$0")/../lib/agent.sh"
. "$(dirname "$0")/../lib/clones.sh"

ok() { echo "ok - $*"; }
spares() { sas "$1" '[.[] | select(.children == []).line] | sort | map(tostring) | join(" ")' | tr -d '"'; }
have_spares() { [ "$(spares user | wc -w)" = "$1" ] && [ "$(spares gw | wc -w)" = "$1" ]; }
want_spares() { wait_for 10 have_spares "$1" || fail "$2: spares of the user: $(spares user), of the gateway: $(spares gw)"; }
clones() { grep -c 'cloned by us' "$T/user/log"; }

clones_topo
clones_confs "\"$R0\"" "clone_spare = 2 ike_sas_max = 4"
ip -n "$(ns user)" addr del "$I1/26" dev ran0
clones_up
have "$I0>$R0"
want_spares 2 "at first"
was=$(clones) ready=$(spares user)
ok "two are kept ready"

ip -n "$(ns user)" addr add "$I1/26" dev ran0
ip -n "$(ns user)" route add default via 198.51.100.1 dev ran0 metric 200
have "$I0>$R0" "$I1>$R0"
line=$(line_at user "$I1>$R0")
grep -qw "$line" <<<"$ready" || fail "the new path has line $line, which was not ready: $ready"
want_spares 2 "with a second path"
# each step of a clone is a line of the log, the state and the event
[ "$(clones)" = $((was + was / 2)) ] || fail "$(clones) lines about clones, $was before"
wait_for 5 reach || fail "no traffic: $(braid user paths)"
ok "a path that appears takes one, and another is made"

# the address they are on goes: they are made again, or have moved, where there is one
ip -n "$(ns user)" addr del "$I0/26" dev wlan0
have "$I1>$R0"
want_spares 2 "without the first path"
[ "$(sas user '[.[] | select(.local | startswith("192.0.2.2:"))] | length')" = 0 ] || fail "one stays behind: $(braid user sas)"
wait_for 5 reach || fail "no traffic over the second: $(braid user paths)"
ok "they are where a path is"

kill -9 "$(agent_pid user)"
sleep 0.3
braidd_start user "$T/user/braid.conf" -v
want_spares 2 "after a new agent"
sed -i 's/clone_spare = 2/clone_spare = 0/' "$T/user/braid.conf"
braid user reload >/dev/null || fail "reload"
braid user down home >"$T/down" 2>&1 || fail "down: $(cat "$T/down")"
none() { [ "$(braid user --json sas | jq -s '[.[].ike_sas[]] | length')" = 0 ]; }
wait_for 10 none || fail "after down: $(braid user sas)"
braid user up home >"$T/up" 2>&1 || fail "up: $(cat "$T/up")"
have "$I1>$R0"
want_spares 0 "without the setting"
ok "a new agent has them, and none without the setting"

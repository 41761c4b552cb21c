#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# What braid steering, explain and top show is what packets do.
. "$(dirname "$0")/../lib/netns.sh"
. "$(dirname "$0")/../lib/agent.sh"

command -v nft >/dev/null || skip "needs nft"
ok() { echo "ok - $*"; }
view() { braid user --json steering | jq -r "$1"; }
class() { view ".relations[0].classes[] | select(.name == \"$1\") | $2"; }
explain() { braid user --json steering explain "$@" >"$T/explain" || fail "explain $*"; }
told() { jq -e "$1" "$T/explain" >/dev/null || fail "$1: $(cat "$T/explain")"; }
two_work() { two_up user && two_up gw; }

topo_multihomed
agent_confs 50ms
sed -i -e "s|interface = ran0 preference = 1|& metered = yes budget { octets = 10m }|" "$T/user/braid.conf"
sed -i "s|probe_interval = 50ms|& down_after = 10|" "$T"/*/braid.conf
cat >>"$T/user/braid.conf" <<-CONF
	class "voice" {
	  match { dscp = { ef } }
	  match { protocol = udp remote_port = 5004-5010 }
	  mode = redundant
	}
	class "bulk" { match { mark = 0x7 } mode = bond reorder { time = 150ms } }
	class "low" { match { remote = 203.0.113.0/30 } mode = smallest-delay never_metered = yes }
CONF
braidd_start gw "$T/gw/braid.conf"
braidd_start user "$T/user/braid.conf"
braid user steering >"$T/out" || fail "without a relation: $(cat "$T/out")"
grep -q 'no relation is up' "$T/out" || fail "$(cat "$T/out")"
braid user up home >"$T/up" 2>&1 || fail "up: $(cat "$T/up")"
wait_for 10 two_work || fail "two paths are not up: $(braid user paths)"
copies() { [ "$(class voice '[.paths[] | select(.share_permille > 0)] | length')" = 2 ]; }
wait_for 5 copies || fail "voice has no copies: $(braid user steering)"

in_ns user ping -Q 0xb8 -c 20 -i 0.01 -W 1 -q 203.0.113.10 >"$T/ping" || fail "voice: $(cat "$T/ping")"
in_ns user ping -m 7 -c 10 -i 0.01 -W 1 -q 203.0.113.10 >"$T/ping" || fail "bulk: $(cat "$T/ping")"
[ "$(view '[.rules[].packets] | tostring')" = '[20,0,10,0]' ] || fail "rules: $(braid user steering)"
[ "$(view '.rules[1].match')" = 'protocol udp remote_port 5004-5010' ] || fail "$(view .rules)"
[ "$(class voice '[.mode, .in_force, .copies, .packets] | tostring')" = '["redundant","redundant",2,40]' ] ||
	fail "voice: $(class voice .)"
[ "$(class voice '[.paths[].packets] | tostring')" = '[20,20]' ] || fail "copies: $(class voice .)"
[ "$(class bulk '[.in_force, .packets, .reorder_usec] | tostring')" = '["bond",10,144000]' ] || fail "bulk: $(class bulk .)"
[ "$(class low '.paths[] | select(.uplink == "ran").why')" = 'metered, where the class must not go' ] || fail "low: $(class low .)"
budget() { [ "$(view '.budgets[0] | .uplink == "ran" and .octets == 10485760 and .used_octets > 0 and .state == "left"')" = true ]; }
wait_for 5 budget || fail "budget: $(view .budgets)"
braid user steering | grep -Eq '^ +1  voice  dscp ef +20 ' || fail "as text: $(braid user steering)"
ok "rules, classes and budgets are counted"

vip=$(braid user --json sas | jq -r '.ike_sas[0].vips[0]')
explain udp "$vip:1000" 203.0.113.10:5007
told '.class == "voice" and .rule.number == 2 and (.paths | length) == 2 and .child == "net"'
explain icmp "$vip" 203.0.113.10 mark 7
told '.class == "bulk" and .mode == "bond"'
explain tcp "$vip:7" 203.0.113.1:80
told '.class == "low" and .paths[0].uplink == "wlan" and .others[0].uplink == "ran"'
explain tcp 192.0.2.2:7 192.0.2.77:80
told '.class == "default" and .child == null and .note == null'
explain icmp "$vip" 203.0.113.10 cgroup braid-test.none/sub
told '.class == "default" and (.note | startswith("there is no control group braid-test.none/sub now"))'
cut_path r1
wait_for 10 path_is user wlan-a down || fail "the cut is not seen"
explain udp "$vip:1000" 203.0.113.10:5007
told '[.paths[].uplink] == ["ran"]'
[ "$(class voice '[.paths[] | select(.share_permille > 0) | .uplink, .share_permille] | tostring')" = '["ran",1000]' ] ||
	fail "a path that is down has a share: $(class voice .)"
explain tcp "$vip:7" 203.0.113.1:80
told '.paths == [] or .paths[0].uplink == "wlan"' # it may go nowhere else
mend_path r1
wait_for 10 path_is user wlan-a up || fail "a mended path does not come back"
# Six flows go where they are said to go.
for port in 1 2 3 4 5 6; do
	explain udp "$vip:4$port" 203.0.113.10:9
	name=$(jq -r '.paths[0].name' "$T/explain")
	id=$(class default ".paths[] | select(.name == \"$name\").packets")
	in_ns user bash -c "exec 3<>/dev/udp/203.0.113.10/9" 2>/dev/null
	in_ns user /usr/bin/python3 -c "
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(('$vip', 4$port))
for _ in range(10): s.sendto(b'x', ('203.0.113.10', 9))"
	[ $(($(class default ".paths[] | select(.name == \"$name\").packets") - id)) -ge 10 ] || fail "flow $port does not go by $name"
done
ok "a flow is explained"

for words in "udp $vip" "upd $vip 203.0.113.10" "udp $vip 2001:db8::1" "udp $vip 203.0.113.10 dscp 64"; do
	# shellcheck disable=SC2086
	braid user steering explain $words >"$T/out" 2>&1
	[ $? = 2 ] || fail "explain $words: $(cat "$T/out")"
done
braid user steering nobody >"$T/out" 2>&1 && fail "an unknown connection is shown"
ok "mistakes are told"

# Live: rates of what goes on meanwhile, also as JSON, one object each time.
braid user steering --watch=0.2 home >"$T/watch" 2>&1 &
watch=$!
braid user --json steering --watch=0.2 >"$T/json" &
json=$!
flood() {
	in_ns user ping -Q 0xb8 -c 50 -i 0.01 -W 1 -q 203.0.113.10 >"$T/ping"
	grep -Eq 'voice +redundant .* [1-9][0-9.]* [km]?bit/s' "$T/watch"
}
wait_for 10 flood || fail "steering --watch: $(tail -n 30 "$T/watch")"
several() { jq -es 'length > 2 and all(.[]; .relations | length == 1)' "$T/json" >/dev/null 2>&1; }
wait_for 10 several || fail "steering --watch --json: $(cat "$T/json")"
kill $watch $json
braid user steering --watch explain icmp "$vip" 203.0.113.10 >"$T/out" 2>&1
r=$?
if [ $r != 2 ] || ! grep -q 'does not take --watch' "$T/out"; then fail "explain --watch: $r $(cat "$T/out")"; fi
ok "watched"

# On a terminal, until q.
(
	wait_for 10 grep -q 'smallest-delay' "$T/top"
	printf 'p+ q'
) | TERM=xterm LC_ALL=C.UTF-8 timeout 30 script -qfec "stty rows 40 cols 150; ip netns exec $(ns user) $B/braid -d $T/user/run top" "$T/top" >"$T/out" 2>&1 ||
	fail "top ends with $?: $(tail -n 5 "$T/out")"
grep -q 'wlan-a' "$T/top" || fail "top shows no paths: $(cat "$T/top")"
# A row that is too long ends at the edge.
(
	wait_for 10 grep -q 'smallest-delay' "$T/narrow"
	printf 'q'
) | TERM=xterm LC_ALL=C.UTF-8 timeout 30 script -qfec "stty rows 12 cols 60; ip netns exec $(ns user) $B/braid -d $T/user/run top" "$T/narrow" >"$T/out" 2>&1 ||
	fail "a small top ends with $?: $(tail -n 5 "$T/out")"
grep -q 'carries it\|first choice\|former one' "$T/narrow" && fail "what does not fit is shown: $(cat "$T/narrow")"
in_ns user "$B/braid" -d "$T/user/run" top >"$T/out" 2>&1 </dev/null
r=$?
if [ $r != 2 ] || ! grep -q 'needs a terminal' "$T/out"; then fail "without a terminal: $r $(cat "$T/out")"; fi
ok "top"

# It waits for an agent that goes, and shows what the next one tells.
(
	wait_for 10 grep -q 'smallest-delay' "$T/stays"
	for p in $(ip netns pids "$(ns user)"); do
		[ "$(cat "/proc/$p/comm")" = braid ] || continue
		for _ in {1..300}; do kill -WINCH "$p"; done
	done
	agent_dies user
	wait_for 20 grep -q 'NO AGENT ANSWERS' "$T/stays"
	braidd_start user "$T/user/braid.conf"
	wait_for 10 two_up user
	shown() { # it asks for events some time after the agent is there
		for path in ran-b wlan-a; do braid user path prefer $path >/dev/null; done
		grep -q 'preferred by the operator' "$T/stays"
	}
	wait_for 20 shown
	printf 'q'
) | TERM=xterm LC_ALL=C.UTF-8 timeout 80 script -qfec "stty rows 40 cols 150; ip netns exec $(ns user) $B/braid -d $T/user/run top" "$T/stays" >"$T/out" 2>&1 ||
	fail "top ends with $?: $(tail -n 5 "$T/out")"
grep -q 'NO AGENT ANSWERS' "$T/stays" || fail "top does not tell that the agent has gone: $(cat "$T/stays")"
grep -q 'preferred by the operator' "$T/stays" || fail "no events of the next agent: $(cat "$T/stays")"
ok "top outlives an agent"

# A degraded path gets copies, too; of flows that are spread others are elsewhere.
braid user path prefer --clear wlan-a >"$T/out" 2>&1 || fail "clear: $(cat "$T/out")"
cat >>"$T/user/braid.conf" <<-CONF
	class "spread" { match { dscp = { 9 } } prefer = { wlan, ran } }
CONF
sed -i 's|interface = ran0 preference = 1|& sla { loss = 5 hold = 100ms clear = 1s }|' "$T/user/braid.conf"
in_ns r2 nft 'add table ip lossy; add chain ip lossy f { type filter hook forward priority 0; }; add rule ip lossy f numgen random mod 10 < 3 drop' ||
	fail "nft cannot be used here"
braid user reload >"$T/out" 2>&1 || fail "reload: $(cat "$T/out")"
wait_for 15 path_is user ran-b degraded || fail "ran is not degraded: $(braid user paths)"
copied() {
	braid user --json steering explain udp "$vip:1000" 203.0.113.10:5007 >"$T/explain"
	jq -e '[.paths[].uplink] == ["wlan", "ran"]' "$T/explain" >/dev/null
}
explain udp "$vip:1000" 203.0.113.10:9 dscp 9
told '.class == "spread" and (.others | length) == 1'
wait_for 5 copied || fail "no copy by a degraded path: $(cat "$T/explain")"
a=$(class voice '.paths[] | select(.uplink == "ran").packets')
in_ns user ping -Q 0xb8 -c 10 -i 0.01 -W 1 -q 203.0.113.10 >"$T/ping" || fail "voice: $(cat "$T/ping")"
[ $(($(class voice '.paths[] | select(.uplink == "ran").packets') - a)) -ge 10 ] || fail "none went by it"
ok "copies over a degraded path are told of"
in_ns r2 nft delete table ip lossy
wait_for 15 path_is user ran-b up || fail "ran stays degraded: $(braid user paths)"
elsewhere() {
	explain udp "$vip:1000" 203.0.113.10:9 dscp 9
	jq -e '.others[0].why == "other flows go there"' "$T/explain" >/dev/null
}
wait_for 5 elsewhere || fail "other paths of a spread class: $(cat "$T/explain")"
ok "a spread class has its other flows elsewhere"

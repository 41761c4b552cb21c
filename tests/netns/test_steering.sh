#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# Traffic classes on two paths: which of them carries a class is the class's own matter, follows what
# the paths do, and changes by a reload without a lost packet.
. "$(dirname "$0")/../lib/netns.sh"
. "$(dirname "$0")/../lib/agent.sh"

pins=$T/user/bpf/braid
ok() { echo "ok - $*"; }

# Keys for uplinks wlan and ran; classes by standard input.
confs() {
	agent_confs 50ms
	# a machine under load takes a moment
	sed -i "s|probe_interval = 50ms|& down_after = 10|" "$T"/*/braid.conf
	sed -i -e "s|interface = wlan0 preference = 0|& ${1:-}|" -e "s|interface = ran0 preference = 1|& ${2:-}|" "$T/user/braid.conf"
	cat >>"$T/user/braid.conf"
}
reload() { braid user reload >"$T/out" 2>&1 || fail "reload: $(cat "$T/out")"; }

id_of() { braid user --json paths | jq --arg n "$1" '.paths[] | select(.name == $n).id'; }
# Packets of a class that went over a path, as the steering programs count them.
carried() { # CLASS PATH
	local id
	id=$(id_of "$2")
	bpftool -j map lookup pinned "$pins/path_stat" key hex "$(printf '%02x' $((id & 255)))" "$(printf '%02x' $((id >> 8)))" 00 00 |
		jq --argjson k "$1" '[.formatted.values[].value.tx_class[$k].packets] | add'
}
voice() { in_ns user ping -Q 0xb8 -c 20 -i 0.01 -W 1 -q 203.0.113.11 >"$T/voice"; }
# voice_by PATH OTHER: all of it goes there
voice_by() {
	local a b
	a=$(carried 1 "$1") b=$(carried 1 "$2")
	voice || return 1
	[ $(($(carried 1 "$1") - a)) -ge 20 ] && [ $(($(carried 1 "$2") - b)) = 0 ]
}
# Since the mark.
mark() { from=$(($(wc -l <"$T/user/log") + 1)); }
said() { tail -n "+$from" "$T/user/log" | grep -q "$1"; }
two_work() { two_up user && two_up gw; }

topo_multihomed
for i in 1 2 3 4 5 6; do ip -n "$(ns lan)" addr add "203.0.113.1$i/26" dev eth0; done
confs <<-CONF
	class "voice" { match { dscp = { ef } } mode = active-standby prefer = { ran } hold = 1s }
CONF
braidd_start gw "$T/gw/braid.conf"
braidd_start user "$T/user/braid.conf"
in_ns user "$B/braid" -d "$T/user/run" --json events >"$T/events" 2>&1 &
braid user up home >"$T/up" 2>&1 || fail "up: $(cat "$T/up")"
wait_for 10 two_work || fail "two paths are not up: $(braid user paths)"

# ---- one after the other ----

wait_for 5 voice_by ran-b wlan-a || fail "voice does not go by ran: $(cat "$T/voice")"
many_flows
[ "$(carried 0 wlan-a)" -gt 50 ] && [ "$(carried 0 ran-b)" -gt 50 ] || fail "the rest is not spread"
ok "a class goes by the path that it prefers, the rest as before"

mark
cut_path r2
wait_for 3 path_is user ran-b down || fail "the cut is not seen"
voice_by wlan-a ran-b || fail "voice does not go by wlan"
wait_for 2 said "class voice: ran -> wlan: the former one does not work" || fail "not told"
mend_path r2
wait_for 10 path_is user ran-b up || fail "a mended path does not come back"
said "class voice: wlan -> ran: better" && fail "without the hold"
wait_for 5 said "class voice: wlan -> ran: better, for 1" || fail "it does not return"
wait_for 2 voice_by ran-b wlan-a || fail "voice does not return"
jq -es 'map(select(.kind == "class" and .class == "voice" and .from == "wlan" and .to == "ran")) | length == 2' "$T/events" >/dev/null ||
	fail "events: $(cat "$T/events")"
ok "another one takes over at once, and the first returns after the hold"

# ---- live, and after a restart ----

load 2
sleep 0.3
confs <<-CONF
	class "voice" { match { dscp = { ef } } mode = active-standby prefer = { wlan } hold = 1h }
	class "default" { mode = active-standby prefer = { ran } }
CONF
reload
load_end 0 "other modes while packets go"
wait_for 3 voice_by wlan-a ran-b || fail "voice does not go by wlan"
before=$(carried 0 wlan-a)
many_flows
[ $(($(carried 0 wlan-a) - before)) -lt 10 ] || fail "the default class is not by ran alone"
ok "modes change by a reload, without a lost packet"

cut_path r1
wait_for 3 path_is user wlan-a down || fail "the cut is not seen"
mend_path r1
wait_for 10 two_work || fail "a mended path does not come back"
voice_by ran-b wlan-a || fail "voice returns without its hold"
agent_dies user
voice || fail "voice ends with the agent"
braidd_start user "$T/user/braid.conf"
voice_by ran-b wlan-a || fail "a new agent does not know what was decided"
ok "a new agent goes on with what was decided"

# The file is edited while no agent runs: the class that stays keeps its number, so that none of its
# packets goes as the one that was removed.
confs <<-CONF
	class "first" { match { dscp = { af11 } } mode = active-standby prefer = { wlan } }
	class "voice" { match { dscp = { ef } } mode = active-standby never = { wlan } }
CONF
reload
number_of() { bpftool -j map dump pinned "$pins/class_name" | jq --arg n "$1" '.[].formatted | select(.value.name == $n).key'; }
stay() { [ "$(number_of first) $(number_of voice)" = "2 1" ]; }
wait_for 5 stay || fail "a reload changes numbers: $(number_of first) $(number_of voice)"
confs <<-CONF
	class "first" { match { dscp = { af11 } } mode = active-standby prefer = { wlan } }
	class "more" { match { dscp = { af21 } } mode = active-standby prefer = { wlan } }
	class "voice" { match { dscp = { ef } } mode = active-standby never = { wlan } }
CONF
a=$(carried 1 wlan-a) b=$(carried 2 wlan-a)
in_ns user ping -Q 0xb8 -i 0.002 -w 4 -q 203.0.113.11 >"$T/voice" &
voice=$!
agent_dies user
braidd_start user "$T/user/braid.conf"
wait_for 10 two_up user || fail "paths: $(braid user paths)"
wait "$voice" || true
numbers() { [ "$(number_of first) $(number_of voice) $(number_of more)" = "2 1 3" ]; }
wait_for 5 numbers || fail "a new agent changes numbers: $(number_of first) $(number_of voice)"
[ "$(carried 1 wlan-a) $(carried 2 wlan-a)" = "$a $b" ] || fail "voice goes by wlan, where it must not"
voice || fail "voice: $(cat "$T/voice")"
[ "$(carried 1 wlan-a)" = "$a" ] || fail "voice goes by wlan, where it must not"
ok "a configuration that was edited while no agent ran: classes keep their numbers"

# ---- where it must not go ----

confs "" "metered = true" <<-CONF
	class "voice" { match { dscp = { ef } } mode = active-standby never = { wlan } never_metered = true }
CONF
mark
reload
said 'class "voice" goes nowhere' || fail "a class that can go nowhere is not told of"
drops() { braid user --json stats | jq '.drops.NO_PATH'; }
a=$(carried 1 wlan-a) b=$(carried 1 ran-b) before=$(drops)
in_ns user ping -Q 0xb8 -c 10 -i 0.02 -W 1 -q 203.0.113.11 >"$T/voice" 2>&1 && fail "voice goes somewhere"
[ "$(carried 1 wlan-a)" = "$a" ] && [ "$(carried 1 ran-b)" = "$b" ] || fail "it is sent where it must not go"
[ $(($(drops) - before)) -ge 10 ] || fail "its drops are not counted: $(drops)"
in_ns user ping -c 3 -i 0.02 -W 1 -q 203.0.113.11 >/dev/null || fail "the rest does not go"
in_ns user ping -Q 0xb8 -i 0.002 -w 3 -q 203.0.113.11 >"$T/voice" 2>&1 &
voice=$!
for other in '' 'class "other" { match { dscp = { 1 } } }' '' 'class "other" { match { dscp = { 1 } } }'; do
	confs "" "metered = true" <<-CONF
		$other
		class "voice" { match { dscp = { ef } } mode = active-standby never = { wlan } never_metered = true }
	CONF
	reload
	sleep 0.2
done
wait "$voice" || true
grep -q " 0 received" "$T/voice" || fail "a reload lets it go somewhere: $(cat "$T/voice")"
ok "what must not go anywhere is dropped, and counted, also while other classes come and go"

# ---- overflow ----

confs "rate = 1mbit" <<-CONF
	class "voice" { match { dscp = { ef } } mode = priority prefer = { wlan } overflow = 80 hold = 2s }
CONF
reload
# 1.6 Mbit/s
flows() { in_ns user python3 "$top/tests/lib/flows.py" "$1" 0xb8; }
voice
[ "$(carried 1 wlan-a)" -gt "$a" ] || fail "voice does not go by wlan"
mark
flows 6 &
flows=$!
wait_for 5 said "class voice: wlan: full" || fail "nothing is spilled"
sleep 1
a=$(carried 1 wlan-a) b=$(carried 1 ran-b)
sleep 2
a=$(($(carried 1 wlan-a) - a)) b=$(($(carried 1 ran-b) - b))
# half of it, where 40 flows have 256 slots: 20 of them, with a deviation of 3
[ $((b * 100)) -ge $(((a + b) * 22)) ] && [ $((b * 100)) -le $(((a + b) * 78)) ] || fail "wlan has $a, ran $b"
wait "$flows"
wait_for 10 said "class voice: wlan: has room again" || fail "what was spilled does not return"
wait_for 10 voice_by wlan-a ran-b || fail "not all of it has returned"
ok "what the first path has no room for goes by the next, and returns"

# ---- budget ----

used() { grep -h '^used' "$T"/user/run/budgets 2>/dev/null | grep -q ' ran$'; }
confs "" "budget { octets = 200000 period = day action = stop warn = 50 }" <<-CONF
	class "voice" { match { dscp = { ef } } mode = active-standby prefer = { ran } }
CONF
reload
voice_by ran-b wlan-a || fail "voice does not go by ran"
mark
flows 1
wait_for 5 said "uplink ran: .* % of its budget is used\|uplink ran: its budget is used up" || fail "no warning"
flows 2
wait_for 5 said "uplink ran: its budget is used up: nothing goes there" || fail "not used up"
voice_by wlan-a ran-b || fail "it goes there still"
b=$(carried 0 ran-b)
many_flows
[ "$(carried 0 ran-b)" = "$b" ] || fail "other traffic goes there still"
wait_for 5 used || fail "it is not written down"
b=$(carried 1 ran-b)
in_ns user ping -Q 0xb8 -i 0.01 -w 4 -q 203.0.113.11 >/dev/null &
voice=$!
agent_dies user
braidd_start user "$T/user/braid.conf"
wait_for 5 two_up user || fail "paths: $(braid user paths)"
voice_by wlan-a ran-b || fail "a new agent has forgotten what was used"
wait "$voice" || true
[ "$(carried 1 ran-b)" = "$b" ] || fail "a new agent went there at first"
voice_by wlan-a ran-b || fail "a new agent goes there again"
ok "a budget that is used up ends it, also for a new agent"

# What was carried while there was none counts for no budget.
before=$(awk '/^used .* ran$/ { print $3 }' "$T/user/run/budgets")
by_budget() { # BUDGET
	confs "" "$1" <<-CONF
		class "voice" { match { dscp = { ef } } mode = active-standby prefer = { ran } }
	CONF
	reload
	wait_for 5 voice_by ran-b wlan-a || fail "voice does not go by ran"
}
by_budget ""
in_ns user ping -Q 0xb8 -c 600 -s 1000 -i 0.002 -W 1 -q 203.0.113.11 >"$T/voice" || fail "nothing goes: $(cat "$T/voice")"
by_budget "budget { octets = 100m period = day }"
now() { braid user --json steering | jq '.budgets[0].used_octets'; }
counts() { [ "$(now)" -gt "$before" ]; }
wait_for 5 counts || fail "the budget counts nothing: $(now), $before before"
[ $(($(now) - before)) -lt 600000 ] || fail "$(($(now) - before)) octets count, most of them sent without a budget"
ok "a budget begins when it is configured"

#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# Classes that go by what paths are measured to be: the smallest delay, a delay that is good enough, copies
# while packets are lost. The relays m1 (wlan) and m2 (ran) make paths slow and lossy.
. "$(dirname "$0")/../lib/netns.sh"
. "$(dirname "$0")/../lib/agent.sh"
. "$(dirname "$0")/../lib/relay.sh"
command -v bpftool >/dev/null || skip "needs bpftool"

pins=$T/user/bpf/braid
ok() { echo "ok - $*"; }
two_work() { two_up user && two_up gw; }
id_of() { braid user --json paths | jq --arg n "$1" '.paths[] | select(.name == $n).id'; }
# Packets of a class that went over a path, as the steering programs count them.
carried() { # CLASS PATH
	local id
	id=$(id_of "$2")
	bpftool -j map lookup pinned "$pins/path_stat" key hex "$(printf '%02x' $((id & 255)))" "$(printf '%02x' $((id >> 8)))" 00 00 |
		jq --argjson k "$1" '[.formatted.values[].value.tx_class[$k].packets] | add'
}
# sent CLASS WLAN RAN: 20 packets, so many of which go over each
sent() {
	local tos=(0 0xb8 0x88 0xc0) a b
	a=$(carried "$1" wlan-a) b=$(carried "$1" ran-b)
	in_ns user ping -Q "${tos[$1]}" -c 20 -i 0.01 -W 1 -q 203.0.113.10 >"$T/ping"
	a=$(($(carried "$1" wlan-a) - a)) b=$(($(carried "$1" ran-b) - b))
	last="$a by wlan, $b by ran"
	[ $a = "$2" ] && [ $b = "$3" ]
}
# Since the mark.
mark() { from=$(($(wc -l <"$T/user/log") + 1)); }
said() { tail -n "+$from" "$T/user/log" | grep -q "$1"; }
event() { # CLASS FROM TO REASON
	jq -es --arg c "$1" --arg f "$2" --arg t "$3" --arg r "$4" \
		'any(.[]; .kind == "class" and .class == $c and .from == $f and .to == $t and (tostring | contains($r)))' \
		"$T/events" >/dev/null
}

# Both ways: 20 and 100 ms.
topo_multihomed
relay_multihomed 10000 50000
agent_confs 50ms
sed -i "s|probe_interval = 50ms|& down_after = 20|" "$T"/*/braid.conf
cat >>"$T/user/braid.conf" <<-CONF
	class "near" { match { dscp = { ef } } mode = smallest-delay }
	class "good" {
	  match { dscp = { af41 } }
	  mode = active-standby prefer = { wlan } hold = 500ms
	  sla { delay = 150ms hold = 500ms clear = 1s }
	}
	class "sure" {
	  match { dscp = { cs6 } }
	  mode = redundant prefer = { wlan } copies_when { loss = 5 }
	  sla { loss = 90 hold = 500ms clear = 1s }
	}
CONF
braidd_start gw "$T/gw/braid.conf"
braidd_start user "$T/user/braid.conf"
in_ns user "$B/braid" -d "$T/user/run" --json events >"$T/events" 2>&1 &
braid user up home >"$T/up" 2>&1 || fail "up: $(cat "$T/up")"
wait_for 20 two_work || fail "two paths are not up: $(braid user paths)"
wait_for 20 sent 1 20 0 || fail "near is not by the nearer: $last: $(braid user steering)"
wait_for 20 sent 2 20 0 || fail "good is not by the one it prefers: $last: $(braid user steering)"

# ---- the nearer becomes the farther: 200 ms ----

mark
relay_say m1 delay 100000
wait_for 20 said "class near: wlan -> ran: round trip" || fail "near stays: $(braid user steering)"
wait_for 5 sent 1 0 20 || fail "near does not go by ran: $last"
wait_for 5 event near wlan ran "round trip" || fail "no event: $(cat "$T/events")"
ok "smallest-delay follows, and says so"

wait_for 20 said "class good: wlan -> ran: round trip .* above 150.0 ms for" || fail "good stays: $(braid user steering)"
wait_for 5 sent 2 0 20 || fail "good does not go by ran: $last"
wait_for 5 event good wlan ran "above 150.0 ms" || fail "no event: $(cat "$T/events")"
ok "a path that breaks the class's SLA is left, with the reason"

sleep 2
said "class near: ran -> wlan" && fail "near goes back: $(tail -n "+$from" "$T/user/log")"
said "class good: ran -> wlan" && fail "good goes back: $(tail -n "+$from" "$T/user/log")"
sent 1 0 20 || fail "near has gone back: $last"
ok "and neither returns while it is so"

mark
relay_say m1 delay 10000
wait_for 20 said "class near: ran -> wlan: round trip" || fail "near does not return: $(braid user steering)"
wait_for 30 said "class good: ran -> wlan: better" || fail "good does not return: $(braid user steering)"
wait_for 5 sent 1 20 0 || fail "near is not by wlan: $last"
wait_for 5 sent 2 20 0 || fail "good is not by wlan: $last"
ok "both return when it is over"

# ---- copies while packets are lost ----

sent 3 20 0 || fail "copies without need: $last"
mark
relay_say m1 loss 200 0 7
wait_for 30 said "class sure: .*copies: loss" || fail "no copies: $(braid user steering)"
wait_for 5 sent 3 20 20 || fail "no copies are sent: $last"
grep -q ' 20 received' "$T/ping" || fail "lost in spite of the copies: $(cat "$T/ping")"
mark
relay_say m1 loss 0 0 7
wait_for 60 said "class sure: .*no copies: " || fail "copies without end: $(braid user steering)"
wait_for 5 sent 3 20 0 || fail "copies are sent still: $last"
ok "copies are sent while the best path loses, and no more afterwards"

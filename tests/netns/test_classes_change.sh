#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# While classes are renamed, replaced, and change places with class default, no packet goes where
# neither what was configured nor what is lets it go; counters are a class's, not those of another
# one that had its number.
. "$(dirname "$0")/../lib/netns.sh"
. "$(dirname "$0")/../lib/agent.sh"

ok() { echo "ok - $*"; }
classes() { # definitions by standard input, in place of those before
	sed -i '/^class /,/^}/d' "$T/user/braid.conf"
	cat >>"$T/user/braid.conf"
}
reload() { braid user reload >"$T/out" 2>&1 || fail "reload: $(cat "$T/out")"; }
# what has gone by ran, of whatever class; probes are of none
by_ran() {
	local id
	id=$(braid user --json paths | jq '.paths[] | select(.name == "ran-b").id')
	bpftool -j map lookup pinned "$T/user/bpf/braid/path_stat" key hex "$(printf %02x "$id")" 00 00 00 |
		jq '[.formatted.values[].value.tx_class[].packets] | add'
}
counted() { braid user --json steering | jq ".relations[0].classes[] | select(.name == \"$1\").packets"; }
command -v bpftool >/dev/null || skip "needs bpftool"

topo_multihomed
for i in 1 2 3; do ip -n "$(ns lan)" addr add "203.0.113.1$i/26" dev eth0; done
agent_confs 50ms
sed -i "s|probe_interval = 50ms|& down_after = 10|" "$T"/*/braid.conf
braidd_start gw "$T/gw/braid.conf"
voice() { # NAME: where ran is for others
	printf 'class "%s" {\nmatch { dscp = { ef } } mode = active-standby never = { ran }\n}\n' "$1"
	printf 'class "default" {\nmode = active-standby prefer = { ran }\n}\n'
}
six() { # FIRST, and five more; none has a match for voice but the first
	local i
	printf 'class "%s" {\n%s\n}\n' "$1" "$2"
	for i in 2 3 4 5 6; do printf 'class "c%s" {\nmatch { dscp = { %s } }\n}\n' "$i" "$i"; done
}
voice one | classes
braidd_start user "$T/user/braid.conf"
braid user up home >"$T/up" 2>&1 || fail "up: $(cat "$T/up")"
wait_for 10 two_up user || fail "two paths are not up: $(braid user paths)"

streams=()
for i in 1 2 3; do
	ip netns exec "$(ns user)" ping -Q 0xb8 -i 0.002 -W 1 -q 203.0.113.1$i >"$T/ping$i" 2>&1 &
	streams+=($!)
done
goes() { [ "$(counted "$1")" -gt 0 ]; }
stays_away() { # WHAT
	local now
	now=$(by_ran)
	[ "$now" = "$before" ] || fail "$1: $((now - before)) packets by ran: $(braid user steering)"
	ok "$1"
}
wait_for 10 goes one || fail "nothing goes: $(braid user steering)"
before=$(by_ran)
for name in two one two one two one; do # faster than tables become free
	voice $name | classes
	reload
done
wait_for 5 goes one || fail "the class counts nothing: $(braid user steering)"
stays_away "a class gets another name"

# Without it the default class is for the same packets, and lets them go there no more than it did.
for i in 1 2 3; do
	printf 'class "default" {\nmode = active-standby never = { ran }\n}\n' | classes
	reload
	voice one | classes
	reload
done
wait_for 5 goes one || fail "the class counts nothing: $(braid user steering)"
stays_away "a class comes and goes"

# All numbers are in use: what replaces a class gets its number.
away='match { dscp = { ef } } never = { ran }'
other='match { dscp = { af11 } } mode = active-standby prefer = { ran }'
default=$(printf 'class "default" {\nmode = active-standby prefer = { wlan } never = { ran }\n}')
for i in 1 2 3 4; do
	{ six voice "$away" && echo "$default"; } | classes
	reload
	{ six other "$other" && echo "$default"; } | classes
	reload
done
stays_away "a class is replaced by one with its number"
ran_ready() { braid user --json steering | jq -e '.relations[0].classes[] | select(.name == "other").paths[0].uplink == "ran"' >/dev/null; }
wait_for 5 ran_ready || fail "what replaces it is not what it is configured to be: $(braid user steering)"

# Edited while no agent runs.
voice one | classes
reload
settled() { [ "$(braid user --json steering | jq '.relations[0].classes | length')" = 2 ] && goes one; }
wait_for 5 settled || fail "$(braid user steering)"
before=$(by_ran)
for name in two one; do
	agent_dies user
	voice $name | classes
	braidd_start user "$T/user/braid.conf"
	wait_for 10 two_up user || fail "two paths are not up: $(braid user paths)"
	wait_for 5 goes $name || fail "the class counts nothing: $(braid user steering)"
done
stays_away "an agent starts with other classes"

kill "${streams[@]}"
wait "${streams[@]}" 2>/dev/null
for name in a b c d e f g; do
	printf 'class "%s" {\nmatch { dscp = { ef } }\n}\n' $name | classes
	reload
	in_force() { # rules may wait for a free table
		bpftool -j map dump pinned "$T/user/bpf/braid/class_name" |
			jq -e --arg n $name 'any(.[].formatted; .value.name == $n)' >/dev/null
	}
	wait_for 5 in_force || fail "the rules of class $name are not in force"
	[ "$(counted $name)" = 0 ] || fail "class $name begins with $(counted $name) packets"
	in_ns user ping -Q 0xb8 -c 10 -i 0.01 -W 1 -q 203.0.113.11 >"$T/ping" || fail "nothing goes: $(cat "$T/ping")"
	is() { [ "$(counted $name)" -ge 10 ]; }
	wait_for 5 is || fail "class $name has sent 10, and counts $(counted $name)"
done
[ "$(counted g)" = 10 ] || fail "class g has sent 10, and counts $(counted g)"
ok "a class counts what is its own, whoever had its number"

#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# Each end steers what it sends: the user asks the gateway, which grants that, to send voice twice. It
# does, to that user, who gets each packet once; it goes on when either agent starts anew, ends by a
# reload of either end, and a gateway that grants nothing is asked in vain. An order is granted, too.
. "$(dirname "$0")/../lib/netns.sh"
. "$(dirname "$0")/../lib/agent.sh"
. "$(dirname "$0")/../lib/clones.sh"
. "$(dirname "$0")/../lib/mmx.sh"
command -v bpftool >/dev/null || skip "needs bpftool"
PACKETS=200
ok() { echo "ok - $*"; }

classes() { # HOST: what is configured there of classes, on stdin
	sed -i '/^class /,$d' "$T/$1/braid.conf"
	cat >>"$T/$1/braid.conf"
}
grant() { sed -i "s/multipath = mmx.*/multipath = mmx grant = $1/" "$T/gw/braid.conf"; }
reload() { braid "$1" reload >"$T/out" 2>&1 || fail "$1: reload: $(cat "$T/out")"; }
user_asks() { # what stands in ask { }; nothing: there is none
	classes user <<-CONF
		class "voice" { match { dscp = { ef } } ${1:+ask { $1 \}} }
	CONF
}
gw_voice() { # further settings of the gateway's class
	classes gw <<-CONF
		class "voice" { match { protocol = udp remote_port = 7000 } $* }
	CONF
}

ask_is() { [ "$(braid "$1" --json steering | jq -rc '[.relations[].asks[] | [.class, .by, .mode, .state]] | unique | map(join(" ")) | join(", ")')" = "$2" ]; }
# asks USER-SAYS GW-SAYS
asks() {
	wait_for 10 ask_is user "$1" || fail "the user: $(braid user steering), not $1"
	wait_for 10 ask_is gw "$2" || fail "the gateway: $(braid gw steering), not $2"
}
# the gateway's class as it goes to the user: mode, what the maps have, copies
voice_is() { [ "$(braid gw --json steering | jq -rc '[.relations[] | select(.binding) | .classes[] | select(.name == "voice") | [.mode, .in_force, .copies]] | unique | map(map(tostring) | join(" ")) | join(", ")')" = "$1" ]; }
voice() { wait_for 10 voice_is "$1" || fail "voice is not $1: $(braid gw --json steering)"; }
# what the gateway's paths have carried of it, those too that are down now
carried() {
	local id
	for id in 1 2 3 4 5 6 7 8; do
		bpftool -j map lookup pinned "$T/gw/bpf/braid/path_stat" key hex 0$id 00 00 00 | jq '[.formatted.values[].value.tx_class[1].packets] | add'
	done | jq -s add
}
# Datagrams to the user, of which the gateway's paths carry so many each; none comes twice. A path that
# this machine's load takes down for a moment carries none: again.
sent_each() {
	local before r
	before=$(carried)
	in_ns lan /usr/bin/python3 "$top/tests/lib/copies.py" send "$vip" 7000 8 $PACKETS >"$T/sent" || return 1
	r=$(in_ns lan /usr/bin/python3 "$top/tests/lib/copies.py" ask "$vip" 7000 $PACKETS) || return 1
	# the question is a packet of the class
	said="$(($(carried) - before - $1)) on the paths, not $((PACKETS * $1)): $r"
	twice=$(jq .twice <<<"$r")
	[ "$twice" != 0 ] && return
	[ "${said%% *}" = $((PACKETS * $1)) ] && [ "$(jq .lost <<<"$r")" = 0 ]
}
sends() {
	wait_for 1 sent_each "$1" || fail "$said, $(braid gw steering)" # twenty times at most
	[ "$twice" = 0 ] || fail "$said"
}

clones_topo
mmx_confs 'multipath = mmx' 'multipath = mmx'
sed -i 's|probe_interval = 50ms|& down_after = 20|' "$T"/*/braid.conf
user_asks 'mode = redundant'
gw_voice 'mode = active-standby prefer = { a }'
grant '{ "voice" }'
mmx_up
bind_is "$I0>$R0" "$I0>$R1" "$I1>$R0" "$I1>$R1"
vip=$(sas user '.[0].vips[0]' | tr -d '"')
in_ns user /usr/bin/python3 "$top/tests/lib/copies.py" receive "$vip" 7000 &
receiver=$!
wait_for 5 in_ns user sh -c 'ss -uln | grep -q :7000' || fail "no receiver"
in_ns lan ping -c 2 -W 2 -q "$vip" >"$T/out" || fail "no ping: $(cat "$T/out")"

asks 'voice us redundant granted' 'voice peer redundant granted'
voice 'redundant redundant 2'
sends 2
braid user steering | grep -q 'voice *us *redundant *2 *granted' || fail "user: $(braid user steering)"
braid gw mmx list | grep -q 'voice *peer *redundant *2 *granted' || fail "gateway: $(braid gw mmx list)"
ok "granted: each packet goes twice and comes once"

agent_dies gw
: >"$T/gw/log"
braidd_start gw "$T/gw/braid.conf" -v
asks 'voice us redundant granted' 'voice peer redundant granted'
voice 'redundant redundant 2'
sends 2
agent_dies user
: >"$T/user/log"
braidd_start user "$T/user/braid.conf" -v
asks 'voice us redundant granted' 'voice peer redundant granted'
sends 2
ok "agents start anew: it stays"

user_asks 'mode = redundant copies = 3'
reload user
voice 'redundant redundant 3'
sends 3
user_asks
reload user
asks '' ''
voice 'active-standby active-standby null'
sends 1
ok "asked for more, then no more, by a reload: so it is"

# What the user prefers: packets go to that interface of his.
to() { braid gw --json steering | jq -r '[.relations[] | select(.binding) | .classes[] | select(.name == "voice").paths[] | select(.share_permille > 0).id] | unique | .[]'; }
goes_to() { [ "$(braid gw --json paths | jq -r --argjson id "$(to | head -1)" '.paths[] | select(.id == $id).remote' | sed 's/:.*//')" = "$1" ]; }
for there in "ran $I1" "wlan $I0"; do
	user_asks "mode = active-standby prefer = { ${there% *} }"
	reload user
	asks 'voice us active-standby granted' 'voice peer active-standby granted'
	wait_for 15 goes_to "${there#* }" || fail "not to ${there#* }: $(braid gw steering)"
done
sends 1
ok "an order of the user's interfaces"

gw_voice 'mode = active-standby prefer = { a }'
grant none
reload gw
asks 'voice us active-standby refused' 'voice peer active-standby refused'
user_asks 'mode = redundant'
reload user
asks 'voice us redundant refused' 'voice peer redundant refused'
voice 'active-standby active-standby null'
sends 1
braid user --json steering | jq -e '.relations[0].asks[0].why == "by its policy"' >/dev/null || fail "no reason: $(braid user steering)"
ok "a gateway that does not grant it does not"

grant all
reload gw
asks 'voice us redundant granted' 'voice peer redundant granted'
sends 2
sed -i 's/class "voice"/class "speech"/' "$T/user/braid.conf"
reload user
asks 'speech us redundant refused' 'speech peer redundant refused'
voice 'active-standby active-standby null'
braid user --json steering | jq -e '.relations[0].asks[0].why == "there is no such class"' >/dev/null || fail "no reason: $(braid user steering)"
ok "nothing is granted for what the gateway has no class for"
kill $receiver

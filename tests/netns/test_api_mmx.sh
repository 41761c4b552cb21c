#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# Programs say which addresses the SAs between two hosts use, through libbraid: each operation, what the
# peer says to it, and what Child SAs are bound to then. [MM-9.9-2] [MM-5.1-3] [MM-5.3-6]
. "$(dirname "$0")/../lib/netns.sh"
. "$(dirname "$0")/../lib/agent.sh"
. "$(dirname "$0")/../lib/clones.sh"
. "$(dirname "$0")/../lib/mmx.sh"

ok() { echo "ok - $*"; }
here=$(dirname "$0")
# api OPERATION CONN [ARGUMENT...]: of the user
api() { in_ns user "$B/tests/netns/api_change" "$T/user/run/ctl.sock" "$@"; }
# says LINE ARGUMENTS...: the first line of what it prints
says() {
	local want=$1
	shift
	api "$@" >"$T/out" 2>&1
	[ "$(head -n 1 "$T/out")" = "$want" ] || fail "$*: not $want: $(cat "$T/out")"
}
# child_is PAIR...: what the library tells the only Child SA is bound to, without ports; none: to nothing of its own
child_is() {
	local want
	want=$(printf '%s\n' "$@" | sort | paste -sd' ')
	api list home >"$T/list" || fail "list: $(cat "$T/list")"
	[ "$(sed -n 's/^child net mmx=1 binding=1 //p' "$T/list" | sed 's/:[0-9]*//g' | tr ' ' '\n' | sort | paste -sd' ')" = "$want" ] ||
		fail "bound to something else than $want: $(cat "$T/list")"
}

clones_topo
mmx_confs 'multipath = no mmx = yes'
sed -i '1i control { consent_wait = 20s }' "$T/user/braid.conf"
mmx_up
api list home >"$T/list" || fail "list: $(cat "$T/list")"
grep -q "^child net mmx=1 binding=0 $I0:4500>$R0:4500\$" "$T/list" || fail "children: $(cat "$T/list")"
for line in "ours wlan $I0" "ours ran $I1" "peers [0-9]* $R0" "peers [0-9]* $R1"; do
	grep -q "^$line\$" "$T/list" || fail "no $line: $(cat "$T/list")"
done
says "answered 1 0 $I1:4500" probe home local=$I1 remote=$R0 keep
ok "what both sides have announced, and a probe"

before=$(spis user)
says 'ok 1' update home old=$I0 new=ran check
says 'ok 1' add home new=ran
bind_is "$I0>$R0" "$I1>$R0"
child_is "$I0>$R0" "$I1>$R0"
says 'ok 1' alternates home old=$I0 alt=$I1
says 'ok 1' remove home old=$I0
bind_is "$I1>$R0"
child_is "$I1>$R0"
says 'ok 1' update home old=$I1 new=wlan child=net
child_is "$I0>$R0"
says 'ok 1' update home old=$R0 new=$R1 peers
child_is "$I0>$R1"
says 'last-address 0' remove home old=$I0
sed -n 2p "$T/out" | grep -q '^peer-refused: remove: last-address' || fail "why: $(cat "$T/out")"
says 'unknown-address 0' update home old=$R0 new=$R1 peers
says ' 0' update home old=203.0.113.9 new=ran
sed -n 2p "$T/out" | grep -q '^not-found: .*is not announced' || fail "why: $(cat "$T/out")"
says ' 0' update away old=$I0 new=ran
sed -n 2p "$T/out" | grep -q '^not-found: ' || fail "why: $(cat "$T/out")"
[ "$(spis user)" = "$before" ] || fail "Child SAs have been replaced: $(braid user sas)"
reach >"$T/ping" || fail "the LAN is not reached"
ok "add, check, alternates, remove, update, and refusals with their reasons"

says 'ok 1' add-interface home new=ran to=$R0 inner=assign
api list home >"$T/list" || fail "list: $(cat "$T/list")"
grep -q "^child net mmx=1 binding=1 $I1:4500>$R0:4500\$" "$T/list" || fail "no SA is derived: $(cat "$T/list")"
[ "$(grep -c '^child' "$T/list")" = 2 ] || fail "SAs: $(cat "$T/list")"
says 'ok 1' delete-interface home old=ran
api list home >"$T/list" || fail "list: $(cat "$T/list")"
[ "$(grep -c '^child' "$T/list")" = 1 ] || fail "SAs: $(cat "$T/list")"
reach >"$T/ping" || fail "the LAN is not reached"
ok "an interface is added, with an SA derived for it, and deleted"

ip netns exec "$(ns user)" /usr/bin/python3 "$here/consent_program.py" "$T/user/run/ctl.sock" wait >"$T/slow" 2>&1 &
slow=$!
wait_for 10 grep -q wait_max_usec "$T/slow" || fail "it is not registered: $(cat "$T/slow")"
asked() { jq -c 'select(.event.kind == "address-leaving") | .event | [.conn, .addresses, .by, .why]' "$T/slow" | tail -n 1; }
says 'ok 1' update home old=$I0 new=ran check
says 'ok 1' add home new=ran
[ -z "$(asked)" ] || fail "asked although nothing leaves: $(asked)"
api remove home old=$I0 >"$T/out" 2>&1 &
op=$!
wait_for 10 eval '[ "$(asked)" = "[\"home\",[\"$I0\"],\"operator\",\"mmx-remove\"]" ]' || fail "not asked: $(cat "$T/slow")"
wait_for 10 grep -q '"data":{"wait_usec"' "$T/slow" || fail "no time is given: $(cat "$T/slow")"
bind_is "$I0>$R1" "$I1>$R1" # until it is ready
kill -USR1 $slow
wait $op || fail "remove: $(cat "$T/out")"
bind_is "$I1>$R1"
ok "a program is asked before an address is removed"

# what is said to these commands, against the page
say() { in_ns "$1" timeout 20 /usr/bin/python3 "$here/consent_program.py" "$T/$1/run/ctl.sock" say "{\"v\":1,\"id\":1,$2}" >>"$T/answers"; }
for h in user gw; do
	for cmd in mmx-list sas paths conns status; do say $h "\"cmd\":\"$cmd\""; done
done
say user "\"cmd\":\"mmx-check\",\"conn\":\"home\",\"old\":\"ran\",\"new\":\"wlan\""
say user "\"cmd\":\"mmx-probe\",\"conn\":\"home\",\"local\":\"ran\",\"remote\":\"$R0\""
say user "\"cmd\":\"mmx-remove\",\"conn\":\"home\",\"old\":\"$I1\""
/usr/bin/python3 "$here/page_types.py" "$top/user/man/braid-control.7" "$T/answers" >"$T/types" || fail "types: $(cat "$T/types")"
ok "every member of the answers has its type in the page: $(cat "$T/types")"

# where the agent chooses: what a reload takes away
kill $slow
wait $slow 2>/dev/null
rm "$T/slow"
for h in user gw; do
	kill "$(agent_pid $h)"
	wait_for 10 no_pids $h || fail "braidd on $h does not end"
	sed -i 's/multipath = no mmx = yes/multipath = mmx/' "$T/$h/braid.conf"
done
mmx_up
bind_is "$I0>$R0" "$I0>$R1" "$I1>$R0" "$I1>$R1"
ip netns exec "$(ns user)" /usr/bin/python3 "$here/consent_program.py" "$T/user/run/ctl.sock" wait >"$T/slow" 2>&1 &
slow=$!
wait_for 10 grep -q wait_max_usec "$T/slow" || fail "it is not registered: $(cat "$T/slow")"
sed -i '/^[[:space:]]*uplink "ran"/d' "$T/user/braid.conf"
braid user reload || fail "reload"
wait_for 10 eval '[ "$(asked)" = "[\"home\",[\"$I1\"],\"agent\",\"its uplink is not configured any more\"]" ]' || fail "not asked: $(cat "$T/slow")"
wait_for 10 grep -q '"data":{"wait_usec"' "$T/slow" || fail "no time is given: $(cat "$T/slow")"
reach >"$T/ping" || fail "the LAN is not reached"
bind_is "$I0>$R0" "$I0>$R1" "$I1>$R0" "$I1>$R1"
[ "$(grep -c address-leaving "$T/slow")" = 1 ] || fail "asked several times: $(cat "$T/slow")"
kill -USR1 $slow
bind_is "$I0>$R0" "$I0>$R1"
reach >"$T/ping" || fail "the LAN is not reached"
ok "a program is asked before the agent itself takes an endpoint out of use"

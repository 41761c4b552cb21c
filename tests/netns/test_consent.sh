#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# Programs that are asked before an address leaves a relation: what they say is waited for, for as long as
# the configuration says and no longer; what is gone already they are told.
. "$(dirname "$0")/../lib/netns.sh"
. "$(dirname "$0")/../lib/agent.sh"
[ -x /usr/bin/python3 ] || skip "needs python3"

ok() { echo "ok - $*"; }
here=$(dirname "$0")
programs=()
# program NAME HOW [USEC]: it is registered when this returns; its process is the last of $programs
program() {
	local name=$1
	shift
	rm -f "$T/$name" # of one of that name before
	ip netns exec "$(ns user)" /usr/bin/python3 "$here/consent_program.py" "$T/user/run/ctl.sock" "$@" >"$T/$name" 2>&1 &
	programs+=($!)
	wait_for 10 grep -q wait_max_usec "$T/$name" || fail "$name is not registered: $(cat "$T/$name")"
}
# say MEMBERS: one request, and all of its answer
say() { in_ns user /usr/bin/python3 "$here/consent_program.py" "$T/user/run/ctl.sock" say "{\"v\":1,\"id\":1,$1}"; }
no_programs() {
	local p
	for p in ${programs[@]+"${programs[@]}"}; do
		kill "$p"
		wait "$p" 2>/dev/null
	done
	programs=()
}
# asked NAME: the addresses that it was asked about last, and by whose word
asked() { jq -c 'select(.event.kind == "address-leaving") | .event | [.conn, (.addresses | sort), .by, .why, (.token != null)]' "$T/$1" | tail -n 1; }
now_msec() { echo $(($(date +%s%N) / 1000000)); }
is_up() { [ "$(braid user --json status | jq -r '.conns[0].state')" = established ]; }
is_down() { ! is_up; }
up() {
	braid user up home >"$T/up" 2>&1 || fail "up: $(cat "$T/up")"
	wait_for 5 two_up user || fail "two paths: $(braid user paths)"
}
# down: in the background; what it says is in $T/down
down() {
	: >"$T/down"
	braid user down home >"$T/down" 2>&1 &
	downer=$!
}
down_ends() {
	wait $downer || fail "down: $(cat "$T/down")"
	is_down || fail "it is up: $(braid user status)"
}
# reconf KEY VALUE ...: of control { }
reconf() {
	sed -i '/^control/d' "$T/user/braid.conf"
	sed -i "1i control { $* }" "$T/user/braid.conf"
	braid user reload || fail "reload"
}

topo_multihomed
agent_confs 100ms
braidd_start gw "$T/gw/braid.conf"
braidd_start user "$T/user/braid.conf"
both='["home",["192.0.2.2","198.51.100.2"],"operator","down",true]'

up
down
down_ends
grep -q 'asked first' "$T/down" && fail "nobody is there to be asked: $(cat "$T/down")"
ok "nobody is asked where nobody wants to be"

reconf consent_wait = 60s consent_wait_max = 60s
program a yes
program b yes
up
down
down_ends
[ "$(asked a)" = "$both" ] || fail "asked: $(cat "$T/a")"
[ "$(asked b)" = "$both" ] || fail "asked: $(cat "$T/b")"
grep -q 'home: 2 programs are asked first' "$T/down" || fail "nothing is said: $(cat "$T/down")"
grep -q '"lost"' "$T/a" && fail "events are lost"
[ "$(jq -r 'select(.event.kind == "address-leaving") | .event.token' "$T/a" "$T/b" | sort -u | wc -l)" = 2 ] || fail "one token for two"
ok "both say yes, and it goes on"

no_programs
program a yes
program slow wait
up
down
wait_for 5 eval '[ -n "$(asked slow)" ]' || fail "not asked: $(cat "$T/slow")"
wait_for 5 grep -q '"data":{"wait_usec"' "$T/slow" || fail "no time is given: $(cat "$T/slow")"
is_up || fail "nobody waited for it"
in_ns user ping -c 2 -i 0.1 -W 1 -q 203.0.113.10 >/dev/null || fail "no traffic while it is waited for"
kill -USR1 "${programs[1]}"
down_ends
ok "one needs time, and everything works until it says yes"

up
down
wait_for 5 eval '[ "$(grep -c address-leaving "$T/slow")" = 2 ]' || fail "not asked again"
no_programs
down_ends
ok "one that leaves is not waited for"

program slow wait 300000
up
start=$(now_msec)
down
down_ends
[ $(($(now_msec) - start)) -ge 300 ] || fail "it was not waited for the time it asked for"
ok "one that asks for a time gets that"

no_programs
reconf consent_wait = 300ms consent_wait_max = 800ms
program mute silent
program slow wait 60000000
up
start=$(now_msec)
down
down_ends
[ $(($(now_msec) - start)) -ge 800 ] || fail "the slow one was not waited for"
grep -q 'has not said yes in time' "$T/user/log" || fail "the log does not tell"
token=$(jq -r 'select(.event.token) | .event.token' "$T/mute")
late=$(say '"cmd":"consent-answer","answer":"yes","token":'"$token")
[[ $late == *'"not-found"'*"token $token"* ]] || fail "an answer too late: $late"
ok "no answer, and an end to waiting, are a yes"

no_programs
reconf consent_wait = 0s
program told silent
up
down
down_ends
[ "$(asked told)" = "${both/true/false}" ] || fail "told: $(cat "$T/told")"
grep -q 'asked first' "$T/down" && fail "somebody is waited for"
ok "without a time they are told"

# with a child alone no address goes; an operator who does not wait for the end has given his word all the same
no_programs
reconf consent_wait = 60s consent_wait_max = 60s
program slow wait
up
braid user down home/net >/dev/null || fail "down home/net"
[ -z "$(asked slow)" ] || fail "asked about a child: $(cat "$T/slow")"
up
ip netns exec "$(ns user)" /usr/bin/python3 "$here/consent_program.py" "$T/user/run/ctl.sock" say '{"v":1,"id":1,"cmd":"down","name":"home"}' >"$T/down" 2>&1 &
left=$!
wait_for 5 grep -q 'asked first' "$T/down" || fail "not asked: $(cat "$T/down")"
kill $left
wait $left 2>/dev/null
kill -USR1 "${programs[0]}"
wait_for 10 is_down || fail "it stays up: $(braid user status)"
ok "the operator's word holds when he does not wait"

up
cp "$T/user/braid.conf" "$T/user/whole.conf"
sed -i -e '/^[[:space:]]*uplink "ran"/d' -e '/path "ran-b"/d' "$T/user/braid.conf"
braid user reload || fail "reload"
wait_for 5 eval '[ "$(asked slow)" = "[\"home\",[\"198.51.100.2\"],\"agent\",\"its uplink is not configured any more\",true]" ]' ||
	fail "not asked about an uplink that is not configured any more: $(asked slow)"
braid user reload || fail "reload" # one that is asked about is not asked about again
[ "$(grep -c 'any more' "$T/slow")" = 1 ] || fail "asked twice: $(cat "$T/slow")"
two_up user || fail "its path did not wait: $(braid user paths)"
kill -USR1 "${programs[0]}"
wait_for 5 eval '[ "$(paths_in_state user up)" = 1 ]' || fail "its path stays: $(braid user paths)"
cp "$T/user/whole.conf" "$T/user/braid.conf"
braid user reload || fail "reload"
wait_for 5 two_up user || fail "it does not come back: $(braid user paths)"
ok "what a reload takes away is asked about"

gone() { jq -c 'select(.event.kind == "address-gone") | .event | [.conn, .addresses, .uplink, .by]' "$T/slow"; }
ip -n "$(ns user)" addr del 198.51.100.2/26 dev ran0
wait_for 5 eval '[ "$(gone)" = "[\"home\",[\"198.51.100.2\"],\"ran\",\"netlink\"]" ]' || fail "not told of what is gone: $(gone)"
ip -n "$(ns user)" link set wlan0 down
wait_for 5 eval '[ "$(gone | tail -n 1)" = "[\"home\",[\"192.0.2.2\"],\"wlan\",\"netlink\"]" ]' || fail "not told of what is gone: $(gone)"
[ "$(gone | wc -l)" = 2 ] || fail "told too often: $(gone)"
ok "what is gone already they are told"

# refusals
for i in $(seq 15); do program "p$i" silent; done
full=$(say '"cmd":"consent"')
[[ $full == *'"refused"'*'16 programs are asked already'* ]] || fail "one too many: $full"
for bad in '"token":1,"answer":"no"' '"token":1'; do
	said=$(say '"cmd":"consent-answer",'"$bad")
	[[ $said == *'"usage"'* ]] || fail "$bad: $said"
done
said=$(say '"cmd":"consent","conn":"away"')
[[ $said == *'"not-found"'* ]] || fail "another connection: $said"
kill "$(agent_pid user)"
wait_for 10 eval '! kill -0 "$(agent_pid user)" 2>/dev/null' || fail "the agent waits for programs at its end"
ok "bounds, mistakes, and the end of the agent"

#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# The control protocol as two agents speak it, against its manual page: every member of every answer and
# event has its type there.
. "$(dirname "$0")/../lib/netns.sh"
. "$(dirname "$0")/../lib/agent.sh"
[ -x /usr/bin/python3 ] || skip "needs python3"

ok() { echo "ok - $*"; }
here=$(dirname "$0")
topo_multihomed
agent_confs 100ms
sed -i '1i allow_key_export = true' "$T"/*/braid.conf
braidd_start gw "$T/gw/braid.conf"
braidd_start user "$T/user/braid.conf"
# say HOST MEMBERS: one request, and all of its answer
say() { in_ns "$1" timeout 20 /usr/bin/python3 "$here/consent_program.py" "$T/$1/run/ctl.sock" say "{\"v\":1,\"id\":1,$2}" >>"$T/answers"; }
for h in user gw; do
	ip netns exec "$(ns $h)" /usr/bin/python3 "$here/consent_program.py" "$T/$h/run/ctl.sock" yes >"$T/consent-$h" 2>&1 &
	ip netns exec "$(ns $h)" /usr/bin/python3 "$here/consent_program.py" "$T/$h/run/ctl.sock" say '{"v":1,"id":1,"cmd":"events"}' >"$T/events-$h" 2>&1 &
	wait_for 10 grep -q now_usec "$T/events-$h" || fail "nothing follows events: $(cat "$T/events-$h")"
	wait_for 10 grep -q wait_usec "$T/consent-$h" || fail "nothing is asked: $(cat "$T/consent-$h")"
done
say user '"cmd":"up","name":"home"'
wait_for 5 two_up user || fail "two paths: $(braid user paths)"
in_ns user ping -c 3 -i 0.1 -W 1 -q 203.0.113.10 >/dev/null || fail "no traffic"
say user '"cmd":"path-test","name":"wlan-a","count":2'
say user '"cmd":"path-disable","name":"ran-b"'
say user '"cmd":"path-enable","name":"ran-b"'
say user '"cmd":"rekey","name":"home"'
say user '"cmd":"path-test","name":"nothing"'
for h in user gw; do
	for cmd in version status sas paths conns counters stats certs keys; do
		say $h "\"cmd\":\"$cmd\""
	done
done
say user '"cmd":"counters-reset"'
say user '"cmd":"stats"'
say user '"cmd":"reload"'
say user '"cmd":"no-such-command"'
say user '"cmd":"down","name":"home"'
ip -n "$(ns user)" addr del 198.51.100.2/26 dev ran0
wait_for 5 grep -q uplink-changed "$T/events-user" || fail "no event of the address"
kill "$(agent_pid user)" "$(agent_pid gw)"
wait_for 10 eval '! kill -0 "$(agent_pid user)" 2>/dev/null' || fail "the agent stays"
sed -i '/^{.*}$/!d' "$T"/events-* "$T"/consent-* # a line that the end has cut
/usr/bin/python3 "$here/page_types.py" "$top/user/man/braid-control.7" "$T/answers" "$T"/events-* "$T"/consent-* >"$T/types" ||
	fail "types: $(cat "$T/types")"
[ "$(sed -n 's/^\([0-9]*\) members.*/\1/p' "$T/types")" -gt 200 ] || fail "too little was seen: $(cat "$T/types")"
ok "every member has its type in the page: $(cat "$T/types")"

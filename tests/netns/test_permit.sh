#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# Who may ask what over the control socket: root, admins, readers by user and by group, strangers;
# after a reload, too.
. "$(dirname "$0")/../lib/netns.sh"
. "$(dirname "$0")/../lib/agent.sh"
command -v setpriv >/dev/null || skip "needs setpriv"

ok() { echo "ok - $*"; }
# Numbers that need no entry in this host's lists: admins 61001 and of group 61100, readers 61002
# and of group 61200.
# By name where everybody has it: names are looked up when the agent is confined already.
lists='control { admins = { 61001, "@61100", "nobody" } readers = { 61002, "@61200" } }'
cp "$B/braid" "$T/braid" # the build directory may be closed to others

# as UID GROUPS COMMAND...: exit code $r, what it said $out
as() {
	local uid=$1 groups=$2
	shift 2
	r=0
	out=$(in_ns user setpriv --reuid "$uid" --regid "$uid" --groups "$groups" "$T/braid" -d "$T/user/run" "$@" 2>&1) || r=$?
}
may() {
	as "$@"
	[ $r = 0 ] || fail "$*: exit code $r: $out"
}
# may_not CODE TEXT UID GROUPS COMMAND...
may_not() {
	local code=$1 text=$2
	shift 2
	as "$@"
	[ $r = "$code" ] || fail "$*: exit code $r, not $code: $out"
	[[ $out == *"$text"* ]] || fail "$*: $out"
}

topo_multihomed
chmod 711 "$T" "$T/user"
mkdir -m 700 "$T/user/run"
agent_confs 100ms
braidd_start user "$T/user/braid.conf"
[ "$(stat -c %a "$T/user/run/ctl.sock")" = 600 ] || fail "mode: $(stat -c %a "$T/user/run/ctl.sock")"
[ "$(stat -c %a "$T/user/run")" = 700 ] || fail "mode of the directory: $(stat -c %a "$T/user/run")"
may_not 1 'Permission denied' 61002 61200 status
ok "without control { } it is for root"

sed -i "1i $lists" "$T/user/braid.conf"
braid user reload || fail "reload"
[ "$(stat -c %a "$T/user/run/ctl.sock")" = 666 ] || fail "mode: $(stat -c %a "$T/user/run/ctl.sock")"
[ "$(stat -c %a "$T/user/run")" = 711 ] || fail "mode of the directory: $(stat -c %a "$T/user/run")"
for who in "$(id -u nobody) 61999" "61001 61999" "61003 61100" "61003 61998,61100" "61100 61999"; do
	# shellcheck disable=SC2086
	may $who status
	# shellcheck disable=SC2086
	may $who reload
	# what it is about decides from here on
	# shellcheck disable=SC2086
	may_not 1 'no path "nothing"' $who path disable nothing
done
ok "admins by user and by group may do everything"

for who in "61002 61999" "61003 61200" "61200 61999"; do
	for cmd in status sas paths conns counters stats certs version; do
		# shellcheck disable=SC2086
		may $who $cmd
	done
	for cmd in "up home" "down home" "rekey home" "clone home" "path disable x" "path enable x" "path prefer x" \
		"path test x" "counters --reset" "keys --wireshark $T" reload "flush --force"; do
		name=$(sed 's/^path /path-/; s/counters --reset/counters-reset/; s/ .*//' <<<"$cmd")
		# shellcheck disable=SC2086
		may_not 9 "$name is for root and the admins of control { } in $T/user/braid.conf; user ${who%% *} may only read" $who $cmd
	done
done
[ "$(in_ns user setpriv --reuid 61002 --regid 61002 --clear-groups "$T/braid" -d "$T/user/run" --json down home 2>/dev/null |
	jq -r .error.code)" = denied ] || fail "the code of what is denied"
ok "readers may read, and are told who may do the rest"

stranger="only root, the agent's own user and those whom control { } of its configuration names may connect"
may_not 4 "$stranger" 61003 61999 status
ok "strangers are turned away"

ip netns exec "$(ns user)" setpriv --reuid 61003 --regid 61200 --clear-groups /usr/bin/python3 -c '
import socket, sys, time
all = []
for i in range(16):
    s = socket.socket(socket.AF_UNIX)
    s.connect(sys.argv[1])
    s.sendall(b"{\"v\":1,\"id\":1,\"cmd\":\"version\"}\n")
    assert b"version" in s.recv(4096), i
    all.append(s)
print("connected", flush=True)
time.sleep(60)' "$T/user/run/ctl.sock" >"$T/crowd" 2>&1 &
crowd=$!
wait_for 10 grep -q connected "$T/crowd" || fail "16 readers: $(cat "$T/crowd")"
may_not 4 'too many clients that may only read' 61002 61999 status
may 61001 61999 status
braid user status >/dev/null || fail "root is kept out by readers"
kill $crowd
wait $crowd 2>/dev/null
reads() { as 61002 61999 status && [ $r = 0 ]; }
wait_for 5 reads
may 61002 61999 status
ok "readers do not take the place of others"

# one who follows events is disconnected when the lists do not name him any more
in_ns user setpriv --reuid 61002 --regid 61002 --clear-groups "$T/braid" -d "$T/user/run" events >"$T/events" 2>&1 &
follower=$!
braid user path disable nothing 2>/dev/null
three() { [ "$(braid user --json stats | jq .ctl.clients)" -ge 2 ]; }
wait_for 5 three || fail "the follower does not connect"
sed -i "1s/61002, //" "$T/user/braid.conf"
braid user reload || fail "reload"
wait_for 5 eval "! kill -0 $follower 2>/dev/null" || fail "the follower stays: $(cat "$T/events")"
may_not 4 "$stranger" 61002 61999 status
may 61003 61200 status
sed -i 1d "$T/user/braid.conf"
braid user reload || fail "reload"
[ "$(stat -c %a "$T/user/run/ctl.sock")" = 600 ] || fail "mode: $(stat -c %a "$T/user/run/ctl.sock")"
may_not 1 'Permission denied' 61001 61100 status
braid user status >/dev/null || fail "root is kept out"
ok "a reload takes effect at once, also for who is connected"

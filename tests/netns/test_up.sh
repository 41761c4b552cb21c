#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# braid up shows each step as it happens, as text and as JSON lines, and ends with the exact reason
# and the exit code of its kind.
. "$(dirname "$0")/../lib/netns.sh"
. "$(dirname "$0")/../lib/agent.sh"

ok() { echo "ok - $*"; }

# ends CODE OPTION...: an attempt, all it says in $T/up
ends() {
	local want=$1 rc
	shift
	braid user "$@" up home >"$T/up" 2>&1
	rc=$?
	[ $rc = "$want" ] || fail "exit code $rc and not $want: $(cat "$T/up")"
}
# in that order
says() {
	local line after=0 at
	for line in "$@"; do
		at=$(grep -nF -- "$line" "$T/up" | cut -d: -f1 | awk -v a="$after" '$1 > a { print; exit }')
		[ -n "$at" ] || fail "no \"$line\" after line $after of: $(cat "$T/up")"
		after=$at
	done
}
last_error() { braid user --json status | jq -r '.conns[0].last_error'; }
with() { # sed script
	sed "$1" "$T/user/plain.conf" >"$T/user/braid.conf"
	braid user reload >/dev/null || fail "reload with $1"
}

topo_multihomed
agent_confs 1s
sed -i 's/multipath = true/&\nretransmit_timeout = 100ms\nretransmit_tries = 2/' "$T/user/braid.conf"
cp "$T/user/braid.conf" "$T/user/plain.conf"
braidd_start gw "$T/gw/braid.conf"
braidd_start user "$T/user/braid.conf"
[ "$(last_error)" = null ] || fail "an error before anything was tried"

ends 0
says 'home: 192.0.2.2:500 to 192.0.2.66:500' 'IKE_SA_INIT sent to 192.0.2.66:500' 'IKE_SA_INIT answered: ' \
	'IKE_AUTH sent to 192.0.2.66:4500' 'IKE_AUTH answered: the peer is gw.example.org' 'Child SA net up'
ends 0
says 'nothing to do'
ok "the steps of a set-up"
braid user down home >/dev/null || fail "down"

ends 0 --json
jq -es 'all(.kind == "progress" and (.text | length > 0) and .time_usec > 0) and length >= 6' "$T/up" >/dev/null ||
	fail "not JSON lines of progress: $(cat "$T/up")"
ok "JSON lines"
braid user down home >/dev/null || fail "down"

cut_path r1
ends 0
says 'IKE_SA_INIT sent to 192.0.2.66:500' 'no answer from 192.0.2.66:500 to IKE_SA_INIT, asked from 198.51.100.2:500 now' \
	'IKE_SA_INIT sent to 198.51.100.66:500' 'Child SA net up'
ok "no answer over the first uplink, set up over the second"
braid user down home >/dev/null || fail "down"

cut_path r2
ends 6
says 'IKE_SA_INIT sent to 192.0.2.66:500' 'no answer from 192.0.2.66:500 to IKE_SA_INIT, asked from 198.51.100.2:500 now, 1 of 2' \
	'asked from 192.0.2.2:500 now, 2 of 2' 'no answer from 192.0.2.66:500 to IKE_SA_INIT (message 0) after 3 tries in '
[[ $(last_error) == 'no answer from 192.0.2.66:500'* ]] || fail "the last error: $(last_error)"
mend_path r1
mend_path r2
ok "no answer"

with 's/a long secret/another secret/'
ends 7
says 'IKE_AUTH sent to ' AUTHENTICATION_FAILED
[[ $(last_error) == *AUTHENTICATION_FAILED* ]] || fail "the last error: $(last_error)"
ok "wrong secret"

with 's/multipath = true/&\nproposals = { "aes128-sha1-modp4096" }/'
ends 8
says 'NO_PROPOSAL_CHOSEN in answer to IKE_SA_INIT, which anybody could have sent: still trying' 'refused: NO_PROPOSAL_CHOSEN'
ok "no common proposal"

with 's,203.0.113.0/26,10.9.0.0/24,'
ends 8 --json
jq -es '.[-1].error.code == "peer-refused" and (.[-1].error.text | contains("TS_UNACCEPTABLE"))' \
	<(grep '^{' "$T/up") >/dev/null || fail "the end in JSON: $(cat "$T/up")"
ok "selectors that do not fit"

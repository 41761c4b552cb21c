#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# braid path test: probes at once over a path, up or not, of any size; by IKE where nobody probes.
. "$(dirname "$0")/../lib/netns.sh"
. "$(dirname "$0")/../lib/agent.sh"

ok() { echo "ok - $*"; }
# tested EXIT FILTER ARGUMENT...: exit code, and what jq says of the summary
tested() {
	local code=$1 filter=$2 r=0
	shift 2
	braid user --json path test "$@" >"$T/test" 2>"$T/err" || r=$?
	[ "$r" = "$code" ] || fail "path test $*: exit code $r, not $code: $(cat "$T/err" "$T/test")"
	jq -s -e "map(select(.by)) | .[0] | $filter" "$T/test" >/dev/null ||
		fail "path test $*: not $filter: $(cat "$T/test")"
}
says() { grep -q -- "$1" "$T/err" || fail "no \"$1\": $(cat "$T/err")"; }
start() {
	braidd_start gw "$T/gw/braid.conf"
	braidd_start user "$T/user/braid.conf"
	braid user up home >"$T/up" 2>&1 || fail "up: $(cat "$T/up")"
}

topo_multihomed
agent_confs 50ms
start
wait_for 5 two_up user || fail "two paths: $(braid user paths)"
wait_for 5 two_up gw || fail "two paths at the gateway: $(braid gw paths)"

tested 0 '.by == "probes" and .sent == 10 and .answered == 10 and .loss_permille == 0 and .mtu == 1500' ran-b
tested 0 '.sent == 3 and .rtt_min_usec > 0 and .rtt_min_usec <= .rtt_avg_usec and .rtt_avg_usec <= .rtt_max_usec' \
	-c 3 -i 0.01 wlan-a
[ "$(jq -s -c 'map(select(.seq) | [.seq, .path, (.rtt_usec > 0)])' "$T/test")" = '[[1,"wlan-a",true],[2,"wlan-a",true],[3,"wlan-a",true]]' ] ||
	fail "not told one by one: $(cat "$T/test")"
braid user path test -c 2 wlan-a >"$T/test" || fail "as text"
grep -q '^wlan-a 2: answered in [0-9.]* ms$' "$T/test" || fail "$(cat "$T/test")"
grep -q '^wlan-a: 2 sent, 2 answered, 0.0 % lost; MTU 1500$' "$T/test" || fail "$(cat "$T/test")"
grep -q '^round trip min/avg/max/mdev [0-9./]* ms$' "$T/test" || fail "$(cat "$T/test")"
ok "answers one by one, and in all"

braid user path test nowhere 2>"$T/err" && fail "a path that is not there is tested"
says 'no path "nowhere"'
braid user path test -c 0 wlan-a 2>"$T/err" && fail "no probes"
says '--count takes 1 to 1000'
braid user path disable -c 3 wlan-a 2>"$T/err" && fail "disable takes a count"
says 'only path test takes --count'
tested 4 'not' -s 1600 ran-b
says 'the uplink of ran-b carries 1500 octets'
ok "exact errors"

# two at once: each gets its own answers
braid user --json path test -c 40 -i 0.02 wlan-a >"$T/other" &
other=$!
tested 0 '.sent == 20 and .answered == 20' -c 20 -i 0.03 wlan-a
wait $other || fail "two tests at once"
jq -s -e 'map(select(.by)) | .[0].answered == 40' "$T/other" >/dev/null || fail "two tests at once: $(cat "$T/other")"
ok "two tests of one path at once"

narrow 1400
tested 0 '.answered == 3' -c 3 -s 1400 wlan-a
[ "$(jq -s 'map(select(.octets) | .octets) | min' "$T/test")" -gt 1380 ] || fail "not of that size: $(cat "$T/test")"
tested 6 '.sent == 3 and .answered == 0 and .loss_permille == 1000 and (has("rtt_avg_usec") | not)' -c 3 -s 1500 wlan-a
says 'wlan-a: no answer to 3'
tested 0 '.answered == 3' -c 3 -s 1500 ran-b
narrow 1500
ok "of any size"

# what is measured here is not what decides
before=$(braid user --json paths | jq '.paths[] | select(.name == "ran-b").loss_permille')
braid user path disable ran-b || fail "disable"
wait_for 2 path_is gw "$(braid gw --json paths | jq -r '.paths[] | select(.uplink == "b").name')" disabled || fail "the gateway does not hear of it"
tested 0 '.answered == 4' -c 4 ran-b
braid user path enable ran-b || fail "enable"
cut_path r2
tested 6 '.sent == 2' -c 2 ran-b
mend_path r2
wait_for 3 two_up user || fail "a mended path does not come back"
[ "$before" = 0 ] || fail "a test counts as loss"
ok "over a disabled path, and over one that is cut"

# a client that leaves, and a path that goes, end it
timeout 0.3 ip netns exec "$(ns user)" "$B/braid" -d "$T/user/run" path test -c 1000 wlan-a >/dev/null 2>&1
braid user --json path test -c 1000 ran-b >"$T/other" 2>"$T/err" &
other=$!
wait_for 2 grep -q '"seq":1' "$T/other" || fail "no answer"
ip -n "$(ns user)" addr del 198.51.100.2/26 dev ran0
wait $other && fail "the path has gone, the test goes on"
says 'the path has gone'
ok "ends with its client, and with its path"

kill "$(agent_pid user)"
kill "$(agent_pid gw)"
gone() { ! kill -0 "$(agent_pid user)" 2>/dev/null && ! kill -0 "$(agent_pid gw)" 2>/dev/null; }
wait_for 10 gone || fail "braidd does not end"
sed -i 's/multipath = true/multipath = false/; s/retransmit.*//; s/vips/retransmit_timeout = 200ms\n&/; /path "/d' "$T/user/braid.conf"
sed -i 's/multipath = true/multipath = false/' "$T/gw/braid.conf"
start
name=$(braid user --json paths | jq -r '.paths[0].name')
tested 0 '.by == "ike" and .sent == 4 and .answered == 4 and .rtt_min_usec > 0' -c 4 "$name"
tested 4 'not' -s 1400 "$name"
cut_path r1
cut_path r2
tested 6 '.by == "ike" and .sent == 1 and .answered == 0' -c 1 "$name"
mend_path r1
mend_path r2
ok "by IKE where nobody probes"

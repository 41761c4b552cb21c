#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# Hundreds of peers at one gateway: all get in, also while strangers ask for IKE SAs by the thousand;
# lists show each once, and do not hold anybody up; a killed agent's successor has them all; when they
# go, nothing of them stays.
#
#     load (192.0.2.1, many peers in one process) ==== (192.0.2.2) gw, behind it 10.1.0.0/16
. "$(dirname "$0")/../lib/netns.sh"

load=$B/tests/netns/ike_load flood=$B/tests/netns/ike_flood many=600
[ -x "$load" ] && [ -x "$flood" ] || skip "needs ike_load and ike_flood"
export IKE_LOAD_PSK='a long secret of ours'

host load gw
wire load eth0 192.0.2.1/24 gw eth0 192.0.2.2/24
ip -n "$(ns gw)" route add 198.51.100.0/24 via 192.0.2.1
ip -n "$(ns gw)" route add 203.0.113.0/24 via 192.0.2.1
cat >"$T/gw/braid.conf" <<-CONF
	log_level = debug
	half_open_timeout = 3s
	uplink "one" { interface = eth0 }
	pool "p" { addrs = "10.2.0.0/16" }
	connection "rw" {
		pools = { "p" }
		proposals = { "aes128gcm16-prfsha256-x25519" }
		local { id = "gw.example.org" }
		child "net" { local_ts = { "10.1.0.0/16" } esp_proposals = { "aes128gcm16" } }
	}
	secret "s" { id = { "gw.example.org" } secret = "$IKE_LOAD_PSK" }
CONF
braidd_start gw "$T/gw/braid.conf"

mkfifo "$T/words" "$T/answers"
in_ns load "$load" initiate 192.0.2.1 192.0.2.2 $((many + 20)) 8 <"$T/words" >"$T/answers" 2>"$T/load/log" &
exec 7>"$T/words" 8<"$T/answers"
say() { # WORD...
	echo "$*" >&7
	read -r -t 60 answer <&8 || fail "no answer to $*"
	[[ $answer == *' failed 0 '* ]] || fail "$answer"
}
read -r -t 20 answer <&8 && [ "$answer" = ready ] || fail "ike_load does not start"

count() { braid gw --json "$1" | jq "[.$2[].$3] | unique | length"; }
routes() { in_ns gw ip route show dev braidtun0 | grep -c '^10\.2\.'; }
say up $many
[ "$(count sas ike_sas spi_i)" = $many ] || fail "$(count sas ike_sas spi_i) IKE SAs are shown"
[ "$(braid gw --json sas | jq '.ike_sas | length')" = $many ] || fail "some are shown twice"
[ "$(braid gw --json sas | jq '[.ike_sas[].children[] | select(.driver)] | length')" = $many ] || fail "Child SAs"
[ "$(count paths paths id)" = $many ] || fail "$(count paths paths id) paths are shown"
[ "$(count paths paths name)" = $many ] || fail "$(count paths paths name) names of paths"
[ "$(braid gw sas | grep -c ESTABLISHED)" = $many ] || fail "the table has not all of them"
[ "$(routes)" = $many ] || fail "$(routes) routes"
echo "ok - $many peers, each with a path, a route and a line in the lists"

# A client that asks for all and does not read: others have their answers.
# Then it reads, and has the whole list.
mkfifo "$T/go"
python3 - "$T/gw/run/ctl.sock" "$T/go" >"$T/slow" <<-'PY' &
	import json, socket, sys
	s = socket.socket(socket.AF_UNIX)
	s.connect(sys.argv[1])
	s.sendall(b'{"v":1,"id":1,"cmd":"sas"}\n')
	open(sys.argv[2]).read()
	seen, pieces = [], 0
	for line in s.makefile():
	    reply = json.loads(line)
	    pieces += "data" in reply
	    seen += [sa["spi_i"] for sa in reply.get("data", {}).get("ike_sas", [])]
	    if reply["done"]:
	        break
	print(len(seen), len(set(seen)), pieces > 3)
PY
slow=$!
for _ in 1 2 3; do braid gw version >/dev/null || fail "no answer beside a slow reader"; done
echo >"$T/go"
wait $slow
[ "$(cat "$T/slow")" = "$many $many True" ] || fail "the slow reader has: $(cat "$T/slow")"
echo "ok - a list that is not read holds nobody up, and is whole in the end"

# Strangers at either port, who do not answer; most of the answers go where nobody is.
rss() { awk '/^VmRSS/ { print $2 }' "/proc/$(agent_pid gw)/status"; }
stat() { braid gw --json stats | jq ".ike.$1"; }
no_half_open() { [ "$(stat half_open)" = 0 ]; }
more_cookies() { [ "$(stat cookies_sent)" -gt $((cookies + 100)) ]; }
up=$many
for port in 500 4500; do
	before=$(rss) cookies=$(stat cookies_sent)
	refused=$(stat half_open_refused) blocked=$(stat half_open_blocked) malformed=$(stat dropped_syntax)
	: >"$T/gw/log"
	in_ns load "$flood" 192.0.2.2 20000 10000 $port >"$T/flood" &
	thrower=$!
	wait_for 10 more_cookies || fail "no cookies are asked for"
	up=$((up + 10))
	say up $up
	half_open=$(stat half_open)
	wait $thrower
	[ "$half_open" -le 10 ] || fail "$half_open half-open IKE SAs"
	grown=$(($(rss) - before))
	# 10 peers more, 10 half-open ones of 8 KiB
	[ -n "${SAN_LOGS:-}" ] || [ $grown -lt 4096 ] || fail "memory grew by $grown KiB"
	# ten of each peer, and of all strangers
	lines=$(wc -l <"$T/gw/log")
	[ "$lines" -lt 200 ] || fail "$lines lines in the log"
	# every one of them either has a half-open IKE SA or was asked for a cookie, unless it was lost on the way
	cookies=$(($(stat cookies_sent) - cookies))
	[ $cookies -le 20010 ] || fail "$cookies cookies for 20000 strangers"
	[ "$(stat half_open_refused) $(stat half_open_blocked) $(stat dropped_syntax)" = "$refused $blocked $malformed" ] ||
		fail "other counters moved"
	wait_for 10 no_half_open || fail "$(stat half_open) IKE SAs stay half-open"
	echo "ok - 10 more get in beside 20000 strangers at port $port: $half_open half-open, $grown KiB more," \
		"$cookies cookies, $lines lines in the log"
done

kill -9 "$(agent_pid gw)"
braidd_start gw "$T/gw/braid.conf"
[ "$(count sas ike_sas spi_i)" = $((many + 20)) ] || fail "$(count sas ike_sas spi_i) IKE SAs after a restart"
[ "$(count paths paths id)" = $((many + 20)) ] || fail "$(count paths paths id) paths after a restart"
echo "ok - the next agent has all of them"

say down
[ "$(braid gw --json sas | jq '.ike_sas | length')" = 0 ] || fail "IKE SAs are left"
[ "$(braid gw --json paths | jq '.paths | length')" = 0 ] || fail "paths are left"
wait_for 5 [ "$(routes)" = 0 ] || fail "$(routes) routes are left"
echo "ok - all have gone"
echo quit >&7
kill "$(agent_pid gw)"
wait_for 10 no_pids gw || fail "braidd does not end"
! grep -q -i -E 'sanitizer|runtime error' "$T"/*/log || fail "a sanitizer complains"
echo "ok - an orderly end"

#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# A path that nobody probes falls silent in its middle while links and addresses stay, and the next liveness check
# is minutes away: packets that go out and bring nothing in make IKE ask, and it finds the other uplink. What is
# sent by either end, answered or one-way; what is one-way and arrives moves nothing, and costs less and less.
. "$(dirname "$0")/../lib/netns.sh"
. "$(dirname "$0")/../lib/agent.sh"
command -v nft >/dev/null || skip "needs nft"
ok() { echo "ok - $*"; }

topo_multihomed
ip -n "$(ns user)" -6 addr flush scope global
ip -n "$(ns gw)" -6 addr flush scope global
confs() { # what a connection has besides
	agent_confs
	for h in user gw; do
		# without an mtu IKE would ask for that, too
		sed -i -e '/path "/d' -e 's/interface = [a-z0-9]*/& mtu = 1500/' -e "s/multipath = true/multipath = no dpd_delay = 600s retransmit_timeout = 60s $1/" "$T/$h/braid.conf"
	done
	sed -i -e 's/preference = 0/& fail_back = 600s/' -e 's/^\(paths {.*\) }/\1 standby_interval = 0 }/' "$T/user/braid.conf"
}
up() {
	for h in gw user; do braidd_start $h "$T/$h/braid.conf"; done
	braid user up home >"$T/up" 2>&1 || fail "up: $(cat "$T/up")"
	vip=$(braid user --json sas | jq -r '.ike_sas[0].vips[0]')
	wait_for 10 in_ns user ping -c 1 -W 1 -q 203.0.113.10 || fail "nothing passes"
}
down() {
	for h in user gw; do kill "$(agent_pid $h)"; done
	for h in user gw; do wait_for 20 no_pids $h || fail "$h does not end"; done
}
at() { braid user --json paths | jq -e --arg a "$1:" 'any(.paths[]; .state == "up" and (.local | startswith($a)))' >/dev/null; }
asked() { braid "$1" --json counters | jq .total.exchanges.INFORMATIONAL.requests_tx; }
asked_more() { [ "$(asked "$1")" -gt "$2" ]; }

# Everything from the user, to the user, or both, is dropped in the middle of the first path.
silence() { # from|to|both
	local from='iifname "user" drop;' to='oifname "user" drop;'
	[ "$1" != from ] || to=
	[ "$1" != to ] || from=
	in_ns r1 nft "add table inet middle; add chain inet middle f { type filter hook forward priority 0; }"
	[ -z "$from" ] || in_ns r1 nft add rule inet middle f ${from%;}
	[ -z "$to" ] || in_ns r1 nft add rule inet middle f ${to%;}
}
mend() { in_ns r1 nft delete table inet middle; }

# sends HOST to ADDRESS: one datagram each 10 ms that nobody answers
sends() {
	ip netns exec "$(ns "$1")" /usr/bin/python3 -c '
import socket, sys, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
while True:
	try: s.sendto(b"x" * 100, (sys.argv[1], 9))
	except OSError: pass
	time.sleep(0.01)' "$2" &
	sender=$!
}
quiet() { kill $sender; wait $sender 2>/dev/null || :; }
# nobody says that the port is closed: one-way is one-way
for h in user lan; do
	in_ns $h nft -f - <<-NFT
		table inet discard { chain in { type filter hook input priority 0; udp dport 9 drop; }; }
	NFT
done

# moves WHAT DIRECTION COMMAND...: with that traffic it is at the other uplink in the end
moves() {
	local what=$1 way=$2
	shift 2
	at 192.0.2.2 || fail "$what: it is not at the first uplink: $(braid user paths)"
	"$@"
	silence "$way"
	wait_for 30 at 198.51.100.2 || fail "$what: it does not move: $(braid user paths; tail -n 20 "$T/user/log"; tail "$T/gw/log")"
	wait_for 10 in_ns user ping -c 1 -W 1 -q 203.0.113.10 || fail "$what: nothing passes: $(braid user sas)"
	quiet
	mend
	ok "$what"
}
pings() {
	ip netns exec "$(ns user)" ping -i 0.05 -q 203.0.113.10 >/dev/null 2>&1 &
	sender=$!
}

for case in "pings, both directions silent:both:pings" "pings, silent to the user:to:pings" \
	"sent by the user alone:both:sends user 203.0.113.10" "sent by the gateway's side alone:both:sends lan VIP" \
	"sent by the gateway's side alone, silent from the user:from:sends lan VIP"; do
	confs 'silence = 200ms'
	up
	IFS=: read -r what way command <<<"$case"
	# shellcheck disable=SC2086  # words
	moves "$what" "$way" ${command/VIP/$vip}
	down
done

# Agents that have taken it over.
confs 'silence = 200ms'
up
for h in user gw; do agent_dies $h; done
for h in gw user; do braidd_start $h "$T/$h/braid.conf"; done
moves "after the deaths of both agents" both pings
down

# One-way and well: it stays, and is asked after 0.2, 0.4, 0.8 s, then each 1.6.
confs 'silence = 200ms'
up
before=$(asked user)
sends user 203.0.113.10
wait_for 30 asked_more user $((before + 3)) || fail "nobody asks: $(asked user), $before before"
at 192.0.2.2 || fail "it has moved: $(tail -n 20 "$T/user/log")"
quiet
ok "one-way traffic moves nothing"
down

# until the next liveness check, then
confs 'silence = 0'
up
sends user 203.0.113.10
silence both
sent() { braid user --json paths | jq -e '[.paths[].tx_packets] | add > 600' >/dev/null; }
wait_for 60 sent || fail "nothing is sent: $(braid user --json paths)"
at 192.0.2.2 || fail "it has moved: $(tail -n 20 "$T/user/log")"
quiet
ok "nobody asks where silence = 0"

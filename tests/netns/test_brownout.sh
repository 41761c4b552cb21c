#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# A path that loses packets is degraded, not down: left while another one is up, used when none is,
# and taken again when it is good enough for some time. One that was down returns after a hold.
. "$(dirname "$0")/../lib/netns.sh"
. "$(dirname "$0")/../lib/agent.sh"

nft list ruleset >/dev/null 2>&1 || skip "needs nft"
topo_multihomed

confs() { # hold before a path that was down is used again
	cat >"$T/user/braid.conf" <<-CONF
		uplink "wlan" {
			interface = wlan0
			probe_interval = 20ms
			sla {
				loss = 10
				hold = 200ms
				clear = 500ms
			}
		}
		uplink "ran" {
			interface = ran0
			fail_back = $1
		}
		paths {
			probe_interval = 1s
			down_after = 20
		}
		connection "home" {
			remote_addrs = { "192.0.2.66", "198.51.100.66" }
			probe_interval = 50ms
			vips = { "0.0.0.0" }
			local { id = "user@example.org" }
			remote { id = "gw.example.org" }
			child "net" { remote_ts = { "203.0.113.0/26" } }
			path "w" {
				uplink = wlan
				remote = 192.0.2.66
			}
			path "r" {
				uplink = ran
				remote = 198.51.100.66
			}
		}
		secret "s" { id = { "user@example.org", "gw.example.org" } secret = "a secret of some length" }
	CONF
	cat >"$T/gw/braid.conf" <<-CONF
		uplink "a" { interface = eth0 }
		uplink "b" { interface = eth1 }
		paths {
			probe_interval = 50ms
			down_after = 20
		}
		pool "v4" { addrs = "203.0.113.128/26" }
		connection "rw" {
			pools = { "v4" }
			local { id = "gw.example.org" }
			remote { id = "user@example.org" }
			child "net" { local_ts = { "203.0.113.0/26" } }
		}
		secret "s" { id = { "user@example.org", "gw.example.org" } secret = "a secret of some length" }
	CONF
}

# The router of the first path loses every third packet of the user's.
lossy() {
	in_ns r1 nft -f - <<-'NFT'
		table inet lossy { chain forward { type filter hook forward priority 0; policy accept;
			iifname "user" udp dport 4500 numgen inc mod 3 0 drop; }; }
	NFT
}
field() { braid user --json paths | jq -r --arg n "$1" ".paths[] | select(.name == \$n).$2"; }
why_has() { field "$1" why | grep -q "$2"; }
used() { # path: does data of many flows go there?
	local before
	before=$(field "$1" tx_octets)
	# shellcheck disable=SC2016
	in_ns user bash -c 'for port in {9001..9040}; do
		for _ in 1 2 3 4 5; do printf "%1000d" 0 >"/dev/udp/203.0.113.10/$port"; done; done'
	[ $(($(field "$1" tx_octets) - before)) -ge 40000 ]
}
unused() { ! used "$1"; }

mkdir -p "$T/user" "$T/gw"
confs 100ms
braidd_start gw "$T/gw/braid.conf"
braidd_start user "$T/user/braid.conf"
braid user up home >"$T/up" 2>&1 || fail "up: $(cat "$T/up")"
wait_for 5 two_up user || fail "two paths: $(braid user paths)"
wait_for 5 two_up gw || fail "two paths at the gateway: $(braid gw paths)"
used w && used r || fail "not both paths are used"
# known after some probes
wait_for 5 eval '[ "$(field w loss_out_permille)" -lt 100 ] && [ "$(field r rtt_min_usec)" -gt 0 ]' || fail "$(braid user --json paths)"
a=$(field w probes_tx) b=$(field r probes_tx)
sleep 1
[ $((4 * ($(field w probes_tx) - a))) -gt $((5 * ($(field r probes_tx) - b))) ] || fail "one uplink is not probed more often"
echo "ok - uplink and connection have probe intervals of their own"

lossy
wait_for 10 path_is user w degraded || fail "loss is not seen: $(braid user paths)"
why_has w 'loss .* %, limit 10.0' || fail "why: $(field w why)"
unused w || fail "a degraded path is used beside one that is up"
wait_for 5 used r || fail "the other path is not used"
wait_for 5 eval '[ "$(field w loss_out_permille)" -gt 200 ]' || fail "$(braid user paths)"
[ "$(field w loss_in_permille)" -lt 100 ] || fail "$(braid user paths)"
[ "$(braid gw --json paths | jq -r '[.paths[] | select(.uplink == "a").state] | all(. == "up")')" = true ] || fail "the other direction: $(braid gw paths)"
echo "ok - loss on the way there: degraded here, not at the other end"

cut_path r2
wait_for 5 path_is user r down || fail "the cut is not seen"
used w || fail "the degraded path is not used for want of a better one"
echo "ok - a degraded path is used when none is up"

mend_path r2
wait_for 5 path_is user r up || fail "the path does not come back"
unused w || fail "the degraded path is still used"
in_ns r1 nft flush ruleset
wait_for 15 path_is user w up || fail "still degraded: $(braid user paths)"
used w || fail "the path is not used again"
echo "ok - up again when nothing is lost for some time"

confs 60s
braid user reload >"$T/reload" || fail "reload: $(cat "$T/reload")"
cut_path r2
wait_for 5 path_is user r down || fail "the cut is not seen"
mend_path r2
wait_for 5 why_has r 'answers again' || fail "why: $(field r why)"
path_is user r down && unused r || fail "used before its time"
echo "ok - a path that was down is not used before the hold is over"
cut_path r1
wait_for 5 path_is user r up || fail "the hold is kept while nothing else works: $(braid user paths)"
used r || fail "the path is not used"
echo "ok - unless nothing else works"

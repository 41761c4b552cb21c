#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# An uplink is lost in one way or another under a stream in each direction: both go on, nothing leaves
# any uplink in clear, and what is planned loses nothing. Probes are far too slow to tell of a link or an
# address that is lost: each end tells the other.
. "$(dirname "$0")/../lib/netns.sh"
. "$(dirname "$0")/../lib/agent.sh"
. "$(dirname "$0")/../lib/handover.sh"
nft list ruleset >/dev/null 2>&1 || skip "needs nft"

is() { [ "$(watched ".$1")" = "$2" ] || fail "$c: $1 is not $2: $(cat "$T/watch")"; }
below() { [ "$(watched ".$1")" -lt "$2" ] || fail "$c: $1: $(cat "$T/watch")"; }
used_by() { # the uplink that carries both streams at the end
	is there.by "$1"
	is back.by "$2"
}

case_is() { # CASE OPTION...
	c=$1
	shift
	handover_watch "$c" -d 500 -m 20000 "$@"
	is there.arrives true
	is back.arrives true
	is in_clear 0
	is missed 0
	[ "$(watched '.captured | add')" -gt 1000 ] || fail "$c: nothing is captured: $(cat "$T/watch")"
}
mended() {
	"mend_$c"
	wait_for 10 two_up user && wait_for 10 two_up gw || fail "$c: not mended: $(braid user paths)"
	echo "ok - $c: $(watched '.there, .back | "silent for \(.gap / 1000) ms, lost \(.lost)"' | paste -sd ';')"
}

handover_topo

# The same streams without a tunnel: what is in clear is seen.
c=clear
vip=203.0.113.129
ip -n "$(ns user)" addr add $vip/32 dev lo
ip -n "$(ns user)" route add 203.0.113.0/26 via 192.0.2.1 src $vip
ip -n "$(ns r1)" route add 203.0.113.0/26 via 192.0.2.66
ip -n "$(ns r1)" route add $vip via 192.0.2.2
ip -n "$(ns gw)" route add $vip via 192.0.2.65
handover_watch nothing -d 100
[ "$(watched .in_clear)" -gt 1000 ] || fail "what is in clear is not seen: $(cat "$T/watch")"
is there.lost 0
ip -n "$(ns user)" route del 203.0.113.0/26
ip -n "$(ns user)" addr del $vip/32 dev lo
ip -n "$(ns gw)" route del $vip
ip -n "$(ns r1)" route del 203.0.113.0/26
ip -n "$(ns r1)" route del $vip
echo "ok - packets in clear are found"

handover_braid_up 100ms
for c in planned preferred failback; do
	case_is $c -d 2000
	is there.lost 0
	is back.lost 0
	# after a preference that is taken back flows that are well off stay
	[ $c = preferred ] || used_by wlan0 eth0
	mended
done
for c in blackhole brownout; do
	case_is $c -d 1500
	[ $c = brownout ] || used_by ran0 eth1
	mended
done
handover_braid_down

handover_braid_up 2s
for c in link address gateway; do
	case_is $c
	used_by ran0 eth1
	for way in there back; do below $way.gap 2000000; done
	mended
done
grep -q 'down: the peer lost its link or address' "$T/gw/log" || fail "the gateway does not say that it was told"
grep -q 'down: the peer lost its link or address' "$T/user/log" || fail "the host does not say that it was told"
handover_braid_down

# Who probes more often knows first, and tells.
handover_braid_up 100ms 2s
case_is blackhole
used_by ran0 eth1
for way in there back; do below $way.gap 2000000; done
grep -q 'down: the peer gets no answers to its probes' "$T/gw/log" || fail "the gateway was not told"
mended
handover_braid_down

# The next probe proves the new mapping, and the old one is left: silence is not waited for.
handover_nat
handover_braid_up 2s
case_is rebinding
below back.gap 3500000
is there.lost 0
mended

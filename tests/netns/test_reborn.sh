#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# A gateway that loses its power and comes back with nothing of what it knew: the road warrior is back
# in seconds, not after a liveness check's delay and its retransmissions (RFC 7296 1.5, 2.4), and at
# once if the secret of its crash tokens is still there (RFC 6290).
# [QCD-1] [INF-11] [ROB-7]
. "$(dirname "$0")/../lib/netns.sh"
. "$(dirname "$0")/../lib/agent.sh"

ok() { echo "ok - $*"; }
reach() { in_ns user ping -c 1 -W 0.3 -q 203.0.113.10; }
# The agent, the engine, what they left in kernel and files, and all that was attached; but the
# files that are named stay.
power_cut() {
	local p i
	for p in $(ip netns pids "$(ns gw)"); do kill -9 "$p"; done
	wait_for 2 no_pids gw || fail "the gateway's processes do not die"
	find "$T/gw/run" -type f ! -name "${1:-}" -delete
	rm -rf "$T/gw/bpf/braid" "$T/gw/run/"*.sock
	for i in braid0 braidtun0; do ip -n "$(ns gw)" link del "$i" 2>/dev/null; done
	for i in eth0 eth1; do tc -n "$(ns gw)" qdisc del dev "$i" clsact 2>/dev/null; done
	return 0
}

topo_multihomed
agent_confs 100ms
sed -i 's/child "net" {/& start_action = start /' "$T/user/braid.conf"
braidd_start gw "$T/gw/braid.conf"
braidd_start user "$T/user/braid.conf"
wait_for 10 reach || fail "the LAN is not reached: $(braid user status)"
# traffic of the user's, all the time, as probes are too
in_ns user ping -i 0.1 -q 203.0.113.10 >/dev/null 2>&1 &

[ "$(stat -c '%a %s' "$T/gw/run/qcd_secret")" = '600 32' ] || fail "the secret: $(stat "$T/gw/run/qcd_secret")"
before=$(sha256sum <"$T/gw/run/qcd_secret")
power_cut qcd_secret
braidd_start gw "$T/gw/braid.conf"
begin=$(date +%s%N)
wait_for 10 reach || fail "not back after $((($(date +%s%N) - begin) / 1000000)) ms: $(braid user status)"
echo "# back after $((($(date +%s%N) - begin) / 1000000)) ms"
grep -q 'which its token (QCD) proves' "$T/user/log" || fail "it was noticed in another way"
[ "$(sha256sum <"$T/gw/run/qcd_secret")" = "$before" ] || fail "the secret has changed"
ok "a gateway that lost all but the secret of its tokens"

power_cut
braidd_start gw "$T/gw/braid.conf"
begin=$(date +%s%N)
wait_for 10 reach || fail "not back after $((($(date +%s%N) - begin) / 1000000)) ms: $(braid user status)"
echo "# back after $((($(date +%s%N) - begin) / 1000000)) ms"
grep -q 'does not know this IKE SA any more' "$T/user/log" || fail "it was noticed in another way"
[ "$(braid user --json sas | jq '.ike_sas | length')" = 1 ] || fail "the old IKE SA is still there"
ok "a gateway that lost everything"

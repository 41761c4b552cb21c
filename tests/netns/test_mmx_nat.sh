#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# S13: a NAT before one uplink only. Its path goes in UDP to where the probe came from, with keepalives;
# the other one knows of no NAT. Packets go over both.
# [DES-5.2.1-3] [DES-5.2.2-1]
. "$(dirname "$0")/../lib/netns.sh"
. "$(dirname "$0")/../lib/agent.sh"
. "$(dirname "$0")/../lib/clones.sh"
. "$(dirname "$0")/../lib/mmx.sh"
command -v nft >/dev/null || skip "needs nft"

ok() { echo "ok - $*"; }

clones_topo
in_ns r2 nft -f - <<-NFT || skip "nftables NAT is not available"
	table ip nat {
		chain post {
			type nat hook postrouting priority srcnat;
			ip saddr 198.51.100.2 oifname != "user" masquerade random
		}
	}
NFT
mmx_confs 'multipath = mmx' 'multipath = mmx'
mmx_up
bound_to() { relation "$1" "[.bindings[].paths[] | select((.boot or .alternate | not) and (.$2 | startswith(\"$3:\")))]$4"; }
wait_for 10 eval '[ "$(bound_to user local $I1 " | length")" = 2 ]' || fail "the second uplink is not used: $(braid user mmx list)"
[ "$(bound_to user local $I1 ' | all(.nat)')" = true ] || fail "no NAT on the second uplink: $(braid user mmx list)"
[ "$(bound_to user local $I0 ' | any(.nat)')" = false ] || fail "a NAT on the first: $(braid user mmx list)"
behind() { [ "$(relation gw '[.bindings[].paths[] | select(.nat)] | length')" = 2 ]; }
wait_for 10 behind || fail "the gateway sees no NAT: $(braid gw mmx list)"
[ "$(relation gw "[.bindings[].paths[].remote | select(startswith(\"$I1:\"))] | length")" = 0 ] ||
	fail "the gateway sends to an address behind the NAT: $(braid gw mmx list)"
wait_for 10 eval '[ "$(paths_in_state gw up)" = 4 ]' || fail "paths: $(braid gw paths)"
ok "S13: a NAT on one path of two"

# It forgets: what is probed next is told as it was seen.
flush() { in_ns r2 /usr/bin/python3 "$top/tests/lib/conntrack_flush.py"; }
if flush >"$T/flush"; then
	remotes() { relation gw '[.bindings[].paths[] | select(.nat).remote] | sort | join(" ")'; }
	# shellcheck disable=SC2034
	was=$(remotes)
	wait_for 40 eval '[ "$(remotes)" != "$was" ] && grep -q "its NAT has another mapping" "$T/user/log"' ||
		fail "the gateway goes on with the old mapping: $(braid gw mmx list)"
	wait_for 10 behind || fail "the gateway sees no NAT: $(braid gw mmx list)"
	ok "S13: another mapping is told"
else
	echo "# not tested here: connections cannot be forgotten: $(cat "$T/flush")"
fi
traffic_begin
ip -n "$(ns user)" link set wlan0 down
wait_for 10 eval '[ "$(bound_to gw remote $I0 " | length")" = 0 ]' || fail "the first uplink is still used: $(braid gw mmx list)"
wait_for 10 reach || fail "the LAN is not reached behind the NAT"
traffic_end 100
ok "all goes through the NAT when the other uplink is lost"

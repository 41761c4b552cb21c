#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# MMX between hosts whose ESP is the kernel's: the gateway takes an alternate of the user's endpoint (FAILOVER) when a
# path is cut in the middle, where no link tells of it: what goes out and is not answered makes IKE ask. By hand, too,
# after alternates were told (SET_ALT). States are never touched. [MM-10.3.1-4]
. "$(dirname "$0")/../lib/netns.sh"
. "$(dirname "$0")/../lib/agent.sh"
. "$(dirname "$0")/../lib/clones.sh"
. "$(dirname "$0")/../lib/mmx.sh"
. "$(dirname "$0")/../lib/kernel.sh"
kernel_esp_or_skip
ok() { echo "ok - $*"; }
states() { ip -n "$(ns "$1")" xfrm state list | grep -A1 '^src' | sort; }
untouched() {
	[ "$(spis user)" = "$before" ] || fail "$1: Child SAs have been replaced: $(braid user sas)"
	[ "$(states user; states gw)" = "$states" ] || fail "$1: states have been touched: $(states user; states gw)"
	ok "$1"
}
# What the user sends and gets over the network of that router is lost; links stay up.
cut_uplink() { # r1 or r2
	in_ns "$1" nft -f - <<-'NFT'
		table inet cut {
			chain f { type filter hook forward priority 0; iifname "user" drop; oifname "user" drop; }
		}
	NFT
}
mend_uplink() { in_ns "$1" nft delete table inet cut; }
command -v nft >/dev/null || skip "needs nft"

clones_topo
mmx_confs 'multipath = no mmx = yes retransmit_timeout = 1s' 'multipath = mmx retransmit_timeout = 1s'
for h in user gw; do sed -i '1i dataplane { backend = kernel }' "$T/$h/braid.conf"; done
wait_bound=60
mmx_up
soon reach || fail "the tunnel is not there: $(braid user sas)"
before=$(spis user) states=$(states user; states gw)

by_ran() { # by our word, or by the peer's after ours that it may
	if [ "$1" = update ]; then
		braid user mmx update home $I0 $I1
	else
		braid user mmx alternates home $I0 $I1 && braid gw mmx failover rw $I0 $I1
	fi >"$T/out" 2>&1 || fail "$1: $(cat "$T/out")"
	bind_is "$I1>$R0"
	soon reach || fail "$1: ran does not carry it: $(braid user mmx list)"
}
by_ran update
traffic_begin
cut_uplink r2
bind_is "$I0>$R0"
soon reach || fail "wlan does not carry it: $(braid user mmx list; braid gw mmx list)"
traffic_end 3000
mend_uplink r2
untouched "a path is cut in the middle: the gateway fails over to the alternate"

by_ran failover
agent_dies user
agent_dies gw
soon reach || fail "nobody is reached without agents"
for h in gw user; do braidd_start "$h" "$T/$h/braid.conf" -v; done
bind_is "$I1>$R0"
soon reach || fail "nobody is reached with other agents: $(braid user mmx list; braid gw mmx list)"
untouched "alternates are told, the gateway takes one by hand; other agents know"

traffic_begin
cut_uplink r2
bind_is "$I0>$R0"
soon reach || fail "wlan does not carry it: $(braid user mmx list; braid gw mmx list; braid user paths; braid gw paths)"
traffic_end 3000
mend_uplink r2
untouched "they fail over, too"

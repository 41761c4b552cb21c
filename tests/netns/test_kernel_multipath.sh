#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# Two uplinks at once where ESP is the kernel's: Child SAs bound to both by MMX, moved between them under a TCP
# connection and datagrams, flows spread over both, a class kept on one, all of it over delay and loss, and through
# the deaths of both agents. States are never touched.
. "$(dirname "$0")/../lib/netns.sh"
. "$(dirname "$0")/../lib/agent.sh"
. "$(dirname "$0")/../lib/clones.sh"
. "$(dirname "$0")/../lib/mmx.sh"
. "$(dirname "$0")/../lib/kernel.sh"
kernel_esp_or_skip
ok() { echo "ok - $*"; }

clones_topo
for i in 1 2 3; do ip -n "$(ns lan)" addr add 203.0.113.1$i/26 dev eth0; done
mmx_confs 'multipath = no mmx = yes retransmit_timeout = 1s'
for h in user gw; do sed -i '1i dataplane { backend = kernel }' "$T/$h/braid.conf"; done
wait_bound=60
mmx_up
[ "$(braid user --json status | jq -r .esp.by)" = kernel ] || fail "not the kernel's ESP: $(braid user status)"
before=$(spis user)
states() { ip -n "$(ns "$1")" xfrm state list | grep -A1 '^src' | sort; }
states=$(states user)

sent() { # HOST LOCAL REMOTE: packets, by all paths between them
	braid "$1" --json paths | jq --arg l "$2:4500" --arg r "$3:4500" '[.paths[] | select(.local == $l and .remote == $r).tx_packets] | add // 0'
}
carries() { # HOST LOCAL REMOTE: as many as went
	local n
	n=$(sent "$@")
	in_ns user ping -c 20 -i 0.05 -W 2 -q 203.0.113.12 >"$T/ping"
	[ $(($(sent "$@") - n)) -ge 20 ]
}
used() { carries user "$1" "$2" && carries gw "$2" "$1"; }
mmx() { braid user --json mmx "$@" >"$T/out" 2>&1 || fail "mmx $*: $(cat "$T/out")"; }
untouched() {
	[ "$(spis user)" = "$before" ] || fail "$1: Child SAs have been replaced: $(braid user sas)"
	[ "$(states user)" = "$states" ] || fail "$1: states have been touched: $(states user)"
	ok "$1"
}

traffic_begin
mmx update home $I0 $I1
bind_is "$I1>$R0"
wait_for 20 used $I1 $R0 || fail "ran does not carry it: $(braid user paths; braid gw paths)"
mmx add home $I0
bind_is "$I0>$R0" "$I1>$R0"
mmx remove home $I1
bind_is "$I0>$R0"
wait_for 20 used $I0 $R0 || fail "wlan does not carry it: $(braid user paths)"
traffic_end 0
untouched "from one interface to the other and back: nothing is lost"

mmx add home $I1
bind_is "$I0>$R0" "$I1>$R0"
both() {
	local a b
	a=$(sent user $I0 $R0) b=$(sent user $I1 $R0)
	many_flows
	[ $(($(sent user $I0 $R0) - a)) -ge 50 ] && [ $(($(sent user $I1 $R0) - b)) -ge 50 ]
}
wait_for 20 both || fail "not both: $(braid user paths)"
untouched "flows go by both interfaces at once"

# ---- delay on one, loss on the other ----

if in_ns r1 tc qdisc add dev gw root netem delay 40ms 2>"$T/netem" && in_ns r2 tc qdisc add dev gw root netem loss 3%; then
	traffic_begin
	wait_for 20 both || fail "not both, with delay and loss: $(braid user paths)"
	in_ns user ping -c 200 -i 0.02 -W 2 -q 203.0.113.12 >"$T/ping" || fail "nothing passes: $(cat "$T/ping")"
	in_ns r1 tc qdisc del dev gw root
	in_ns r2 tc qdisc del dev gw root
	traffic_end 200
	in_ns user cat /proc/net/xfrm_stat >"$T/stat"
	[ "$(awk '$1 ~ /StateProtoError|StateSeqError|NoStates/ { n += $2 } END { print n + 0 }' "$T/stat")" = 0 ] ||
		fail "the kernel refuses packets: $(grep -v ' 0$' "$T/stat")"
	untouched "40 ms apart and 3 % lost: TCP goes on, no packet of either path is refused as a replay"
else
	echo "# no netem here: $(cat "$T/netem")"
fi

# ---- agents die ----

traffic_begin
agent_dies user
agent_dies gw
for h in gw user; do braidd_start "$h" "$T/$h/braid.conf" -v; done
bind_is "$I0>$R0" "$I1>$R0"
traffic_end 0
wait_for 20 both || fail "not both after a restart: $(braid user paths)"
untouched "both agents die and come back: nothing is lost"

# ---- a class has an uplink of its own ----

sed -i '1i class "voice" { match { dscp = { ef } } mode = priority prefer = { ran } }' "$T/user/braid.conf"
braid user reload >"$T/out" 2>&1 || fail "reload: $(cat "$T/out")"
voice() {
	local n
	n=$(sent user $I1 $R0)
	for i in 1 2 3; do in_ns user ping -c 10 -i 0.02 -W 2 -q -Q 0xb8 203.0.113.1$i; done
	[ $(($(sent user $I1 $R0) - n)) -ge 30 ]
}
wait_for 20 voice || fail "the class does not go by its uplink: $(braid user steering; braid user paths)"
untouched "a class goes by the uplink it prefers"

#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# The state of the data plane as bpftool shows it, without braid: every pinned map by its fields'
# names, with the values that are in use; what the programs report of strangers reaches the operator.
. "$(dirname "$0")/../lib/netns.sh"
. "$(dirname "$0")/../lib/agent.sh"

command -v bpftool >/dev/null || skip "needs bpftool"
ok() { echo "ok - $*"; }
pins=$T/user/bpf/braid

dump() { bpftool map dump pinned "$pins/$1" 2>&1; }
# fields MAP NAME...: bpftool prints these names
fields() {
	local map=$1 name
	shift
	dump "$map" >"$T/dump" || fail "$map cannot be dumped: $(head -n 3 "$T/dump")"
	for name in "$@"; do
		grep -q "\"$name\": " "$T/dump" || fail "$map has no field $name: $(head -n 20 "$T/dump")"
	done
}
# value MAP JQ: of the entries of an array or hash, per-CPU ones as they are
value() { bpftool -j map dump pinned "$pins/$1" | jq -c "[.[].formatted] | $2"; }

topo_multihomed
agent_confs 200ms
braidd_start gw "$T/gw/braid.conf"
braidd_start user "$T/user/braid.conf"
in_ns user "$B/braid" -d "$T/user/run" --json events >"$T/events" 2>&1 &
braid user up home >"$T/up" 2>&1 || fail "up: $(cat "$T/up")"
wait_for 10 two_up user || fail "two paths are not up: $(braid user paths)"
in_ns user ping -c 5 -i 0.1 -W 2 -q 203.0.113.10 >"$T/ping" || fail "the LAN is not reached"

fields abi version sa_max paths_max groups_max
fields sa_in spi sa_id owner family flags sport dport src dst
fields sa_out sa_id group flags spi
fields sa_stat in_packets in_octets out_packets out_octets
fields group_cur slot
fields group id version mode n_members copies path line weight flow
fields path_cur slot state gen
fields path id epids ifindex mtu family flags sport dport dmac smac src dst
fields path_stat tx_packets tx_octets rx_packets rx_octets rx_last_nsec rx_last_tick tx_class packets octets
fields rx_path ifindex family local remote
fields rx_hint path key
fields drops key value
fields uplink mode own_clsact
fields frag_id key value
fields shield_dev key value
fields intake spread n_cpus drop_unknown cpu
[ "$(find "$pins" -type f | wc -l)" = 23 ] || fail "pins that this test does not know: $(ls "$pins")"
ok "every map is dumped with the names of its fields" # shield, frag_in, cpus and awaited are empty here

[ "$(value abi '.[0].value.version')" -ge 1 ] || fail "no ABI version"
spi=$(braid user --json sas | jq -r '.ike_sas[0].children[0].spi_in')
[ "$(value sa_in "[.[] | select(.value.spi == $((16#$spi)))] | length")" = 1 ] ||
	fail "the Child SA's SPI $spi is not in sa_in"
[ "$(value path_cur '[.[] | select(.value.slot != 0)] | length')" = 2 ] ||
	fail "path_cur does not name two paths: $(value path_cur '.[0:4]')"
[ "$(value uplink length)" = 2 ] || fail "uplink does not name two devices: $(value uplink .)"
sent=$(value path_stat '[.[].values[].value | select(.tx_packets > 0) | .tx_packets - .tx_class[0].packets] | add')
[ "$(value path_stat '[.[].values[].value.tx_class[0].packets] | add')" -ge 5 ] && [ "$sent" -gt 0 ] ||
	fail "packets of the default class, and probes besides: $sent"
ok "what is up is in the maps"

mode=$(find "$pins" -type f ! -perm 600)
[ -z "$mode" ] || fail "others may read $mode"
[ "$(stat -c %a "$pins")" = 700 ] || fail "others may enter $pins"
ok "and private"

in_ns r1 bash -c 'for i in 1 2 3; do printf "\x0f\x0f\x0f\x0f\x00\x00\x00\x01%064d" 0 >/dev/udp/192.0.2.2/4500; sleep 0.05; done'
wait_for 3 grep -q '"unknown-spi"' "$T/events" || fail "no event for an unknown SPI: $(tail -n 3 "$T/events")"
grep -q 'SPI 0f0f0f0f from 192.0.2.1:[0-9]* on wlan0' "$T/user/log" || fail "no line for an unknown SPI"
[ "$(braid user --json stats | jq .drops.UNKNOWN_SPI)" -ge 3 ] || fail "an unknown SPI is not counted"
ok "an unknown SPI is counted, told in the log and in events"

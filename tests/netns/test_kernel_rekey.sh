#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# Rekeys where ESP is the kernel's, under 100 datagrams a second each way and a TCP connection: of the Child SA and of the IKE
# SA, by either end and by both at once, by time and by volume, and not one packet lost; the kernel has no more states
# than before in the end.
. "$(dirname "$0")/../lib/netns.sh"
. "$(dirname "$0")/../lib/agent.sh"
. "$(dirname "$0")/../lib/kernel.sh"
command -v tcpdump >/dev/null || skip "needs tcpdump"
kernel_esp_or_skip
ok() { echo "ok - $*"; }

topo_multihomed
for h in user gw; do ip -n "$(ns $h)" -6 addr flush scope global; done
confs() { # KEYS-OF-CHILD
	agent_confs
	for h in user gw; do
		sed -i -e '/path "/d' -e '1i dataplane { backend = auto }' -e "s/child \"net\" {/& $1 /" \
			-e 's/multipath = true/multipath = no retransmit_timeout = 1s/' "$T/$h/braid.conf"
	done
}
stop() {
	local h
	for h in user gw; do
		kill "$(agent_pid $h)"
		wait_for 20 no_pids $h || fail "$h does not end"
	done
}
listens() { in_ns lan ss -ltnH | grep -q :7007; }
in_ns lan /usr/bin/python3 "$top/tests/lib/traffic.py" echo 203.0.113.10 7007 &
wait_for 20 listens || fail "no echo"

rx() { braid user --json sas | jq '[.ike_sas[].children[].rx_packets] | add // 0'; }
traffic_runs() { [ "$(rx)" -gt 20 ]; }
traffic_begin() {
	ip netns exec "$(ns user)" /usr/bin/python3 "$top/tests/lib/traffic.py" run 203.0.113.10 7007 "$vip" >"$T/traffic" 2>"$T/traffic.err" &
	traffic=$!
	wait_for 20 traffic_runs || fail "no traffic: $(cat "$T/traffic.err")"
}
traffic_end() { # what
	kill $traffic
	wait $traffic || fail "$1: $(cat "$T/traffic.err")"
	jq -e '.[] | .tcp and .lost == 0 and .sent > 60' "$T/traffic" >/dev/null ||
		fail "$1: $(cat "$T/traffic"; in_ns user cat /proc/net/xfrm_stat | grep -v ' 0$'; in_ns gw cat /proc/net/xfrm_stat | grep -v ' 0$')"
	ok "$1: $(jq -r '.[] | "none of \(.sent) datagrams lost"' "$T/traffic")"
}
children() { braid "$1" --json sas | jq '[.ike_sas[].children[]] | length'; }
states() { ip -n "$(ns "$1")" xfrm state list | grep -c '^src'; }
settled() {
	local h
	for h in user gw; do [ "$(children $h)" = 1 ] && [ "$(states $h)" = 2 ] || return 1; done
}
rekeys() { cat "$T/user/log" "$T/gw/log" | grep -c "$1"; }

confs ''
kernel_up
[ "$(braid user --json status | jq -r '.esp.by, .esp.why' | xargs)" = "kernel it can do all that is configured" ] ||
	fail "auto takes another: $(braid user status)"
traffic_begin
for i in 1 2 3; do
	braid user rekey home/net >"$T/rekey" 2>&1 || fail "rekey: $(cat "$T/rekey")"
	braid gw rekey rw/net >"$T/rekey" 2>&1 || fail "rekey by the gateway: $(cat "$T/rekey")"
	braid user rekey home >"$T/rekey" 2>&1 || fail "rekey of the IKE SA: $(cat "$T/rekey")"
	braid user rekey home/net >/dev/null 2>&1 & # and both at once: one of them wins
	a=$!
	braid gw rekey rw/net >/dev/null 2>&1
	wait $a
done
wait_for 40 settled || fail "not one SA each: $(braid user sas; xfrm_of user; braid gw sas)"
traffic_end "by either end, by both at once"
stop

for what in 'rekey_time = 3s rand_time = 1s life_time = 60s' 'rekey_bytes = 64k rand_bytes = 0 life_bytes = 16m'; do
	confs "$what"
	kernel_up
	traffic_begin
	enough() { [ "$(rekeys 'Child SA net rekeyed')" -ge 4 ]; }
	wait_for 120 enough || fail "$what: $(rekeys 'Child SA net rekeyed') rekeys: $(cat "$T/user/log")"
	traffic_end "$what"
	stop
done

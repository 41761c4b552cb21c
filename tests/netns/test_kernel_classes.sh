#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# Traffic classes where ESP is the kernel's, over what MMX binds one Child SA to: one uplink, both, copies by either,
# what has no room by the other, not by wlan, nowhere. Modes change by reloads, the Child SA is rekeyed and both agents
# die while packets go.
. "$(dirname "$0")/../lib/netns.sh"
. "$(dirname "$0")/../lib/agent.sh"
. "$(dirname "$0")/../lib/clones.sh"
. "$(dirname "$0")/../lib/mmx.sh"
. "$(dirname "$0")/../lib/kernel.sh"
for tool in bpftool python3; do command -v $tool >/dev/null || skip "needs $tool"; done
. "$(dirname "$0")/../lib/steered.sh"
kernel_esp_or_skip

clones_topo
ip -n "$(ns lan)" addr add 203.0.113.11/26 dev eth0
mmx_confs 'multipath = no mmx = yes retransmit_timeout = 1s'
for h in user gw; do sed -i '1i dataplane { backend = kernel }' "$T/$h/braid.conf"; done
steady
sed -i 's/rate = 1mbit/rate = 200kbit/' "$T/user/braid.conf" # what a slow machine can fill
wait_bound=60
modes "mode = active-standby prefer = { ran } hold = 1s"
mmx_up
braid user mmx add home $I1 >"$T/out" 2>&1 || fail "add: $(cat "$T/out")"
bind_is "$I0>$R0" "$I1>$R0"

soon by 1 $VOICE $I1 $I0 || fail "voice does not go by ran: $(cat "$T/ping"; braid user steering)"
soon copied 2 $COPY || fail "no copies, or too many: $(cat "$T/ping"; braid user steering)"
soon by 5 $AWAY $I1 $I0 || fail "what must not go by wlan: $(cat "$T/ping"; braid user steering)"
nowhere 4 $NONE || fail "what must not go anywhere does: $(braid user steering)"
soon spread 0 0 50 || fail "the rest is not spread: $(braid user steering)"
ok "one path, both, copies by each uplink, not by wlan, nowhere"

flows_of $SPILL 5 &
flows=$!
soon grep -q "class spill: .*: full" "$T/user/log" || fail "nothing is spilled: $(braid user steering)"
wait $flows
[ "$(carried 3 $I1)" -gt 100 ] || fail "ran carries none of it: $(braid user steering)"
ok "what has no room goes by ran"

traffic_begin
for mode in "mode = redundant" "mode = balance" "mode = priority prefer = { ran }"; do
	modes "$mode"
	reload
	soon sends $VOICE || fail "voice: $(cat "$T/ping")"
done
soon by 1 $VOICE $I1 $I0 || fail "voice does not go by ran after reloads: $(cat "$T/ping"; braid user steering)"
before=$(spis user)
braid user rekey --child home >"$T/out" 2>&1 || fail "rekey: $(cat "$T/out")"
[ "$(spis user)" != "$before" ] || fail "it is not rekeyed: $(braid user sas)"
agent_dies user
agent_dies gw
sends $VOICE || fail "voice without agents: $(cat "$T/ping")"
sends $COPY || fail "copies without agents: $(cat "$T/ping")"
for h in gw user; do braidd_start "$h" "$T/$h/braid.conf" -v; done
traffic_end 0
soon by 1 $VOICE $I1 $I0 || fail "voice after a restart: $(cat "$T/ping"; braid user steering)"
soon copied 2 $COPY || fail "copies after a restart: $(cat "$T/ping"; braid user steering)"
ok "modes change by reloads, a rekey, the deaths of both agents: nothing is lost"

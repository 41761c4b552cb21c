#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# Traffic classes over what MMX binds Child SAs to: one tunnel with several addresses, and a tunnel for
# each uplink. Each class goes as it is to; modes change, an uplink goes and an SA is rekeyed while
# packets go.
. "$(dirname "$0")/../lib/netns.sh"
. "$(dirname "$0")/../lib/agent.sh"
. "$(dirname "$0")/../lib/clones.sh"
. "$(dirname "$0")/../lib/mmx.sh"
for tool in bpftool python3; do command -v $tool >/dev/null || skip "needs $tool"; done
. "$(dirname "$0")/../lib/steered.sh"

ran_up() {
	ip -n "$(ns user)" link set ran0 up
	ip -n "$(ns user)" route add default via 198.51.100.1 dev ran0 metric 200
}
rekey() {
	local before
	before=$(spis user)
	braid user rekey --child home >"$T/out" 2>&1 || fail "rekey: $(cat "$T/out")"
	wait_for 10 eval '[ "$(spis user)" != "'"$before"'" ]' || fail "it is not rekeyed: $(braid user sas)"
}

clones_topo
for i in 1 2 3 4 5 6; do ip -n "$(ns lan)" addr add "203.0.113.1$i/26" dev eth0 2>/dev/null; done

# ---- one tunnel, several addresses ----

mmx_confs 'multipath = mmx' 'multipath = mmx'
steady
modes "mode = active-standby prefer = { ran } hold = 1s"
mmx_up
bind_is "$I0>$R0" "$I0>$R1" "$I1>$R0" "$I1>$R1"
wait_for 5 by 1 $VOICE $I1 $I0 || fail "voice does not go by ran: $(braid user steering)"
wait_for 5 spread 0 0 50 || fail "the rest is not spread: $(braid user steering)"
wait_for 5 copied 2 $COPY || fail "no copies, or too many: $(cat "$T/ping") $(braid user steering)"
wait_for 5 by 5 $AWAY $I1 $I0 || fail "what must not go by wlan: $(braid user steering)"
nowhere 4 $NONE || fail "what must not go anywhere does: $(braid user steering)"
ok "one tunnel: one path, both, copies by each uplink, not by wlan, nowhere"
flows_of $SPILL 6 &
flows=$!
wait_for 8 grep -q "class spill: .*: full" "$T/user/log" || fail "nothing is spilled: $(braid user steering)"
wait $flows
wait_for 15 grep -q "class spill: .*: has room again" "$T/user/log" || fail "what was spilled does not return"
[ "$(carried 3 $I1)" -gt 100 ] || fail "ran carries none of it: $(braid user steering)"
ok "one tunnel: what has no room goes by ran, and returns"

load 4
for mode in "mode = redundant" "mode = balance" "mode = priority prefer = { wlan }" "mode = active-standby prefer = { wlan } hold = 1s"; do
	modes "$mode"
	reload
	sleep 0.3
	sends $VOICE || fail "voice: $(cat "$T/ping")"
done
load_end 0 "modes change by a reload, without a lost packet"
wait_for 5 by 1 $VOICE $I0 $I1 || fail "voice does not go by wlan: $(braid user steering)"
load 3
rekey
by 1 $VOICE $I0 $I1 || fail "voice after it: $(cat "$T/ping") $(braid user steering)"
copied 2 $COPY || fail "copies after it: $(cat "$T/ping") $(braid user steering)"
load_end 0 "a Child SA is rekeyed: classes go on, nothing is lost"

load 5
ip -n "$(ns user)" link set ran0 down
bind_is "$I0>$R0" "$I0>$R1"
sends $COPY || fail "copies: $(cat "$T/ping")"
by 1 $VOICE $I0 $I1 || fail "voice: $(cat "$T/ping") $(braid user steering)"
nowhere 5 $AWAY || fail "what must not go by wlan does: $(braid user steering)"
nowhere 4 $NONE || fail "what must not go anywhere does: $(braid user steering)"
ran_up
bind_is "$I0>$R0" "$I0>$R1" "$I1>$R0" "$I1>$R1"
load_end 40 "an uplink goes and comes"
wait_for 10 by 5 $AWAY $I1 $I0 || fail "what must not go by wlan does not go by ran again: $(braid user steering)"
wait_for 5 copied 2 $COPY || fail "copies do not return: $(braid user steering)"
ok "and classes with it: what must not go by the other one waits"
clones_down

# ---- a tunnel for each uplink ----

mmx_confs 'multipath = mmx tunnels = each inner_address = per_line'
steady
modes "mode = active-standby prefer = { ran } hold = 1s"
mmx_up
wait_for 10 eval '[ "$(sas user "[.[].children[]] | length")" = 2 ]' || fail "no second tunnel: $(braid user sas)"
wait_for 10 bound_has user "$I1>$R1" || fail "the second tunnel: $(braid user mmx list)"
# An address inside for each of them.
# shellcheck disable=SC2207
inner=($(sas user '[.[].vips[]] | unique | join(" ")' | tr -d '"'))
[ ${#inner[@]} = 2 ] || fail "inner addresses: ${inner[*]}"
from=${inner[0]}
wait_for 5 by 1 $VOICE $I0 $I1 || fail "the first tunnel does not go by wlan: $(braid user steering)"
nowhere 5 $AWAY || fail "what must not go by wlan does: $(braid user steering)"
nowhere 4 $NONE || fail "what must not go anywhere does: $(braid user steering)"
from=${inner[1]}
wait_for 5 by 1 $VOICE $I1 $I0 || fail "the second tunnel does not go by ran: $(braid user steering)"
wait_for 5 by 5 $AWAY $I1 $I0 || fail "what must not go by wlan: $(braid user steering)"
nowhere 4 $NONE || fail "what must not go anywhere does: $(braid user steering)"
wait_for 5 copied 2 $COPY || fail "no copies, or too many: $(cat "$T/ping") $(braid user steering)"
ok "a tunnel for each: each by its uplink, copies by the alternate, not by wlan, nowhere"

load 4
for mode in "mode = redundant" "mode = balance" "mode = active-standby prefer = { wlan } hold = 1s"; do
	modes "$mode"
	reload
	sleep 0.3
	for from in "${inner[@]}"; do sends $VOICE || fail "voice from $from: $(cat "$T/ping")"; done
done
load_end 0 "a tunnel for each: modes change by a reload, without a lost packet"

ip -n "$(ns user)" link set ran0 down
wait_for 10 bound_has gw "$R1>$I0" || fail "the second tunnel stays: $(braid gw mmx list)"
from=${inner[1]}
wait_for 5 by 1 $VOICE $I0 $I1 || fail "the second tunnel does not go by wlan: $(cat "$T/ping") $(braid user steering)"
sends $COPY || fail "copies: $(cat "$T/ping")"
nowhere 5 $AWAY || fail "what must not go by wlan does: $(braid user steering)"
nowhere 4 $NONE || fail "what must not go anywhere does: $(braid user steering)"
ran_up
wait_for 10 bound_has gw "$R1>$I1" || fail "the second tunnel stays away: $(braid gw mmx list)"
wait_for 10 by 5 $AWAY $I1 $I0 || fail "what must not go by wlan does not go by ran again: $(braid user steering)"
wait_for 10 copied 2 $COPY || fail "copies do not return: $(braid user steering)"
ok "a tunnel for each: an uplink goes and comes"

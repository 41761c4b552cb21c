#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# Traffic classes over an IKE SA for each path (multipath = clone): each class goes as it is to, with the
# SA of the path that carries it; modes change, a path fails and an SA is rekeyed while packets go.
. "$(dirname "$0")/../lib/netns.sh"
. "$(dirname "$0")/../lib/agent.sh"
. "$(dirname "$0")/../lib/clones.sh"
for tool in bpftool python3; do command -v $tool >/dev/null || skip "needs $tool"; done
. "$(dirname "$0")/../lib/steered.sh"

# Packets of a line's Child SAs, sent.
by_line() { sas user "[.[] | select(.line == $1).children[].tx_packets] | add"; }

clones_topo
for i in 1 2 3 4 5 6; do ip -n "$(ns lan)" addr add "203.0.113.1$i/26" dev eth0 2>/dev/null; done
clones_confs "\"$R0\", \"$R1\""
steady
modes "mode = active-standby prefer = { ran } hold = 1s"
clones_up
have "$I0>$R0" "$I1>$R1"
wait_for 10 two_up user || fail "two paths: $(braid user paths)"
wait_for 10 two_up gw || fail "two paths at the gateway: $(braid gw paths)"
wait_for 10 reach || fail "the LAN is not reached: $(braid user paths)"
first=$(line_at user "$I0>$R0") second=$(line_at user "$I1>$R1")

wait_for 5 by 1 $VOICE $I1 $I0 || fail "voice does not go by ran: $(braid user steering)"
a=$(by_line "$first") b=$(by_line "$second")
sends $VOICE || fail "voice: $(cat "$T/ping")"
[ $(($(by_line "$second") - b)) -ge 20 ] && [ $(($(by_line "$first") - a)) -lt 20 ] || fail "not by the SA of its path: $(braid user sas)"
ok "active-standby: one path, and its SA"
wait_for 5 spread 0 0 50 || fail "the rest is not spread: $(braid user steering)"
ok "balance: both"
wait_for 5 copied 2 $COPY || fail "no copies, or too many: $(cat "$T/ping") $(braid user steering)"
ok "redundant: a copy by each path, and one of them arrives"

nowhere 4 $NONE || fail "what must not go anywhere does: $(braid user steering)"
ok "never: nowhere"

flows_of $SPILL 6 &
flows=$!
wait_for 8 grep -q "class spill: wlan: full" "$T/user/log" || fail "nothing is spilled: $(braid user steering)"
a=$(carried 3 $I0) b=$(carried 3 $I1)
sleep 2
a=$(($(carried 3 $I0) - a)) b=$(($(carried 3 $I1) - b))
[ $((b * 100)) -ge $(((a + b) * 20)) ] && [ $((b * 100)) -le $(((a + b) * 80)) ] || fail "spilled: wlan has $a, ran $b"
wait $flows
wait_for 15 grep -q "class spill: wlan: has room again" "$T/user/log" || fail "what was spilled does not return"
ok "priority: what has no room goes by the other path, and returns"

# ---- while packets go ----

load 4
for mode in "mode = redundant" "mode = balance" "mode = priority prefer = { wlan }" "mode = active-standby prefer = { wlan } hold = 1s"; do
	modes "$mode"
	reload
	sleep 0.3
	sends $VOICE || fail "voice: $(cat "$T/ping")"
done
load_end 0 "modes change by a reload, without a lost packet"
wait_for 5 by 1 $VOICE $I0 $I1 || fail "voice does not go by wlan: $(braid user steering)"

load 4
spi=$(spi_of user "$first")
braid user rekey --child "home#$first" >"$T/out" 2>&1 || braid user rekey --child home >>"$T/out" 2>&1 || fail "rekey: $(cat "$T/out")"
rekeyed() { [ "$(spi_of user "$first")" != "$spi" ]; }
wait_for 10 rekeyed || fail "it is not rekeyed: $(braid user sas)"
by 1 $VOICE $I0 $I1 || fail "voice after it: $(cat "$T/ping") $(braid user steering)"
copied 2 $COPY || fail "copies after it: $(cat "$T/ping") $(braid user steering)"
load_end 0 "a Child SA is rekeyed: classes go on, nothing is lost"

mend() { mend_path r1; wait_for 10 two_up user; }
cut_path r1
wait_for 5 eval '[ "$(paths_in_state user down)" -ge 1 ]' || fail "the cut is not seen"
by 1 $VOICE $I1 $I0 || fail "voice does not go by ran: $(cat "$T/ping") $(braid user steering)"
sends $COPY || fail "copies: $(cat "$T/ping")"
sends $SPILL || fail "priority: $(cat "$T/ping")"
nowhere 4 $NONE || fail "what must not go anywhere does: $(braid user steering)"
mend || fail "a mended path does not come back: $(braid user paths)"
wait_for 10 by 1 $VOICE $I0 $I1 || fail "voice does not return: $(braid user steering)"
wait_for 5 copied 2 $COPY || fail "copies do not return: $(braid user steering)"
ok "a path fails: classes go by the other one with its SA, and return"

# A line ends, with its path and SA.
load 3
braid user down "home#$second" >"$T/out" 2>&1 || fail "down: $(cat "$T/out")"
load_end 0 "a line ends: nothing is lost"
by 1 $VOICE $I0 $I1 || fail "voice: $(cat "$T/ping") $(braid user steering)"
sends $COPY || fail "copies: $(cat "$T/ping")"
nowhere 4 $NONE || fail "what must not go anywhere does: $(braid user steering)"
ok "with one line left classes go by that"

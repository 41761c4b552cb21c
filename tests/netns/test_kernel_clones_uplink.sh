#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# An IKE SA for each path where ESP is the kernel's: an uplink goes and comes back, the others carry all meanwhile;
# what killed agents leave, several SAs and policies with equal selectors, goes with a flush, and nothing of others does.
. "$(dirname "$0")/../lib/netns.sh"
. "$(dirname "$0")/../lib/agent.sh"
. "$(dirname "$0")/../lib/clones.sh"
. "$(dirname "$0")/../lib/mmx.sh"
. "$(dirname "$0")/../lib/kernel.sh"
. "$(dirname "$0")/../lib/kernel_clones.sh"
kernel_esp_or_skip
ok() { echo "ok - $*"; }

lines_topo
confs "user gw"
up
uplink_goes

others_make user
pings 1 || fail "not reached before a flush: $(cat "$T/ping")"
for h in user gw; do
	agent_dies $h
	[ -n "$(left_of $h)" ] || fail "$h: what is to be flushed is not there"
done
for h in user gw; do
	braid $h flush >"$T/flush" 2>&1 || fail "$h: flush: $(cat "$T/flush")"
	[ -z "$(left_of $h)$(guards_of $h)" ] || fail "$h: left after a flush: $(left_of $h; guards_of $h)"
done
others_stay user
ok "what killed agents left is flushed, of each line, and nothing of others"

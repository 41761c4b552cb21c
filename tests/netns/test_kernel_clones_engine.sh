#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# An IKE SA for each path where ESP of one end is the kernel's, and that of the other the engine's: each path by its own
# Child SA.
. "$(dirname "$0")/../lib/netns.sh"
. "$(dirname "$0")/../lib/agent.sh"
. "$(dirname "$0")/../lib/clones.sh"
. "$(dirname "$0")/../lib/mmx.sh"
. "$(dirname "$0")/../lib/kernel.sh"
. "$(dirname "$0")/../lib/kernel_clones.sh"
kernel_esp_or_skip
ok() { echo "ok - $*"; }

lines_topo
for h in user gw; do
	other=$([ $h = user ] && echo gw || echo user)
	confs $h
	up
	esp_by $h kernel
	esp_by "$other" engine
	checks "the kernel's of $h, the engine's of $other"
	clones_down
done

#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# An IKE SA for each path (multipath = clone, RFC 7791) where ESP is the kernel's: Child SAs with the same selectors,
# each of which carries what goes over its own path, at both ends; answers go by the line that they were asked by. One
# of several is rekeyed, both agents die.
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
for h in user gw; do esp_by $h kernel; done
checks "both ends"
explains
rekeys
restarts

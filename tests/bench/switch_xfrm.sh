#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# What a move costs per SA where ESP is the kernel's (XFRM), as a ratio to a store into a map on the same
# machine: switch_xfrm.sh BUILD_DIR SAS... `make bench-xfrm` runs it on Debian's stock kernel.
export BRAID_BUILD=$1
shift
. "$(dirname "$0")/../lib/netns.sh"
modprobe -q esp4 2>/dev/null && modprobe -q xfrm_user 2>/dev/null || skip "needs a kernel with ESP"
host xfrm
for n in "$@"; do
	in_ns xfrm "$B/tests/bench/xfrm_load" "$n" >"$T/line" || fail "$n SAs"
	in_ns xfrm ip xfrm state flush
	jq -r '"ok - \(.sas) SAs: \(.each_nsec / 1000 | floor) us each, \(.calls_each) system calls and \(.octets_each) octets; a store \(.store_nsec) ns: \(.sas * .each_nsec / .store_nsec | floor) times that in all"' "$T/line"
done

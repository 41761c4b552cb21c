#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# What a move of so many SAs costs where ESP is the kernel's (XFRM): replaced one by one, as strongSwan
# does it, by XFRM_MSG_MIGRATE, and by braid's steering, which changes one word for all of them:
# switch_xfrm.sh BUILD_DIR SAS... `make bench-xfrm` runs it on Debian's stock kernel. Of ROUNDS (3) the median.
export BRAID_BUILD=$1
shift
. "$(dirname "$0")/../lib/netns.sh"
modprobe -q esp4 2>/dev/null && modprobe -q xfrm_user 2>/dev/null || skip "needs a kernel with ESP"
host xfrm
mkdir "$T/xfrm/bpf"
mount -t bpf bpf "$T/xfrm/bpf" || skip "no bpffs can be mounted here"
for n in "$@"; do
	for ((round = 1; round <= ${ROUNDS:-3}; round++)); do
		in_ns xfrm "$B/tests/bench/xfrm_load" "$n" "$T/xfrm/bpf/braid" || fail "$n SAs"
	done >"$T/lines"
	jq -rs 'def median(f): map(f) | sort | .[length / 2 | floor];
		"ok - \(.[0].sas) SAs: replaced in \(median(.replace.nsec) / 1e4 | floor / 100) ms (\(.[0].replace.calls / 2) requests), migrated in \(median(.migrate.nsec) / 1e4 | floor / 100) ms (\(.[0].migrate.calls / 2)), switched in \(median(.switch.nsec) / 10 | floor / 100) us"' "$T/lines"
done

# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
# Engine and steering as they are, the agents played by engine_drive and dp_drive. Sourced after
# netns.sh.

drive() { # host, command...
	local h=$1
	shift
	in_ns "$h" "$B/tests/netns/engine_drive" "$T/$h/engine.sock" "$@"
}

steer() { # host, command...
	local h=$1
	shift
	in_ns "$h" "$B/tests/netns/dp_drive" "$T/$h/bpf/braid" "$@"
}

# An engine with its steering: without paths, groups and SAs.
driven_begin() { # host, tunnel address
	local h=$1
	mkdir "$T/$h/bpf"
	mount -t bpf bpf "$T/$h/bpf" || skip "no bpffs can be mounted here"
	ip netns exec "$(ns "$h")" "$B/braid-esp" -f -d "$T/$h" >>"$T/$h/log" 2>&1 &
	wait_for 5 test -S "$T/$h/engine.sock" || fail "no engine"
	steer "$h" open || skip "the steering programs cannot be loaded here"
	drive "$h" config tun0 198.18.0.1 198.18.0.2 workers=2 || fail "configuration"
	ip -n "$(ns "$h")" addr add "$2/24" dev tun0
	drive "$h" maps "$T/$h/bpf/braid" || fail "the engine does not take the maps"
}

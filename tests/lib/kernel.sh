# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
# Hosts whose ESP is the kernel's (dataplane { backend = kernel }). Sourced after netns.sh.

# Has this kernel what braid needs? Tried as braid does, so that a skip never hides a defect of its own probe.
kernel_esp_or_skip() {
	local n
	host probe
	n=$(ns probe)
	ip -n "$n" link add xfrm0 type xfrm if_id 1 >"$T/has" 2>&1 || skip "no XFRM interfaces here: $(cat "$T/has")"
	ip -n "$n" xfrm state add src 198.18.0.1 dst 198.18.0.2 proto esp spi 0x1000 mode tunnel if_id 1 \
		flag esn replay-window 4096 output-mark 0x1 mask 0xfffff \
		aead 'rfc4106(gcm(aes))' 0x000102030405060708090a0b0c0d0e0f10111213 128 >"$T/has" 2>&1 ||
		skip "no kernel ESP here: $(cat "$T/has")"
}

# True as soon as the command is, by the clock: where machines are slow it is run less often. No limit is close.
wait_for() { # SECONDS COMMAND...: as in netns.sh, three times as long, up to a minute
	local end=$((SECONDS + ($1 < 20 ? 3 * $1 : 60)))
	shift
	until "$@" >/dev/null 2>&1; do
		[ $SECONDS -lt $end ] || return 1
		sleep 0.05
	done
}
soon() { wait_for 60 "$@"; }

# Everything of XFRM that a host has, ours or not.
xfrm_of() {
	ip -n "$(ns "$1")" xfrm state list
	ip -n "$(ns "$1")" xfrm policy list
}

engines_of() {
	local p
	for p in $(ip netns pids "$(ns "$1")"); do
		case $(cat "/proc/$p/comm" 2>/dev/null) in braid-esp | braidd-starter) echo "$p" ;; esac
	done
}

# What is left of ours on a host, a line each.
left_of() {
	local n f
	n=$(ns "$1")
	xfrm_of "$1" | grep -E 'src (198\.18\.0\.|fd00:6272:)' # states, and templates of policies
	ip -n "$n" -o link show | grep -oE '(braidtun0|braid0p?)[:@]'
	ip -n "$n" rule show priority 98
	ip -n "$n" -6 rule show priority 98
	for f in $(ip -n "$n" -o link show | sed 's/^[0-9]*: \([^:@]*\).*/\1/'); do
		tc -n "$n" filter show dev "$f" ingress 2>/dev/null | grep -E 'steer_|shield_'
		tc -n "$n" filter show dev "$f" egress 2>/dev/null | grep -E 'steer_|shield_|classify_'
	done
	[ ! -e "$T/$1/bpf/braid" ] || ls -d "$T/$1/bpf/braid"
	[ ! -e "$T/$1/run/images" ] || ls -d "$T/$1/run/images"
	[ ! -e "$T/$1/run/dataplane" ] || ls "$T/$1/run/dataplane"
}
guards_of() {
	ip -n "$(ns "$1")" route show proto 98
	ip -n "$(ns "$1")" -6 route show proto 98
}

# Both agents, with logs of their own.
kernel_agents() {
	local h
	for h in gw user; do
		rm -f "$T/$h/log"
		braidd_start $h "$T/$h/braid.conf"
	done
}
# And the connection: its virtual address is $vip.
# shellcheck disable=SC2034  # for tests
kernel_up() {
	kernel_agents
	braid user up home >"$T/up" 2>&1 || fail "up: $(cat "$T/up")"
	vip=$(braid user --json sas | jq -r '.ike_sas[0].vips[0]')
}

# Things of others on a host, as like ours as can be, which no flush may touch.
others_make() {
	local n
	n=$(ns "$1")
	ip -n "$n" link add other type xfrm if_id 77
	ip -n "$n" xfrm state add src 192.0.2.2 dst 192.0.2.99 proto esp spi 0x1234 mode tunnel if_id 77 \
		aead 'rfc4106(gcm(aes))' 0x000102030405060708090a0b0c0d0e0f10111213 128
	ip -n "$n" xfrm policy add src 10.99.0.0/24 dst 10.98.0.0/24 dir out if_id 77 tmpl src 192.0.2.2 dst 192.0.2.99 proto esp mode tunnel
	ip -n "$n" route add unreachable 10.97.0.0/24 proto static
	ip -n "$n" rule add priority 97 from 192.0.2.2 lookup main
}
others_stay() {
	local n
	n=$(ns "$1")
	xfrm_of "$1" | grep -q 'spi 0x00001234' || fail "a state of others is gone"
	xfrm_of "$1" | grep -q '10.99.0.0/24' || fail "a policy of others is gone"
	ip -n "$n" link show other >/dev/null || fail "an interface of others is gone"
	ip -n "$n" route show 10.97.0.0/24 | grep -q unreachable || fail "a route of others is gone"
	ip -n "$n" rule show priority 97 | grep -q 192.0.2.2 || fail "a rule of others is gone"
}

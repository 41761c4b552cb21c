#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# The walk-through of RFC 7791's appendix, automatic from the configuration (multipath = clone): the
# first tunnel, a clone of its IKE SA for each further path, Child SA, path test and move, or the test
# and the move first. The user has two interfaces, or the gateway two addresses, or both.
# [CLONE-50] [CLONE-51] [CLONE-A-1] [CLONE-A-2] [CLONE-A-3] [CLONE-A-4] [CLONE-A-5] [CLONE-2-1] [CLONE-2-2] [CLONE-2-3] [CLONE-2-5]
. "$(dirname "$0")/../lib/netns.sh"
. "$(dirname "$0")/../lib/agent.sh"
. "$(dirname "$0")/../lib/clones.sh"
for tool in tcpdump tshark; do command -v $tool >/dev/null || skip "needs $tool"; done

ok() { echo "ok - $*"; }

# All the user sends and receives, in $T/cap.
capture() {
	ip netns exec "$(ns user)" tcpdump --immediate-mode -B 8192 -i any -n -s 2048 -U -w "$T/cap" 2>"$T/cap.log" &
	tcpdump=$!
	wait_for 5 grep -q 'listening on' "$T/cap.log" || fail "tcpdump does not start"
}
captured() { tcpdump -n -r "$T/cap" "$1" 2>/dev/null | grep -q .; }
# What the IKE requests of the user were: a line each, with the IKE SA (A, or the number of the
# clone), source, exchange and notifications; retransmissions once.
decode() {
	rm -rf "$T/keys" && mkdir "$T/keys"
	braid user keys --wireshark "$T/keys" >/dev/null || fail "keys are not exported"
	in_ns user ping -c 1 -s 1234 -q 192.0.2.1 >/dev/null || fail "the first router is not there"
	wait_for 10 captured 'icmp and greater 1234' || fail "the capture ends early: $(cat "$T/cap.log")"
	kill "$tcpdump" && wait "$tcpdump"
	WIRESHARK_CONFIG_DIR="$T/keys" tshark -n -r "$T/cap" -Y 'isakmp && isakmp.flag_r == 0 && isakmp.exchangetype >= 34' \
		-T fields -e isakmp.ispi -e ip.src -e isakmp.exchangetype -e isakmp.messageid -e isakmp.notify.msgtype \
		-e isakmp.typepayload 2>/dev/null | grep -P "\t($I0|$I1)\t" | awk -F'\t' '!seen[$0]++ {
			if (!($1 in n)) n[$1] = ++k
			print (n[$1] == 1 ? "A" : "B" n[$1] - 1), $2, $3, $4, $5, "[" $6 "]" }' >"$T/decoded"
}
# Number of the line of $T/decoded that is so; after: of one behind that.
at() { # pattern [after]
	local n
	n=$(awk -v re="$1" -v from="${2:-0}" 'NR > from && $0 ~ re { print NR; exit }' "$T/decoded")
	[ -n "$n" ] || fail "no request \"$1\" behind line ${2:-0} of
$(cat "$T/decoded")"
	echo "$n"
}

# Notifications: 16396 MOBIKE, 16432 clones, 16433 CLONE_IKE_SA, 16388 and 16389 NATs, 16400 UPDATE, 16401 COOKIE2
walk() { # order, clones: source of each
	local i=0 from first test move child clone
	first=$(at "^A $I0 34 .*16388.*16389")
	first=$(at "^A $I0 35 .*16396.*16432" "$first")
	shift
	for from; do
		i=$((i + 1))
		clone=$(at "^A $I0 36 .*16433" "$first")
		first=$clone
		test=$(at "^B$i $from 37 .*16388,16389 " "$clone")
		move=$(at "^B$i $from 37 .*16400.*16401" "$test")
		child=$(at "^B$i .* 36 " "$clone")
		[ "$(grep -c "^B$i $from 37 .*16388,16389 " "$T/decoded")" = 1 ] ||
			fail "the pair is tested more than once: $(cat "$T/decoded")"
		case $order in
		child_first)
			[ "$child" -lt "$test" ] || fail "the Child SA comes behind the test: $(cat "$T/decoded")"
			sed -n "${child}p" "$T/decoded" | grep -q "^B$i $I0 36 " || fail "the Child SA is made on the first pair: $(cat "$T/decoded")"
			;;
		move_first)
			[ "$child" -gt "$move" ] || fail "the Child SA comes before the move: $(cat "$T/decoded")"
			sed -n "${child}p" "$T/decoded" | grep -q "^B$i $from 36 " || fail "the Child SA is made after the move: $(cat "$T/decoded")"
			;;
		esac
	done
	[ "$(grep -c '^B.* 35 ' "$T/decoded")" = 0 ] || fail "a clone authenticates: $(cat "$T/decoded")"
	[ "$(grep -c ' 35 ' "$T/decoded")" = 1 ] || fail "more than one authentication: $(cat "$T/decoded")"
}

# Distinct SPIs; one family at both ends; what is on a line stays on it.
family() { # lines
	local w
	for w in user gw; do
		[ "$(sas $w '[.[].family] | unique | length')" = 1 ] || fail "$w has several families: $(braid $w sas)"
		[ "$(sas $w '[.[].children[].spi_in] | unique | length')" = "$1" ] || fail "$w: Child SAs: $(braid $w sas)"
		[ "$(sas $w '[.[].family_ike_sas] | unique | join(" ")')" = "\"$1\"" ] || fail "$w: IKE SAs: $(braid $w sas)"
	done
}

run() { # order, remote addresses, uplinks (all or wlan), setting, expected pairs...
	local order=$1 addrs=$2 uplinks=$3 setting=$4
	shift 4
	clones_confs "$addrs" "clone_order = $order $setting"
	[ "$uplinks" = all ] || sed -i '/uplink "ran"/d' "$T/user/braid.conf"
	capture
	clones_up
	have "$@"
	family $#
	wait_for 5 reach || fail "the LAN is not reached: $(braid user paths)"
	decode
	shift
	walk "$order" "${@%>*}"
}

clones_topo
for order in child_first move_first; do
	run $order "\"$R0\"" all '' "$I0>$R0" "$I1>$R0"
	ok "$order: a user with two interfaces"
	clones_down
	run $order "\"$R0\", \"$R1\"" wlan '' "$I0>$R0" "$I0>$R1"
	ok "$order: a gateway with two addresses"
	clones_down
	run $order "\"$R0\", \"$R1\"" all '' "$I0>$R0" "$I1>$R1"
	ok "$order: both, each once"
	clones_down
	run $order "\"$R0\", \"$R1\"" all 'clone_pairs = all' "$I0>$R0" "$I1>$R0" "$I0>$R1" "$I1>$R1"
	ok "$order: both, all pairs"
	clones_down
done

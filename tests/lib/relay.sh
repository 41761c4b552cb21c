# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
# Wires that take time, and lose: tests/netns/delay_relay.c in the middle. Sourced after netns.sh.

relay_seconds=${relay_seconds:-3600} # one that is forgotten ends
declare -A relay_words=() relay_answers=()

# relay_wire NAME USEC HOST1 IF1 ADDR1 HOST2 IF2 ADDR2: as wire, but each way takes so long. The relay
# has a namespace of that name.
relay_wire() {
	local name=$1 usec=$2 fd
	host "$name"
	in_ns "$name" sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1
	relay_link "$name" one "$3" "$4" "$5"
	relay_link "$name" two "$6" "$7" "$8"
	mkfifo "$T/$name/words" "$T/$name/answers"
	ip netns exec "$(ns "$name")" "$B/tests/netns/delay_relay" one two "$relay_seconds" "$usec" \
		<"$T/$name/words" >"$T/$name/answers" 2>"$T/$name/log" &
	exec {fd}>"$T/$name/words"
	relay_words[$name]=$fd
	exec {fd}<"$T/$name/answers"
	relay_answers[$name]=$fd
	relay_hear "$name"
	[ "$relay_heard" = ready ] || fail "the relay $name does not start"
}
relay_link() { # NAME END HOST IF ADDR
	ip link add "$2" netns "$(ns "$1")" type veth peer name "$4" netns "$(ns "$3")" ||
		skip "veth pairs cannot be made here"
	ip -n "$(ns "$3")" addr add "$5" dev "$4"
	ip -n "$(ns "$3")" link set "$4" up
	ip -n "$(ns "$1")" link set "$2" arp off up
}

relay_say() { # NAME WORD...: see delay_relay.c
	local fd=${relay_words[$1]}
	shift
	echo "$*" >&"$fd"
}

# The next line it says, in $relay_heard.
relay_hear() { read -r -t 10 relay_heard <&"${relay_answers[$1]}" || fail "the relay $1 says nothing"; }

# It ends, with what it has relayed in $relay_heard.
relay_end() { # NAME
	local fd=${relay_words[$1]}
	exec {fd}>&-
	relay_hear "$1"
}

# Both paths of topo_multihomed's topology behind their routers, IPv4 alone: the relays m1 (wlan) and m2
# (ran) take so long each way.
relay_multihomed() { # USEC1 USEC2
	ip -n "$(ns r1)" link del gw
	ip -n "$(ns r2)" link del gw
	relay_wire m1 "$1" r1 gw 192.0.2.65/26 gw eth0 192.0.2.66/26
	relay_wire m2 "$2" r2 gw 198.51.100.65/26 gw eth1 198.51.100.66/26
	ip -n "$(ns gw)" route add 192.0.2.0/26 via 192.0.2.65
	ip -n "$(ns gw)" route add 198.51.100.0/26 via 198.51.100.65
}

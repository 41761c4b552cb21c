# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
# What the user's classes send, and by which uplink, whatever the paths are called and however many
# IKE SAs and bindings they belong to. Sourced after netns.sh, agent.sh and clones.sh.

# shellcheck disable=SC2154
pins=$T/user/bpf/braid
ok() { echo "ok - $*"; }
reload() { braid user reload >"$T/out" 2>&1 || fail "reload: $(cat "$T/out")"; }
classes() { # definitions by standard input, in place of those before
	sed -i '/^class /,/^}/d' "$T/user/braid.conf"
	cat >>"$T/user/braid.conf"
}

# carried CLASS LOCAL: packets of it that went out from that address, by all paths
carried() {
	local id
	for id in $(braid user --json paths | jq --arg l "$2:4500" '.paths[] | select(.local == $l).id'); do
		bpftool -j map lookup pinned "$pins/path_stat" key hex "$(printf '%02x' $((id & 255)))" "$(printf '%02x' $((id >> 8)))" 00 00 |
			jq --argjson k "$1" '[.formatted.values[].value.tx_class[$k].packets] | add'
	done | jq -s 'add // 0'
}
# sends TOS: twenty pings, from $from if it is set; all of them are answered
sends() { in_ns user ping ${from:+-I "$from"} -Q "$1" -c 20 -i 0.01 -W 2 -q 203.0.113.11 >"$T/ping" && grep -q ' 20 received' "$T/ping"; }
# by CLASS TOS LOCAL OTHER: all of it goes there
by() {
	local a b
	a=$(carried "$1" "$3") b=$(carried "$1" "$4")
	sends "$2" || return 1
	[ $(($(carried "$1" "$3") - a)) -ge 20 ] && [ $(($(carried "$1" "$4") - b)) = 0 ]
}
# copied CLASS TOS: each packet by both, and answered once
copied() {
	local a b
	a=$(carried "$1" "$I0") b=$(carried "$1" "$I1")
	sends "$2" && ! grep -q duplicates "$T/ping" || return 1
	[ $(($(carried "$1" "$I0") - a)) -ge 20 ] && [ $(($(carried "$1" "$I1") - b)) -ge 20 ]
}
# spread CLASS TOS LEAST: of 200 flows of a datagram each uplink carries so many
spread() {
	local a b
	a=$(carried "$1" "$I0") b=$(carried "$1" "$I1")
	in_ns user python3 "$T/once.py" "$2"
	[ $(($(carried "$1" "$I0") - a)) -ge "$3" ] && [ $(($(carried "$1" "$I1") - b)) -ge "$3" ]
}
# nowhere CLASS TOS: it is not sent
nowhere() {
	local a b
	a=$(carried "$1" "$I0") b=$(carried "$1" "$I1")
	in_ns user ping ${from:+-I "$from"} -Q "$2" -c 10 -i 0.02 -W 1 -q 203.0.113.11 >"$T/ping" 2>&1 && return 1
	[ "$(carried "$1" "$I0")" = "$a" ] && [ "$(carried "$1" "$I1")" = "$b" ]
}
cat >"$T/once.py" <<-'PY'
	import socket, sys
	for port in range(2000, 2200):
	    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
	    s.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, int(sys.argv[1], 0))
	    s.sendto(b"x", ("203.0.113.11", port))
PY
# 40 flows of 5 kB/s each for so many seconds: 1.6 Mbit/s
flows_of() { in_ns user python3 "$top/tests/lib/flows.py" "$2" "$1"; } # TOS SECONDS
# modes HOW: a class of each kind, of which voice does that
modes() {
	classes <<-CONF
		class "voice" {
		  match { dscp = { ef } } $1
		}
		class "copy" {
		  match { dscp = { cs6 } } mode = redundant
		}
		class "spill" {
		  match { dscp = { af41 } } mode = priority prefer = { wlan } overflow = 80 hold = 2s
		}
		class "none" {
		  match { dscp = { af21 } } never = { wlan, ran }
		}
		class "away" {
		  match { dscp = { af11 } } never = { wlan }
		}
	CONF
}
# shellcheck disable=SC2034
VOICE=0xb8 COPY=0xc0 SPILL=0x88 NONE=0x48 AWAY=0x28
# a machine under load takes a moment; wlan has a rate
steady() {
	sed -i -e "s|probe_interval = 50ms|& down_after = 10|" "$T"/*/braid.conf
	sed -i -e "s|interface = wlan0 preference = 0|& rate = 1mbit|" "$T/user/braid.conf"
}

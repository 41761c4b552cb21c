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

# carried CLASS LOCAL...: packets of it that went out from each of these addresses, by all paths
carried() {
	local class=$1 id at
	shift
	braid user --json paths | jq -r '.paths[] | "\(.id) \(.local)"' | while read -r id at; do
		echo "\"${at%:*}\""
		bpftool -j map lookup pinned "$pins/path_stat" key hex "$(printf '%02x' $((id & 255)))" "$(printf '%02x' $((id >> 8)))" 00 00
	done | jq -rs --argjson k "$class" '[_nwise(2)] as $all | [$ARGS.positional[] as $at |
		[$all[] | select(.[0] == $at)[1].formatted.values[].value.tx_class[$k].packets] | add // 0] | join(" ")' --args "$@"
}
# sends TOS: twenty pings, from $from if it is set; all of them are answered. ping waits for the last of them twice as long
# as for others before, but no less than its interval: so all are sent at once.
sends() { in_ns user ping ${from:+-I "$from"} -Q "$1" -l 20 -c 20 -i 2 -W 2 -q 203.0.113.11 >"$T/ping" && grep -q ' 20 received' "$T/ping"; }
# more CLASS LOCAL OTHER COMMAND...: what either carries of it meanwhile, $here and $there; false if that fails
more() {
	local class=$1 x=$2 y=$3 a b p q rc=0
	shift 3
	read -r a b < <(carried "$class" "$x" "$y")
	"$@" || rc=$?
	read -r p q < <(carried "$class" "$x" "$y")
	here=$((p - a)) there=$((q - b))
	return $rc
}
# by CLASS TOS LOCAL OTHER: all of it goes there
by() { more "$1" "$3" "$4" sends "$2" && [ $here -ge 20 ] && [ $there = 0 ]; }
# copied CLASS TOS: each packet by both, and answered once
copied() { more "$1" "$I0" "$I1" sends "$2" && ! grep -q duplicates "$T/ping" && [ $here -ge 20 ] && [ $there -ge 20 ]; }
# spread CLASS TOS LEAST: of 200 flows of a datagram each uplink carries so many
spread() { more "$1" "$I0" "$I1" in_ns user python3 "$T/once.py" "$2" && [ $here -ge "$3" ] && [ $there -ge "$3" ]; }
# nowhere CLASS TOS: it is not sent
nowhere() {
	! more "$1" "$I0" "$I1" in_ns user ping ${from:+-I "$from"} -Q "$2" -c 10 -i 0.02 -W 1 -q 203.0.113.11 >"$T/ping" 2>&1 &&
		[ $here = 0 ] && [ $there = 0 ]
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

# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
# What packets of user fell under which rule and left as which class. Sourced after netns.sh.

for tool in bpftool nft; do
	command -v $tool >/dev/null || skip "needs $tool"
done
pins=$T/user/bpf/braid

# rule N: packets that fell under it, N from 0; 64: under none. Of the table that counts.
rule() {
	local slot
	slot=$(bpftool -j map dump pinned "$pins/class_cur" | jq '.[0].formatted.value.slot')
	bpftool -j map dump pinned "$pins/rule_stat" |
		jq --argjson k $((slot * 65 + $1)) '[.[] | select(.formatted.key == $k).formatted.values[].value.packets] | add'
}
slot() { bpftool -j map dump pinned "$pins/class_cur" | jq '.[0].formatted.value.slot'; }
# of the engine's packets so far, those whose mark says that class
class() { in_ns user nft -j list counter ip marks "class$1" | jq '.nftables[] | select(.counter).counter.packets'; }
# what the paths have carried of a class
tx_class() {
	local id
	for id in 1 2 3 4; do
		bpftool -j map lookup pinned "$pins/path_stat" key hex 0$id 00 00 00 | jq --argjson k "$1" '[.formatted.values[].value.tx_class[$k].packets] | add'
	done | jq -s add
}
# falls WHAT RULE CLASS COMMAND...: of what that sends five packets fall under that rule, and the
# engine sends them as that class, where datagrams may leave as one, and the paths count them so
fell() { [ $(($(rule "$1") - $3)) -ge 5 ] && [ $(($(class "$2") - $4)) -ge 1 ] && [ $(($(tx_class "$2") - $5)) -ge 5 ]; }
falls() {
	local what=$1 n=$2 k=$3 before sent tx
	shift 3
	before=$(rule "$n") sent=$(class "$k") tx=$(tx_class "$k")
	in_ns user bash -c "$*" >"$T/out" 2>&1
	wait_for 3 fell "$n" "$k" "$before" "$sent" "$tx" ||
		fail "$what: rule $n from $before to $(rule "$n"), class $k from $sent to $(class "$k"), on the paths from $tx to $(tx_class "$k")"
	ok "$what"
}
pings() { echo "ping -c 5 -i 0.02 -W 1 -q $*"; }
# udp ADDRESS PORT: five datagrams
udp() { printf '%s\n' "import socket" "s = socket.socket(socket.AF_INET6 if ':' in '$1' else socket.AF_INET, socket.SOCK_DGRAM)" "for i in range(5): s.sendto(b'x' * ${3:-10}, ('$1', $2))" >"$T/udp.py"; }

rules() { # what class definitions the user has
	sed -i '/^class /d' "$T/user/braid.conf"
	cat >>"$T/user/braid.conf"
}
reload() { braid user reload >"$T/out" 2>&1 || fail "reload: $(cat "$T/out")"; }

# What the engine sends has its class in the upper four bits of the mark; with 8 routers may cut it.
count_classes() {
	in_ns user nft -f - <<-NFT || skip "nft cannot be used here"
		table ip marks {
			$(for k in 0 1 2 3 4 5 6; do echo "counter class$k {}"; done)
			chain out {
				type filter hook output priority 0;
				$(for k in 0 1 2 3 4 5 6; do echo "oifname braid0 meta mark & 0x70000000 == 0x${k}0000000 meta mark & 0xf0000000 != 0xf0000000 counter name class$k"; done)
			}
		}
		table inet app {
			chain out {
				type route hook output priority 0;
				udp dport 7000 meta mark set 0x12
			}
		}
	NFT
}

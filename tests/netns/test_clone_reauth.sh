#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# A family with an IKE SA for each interface authenticates anew, again and again, under traffic: each line
# stays on its interface, with its virtual address, and no packet is lost. Then lines made after that
# still steer together with the others. [CLONE-18] [CLONE-45] [CLONE-42]
. "$(dirname "$0")/../lib/netns.sh"
. "$(dirname "$0")/../lib/agent.sh"
. "$(dirname "$0")/../lib/clones.sh"

ok() { echo "ok - $*"; }
anew() { [ "$(grep -c 'IKE SA authenticated anew' "$T/user/log")" -ge "$1" ]; }
vips() { in_ns user ip -j addr show | jq -r '[.[].addr_info[].local | select(startswith("203.0.113."))] | sort | join(" ")'; }
vip_of() { sas user ".[] | select(.line == $1).vips[0]" | tr -d '"'; }
settled() { [ "$(sas user length)" = 2 ] && [ "$(sas user '[.[].family] | unique | length')" = 1 ]; }

clones_topo
for n in 1 2 3 4 5 6; do in_ns lan ip addr add "203.0.113.1$n/26" dev eth0; done
for inner in shared per_line; do
	clones_confs "\"$R0\"" "inner_address = $inner reauth_time = 6s over_time = 30s rand_time = 0 window = 8"
	clones_up
	have "$I0>$R0" "$I1>$R0"
	first=$(line_at user "$I0>$R0") second=$(line_at user "$I1>$R0")
	was="$(vip_of "$first") $(vip_of "$second")"
	begin=$(grep -c 'IKE SA authenticated anew' "$T/user/log")
	if [ $inner = shared ]; then
		[ "$(vips)" = "$(vip_of "$first")" ] || fail "virtual addresses: $(vips)"
	else
		[ "$(vips | wc -w)" = 2 ] || fail "virtual addresses: $(vips)"
		for line in "$first" "$second"; do
			in_ns user ping -I "$(vip_of "$line")" -i 0.01 -w 15 -q 203.0.113.10 >"$T/ping.$line" 2>&1 &
			pingers+=($!)
		done
	fi
	load 14
	wait_for 20 anew $((begin + 4)) || fail "$inner: not authenticated anew twice: $(braid user sas)"
	load_end 0 "$inner: six flows over two authentications"
	for line in "$first" "$second"; do
		[ $inner = shared ] && continue
		wait "${pingers[@]}"
		read -r sent got < <(sed -n 's/\([0-9]*\) packets transmitted, \([0-9]*\) received.*/\1 \2/p' "$T/ping.$line")
		[ $((sent - got)) -le 1 ] || fail "$(vip_of "$line") of line $line lost packets: $(cat "$T/ping.$line")"
	done
	wait_for 5 settled || fail "$inner: $(braid user sas)"
	have "$I0>$R0" "$I1>$R0"
	[ "$(line_at user "$I0>$R0") $(line_at user "$I1>$R0")" = "$first $second" ] || fail "$inner: other lines"
	[ "$(vip_of "$first") $(vip_of "$second")" = "$was" ] || fail "$inner: other virtual addresses: $(braid user sas)"
	ok "$inner: each line keeps its place"

	[ $inner = shared ] || continue
	# one that is made now belongs to the others: the flows of the one that is cut go over it
	ip -n "$(ns user)" addr del "$I1/26" dev ran0
	have "$I0>$R0"
	ip -n "$(ns user)" addr add "$I1/26" dev ran0
	ip -n "$(ns user)" route add default via 198.51.100.1 dev ran0 metric 200
	have "$I0>$R0" "$I1>$R0"
	wait_for 5 reach || fail "no traffic with a new line: $(braid user paths)"
	# not while it authenticates anew
	begin=$(grep -c 'IKE SA authenticated anew' "$T/user/log")
	wait_for 10 anew $((begin + 2)) || fail "not authenticated anew with a new line: $(braid user sas)"
	wait_for 5 settled || fail "a new line: $(braid user sas)"
	load 3
	ip -n "$(ns user)" link set wlan0 down
	load_end 120 "a new line takes the flows of the other one"
	# the first line waits for its path, and does not end by that; what replaces it is set up from the
	# other one, and traffic goes on
	begin=$(grep -c 'IKE SA authenticated anew' "$T/user/log")
	wait_for 15 anew $((begin + 2)) || fail "not authenticated anew without the first path: $(braid user sas)"
	load 2
	load_end 4 "authenticated anew from elsewhere"
	clones_down
	ip -n "$(ns user)" link set wlan0 up
	ip -n "$(ns user)" route add default via 192.0.2.1 dev wlan0 metric 100
done

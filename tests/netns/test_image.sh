#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# The largest IKE SA: 200 Child SAs with all the selectors they can have. What the engine keeps of it
# takes several messages; the successors of both killed agents have it all, and go on.
#
#     user (192.0.2.1) ==== (192.0.2.2) gw
. "$(dirname "$0")/../lib/netns.sh"

children=200 selectors=16
host user gw
wire user eth0 192.0.2.1/24 gw eth0 192.0.2.2/24

# conf HOST LOCAL REMOTE LOCAL_NET REMOTE_NET
conf() {
	local i k l r
	cat <<-CONF
		uplink "one" { interface = eth0 }
		connection "c" {
			local_addrs = { $2 }
			remote_addrs = { $3 }
			local { id = "$1.example.org" }
			remote { id = "$([ "$1" = gw ] && echo user || echo gw).example.org" }
	CONF
	for ((i = 1; i <= children; i++)); do
		l='' r=''
		for ((k = 0; k < selectors; k++)); do
			l+=", \"$4.$i.$((k * 16))/32\"" r+=", \"$5.$i.$((k * 16))/32\""
		done
		echo "child \"n$i\" { local_ts = { ${l#, } } remote_ts = { ${r#, } } }"
	done
	echo '}'
	echo 'secret "s" { id = { "user.example.org", "gw.example.org" } secret = "what both of them know" }'
}
conf user 192.0.2.1 192.0.2.2 10.1 10.2 >"$T/user/braid.conf"
conf gw 192.0.2.2 192.0.2.1 10.2 10.1 >"$T/gw/braid.conf"
for h in gw user; do braidd_start $h "$T/$h/braid.conf"; done

sas() { braid "$1" --json sas | jq -c '[.ike_sas[].children[] | select(.driver)] | length, (map(.spi_in) | unique | length)'; }
have_all() { [ "$(sas "$1" | tr '\n' ' ')" = "$children $children " ]; }
for ((i = 1; i <= children; i++)); do
	braid user up "c/n$i" >"$T/up" 2>&1 || fail "n$i: $(cat "$T/up")"
done
for h in gw user; do have_all $h || fail "$h has $(sas $h)"; done
selectors_of() { braid "$1" --json sas | jq -c '[.ike_sas[].children[] | {name, spi_in, spi_out, local_ts, remote_ts}] | sort'; }
for h in gw user; do selectors_of $h >"$T/$h/before"; done
[ "$(wc -c <"$T/user/before")" -gt 100000 ] || fail "they have not all their selectors: $(head -c 300 "$T/user/before")"
echo "ok - $children Child SAs with $selectors selectors each way"

for h in gw user; do
	kill -9 "$(agent_pid $h)"
	braidd_start $h "$T/$h/braid.conf"
	have_all $h || fail "the next agent of $h has $(sas $h): $(grep -i 'cannot' "$T/$h/log")"
	selectors_of $h | cmp -s - "$T/$h/before" || fail "the next agent of $h has others"
	! grep -E 'cannot (be kept|keep|be taken)' "$T/$h/log" || fail "not all is kept"
done
echo "ok - the next agents have all of it"

braid user rekey --child c/n77 >"$T/up" 2>&1 || fail "$(cat "$T/up")"
braid gw rekey --ike c >"$T/up" 2>&1 || fail "$(cat "$T/up")"
for h in gw user; do wait_for 10 have_all $h || fail "$h has $(sas $h) after rekeys"; done
echo "ok - and rekey it"

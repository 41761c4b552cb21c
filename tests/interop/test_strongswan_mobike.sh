#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# MOBIKE with strongSwan 5.9 in both roles: links and addresses that go and come, with 1, 10 and 100 Child
# SAs, behind a NAT and not; its moves are followed, ours are followed by it. MM-6-2, DES-3.1-1, DES-3.3-1,
# DES-5.3-1. Its userspace ESP cannot change an SA's addresses: it rekeys each Child SA after a move,
# and until then sends to the old address.
. "$(dirname "$0")/../lib/netns.sh"
. "$(dirname "$0")/../lib/strongswan.sh"
topo_multihomed
children=${CHILDREN:-1}

names() { seq -f 'c%g' 0 $(($1 - 1)); }
# a prefix of its own for each Child SA; the first is the LAN's
ts() { [ "$1" = c0 ] && echo "203.0.113.0/26" || echo "10.77.${1#c}.0/24"; }

braid_user_conf() { # number of children
	{
		cat <<-CONF
			uplink "wlan" { interface = wlan0 preference = 0 }
			uplink "ran" { interface = ran0 preference = 1 }
			connection "home" {
				remote_addrs = { "192.0.2.66" }
				vips = { "0.0.0.0" }
				dpd_delay = 1s
				retransmit_timeout = 1s
				local { id = "user@example.org" }
				remote { id = "gw.example.org" }
		CONF
		for c in $(names "$1"); do echo "child \"$c\" { remote_ts = { \"$(ts "$c")\" } }"; done
		echo '} secret "s" { id = { "user@example.org", "gw.example.org" } secret = "'"$psk"'" }'
	} >"$T/user/braid.conf"
}

braid_gw_conf() {
	{
		cat <<-CONF
			uplink "a" { interface = eth0 }
			pool "p" { addrs = "203.0.113.128/26" }
			connection "rw" {
				pools = { "p" }
				local { id = "gw.example.org" }
				remote { id = "user@example.org" }
		CONF
		for c in $(names "$1"); do echo "child \"$c\" { local_ts = { \"$(ts "$c")\" } }"; done
		echo '} secret "s" { id = { "user@example.org", "gw.example.org" } secret = "'"$psk"'" }'
	} >"$T/gw/braid.conf"
}

swan_conf() { # host role number of children
	local conn pool='' c
	if [ "$2" = responder ]; then
		# not before we do: it gives up on what it has sent to the old address, also after our move
		conn='dpd_delay = 60s
			pools = p
			local { auth = psk
				id = gw.example.org }
			remote { auth = psk
				id = user@example.org }'
		pool='pools { p { addrs = 203.0.113.128/26 } }'
	else
		conn='dpd_delay = 1s
			remote_addrs = 192.0.2.66
			vips = 0.0.0.0
			local { auth = psk
				id = user@example.org }
			remote { auth = psk
				id = gw.example.org }'
	fi
	{
		echo "connections { c { version = 2
			mobike = yes
			$conn
			children {"
		for c in $(names "$3"); do
			# a value ends with its line
			printf '%s { %s = %s\n}\n' "$c" "$([ "$2" = responder ] && echo local_ts || echo remote_ts)" "$(ts "$c")"
		done
		echo "} } }
		secrets { ike { secret = \"$psk\" } }
		$pool"
	} >"$T/$1/swanctl.conf"
}

link() { ip -n "$(ns user)" link set "$1" "$2"; }
routes_back() {
	ip -n "$(ns user)" route replace default via 192.0.2.1 dev wlan0 metric 100
	ip -n "$(ns user)" route replace default via 198.51.100.1 dev ran0 metric 200
}
reach() { in_ns user ping -c 1 -W 1 -q -I "$vip" 203.0.113.10; }
reaches() { wait_for "$1" reach || fail "$2: the LAN is not reached"; }
local_is() { braid user --json sas | jq -e --arg a "$1" '.ike_sas[0].local | startswith($a + ":")'; }
remote_is() { braid gw --json sas | jq -e --arg a "$1" '.ike_sas[0].remote | startswith($a + ":")'; }
child_sas() { braid "$1" --json sas | jq '[.ike_sas[].children[] | select(.state == "INSTALLED")] | length'; }
all_children() { [ "$(child_sas "$1")" = "$2" ]; }
# strongSwan rekeys each Child SA after a move; one that comes meanwhile makes it give the peer up
spis() { braid "$1" --json sas | jq -r '.ike_sas[].children[].spi_in' | sort; }
renewed() { all_children "$1" "$2" && [ -z "$(comm -12 "$T/spis" <(spis "$1"))" ]; }

# strongSwan's userspace ESP asks for a local address in what it protects
for i in {1..99}; do echo "addr add 10.77.$i.1/32 dev lo"; done | ip -n "$(ns gw)" -batch -

# the gateway has one uplink, and both of the user lead there
wire r1 r2 198.51.100.129/30 r2 r1 198.51.100.130/30
ip -n "$(ns r1)" route add 198.51.100.0/26 via 198.51.100.130
ip -n "$(ns r2)" route add 192.0.2.64/26 via 198.51.100.129
ip -n "$(ns gw)" route add default via 192.0.2.65

# where the gateway sees the user: by wlan, by ran
seen=(192.0.2.2 198.51.100.2)

# The operator's moves, there and back: nothing is lost.
planned() { # what
	local pinger
	in_ns user ping -i 0.01 -c 600 -W 1 -q -I "$vip" 203.0.113.10 >"$T/planned" &
	pinger=$!
	sleep 0.5
	braid user path prefer ran-1 >"$T/up" 2>&1 || fail "$1: prefer: $(cat "$T/up")"
	local_is 198.51.100.2 >/dev/null || fail "$1: it does not move where the operator wants it: $(braid user sas)"
	sleep 1
	braid user path prefer --clear ran-1 >"$T/up" 2>&1 || fail "$1: clear: $(cat "$T/up")"
	wait_for 10 local_is 192.0.2.2 >/dev/null || fail "$1: not back to the better uplink: $(braid user sas)"
	wait $pinger
	grep -Eq ' (599|600) received' "$T/planned" || fail "$1: planned moves lose packets: $(cat "$T/planned")"
}

# A relation with its Child SAs, from either side.
braid_to_swan() { # number of children, what
	braid_user_conf "$1"
	swan_conf gw responder "$1"
	strongswan_start gw
	braidd_start user "$T/user/braid.conf"
	for c in $(names "$1"); do braid user up "home/$c" >"$T/up" 2>&1 || fail "$2: up: $(cat "$T/up")"; done
	vip=$(braid user --json sas | jq -r '.ike_sas[0].vips[0]')
	reaches 3 "$2, before the move"
}
swan_to_braid() {
	braid_gw_conf "$1"
	swan_conf user initiator "$1"
	braidd_start gw "$T/gw/braid.conf"
	strongswan_start user
	for c in $(names "$1"); do swan user --initiate --child "$c" >"$T/up" 2>&1 || fail "$2: initiate: $(tail -n 3 "$T/up")"; done
	vip=$(braid gw --json sas | jq -r '.ike_sas[0].children[0].remote_ts[0]' | sed 's/[^0-9.].*//')
	reaches 3 "$2, before the move"
}
end_braid() { # what
	grep -q 'IKE SA down' "$T/user/log" && fail "$1: it was set up anew"
	braid user down home >/dev/null || fail "$1: down"
	end_all
}

braid_moves() { # number of children, what
	braid_to_swan "$1" "$2"
	local_is 192.0.2.2 >/dev/null || fail "$2: not by the better uplink: $(braid user sas)"
	[ "$1" != 1 ] || planned "$2"
	braid user sas >"$T/before"
	link wlan0 down
	wait_for 5 local_is 198.51.100.2 || fail "$2: it does not move: $(braid user sas)"
	reaches 10 "$2, link down"
	wait_for $((20 + $1)) all_children user "$1" || fail "$2: Child SAs are lost: $(braid user sas)"
	link wlan0 up
	routes_back
	link ran0 down
	wait_for 5 local_is 192.0.2.2 || fail "$2: it does not move back: $(braid user sas)"
	reaches 10 "$2, back"
	wait_for $((20 + $1)) all_children user "$1" || fail "$2: Child SAs are lost: $(braid user sas)"
	grep -q 'IKE SA down' "$T/user/log" && fail "$2: it was set up anew"
	link ran0 up
	routes_back
	# an address that goes, with the link up
	ip -n "$(ns user)" addr del 192.0.2.2/26 dev wlan0
	wait_for 5 local_is 198.51.100.2 || fail "$2: address removed: $(braid user sas)"
	reaches 10 "$2, address removed"
	ip -n "$(ns user)" addr add 192.0.2.2/26 dev wlan0
	routes_back
	grep -q 'IKE SA down' "$T/user/log" && fail "$2: it was set up anew"
	wait_for 20 local_is 192.0.2.2 || fail "$2: not back to the better uplink: $(braid user sas)"
	reaches 10 "$2, back to the better uplink"
	# the middle of the way goes, and every link stays up
	[ -z "${one_gone:-}" ] || in_ns r2 nft -f - <<-NFT
		table ip gone { chain f { type filter hook forward priority 0; iifname user ip daddr 192.0.2.66 drop; }; }
	NFT
	cut_path r1
	ip -n "$(ns r2)" route replace 192.0.2.64/26 via 198.51.100.66
	ip -n "$(ns gw)" route replace 198.51.100.0/26 via 198.51.100.65
	wait_for 20 local_is 198.51.100.2 || fail "$2: silence is not noticed: $(braid user sas)"
	reaches 15 "$2, the middle of the way"
	[ -z "${one_gone:-}" ] || user_to 198.51.100.66 || fail "$2: not to the gateway's other address: $(braid user sas)"
	[ -z "${one_gone:-}" ] || in_ns r2 nft delete table ip gone
	mend_path r1
	ip -n "$(ns r2)" route replace 192.0.2.64/26 via 198.51.100.129
	ip -n "$(ns gw)" route del 198.51.100.0/26 via 198.51.100.65
	# it has failed soon after it was back, so it waits, and longer after each test in vain
	wait_for 75 local_is 192.0.2.2 || fail "$2: not back once it is mended: $(braid user sas)"
	reaches 10 "$2, mended"
	end_braid "$2"
	cell "$2: braid moves"
}

swan_moves() { # number of children, what
	swan_to_braid "$1" "$2"
	spis gw >"$T/spis"
	link wlan0 down
	wait_for $((10 + $1)) remote_is "${seen[1]}" || fail "$2: its move is not followed: $(braid gw sas)"
	reaches 15 "$2, link down"
	wait_for $((20 + $1)) renewed gw "$1" || fail "$2: Child SAs are lost: $(braid gw sas)"
	link wlan0 up
	routes_back
	link ran0 down
	wait_for $((10 + $1)) remote_is "${seen[0]}" || fail "$2: its way back is not followed: $(braid gw sas)"
	reaches 15 "$2, back"
	link ran0 up
	routes_back
	grep -q 'IKE SA down' "$T/gw/log" && fail "$2: it was set up anew"
	end_all
	cell "$2: strongSwan moves"
}

# The next ones' logs tell of them alone.
end_all() {
	stop_all
	rm -f "$T"/*/log
}

# Links that were down have lost what IPv6 they had.
six_back() {
	ip -n "$(ns user)" addr replace 2001:db8:1::2/64 dev wlan0 nodad
	ip -n "$(ns user)" -6 route replace default via 2001:db8:1::1 dev wlan0 metric 100
}

# The gateway's address goes, and it has another one, of which it tells.
gw_leaves() { # which address
	in_ns gw sysctl -qw net.ipv4.conf.eth0.promote_secondaries=1
	ip -n "$(ns gw)" addr del "$1/26" dev eth0
	ip -n "$(ns gw)" route replace default via 192.0.2.65
}
user_to() { braid user --json sas | jq -e --arg a "$1" '.ike_sas[0].remote | startswith($a + ":")'; }
gw_at() { braid gw --json sas | jq -e --arg a "$1" '.ike_sas[0].local | startswith($a + ":")'; }

swan_gateway_moves() { # number of children, what
	ip -n "$(ns gw)" addr add 192.0.2.67/26 dev eth0
	braid_to_swan "$1" "$2"
	gw_leaves 192.0.2.66
	wait_for 30 user_to 192.0.2.67 || fail "$2: the gateway is not followed: $(braid user sas)"
	reaches 20 "$2, the gateway has moved"
	wait_for $((20 + $1)) all_children user "$1" || fail "$2: Child SAs are lost: $(braid user sas)"
	end_braid "$2"
	ip -n "$(ns gw)" addr add 192.0.2.66/26 dev eth0
	gw_leaves 192.0.2.67
	cell "$2: strongSwan's gateway moves"
}

braid_gateway_moves() {
	ip -n "$(ns gw)" addr add 192.0.2.67/26 dev eth0
	swan_to_braid "$1" "$2"
	gw_leaves 192.0.2.66
	wait_for 30 gw_at 192.0.2.67 || fail "$2: it does not go on from its other address: $(braid gw sas)"
	reaches 30 "$2, the gateway has moved"
	wait_for $((20 + $1)) all_children gw "$1" || fail "$2: Child SAs are lost: $(braid gw sas)"
	grep -q 'IKE SA down' "$T/gw/log" && fail "$2: it was set up anew"
	end_all
	ip -n "$(ns gw)" addr add 192.0.2.66/26 dev eth0
	gw_leaves 192.0.2.67
	cell "$2: our gateway moves"
}

# From IPv4 to IPv6, of which only the gateway's list tells, and back.
other_family() { # number of children, how to ask for an address, what, who is asked
	link ran0 down
	ip -n "$(ns user)" addr del 192.0.2.2/26 dev wlan0
	wait_for $((20 + $1)) "$2" 2001:db8:1::2 || fail "$3: not to IPv6: $(braid "$4" sas)"
	reaches 20 "$3, IPv6"
	wait_for $((20 + $1)) all_children "$4" "$1" || fail "$3: Child SAs are lost: $(braid "$4" sas)"
	ip -n "$(ns user)" addr add 192.0.2.2/26 dev wlan0
	ip -n "$(ns user)" route replace default via 192.0.2.1 dev wlan0 metric 100
	ip -n "$(ns user)" addr del 2001:db8:1::2/64 dev wlan0
	wait_for $((20 + $1)) "$2" 192.0.2.2 || fail "$3: not back to IPv4: $(braid "$4" sas)"
	reaches 20 "$3, IPv4 again"
	wait_for $((20 + $1)) all_children "$4" "$1" || fail "$3: Child SAs are lost: $(braid "$4" sas)"
	grep -q 'IKE SA down' "$T/$4/log" && fail "$3: it was set up anew"
	link ran0 up
	routes_back
}
user_from() { braid user --json sas | jq -e --arg a "$1" '.ike_sas[0].local | ltrimstr("[") | startswith($a)'; }
seen_from() { braid gw --json sas | jq -e --arg a "$1" '.ike_sas[0].remote | ltrimstr("[") | startswith($a)'; }

braid_changes_family() { # number of children, what
	six_back
	braid_to_swan "$1" "$2"
	other_family "$1" user_from "$2" user
	braid user down home >/dev/null || fail "$2: down"
	end_all
	cell "$2: braid goes to IPv6 and back"
}

swan_changes_family() {
	six_back
	swan_to_braid "$1" "$2"
	other_family "$1" seen_from "$2" gw
	end_all
	cell "$2: strongSwan goes to IPv6 and back"
}

# A move in the middle of a rekey, of a Child SA and of the IKE SA, from either side.
braid_moves_rekeying() { # number of children, what
	braid_to_swan "$1" "$2"
	for how in "braid user rekey home" "braid user rekey home/c0" "swan gw --rekey --ike c" "swan gw --rekey --child c0"; do
		$how >"$T/rekey" 2>&1 &
		rekey=$!
		link wlan0 down
		wait_for 10 local_is 198.51.100.2 || fail "$2: $how: it does not move: $(braid user sas)"
		wait $rekey
		reaches 20 "$2, $how"
		wait_for $((20 + $1)) all_children user "$1" || fail "$2: $how: Child SAs: $(braid user sas)"
		link wlan0 up
		routes_back
		wait_for 20 local_is 192.0.2.2 || fail "$2: $how: not back: $(braid user sas)"
		reaches 20 "$2, back after $how"
	done
	end_braid "$2"
	cell "$2: braid moves while either side rekeys"
}

# for the matrix
cell() {
	row "$1"
	[ -z "${CELLS:-}" ] || jq -nc --arg table MOBIKE --arg cell "$1" --arg result ok '$ARGS.named' >>"$CELLS"
}

for n in $children; do
	braid_moves "$n" "$n Child SAs"
	swan_moves "$n" "$n Child SAs"
	swan_gateway_moves "$n" "$n Child SAs"
	braid_gateway_moves "$n" "$n Child SAs"
	braid_changes_family "$n" "$n Child SAs"
	swan_changes_family "$n" "$n Child SAs"
	braid_moves_rekeying "$n" "$n Child SAs"
done
nat_on() { # router
	in_ns "$1" nft add table ip nat
	in_ns "$1" nft 'add chain ip nat post { type nat hook postrouting priority 100; }'
	in_ns "$1" nft add rule ip nat post iifname user masquerade
}
nat_on r2
seen=(192.0.2.2 198.51.100.130)
for n in $children; do
	braid_moves "$n" "$n Child SAs, behind a NAT and back"
	swan_moves "$n" "$n Child SAs, behind a NAT and back"
done
nat_on r1
seen=(192.0.2.65 198.51.100.130)
# and by the other uplink the gateway is to be found at its other address only
one_gone=yes
for n in $children; do
	braid_moves "$n" "$n Child SAs, behind NATs"
	swan_moves "$n" "$n Child SAs, behind NATs"
done
printf '%s\n' "$(strongswan_version)" "${rows[@]}"

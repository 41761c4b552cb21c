# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
# An IKE SA for each path (multipath = clone) where ESP of one end or both is the kernel's: which SA carries what.
# Sourced after netns.sh, agent.sh, clones.sh, mmx.sh, kernel.sh.

confs() { # hosts whose ESP is the kernel's
	local h
	clones_confs "\"$R0\", \"$R1\""
	sed -i 's/retransmit_timeout = 200ms retransmit_base = 1.3 retransmit_tries = 6/retransmit_timeout = 1s dpd_delay = 20s/' "$T/user/braid.conf"
	sed -i 's/multipath = true/multipath = no/' "$T/gw/braid.conf"
	for h in $1; do sed -i '1i dataplane { backend = kernel }' "$T/$h/braid.conf"; done
	sed -i '1i class "twice" { match { dscp = { ef } } mode = redundant copies = 2 }' "$T/user/braid.conf"
}
esp_by() { [ "$(braid "$1" --json status | jq -r .esp.by)" = "$2" ] || fail "$1: not the $2's ESP: $(braid "$1" status)"; }
up() {
	clones_up
	wait_have=60 have "$I0>$R0" "$I1>$R1"
	first=$(line_at user "$I0>$R0") second=$(line_at user "$I1>$R1")
	g1=$(line_at gw "$R0>$I0") g2=$(line_at gw "$R1>$I1")
	vip=$(sas user '[.[].vips[]][0]' | tr -d '"')
	wait_for 20 all_used || fail "not all SAs are used: $(braid user sas; braid gw sas)"
}

# Packets of a line's Child SAs, and of the paths of an address.
tx() { sas "$1" "[.[] | select(.line == $2).children[].tx_packets] | add // 0"; }
rx() { sas "$1" "[.[] | select(.line == $2).children[].rx_packets] | add // 0"; }
path_tx() { braid "$1" --json paths | jq --arg l "$2:" '[.paths[] | select(.local | startswith($l)).tx_packets] | add // 0'; }
pings() { # each of six flows, so many packets
	local i
	for i in 0 1 2 3 4 5; do in_ns user ping -c "$1" -i 0.02 -W 3 -q 203.0.113.1$i >"$T/ping" || return; done
}
all_used() {
	local a b
	a=$(tx user "$first") b=$(tx user "$second")
	many_flows
	[ $(($(tx user "$first") - a)) -ge 50 ] && [ $(($(tx user "$second") - b)) -ge 50 ]
}

# Of so many packets of either SA as many have gone over its own path: what the other path has is not of it.
own_paths() {
	local a b p q
	a=$(tx user "$first") b=$(tx user "$second") p=$(path_tx user $I0) q=$(path_tx user $I1)
	many_flows
	pings 5 || return
	a=$(($(tx user "$first") - a)) b=$(($(tx user "$second") - b))
	p=$(($(path_tx user $I0) - p)) q=$(($(path_tx user $I1) - q))
	[ $((a + b)) -ge 230 ] && [ $a -ge 50 ] && [ $b -ge 50 ] && [ $((a > p ? a - p : p - a)) -le 5 ] && [ $((b > q ? b - q : q - b)) -le 5 ]
}
# 24 flows of datagrams to the LAN and back, 10 each.
asks() {
	in_ns user /usr/bin/python3 - "$vip" <<-'PY'
		import socket, sys
		for _ in range(24):
		    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
		    s.bind((sys.argv[1], 0))
		    s.connect(("203.0.113.10", 7007))
		    s.settimeout(5)
		    for n in range(10):
		        s.send(b"%d" % n)
		        s.recv(100)
	PY
}
# What a line's SA brings to the gateway its SA answers.
answered() {
	local a b p q
	a=$(rx gw "$g1") b=$(rx gw "$g2") p=$(tx gw "$g1") q=$(tx gw "$g2")
	asks || return
	a=$(($(rx gw "$g1") - a)) b=$(($(rx gw "$g2") - b)) p=$(($(tx gw "$g1") - p)) q=$(($(tx gw "$g2") - q))
	[ $((a + b)) -ge 240 ] && [ "$a" -ge 20 ] && [ "$b" -ge 20 ] && [ $((a > p ? a - p : p - a)) -le 5 ] && [ $((b > q ? b - q : q - b)) -le 5 ]
}
twice() { # each packet by both paths, once at its receiver
	local a p
	a=$(($(tx user "$first") + $(tx user "$second"))) p=$(($(path_tx user $I0) + $(path_tx user $I1)))
	in_ns user ping -c 20 -i 0.02 -W 3 -Q 0xb8 203.0.113.10 >"$T/ping" || return
	! grep -q duplicates "$T/ping" || return
	a=$(($(tx user "$first") + $(tx user "$second") - a)) p=$(($(path_tx user $I0) + $(path_tx user $I1) - p))
	[ "$a" -ge 20 ] && [ $((p - a)) -ge 20 ]
}
checks() { # at the beginning
	wait_for 5 own_paths || fail "$1: not by the SA of its path: $(braid user paths; braid user sas)"
	wait_for 5 answered || fail "$1: answers do not go by the line they were asked by: $(braid gw paths; braid gw sas)"
	wait_for 5 twice || fail "$1: copies: $(cat "$T/ping"; braid user paths)"
	ok "$1: each path by its own Child SA, answers by the line of what they answer, copies by both"
}
rekeys() {
	local n old
	traffic_begin
	for n in "user home#$second/net $second" "gw rw#$g1/net $g1" "user home#$first/net $first"; do
		# shellcheck disable=SC2086
		set -- $n
		old=$(spi_of "$1" "$3")
		braid "$1" rekey "$2" >"$T/out" 2>&1 || fail "rekey of $n: $(cat "$T/out")"
		wait_for 10 eval '[ "$(spi_of "'"$1"'" "'"$3"'")" != "'"$old"'" ]' || fail "$n is not rekeyed: $(braid "$1" sas)"
	done
	traffic_end 0
	wait_for 20 own_paths || fail "after rekeys: $(braid user paths; braid user sas)"
	wait_for 5 answered || fail "after rekeys: $(braid gw paths; braid gw sas)"
	ok "one of several is rekeyed, by either end: nothing is lost, and it carries its path"
}
restarts() {
	local before
	before=$(spis user)
	traffic_begin
	agent_dies user
	agent_dies gw
	wait_for 5 many_flows # nobody lives, and it goes on
	for h in gw user; do braidd_start "$h" "$T/$h/braid.conf" -v; done
	traffic_end 0
	wait_have=30 have "$I0>$R0" "$I1>$R1"
	[ "$(spis user)" = "$before" ] || fail "another agent has other SAs: $(braid user sas)"
	wait_for 20 own_paths || fail "after a restart: $(braid user paths; braid user sas)"
	wait_for 5 answered || fail "after a restart: $(braid gw paths; braid gw sas)"
	ok "both agents die and come back: nothing is lost, each path by its own Child SA"
}
uplink_goes() {
	traffic_begin
	ip -n "$(ns user)" link set ran0 down
	wait_for 20 eval '[ "$(sas user "[.[].children[]] | length")" = 1 ] || [ "$(paths_in_state user up)" = 1 ]' || fail "nobody notices: $(braid user paths)"
	wait_for 20 asks || fail "not all goes by the other: $(braid user paths; braid gw paths)"
	ip -n "$(ns user)" link set ran0 up
	ip -n "$(ns user)" route replace default via 198.51.100.1 dev ran0 metric 200
	wait_have=60 have "$I0>$R0" "$I1>$R1"
	traffic_end 500
	first=$(line_at user "$I0>$R0") second=$(line_at user "$I1>$R1")
	g1=$(line_at gw "$R0>$I0") g2=$(line_at gw "$R1>$I1")
	wait_for 30 own_paths || fail "after it came back: $(braid user paths; braid user sas)"
	wait_for 5 answered || fail "after it came back: $(braid gw paths; braid gw sas)"
	ok "an uplink goes and comes back: the other carries all meanwhile"
}
explains() { # what it says of a flow is what becomes of it
	local said path before p
	for p in 3001 3002 3003; do
		said=$(braid user --json steering explain udp "$vip:4711" "203.0.113.11:$p")
		path=$(jq -r ".paths[0].name // empty" <<<"$said")
		[ -n "$path" ] || fail "it does not say: $said"
		before=$(braid user --json paths | jq --arg n "$path" '.paths[] | select(.name == $n).tx_packets')
		in_ns user /usr/bin/python3 - "$vip" "$p" <<-PY
			import socket, sys
			s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
			s.bind((sys.argv[1], 4711))
			for _ in range(30): s.sendto(b"x", ("203.0.113.11", int(sys.argv[2])))
		PY
		wait_for 5 eval '[ $(($(braid user --json paths | jq --arg n "'"$path"'" ".paths[] | select(.name == \$n).tx_packets") - '"$before"')) -ge 30 ]' ||
			fail "port $p goes elsewhere than $path: $said $(braid user paths)"
	done
	ok "steering explain tells the truth"
}

lines_topo() {
	local i
	clones_topo
	# shellcheck disable=SC2154
	in_ns lan /usr/bin/python3 "$top/tests/lib/traffic.py" echo 203.0.113.10 7007 &
	wait_for 10 eval 'in_ns lan ss -ltnH | grep -q :7007' || fail "no echo"
	for i in 1 2 3 4 5; do ip -n "$(ns lan)" addr add 203.0.113.1$i/26 dev eth0 2>/dev/null; done
}

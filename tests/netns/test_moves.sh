#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# MOBIKE between two braids with one path: what the initiator does about addresses that the peer refuses
# (MOB-10, MOB-11), about a gateway that leaves its address (MOB-29, MOB-30), between IPv4 and IPv6
# (MOB-17), and about a better uplink that fails once more.
. "$(dirname "$0")/../lib/netns.sh"

topo_multihomed
wire r1 r2 198.51.100.129/30 r2 r1 198.51.100.130/30
ip -n "$(ns r1)" route add 198.51.100.0/26 via 198.51.100.130
ip -n "$(ns r2)" route add 192.0.2.64/26 via 198.51.100.129
ip -n "$(ns gw)" route replace 198.51.100.0/26 via 192.0.2.65
ip -n "$(ns user)" addr add 198.51.100.3/26 dev ran0
ip -n "$(ns gw)" addr add 192.0.2.67/26 dev eth0

conf() { # remote addresses of the user, of the gateway
	cat >"$T/user/braid.conf" <<-CONF
		uplink "wlan" { interface = wlan0 preference = 0 fail_back = 500ms }
		uplink "ran" { interface = ran0 preference = 1 }
		connection "home" {
			remote_addrs = { $1 }
			multipath = false
			dpd_delay = 1s
			retransmit_timeout = 500ms
			vips = { "0.0.0.0" }
			local { id = "user@example.org" }
			remote { id = "gw.example.org" }
			child "net" { remote_ts = { "203.0.113.0/26" } }
		}
		secret "s" { id = { "user@example.org", "gw.example.org" } secret = "a long secret of ours" }
	CONF
	cat >"$T/gw/braid.conf" <<-CONF
		uplink "a" { interface = eth0 }
		pool "p" { addrs = "203.0.113.128/26" }
		connection "rw" {
			$([ -z "$2" ] || echo "remote_addrs = { $2 }")
			multipath = false
			dpd_delay = 1s
			retransmit_timeout = 500ms
			pools = { "p" }
			local { id = "gw.example.org" }
			remote { id = "user@example.org" }
			child "net" { local_ts = { "203.0.113.0/26" } }
		}
		secret "s" { id = { "user@example.org", "gw.example.org" } secret = "a long secret of ours" }
	CONF
}
start() {
	conf "$@"
	rm -f "$T"/*/log
	braidd_start gw "$T/gw/braid.conf"
	braidd_start user "$T/user/braid.conf"
	braid user up home >"$T/up" 2>&1 || fail "up: $(cat "$T/up")"
	vip=$(braid user --json sas | jq -r '.ike_sas[0].vips[0]')
}
end() { # what was shown
	grep -q 'IKE SA down' "$T"/*/log && fail "$1: it was set up anew"
	for h in user gw; do
		kill "$(agent_pid $h)"
		wait_for 10 no_pids $h || fail "$1: $h does not end"
	done
	echo "ok - $1"
}
at() { # local and remote address of the user
	braid user --json sas | jq -e --arg l "$1" --arg r "$2" \
		'.ike_sas[0] | (.local | sub(":[0-9]+$"; "") | gsub("[][]"; "")) == $l and (.remote | sub(":[0-9]+$"; "") | gsub("[][]"; "")) == $r' &&
		braid user --json paths | jq -e --arg l "$1" '.paths[0].local | contains($l)'
}
reach() { in_ns user ping -c 1 -W 1 -q -I "$vip" 203.0.113.10; }
arrives() { # what, seconds, local, remote
	wait_for "$2" at "$3" "$4" || fail "$1: not from $3 to $4: $(braid user sas; braid user paths)"
	wait_for 5 reach || fail "$1: nothing passes"
}
link() { ip -n "$(ns user)" link set "$1" "$2"; }
wlan_up() {
	link wlan0 up
	ip -n "$(ns user)" route replace default via 192.0.2.1 dev wlan0 metric 100
	ip -n "$(ns user)" addr replace 2001:db8:1::2/64 dev wlan0 nodad
	ip -n "$(ns user)" -6 route replace default via 2001:db8:1::1 dev wlan0 metric 100
}
refusals() { grep -c 'answered UNACCEPTABLE_ADDRESSES' "$T/gw/log"; }

# ---- refused ----

start '"192.0.2.66"' '"192.0.2.2", "198.51.100.3"'
link wlan0 down
arrives "one is refused" 5 198.51.100.3 192.0.2.66
[ "$(refusals)" = 1 ] || fail "asked $(refusals) times with an address that is refused"
wlan_up
arrives "back" 10 192.0.2.2 192.0.2.66
end "refused, the next address is taken"

start '"192.0.2.66"' '"192.0.2.2"'
link wlan0 down
again() { [ "$(refusals)" -ge 6 ]; }
wait_for 15 again || fail "not tried again: $(refusals)"
sleep 2
[ "$(refusals)" -le 20 ] || fail "no patience: asked $(refusals) times"
wlan_up
arrives "all are refused" 5 192.0.2.2 192.0.2.66
end "all refused: asked again seldom, and back where it was"

# ---- the gateway leaves its address ----

start '"192.0.2.66"' ''
in_ns gw sysctl -qw net.ipv4.conf.eth0.promote_secondaries=1
ip -n "$(ns gw)" addr del 192.0.2.66/26 dev eth0
ip -n "$(ns gw)" route replace 192.0.2.0/26 via 192.0.2.65
ip -n "$(ns gw)" route replace 198.51.100.0/26 via 192.0.2.65
arrives "gateway" 15 192.0.2.2 192.0.2.67
# and the user goes on from there
link wlan0 down
arrives "gateway, and then the user" 5 198.51.100.2 192.0.2.67
wlan_up
arrives "gateway, and the user back" 10 192.0.2.2 192.0.2.67
ip -n "$(ns gw)" addr add 192.0.2.66/26 dev eth0
end "a gateway that leaves its address is followed to one that it tells of"

# ---- IPv4 to IPv6 and back ----

start '"192.0.2.66", "2001:db8:1:1::66"' ''
ip -n "$(ns user)" addr del 192.0.2.2/26 dev wlan0
arrives "to IPv6" 5 2001:db8:1::2 2001:db8:1:1::66
ip -n "$(ns user)" addr add 192.0.2.2/26 dev wlan0
wlan_up
ip -n "$(ns user)" addr del 2001:db8:1::2/64 dev wlan0
arrives "to IPv4" 5 192.0.2.2 192.0.2.66
in_ns lan ping -c 3 -i 0.1 -W 1 -s 1300 -q "$vip" >"$T/ping" || fail "nothing passes from the LAN"
end "from IPv4 to IPv6 and back"

# ---- a better uplink that fails again ----

start '"192.0.2.66"' ''
over_r2() { # the gateway by r2 alone
	cut_path r1
	ip -n "$(ns r2)" route replace 192.0.2.64/26 via 198.51.100.66
	ip -n "$(ns gw)" route replace 198.51.100.0/26 via 198.51.100.65
}
over_both() {
	mend_path r1
	ip -n "$(ns r2)" route replace 192.0.2.64/26 via 198.51.100.129
	ip -n "$(ns gw)" route replace 198.51.100.0/26 via 192.0.2.65
}
over_r2
arrives "the middle of the way" 15 198.51.100.2 192.0.2.66
over_both
# a test that is under way outlasts whatever else changes meanwhile
in_ns r1 tc qdisc add dev user root netem delay 150ms 2>/dev/null || echo "# no netem here"
while sleep 0.05; do
	ip -n "$(ns user)" addr replace 192.0.2.9/32 dev lo
	ip -n "$(ns user)" addr del 192.0.2.9/32 dev lo
done &
churn=$!
arrives "mended" 30 192.0.2.2 192.0.2.66
kill $churn
in_ns r1 tc qdisc del dev user root 2>/dev/null
over_r2
arrives "cut once more" 15 198.51.100.2 192.0.2.66
over_both
grep -q 'has failed again after' "$T/user/log" || fail "nothing is said of an uplink that fails again"
since=$(date +%s)
arrives "mended once more" 40 192.0.2.2 192.0.2.66
[ $(($(date +%s) - since)) -ge 7 ] || fail "at once to an uplink that has failed again"
end "a better uplink that fails again has to wait"

# ---- the peer rekeys the IKE SA while a better uplink is tested ----

start '"192.0.2.66"' ''
link wlan0 down
arrives "without wlan0" 15 198.51.100.2 192.0.2.66
wlan_up
ip -n "$(ns user)" neigh replace 192.0.2.1 lladdr 02:00:00:00:00:01 dev wlan0 nud permanent
sleep 1 # the test is sent after half a second, and given up a second later
braid gw rekey --ike rw >"$T/rekey" || fail "rekey: $(cat "$T/rekey")"
ip -n "$(ns user)" neigh del 192.0.2.1 dev wlan0
arrives "after the rekey" 10 192.0.2.2 192.0.2.66
end "a rekey during a test of a better uplink"

# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
# An IKE SA for each path between user and gw of netns.sh's topology, where either uplink leads to
# either address of the gateway; and what several IKE SAs of one family send. Sourced after netns.sh
# and agent.sh.

clones_topo() {
	topo_multihomed
	wire r1 r2 198.51.100.129/30 r2 r1 198.51.100.130/30
	ip -n "$(ns r1)" route add 198.51.100.0/26 via 198.51.100.130
	ip -n "$(ns r1)" route add 198.51.100.64/26 via 198.51.100.130
	ip -n "$(ns r2)" route add 192.0.2.0/26 via 198.51.100.129
	ip -n "$(ns r2)" route add 192.0.2.64/26 via 198.51.100.129
	ip -n "$(ns gw)" route add default via 192.0.2.65 metric 100
	ip -n "$(ns gw)" route add default via 198.51.100.65 metric 200
}

# clones_confs REMOTE-ADDRS [SETTING...]: of the user's connection; the gateway answers
clones_confs() {
	local addrs=$1
	shift
	agent_confs 50ms
	sed -i -e "s/remote_addrs = .*/remote_addrs = { $addrs }/" -e '/path "/d' -e '1i allow_key_export = true' \
		-e "s/multipath = true/multipath = clone retransmit_timeout = 200ms retransmit_base = 1.3 retransmit_tries = 6 $*/" \
		"$T/user/braid.conf"
}

clones_up() {
	local h
	for h in gw user; do
		: >"$T/$h/log"
		braidd_start "$h" "$T/$h/braid.conf" -v
	done
	braid user up home >"$T/up" 2>&1 || fail "up: $(cat "$T/up")"
}

clones_down() {
	local h
	for h in user gw; do
		kill "$(agent_pid $h)"
		wait_for 10 no_pids $h || fail "braidd on $h does not end"
	done
}

sas() { braid "$1" --json sas | jq -s "[.[].ike_sas[] | select(.state == \"ESTABLISHED\")] | $2"; }
# The pairs of addresses of all lines, "local>remote ...", each with a Child SA.
pairs() {
	sas "$1" '[.[] | select(.children | length > 0) | (.local | sub(":.*"; "")) + ">" + (.remote | sub(":.*"; ""))] | sort | join(" ")' |
		tr -d '"'
}
pairs_are() { [ "$(pairs "$1")" = "$2" ]; }
# have PAIR...: the user has exactly these lines, and the gateway the same ones, reversed.
have() {
	local p want='' back=''
	for p in "$@"; do
		want+="$p"$'\n'
		back+="${p#*>}>${p%>*}"$'\n'
	done
	want=$(printf %s "$want" | sort | paste -sd' ')
	back=$(printf %s "$back" | sort | paste -sd' ')
	wait_for "${wait_have:-10}" pairs_are user "$want" || fail "the user has $(pairs user), not $want: $(braid user status)"
	wait_for 10 pairs_are gw "$back" || fail "the gateway has $(pairs gw), not $back"
}
# Which line is at a pair, its oldest Child SA, when it was made.
line_at() { sas "$1" ".[] | select((.local | startswith(\"${2%>*}:\")) and (.remote | startswith(\"${2#*>}:\"))).line"; }
spi_of() { sas "$1" ".[] | select(.line == $2).children[0].spi_in" | tr -d '"'; }
reach() { in_ns user ping -c 1 -W 0.3 -q 203.0.113.10; }

all_sent() { sas "$1" '[.[].children[].tx_packets] | add'; }
# flows WHO: 400 of one packet each, from it or the LAN behind it to the other side ($vip), until its
# engine has sent them all
# shellcheck disable=SC2154
flows() {
	local n from=user to=203.0.113.11
	[ "$1" = user ] || from=lan to=$vip
	n=$(all_sent "$1")
	in_ns $from bash -c "for ((p = 2000; p < 2400; p++)); do echo x >/dev/udp/$to/\$p; done" 2>/dev/null
	wait_for 10 eval '[ $(($(all_sent "'"$1"'") - '"$n"')) -ge 400 ]' || fail "$1 does not send all: $(braid "$1" sas)"
}

# shellcheck disable=SC2034
I0=192.0.2.2 I1=198.51.100.2 R0=192.0.2.66 R1=198.51.100.66

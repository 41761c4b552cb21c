# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
# braid on user and gateway of netns.sh's topology with the multi-interface extension; either uplink
# of the user leads to either address of the gateway. Sourced after netns.sh, agent.sh, clones.sh.

# mmx_confs USER-SETTINGS [GATEWAY-SETTINGS]: of the connection at each end
mmx_confs() {
	agent_confs 50ms
	sed -i -e '/path "/d' -e "s/multipath = true/$1/" "$T/user/braid.conf"
	sed -i -e "s/multipath = true/${2:-multipath = no mmx = yes}/" -e '1i allow_key_export = true' "$T/gw/braid.conf"
	sed -i -e '1i allow_key_export = true' "$T/user/braid.conf"
	ip -n "$(ns user)" -6 addr flush scope global
	ip -n "$(ns gw)" -6 addr flush scope global
}

mmx_up() {
	clones_up
	wait_for 10 mmx_lists user || fail "the user knows no interfaces of the gateway: $(braid user mmx list)"
	wait_for 10 mmx_lists gw || fail "the gateway knows no interfaces of the user: $(braid gw mmx list)"
}
mmx_lists() { [ "$(relation "$1" '(.peer.interfaces | length) > 0 and (.ours.interfaces | length) > 0')" = true ]; }

# relation HOST FILTER: of what braid mmx list says of the only one
relation() { braid "$1" --json mmx list | jq -rc ".relations[0] | $2"; }
# The number of an endpoint: of that host's, by address.
epid() { relation "$1" ".ours.interfaces[].endpoints[] | select(.address == \"$2\").id"; }
# The pairs that Child SAs use by their bindings: "local>remote ...", those that only help are left out.
bound() {
	relation "$1" '[.bindings[] | select(.id > 0) | .paths[] | select((.boot or .alternate) | not) |
		(.local | sub(":.*"; "")) + ">" + (.remote | sub(":.*"; ""))] | unique | join(" ")'
}
bound_has() { [[ " $(bound "$1") " == *" $2 "* ]]; }
bound_are() { [ "$(bound "$1")" = "$2" ]; }
# bind_is PAIR...: what the user is bound to, and the gateway the same, reversed
bind_is() {
	local p want='' back=''
	for p in "$@"; do
		want+="$p"$'\n'
		back+="${p#*>}>${p%>*}"$'\n'
	done
	want=$(printf %s "$want" | LC_ALL=C sort | paste -sd' ')
	back=$(printf %s "$back" | LC_ALL=C sort | paste -sd' ')
	wait_for "${wait_bound:-10}" bound_are user "$want" || fail "the user is bound to $(bound user), not $want: $(braid user mmx list)"
	wait_for 10 bound_are gw "$back" || fail "the gateway is bound to $(bound gw), not $back: $(braid gw mmx list)"
}
# Inbound SPIs of a host, sorted: the same before and after what must not make another SA.
spis() { braid "$1" --json sas | jq -s '[.[].ike_sas[].children[].spi_in] | sort | join(" ")'; }

# A TCP connection and a UDP stream for each inner address of the user, while things happen.
traffic_begin() {
	local vips
	# shellcheck disable=SC2207
	vips=($(sas user '[.[].vips[]] | unique | join(" ")' | tr -d '"'))
	# shellcheck disable=SC2154
	in_ns lan ss -ltnH | grep -q :7007 || in_ns lan /usr/bin/python3 "$top/tests/lib/traffic.py" echo 203.0.113.10 7007 &
	wait_for 5 eval 'in_ns lan ss -ltnH | grep -q :7007' || fail "no echo"
	in_ns user /usr/bin/python3 "$top/tests/lib/traffic.py" run 203.0.113.10 7007 "${vips[@]}" >"$T/traffic" 2>"$T/traffic.err" &
	traffic=$!
	wait_for 5 eval 'in_ns lan ss -tnH state established | grep -q 7007' || fail "no connection: $(cat "$T/traffic.err")"
}
# traffic_end LOST: each connection lives, and each stream lost no more than that
traffic_end() {
	local p
	for p in $(ip netns pids "$(ns user)"); do
		grep -qz traffic.py "/proc/$p/cmdline" && kill -TERM "$p"
	done
	wait "$traffic"
	jq -e --argjson n "$1" 'length > 0 and all(.[]; .tcp and .sent > 0 and .lost <= $n)' "$T/traffic" >/dev/null ||
		fail "traffic: $(cat "$T/traffic" "$T/traffic.err")"
	echo "# $(jq -c . "$T/traffic")"
}

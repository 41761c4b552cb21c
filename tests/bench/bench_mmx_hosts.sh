#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# N further Child SAs between two hosts, and their move to the host's other interface, as whole daemons
# do it: braid by one ADD_IF and one UPDATE (MMX), strongSwan by a CREATE_CHILD_SA each, asked for by
# swanctl one after the other, and MOBIKE when the address in use goes away. How long it takes until the
# command ends, of strongSwan's move until its gateway has the new address; IKE packets and octets of IP
# at the gateway, both ways. Each run has N or one Child SAs before that, which do not count.
#
# COUNTS (1 10 100): of Child SAs. Results also in build/bench/mmx_hosts.jsonl.
. "$(dirname "$0")/../lib/netns.sh"
. "$(dirname "$0")/../lib/agent.sh"
. "$(dirname "$0")/../lib/clones.sh"
. "$(dirname "$0")/../lib/mmx.sh"
. "$(dirname "$0")/../lib/strongswan.sh"

read -ra counts <<<"${COUNTS:-1 10 100}"
mkdir -p "$B/bench"
results=$B/bench/mmx_hosts.jsonl
: >"$results"

clones_topo
# strongSwan's userspace ESP wants an address of its own in each selector
for ((i = 2; i <= 103; i++)); do ip -n "$(ns gw)" addr add 203.0.113.$i/32 dev lan0; done
in_ns gw nft -f - <<-'NFT'
	table inet ike {
		counter n { }
		chain in { type filter hook input priority 0;
			udp dport 500 counter name n
			udp dport 4500 @th,64,32 0 counter name n; }
		chain out { type filter hook output priority 0;
			udp sport 500 counter name n
			udp sport 4500 @th,64,32 0 counter name n; }
	}
NFT
counted() { in_ns gw nft -j list counters | jq -r '.nftables[].counter // empty | "\(.packets) \(.bytes)"'; }

# measure WHO WHAT N COMMAND...: prints and keeps what it takes
measure() {
	local who=$1 what=$2 n=$3 began packets octets p o usec
	shift 3
	read -r packets octets < <(counted)
	began=${EPOCHREALTIME/./}
	"$@"
	usec=$((${EPOCHREALTIME/./} - began))
	# what comes after it: verification, lists, SAs that are rekeyed because they cannot move
	while
		read -r p o < <(counted)
		sleep 0.5
		[ "$(counted)" != "$p $o" ]
	do :; done
	printf '%-10s %-5s %3d Child SAs: %8.1f ms, %4d IKE packets, %6d octets\n' "$who" "$what" "$n" \
		"$((usec / 1000)).$((usec / 100 % 10))" $((p - packets)) $((o - octets))
	jq -cn --arg who "$who" --arg what "$what" --argjson n "$n" --argjson usec $usec --argjson packets $((p - packets)) \
		--argjson octets $((o - octets)) '$ARGS.named' >>"$results"
}

# ---- braid --------------------------------------------------------------------------------------

mmx() { braid user --json mmx "$@" >"$T/out" 2>&1 || fail "mmx $*: $(cat "$T/out")"; }
children() { braid "$1" --json sas | jq -s '[.[].ike_sas[].children[]] | length'; }
have() { [ "$(children user)" = "$1" ] && [ "$(children gw)" = "$1" ]; }

run_braid() { # N
	local i own='' theirs='' window='multipath = no mmx = yes window = 8'
	for ((i = 1; i <= $1; i++)); do
		own+="child \"c$i\" { remote_ts = { \"203.0.113.$i\" } start_action = start } "
		theirs+="child \"c$i\" { local_ts = { \"203.0.113.$i\" } } "
	done
	mmx_confs "$window" "$window"
	sed -i "s|child \"net\" {.*|$own|" "$T/user/braid.conf"
	sed -i "s|child \"net\" {.*|$theirs|" "$T/gw/braid.conf"
	mmx_up
	wait_for 30 have "$1" || fail "not $1 Child SAs: $(braid user status)"
	measure braid make "$1" mmx add-interface home ran --parallel
	wait_for 10 have $((2 * $1)) || fail "not $1 derived ones: $(braid user sas)"
	measure braid move "$1" mmx update home $I1 $I0
	bind_is "$I0>$R0"
	stop_all
}

# ---- strongSwan ---------------------------------------------------------------------------------

swan_conf() { # HOST MINE THEIRS N LOCAL|REMOTE
	local i
	echo "connections { c { version = 2
		proposals = aes128gcm16-prfsha256-x25519
		mobike = yes
		dpd_delay = 0
		rekey_time = 0
		$([ "$1" = gw ] && echo 'pools = p' || printf 'remote_addrs = 192.0.2.66\nvips = 0.0.0.0')
		local { auth = psk
			id = $2 }
		remote { auth = psk
			id = $3 }
		children {"
	for ((i = 0; i <= $4; i++)); do
		echo "c$i { $5 = 203.0.113.$([ "$1" = gw ] && echo 0/25 || echo $((i < 62 ? i + 1 : i + 3))/32)
			esp_proposals = aes128gcm16
			rekey_time = 0 }"
	done
	echo "} } }
		pools { p { addrs = 203.0.113.128/26 } }
		secrets { ike { secret = \"$psk\" } }"
}
swan_children() { swan "$1" --list-sas --raw 2>/dev/null | grep -o 'state=INSTALLED' | grep -c .; }
swan_have() { [ "$(swan_children user)" = "$1" ] && [ "$(swan_children gw)" = "$1" ]; }
initiate() { swan user --initiate --child "$1" >"$T/initiate" 2>&1 || fail "swanctl: $(cat "$T/initiate")"; }
initiate_all() {
	local i
	for ((i = 1; i <= $1; i++)); do initiate "c$i"; done
}
swan_moved() { swan gw --list-sas --raw 2>/dev/null | grep -q "remote-host=$I1"; }
lose_address() {
	ip -n "$(ns user)" addr del $I0/26 dev wlan0
	wait_for 20 swan_moved || fail "strongSwan does not move: $(tail -n 5 "$T/user/log")"
}

run_swan() { # N
	swan_conf user user@example.org gw.example.org "$1" remote_ts >"$T/user/swanctl.conf"
	swan_conf gw gw.example.org user@example.org 0 local_ts >"$T/gw/swanctl.conf"
	strongswan_start gw
	strongswan_start user
	initiate c0
	measure strongSwan make "$1" initiate_all "$1"
	wait_for 10 swan_have $(($1 + 1)) || fail "not $1 more Child SAs: $(swan user --list-sas)"
	measure strongSwan move "$1" lose_address
	swan_have $(($1 + 1)) || fail "Child SAs are lost: $(swan user --list-sas)"
	stop_all
	ip -n "$(ns user)" addr add $I0/26 dev wlan0
	ip -n "$(ns user)" route replace default via 192.0.2.1 dev wlan0 metric 100
}

for n in "${counts[@]}"; do
	run_braid "$n"
	run_swan "$n"
done

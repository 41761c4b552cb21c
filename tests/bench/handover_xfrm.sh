#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# How long no packet arrives, and how many are lost, of a stream in each direction between a host with two uplinks
# and a network behind a gateway with two addresses, while the first uplink is lost, where ESP is the kernel's:
# handover_xfrm.sh BUILD_DIR. `make bench-xfrm` runs it on Debian's stock kernel. Candidates, in turn:
#
#     braid      one path, which MOBIKE moves, as it comes (silence = 1s, liveness checks each 30 s)
#     braid-200  the same with silence = 200ms
#     charon     strongSwan with plain XFRM, moved by MOBIKE; liveness checks each second, four tries of 0.5 s
#     wireguard  which has one endpoint, and whose peer follows it
#
# ROUNDS (3) rounds of every candidate and case, 50 packets a second. CASES, CANDIDATES: some of them only.
# LIMIT (20): seconds after which silence is not waited for any more; what is not over then is told so.
export BRAID_BUILD=$1
. "$(dirname "$0")/../lib/netns.sh"
. "$(dirname "$0")/../lib/agent.sh"
. "$(dirname "$0")/../lib/strongswan.sh"
. "$(dirname "$0")/../lib/handover.sh"
. "$(dirname "$0")/../lib/kernel.sh"
for tool in nft python3 wg; do command -v $tool >/dev/null || skip "needs $tool"; done
kernel_esp_or_skip
modprobe -q -a wireguard gcm ghash_generic ctr seqiv aesni_intel || :

rounds=${ROUNDS:-3}
limit=$((${LIMIT:-20} * 1000))
read -ra cases <<<"${CASES:-link address blackhole}"
read -ra candidates <<<"${CANDIDATES:-braid braid-200 charon wireguard}"
results=$T/results
# shellcheck disable=SC2034  # for strongswan.sh
swan_esp=''
handover_swan_options='retransmit_timeout = 0.5
	retransmit_base = 1
	retransmit_tries = 4
	prefer_best_path = yes'

record() { printf '%s\t%s\t%s\n' "$@" >>"$results"; } # candidate, measure, value

braid_up() { # silence
	local h
	agent_confs
	for h in user gw; do
		sed -i -e '/path "/d' -e '1i dataplane { backend = kernel }' \
			-e "s/multipath = true/multipath = no silence = $1/" "$T/$h/braid.conf"
	done
	for h in gw user; do braidd_start $h "$T/$h/braid.conf"; done
	braid user -t 60 up home >"$T/up" 2>&1 || fail "up: $(cat "$T/up")"
	vip=$(braid user --json sas | jq -r '.ike_sas[0].vips[0]')
}

wireguard_up() {
	local h
	vip=203.0.113.129
	for h in user gw; do
		(umask 077 && wg genkey >"$T/$h/key")
		wg pubkey <"$T/$h/key" >"$T/$h/pub"
		ip -n "$(ns $h)" link add wg0 type wireguard || skip "needs WireGuard"
	done
	in_ns user wg set wg0 private-key "$T/user/key" peer "$(cat "$T/gw/pub")" endpoint 192.0.2.66:51820 allowed-ips 203.0.113.0/26
	in_ns gw wg set wg0 listen-port 51820 private-key "$T/gw/key" peer "$(cat "$T/user/pub")" allowed-ips $vip/32
	user_ip addr add $vip/32 dev wg0
	for h in user gw; do ip -n "$(ns $h)" link set wg0 up; done
	user_ip route add 203.0.113.0/26 dev wg0 src $vip
	ip -n "$(ns gw)" route add $vip dev wg0
}

up() { # candidate
	case $1 in
	braid) braid_up 1s ;;
	braid-*) braid_up "${1#braid-}ms" ;;
	charon) handover_swan_up ;;
	wireguard) wireguard_up ;;
	esac
	wait_for 30 in_ns user ping -c 1 -W 1 -q -I "$vip" 203.0.113.10 || fail "$1: nothing passes"
}
down() {
	case $1 in
	braid*) handover_braid_down ;;
	charon) stop_all ;;
	wireguard) for h in user gw; do ip -n "$(ns $h)" link del wg0; done ;;
	esac
}

measure() { # candidate case
	local n=$1 c=$2 way what
	peer=braid
	[ "$n" != charon ] || peer=charon
	handover_watch "$c" -i 20000 -d 3000 -m "$limit"
	printf '%-10s %-10s' "$n" "$c"
	for way in there back; do
		for what in gap lost quiet; do record "$n" "$c-$way-$what" "$(watched ".$way.$what")"; done
		[ "$(watched ".$way.arrives")" = true ] || record "$n" "$c-$way-silent" 1
		printf ' %s: silent for %8.1f ms, %5d lost;' "$way" "$(watched ".$way.gap / 1000")" "$(watched ".$way.lost")"
	done
	record "$n" "$c-in_clear" "$(watched .in_clear)"
	printf ' %d in clear\n' "$(watched .in_clear)"
}

handover_topo
# either uplink of the gateway leads to either of the host, as default routes would
ip -n "$(ns gw)" route add 198.51.100.0/26 via 192.0.2.65 metric 200
ip -n "$(ns gw)" route add 192.0.2.0/26 via 198.51.100.65 metric 200
for ((round = 1; round <= rounds; round++)); do
	for c in "${cases[@]}"; do
		for n in "${candidates[@]}"; do
			up "$n"
			measure "$n" "$c"
			"mend_$c"
			down "$n"
		done
	done
done
python3 "$top/tests/bench/report_handover_xfrm.py" "$results"

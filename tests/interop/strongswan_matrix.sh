#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# The matrix with strongSwan 5.9 and its userspace ESP: braid's role, authentication, suite, NAT, family
# of addresses outside and inside. A cell is a set-up with the suite and the NAT that were to be, and
# traffic both ways. The configuration of all of them is one, loaded once for each role.
#
#     user 192.0.2.2 --- r1 (routes, masquerades, or has a static NAT) --- gw 192.0.2.66 --- lan 203.0.113.10
. "$(dirname "$0")/../lib/netns.sh"
. "$(dirname "$0")/../lib/strongswan.sh"
. "$(dirname "$0")/../lib/pki.sh"
. "$(dirname "$0")/../lib/cells.sh"
. "$(dirname "$0")/../lib/strongswan_conf.sh"
for tool in openssl nft; do command -v $tool >/dev/null || skip "needs $tool"; done
topo_multihomed
make_certs
for r in 203.0.113.128/26 2001:db8:4::/120; do ip -n "$(ns r1)" route add unreachable $r; done

declare -A nat_names=([none]="no NAT" [masq]="NAT of I" [static]="NAT of R") nat_at=([4]=192.0.2.65 [6]=2001:db8:1:1::65)

# What r1 does to the packets of both.
nat_set() {
	in_ns r1 nft flush ruleset
	case $1 in
	static)
		in_ns r1 nft -f - <<-NFT
			table ip nat {
				chain pre {
					type nat hook prerouting priority dstnat;
					iifname "user" ip daddr ${gw_at[4-nat]} udp dport { 500, 4500 } dnat to ${gw_at[4-direct]}
				}
			}
			table ip6 nat {
				chain pre {
					type nat hook prerouting priority dstnat;
					iifname "user" ip6 daddr ${gw_at[6-nat]} udp dport { 500, 4500 } dnat to ${gw_at[6-direct]}
				}
			}
		NFT
		;;
	masq)
		in_ns r1 nft -f - <<-NFT
			table ip nat {
				chain post {
					type nat hook postrouting priority srcnat;
					oifname "gw" ip saddr 192.0.2.2 masquerade random
				}
			}
			table ip6 nat {
				chain post {
					type nat hook postrouting priority srcnat;
					oifname "gw" ip6 saddr 2001:db8:1::2 masquerade random
				}
			}
		NFT
		;;
	esac || skip "nftables NAT is not available"
}

sa_of() { braid "$1" --json sas | jq -c '.ike_sas[0] // empty'; }
no_sas() { [ -z "$(sa_of "$1")" ]; }
swan_empty() { [ -z "$(swan "$1" --list-sas)" ]; }

# What braid says of the IKE SA has to be what the cell is about.
as_configured() { # role suite nat family
	local host=user role=$1 nat_local=false local=192.0.2.2 remote=${gw_at[$4-direct]}
	[ "$4" = 4 ] || local=2001:db8:1::2
	[ "$3" != static ] || remote=${gw_at[$4-nat]}
	if [ "$role" = initiator ]; then
		[ "$3" != masq ] || nat_local=true
	else
		host=gw remote=$local local=${gw_at[$4-direct]}
		[ "$3" != static ] || nat_local=true
		[ "$3" != masq ] || remote=${nat_at[$4]}
	fi
	# strongSwan's userspace ESP always says that it is behind a NAT
	why="not as configured: $(sa_of $host | jq -c '[.suite, .children[0].suite, .local, .remote, .nat_local]')"
	sa_of $host | jq -e --arg ike "${ike_of[$2]}" --arg esp "${esp_of[$2]}" --arg local "$local" \
		--arg remote "$remote" --argjson nat $nat_local '.suite == $ike and .children[0].suite == $esp and
		.nat_local == $nat and (.local | startswith($local) or startswith("[" + $local + "]")) and
		(.remote | startswith($remote + ":") or startswith("[" + $remote + "]:"))' >/dev/null
}

# The pings went through ESP, and nothing was dropped.
carried() { # host
	why="not by ESP: $(sa_of "$1" | jq -c '.children[0]')"
	sa_of "$1" | jq -e '.children[0] | .rx_packets >= 6 and .tx_packets >= 6 and
		.drop_replay + .drop_integrity + .drop_malformed + .drop_ts == 0' >/dev/null
}

run_cell() { # role auth suite nat family: true, or why
	local role=$1 family=$5 host vip conn
	conn=$2-$3-$5-$([ "$4" = static ] && echo nat || echo direct)
	if [ "$role" = initiator ]; then
		host=user
		say up braid user -t 8 up "$conn" || return 1
		vip=$(sa_of user | jq -r '.vips[0]')
	else
		host=gw
		say up swan user --initiate --ike "$conn" --child net || return 1
		vip=$(swan user --list-sas | sed -n 's/^  local .*\[\([0-9a-f:.]*\)\]$/\1/p' | head -n 1)
	fi
	as_configured "$role" "$3" "$4" "$family" || return 1
	say "the user does not reach the LAN" in_ns user \
		ping -c 3 -i 0.02 -W 2 -s 1200 -q -I "$vip" "${lan_at[$family]}" || return 1
	say "the LAN does not reach the user" in_ns lan ping -c 3 -i 0.02 -W 2 -s 1200 -q "$vip" || return 1
	carried $host || return 1
	if [ "$role" = initiator ]; then
		say "our Delete" braid user down "$conn" && say "our Delete" wait_for 3 swan_empty gw
	else
		say "its Delete" swan user --terminate --ike "$conn" && say "its Delete" wait_for 3 no_sas gw
	fi
}

# Whatever is left of a cell that failed.
settle() { # role
	if [ "$1" = initiator ]; then
		braid user --json sas | jq -r '.ike_sas[].conn' | while read -r c; do braid user -t 3 down "$c"; done
		swan gw --terminate --ike '*' --force
	else
		swan user --list-sas --raw | grep -o '^list-sa event {[^ ]*' | cut -d'{' -f2 |
			while read -r c; do swan user --terminate --ike "$c" --force; done
	fi >/dev/null 2>&1
}

matrix_cell() { # row column role auth suite nat family
	why=
	if run_cell "${@:3}"; then
		cell "$1" "$2" ok
	else
		cell "$1" "$2" FAIL "$why"
		settle "$3"
	fi
}

start_role() {
	if [ "$1" = initiator ]; then
		braid_user_conf
		swan_gw_conf
		strongswan_start gw
		braidd_start user "$T/user/braid.conf"
	else
		braid_gw_conf
		swan_user_conf
		braidd_start gw "$T/gw/braid.conf"
		strongswan_start user
	fi
}

matrix() {
	local role nat family auth suite
	for role in initiator responder; do
		start_role $role
		for nat in none masq static; do
			nat_set $nat
			for family in 4 6; do for auth in "${auths[@]}"; do for suite in "${suites[@]}"; do
				matrix_cell "$auth $suite" "$role/${nat_names[$nat]}/v$family" $role "$auth" "$suite" $nat $family
			done; done; done
		done
		stop_all
	done
}

further_suites() {
	local role suite
	nat_set none
	for role in initiator responder; do
		start_role $role
		for suite in "${more_suites[@]}"; do
			matrix_cell "$suite" $role $role psk "$suite" none 4
		done
		stop_all
	done
}

cells_begin "braid, initiator and responder, with $(strongswan_version)"
matrix
cells_end
cells_begin "further suites with $(strongswan_version): pre-shared keys, IPv4, no NAT"
further_suites
cells_end

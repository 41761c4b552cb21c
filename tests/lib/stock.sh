# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
# Hosts and connections for peers whose ESP is the kernel's. Sourced after netns.sh, pki.sh and cells.sh.
#
#     user 192.0.2.2 --- r1 (routes, masquerades, or has a static NAT) --- gw 192.0.2.66 --- lan 203.0.113.10
#
# What the user's end protects is an address of its own for each name in stock_protect, so that connections
# and what a kernel remembers of them do not meet.
# shellcheck disable=SC2034  # for those who source this
for tool in openssl nft; do command -v $tool >/dev/null || skip "needs $tool"; done

psk='correct horse battery staple'
declare -A lan=([4]=203.0.113.0/26 [6]=2001:db8:3::/64) lan_at=([4]=203.0.113.10 [6]=2001:db8:3::10) \
	gw_at=([4]=192.0.2.66 [6]=2001:db8:1:1::66) user_at=([4]=192.0.2.2 [6]=2001:db8:1::2) bits=([4]=32 [6]=128)
declare -A mine=()

# The way there is for a kernel with policies; r1 knows neither end's network.
stock_protect() { # name...
	local name i=0 r
	for name; do
		i=$((i + 1))
		mine[$name,4]=203.0.113.$((128 + i)) mine[$name,6]=2001:db8:4::$i
		ip -n "$(ns user)" addr add "${mine[$name,4]}/32" dev lo
		ip -n "$(ns user)" addr add "${mine[$name,6]}/128" dev lo
	done
	ip -n "$(ns gw)" route add 203.0.113.128/26 via 192.0.2.65
	ip -n "$(ns gw)" route add 2001:db8:4::/64 via 2001:db8:1:1::65
	for r in 203.0.113.128/26 2001:db8:4::/64 "${lan[@]}"; do ip -n "$(ns r1)" route add unreachable "$r"; done
}

# With what the host's own ESP is: stock_backend, engine or kernel.
stock_uplink() { # host
	echo "dataplane { backend = ${stock_backend:-engine} }"
	[ "$1" = user ] && echo 'uplink "wlan" { interface = wlan0 }' || echo 'uplink "a" { interface = eth0 }'
}

# A connection of braid on HOST, for one or more of the names protected: the user is WHO@example.org, the
# gateway AUTH.example.org
stock_conn() { # host name auth who family protected ike esp [line]
	local h=$1 a=$3 p user_nets='' me=$3.example.org peer=$4@example.org remote=${user_at[$5]} user_ts=remote gw_ts=local
	if [ "$h" = user ]; then
		me=$4@example.org peer=$3.example.org remote=${gw_at[$5]} user_ts=local gw_ts=remote
	fi
	for p in $6; do user_nets+=", \"${mine[$p,$5]}\""; done
	echo "connection \"$2\" { remote_addrs = { \"${stock_remote:-$remote}\" } proposals = { \"$7\" }"
	echo "retransmit_timeout = 4s ${9:-}"
	if [ "$a" = psk ]; then
		echo "local { id = \"$me\" } remote { id = \"$peer\" }"
	else
		echo "local { id = \"$me\" auth = pubkey certs = { \"../pki/$a/$h-chain.pem\" } }"
		echo "remote { id = \"$peer\" auth = $a cacerts = { \"../pki/$a/ca.pem\" } }"
	fi
	echo "child \"net\" { ${user_ts}_ts = { ${user_nets#, } } ${gw_ts}_ts = { \"${lan[$5]}\" } esp_proposals = { \"$8\" } } }"
}

stock_secrets() { # host auth...
	local a h=$1
	shift
	echo "secret \"s\" { secret = \"$psk\" }"
	for a; do [ "$a" = psk ] || echo "private \"$a\" { file = \"../pki/$a/$h.key\" }"; done
}

# sa_of HOST [CONNECTION]
sa_of() { braid "$1" --json sas | jq -c --arg c "${2:-}" '[.ike_sas[] | select($c == "" or .conn == $c)][0] // empty'; }
no_sas() { [ -z "$(sa_of "$1" "${2:-}")" ]; }
installed() { sa_of "$1" "$2" | jq -e '.children[0].state == "INSTALLED"'; }

# Pings both ways, through ESP of that connection on HOST. A responder may answer before it has the SAs.
stock_reach() { # host connection protected family
	local vip=${mine[$3,$4]}
	say "the user does not reach the LAN" wait_for 1 in_ns user ping -c 1 -W 1 -I "$vip" "${lan_at[$4]}" || return 1
	say "the user does not reach the LAN" in_ns user ping -c 3 -i 0.05 -W 5 -s 1000 -q -I "$vip" "${lan_at[$4]}" || return 1
	say "the LAN does not reach the user" in_ns lan ping -c 3 -i 0.05 -W 5 -s 1000 -q "$vip" || return 1
	why="not by ESP: $(sa_of "$1" "$2" | jq -c '.children[0]')"
	sa_of "$1" "$2" | jq -e '.children[0] | .rx_packets >= 6 and .tx_packets >= 6' >/dev/null
}

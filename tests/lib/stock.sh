# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
# Hosts and connections for peers whose ESP is the kernel's. Sourced after netns.sh, pki.sh, cells.sh, kernel.sh and handover.sh.
#
#     user 192.0.2.2 --- r1 (routes, masquerades, or has a static NAT) --- gw 192.0.2.66 --- lan 203.0.113.10
#     (198.51.100.2) --- r2 ---------------- r1, for moves
#
# What the user's end protects is an address of its own for each name in stock_protect, so that connections
# and what a kernel remembers of them do not meet.
# shellcheck disable=SC2034,SC2154  # for those who source this, and from them
for tool in openssl nft; do command -v $tool >/dev/null || skip "needs $tool"; done

psk='correct horse battery staple' moves=''
declare -A lan=([4]=203.0.113.0/26 [6]=2001:db8:3::/64) lan_at=([4]=203.0.113.10 [6]=2001:db8:3::10) \
	gw_at=([4]=192.0.2.66 [6]=2001:db8:1:1::66) user_at=([4]=192.0.2.2 [6]=2001:db8:1::2) bits=([4]=32 [6]=128)
declare -A mine=()

# Either uplink of the user leads to the gateway, and a route of its own back to each, as a default route would.
stock_topo() {
	handover_topo
	ip -n "$(ns gw)" route add 198.51.100.0/26 via 192.0.2.65 metric 200
	ip -n "$(ns gw)" route add 192.0.2.0/26 via 198.51.100.65 metric 200
}

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

# With what the host's own ESP is: stock_backend, engine or kernel. Both uplinks if there are moves.
stock_uplink() { # host
	echo "dataplane { backend = ${stock_backend:-engine} }"
	if [ "$1" = user ]; then
		echo 'uplink "wlan" { interface = wlan0 }'
		[ -z "$moves" ] || echo 'uplink "ran" { interface = ran0 }'
	else
		echo 'uplink "a" { interface = eth0 }'
		[ -z "$moves" ] || echo 'uplink "b" { interface = eth1 }'
	fi
}

# A connection of braid on HOST, for one or more of the names protected: the user is WHO@example.org, the
# gateway AUTH.example.org
stock_conn() { # host name auth who family protected ike esp [line]
	local h=$1 a=$3 p user_nets='' me=$3.example.org peer=$4@example.org remote=${user_at[$5]} user_ts=remote gw_ts=local
	if [ "$h" = user ]; then
		me=$4@example.org peer=$3.example.org remote=${gw_at[$5]} user_ts=local gw_ts=remote
	fi
	[ "$h$moves" != gwyes ] || remote+='", "198.51.100.2' # a peer may move to nowhere else
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

# What stock_traffic talks to.
stock_echo() { # family...
	local f
	for f; do in_ns lan /usr/bin/python3 "$top/tests/lib/traffic.py" echo "${lan_at[$f]}" 7007 & done
	for f; do wait_for 60 stock_listens "${lan_at[$f]}" || fail "no echo at ${lan_at[$f]}"; done
}
stock_listens() { in_ns lan ss -ltnH | grep -qF "$1"; }
stock_connected() { in_ns user ss -tnH state established | grep -q :7007; }

# stock_traffic COMMAND...: a TCP connection and datagrams every 10 ms, which come back, between $address of the user and
# the LAN, from before until after it: the connection lives, and at most may_lose datagrams are lost
stock_traffic() {
	local f=4 pid rc=0
	[[ $address != *:* ]] || f=6
	ip netns exec "$(ns user)" /usr/bin/python3 "$top/tests/lib/traffic.py" run "${lan_at[$f]}" 7007 "$address" \
		>"$T/traffic" 2>"$T/traffic.err" &
	pid=$!
	say "no TCP connection: $(tail -n 1 "$T/traffic.err")" wait_for 20 stock_connected && "$@" || rc=1
	kill $pid
	wait $pid || no "traffic: $(tail -n 1 "$T/traffic.err")" || return 1
	[ $rc = 0 ] || return 1
	jq -e --argjson may "${may_lose:-0}" '.[] | .tcp and .sent > 50 and .lost <= $may' "$T/traffic" >/dev/null ||
		no "of TCP and UDP: $(jq -c . "$T/traffic"; for f in user gw; do
			echo "$f:"
			in_ns $f grep -vP '\t0$' /proc/net/xfrm_stat
		done | tr -s ' \t\n' ' ')"
}

# The user's end, which is the initiator, loses the addresses of its first uplink, and HOST's IKE SA and traffic go over the other uplink.
stock_moved() { # host protected
	ip -n "$(ns user)" addr flush dev wlan0 scope global
	say "it does not move" soon stock_at "$1" 198.51.100.2 && stock_reach "$1" "" "$2" 4
}
stock_at() { sa_of "$1" | jq -e --arg a "$2:" '(.local | startswith($a)) or (.remote | startswith($a))'; }
stock_move_back() {
	ip -n "$(ns user)" addr add "${user_at[4]}/26" dev wlan0
	ip -n "$(ns user)" addr add "${user_at[6]}/64" dev wlan0 nodad
	ip -n "$(ns user)" route replace default via 192.0.2.1 dev wlan0 metric 100
	ip -n "$(ns user)" -6 route replace default via 2001:db8:1::1 dev wlan0 metric 100
}

# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
# Transport mode between user and gw where the ESP of one of them, or of both, is the kernel's. Sourced after netns.sh,
# transport.sh and kernel.sh.

# What the kernel has decrypted comes up once more on the uplink that it came by. All that is on a wire one of them has sent.
# shellcheck disable=SC2034
capture_out=yes

# Each host with its back end: HOST BACKEND, in a configuration that is written already
transport_backend() {
	local i
	sed -i -e "1i dataplane { backend = $2 }" -e 's/retransmit_timeout = 500ms/retransmit_timeout = 1s/' "$T/$1/braid.conf"
	[ "$2" = engine ] || return 0
	# what the engine sends as one, a kernel's ESP at the other end of a veth pair would have to cut
	for i in $(ip -n "$(ns "$1")" -o link show type veth | sed 's/^[0-9]*: \([^@]*\)@.*/\1/'); do
		in_ns "$1" ethtool -K "$i" tx-udp-segmentation off
	done
}
is_mode() { braid user --json sas | jq -e --arg m "$1" '.ike_sas[0].children[0].mode == $m'; }
ended() { ! kill -0 "$1" 2>/dev/null; }
# Both ends, in order; engines go, too
transport_stop() {
	local h pid
	for h in user gw; do
		pid=$(agent_pid $h)
		kill "$pid"
		soon ended "$pid" || fail "$h does not end"
		soon no_daemons $h || fail "$h does not end"
	done
}
kill_agents() {
	local h pid
	for h in user gw; do
		pid=$(agent_pid $h)
		kill -9 "$pid"
		soon ended "$pid" || fail "the agent of $h does not die"
	done
}
states() { ip -n "$(ns user)" xfrm state list | grep -A1 '^src' | sort; }

# A connection that says each answer, and silence: REMOTE LOCAL; $stream
stream_begin() {
	in_ns user $PY - "$1" "$2" >"$T/stream" 2>&1 <<-'PY' &
		import socket, sys, time
		s = socket.create_connection((sys.argv[1], 7000), 20, (sys.argv[2], 0))
		s.settimeout(2)
		n = 0
		while True:
		    n += 1
		    try:
		        s.sendall(b"%08d" % n)
		        s.recv(65536)
		        print("answer", flush=True)
		    except TimeoutError:
		        print("silence", flush=True)
		    time.sleep(0.05)
	PY
	# shellcheck disable=SC2034
	stream=$!
	goes_on "no connection"
}
answers() { grep -c '^answer' "$T/stream"; }
grown() { [ "$(answers)" -gt $((grown_from + 5)) ]; }
goes_on() { # what
	grown_from=$(answers)
	soon grown || soon grown || fail "$1: the connection does not go on: $(tail -n 3 "$T/stream"; braid user sas; xfrm_of user)"
}

# A packet as large as the links are does not fit into one of them with ESP around it.
mtu_told() {
	local n=1472
	[[ $1 != *:* ]] || n=1452
	in_ns user ping -M 'do' -s $n -c 1 -W 2 "$1" 2>&1 | grep -Eqi 'too long|frag needed|too big'
}
# What all modes do with every kind of peer: the address of the gateway, that of the user
carries_all() {
	local n
	in_ns user ping -c 2 -i 0.2 -W 5 -q -I "$2" "$1" >"$T/ping" || fail "no answer: $(cat "$T/ping"; xfrm_of user; braid user stats)"
	in_ns gw ping -c 2 -i 0.2 -W 5 -q -I "$1" "$2" >"$T/ping" || fail "no answer to the gateway: $(cat "$T/ping")"
	for n in 0 1 1300; do
		echo_udp user "$1" 7000 $n "$2" || fail "a datagram of $n octets does not come back"
	done
	echo_tcp user "$1" 7000 300000 || fail "TCP does not get through"
	soon mtu_told "$1" || fail "nobody is told of the path's MTU"
}
# Over IPv6: child of the user, of the gateway, settings, back end of the gateway
confs6() {
	transport_confs "$1 start_action = start" "$2" "multipath = no $3"
	sed -i 's/"192.0.2.66"/"2001:db8:1:1::66"/' "$T/user/braid.conf"
	transport_backend user kernel
	transport_backend gw "$4"
}

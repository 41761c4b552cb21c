# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
# Transport mode between user and gw where the ESP of one of them, or of both, is the kernel's. Sourced after netns.sh,
# transport.sh and kernel.sh.

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

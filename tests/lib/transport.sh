# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
# Transport mode between user and gw of netns.sh's topology, with captures that tell what is in
# clear text, and services to talk to. Sourced after netns.sh.

PY=/usr/bin/python3
secret='secret "s" { id = { "user@example.org", "gw.example.org" } secret = "a long secret of ours" }'

# transport_confs CHILD-OF-USER CHILD-OF-GW [CONNECTION-OPTIONS]
transport_confs() {
	cat >"$T/user/braid.conf" <<-CONF
		log_level = info
		uplink "wlan" { interface = wlan0 preference = 0 }
		uplink "ran" { interface = ran0 preference = 1 }
		connection "home" {
			remote_addrs = { "192.0.2.66" }
			${3:-multipath = false}
			retransmit_timeout = 500ms
			local { id = "user@example.org" }
			remote { id = "gw.example.org" }
			child "host" { $1 }
		}
		$secret
	CONF
	cat >"$T/gw/braid.conf" <<-CONF
		log_level = info
		uplink "a" { interface = eth0 }
		uplink "b" { interface = eth1 }
		connection "rw" {
			${3:-multipath = false}
			retransmit_timeout = 500ms
			local { id = "gw.example.org" }
			remote { id = "user@example.org" }
			child "host" { $2 }
		}
		$secret
	CONF
}

# Three uplinks at each end: u1 to u3 of user (${U[1]}, ...) and g1 to g3 of gw (${G[1]}, ...), each of
# which reaches each by the router r.
# shellcheck disable=SC2034
U=('' 192.0.2.34 192.0.2.66 192.0.2.98) G=('' 198.51.100.34 198.51.100.66 198.51.100.98)
pairs_topo() {
	local i
	host user r gw
	uplinks=
	for i in 1 2 3; do
		wire user "u$i" "${U[i]}/27" r "user$i" "192.0.2.$((i * 32 + 1))/27"
		wire gw "g$i" "${G[i]}/27" r "gw$i" "198.51.100.$((i * 32 + 1))/27"
		pairs_route $i
		ip -n "$(ns gw)" route add default via "198.51.100.$((i * 32 + 1))" metric ${i}00
		uplinks+="user:u$i gw:g$i "
	done
	router r
}
pairs_route() { # of the user's uplink, which goes with it
	ip -n "$(ns user)" route replace default via "192.0.2.$(($1 * 32 + 1))" dev "u$1" metric "${1}00"
}

# One connection in transport mode between them, an SA for each uplink of the user.
pairs_confs() {
	local i
	transport_confs 'mode = transport' 'mode = transport' 'multipath = no mmx = yes'
	sed -i -e '/uplink "/d' -e "s/\"192.0.2.66\"/\"${G[1]}\", \"${G[2]}\", \"${G[3]}\"/" -e 's/multipath = no mmx = yes/multipath = mmx tunnels = each/' \
		-e '1a paths { probe_interval = 50ms }' "$T/user/braid.conf"
	sed -i -e '/uplink "/d' -e '1a paths { probe_interval = 50ms }' "$T/gw/braid.conf"
	for i in 1 2 3; do
		echo "uplink \"u$i\" { interface = u$i preference = $i }" >>"$T/user/braid.conf"
		echo "uplink \"g$i\" { interface = g$i preference = $i }" >>"$T/gw/braid.conf"
	done
}
# shellcheck disable=SC2034
pairs_clear='ip and net 192.0.2.0/24 and net 198.51.100.0/24 and not esp and not (udp port 500 or udp port 4500)
	and not (icmp[0] = 3 and icmp[17] = 17 and (icmp[30:2] = 500 or icmp[30:2] = 4500))'

selectors() { sas "$1" '[.[].children[] | (.local_ts | sort | join("+")) + ">" + (.remote_ts | sort | join("+"))] | sort | join(" ")' | tr -d '"'; }
selectors_are() { [ "$(selectors "$1")" = "$2" ]; }
# pairs_have PAIR...: the selectors of its SAs are these, as numbers of uplinks of the user and the gateway, "1-1"
pairs_have() {
	local p user='' gw=''
	for p in "$@"; do
		user+="${U[${p%-*}]}/32>${G[${p#*-}]}/32"$'\n'
		gw+="${G[${p#*-}]}/32>${U[${p%-*}]}/32"$'\n'
	done
	user=$(printf %s "$user" | LC_ALL=C sort | paste -sd' ')
	gw=$(printf %s "$gw" | LC_ALL=C sort | paste -sd' ')
	wait_for 10 selectors_are user "$user" || fail "selectors of the user: $(selectors user), not $user"
	wait_for 10 selectors_are gw "$gw" || fail "selectors of the gateway: $(selectors gw), not $gw"
}
# And they are bound to them.
pairs_are() {
	local p bound=()
	for p in "$@"; do bound+=("${U[${p%-*}]}>${G[${p#*-}]}"); done
	bind_is "${bound[@]}"
	pairs_have "$@"
}
ike_sa() { sas "$1" '[.[] | .spi_i + .spi_r] | join(" ")'; }
pinged() { in_ns user ping -c 2 -i 0.2 -W 0.3 -q -I "${U[$1]}" "${G[$2]}"; } >/dev/null
pair_traffic() { # NAME PAIR...: of numbers, until pair_end NAME
	local name=$1 p args=()
	shift
	for p in "$@"; do args+=("${U[${p%-*}]}>${G[${p#*-}]}"); done
	# shellcheck disable=SC2154
	(exec ip netns exec "$(ns user)" $PY "$top/tests/lib/traffic.py" run "${G[1]}" 7007 "${args[@]}" >"$T/traffic-$name" 2>&1) &
	echo $! >"$T/pid-$name"
	wait_for 5 eval '[ "$(in_ns gw ss -tnH state established | grep -c "'":7007 ${U[${1%-*}]}"'")" -gt 0 ]' || fail "no connection: $(cat "$T/traffic-$name")"
}
pair_end() { # NAME LOST: TCP has lived, and no stream lost more than that
	kill -TERM "$(cat "$T/pid-$1")"
	wait_for 30 test -s "$T/traffic-$1" || fail "$1: no end"
	jq -e --argjson n "$2" 'length > 0 and all(.[]; .tcp and .sent > 0 and .lost <= $n)' "$T/traffic-$1" >/dev/null ||
		fail "$1: $(cat "$T/traffic-$1")"
	echo "# $(jq -c . "$T/traffic-$1")"
}

# capture NAME FILTER: on the uplinks of both hosts, until the test ends; $capture_out: of what they send
uplinks="user:wlan0 user:ran0 gw:eth0 gw:eth1"
capture() {
	local u f
	for u in $uplinks; do
		f=$T/$1-${u#*:}
		in_ns "${u%:*}" tcpdump ${capture_out:+-Q out} --immediate-mode -lni "${u#*:}" "$2" >>"$f" 2>"$f.err" &
		wait_for 5 grep -q 'listening on' "$f.err" || fail "no capture on $u"
	done
}
# What the two hosts say to each other but for what makes protection possible, and errors about that.
# shellcheck disable=SC2034
clear_text='ip and (host 192.0.2.66 or host 198.51.100.66) and not esp and not (udp port 500 or udp port 4500)
	and not (icmp[0] = 3 and icmp[17] = 17 and (icmp[30:2] = 500 or icmp[30:2] = 4500))'
no_clear() { # stage
	local u
	for u in $uplinks; do
		[ ! -s "$T/clear-${u#*:}" ] ||
			fail "$1: in clear text on $u: $(head -n 3 "$T/clear-${u#*:}")"
	done
	echo "ok - $1"
}
forget_clear() {
	local u
	for u in $uplinks; do : >"$T/clear-${u#*:}"; done
}

# Services that send back what they get: echo_serve HOST ADDRESS PORT
echo_serve() {
	in_ns "$1" $PY - "$2" "$3" >"$T/$1/echo" 2>&1 <<-'PY' &
		import socket, sys, threading
		addr = (sys.argv[1], int(sys.argv[2]))
		family = socket.AF_INET6 if ":" in addr[0] else socket.AF_INET
		udp = socket.socket(family, socket.SOCK_DGRAM)
		udp.bind(addr)
		def datagrams():
		    while True:
		        data, peer = udp.recvfrom(65535)
		        udp.sendto(data, peer)
		threading.Thread(target=datagrams, daemon=True).start()
		tcp = socket.socket(family, socket.SOCK_STREAM)
		tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
		tcp.bind(addr)
		tcp.listen(8)
		print("ready", flush=True)
		def stream(s):
		    while data := s.recv(65536):
		        s.sendall(data)
		while True:
		    threading.Thread(target=stream, args=(tcp.accept()[0],), daemon=True).start()
	PY
	wait_for 5 grep -q ready "$T/$1/echo" || fail "no echo service on $1: $(cat "$T/$1/echo")"
}

# echo_udp HOST ADDRESS PORT OCTETS [SOURCE]: one datagram there and back
echo_udp() {
	in_ns "$1" $PY - "$2" "$3" "$4" "${5:-}" <<-'PY'
		import os, socket, sys
		family = socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET
		s = socket.socket(family, socket.SOCK_DGRAM)
		s.settimeout(2)
		if sys.argv[4]:
		    s.bind((sys.argv[4], 0))
		data = os.urandom(int(sys.argv[3]))
		for _ in range(3):
		    try:
		        s.sendto(data, (sys.argv[1], int(sys.argv[2])))
		        sys.exit(s.recv(65535) != data)
		    except TimeoutError:
		        pass
		sys.exit(1)
	PY
}

# echo_tcp HOST ADDRESS PORT OCTETS: as many there and back over one connection
echo_tcp() {
	in_ns "$1" $PY - "$2" "$3" "$4" <<-'PY'
		import hashlib, os, socket, sys, threading
		s = socket.create_connection((sys.argv[1], int(sys.argv[2])), 5)
		s.settimeout(10)
		want, sent, got = int(sys.argv[3]), hashlib.sha256(), hashlib.sha256()
		def send():
		    left = want
		    while left:
		        data = os.urandom(min(left, 65536))
		        sent.update(data)
		        s.sendall(data)
		        left -= len(data)
		t = threading.Thread(target=send)
		t.start()
		n = 0
		while n < want:
		    data = s.recv(65536)
		    if not data:
		        sys.exit("the connection ended after %d octets" % n)
		    got.update(data)
		    n += len(data)
		t.join()
		sys.exit(sent.digest() != got.digest())
	PY
}

# Packets of the SAs, by the engine: HOST rx|tx
carried() { braid "$1" --json sas | jq "[.ike_sas[].children[].${2}_packets] | add // 0"; }
engine_drop() { braid "$1" --json stats | jq ".engine.$2"; }
bpf_drop() { braid "$1" --json stats | jq ".drops.$2"; }

# Neither agent nor engine on that host.
no_daemons() {
	local p
	for p in $(ip netns pids "$(ns "$1")"); do
		! grep -qsx 'braidd\|braid-esp' "/proc/$p/comm" || return 1
	done
}

# MPTCP between user and gw.
mptcp_begin() {
	local h
	$PY -c 'import socket; socket.socket(socket.AF_INET, socket.SOCK_STREAM, 262)' 2>/dev/null || skip "this kernel has no MPTCP"
	for h in user gw; do in_ns $h sysctl -qw net.mptcp.enabled=1; done
	in_ns gw ip mptcp limits set subflow 8 add_addr_accepted 8 || skip "ip mptcp does not work here"
	in_ns user ip mptcp limits set subflow 8 add_addr_accepted 8
}
# mptcp_stream ADDRESS [SOURCE]: one connection of user's to gw, over which blocks go there and back
# until the test ends; $stream, and a line in $T/stream for each
mptcp_stream() {
	in_ns gw $PY - >"$T/gw/mptcp" 2>&1 <<-'PY' &
		import socket
		s = socket.socket(socket.AF_INET, socket.SOCK_STREAM, 262)
		s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
		s.bind(("0.0.0.0", 8000))
		s.listen(1)
		print("ready", flush=True)
		c = s.accept()[0]
		while data := c.recv(65536):
		    c.sendall(data)
	PY
	wait_for 5 grep -q ready "$T/gw/mptcp" || fail "no MPTCP service: $(cat "$T/gw/mptcp")"
	: >"$T/stream"
	in_ns user $PY - "$1" "${2:-0.0.0.0}" >"$T/stream" 2>&1 <<-'PY' &
		import os, socket, sys, threading, time
		s = socket.socket(socket.AF_INET, socket.SOCK_STREAM, 262)
		s.bind((sys.argv[2], 0))
		s.connect((sys.argv[1], 8000))
		s.settimeout(60)
		n = 0
		while True:
		    # more than one path's window at a time
		    block = os.urandom(400000)
		    threading.Thread(target=s.sendall, args=(block,)).start()
		    got = b""
		    while len(got) < len(block):
		        got += s.recv(65536)
		    assert got == block
		    n += 1
		    print("answer %d" % n, flush=True)
		    time.sleep(0.01)
	PY
	# shellcheck disable=SC2034
	stream=$!
	mptcp_grows 10 || fail "no connection: $(cat "$T/stream" "$T/gw/mptcp")"
}
mptcp_grows() { # SECONDS: within them 20 more have come back
	local before
	before=$(grep -c '^answer' "$T/stream")
	wait_for "$1" eval "[ \$(grep -c '^answer' '$T/stream') -gt $((before + 20)) ]"
}

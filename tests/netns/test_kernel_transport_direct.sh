#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# Transport mode where ESP is the kernel's by policies of the hosts' own addresses: datagrams, while TCP goes by the
# interface with an SA of its own. IKE goes on beside policies of all UDP, rekeys included; a rule of classes brings the
# interface's way back and its end this one, by reloads under traffic; after an end, and a flush of what a killed agent
# left, nothing is in clear text, and nothing of others is gone. [ESP-15]
. "$(dirname "$0")/../lib/netns.sh"
. "$(dirname "$0")/../lib/transport.sh"
. "$(dirname "$0")/../lib/kernel.sh"
. "$(dirname "$0")/../lib/kernel_transport.sh"
command -v tcpdump >/dev/null || skip "needs tcpdump"
kernel_esp_or_skip

topo_multihomed
for h in user gw; do ip -n "$(ns $h)" -6 addr flush scope global; done
again() { echo_udp user 192.0.2.66 7000 100 192.0.2.2; }
policies() { # HOST direct|interface: of what it sends to the other
	ip -n "$(ns "$1")" xfrm policy list dir out | awk -v want="$2" '
		/^src/ { n += seen && has == want; seen = / dst (192\.0\.2\.66|192\.0\.2\.2)\/32/; has = "direct" }
		/if_id/ { has = "interface" }
		END { print n + (seen && has == want) }'
}
is_by() { # direct|interface: datagrams on both hosts; TCP is by the interface
	local direct=1 h
	[ "$1" = direct ] || direct=0
	for h in user gw; do [ "$(policies $h direct)" = $direct ] && [ "$(policies $h interface)" = $((2 - direct)) ] || return 1; done
}
by() {
	soon is_by "$1" || fail "$2: policies are not $1: $(xfrm_of user; xfrm_of gw)"
	again || fail "$2: no datagram comes back: $(xfrm_of user)"
}
classes() { # on|off, at both ends
	local h
	for h in user gw; do
		sed -i '/^class /d' "$T/$h/braid.conf"
		[ "$1" = off ] || echo 'class "voice" { match { dscp = { ef } } }' >>"$T/$h/braid.conf"
		braid $h reload >"$T/reload" 2>&1 || fail "reload: $(cat "$T/reload")"
	done
}
up() {
	local child
	for child in host segments; do braid user up home/$child >"$T/up" 2>&1 || fail "$child is not up: $(cat "$T/up")"; done
}
ike_spis() { braid user --json sas | jq -r '.ike_sas[0] | .spi_i + .spi_r'; }

udp='mode = transport local_ts = { "dynamic[udp]" } remote_ts = { "dynamic[udp]" }'
tcp='child "segments" { mode = transport local_ts = { "dynamic[tcp]" } remote_ts = { "dynamic[tcp]" } }'
transport_confs "$udp" "$udp" "multipath = no dpd_delay = 2s $tcp"
for h in user gw; do transport_backend $h kernel; done
others_make user
ip -n "$(ns user)" xfrm policy add src 10.96.0.1 dst 10.96.0.2 dir out tmpl src 192.0.2.2 dst 192.0.2.99 proto esp mode beet reqid 5
ip -n "$(ns user)" xfrm state add src 192.0.2.2 dst 192.0.2.99 proto esp spi 0x4321 mode beet reqid 5 sel src 10.96.0.1 dst 10.96.0.2 \
	aead 'rfc4106(gcm(aes))' 0x000102030405060708090a0b0c0d0e0f10111213 128
capture clear "$clear_text"
kernel_agents
up
echo_serve gw 192.0.2.66 7000
forget_clear
by direct "no rules of classes"
a=$(carried gw rx)
in_ns user $PY - <<-'PY' || fail "a socket that is bound to the uplink gets no answer"
	import socket
	s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
	s.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"wlan0")
	s.settimeout(5)
	s.sendto(b"bound", ("192.0.2.66", 7000))
	assert s.recv(100) == b"bound"
PY
echo_tcp user 192.0.2.66 7000 100000 || fail "TCP does not get through"
[ "$(carried gw rx)" -gt $((a + 10)) ] || fail "the SA did not carry it: $(braid gw sas)"
no_clear "by policies of the hosts' own addresses"

stream_begin 192.0.2.66 192.0.2.2
before=$(ike_spis)
braid user rekey home >"$T/rekey" 2>&1 || fail "rekey: $(cat "$T/rekey")"
[ "$(ike_spis)" != "$before" ] || fail "the IKE SA is not rekeyed: $(braid user sas)"
braid gw rekey rw/host >"$T/rekey" 2>&1 || fail "rekey by the gateway: $(cat "$T/rekey")"
goes_on "rekeys of both SAs"
by direct "rekeys"
no_clear "IKE goes on while policies cover all UDP"

for i in on off; do
	[ $i = on ] && want=interface || want=direct
	before=$(ike_spis)
	classes $i
	by $want "a rule of classes, $i"
	goes_on "a rule of classes, $i"
	[ "$(ike_spis)" = "$before" ] || fail "another IKE SA: $(braid user sas)"
	no_clear "a rule of classes, $i, by a reload"
done

kill_agents
goes_on "no agents"
kernel_agents
goes_on "other agents"
by direct "other agents"
classes on # which they know to be another kind
by interface "a reload of other agents"
classes off
by direct "and back"
goes_on "reloads of other agents"
kill $stream
no_clear "the death of both agents"

braid user down home >"$T/down" 2>&1 || fail "down: $(cat "$T/down")"
no_sa() { ! xfrm_of "$1" | grep -q 'src 198\.18\.0\.'; }
for h in user gw; do soon no_sa $h || fail "$h has SAs after their end: $(xfrm_of $h)"; done
again && fail "answers without an SA"
no_clear "an end"

up
by direct "up again"
kill_agents
for h in user gw; do
	# what is sent meanwhile finds policies without states, and leaves nothing that waits for one
	in_ns $h timeout 20 bash -c 'while :; do echo x >/dev/udp/192.0.2.2/7001; echo x >/dev/udp/192.0.2.66/7001; done' 2>/dev/null &
	sender=$!
	braid $h flush >"$T/flush" 2>&1 || fail "flush: $(cat "$T/flush")"
	kill $sender
	wait $sender || :
	[ -z "$(left_of $h)$(guards_of $h)" ] || fail "$h: left after a flush: $(left_of $h; guards_of $h)"
done
others_stay user
xfrm_of user | grep -q 'spi 0x00004321' || fail "a BEET state of others is gone"
xfrm_of user | grep -q '10.96.0.1/32' || fail "a BEET policy of others is gone"
echo "ok - a flush takes all of it, and nothing of others"

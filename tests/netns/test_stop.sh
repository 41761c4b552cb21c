#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# An agent that is told to stop while a peer does not answer IKE_AUTH, and one that is told by braid flush:
# it ends by itself, in time, and leaves nothing.
. "$(dirname "$0")/../lib/netns.sh"
command -v nft >/dev/null || skip "needs nft"
topo_multihomed

conf() { # host interface peer local remote
	cat >"$T/$1/braid.conf" <<-CONF
		uplink "u" { interface = $2 }
		connection "c" {
			remote_addrs = { "$3" }
			local { id = "$4" }
			remote { id = "$5" }
			child "net" { remote_ts = { "203.0.113.0/26" } }
		}
		secret "s" { id = { "$4", "$5" } secret = "a long secret of ours" }
	CONF
}
conf user wlan0 192.0.2.66 user@example.org gw.example.org
conf gw eth0 192.0.2.2 gw.example.org user@example.org
in_ns r1 nft -f - <<-NFT || skip "nftables is not available"
	table ip filter {
		chain forward {
			type filter hook forward priority filter;
			udp dport 4500 drop
		}
	}
NFT
braidd_start gw "$T/gw/braid.conf"
braidd_start user "$T/user/braid.conf"
braid user -t 3 up c >"$T/up" 2>&1
grep -q 'IKE_AUTH sent' "$T/up" || fail "not as far as IKE_AUTH: $(cat "$T/up")"
pid=$(agent_pid user)
kill "$pid"
stopped() { ! kill -0 "$pid"; }
wait_for 15 stopped || fail "it does not stop"
wait "$pid"
rc=$?
[ $rc -eq 0 ] || fail "exit code $rc"
[ ! -e "$T/user/bpf/braid" ] || fail "left: $(ls "$T/user/bpf/braid")"
echo "ok - a stop in the middle of a set-up"

braidd_start user "$T/user/braid.conf"
pid=$(agent_pid user)
braid user flush >"$T/flush" 2>&1 || fail "flush: $? $(cat "$T/flush")"
wait_for 15 stopped || fail "it does not stop when flushed"
wait "$pid" || fail "flushed, it ends with $?"
[ ! -e "$T/user/bpf/braid" ] || fail "flush leaves $(ls "$T/user/bpf/braid")"
ip -n "$(ns user)" link show braid0 >/dev/null 2>&1 && fail "flush leaves braid0"
echo "ok - flush"

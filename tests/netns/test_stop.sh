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
braid user flush >"$T/flush" 2>&1
[ $? = 4 ] || fail "flush beside an agent: $(cat "$T/flush")"
grep -q "braidd answers at $T/user/run/ctl.sock: stop it" "$T/flush" || fail "it says: $(cat "$T/flush")"
braid user flush --force >"$T/flush" 2>&1 || fail "flush: $? $(cat "$T/flush")"
wait_for 15 stopped || fail "it does not stop when flushed"
wait "$pid" || fail "flushed, it ends with $?"
[ ! -e "$T/user/bpf/braid" ] || fail "flush leaves $(ls "$T/user/bpf/braid")"
ip -n "$(ns user)" link show braid0 >/dev/null 2>&1 && fail "flush leaves braid0"
echo "ok - flush of an agent"

# Killed: the engine goes on, with its device; a flush ends it, and takes away what is in the kernel.
n=$(ns user)
braidd_start user "$T/user/braid.conf"
braid user -t 3 up c >"$T/up" 2>&1 # a guard stands
ip -n "$n" route show proto 98 | grep -q unreachable || fail "no guard: $(cat "$T/up")"
ip -n "$n" route add unreachable 10.97.0.0/24 proto static
pid=$(agent_pid user)
kill -9 "$pid"
wait_for 5 stopped || fail "it cannot be killed"
ip -n "$n" link show braidtun0 >/dev/null || fail "the engine has gone with it"
in_ns user setpriv --reuid 65534 --clear-groups "$B/braid" -d "$T/user/run" flush >"$T/flush" 2>&1
[ $? != 0 ] || fail "anybody may flush: $(cat "$T/flush")"
braid user --json flush >"$T/flush" 2>&1 || fail "flush: $(cat "$T/flush")"
jq -e --arg p "$T/user/bpf/braid" '.flushed and .engine_ended and .pin_dir == $p' "$T/flush" >/dev/null || fail "it says: $(cat "$T/flush")"
wait_for 5 no_pids user || fail "the engine stays"
for dev in braid0 braidtun0; do ip -n "$n" link show $dev >/dev/null 2>&1 && fail "flush leaves $dev"; done
[ ! -e "$T/user/bpf/braid" ] || fail "flush leaves $(ls "$T/user/bpf/braid")"
[ -z "$(ip -n "$n" route show proto 98; ip -n "$n" rule show priority 98)" ] || fail "flush leaves routes or rules"
ip -n "$n" route show 10.97.0.0/24 | grep -q unreachable || fail "a route of others is gone"
tc -n "$n" filter show dev wlan0 ingress 2>/dev/null | grep -q . && fail "a program stays on wlan0"
braid user flush >"$T/flush" 2>&1 || fail "a second flush: $(cat "$T/flush")"
echo "ok - flush of what a killed agent left"

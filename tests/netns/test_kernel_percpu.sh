#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# Child SAs for each CPU (RFC 9611) in the kernel's ESP, Linux 6.13 or later: a CPU that sends gets its own, whose SPI
# its packets have; rekeys and a killed agent keep them; a peer that takes no more is told of once; the one that is
# asked gives its own CPUs to them. [RSC-1] [RSC-2] On older kernels: what the log says, and that all works without.
# Topology: tests/lib/netns.sh.
. "$(dirname "$0")/../lib/netns.sh"
. "$(dirname "$0")/../lib/kernel.sh"
kernel_esp_or_skip
command -v taskset >/dev/null || skip "needs taskset"
topo_multihomed
ok() { echo "ok - $*"; }

confs() { # how many the gateway takes
	cat >"$T/user/braid.conf" <<-CONF
		uplink "wlan" { interface = wlan0 }
		dataplane { backend = kernel }
		connection "home" {
			remote_addrs = { "192.0.2.66" }
			vips = { "0.0.0.0" }
			retransmit_timeout = 1s
			local { id = "user@example.org" }
			remote { id = "gw.example.org" }
			child "net" { remote_ts = { "203.0.113.0/26" } per_cpu = yes }
		}
		secret "s" { id = { "user@example.org", "gw.example.org" } secret = "a long secret of ours" }
	CONF
	cat >"$T/gw/braid.conf" <<-CONF
		uplink "a" { interface = eth0 }
		dataplane { backend = kernel }
		pool "p" { addrs = "203.0.113.128/26" }
		connection "rw" {
			pools = { "p" }
			retransmit_timeout = 1s
			local { id = "gw.example.org" }
			remote { id = "user@example.org" }
			child "net" { local_ts = { "203.0.113.0/26" } per_cpu_max = $1 }
		}
		secret "s" { id = { "user@example.org", "gw.example.org" } secret = "a long secret of ours" }
	CONF
}
ended() { ! kill -0 "$1" 2>/dev/null; }
stop() {
	local h pid
	for h in user gw; do
		pid=$(agent_pid $h)
		kill "$1" "$pid"
		soon ended "$pid" || fail "$h does not end"
	done
}
all_of() { braid "$1" --json sas | jq '[.ike_sas[].children[] | select(.state == "INSTALLED")] | length'; }
has() { [ "$(all_of "$1")" = "$2" ]; }
# Packets that the SA of that CPU has sent; of the first one: null.
sent_of() { braid user --json sas | jq "[.ike_sas[].children[] | select(.cpu == $1 and .state == \"INSTALLED\").tx_packets] | add // -1"; }
pings() { in_ns user taskset -c "$1" ping -c "$2" -i 0.05 -W 3 -q -I "$vip" 203.0.113.10 >"$T/ping"; }
from_cpu() { # CPU COUNT
	pings "$1" "$2" || fail "CPU $1: $(cat "$T/ping" "$T/user/log"; in_ns user grep -v ' 0$' /proc/net/xfrm_stat; ip -n "$(ns user)" -s -d xfrm state)"
}
cpu_has() { pings "$1" 1 && [ "$(sent_of "$1")" -ge 0 ]; }
pcpus_of() { braid "$1" --json sas | jq -c '[.ike_sas[].children[].cpu] | sort'; }
states_of() { ip -n "$(ns "$1")" xfrm state list | grep -c '^src'; }

# What one CPU sends goes by its own SPI, and by no other.
by_own_spi() { # what it is after
	local cpu before other
	for cpu in 0 1; do
		other=$((1 - cpu))
		before="$(sent_of null) $(sent_of $cpu) $(sent_of $other)"
		# shellcheck disable=SC2086
		set -- "$1" $before
		from_cpu $cpu 5
		[ "$(sent_of null) $(sent_of $cpu) $(sent_of $other)" = "$2 $(($3 + 5)) $4" ] ||
			fail "$1: CPU $cpu sent 5, of the first one, of its own, of the other's: before $before," \
				"after $(sent_of null) $(sent_of $cpu) $(sent_of $other); $(braid user sas; ip -n "$(ns user)" -d xfrm state)"
	done
}

confs 8
kernel_up
from_cpu 0 1
version=$(uname -r | cut -d. -f1,2)
if [ "${version%.*}" -lt 6 ] || { [ "${version%.*}" = 6 ] && [ "${version#*.}" -lt 13 ]; }; then
	[ "$(grep -c 'per_cpu of child "net" of connection "home" has no effect: this kernel is older than 6.13' "$T/user/log")" = 1 ] ||
		fail "$(cat "$T/user/log")"
	[ "$(all_of user)" = 1 ] || fail "$(braid user sas)"
	ok "a kernel without it: said so, and done without"
	skip "needs Linux 6.13 for the rest, this is $(uname -r)"
fi
! grep -q 'has no effect' "$T/user/log" || fail "$(cat "$T/user/log")"
[ "$(nproc)" -ge 2 ] || skip "needs two CPUs"

soon cpu_has 0 || fail "CPU 0 gets none: $(braid user sas; cat "$T/user/log")"
soon cpu_has 1 || fail "CPU 1 gets none: $(braid user sas; cat "$T/user/log")"
[ "$(pcpus_of user)" = '[null,0,1]' ] && [ "$(pcpus_of gw)" = '[null,0,1]' ] || fail "$(braid user sas; braid gw sas)"
[ "$(states_of user) $(states_of gw)" = "6 6" ] || fail "states: $(xfrm_of user)"
braid user sas | grep -q 'net #[0-9]* for CPU 1: INSTALLED' || fail "$(braid user sas)"
by_own_spi "set-up"
ok "two CPUs send by two SPIs"

braid user rekey home/net >"$T/rekey" 2>&1 || fail "rekey: $(cat "$T/rekey")"
settled() { has user 3 && has gw 3 && [ "$(states_of user) $(states_of gw)" = "6 6" ]; }
soon settled || fail "rekey: $(braid user sas; xfrm_of user)"
by_own_spi "rekey by the user"
braid gw rekey rw/net >"$T/rekey" 2>&1 || fail "rekey: $(cat "$T/rekey")"
soon settled || fail "rekey by the gateway: $(braid user sas; xfrm_of user)"
by_own_spi "rekey by the gateway"
[ "$(pcpus_of user)" = '[null,0,1]' ] && [ "$(pcpus_of gw)" = '[null,0,1]' ] || fail "$(braid user sas; braid gw sas)"
ok "rekeyed, each for its CPU"

spis() { braid "$1" --json sas | jq -c '[.ike_sas[].children[] | .cpu, .spi_in, .spi_out]'; }
before=$(spis user)
stop -9
from_cpu 1 2
kernel_agents
grep -q 'took over 1 IKE SAs, 3 Child SAs' "$T/user/log" || fail "$(cat "$T/user/log")"
[ "$(spis user)" = "$before" ] || fail "other SAs: $before, now $(spis user)"
by_own_spi "restart"
braid user rekey home/net >"$T/rekey" 2>&1 || fail "rekey: $(cat "$T/rekey")"
soon settled || fail "rekey after a restart: $(braid user sas; xfrm_of user)"
by_own_spi "rekey after a restart"
ok "killed agents leave them, and their successors know whose they are"

braid user down home >"$T/down" 2>&1 || fail "down: $(cat "$T/down")"
none() { [ "$(states_of user) $(states_of gw)" = "0 0" ]; }
soon none || fail "states stay: $(xfrm_of user; xfrm_of gw)"
stop -15
for h in user gw; do [ -z "$(left_of $h)" ] || fail "$h: left: $(left_of $h)"; done
ok "down: all are gone"

confs 1
kernel_up
soon cpu_has 0 || soon cpu_has 1 || fail "no CPU gets one: $(braid user sas; cat "$T/user/log")"
refused() {
	pings 0 1 && pings 1 1 && grep -q 'TS_MAX_QUEUE' "$T/user/log"
}
soon refused || fail "nobody is refused: $(braid user sas; cat "$T/user/log")"
from_cpu 0 5 && from_cpu 1 5
[ "$(grep -c 'no further Child SA net for CPUs: .*TS_MAX_QUEUE' "$T/user/log")" = 1 ] || fail "$(cat "$T/user/log")"
has user 2 && has gw 2 || fail "$(braid user sas)"
ok "one too many: refused, said once, and traffic goes by what there is"

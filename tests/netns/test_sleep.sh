#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# A host that sleeps, as far as its clocks tell this braidd: CLOCK_BOOTTIME is ahead of what it was.
# Peers are asked at once, keys that are too old are replaced, and a peer that has given us up
# meanwhile is set up anew. No clock of the machine is touched.
. "$(dirname "$0")/../lib/netns.sh"
. "$(dirname "$0")/../lib/agent.sh"

ok() { echo "ok - $*"; }
cat >"$T/clock.c" <<-'C'
	#include <fcntl.h>
	#include <sys/mman.h>
	#include <sys/syscall.h>
	#include <stdlib.h>
	#include <time.h>
	#include <unistd.h>

	/* One octet of the file: hours that the host has slept. */
	static volatile unsigned char *hours;

	__attribute__((constructor)) static void begin(void)
	{
		int fd = open(getenv("SLEPT_HOURS"), O_RDONLY);
		void *p = fd < 0 ? MAP_FAILED : mmap(NULL, 1, PROT_READ, MAP_SHARED, fd, 0);

		if (p != MAP_FAILED)
			hours = p;
	}

	int clock_gettime(clockid_t id, struct timespec *ts)
	{
		int r = (int)syscall(SYS_clock_gettime, id, ts);

		if (!r && hours && id == CLOCK_BOOTTIME)
			ts->tv_sec += 3600 * *hours;
		return r;
	}
C
"${CC:-cc}" -shared -fPIC -o "$T/clock.so" "$T/clock.c" || fail "the clock cannot be built"
sleeps() { printf '%b' "\\x$(printf %02x "$1")" | dd of="$T/hours" conv=notrunc status=none; }
printf '\0' >"$T/hours"

topo_multihomed
agent_confs 10s
sed -i 's/start_action = start//; s/child "net" {/dpd_delay = 1h\n\t\t\trekey_time = 4h\n\t\t\tchild "net" { start_action = start rekey_time = 2h life_time = 3h/' "$T/user/braid.conf"
braidd_start gw "$T/gw/braid.conf"
SLEPT_HOURS=$T/hours LD_PRELOAD=$T/clock.so braidd_start user "$T/user/braid.conf"
wait_for 15 two_up user || fail "two paths: $(braid user paths)"

ike() { braid "$1" --json sas | jq -r ".ike_sas[0].$2"; }
reach() { in_ns user ping -c 3 -i 0.1 -W 1 -q 203.0.113.10 >"$T/ping" || fail "$1: $(cat "$T/ping"; braid user sas)"; }
slept() { wait_for 15 eval "[ \"\$(grep -c 'the machine slept' '$T/user/log')\" = $1 ]" || fail "sleep $1 is not noticed"; }
reach "before"

spi=$(ike user spi_i) child=$(ike user 'children[0].spi_in')
probes=$(braid user --json paths | jq '[.paths[].probes_tx] | add')
sleeps 1
slept 1
grep -q 'the machine slept for 3600 s' "$T/user/log" || fail "it does not say how long: $(cat "$T/user/log")"
[ "$(braid user --json paths | jq '[.paths[].probes_tx] | add')" -ge $((probes + 2)) ] || fail "no path is probed at once"
reach "an hour"
[ "$(ike user spi_i) $(ike user 'children[0].spi_in')" = "$spi $child" ] || fail "an hour: other SAs"
ok "an hour: peers are asked, SAs stay"

sleeps 3 # two more: the Child SA's life ends at three
slept 2
wait_for 10 eval '[ "$(ike user "children[0].spi_in")" != "$child" ] && [ "$(ike user "children | length")" = 1 ]' ||
	fail "the key of a Child SA that is too old stays: $(braid user sas)"
reach "two more"
ok "two more: the Child SA is a new one"

kill -9 "$(agent_pid gw)"
for p in $(ip netns pids "$(ns gw)"); do kill -9 "$p"; done
wait_for 5 no_pids gw
ip -n "$(ns gw)" link del braid0 2>/dev/null
rm -rf "$T/gw/bpf/braid" "$T/gw/run"
braidd_start gw "$T/gw/braid.conf"
sleeps 20
slept 3
wait_for 20 eval '[ "$(ike user spi_i)" != "$spi" ] && [ "$(ike user state)" = ESTABLISHED ]' || fail "a night: $(braid user sas; braid user status)"
wait_for 15 two_up user || fail "a night: $(braid user paths)"
reach "a night"
ok "a night, and the peer has forgotten us: set up anew"

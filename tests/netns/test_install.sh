#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# What README says about using it: installed under a prefix, with the example configurations and
# their secrets as they are, two hosts connect. One version everywhere.
. "$(dirname "$0")/../lib/netns.sh"
command -v make >/dev/null || skip "needs make"

ok() { echo "ok - $*"; }

make -s -C "$top" install B="$B" DESTDIR="$T/root" PREFIX=/opt/braid >"$T/install" 2>&1 || fail "make install: $(cat "$T/install")"
i=$T/root/opt/braid
version=$(sed -n 's/.*BRAID_VERSION "\(.*\)"/\1/p' "$top/include/base/version.h")
[ -n "$version" ] || fail "no version"
for p in braid braidd braid-esp; do
	[ "$("$i/sbin/$p" --version)" = "$p $version" ] || fail "$p --version: $("$i/sbin/$p" --version)"
done
for m in man8/braid.8 man8/braidd.8 man8/braid-esp.8 man5/braid.conf.5 man7/braid-control.7 man3/libbraid.3; do
	grep -qx "\.Os braid $version" "$i/share/man/$m" || fail "no version in $m"
done
grep -rl /usr/local "$i/share/man" "$i/lib" && fail "another prefix than the one installed to"
[ -x "$T/root$(sed -n 's/^ExecStart=\([^ ]*\).*/\1/p' "$i/lib/systemd/system/braidd.service")" ] || fail "the unit starts what is not there"
grep -q '^Unmanaged=yes$' "$i/lib/systemd/network/10-braid.network" || fail "networkd is not told"
grep -q '^RestartPreventExitStatus=78$' "$i/lib/systemd/system/braidd.service" || fail "the unit tries a wrong PIN again"
cmp -s "$i/share/braid/braid_mmx.lua" "$top/user/wireshark/braid_mmx.lua" || fail "what Wireshark reads MMX with is not there"
ok "installed, one version everywhere"

topo_multihomed
B=$i/sbin # from here on what was installed runs
for h in user gw; do
	conf=$([ $h = user ] && echo roadwarrior || echo gateway)
	cp "$i/share/doc/braid/examples/$conf.conf" "$T/$h/braid.conf"
	in_ns $h "$B/braidd" --check -c "$T/$h/braid.conf" >"$T/check" 2>&1
	rc=$?
	[ $rc = 78 ] || fail "$conf.conf without secrets.conf: $rc"
	cp "$i/share/doc/braid/examples/secrets.conf" "$T/$h/secrets.conf"
	chmod 644 "$T/$h/secrets.conf"
	in_ns $h "$B/braidd" --check -c "$T/$h/braid.conf" >"$T/check" 2>&1 && fail "a secrets.conf that others can read is accepted"
	grep -q 'secrets.conf:' "$T/check" || fail "which file is not said: $(cat "$T/check")"
	install -m 600 "$i/share/doc/braid/examples/secrets.conf" "$T/$h"
	in_ns $h "$B/braidd" --check -c "$T/$h/braid.conf" >"$T/check" 2>&1 || fail "$conf.conf: $(cat "$T/check")"
	braidd_start $h "$T/$h/braid.conf"
done
[ "$(braid user --json version | jq -r .version)" = "$version" ] || fail "the agent's version"
braid user up home >"$T/up" 2>&1 || fail "up: $(cat "$T/up")"
wait_for 5 two_up user || fail "two paths: $(braid user paths)"
in_ns user ping -c 2 -i 0.1 -W 1 -q 203.0.113.10 >"$T/ping" || fail "the LAN is not reached"
ok "the examples connect, over two paths"

braid user paths --watch=0.1 >"$T/watch" 2>&1 &
watch=$!
braid user events >"$T/events" 2>&1 &
events=$!
for c in status sas stats paths; do
	braid user $c >"$T/text" && [ -s "$T/text" ] || fail "braid $c"
	braid user --json $c | jq -e 'type == "object"' >/dev/null || fail "braid --json $c"
done
braid user status >/dev/full 2>"$T/text" && fail "output that is not written is success"
grep -q 'cannot write' "$T/text" || fail "output that is not written: $(cat "$T/text")"
braid user status >&- || fail "without standard output"
braid user paths nobody >"$T/text" 2>&1 && fail "paths of a connection that does not exist"
grep -q 'no connection "nobody"' "$T/text" || fail "paths nobody: $(cat "$T/text")"
braid user sas --watch 2>/dev/null
[ $? = 2 ] || fail "sas takes --watch"
braid user path disable wlan-1 || fail "path disable"
wait_for 2 path_is user wlan-1 disabled || fail "the path is not disabled"
wait_for 2 grep -q 'wlan-1 .*disabled' "$T/watch" || fail "paths --watch: $(cat "$T/watch")"
wait_for 2 grep -q 'path-state.*wlan-1.*disabled' "$T/events" || fail "events: $(cat "$T/events")"
braid user path enable wlan-1 || fail "path enable"
wait_for 3 two_up user || fail "the path is not enabled"
braid user reload || fail "reload"
braid user rekey home >/dev/null || fail "rekey"
mkdir "$T/shark"
braid user keys --wireshark "$T/shark" 2>"$T/keys" && fail "keys are given without being allowed"
grep -q allow_key_export "$T/keys" || fail "keys: $(cat "$T/keys")"
kill $watch $events
wait $watch $events
for m in path_cur path group drops; do
	bpftool map dump pinned "$T/user/bpf/braid/$m" >"$T/map" 2>&1 || fail "map $m: $(head -n 3 "$T/map")"
done
braid user down home >/dev/null || fail "down"
ok "every command of the README"

#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# libbraid as it is installed: the example program, compiled by its pkg-config file and linked with
# either form of the library, with a real agent.
. "$(dirname "$0")/../lib/netns.sh"
. "$(dirname "$0")/../lib/agent.sh"
for tool in make cc pkg-config nm; do command -v $tool >/dev/null || skip "needs $tool"; done

ok() { echo "ok - $*"; }
version=$(sed -n 's/.*BRAID_VERSION "\(.*\)"/\1/p' "$top/include/base/version.h")
make -s -C "$top" install B="$B" DESTDIR="$T/root" PREFIX=/opt/braid >"$T/install" 2>&1 || fail "make install: $(cat "$T/install")"
i=$T/root/opt/braid
export PKG_CONFIG_PATH=$i/lib/pkgconfig PKG_CONFIG_SYSROOT_DIR=$T/root
[ "$(pkg-config --modversion libbraid)" = "$version" ] || fail "version: $(pkg-config --modversion libbraid)"
cflags=$(pkg-config --cflags libbraid) libs=$(pkg-config --libs libbraid)
src=$i/share/doc/braid/examples/follow.c
# under the sanitizers the library needs their run-time library
san=${SAN_LOGS:+-fsanitize=address,undefined}
# shellcheck disable=SC2086
cc -Wall -Wextra -Werror -std=c99 -D_POSIX_C_SOURCE=200809L $san -o "$T/follow" "$src" $cflags $libs 2>"$T/cc" || fail "shared: $(cat "$T/cc")"
# shellcheck disable=SC2086,SC2046
cc -Wall -Wextra -Werror $san -o "$T/follow-static" "$src" $cflags "$i/lib/libbraid.a" $(pkg-config --libs jansson) 2>"$T/cc" ||
	fail "static: $(cat "$T/cc")"
printf '#include <braid/braid.h>\nint main() { return braid_strerror(0) == nullptr; }\n' >"$T/x.cc"
if command -v c++ >/dev/null; then
	# shellcheck disable=SC2086
	c++ -Wall -Wextra -Werror $san -o "$T/x" "$T/x.cc" $cflags $libs 2>"$T/cc" || fail "C++: $(cat "$T/cc")"
fi
for form in "-D $i/lib/libbraid.so.0" "-g $i/lib/libbraid.a"; do
	# shellcheck disable=SC2086
	nm --defined-only $form | awk 'NF == 3 && $2 != "A" { sub(/@.*/, "", $3); print $3 }' | grep -vE '^(__odr_asan|_?\.)' | sort >"$T/symbols"
	grep -v '^braid_' "$T/symbols" && fail "$form has others' names"
	sed -n 's/^BRAID_API .*[ *]\(braid_[a-z_]*\)(.*/\1/p' "$i/include/braid/braid.h" | sort | cmp - "$T/symbols" ||
		fail "$form has not what the header says"
done
readelf -d "$T/follow" | grep -q 'libbraid\.so\.0' || fail "no soname"
ok "compiled with what is installed, and nothing else's names in it"

topo_multihomed
agent_confs 100ms
sed -i '1i control { consent_wait = 20s }' "$T/user/braid.conf"
braidd_start gw "$T/gw/braid.conf"
braidd_start user "$T/user/braid.conf"
braid user up home >"$T/up" 2>&1 || fail "up: $(cat "$T/up")"
wait_for 5 two_up user || fail "two paths: $(braid user paths)"
export LD_LIBRARY_PATH=$i/lib
sock=$T/user/run/ctl.sock
# follow NAME PROGRAM OPTION...: its process is $program
follow() {
	local name=$1 what=$2
	shift 2
	ip netns exec "$(ns user)" "$T/$what" -s "$sock" "$@" >"$T/$name" 2>&1 &
	program=$!
	wait_for 10 grep -q '^path ran-b' "$T/$name" || fail "$name: $(cat "$T/$name")"
}

follow a follow -c home -w 300
a=$program
follow b follow-static
b=$program
for n in a b; do
	grep -q '^interface [1-9][0-9]* wlan (wlan0) up [1-9][0-9]*:192\.0\.2\.2 ' "$T/$n" || fail "interfaces: $(cat "$T/$n")"
	grep -q '^relation home#[0-9]* with gw.example.org, ESTABLISHED$' "$T/$n" || fail "relations: $(cat "$T/$n")"
	spi=$(braid user --json sas | jq -r '.ike_sas[0].children[0] | .spi_in + " " + .spi_out')
	grep -q "^  child net $spi\$" "$T/$n" || fail "children: $(cat "$T/$n")"
	for pair in '192.0.2.2:4500 to 192.0.2.66:4500' '198.51.100.2:4500 to 198.51.100.66:4500'; do
		grep -q "^    $pair\$" "$T/$n" || fail "pairs: $(cat "$T/$n")"
	done
	grep -q '^path wlan-a up 192.0.2.2:4500 to 192.0.2.66:4500: ' "$T/$n" || fail "paths: $(cat "$T/$n")"
done
ok "interfaces, relations, what their SAs are bound to, paths"

braid user path disable ran-b || fail "disable"
for n in a b; do
	wait_for 5 grep -q '^event path-state: path ran-b .* disabled' "$T/$n" || fail "events: $(cat "$T/$n")"
done
braid user down home >"$T/down" 2>&1 || fail "down: $(cat "$T/down")"
for n in a b; do
	grep -q '^leaving home .*192\.0\.2\.2.* (operator, down)$' "$T/$n" || fail "not asked: $(cat "$T/$n")"
done
[ "$(grep -n '^ready' "$T/a" | cut -d: -f1)" -lt "$(grep -n '^event ike-down' "$T/a" | cut -d: -f1)" ] ||
	fail "it went before the program was ready: $(cat "$T/a")"
grep -q ready "$T/b" && fail "it had no need to"
ok "events, and the address goes when the program is ready"

braid user up home >"$T/up" 2>&1 || fail "up: $(cat "$T/up")"
ip -n "$(ns user)" link set wlan0 down
for n in a b; do
	wait_for 5 grep -q '^gone home 192\.0\.2\.2 (netlink, ' "$T/$n" || fail "not told: $(cat "$T/$n")"
done
kill "$(agent_pid user)"
for p in $a $b; do wait "$p" || fail "it does not end well with the agent: $(cat "$T/a" "$T/b")"; done
in_ns user "$T/follow" -s "$sock" 2>"$T/err" && fail "without an agent"
[ "$(cat "$T/err")" = "follow: no agent answers" ] || fail "without an agent: $(cat "$T/err")"
ok "what is gone already, and the end of the agent"

mv "$T/user/braid.conf" "$T/user/x.conf"
sed "1i control { readers = { 61002 } }" "$T/user/x.conf" | sed '/consent_wait/d' >"$T/user/braid.conf"
ip -n "$(ns user)" link set wlan0 up
chmod 711 "$T" "$T/user"
chmod -R go+rX "$T/root" "$T/follow"
braidd_start user "$T/user/braid.conf"
if command -v setpriv >/dev/null; then
	in_ns user setpriv --reuid 61002 --regid 61002 --clear-groups "$T/follow" -s "$sock" 2>"$T/err" && fail "a reader is asked"
	[ "$(cat "$T/err")" = "follow: denied" ] || fail "a reader: $(cat "$T/err")"
	in_ns user setpriv --reuid 61003 --regid 61003 --clear-groups "$T/follow" -s "$sock" 2>"$T/err" && fail "a stranger"
	[ "$(cat "$T/err")" = "follow: refused" ] || fail "a stranger: $(cat "$T/err")"
fi
ok "who may not is told so"

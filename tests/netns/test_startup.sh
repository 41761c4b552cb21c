#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# A start that cannot succeed says in one sentence what is missing, exits with 1 (78: the
# configuration is wrong, the same start would fail for ever), and leaves nothing:
# devices, routes, pins, mounts, sockets, files and processes are compared before and after. Then a
# good start works. What is missing is really missing: capabilities, files and devices by namespaces,
# kernel features by a filter that answers as a kernel without them does (deny.c).
. "$(dirname "$0")/../lib/netns.sh"
command -v setpriv >/dev/null || skip "needs setpriv"

ok() { echo "ok - $*"; }
host h p
wire h u0 192.0.2.2/26 p u0 192.0.2.1/26
N=$(ns h) H=$T/h
D=$B/tests/netns/deny
cat >"$H/braid.conf" <<-CONF
	uplink "u" { interface = u0 }
	pool "p" { addrs = "203.0.113.128/26" }
	connection "rw" {
		pools = { "p" }
		local { id = "gw.example.org" }
		remote { id = "user@example.org" }
		child "net" { local_ts = { "203.0.113.0/26" } }
	}
	secret "s" { id = { "user@example.org", "gw.example.org" } secret = "a long secret of ours" }
CONF
chmod 600 "$H/braid.conf"

# ip netns exec would hide mounts in a mount namespace of its own.
enter=(nsenter --net="/run/netns/$N")
in_net() { "${enter[@]}" "$@"; }
pids() { ip netns pids "$N"; }

# Everything a start could leave behind.
state() {
	ip -n "$N" -br link | sed 's/@.*//; s/ .*//'
	ip -n "$N" route show table all | sort
	ip -n "$N" -6 route show table all | sed 's/ expires [0-9]*sec//' | sort
	tc -n "$N" qdisc show dev u0
	tc -n "$N" filter show dev u0 ingress 2>/dev/null
	grep -F "$T" /proc/mounts
	find "$H" ! -name out ! -name good ! -name before ! -name after | sort
	[ ! -d /sys/fs/bpf/braid ] || ls /sys/fs/bpf/braid
	for p in $(pids); do cat "/proc/$p/comm"; done | sort
}
same_state() {
	state >"$H/after"
	cmp -s "$H/before" "$H/after"
}

# fails SENTENCE COMMAND... : what to put before braidd; options for it in opts
opts=() quiet='' no_good='' code=1
fails() {
	local text=$1 rc n
	shift
	state >"$H/before"
	in_net timeout 20 "$@" "$B/braidd" -c "$H/braid.conf" -d "$H/run" --pin-dir "$H/bpf/braid" \
		${opts[@]+"${opts[@]}"} >"$H/out" 2>&1 </dev/null
	rc=$?
	[ $rc = $code ] || fail "expected a refusal ($text), got exit code $rc: $(cat "$H/out")"
	n=$(grep -c '^<3>' "$H/out")
	[ "$n" = 1 ] || fail "$n sentences instead of one ($text): $(cat "$H/out")"
	grep -q "^<3>.*$text" "$H/out" || fail "expected \"$text\": $(cat "$H/out")"
	wait_for 3 same_state || fail "\"$text\" left: $(diff "$H/before" "$H/after")"
	[ -n "$quiet" ] || ok "$(grep '^<3>' "$H/out" | sed "s/^<3>//; s,$T/,,g; s,$B/,,g")"
	[ -n "$no_good" ] || good
}

ready() { "$B/braid" -d "$H/run" version; }
start() {
	"${enter[@]}" "$@" "$B/braidd" -c "$H/braid.conf" -d "$H/run" --pin-dir "$H/bpf/braid" \
		>"$H/good" 2>&1 </dev/null &
	pid=$!
	wait_for 10 ready || fail "a good start fails ($*): $(cat "$H/good")"
}
ended() { ! kill -0 "$pid" 2>/dev/null; }
stop() {
	kill "$pid"
	wait_for 5 ended || fail "braidd does not end"
	ip -n "$N" route flush proto 98 # guards, which stay on purpose
}
# A start with everything in place; [what to put before braidd]
good() {
	start "$@"
	stop
	wait_for 5 no_pids h || fail "after a good start: $(for p in $(pids); do cat "/proc/$p/comm"; done)"
}

# hold PORT FAMILY: another program's socket; let_go ends it
hold() {
	"${enter[@]}" /usr/bin/python3 -c 'import socket, sys, time
s = socket.socket(socket.AF_INET if sys.argv[2] == "4" else socket.AF_INET6, socket.SOCK_DGRAM)
if sys.argv[2] == "6": s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
s.bind(("", int(sys.argv[1])))
time.sleep(60)' "$1" "$2" &
	holder=$!
	wait_for 5 held "$1" "$2" || fail "port $1 is not held"
}
held() { in_net ss "-Hnul$2" "sport = :$1" | grep -q .; }
let_go() {
	kill "$holder"
	wait "$holder" 2>/dev/null
}

# without DIRECTORY [COMMAND]: an empty one in its place, in a mount namespace of its own
without() { printf '%s\n' unshare -m sh -c "mount -t tmpfs none $1 && ${2:-:} && exec \"\$@\"" sh; }
mapfile -t no_tun < <(without /dev/net)
mapfile -t no_tun_driver < <(without /dev/net 'mknod /dev/net/tun c 10 199')
mapfile -t no_btf < <(without /sys/kernel/btf)

echo "# everything is there"
mkdir "$H/bpf"
mount -t bpf bpf "$H/bpf" || skip "no bpffs can be mounted here"
state >"$H/before"
start
stop
rmdir "$H/run" 2>/dev/null
wait_for 3 same_state || fail "an orderly end leaves: $(diff "$H/before" "$H/after")"
ok "start and orderly end leave nothing"

echo "# capabilities"
mkdir "$H/run"
for cap in net_admin net_raw net_bind_service; do
	fails "CAP_${cap^^} is missing" setpriv --bounding-set -$cap
done
fails "CAP_BPF is missing" setpriv --bounding-set -bpf,-sys_admin
fails "CAP_PERFMON is missing" setpriv --bounding-set -perfmon,-sys_admin
good setpriv --no-new-privs --bounding-set -all,+net_admin,+net_raw,+net_bind_service,+bpf,+perfmon
ok "these five are enough, as in the unit file"

echo "# files"
umount "$H/bpf"
fails "mounting one at .* failed: Operation not permitted; run: mount -t bpf" "$D" 'mount=>EPERM' --
umount "$H/bpf" # of the good start
fails "no BPF file system" "$D" 'mount=>ENODEV' --
umount "$H/bpf"
opts=(--engine /nonexistent)
fails "/nonexistent cannot be started: No such file" env
umount "$H/bpf"
rmdir "$H/bpf"
fails "/nonexistent cannot be started: No such file" env
ok "a bpffs that was mounted for a start that failed is gone, and its directory"
opts=(--engine /etc/passwd)
fails "/etc/passwd cannot be started: Permission denied" env
opts=(--engine /bin/true)
fails "ended without a word: is it braid-esp" env
printf '#!/bin/sh\nkill -9 $$\n' >"$H/dies"
chmod +x "$H/dies"
opts=(--engine "$H/dies")
fails "was ended by signal 9" env
opts=(-d "$H/braid.conf/run")
fails "state directory .* cannot be made: Not a directory" env
mkdir "$H/ro"
mount -t tmpfs -o ro none "$H/ro"
opts=(-d "$H/ro/run")
fails "state directory .* cannot be made: Read-only file system" env
opts=(-d "$H/ro")
fails "control socket .* Read-only file system" env
umount "$H/ro"
opts=(-d "$H/fresh" --engine /nonexistent)
fails "cannot be started" env
ok "a state directory that was made for a start that failed is gone"
opts=()
fails "/dev/net/tun is missing" "${no_tun[@]}"
fails "no TUN driver" "${no_tun_driver[@]}"

echo "# names and ports of others"
quiet=1 no_good=1
for family in 4 6; do
	hold 500 $family
	fails "UDP port 500 over IPv$family: .*in use; is another" env
	let_go
	hold 4500 $family
	fails "UDP port 4500 is in use" env
	let_go
	ok "IPv$family: ports 500 and 4500 in use by another program"
done
for kind in 'link add braidtun0 type veth peer name other0' 'tuntap add braidtun0 mode tun'; do
	# shellcheck disable=SC2086  # words
	ip -n "$N" $kind || fail "ip $kind"
	fails "braidtun0 exists already and is not ours" env
	ip -n "$N" link del braidtun0
	ok "tunnel device taken: ip $kind"
done
ip -n "$N" link add braid0 type veth peer name other0
fails "braid0 exists and is not ours" env
ip -n "$N" link del braid0
ok "steering device taken"
good

echo "# kernels without something"
quiet=''
fails "no bpf() system call" "$D" 'bpf=>ENOSYS' --
fails "does not permit BPF maps" "$D" 'bpf=>EPERM' --
fails "BPF of this kernel has no maps" "$D" 'bpf:0=0=>EINVAL' --
fails "has no classifier programs for tc" "$D" 'bpf:0=5=>EINVAL' --
fails "cannot segment UDP datagrams" "$D" 'setsockopt:1=17:2=103=>ENOPROTOOPT' --
fails "TUN driver must know multiple queues" "$D" "ioctl:1=$((0x400454ca))=>EINVAL" --
fails "TUN driver .* has no segmentation offload" "$D" "ioctl:1=$((0x400454d0))=>EINVAL" --
fails "/sys/kernel/btf/vmlinux is missing" "${no_btf[@]}"
fails "rtnetlink" "$D" 'socket:0=16=>EAFNOSUPPORT' --
good
warns() { # sentence, command...: the start succeeds, and says what it goes without
	local text=$1
	shift
	start "$@"
	stop
	grep -q "^<4>.*$text" "$H/good" || fail "expected the warning \"$text\": $(cat "$H/good")"
	[ "$(grep -c '^<[0-4]>' "$H/good")" = 1 ] || fail "more than one warning: $(cat "$H/good")"
	ok "starts without it: $(grep '^<4>' "$H/good" | sed 's/^<4>//')"
}
warns "cannot join UDP datagrams that arrive" "$D" 'setsockopt:1=17:2=104=>ENOPROTOOPT' --
warns "no IPv6" "$D" 'socket:0=10=>EAFNOSUPPORT' --

echo "# what was there before stays"
only_engine() { [ "$(for p in $(pids); do cat "/proc/$p/comm"; done)" = braid-esp ]; }
start
kill -9 "$pid"
wait "$pid" 2>/dev/null
wait_for 3 only_engine || fail "after the agent's death there is more than an engine"
rm "$H/run/ctl.sock" # nobody answers there: any start removes it
no_good=1
fails "does not permit BPF maps" "$D" 'bpf=>EPERM' --
hold 500 4
fails "UDP port 500" env
let_go
good
ok "device, pins and engine of a killed agent survive starts that fail, and serve the next one"

code=78
mv "$H/braid.conf" "$H/away"
fails "braid.conf: cannot be read: No such file or directory" env
sed 's/pools/polls/' "$H/away" >"$H/braid.conf"
chmod 600 "$H/braid.conf"
fails 'braid.conf:4: found "polls", expected a key' env
{ cat "$H/away" && echo 'private "k" { file = "none.key" }'; } >"$H/braid.conf"
fails 'found "none.key", expected a file that can be read' env
in_net "$B/braidd" -n -c "$H/braid.conf" >"$H/out" 2>&1
rc=$?
[ $rc = 78 ] || fail "--check of a mistake ends with $rc"
mv "$H/away" "$H/braid.conf"
code=1
good
ok "a mistake in the configuration has an exit code of its own"

engine() { # what to put before braid-esp
	"${enter[@]}" "$@" "$B/braid-esp" -f -d "$H/run" >"$H/engine.log" 2>&1 &
	engine=$!
	wait_for 5 test -S "$H/run/engine.sock" || fail "no engine: $(cat "$H/engine.log")"
}
engine setpriv --bounding-set -net_admin
fails "ESP engine: CAP_NET_ADMIN is missing" env
kill -0 "$engine" || fail "somebody else's engine is ended"
in_net timeout 5 "$B/braid-esp" -f -d "$H/run" >"$H/out" 2>&1
rc=$?
[ $rc = 1 ] || fail "a second engine ends with $rc"
grep -q "another engine serves" "$H/out" || fail "a second engine says $(cat "$H/out")"
[ "$(grep -c '^<3>' "$H/out")" = 1 ] || fail "not one sentence: $(cat "$H/out")"
kill "$engine"
wait "$engine"
mount -t tmpfs -o ro none "$H/ro"
in_net timeout 5 "$B/braid-esp" -f -d "$H/ro" >"$H/out" 2>&1 && fail "an engine starts without its socket"
umount "$H/ro"
grep -q "^<3>cannot listen on .*engine.sock: Read-only file system" "$H/out" || fail "the engine says $(cat "$H/out")"
ok "the engine alone: a second one, no directory for its socket"
good

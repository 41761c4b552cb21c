#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# An XDP program of somebody else and ours on one device, attached and detached in every order: both
# see every packet, and whoever leaves takes only what is his (topology: tests/lib/netns.sh). Where
# the kernel refuses the dispatcher's extensions, ours is at tc ingress while the other runs, and
# says why.
. "$(dirname "$0")/../lib/netns.sh"
. "$(dirname "$0")/../lib/agent.sh"

for tool in xdp-loader bpftool; do
	command -v $tool >/dev/null || skip "needs $tool"
done
object=$B/bpf/xdp_seen.bpf.o

ok() { echo "ok - $*"; }

# libxdp's pins: in a namespace /sys/fs/bpf is hidden, and braid names its own bpffs.
loader() { in_ns user env LIBXDP_BPFFS="$T/user/bpf" xdp-loader "$@" 2>&1; }
their_load() { loader load -m native -s xdp "$1" "$object" >"$T/loader"; }
their_unload() { loader unload "$1" -i "$(their_id "$1")" >"$T/loader"; }
# ip, with a bpffs to look for maps in
plain_load() { # DEVICE [-force]
	in_ns user sh -c "mount -t bpf bpf /sys/fs/bpf && ip ${2:-} link set dev $1 xdp obj $object sec xdp" \
		>"$T/ip" 2>&1 || fail "plain XDP program on $1: $(cat "$T/ip")"
}

their_id() { loader status "$1" | sed -n 's/.*xdp_seen .* \([0-9][0-9]*\)  *[0-9a-f]\{16\}.*/\1/p'; }
their_count() {
	local id
	id=$(their_id "$1")
	[ -n "$id" ] || {
		echo 0
		return
	}
	bpftool -j map dump id "$(bpftool -j prog show id "$id" | jq '.map_ids[0]')" | jq '.[0].formatted.value'
}
our_count() { braid user --json paths | jq --arg n "$1" '[.paths[] | select(.uplink == $n).rx_packets] | add'; }
more_than() { [ "$("$1" "$2")" -gt "$3" ]; }

theirs_see() { # device, label
	local n
	n=$(their_count "$1")
	wait_for 10 more_than their_count "$1" $((n + 3)) || fail "$2: theirs sees nothing on $1: $(loader status)"
}

ours_see() { # uplink, label
	local n
	n=$(our_count "$1")
	wait_for 10 more_than our_count "$1" $((n + 3)) || fail "$2: ours counts nothing on $1: $(braid user status)"
}

attach_is() { [ "$(braid user --json status | jq -r --arg n "$1" '.uplinks[] | select(.name == $n).attach')" = "$2" ]; }
why() { braid user --json status | jq -r --arg n "$1" '.uplinks[] | select(.name == $n).attach_why'; }
ours_is() { # uplink, xdp or tc, label
	wait_for 10 attach_is "$1" "$2" || fail "$3: not at $2 on $1: $(why "$1")"
}
no_xdp() { ! in_ns user ip -o link show dev "$1" 2>/dev/null | grep -q 'prog/xdp'; }

start() {
	braidd_start user "$T/user/braid.conf"
	braid user up home >"$T/up" 2>&1 || fail "up: $(cat "$T/up")"
	wait_for 20 two_up user || fail "two paths are not up: $(braid user paths)"
}

stop() {
	kill "$(agent_pid user)"
	wait_for 10 no_pids user || fail "braidd or its engine stays after SIGTERM"
}

topo_multihomed
agent_confs 200ms
echo 'dataplane { attach = xdp }' >>"$T/user/braid.conf"
braidd_start gw "$T/gw/braid.conf"

plain_load wlan0
start
ours_is wlan tc "a plain XDP program is there first"
why wlan | grep -q 'another XDP program holds the device' || fail "status does not say why: $(why wlan)"
grep -q 'wlan0.*another XDP program holds the device' "$T/user/log" || fail "the log does not say why"
ours_is ran xdp "a free device"
theirs_see wlan0 "a plain XDP program is there first"
ours_see wlan "a plain XDP program is there first"
ours_see ran "a free device"
in_ns user ping -c 3 -i 0.2 -W 2 -q 203.0.113.10 >"$T/ping" || fail "no traffic beside a plain XDP program"
ok "a plain XDP program is there first: both count, ours at tc, with the reason in status and log"

in_ns user ip link set dev wlan0 xdp off
ours_is wlan xdp "the plain program left"
ours_see wlan "the plain program left"
ok "it leaves: ours takes the XDP place"

dispatcher=yes
case $(why ran) in *refuses*) dispatcher=no ;; esac
if [ $dispatcher = yes ]; then
	their_load ran0 || fail "a second XDP program: $(cat "$T/loader")"
	theirs_see ran0 "theirs joined ours"
	ours_see ran "theirs joined ours"
	ours_is ran xdp "theirs joined ours"
	their_unload ran0 || fail "unload: $(cat "$T/loader")"
	ours_see ran "theirs left"
	ours_is ran xdp "theirs left"
	ok "theirs joins ours and leaves again: both count, then ours alone"

	their_load ran0 || fail "a second XDP program: $(cat "$T/loader")"
	stop
	loader status ran0 | grep -q steer_xdp && fail "ours stays: $(loader status ran0)"
	n=$(their_count ran0)
	in_ns user ping -c 5 -i 0.2 -W 2 -q 198.51.100.1 >"$T/ping" || fail "no traffic after ours left"
	more_than their_count ran0 $((n + 4)) || fail "theirs sees nothing after ours left"
	ok "theirs joins ours, ours leaves: theirs goes on"
	start
else
	echo "# this kernel refuses libxdp's dispatcher: $(why ran)"
	their_load ran0 && fail "a second XDP program got in without a dispatcher: $(loader status ran0)"
	ours_is ran xdp "theirs was refused"
	ours_see ran "theirs was refused"
	ok "no room for a second XDP program: theirs is refused, ours goes on"
	stop
	no_xdp ran0 || fail "ours stays: $(loader status ran0)"
	their_load ran0 || fail "the first XDP program: $(cat "$T/loader")"
	start
fi
no_xdp wlan0 && fail "ours is not back on wlan0: $(why wlan)"

if [ $dispatcher = yes ]; then
	ours_is ran xdp "theirs was first"
else
	ours_is ran tc "theirs was first"
	why ran | grep -q 'refuses' || fail "status does not say why: $(why ran)"
fi
theirs_see ran0 "theirs was first"
ours_see ran "theirs was first"
in_ns user ping -c 3 -i 0.2 -W 2 -q 203.0.113.10 >"$T/ping" || fail "no traffic beside theirs"
their_unload ran0 || fail "unload: $(cat "$T/loader")"
ours_is ran xdp "theirs was first and left"
ours_see ran "theirs was first and left"
ok "theirs is there first and leaves: both count, then ours"

plain_load ran0 -force
ours_is ran tc "ours was replaced by force"
ours_see ran "ours was replaced by force"
theirs_see ran0 "ours was replaced by force"
ok "ours is replaced by force: it counts on at tc"

stop
theirs_see_alone() { more_than their_count ran0 "$n"; }
n=$(their_count ran0)
in_ns user ping -c 3 -i 0.2 -W 2 -q 198.51.100.1 >"$T/ping" || fail "no traffic after ours left"
theirs_see_alone || fail "theirs went with ours"
in_ns user ip link set dev ran0 xdp off
for dev in wlan0 ran0; do
	no_xdp $dev || fail "an XDP program stays on $dev"
	in_ns user tc qdisc show dev $dev | grep -q clsact && fail "a qdisc of ours stays on $dev"
done
[ -z "$(find "$T/user/bpf" -mindepth 1 ! -name xdp ! -name '*.debug')" ] ||
	fail "pins stay: $(find "$T/user/bpf" -mindepth 1 | tr '\n' ' ')"
in_ns user ip link show braid0 >/dev/null 2>&1 && fail "the steering device stays"
ok "the end: theirs goes on, nothing of ours is left"

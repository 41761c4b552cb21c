#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# With an IKE SA for each path (multipath = clone): what is silent, comes, goes, ends, is taken down or
# restarted is one line's matter. While it happens a stream in each direction goes by another path and
# loses nothing, and nothing leaves any uplink in clear.
# [CLONE-57] [CLONE-58] [CLONE-54] [CLONE-55] [CLONE-A-6] [CLONE-2-5] [CLONE-18]
. "$(dirname "$0")/../lib/netns.sh"
. "$(dirname "$0")/../lib/agent.sh"
. "$(dirname "$0")/../lib/clones.sh"

ok() { echo "ok - $*"; }
# a shell of its own has another pid
export ns_tag=$$ top T B I0 I1 R0 R1
ns() { echo "br$ns_tag-$1"; }
user_ip() { ip -n "$(ns user)" "$@"; }
ran_up() {
	user_ip link add ran0 type veth peer name user netns "$(ns r2)" && user_ip addr add $I1/26 dev ran0 &&
		user_ip link set ran0 up && ip -n "$(ns r2)" addr add 198.51.100.1/26 dev user &&
		ip -n "$(ns r2)" link set user up && user_ip route add default via 198.51.100.1 dev ran0 metric 200
}
export -f in_ns ns user_ip ran_up braid cut_path mend_path router

# undisturbed WHAT COMMAND: by the first uplink, while that happens to the second, which may not be there yet
undisturbed() {
	local ran=("$(ns user):ran0")
	user_ip link show ran0 >/dev/null 2>&1 || ran=()
	"$B/tests/netns/stream_watch" -d 1500 -e "$2" "$(ns user)" "$vip" "$(ns lan)" 203.0.113.10 \
		"$(ns user):wlan0" "$(ns gw):eth0" ${ran[@]+"${ran[@]}"} "$(ns gw):eth1" >"$T/watch" 2>"$T/watch.err" ||
		fail "$1: $(cat "$T/watch.err")"
	jq -e '.in_clear == 0 and .there.lost == 0 and .back.lost == 0' "$T/watch" >/dev/null || fail "$1: $(cat "$T/watch")"
}
session() { sas user '.[0].session_usec'; }
bars() { grep -c "$1" "$T/user/log"; }
more() { [ "$(bars "$1")" -gt "$2" ]; }
gone() { ! pairs "$1" | grep -q "$2"; }

clones_topo
clones_confs "\"$R0\", \"$R1\""
clones_up
have "$I0>$R0" "$I1>$R1"
wait_for 10 reach || fail "the LAN is not reached: $(braid user paths)"
wait_for 10 two_up user || fail "two paths: $(braid user paths)"
wait_for 10 two_up gw || fail "two paths at the gateway: $(braid gw paths)"
vip=$(sas user '.[0].vips[0]' | tr -d '"')
first=$(line_at user "$I0>$R0") second=$(line_at user "$I1>$R1") began=$(session)
spi=$(spi_of user "$first")

# The middle of the second path: its line waits, and goes on.
undisturbed "the second path is cut" 'cut_path r2; sleep 1'
wait_for 10 path_is user ran-2 down || fail "it is not noticed: $(braid user paths)"
have "$I0>$R0" "$I1>$R1"
[ "$(line_at user "$I1>$R1")" = "$second" ] || fail "its line is another one: $(braid user sas)"
undisturbed "and works again" 'mend_path r2'
wait_for 10 two_up user || fail "it does not go on: $(braid user paths)"
[ "$(line_at user "$I1>$R1")" = "$second" ] || fail "its line is another one: $(braid user sas)"
ok "a path that is silent: its IKE SA waits, the other one does not notice"

# An interface goes, and another one comes.
# that address of the gateway is reached by the interface that is left, meanwhile
undisturbed "an interface goes" 'user_ip link del ran0'
have "$I0>$R0" "$I0>$R1"
[ "$(line_at user "$I0>$R0")" = "$first" ] || fail "the other line is another one: $(braid user sas)"
undisturbed "and comes" ran_up
have "$I0>$R0" "$I1>$R1"
wait_for 10 two_up user || fail "not used: $(braid user paths)"
[ "$(line_at user "$I0>$R0") $(spi_of user "$first")" = "$first $spi" ] || fail "the first line has changed: $(braid user sas)"
ok "an interface that goes loses its clone, one that comes gets one"

# So does an address.
undisturbed "an address goes" "user_ip addr del $I1/26 dev ran0"
have "$I0>$R0" "$I0>$R1"
undisturbed "and comes" "user_ip addr add $I1/26 dev ran0; user_ip route add default via 198.51.100.1 dev ran0 metric 200"
have "$I0>$R0" "$I1>$R1"
ok "an address that goes, and comes"

# One clone is made first for the pair that is silent from the beginning: the others do not wait.
user_ip addr del $I1/26 dev ran0
have "$I0>$R0" "$I0>$R1"
cut_path r2
n=$(bars 'is tested again later')
user_ip addr add $I1/26 dev ran0
user_ip route add default via 198.51.100.1 dev ran0 metric 200
wait_for 20 more 'is tested again later' "$((n + 3))" || fail "it is not tested again: $(braid user sas)"
[ "$(sas user 'length')" -le 3 ] || fail "more than one for each uplink and address that waits: $(braid user sas)"
wait_for 2 reach || fail "the LAN is not reached: $(braid user paths)"
mend_path r2
have "$I0>$R0" "$I1>$R1"
ok "a path that does not answer is tested again"

# A new agent, at either end.
lines=$(sas user '[.[] | "\(.line) \(.local)"] | sort | join(", ")')
for h in user gw; do
	kill -9 "$(agent_pid $h)"
	wait "$(agent_pid $h)" 2>/dev/null
	braidd_start $h "$T/$h/braid.conf" -v
	have "$I0>$R0" "$I1>$R1"
	[ "$(sas user '[.[] | "\(.line) \(.local)"] | sort | join(", ")')" = "$lines" ] || fail "new agent of $h: $(braid user sas), not $lines"
done
wait_for 10 two_up user || fail "two paths with new agents: $(braid user paths)"
sleep 1 # long enough for a clone, if it made any
have "$I0>$R0" "$I1>$R1"
ok "new agents know which is for which path"

# One ends, by the peer's word: the session goes on, and the path has another one soon.
another() { local l; l=$(line_at user "$1") && [ -n "$l" ] && [ "$l" != "$2" ]; }
for pair in "$I0>$R0" "$I1>$R1"; do
	was=$(line_at user "$pair") spi=$(sas gw '[.[].line] | join(" ")')
	theirs=$(line_at gw "${pair#*>}>${pair%>*}")
	braid gw down "rw#$theirs" >/dev/null || fail "the gateway does not take $theirs down: $spi"
	wait_for 15 another "$pair" "$was" || fail "$pair has no other IKE SA: $(braid user sas)"
	have "$I0>$R0" "$I1>$R1"
	[ "$(session)" = "$began" ] || fail "another session: $(sas user "[.[] | .line, .session_usec, .since_usec]"), not $began"
done
ok "the first IKE SA may end as well as a clone"
# Child SAs that do not stay are made again later each time.
theirs=$(line_at gw "$R1>$I1")
for wait in 0 1; do # seconds, of 2 and then 4
	braid gw down "rw#$theirs/net" >/dev/null || fail "the gateway does not take the Child SA of $theirs down"
	sleep "$wait"
	[ "$wait" = 0 ] || pairs_are user "$I0>$R0" || fail "the Child SA is there again at once: $(braid user sas)"
	have "$I0>$R0" "$I1>$R1"
done
ok "a Child SA that the peer does not want"
# By the operator's: it stays down until he says up.
undisturbed "one is taken down" "braid user down home#$(line_at user "$I1>$R1")"
have "$I0>$R0"
sleep 1.5
have "$I0>$R0"
braid user up home >/dev/null 2>&1 || fail "up"
have "$I0>$R0" "$I1>$R1"
ok "a clone that the operator takes down"
! grep -q 'next attempt in' "$T/user/log" || fail "the connection is set up again although it is up: $(grep 'next attempt in' "$T/user/log")"

# The operator's word: a setting, all of it down, and up.
sed -i '/uplink "ran"/d' "$T/user/braid.conf"
undisturbed "an uplink is taken out of the configuration" 'braid user reload'
have "$I0>$R0" "$I0>$R1"
sed -i 's/^uplink "wlan".*/&\nuplink "ran" { interface = ran0 preference = 1 }/' "$T/user/braid.conf"
undisturbed "and put back" 'braid user reload'
have "$I0>$R0" "$I1>$R1"
sed -i 's/clone retransmit/clone ike_sas_max = 3 clone_pairs = all retransmit/' "$T/user/braid.conf"
undisturbed "all pairs are wanted, and three allowed" 'braid user reload'
sleep 1
ok "the configuration's word"
braid user down home >/dev/null || fail "down"
none() { [ "$(sas "$1" length)" = 0 ]; }
for h in user gw; do wait_for 10 none $h || fail "$h keeps $(braid $h sas)"; done
sleep 1
none user || fail "it is cloned although it is down: $(braid user sas)"
braid user up home >/dev/null 2>&1 || fail "up again"
have "$I0>$R0" "$I1>$R0" "$I0>$R1"
ok "down and up; no more than may be"

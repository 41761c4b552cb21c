#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# weights = measured: uplinks of 20 and 5 Mbit/s, of which nobody has told the rates. Flows are spread by
# what the paths are found to carry, and stay where they are once that is known; a new agent keeps it.
. "$(dirname "$0")/../lib/netns.sh"
. "$(dirname "$0")/../lib/agent.sh"
for tool in bpftool python3 tc ethtool; do command -v $tool >/dev/null || skip "needs $tool"; done
ok() { echo "ok - $*"; }
two_work() { two_up user && two_up gw; }
path() { braid user --json steering | jq -r ".relations[0].classes[] | select(.name == \"default\").paths[] | select(.uplink == \"$1\").$2"; }
# ratio LEAST MOST: of the shares, in hundredths
ratio() {
	local w r
	w=$(path wlan share_permille) r=$(path ran share_permille)
	[ "$r" -gt 0 ] && [ $((w * 100 / r)) -ge "$1" ] && [ $((w * 100 / r)) -le "$2" ]
}
sent() { braid user --json paths | jq '[.paths[].tx_octets] | add'; }
changes() { grep -c 'class default: .*measured: all paths' "$T/user/log"; }

topo_multihomed
ip -n "$(ns lan)" addr add 203.0.113.11/26 dev eth0
agent_confs 50ms
# full queues are no reason to take a path for dead
sed -i "s|probe_interval = 50ms|& down_after = 40|" "$T"/*/braid.conf
cat >>"$T/user/braid.conf" <<-CONF
	class "default" { weights = measured hold = 1s }
CONF
for r in r1:20 r2:5; do
	mbit=${r#*:}
	in_ns "${r%:*}" tc qdisc add dev gw root tbf rate "${mbit}mbit" burst 16k limit $((mbit * 1000 / 8 * 100)) || skip "needs tbf"
done
# a wire carries no super-packets
for dev in wlan0 ran0; do in_ns user ethtool -K $dev tso off gso off tx-udp-segmentation off >/dev/null; done
braidd_start gw "$T/gw/braid.conf"
braidd_start user "$T/user/braid.conf"
braid user up home >"$T/up" 2>&1 || fail "up: $(cat "$T/up")"
wait_for 10 two_work || fail "two paths are not up: $(braid user paths)"
wait_for 5 ratio 95 105 || fail "before anything is known: $(braid user steering)"
[ "$(path wlan carries_bps)" = null ] || fail "what idles is known: $(path wlan carries_bps)"
ok "as long as nothing is known: by configured weights"

# 40 TCP streams, which heed loss
in_ns lan "$B/tests/netns/streams" receive 203.0.113.11 7000 40 >"$T/stream" 2>"$T/stream.err" &
wait_for 5 eval 'in_ns lan ss -Hlnt "sport = :7000" | grep -q .' || fail "no receiver: $(cat "$T/stream.err")"
in_ns user "$B/tests/netns/streams" send 203.0.113.11 7000 40 90 2>>"$T/stream.err" &
if ! wait_for 80 ratio 300 500; then
	# weights apart, so many streams fill both
	a=$(sent)
	sleep 2
	[ $((($(sent) - a) * 4)) -ge 20000000 ] || skip "this machine does not fill 25 Mbit/s"
	fail "not 4:1: $(path wlan carries_bps) and $(path ran carries_bps): $(braid user steering)"
fi
for u in wlan:20 ran:5; do
	bps=$(path "${u%:*}" carries_bps)
	[ "$bps" != null ] && [ $((bps * 100)) -ge $((${u#*:} * 75000000)) ] && [ $((bps * 100)) -le $((${u#*:} * 125000000)) ] ||
		fail "$u is found to carry $bps"
done
echo "# wlan $(path wlan carries_bps) bit/s, ran $(path ran carries_bps), shares $(path wlan share_permille) and $(path ran share_permille)"
ok "4:1, as they carry"
n=$(changes)
sleep 10
[ $(($(changes) - n)) -le 1 ] || fail "shares change all the time: $(grep 'measured: all' "$T/user/log")"
ratio 300 500 || fail "it does not stay: $(braid user steering)"
ok "and it stays so"

agent_dies user
braidd_start user "$T/user/braid.conf"
wait_for 10 two_up user || fail "paths: $(braid user paths)"
ratio 280 520 || fail "a new agent begins from nothing: $(braid user steering)"
ok "a new agent goes on with it"
for p in $(ip netns pids "$(ns user)") $(ip netns pids "$(ns lan)"); do
	[ "$(cat "/proc/$p/comm" 2>/dev/null)" != streams ] || kill "$p"
done

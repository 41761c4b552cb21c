#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# Two agents, two uplinks (topology: tests/lib/netns.sh): set-up, paths joined by probes, cuts, links
# and addresses that go and come back, paths taken out on purpose, agents and an engine that die,
# reload, clean end. MIF-3.1.2-3.
. "$(dirname "$0")/../lib/netns.sh"
. "$(dirname "$0")/../lib/agent.sh"

ok() { echo "ok - $*"; }

reach() { in_ns user ping -c 2 -i 0.1 -W 1 -q 203.0.113.10 >"$T/ping" || fail "$1: the LAN is not reached"; }
spis() { braid "$1" --json sas | jq -c '[.ike_sas[] | .spi_i, (.children[] | .spi_in, .spi_out)]'; }
no_path() { [ "$(braid "$1" --json paths | jq --arg a "$2" '[.paths[] | select(.local | startswith($a))] | length')" = 0 ]; }
both_up() { two_up user && two_up gw; }
events_have() { grep -q "$1" "$T/events"; }

topo_multihomed
for i in 1 2 3 4 5 6; do ip -n "$(ns lan)" addr add "203.0.113.1$i/26" dev eth0; done
agent_confs 100ms

braidd_start gw "$T/gw/braid.conf"
braidd_start user "$T/user/braid.conf"
in_ns user "$B/braid" -d "$T/user/run" --json events >"$T/events" 2>&1 &
braid user up home >"$T/up" 2>&1 || fail "up: $(cat "$T/up")"
reach "set-up"
wait_for 3 both_up || fail "two paths are not up: $(braid user paths; braid gw paths)"
vip=$(braid user --json sas | jq -r '.ike_sas[0].vips[0]')
in_ns lan ping -c 2 -i 0.1 -W 1 -q "$vip" >"$T/ping" || fail "the LAN does not reach the user"
ok "set-up, traffic both ways, the second path joined by probes"

[ "$(braid user --json paths | jq -r '[.paths[].verified] | all')" = true ] || fail "paths are not verified"
[ "$(braid gw --json paths | jq -c '[.paths[] | [.epid_i, .epid_r]] | sort')" = \
	"$(braid user --json paths | jq -c '[.paths[] | [.epid_i, .epid_r]] | sort')" ] ||
	fail "the two sides name the paths differently"
ok "both sides name endpoints alike"

load 1
load_end 0 "six flows lose nothing"
a=$(tx user wlan-a) b=$(tx user ran-b)
many_flows
[ "$(tx user wlan-a)" -gt $((a + 50)) ] && [ "$(tx user ran-b)" -gt $((b + 50)) ] ||
	fail "flows are not spread: $(braid user paths)"
ok "both uplinks carry flows"

# six flows of 200 a second each way, if the machine is not busy with other things just then
rates() {
	braid user --json paths >/dev/null
	sleep 1.2
	braid user --json paths >"$T/paths"
	jq -e '[.paths[].tx_packets_sec] | add > 600 and add < 1800' "$T/paths" &&
		jq -e '[.paths[].rx_octets_sec] | add > 60000' "$T/paths"
}
load 5
rates >/dev/null || rates >/dev/null || rates >/dev/null || fail "rates: $(cat "$T/paths")"
jq -e '[.paths[].share_permille] | add | . >= 998 and . <= 1000' "$T/paths" >/dev/null || fail "shares: $(cat "$T/paths")"
jq -e '[.paths[] | .nat_local, .rate_usec >= 200000] == [false, true, false, true]' "$T/paths" >/dev/null || fail "$(cat "$T/paths")"
braid user paths | grep -q '^home .* kbit/s  *[0-9]* %' || fail "no rates as text: $(braid user paths)"
load_end 0 "rates and shares"

load 2
sleep 0.3
braid user path disable wlan-a >/dev/null || fail "path disable"
wait_for 2 path_is gw a-1 disabled || fail "the peer does not hear that a path is disabled"
a=$(tx gw a-1) # probes and their answers still go there, some twenty a second
sleep 0.3
[ "$(tx gw a-1)" -le $((a + 60)) ] || fail "the peer goes on sending on the disabled path"
braid user path enable wlan-a >/dev/null || fail "path enable"
load_end 0 "path disabled and enabled again by the user: nothing lost"
wait_for 2 both_up || fail "an enabled path does not come back"

load 2
sleep 0.3
braid gw path disable a-1 >/dev/null || fail "path disable on the gateway"
wait_for 2 path_is user wlan-a disabled || fail "the user does not hear that a path is disabled"
braid gw path enable a-1 >/dev/null || fail "path enable on the gateway"
load_end 0 "path disabled and enabled again by the gateway: nothing lost"
wait_for 2 both_up || fail "an enabled path does not come back"

# at most three probe intervals and a round trip: 0.3 s, 60 of its packets; two more for the clocks
load 2
sleep 0.3
cut_path r1
wait_for 2 path_is user wlan-a down || fail "a cut path is not noticed"
load_end 62 "mid-path cut: the gap is at most three probe intervals"
a=$(spis user)
braid user rekey home >/dev/null 2>&1 || fail "IKE does not go on over the other path"
[ "$(spis user)" != "$a" ] || fail "no new IKE SA"
ok "IKE goes on over the other path"
mend_path r1
wait_for 3 both_up || fail "a mended path does not come back"
reach "mended path"
ok "mended path comes back"

# the last path that falls silent is used on, and what is sent there counts when it heals
no_path_drops() { braid user --json stats | jq '.drops.NO_PATH'; }
before=$(no_path_drops)
cut_path r1
wait_for 2 path_is user wlan-a down || fail "a cut path is not noticed"
cut_path r2
wait_for 2 path_is user ran-b down || fail "the second cut path is not noticed"
in_ns user ping -c 5 -i 0.02 -W 0.2 -q 203.0.113.10 >/dev/null && fail "both uplinks are cut, and pings are answered"
[ "$(no_path_drops)" = "$before" ] || fail "nothing is sent on the path that worked last"
mend_path r2
reach "one of two mended"
[ "$(no_path_drops)" = "$before" ] || fail "packets are dropped for want of a path"
mend_path r1
wait_for 3 both_up || fail "two cut paths do not come back"
ok "the last path to fall silent is used on"

ip -n "$(ns user)" link set wlan0 down
wait_for 1 path_is user wlan-a down || fail "link down is not seen"
# only probes tell the gateway
wait_for 1 path_is gw a-1 down || fail "the gateway does not notice"
reach "link down"
ip -n "$(ns user)" link set wlan0 up
ip -n "$(ns user)" route replace default via 192.0.2.1 dev wlan0 metric 100
wait_for 5 both_up || fail "the link is back, the path is not: $(braid user paths)"
reach "link up"
events_have 'link is down' || fail "no event tells that the link is down"
ok "link down and up"

ip -n "$(ns user)" addr del 192.0.2.2/26 dev wlan0
wait_for 1 no_path user 192.0.2.2 || fail "an address that is gone still has a path"
wait_for 1 path_is gw a-1 down || fail "the gateway does not notice that an address is gone"
reach "address gone"
ip -n "$(ns user)" addr add 192.0.2.5/26 dev wlan0
ip -n "$(ns user)" route replace default via 192.0.2.1 dev wlan0 metric 100
wait_for 5 two_up user || fail "no path from the new address: $(braid user paths)"
braid gw --json paths | jq -e '.paths[] | select((.remote | startswith("192.0.2.5:")) and .state == "up")' >/dev/null ||
	wait_for 2 two_up gw || fail "the gateway does not use the new address"
reach "new address"
ok "address replaced by another"

a=$(spis user)
load 3
sleep 0.3
kill -9 "$(agent_pid user)"
sleep 0.5
braidd_start user "$T/user/braid.conf"
kill -9 "$(agent_pid gw)"
sleep 0.5
braidd_start gw "$T/gw/braid.conf"
load_end 0 "both agents killed and started again: nothing lost"
[ "$(spis user)" = "$a" ] || fail "a new agent made new SAs: $a, now $(spis user)"
ok "a new agent takes over the SAs of the old one"
braid user rekey home/net >/dev/null 2>&1 || fail "Child SA rekey after take-over"
braid user rekey home >/dev/null 2>&1 || fail "IKE SA rekey after take-over"
braid gw rekey rw/net >/dev/null 2>&1 || fail "Child SA rekey by the gateway after take-over"
load 1
load_end 0 "rekeys after take-over"
cut_path r2
wait_for 2 path_is user ran-b down || fail "a cut after take-over is not noticed"
reach "cut after take-over"
mend_path r2
wait_for 3 two_up user || fail "a mended path does not come back after take-over"
ok "paths are followed after take-over"

load 2
for _ in 1 2 3; do braid user rekey home/net >/dev/null 2>&1 || fail "rekey under load"; done
load_end 0 "Child SA rekeyed three times under load: nothing lost"

sed -i 's/probe_interval = 100ms/probe_interval = oops/' "$T/user/braid.conf"
braid user reload >"$T/reload" 2>&1 && fail "a mistake in the configuration is accepted"
grep -q 'braid.conf:[0-9]*:.*oops' "$T/reload" || fail "reload says: $(cat "$T/reload")"
sed -i 's/probe_interval = oops/probe_interval = 100ms/' "$T/user/braid.conf"
braid user reload >"$T/reload" 2>&1 || fail "reload: $(cat "$T/reload")"
reach "reload"
ok "reload, with and without a mistake"

a=$(spis user)
new_sas() { [ "$(spis user)" != "$a" ] && two_up user; }
kill -9 "$(braid user --json status | jq .engine.pid)"
wait_for 3 new_sas || fail "the connection does not come back after the engine's end"
reach "new engine"
ok "the engine dies: another starts and the connection is set up again"

braid user down home >/dev/null 2>&1 || fail "down"
wait_for 3 no_path gw 192.0.2.66 || fail "the gateway keeps paths after the Delete"
[ -z "$(ip -n "$(ns user)" route show dev braidtun0)" ] || fail "routes stay after down"
ok "down removes routes and paths at both ends"

braid user up home >/dev/null 2>&1 || fail "up again"
kill "$(agent_pid user)"
wait_for 5 no_pids user || fail "braidd or its engine stays after SIGTERM"
wait_for 3 no_path gw 192.0.2.66 || fail "the gateway is not told"
ip -n "$(ns user)" link show braid0 >/dev/null 2>&1 && fail "the steering device stays"
ip -n "$(ns user)" link show braidtun0 >/dev/null 2>&1 && fail "the TUN device stays"
[ ! -e "$T/user/bpf/braid" ] || fail "pins stay"
tc -n "$(ns user)" filter show dev wlan0 ingress 2>/dev/null | grep -q . && fail "a program stays on wlan0"
ok "SIGTERM: the peer is told, nothing of ours stays"

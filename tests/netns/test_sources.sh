#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# A host as administrators have it: two default routes, strict reverse path filters, rules of its own,
# somebody who takes ours away, a tunnel that covers the peer's own addresses. Every path works, and
# nothing of ours stands where it is not needed, or stays when we end.
. "$(dirname "$0")/../lib/netns.sh"
. "$(dirname "$0")/../lib/agent.sh"

ok() { echo "ok - $*"; }
rules() { ip -n "$(ns "$1")" rule show priority 98; }
routes() { ip -n "$(ns "$1")" route show table all proto 98 | grep 'table 1651'; }
has_rule() { rules "$1" | grep -q "from $2 ipproto udp sport 4500"; }
has_route() { routes "$1" | grep -q "^$2 "; }
table() { echo $((0x62720000 + $(in_ns user cat "/sys/class/net/$1/ifindex"))); }
clean() { [ -z "$(rules "$1")" ] && [ -z "$(routes "$1")" ]; }
strict() { for d in "${@:2}" all default; do in_ns "$1" sysctl -qw "net.ipv4.conf.$d.rp_filter=1"; done; }
reach() { in_ns user ping -c 3 -i 0.1 -W 1 -q 203.0.113.10 >"$T/ping" || fail "$1: the LAN is not reached"; }
both() { wait_for 10 two_up user && wait_for 10 two_up gw; }

topo_multihomed
agent_confs 100ms
strict user wlan0 ran0
strict gw eth0 eth1

# the gateway has the internet by two providers, too
ip -n "$(ns gw)" route flush proto boot
ip -n "$(ns gw)" route add default via 192.0.2.65 metric 100
ip -n "$(ns gw)" route add default via 198.51.100.65 metric 200

braidd_start gw "$T/gw/braid.conf"
braidd_start user "$T/user/braid.conf"
wait_for 5 eval 'routes gw | grep -q "^default via 198.51.100.65"' || fail "nobody could come by the second provider"
# neighbours there, and networks behind another router there, do not go by its default route
way() { ip -n "$(ns gw)" route get "$1" from 198.51.100.66 ipproto udp sport 4500; }
by() { way "$1" | grep -q "$2"; }
by 198.51.100.67 '^198.51.100.67 from 198.51.100.66 dev eth1' || fail "a neighbour goes by the router: $(way 198.51.100.67)"
ip -n "$(ns gw)" route add 203.0.113.240/28 via 198.51.100.70 dev eth1
wait_for 5 by 203.0.113.241 'via 198.51.100.70 dev eth1' || fail "a network behind another router: $(way 203.0.113.241; routes gw)"
ip -n "$(ns gw)" route del 203.0.113.240/28
wait_for 5 by 203.0.113.241 'via 198.51.100.65 dev eth1' || fail "its route stays: $(way 203.0.113.241)"

braid user up home >"$T/up" || fail "up: $(cat "$T/up")"
both || fail "not both paths with strict filters: $(braid user paths)"
has_rule user 198.51.100.2 && has_route user 198.51.100.66 || fail "no source route by the second uplink"
has_route user 192.0.2.66 && fail "a source route by the first uplink, which needs none: $(routes user)"
ip -n "$(ns user)" route get 198.51.100.66 from 198.51.100.2 ipproto tcp | grep -q 'dev wlan0' ||
	fail "what is neither IKE nor ESP is routed by us"
reach "strict filters"
ok "two default routes, strict reverse path filters"

# as a network manager does that wants no rules but its own
while ip -n "$(ns user)" rule del priority 98 2>/dev/null; do :; done
wait_for 5 has_rule user 198.51.100.2 || fail "the rule is not set again"
ip -n "$(ns user)" route flush table "$(table ran0)"
wait_for 5 has_route user 198.51.100.66 || fail "the route is not set again"
both || fail "paths do not come back: $(braid user paths)"
ok "somebody takes rule and route away"

# another way out by the same link
ip -n "$(ns r2)" addr add 198.51.100.3/26 dev user
ip -n "$(ns user)" route replace default via 198.51.100.3 dev ran0 metric 200
wait_for 5 eval 'routes user | grep -q "^198.51.100.66 via 198.51.100.3"' || fail "the route does not follow: $(routes user)"
both || fail "another next hop: $(braid user paths)"
ok "the next hop changes"

ip -n "$(ns user)" link set ran0 down
wait_for 5 path_is user ran-b down || fail "link down is not seen"
ip -n "$(ns user)" link set ran0 up
ip -n "$(ns user)" route add default via 198.51.100.1 dev ran0 metric 200
wait_for 5 has_route user 198.51.100.66 || fail "the route is not set after the link came back"
both || fail "link down and up: $(braid user paths)"
ok "link down and up"

# an administrator's own rule says the same: ours is not needed
ip -n "$(ns user)" route add default via 198.51.100.1 dev ran0 table 77
ip -n "$(ns user)" rule add from 198.51.100.2 lookup 77 priority 1000
wait_for 5 eval '! has_route user 198.51.100.66' || fail "a route that is not needed any more stays"
both || fail "the administrator's rule: $(braid user paths)"
ip -n "$(ns user)" rule del priority 1000
wait_for 5 has_route user 198.51.100.66 || fail "the rule went, and ours does not come back"
both || fail "without the administrator's rule: $(braid user paths)"
ok "rules of the administrator's own"

# killed: what it left serves on, and its successor keeps what it needs, and nothing else
ip -n "$(ns user)" route add 192.0.2.99 dev ran0 proto 98 table "$(table ran0)"
kill -9 "$(agent_pid user)"
in_ns user ping -c 20 -i 0.1 -W 1 -q 203.0.113.10 >"$T/ping" &
p=$!
braidd_start user "$T/user/braid.conf"
wait $p || fail "killed: $(cat "$T/ping")"
grep -q ' 0% packet loss' "$T/ping" || fail "killed: $(cat "$T/ping")"
wait_for 5 eval '! has_route user 192.0.2.99' || fail "a route of an earlier life stays"
has_rule user 198.51.100.2 && has_route user 198.51.100.66 || fail "the successor dropped what it needs"
ok "killed and started again"

braid user down home >"$T/down" || fail "down"
kill "$(agent_pid user)"
wait_for 5 no_pids user || fail "braidd does not end"
clean user || fail "something of ours stays: $(rules user; routes user)"
kill "$(agent_pid gw)"
wait_for 5 no_pids gw || fail "braidd does not end"
clean gw || fail "something of ours stays at the gateway: $(rules gw; routes gw)"
ok "nothing stays"

# everything through the tunnel, and guarded before there is one
sed -i 's/child "net" {.*/child "net" { remote_ts = { "0.0.0.0\/0" } start_action = start }/' "$T/user/braid.conf"
sed -i 's/child "net" {.*/child "net" { local_ts = { "0.0.0.0\/0" } }/' "$T/gw/braid.conf"
braidd_start gw "$T/gw/braid.conf"
cat >>"$T/user/braid.conf" <<-CONF
	connection "side" {
		remote_addrs = { "203.0.113.250" }
		local { id = "side@example.org" }
		remote { id = "other.example.org" }
		child "net" { remote_ts = { "10.77.0.0/16" } }
	}
	secret "side" { id = { "side@example.org", "other.example.org" } secret = "another long secret" }
CONF
cut_path r1
cut_path r2
braidd_start user "$T/user/braid.conf"
wait_for 5 eval '[ -n "$(ip -n "$(ns user)" route show type unreachable 0.0.0.0/1)" ]' || fail "no guard over all addresses"
in_ns user ping -c 1 -W 1 -q 203.0.113.10 >"$T/ping" 2>&1 && fail "in clear past the guard"
ip -n "$(ns user)" route get 203.0.113.250 from 192.0.2.2 ipproto udp sport 500 | grep -q 'dev wlan0' ||
	fail "the guard stops another connection"
mend_path r1
mend_path r2
wait_for 15 eval '[ "$(paths_in_state user up)" = 2 ]' || fail "everything through the tunnel: $(braid user status; braid user paths)"
reach "everything through the tunnel"
kill -9 "$(agent_pid user)"
for p in $(ip netns pids "$(ns user)"); do kill -9 "$p"; done
wait_for 5 no_pids user
in_ns user ping -c 1 -W 1 -q 203.0.113.10 >"$T/ping" 2>&1 && fail "in clear once agent and engine are dead"
braidd_start user "$T/user/braid.conf"
wait_for 30 eval '[ "$(paths_in_state user up)" = 2 ]' || fail "not up again behind the guard: $(braid user status)"
reach "up again behind the guard"
ok "a tunnel for all addresses, guarded"

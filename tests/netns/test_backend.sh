#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# dataplane { backend = auto } while no connection is configured: the engine, whatever the kernel can do, so that a
# reload can add a connection as it is by default, with path probes.
. "$(dirname "$0")/../lib/netns.sh"
host h net
wire h eth0 192.0.2.1/24 net n0 192.0.2.9/24
cat >"$T/h/braid.conf" <<-CONF
	uplink "u" { interface = eth0 }
	dataplane { backend = auto }
CONF
"$B/braidd" -n -c "$T/h/braid.conf" >"$T/check" || fail "$(cat "$T/check")"
grep -q "ESP: the engine's: no connection" "$T/check" || fail "the check says $(cat "$T/check")"
braidd_start h "$T/h/braid.conf"
status() { braid h --json status | jq -r "$1"; }
[ "$(status .esp.by)" = engine ] || fail "ESP is by $(status .esp)"
status .esp.why | grep -q 'no connection is configured yet' || fail "because $(status .esp.why)"
echo "ok - without a connection it is the engine's"

cat >>"$T/h/braid.conf" <<-CONF
	connection "home" {
		remote_addrs = "192.0.2.9"
		local { id = "user@example.org" }
		remote { id = "gw.example.org" }
		child "net" { remote_ts = "203.0.113.0/26" }
	}
	secret "s" { id = { "user@example.org", "gw.example.org" } secret = "a long secret of ours" }
CONF
braid h reload >"$T/reload" 2>&1 || fail "a reload that adds a connection: $(cat "$T/reload")"
[ "$(braid h --json conns | jq '.conns[0].multipath')" = true ] || fail "conns: $(braid h --json conns)"
[ "$(status .esp.by)" = engine ] || fail "ESP is by $(status .esp) after the reload"
echo "ok - a connection with path probes can be added"

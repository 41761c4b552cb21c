#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# multipath = mmx, tunnels = each in transport mode: an SA for each of three pairs of addresses, all
# over one IKE SA (MMX 12, S7). On each pair a UDP stream and a TCP connection; an uplink goes and
# returns, another one gets its SA later, derived, and one is not wanted any more. Nothing of it is in
# clear text. [MIF-5-1] [MIF-5.1.1-1] [MIF-5.4-1] [MIF-5.5-1] [MIF-5.3.1-1]
. "$(dirname "$0")/../lib/netns.sh"
. "$(dirname "$0")/../lib/agent.sh"
. "$(dirname "$0")/../lib/clones.sh"
. "$(dirname "$0")/../lib/mmx.sh"
. "$(dirname "$0")/../lib/transport.sh"
command -v tcpdump >/dev/null || skip "needs tcpdump"

ok() { echo "ok - $*"; }
pairs_topo
pairs_confs
mmx_up
pairs_are 1-1 2-2 3-3
[ "$(sas user length)" = 1 ] || fail "more than one IKE SA: $(braid user sas)"
ike=$(ike_sa user)
grep -q "derived for the peer's" "$T/gw/log" && fail "they are derived: $(cat "$T/gw/log")"
capture clear "$pairs_clear"
for i in 1 2 3; do
	in_ns gw $PY "$top/tests/lib/traffic.py" echo "${G[i]}" 7007 &
	wait_for 5 eval 'in_ns gw ss -ltnH | grep -q "${G[i]}:7007"' || fail "no echo at ${G[i]}"
done
pinged 1 3 && fail "a pair without an SA is answered"
before=$(spis user)
pair_traffic others 1-1 2-2
pair_traffic third 3-3
no_clear "S7: an SA for each of three pairs, over one IKE SA; UDP and TCP on each"

ip -n "$(ns user)" link set u3 down
pairs_are 1-1 2-2 1-3
echo_udp user "${G[3]}" 7007 200 "${U[1]}" || fail "the third SA carries nothing: $(braid user sas)"
pinged 3 3 && fail "an address that is not there is answered"
ip -n "$(ns user)" link set u3 up
pairs_route 3
pairs_are 1-1 2-2 3-3
pair_end third 2000
pair_end others 50
[ "$(spis user)" = "$before" ] || fail "an SA has been replaced: $(braid user sas)"
no_clear "an uplink goes, its SA is for another address; it returns, and its connection goes on"

pair_traffic others 1-1 3-3
sed -i '/uplink "u2"/d' "$T/user/braid.conf"
braid user reload || fail "reload"
pairs_are 1-1 3-3
pinged 2 2 && fail "without an SA it is answered"
no_clear "an uplink that is not wanted any more goes with its SA, and nothing of it in clear text"

echo "uplink \"u2\" { interface = u2 preference = 2 }" >>"$T/user/braid.conf"
braid user reload || fail "reload"
pairs_are 1-1 2-2 3-3
grep -q "derived for the peer's" "$T/gw/log" || fail "the gateway knows of no derived SA: $(cat "$T/gw/log")"
echo_udp user "${G[2]}" 7007 200 "${U[2]}" || fail "the derived SA carries nothing: $(braid user sas)"
pair_end others 50
[ "$(ike_sa user)" = "$ike" ] || fail "another IKE SA: $(braid user sas)"
no_clear "an uplink that comes later gets a derived SA; the same IKE SA all the time"

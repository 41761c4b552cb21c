#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# Traffic over an IKE SA for each path (multipath = clone), all with the same selectors: each path
# carries some of the flows by its own Child SA, at both ends; the flows of one that is lost go on by
# the other, those of the other notice nothing, and TCP gets every octet. The first IKE SA counts on
# while the second is made. [CLONE-A-5] [CLONE-A-6] [CLONE-71]
. "$(dirname "$0")/../lib/netns.sh"
. "$(dirname "$0")/../lib/agent.sh"
. "$(dirname "$0")/../lib/clones.sh"
for tool in python3 curl; do command -v $tool >/dev/null || skip "needs $tool"; done

ok() { echo "ok - $*"; }
# a shell of its own has another pid
export ns_tag=$$ top
ns() { echo "br$ns_tag-$1"; }
export -f in_ns ns cut_path mend_path router

# streams FIRST-UPLINK FIRST-OF-GATEWAY COMMAND: one in each direction by these, while it happens
streams() {
	local u=wlan0 g=eth0
	[ "$1" = ran0 ] || u=ran0 g=eth1
	"$B/tests/netns/stream_watch" -d 1500 -m 8000 -e "$3" "$(ns user)" "$vip" "$(ns lan)" 203.0.113.10 \
		"$(ns user):$1" "$(ns gw):$2" "$(ns user):$u" "$(ns gw):$g" >"$T/watch" 2>"$T/watch.err" ||
		fail "streams by $1 and $2: $(cat "$T/watch.err")"
	[ "$(jq .in_clear "$T/watch")" = 0 ] || fail "in clear: $(cat "$T/watch")"
}
# Packets in and out of each line's Child SAs.
counted() { sas "$1" "[.[] | select(.line == $2).children[] | .rx_packets, .tx_packets] | min"; }
# ... the two together.
all_of() { sas user "[.[] | select(.line == $1).children[] | .rx_packets, .tx_packets] | add"; }
more_than() { [ "$(counted "$1" "$2")" -gt "$3" ]; }

clones_topo
clones_confs "\"$R0\", \"$R1\""
clones_up
have "$I0>$R0" "$I1>$R1"
wait_for 10 two_up user || fail "two paths: $(braid user paths)"
wait_for 10 two_up gw || fail "two paths at the gateway: $(braid gw paths)"
vip=$(sas user '[.[].vips[]][0]' | tr -d '"')

# Each by the Child SA of its path: the first line's counts no packet of the second path.
first=$(line_at user "$I0>$R0") second=$(line_at user "$I1>$R1")
was=$(counted user "$second")
streams wlan0 eth0 true
jq -e '.there.lost == 0 and .back.lost == 0' "$T/watch" >/dev/null || fail "lost by the first: $(cat "$T/watch")"
sent=$(jq .there.sent "$T/watch")
more_than user "$first" $((sent - 200)) || fail "the first SA has not carried it: $(braid user sas)"
[ $(($(counted user "$second") - was)) -lt "$sent" ] || fail "the second SA has carried it: $(braid user sas)"
was=$(counted user "$first")
streams ran0 eth1 true
jq -e '.there.lost == 0 and .back.lost == 0' "$T/watch" >/dev/null || fail "lost by the second: $(cat "$T/watch")"
sent=$(jq .there.sent "$T/watch")
more_than user "$second" $((sent - 200)) || fail "the second SA has not carried it: $(braid user sas)"
ok "each path by its own Child SA"

# A path fails: what it carried goes on by the other one.
streams ran0 eth1 'cut_path r2'
for way in there back; do
	[ "$(jq ".$way.lost < .$way.sent / 2" "$T/watch")" = true ] || fail "the streams of the lost path do not go on: $(cat "$T/watch")"
done
wait_for 10 path_is user ran-2 down || fail "it is not noticed: $(braid user paths)"
mend_path r2
wait_for 10 two_up user || fail "it does not go on: $(braid user paths)"
ok "the flows of a lost path go on"

# TCP, several streams: every octet, over cuts of either path one after the other.
head -c 30000000 /dev/urandom >"$T/lan/file"
sum=$(sha256sum <"$T/lan/file")
(cd "$T/lan" && exec ip netns exec "$(ns lan)" python3 -m http.server --bind 203.0.113.10 8080 >/dev/null 2>&1) &
wait_for 10 in_ns lan curl -s -o /dev/null -r 0-0 http://203.0.113.10:8080/file || fail "no HTTP server"
loads=()
for i in 1 2 3 4 5 6; do
	in_ns user curl -s --limit-rate 6M --max-time 60 -o "$T/user/got$i" http://203.0.113.10:8080/file &
	loads+=($!)
done
started() { [ "$(cat "$T"/user/got* 2>/dev/null | wc -c)" -gt 6000000 ]; }
wait_for 20 started || fail "no transfers"
cut_path r2
wait_for 10 path_is user ran-2 down || fail "r2: $(braid user paths)"
mend_path r2
wait_for 10 path_is user ran-2 up || fail "r2: $(braid user paths)"
cut_path r1
wait_for 10 path_is user wlan-1 down || fail "r1: $(braid user paths)"
mend_path r1
wait "${loads[@]}"
for i in 1 2 3 4 5 6; do
	[ "$(sha256sum <"$T/user/got$i")" = "$sum" ] || fail "stream $i has other octets: $(wc -c <"$T/user/got$i")"
done
have "$I0>$R0" "$I1>$R1"
[ "$(line_at user "$I0>$R0") $(line_at user "$I1>$R1")" = "$first $second" ] || fail "other lines: $(braid user sas)"
ok "TCP streams over cuts of either path"

# The first counts on while the second is made, and loses nothing.
clones_down
sed -i '/uplink "ran"/d' "$T/user/braid.conf"
clones_up
have "$I0>$R0" "$I0>$R1"
vip=$(sas user '[.[].vips[]][0]' | tr -d '"')
first=$(line_at user "$I0>$R0") spi=$(spi_of user "$first") was=$(all_of "$first")
sed -i 's/^uplink "wlan".*/&\nuplink "ran" { interface = ran0 preference = 1 }/' "$T/user/braid.conf"
export -f braid
export T B
streams wlan0 eth0 'braid user reload'
jq -e '.there.lost == 0 and .back.lost == 0' "$T/watch" >/dev/null || fail "lost: $(cat "$T/watch")"
have "$I0>$R0" "$I1>$R1"
[ "$(spi_of user "$first")" = "$spi" ] && [ "$(all_of "$first")" -gt "$was" ] || fail "the first is another one: $(braid user sas)"
ok "the first Child SA goes on"

#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# What the operator asks for, between two agents: braid conns, counters, rekey; their errors.
. "$(dirname "$0")/../lib/netns.sh"
. "$(dirname "$0")/../lib/agent.sh"

ok() { echo "ok - $*"; }
spi() { braid user --json sas | jq -r ".ike_sas[0].$1"; }
# is HOST COMMAND FILTER WANT
is() {
	local got
	got=$(braid "$1" --json "$2" | jq -c "$3")
	[ "$got" = "$4" ] || fail "$2: $3 is $got, not $4"
}
# refuses CODE TEXT COMMAND...: exit code, text on standard error, and the same in JSON
refuses() {
	local code=$1 text=$2 r=0
	shift 2
	braid user "$@" >"$T/out" 2>"$T/err" || r=$?
	[ "$r" = "$code" ] || fail "$*: exit code $r, not $code: $(cat "$T/err")"
	[ "$(cat "$T/err")" = "braid: $text" ] || fail "$*: $(cat "$T/err")"
	[ "$code" = 2 ] || [ "$(braid user --json "$@" 2>/dev/null | jq -r .error.text)" = "$text" ] ||
		fail "$* --json: $(braid user --json "$@" 2>&1)"
}

topo_multihomed
agent_confs 100ms
sed -i -e 's|child "net" {.*|&\nchild "more" { local_ts = { "203.0.113.64/27" } remote_ts = { "203.0.113.0/27" } esp_proposals = { "aes128-sha256-noesn" } rekey_time = 10m tfc_padding = mtu }|' \
	-e 's/multipath = true/&\nrekey_time = 2h window = 4 proposals = { "aes256gcm16-prfsha384-ecp384" }/' "$T/user/braid.conf"
sed -i 's|child "net" {.*|&\nchild "more" { local_ts = { "203.0.113.0/27" } remote_ts = { "203.0.113.64/27" } }|' "$T/gw/braid.conf"
braidd_start gw "$T/gw/braid.conf"
braidd_start user "$T/user/braid.conf"

is user conns '.conns | length' 1
is user conns '.conns[0] | .name, .remote_addrs, .local.id, .remote.auth, .window, .rekey_time_usec' \
	'"home"
["192.0.2.66","198.51.100.66"]
"user@example.org"
"psk"
4
7200000000'
is user conns '.conns[0].proposals' '["aes256gcm16-prfsha384-ecp384"]'
is user conns '.conns[0].children | map(.name)' '["net","more"]'
is user conns '.conns[0].children | map(.tfc_padding)' '[0,"mtu"]'
is user conns '.conns[0].children[1] | .local_ts, .esp_proposals, .rekey_time_usec' \
	'["203.0.113.64/27"]
["aes128-sha256-noesn"]
600000000'
is user conns '.conns[0].children[0].local_ts' '["dynamic"]'
is user conns '.conns[0].paths | map(.uplink)' '["wlan","ran"]'
is gw conns '.conns[0] | .pools, .pool_addrs, .remote_addrs, .remote.id_type, .remote.revocation' '["p"]
["203.0.113.129-203.0.113.190"]
[]
"RFC822_ADDR"
null'
is gw conns '.limits | .init_limit_half_open, .block_threshold' '1000
100'
braid user conns home | grep -q 'IKE *aes256gcm16-prfsha384-ecp384' || fail "conns: $(braid user conns)"
braid user --json conns | grep -q secret && fail "a secret is shown"
ok "conns: what is in force, without secrets"

refuses 1 "no connection \"away\" in $T/user/braid.conf" conns away
refuses 1 "no connection \"away\" in $T/user/braid.conf" counters away
refuses 1 "no connection \"away\" in $T/user/braid.conf" rekey --child away
refuses 1 "home is not there" rekey home
refuses 1 "home has no Child SA that is up" rekey --child home
refuses 2 'rekey --ike takes a connection without a child; see braid help' rekey --ike home/net
refuses 2 'up does not take --child; see braid help' up --child home
ok "exact errors"

is user counters '.total.exchanges.IKE_SA_INIT.requests_tx' 0
braid user up home/net >"$T/up" 2>&1 || fail "up: $(cat "$T/up")"
braid user up home/more >"$T/up" 2>&1 || fail "up: $(cat "$T/up")"
ike=$(spi spi_i) net=$(spi 'children[] | select(.name == "net").spi_in') more=$(spi 'children[] | select(.name == "more").spi_in')
braid user rekey --child home >"$T/up" 2>&1 || fail "rekey: $(cat "$T/up")"
[ "$(spi spi_i)" = "$ike" ] || fail "rekey --child rekeys the IKE SA"
[ "$(spi 'children[] | select(.name == "net").spi_in')" != "$net" ] || fail "net is not rekeyed"
[ "$(spi 'children[] | select(.name == "more").spi_in')" != "$more" ] || fail "more is not rekeyed"
braid user rekey --ike home >"$T/up" 2>&1 || fail "rekey: $(cat "$T/up")"
# the old one is there until its Delete is answered
other_ike() { [ "$(spi spi_i)" != "$ike" ]; }
wait_for 5 other_ike || fail "rekey --ike does not rekey the IKE SA"
ok "rekey: every child, the IKE SA"

is user counters '.conns[0] | .name, .ike_up, .ike_rekeyed, .child_up, .child_rekeyed' '"home"
1
1
2
2'
is user counters '.conns[0].exchanges.CREATE_CHILD_SA | .requests_tx, .responses_rx' '4
4'
is gw counters '.conns[0].exchanges.IKE_AUTH | .requests_rx, .responses_tx' '1
1'
is gw counters '.total.exchanges.IKE_AUTH | .requests_rx, .responses_tx' '1
1'
braid user reload >/dev/null || fail "reload"
is user counters '.conns[0].ike_up' 1
braid user --json counters home | jq -e 'has("total") | not' >/dev/null || fail "counters of one connection has the total"
braid user counters | grep -q 'IKE_SA_INIT  *1  *1  *0  *0' || fail "counters: $(braid user counters)"
ok "counters: of all and of each connection, also after a reload"

# from 0 again, without anybody else's counter being written
refuses 2 'counters --reset is for all connections, and takes no name; see braid help' counters --reset home
refuses 2 'stats does not take --reset; see braid help' stats --reset
in_ns user ping -c 1 -W 1 -q 203.0.113.10 >/dev/null || fail "no traffic"
map_drops() { bpftool -j map dump pinned "$T/user/bpf/braid/drops" | jq -c '[.[].values[].value]'; }
in_ns user /usr/bin/python3 -c 'import socket
socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", ("198.18.0.2", 9))'
wait_for 2 eval '[ "$(braid user --json stats | jq .drops.NO_MARK)" -gt 0 ]' || fail "nothing is dropped: $(braid user stats)"
before=$(map_drops)
braid user --json counters >"$T/old"
braid user --json stats >"$T/old-stats"
jq -e '.total.rx > 0' "$T/old" >/dev/null || fail "before: $(cat "$T/old")"
jq -e '.engine.tun_rx_packets > 0 and .ctl.requests > 0 and .since_usec.drops == null' "$T/old-stats" >/dev/null ||
	fail "before: $(cat "$T/old-stats")"
[ -z "$(braid user counters --reset 2>&1)" ] || fail "reset"
braid user --json counters >"$T/new"
jq -e --slurpfile old "$T/old" '.since_usec > $old[0].now_usec and .total.ike_up == 0 and .conns[0].ike_up == 0 and
	.total.exchanges.IKE_AUTH.requests_tx == 0' "$T/new" >/dev/null || fail "after a reset: $(cat "$T/new")"
braid user --json stats >"$T/new"
jq -e --slurpfile old "$T/old-stats" '.drops.NO_MARK == 0 and .engine.tun_rx_packets < $old[0].engine.tun_rx_packets and
	.ctl.requests < $old[0].ctl.requests and .ctl.clients == 1 and ([.since_usec[]] | min) > $old[0].now_usec' \
	"$T/new" >/dev/null || fail "after a reset: $(cat "$T/new")"
[ "$(map_drops)" = "$before" ] || fail "the maps are written"
braid user rekey --ike home >"$T/up" 2>&1 || fail "rekey: $(cat "$T/up")"
is user counters '.total.ike_rekeyed, .conns[0].exchanges.CREATE_CHILD_SA.requests_tx' '1
1'
ok "counters --reset: everything from 0 again, and since when"

# every counter there is stands in the manual
for key in $(braid user --json stats | jq -r 'del(.now_usec) | .[] | objects | keys[]'); do
	grep -qw -- "$key" "$top/user/man/braid-control.7" || fail "braid-control(7) does not know $key"
done
ok "stats: every counter and reason is explained"

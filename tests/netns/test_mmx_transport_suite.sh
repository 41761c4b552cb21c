#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# Moves that are refused in transport mode (MMX 12, S11): to an address that the peer
# may not have; where stronger protection is asked for, the SA is made anew with it first and the move
# is taken then; where nothing comes back, it goes back to the address that works. Nothing is in clear text meanwhile. [MM-10.3.1-1]
. "$(dirname "$0")/../lib/netns.sh"
. "$(dirname "$0")/../lib/agent.sh"
. "$(dirname "$0")/../lib/clones.sh"
. "$(dirname "$0")/../lib/mmx.sh"
. "$(dirname "$0")/../lib/transport.sh"
command -v tcpdump >/dev/null || skip "needs tcpdump"

clones_topo
# What the user may have at one address needs little, at the other one more.
weak='mode = transport esp_proposals = { "aes256gcm16", "aes128gcm16" }'
transport_confs "$weak" "mode = transport remote_ts = { \"$I0/32\" } esp_proposals = { \"aes128gcm16\", \"aes256gcm16\" }" \
	'multipath = no mmx = yes'
sed -i "s|^child \"host\".*|&\nchild \"outside\" { mode = transport remote_ts = { \"$I1/32\", \"198.51.100.9/32\" } esp_proposals = { \"aes256gcm16\" } }|" "$T/gw/braid.conf"
ip -n "$(ns user)" -6 addr flush scope global
ip -n "$(ns gw)" -6 addr flush scope global
echo_serve gw $R0 7000
mmx_up
capture clear "$clear_text"
forget_clear
does() { # STATUS WORDS...
	local want=$1
	shift
	braid user --json mmx "$@" >"$T/out" 2>"$T/err"
	[ "$(jq -rs '[.[] | .status // empty] | last' "$T/out")" = "$want" ] || fail "mmx $*: not $want: $(cat "$T/out" "$T/err")"
}
ts() { sas "$1" '[.[].children[] | (.local_ts | join(",")) + ">" + (.remote_ts | join(","))] | join(" ")' | tr -d '"'; }
ts_are() { [ "$(ts "$1")" = "$2" ]; }
at() { # the only SA is that of the user's address ADDRESS
	wait_for 15 ts_are user "$1/32>$R0/32" || fail "the user's selectors are $(ts user), not of $1"
	wait_for 10 ts_are gw "$R0/32>$1/32" || fail "the gateway's selectors are $(ts gw), not of $1"
	echo_udp user $R0 7000 500 "$1" || fail "the service is not there for $1: $(braid user sas)"
}
at $I0

# Nobody may have that address.
ip -n "$(ns user)" addr add 192.0.2.9/26 dev wlan0
wait_for 5 eval '[ -n "$(epid user 192.0.2.9)" ]' || fail "the address is not announced: $(braid user mmx list)"
does pad-denied update home $I0 192.0.2.9
at $I0
no_clear "refused: an address that the peer may not have"

does local-policy update home $I0 $I1
jq -es 'last | .detail == 4' "$T/out" >/dev/null || fail "why: $(cat "$T/out")"
at $I0
no_clear "refused: stronger protection is needed there"
# Who answers chooses, and the user prefers the stronger one.
braid gw rekey rw/host >"$T/out" 2>&1 || fail "rekey: $(cat "$T/out")"
strong() { [ "$(sas "$1" '[.[].children[].suite] | unique | join(" ")' | grep -c aes256gcm16)" = 1 ] && [ "$(sas "$1" '[.[].children[]] | length')" = 1 ]; }
wait_for 10 strong user || fail "not stronger: $(braid user sas)"
wait_for 10 strong gw || fail "not stronger at the gateway: $(braid gw sas)"
at $I0
does ok update home $I0 $I1
at $I1
no_clear "stronger protection first, then the move is taken"

does ok update home $I1 $I0
at $I0

# An address from which nothing comes back: the peer sends nothing there before it knows better.
ip -n "$(ns user)" addr add 198.51.100.9/26 dev ran0
wait_for 5 eval '[ -n "$(epid user 198.51.100.9)" ]' || fail "the address is not announced: $(braid user mmx list)"
cut_path r2
does ok update home $I0 198.51.100.9
jq -es 'last | .pending' "$T/out" >/dev/null || fail "nobody was asked whether it answers: $(cat "$T/out")"
wait_for 30 ts_are gw "$R0/32>$I0/32" || fail "the gateway's selectors stay $(ts gw): $(braid gw mmx list)"
at $I0
no_clear "nothing comes back from there: the SA is where it was"

#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# tshark reads our exchanges: IKE_SA_INIT as it is, the rest with the keys that `braid keys` writes
# when the configuration allows it, and refuses to when it does not.
. "$(dirname "$0")/../lib/netns.sh"
. "$(dirname "$0")/../lib/agent.sh"
command -v tshark >/dev/null && command -v tcpdump >/dev/null || skip "needs tshark and tcpdump"

topo_multihomed
agent_confs 1s
sed -i '1i allow_key_export = true' "$T/user/braid.conf"

decode() { # FIELD-OR-OPTIONS...
	WIRESHARK_CONFIG_DIR="$T/keys" tshark -r "$T/pcap" -d udp.port==4500,udpencap "$@" 2>"$T/tshark.err"
}
has() { # TEXT: in the full decode
	grep -q "$1" "$T/decoded" || {
		grep -E "Exchange type|Type Payload|Notify Message Type" "$T/decoded" | head -n 60
		fail "tshark does not show: $1"
	}
}

in_ns user tcpdump -i wlan0 -w "$T/pcap" -U 'udp port 500 or udp port 4500' >"$T/tcpdump" 2>&1 &
wait_for 5 grep -q 'listening on' "$T/tcpdump" || fail "no capture: $(cat "$T/tcpdump")"
braidd_start gw "$T/gw/braid.conf"
braidd_start user "$T/user/braid.conf"
braid user up home >"$T/up" || fail "up: $(cat "$T/up")"
braid user rekey home/net >"$T/up" || fail "rekey: $(cat "$T/up")"

rc=0
braid gw keys --wireshark "$T/no" >"$T/refused" 2>&1 || rc=$?
[ $rc = 4 ] && [ ! -e "$T/no/ikev2_decryption_table" ] || fail "keys were not refused: exit $rc, $(cat "$T/refused")"
echo "ok - keys are refused where the configuration does not allow them (exit 4)"
mkdir "$T/keys"
braid user keys --wireshark "$T/keys" >/dev/null || fail "keys"
braid user down home >/dev/null || fail "down"
sleep 0.3
for p in $(ip netns pids "$(ns user)"); do
	[ "$(cat "/proc/$p/comm")" != tcpdump ] || kill "$p"
done
wait_for 3 grep -q 'packets captured' "$T/tcpdump" || fail "the capture does not end"

decode -V >"$T/decoded"
has 'Exchange type: IKE_SA_INIT (34)'
has 'Exchange type: IKE_AUTH (35)'
has 'Exchange type: CREATE_CHILD_SA (36)'
has 'Exchange type: INFORMATIONAL (37)'
has 'NAT_DETECTION_DESTINATION_IP'
echo "ok - every exchange is recognised"
# only a decrypted message shows these
has 'Authentication Method: Shared Key Message Integrity Code'
has 'ID_RFC822_ADDR'
has 'INTERNAL_IP4_ADDRESS'
has 'Type Payload: Traffic Selector'
has 'REKEY_SA'
has 'Type Payload: Delete'
echo "ok - IKE_AUTH, CREATE_CHILD_SA and INFORMATIONAL are decrypted with the exported keys"
if grep -qi 'malformed' "$T/decoded"; then
	grep -i -B5 malformed "$T/decoded" | head -n 40
	fail "tshark finds something malformed"
fi
echo "ok - nothing is malformed"

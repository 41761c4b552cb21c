# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
# strongSwan as the peer, with its userspace ESP. Sourced after netns.sh.

charon=/usr/sbin/charon-systemd
[ -x $charon ] || skip "needs charon-systemd"

# shellcheck disable=SC2034  # for those who source this
psk='correct horse battery staple'

# strongswan_start HOST: a daemon of its own, with the connections of $T/HOST/swanctl.conf; swan_options
# are lines for strongswan.conf; swan_esp is empty where ESP is to be the kernel's
strongswan_start() {
	local h=$1 d=$T/$1
	# The first provider of an algorithm is taken: aesni is the fastest.
	cat >"$d/strongswan.conf" <<-CONF
		charon-systemd {
			load_modular = no
			load = random nonce pem pkcs1 pkcs8 pubkey x509 constraints revocation aesni aes sha1 sha2 hmac kdf gcm drbg openssl curve25519 chapoly ${swan_esp-kernel-libipsec} kernel-netlink socket-default vici
			plugins { vici { socket = unix://$d/vici } }
			filelog { x { path = $d/log
				default = 1
				ike = 1
				cfg = 0
				flush_line = yes } }
			journal { default = -1 }
			install_virtual_ip_on = lo
			retransmit_timeout = 1.0
			retransmit_tries = 3
			${swan_options:-}
		}
		charon {
			plugins { vici { socket = unix://$d/vici } }
		}
	CONF
	: >"$d/log"
	# its pid file and resolv.conf stay private
	STRONGSWAN_CONF="$d/strongswan.conf" ip netns exec "$(ns "$h")" unshare -m sh -c \
		"mount -t tmpfs run /run; exec $charon" >>"$d/out" 2>&1 </dev/null &
	wait_for 30 test -S "$d/vici" || fail "charon on $h does not start: $(tail -n 3 "$d/out")"
	swan "$h" --load-all --file "$d/swanctl.conf" >"$d/load" 2>&1 || fail "swanctl: $(cat "$d/load")"
}

strongswan_version() { swanctl --help 2>&1 | sed -n 's/^\(strongSwan [0-9.]*\).*/\1/p'; }

# swan HOST ARGUMENT...
swan() {
	local h=$1 cmd=$2
	shift 2
	ip netns exec "$(ns "$h")" env STRONGSWAN_CONF="$T/$h/strongswan.conf" SWANCTL_DIR="$T/$h" \
		swanctl "$cmd" --uri "unix://$T/$h/vici" "$@"
}

# Both hosts, whatever runs there.
stop_all() {
	for h in user gw; do
		for p in $(ip netns pids "$(ns $h)"); do kill "$p" 2>/dev/null; done
		wait_for 8 no_pids $h || for p in $(ip netns pids "$(ns $h)"); do kill -9 "$p" 2>/dev/null; done
		rm -f "$T/$h/vici" "$T/$h/run"/*.sock
	done
}

ping_both() { # from the user's virtual address into the LAN, and back
	local vip=$1
	in_ns user ping -c 3 -i 0.2 -W 2 -s 1200 -q -I "$vip" 203.0.113.10 >"$T/ping" || fail "user cannot reach the LAN"
	in_ns lan ping -c 3 -i 0.2 -W 2 -s 1200 -q "$vip" >"$T/ping" || fail "the LAN cannot reach the user"
}

# One line of the result.
rows=()
row() { rows+=("$1") && echo "ok - $1"; }

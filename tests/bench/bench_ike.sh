#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# IKE SAs with one Child SA each, by braid (braidd and braid-esp) and by strongSwan's charon with its
# userspace ESP, in turn and in one run: how much processor time a set-up takes in either role, and
# how much memory an idle one. Secrets ("psk") and ECDSA P-256 certificates of one CA ("cert"), x25519,
# AES-GCM-128 for both. The other end is always ike_load, many peers in one process, the same for both:
# strongSwan's own load-tester is not in Debian's packages, and offers RSA only.
#
#     X-load (192.0.2.1, ike_load) ====== veth ====== (192.0.2.2) X-gw, the candidate
#
# SIZES (1000 10000): SAs at which it is measured; ROUNDS (3): of the smallest size; WINDOW (32):
# set-ups under way at once; INITIATE (500): connections the candidate itself sets up; FLOOD
# (100000): requests for IKE SAs from addresses that do not exist, thrown at it beside a legitimate
# peer. "per core": divided by the processor time of all processes of the candidate, so that the
# other end, which shares the processors, is not counted. LIMIT (30): no more set-ups are begun
# after so many seconds; what is there then is what is measured. Memory is the growth of the candidate's
# resident set, of both processes together with braid.
. "$(dirname "$0")/../lib/netns.sh"
. "$(dirname "$0")/../lib/strongswan.sh"

read -ra sizes <<<"${SIZES:-1000 10000}"
rounds=${ROUNDS:-3}
window=${WINDOW:-32}
initiate=${INITIATE:-500}
flood=${FLOOD:-100000}
limit=${LIMIT:-30}
results=$T/results
load=$B/tests/netns/ike_load
pki=$T/pki
export IKE_LOAD_PSK=$psk

record() { printf '%s\t%s\t%s\n' "$@" >>"$results"; } # candidate, measure, value

# ---- the other end ------------------------------------------------------------------------------

# Words go to descriptor 7, answers come from 8.
load_start() { # HOST AUTH ARGUMENT...
	local h=$1 how=()
	[ "$2" = psk ] || how=(certs "$pki")
	shift 2
	mkfifo "$T/$h/words" "$T/$h/answers"
	ip netns exec "$(ns "$h")" "$load" "$@" "${how[@]}" <"$T/$h/words" >"$T/$h/answers" 2>"$T/$h/log" &
	exec 7>"$T/$h/words" 8<"$T/$h/answers"
	rm "$T/$h/words" "$T/$h/answers"
	local ready
	read -r -t 60 ready <&8 && [ "$ready" = ready ] || fail "ike_load does not start"
}

load_say() { # WORD...: the answer in $answer, microseconds in $usec, how many in $n_done
	local failed
	echo "$*" >&7
	read -r -t 400 answer <&8 || fail "no answer of ike_load to $*"
	read -r _ n_done _ failed _ usec _ <<<"$answer"
	[ "$failed" = 0 ] || fail "ike_load: $answer"
}

load_stop() {
	echo quit >&7
	exec 7>&- 8<&-
}

# ---- candidates ---------------------------------------------------------------------------------

pair() { # NAME
	host "$1-load" "$1-gw"
	wire "$1-load" eth0 192.0.2.1/24 "$1-gw" eth0 192.0.2.2/24
	ip -n "$(ns "$1-gw")" link add lan0 type veth peer name lan1
	ip -n "$(ns "$1-gw")" addr add 10.1.0.1/16 dev lan0
	ip -n "$(ns "$1-gw")" link set lan1 up
	ip -n "$(ns "$1-gw")" link set lan0 up
}

unpair() { # NAME [SIGNAL]
	local h p
	disown -a # one that is killed is not worth a line
	for h in "$1-load" "$1-gw"; do
		for p in $(ip netns pids "$(ns "$h")"); do kill "${2:--TERM}" "$p" 2>/dev/null; done
		wait_for 20 no_pids "$h" || fail "$h does not end"
		ip netns del "$(ns "$h")"
		umount "$T/$h/bpf" 2>/dev/null
		rm -rf "${T:?}/$h"
	done
	hosts=()
}

# The processes whose time and memory count.
procs() { # NAME
	local p
	for p in $(ip netns pids "$(ns "$1-gw")"); do
		case $(basename "$(readlink "/proc/$p/exe")") in
		braidd | braid-esp | charon-systemd) echo "$p" ;;
		esac
	done
}

# Seconds of processor time, octets resident, so far.
cpu() { # NAME
	local p
	for p in $(procs "$1"); do cat "/proc/$p/task/"*/schedstat; done | awk '{ s += $1 } END { print s / 1e9 }'
}
rss() { # NAME
	local p
	for p in $(procs "$1"); do cat "/proc/$p/status"; done | awk '/^VmRSS/ { s += $2 } END { print s * 1024 }'
}

# Under attack as it comes; else nothing that holds a peer with so many set-ups off.
braid_conf() { # NAME REST
	local limits='cookie_threshold = 100000
		init_limit_half_open = 100000
		block_threshold = 0'
	[ -z "${under_attack:-}" ] || limits=
	cat >"$T/$1-gw/braid.conf" <<-CONF
		log_level = error
		$limits
		uplink "one" { interface = eth0 }
		dataplane { sa_max = 32768 }
		$2
		secret "s" { id = { "gw.example.org" } secret = "$psk" }
		private "gw" { file = "$pki/gw.key" }
		private "client" { file = "$pki/client.key" }
	CONF
}

# How either side of a connection proves itself, in either language.
braid_auth() { # AUTH NAME PEER: a peer without a name may have any
	local id=''
	[ -z "$3" ] || id="id = \"$3.example.org\""
	if [ "$1" = psk ]; then
		echo "local { id = \"$2.example.org\" } remote { $id }"
	else
		echo "local { id = \"$2.example.org\" auth = pubkey certs = { \"$pki/$2.pem\" } }
			remote { $id auth = ecdsa-256 cacerts = { \"$pki/ca.pem\" } }"
	fi
}
swan_auth() { # AUTH NAME PEER
	local auth=psk cert='' ca=''
	[ "$1" = psk ] || auth=pubkey cert="certs = $2.pem" ca='cacerts = ca.pem'
	echo "local { auth = $auth
			$cert
			id = $2.example.org }
		remote { auth = $auth
			$ca
			${3:+id = $3.example.org} }"
}

braid_responder() { # AUTH
	echo "pool \"p\" { addrs = \"10.2.0.0/16\" }
		connection \"rw\" {
			pools = { \"p\" }
			proposals = { \"aes128gcm16-prfsha256-x25519\" }
			$(braid_auth "$1" gw '')
			child \"net\" { local_ts = { \"10.1.0.0/16\" } esp_proposals = { \"aes128gcm16\" } }
		}"
}

swan_conf() { # NAME CONNECTIONS REST
	cat >"$T/$1-gw/swanctl.conf" <<-CONF
		connections { $2 }
		$3
		secrets { ike-1 { secret = "$psk" } }
	CONF
}

# What it needs of the certificates.
swan_files() { # NAME AUTH CERTIFICATE... KEY
	local d=$T/$1-gw
	[ "$2" = psk ] && return
	shift 2
	mkdir "$d/x509" "$d/x509ca" "$d/private"
	cp "$pki/ca.pem" "$d/x509ca"
	cp "${@:1:$#-1}" "$d/x509"
	cp "${@:$#}" "$d/private"
}

swan_responder() { # AUTH
	echo "rw { version = 2
		proposals = aes128gcm16-prfsha256-curve25519
		mobike = no
		unique = never
		rekey_time = 0
		dpd_delay = 0
		pools = p
		$(swan_auth "$1" gw '')
		children { net { local_ts = 10.1.0.0/16
			esp_proposals = aes128gcm16
			rekey_time = 0 } } }"
}

# As its documentation advises for many SAs, as silent as braid, and nothing that holds off a peer
# with so many set-ups.
# shellcheck disable=SC2034  # for strongswan_start
swan_options='ikesa_table_size = 4096
	ikesa_table_segments = 16
	init_limit_half_open = 0
	dos_protection = no
	half_open_timeout = 120
	filelog { x { default = -1
		ike = -1 } }'

start() { # NAME AUTH: the candidate as a responder
	case $1 in
	braid)
		braid_conf "$1" "$(braid_responder "$2")"
		braidd_start "$1-gw" "$T/$1-gw/braid.conf"
		;;
	charon)
		swan_conf "$1" "$(swan_responder "$2")" 'pools { p { addrs = 10.2.0.0/16 } }'
		swan_files "$1" "$2" "$pki"/gw.{pem,key}
		strongswan_start "$1-gw"
		;;
	esac
}

# ---- measurements -------------------------------------------------------------------------------

per() { awk "BEGIN { printf \"%.6g\", ($1) / ($2) }"; }
last() { awk -F '\t' -v n="$1" -v m="$2" '$1 == n && $2 == m { v = $3 } END { print v }' "$results"; }

# What a word costs: $cpu seconds of the candidate's, $usec microseconds.
timed() { # NAME WORD...
	local n=$1 before
	shift
	before=$(cpu "$n")
	load_say "$@"
	cpu=$(awk "BEGIN { print $(cpu "$n") - $before }")
}

# True once no more than that is kept.
returned() { [ $(($(rss "$1") - $2)) -lt "$3" ]; }

# As the responder. Then all of them end: with "returns" until memory has come back, with "stays"
# not at all.
respond() { # NAME AUTH SIZE [returns|stays]
	local n=$1 a=$2 size=$3 idle up before kept bound signal=-TERM
	pair "$n"
	start "$n" "$a"
	load_start "$n-load" "$a" initiate 192.0.2.1 192.0.2.2 "$size" "$window"
	load_say up 1 # what is made once
	idle=$(rss "$n")
	timed "$n" up "$size" "$limit"
	up=$(rss "$n")
	printf '%-7s %-4s %6d as responder:' "$n" "$a" $((n_done + 1))
	record "$n" "responder-rate-$a-$size" "$(per "$n_done" "$cpu")"
	record "$n" "octets-$a-$size" "$(per "$up - $idle" "$n_done")"
	printf ' %5.0f set-ups per core second, %5.0f octets each' "$(last "$n" "responder-rate-$a-$size")" \
		"$(last "$n" "octets-$a-$size")"
	if [ $# -gt 3 ]; then
		sleep 1
		before=$(cpu "$n")
		sleep 3
		record "$n" "idle-$a-$size" "$(per "1e3 * ($(cpu "$n") - $before)" 3)"
		printf ', %.1f ms a second idle' "$(last "$n" "idle-$a-$size")"
	fi
	if [ "${4:-}" = stays ]; then
		signal=-KILL
	else
		timed "$n" down
		record "$n" "end-rate-$a-$size" "$(per "$n_done" "$cpu")"
		printf ', %5.0f ends' "$(last "$n" "end-rate-$a-$size")"
	fi
	if [ "${4:-}" = returns ]; then
		bound=$(((up - idle) / 10))
		wait_for 60 returned "$n" "$idle" $bound
		kept=$(($(rss "$n") - idle))
		record "$n" "kept-$a-$size" "$(per "100 * $kept" "$up - $idle")"
		printf ', %d KiB of %d kept afterwards' $((kept / 1024)) $(((up - idle) / 1024))
	fi
	echo
	load_stop
	unpair "$n" $signal
}

# As the responder, with IKE SAs alone: it accepts no Child SA.
alone() { # NAME AUTH SIZE
	local n=$1 a=$2 size=$3
	pair "$n"
	start "$n" "$a"
	load_start "$n-load" "$a" initiate 192.0.2.1 192.0.2.2 "$size" "$window" childless
	load_say up 1
	timed "$n" up "$size" "$limit"
	record "$n" "alone-rate-$a-$size" "$(per "$n_done" "$cpu")"
	printf '%-7s %-4s %6d as responder: %5.0f set-ups per core second, without Child SA\n' "$n" "$a" \
		$((n_done + 1)) "$(last "$n" "alone-rate-$a-$size")"
	load_stop
	unpair "$n" -KILL
}

# The candidate sets up $initiate connections of its own; yes: at its start, no: none, for what
# reading the configuration alone takes.
begin() { # NAME AUTH yes|no
	local n=$1 a=$2 i conns='' action=none files=()
	pair "$n"
	load_start "$n-load" "$a" respond 192.0.2.1
	[ "$3" = no ] || action=start
	for ((i = 0; i < initiate; i++)); do
		files+=("$pki/c$i.pem")
		case $n in
		braid)
			conns+="connection \"c$i\" {
				remote_addrs = { \"192.0.2.1\" }
				vips = { \"0.0.0.0\" }
				proposals = { \"aes128gcm16-prfsha256-x25519\" }
				$(braid_auth "$a" "c$i" gw)
				child \"net\" { remote_ts = { \"10.1.0.0/16\" } start_action = $action
					esp_proposals = { \"aes128gcm16\" } } }
			"
			;;
		charon)
			conns+="c$i { version = 2
				proposals = aes128gcm16-prfsha256-curve25519
				remote_addrs = 192.0.2.1
				vips = 0.0.0.0
				mobike = no
				unique = never
				rekey_time = 0
				dpd_delay = 0
				$(swan_auth "$a" "c$i" gw)
				children { net { remote_ts = 10.1.0.0/16
					start_action = $action
					esp_proposals = aes128gcm16
					rekey_time = 0 } } }
			"
			;;
		esac
	done
	case $n in
	braid)
		braid_conf "$n" "$conns"
		braidd_start "$n-gw" "$T/$n-gw/braid.conf"
		;;
	charon)
		swan_conf "$n" "$conns" ''
		swan_files "$n" "$a" "${files[@]}" "$pki/client.key"
		strongswan_start "$n-gw"
		;;
	esac
}

initiator() { # NAME AUTH
	local n=$1 a=$2 base
	begin "$n" "$a" no
	base=$(cpu "$n")
	load_stop
	unpair "$n"
	begin "$n" "$a" yes
	load_say wait "$initiate"
	cpu=$(awk "BEGIN { print $(cpu "$n") - $base }")
	record "$n" "initiator-rate-$a-$initiate" "$(per "$initiate" "$cpu")"
	printf '%-7s %-4s %6d as initiator: %5.0f set-ups per core second\n' "$n" "$a" "$initiate" \
		"$(last "$n" "initiator-rate-$a-$initiate")"
	load_stop
	unpair "$n" -KILL
}

# A legitimate peer beside a flood: how long its set-ups take, one after the other, as long as the
# flood lasts.
beside_flood() { # NAME RATE
	local n=$1 rate=$2 quiet=0 thrower beside=0 count=0 i
	pair "$n"
	ip -n "$(ns "$n-gw")" route add 198.51.100.0/24 via 192.0.2.1
	ip -n "$(ns "$n-gw")" route add 203.0.113.0/24 via 192.0.2.1
	under_attack=yes start "$n" psk
	load_start "$n-load" psk initiate 192.0.2.1 192.0.2.2 200 1
	load_say up 200
	load_say down
	for ((i = 0; i < 5; i++)); do
		load_say up 200
		quiet=$((quiet + usec))
		load_say down
	done
	quiet=$(per $quiet 1000)
	in_ns "$n-load" "$B/tests/netns/ike_flood" 192.0.2.2 "$flood" "$rate" >"$T/flood" &
	thrower=$!
	wait_for 5 under_way "$n" || fail "$n: no flood"
	while :; do
		load_say up 200
		kill -0 $thrower 2>/dev/null || break # it was over before them
		beside=$((beside + usec)) count=$((count + n_done))
		load_say down
	done
	[ $count -gt 0 ] || fail "the flood of $rate a second was over at once"
	record "$n" "set-up-quiet" "$quiet"
	record "$n" "set-up-flood-$rate" "$(per $beside $count)"
	record "$n" "flood-factor-$rate" "$(per $beside "$count * $quiet")"
	printf '%-7s psk  %6d set-ups beside %d strangers, %d a second: %.2f ms each, without %.2f ms\n' "$n" \
		$count "$flood" "$rate" "$(per $beside "$count * 1000")" "$(per "$quiet" 1000)"
	load_stop
	unpair "$n"
}
under_way() { [ "$(in_ns "$1-gw" cat /proc/net/snmp | awk '/^Udp:/ { v = $2 } END { print v }')" -gt 1000 ]; }

# ---- the run ------------------------------------------------------------------------------------

mkdir "$pki"
most=$(printf '%s\n' "$initiate" "${sizes[@]}" | sort -n | tail -n 1)
"$B/tests/bench/ike_certs" "$pki" "$most" || fail "no certificates"
echo "IKE SAs with one Child SA each, x25519, pre-shared keys or ECDSA P-256 certificates"
for ((round = 1; round <= rounds; round++)); do
	for auth in psk cert; do
		for n in braid charon; do
			initiator $n $auth
			respond $n $auth "${sizes[0]}"
		done
	done
done
for size in "${sizes[@]:1}"; do
	respond braid psk "$size" returns
	respond charon psk "$size" stays
	respond braid cert "$size" stays
	respond charon cert "$size" stays
	for n in braid charon; do alone $n psk "$size"; done # how much of it is the data plane
done
for ((round = 1; round <= rounds; round++)); do
	for rate in 10000 50000; do beside_flood braid $rate; done
done
mkdir -p "$B/bench"
python3 "$top/tests/bench/report_ike.py" "$results" "$B/bench/ike.jsonl"

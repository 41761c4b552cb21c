# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
# A table of results, printed in the end, each also as a line of JSON in the file CELLS. Sourced.
#
# cells_begin TITLE; cell ROW COLUMN RESULT [REASON] in any order; cells_end prints. RESULT is ok,
# FAIL, ike (set-up without traffic) or - (open, with the reason). Rows and columns stand in the order of
# their first cell; a column's name has its heading lines separated by '/'.

cells_begin() {
	cells_title=$1
	cells_rows=() cells_columns=() cells_why=()
	declare -gA cells=()
}

cell() {
	local row=$1 column=$2 result=$3 why=${4:-}
	[[ " ${cells_rows[*]-} " == *" $row "* ]] || cells_rows+=("$row")
	[[ " ${cells_columns[*]-} " == *" $column "* ]] || cells_columns+=("$column")
	cells[$row,$column]=$result
	[ -z "$why" ] || cells_why+=("$result|$row $column: $why")
	jq -nc --arg table "$cells_title" --arg row "$row" --arg column "$column" --arg result "$result" \
		--arg why "$why" '$ARGS.named' >>"${CELLS:-/dev/null}"
	[ "$result" != FAIL ] || echo "FAIL $row $column: $why"
}

cells_end() {
	local c r line parts level depth=0
	echo
	echo "$cells_title"
	for c in "${cells_columns[@]}"; do
		IFS=/ read -r -a parts <<<"$c"
		[ ${#parts[@]} -le $depth ] || depth=${#parts[@]}
	done
	for ((level = 0; level < depth; level++)); do
		line=$(printf '%-34s' '')
		for c in "${cells_columns[@]}"; do
			IFS=/ read -r -a parts <<<"$c"
			line+=$(printf ' %-9s' "${parts[level]:-}")
		done
		echo "${line%"${line##*[! ]}"}"
	done
	for r in "${cells_rows[@]}"; do
		line=$(printf '%-34s' "$r")
		for c in "${cells_columns[@]}"; do line+=$(printf ' %-9s' "${cells[$r,$c]:-}"); done
		echo "${line%"${line##*[! ]}"}"
	done
	printf '%s\n' ${cells_why[@]+"${cells_why[@]}"} | awk -F'|' 'NF { printf "  %-5s %s\n", $1, $2 }'
}

# say STEP COMMAND...: the last line it says is why it failed
say() {
	local step=$1
	shift
	"$@" >"$T/said" 2>&1 || {
		why="$step: $(tail -n 1 "$T/said")"
		return 1
	}
}

no() { # what is wrong
	why=$1
	return 1
}

# under_pings COUNT COMMAND...: pings between $address of the user and the LAN both ways, every 10 ms (ping_gap),
# from before until after it; each is answered, or all but may_lose
# shellcheck disable=SC2154  # for those who source this
under_pings() {
	local p pids=() rc=0
	in_ns lan ping -i "${ping_gap:-0.01}" -c "$1" -W "${ping_wait:-1}" -q "$address" >"$T/ping-lan" 2>&1 &
	pids+=($!)
	in_ns user ping -i "${ping_gap:-0.01}" -c "$1" -W "${ping_wait:-1}" -q -I "$address" 203.0.113.10 >"$T/ping-user" 2>&1 &
	pids+=($!)
	shift
	"$@" || rc=1
	wait "${pids[@]}"
	[ $rc = 0 ] || return 1
	for p in lan user; do
		awk -v may="${may_lose:-0}" '/transmitted/ { n++; lost = $1 - $4 } END { exit !n || lost > may }' "$T/ping-$p" ||
			no "pings from $p: $(grep -E 'transmitted|ping:' "$T/ping-$p")" || return 1
	done
}

#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# Every fuzz target, from its seeds, for FUZZ_SECONDS each (`make test`: 2); FUZZ_TARGETS are those to
# run. Seeds named wire_* were on the wire between braid and strongSwan (seeds.py), the certificates are
# of the openssl program, the configurations once those of user/examples, the others were written by hand
# against the simulator, or found by a target before. What a run finds new, and what breaks a target, stays under BRAID_BUILD/fuzz.
set -u
build=${BRAID_BUILD:-build}/fuzz
failed=0
log=$(mktemp)
trap 'rm -f "$log"' EXIT

max_len() {
	case $1 in
	engine) echo 4096 ;;
	conf | ctl) echo 1024 ;;
	*) echo 2048 ;;
	esac
}

for seeds in tests/fuzz/corpus/*; do
	t=${seeds##*/}
	[[ " ${FUZZ_TARGETS:-$t} " == *" $t "* ]] || continue
	mkdir -p "$build/found/$t"
	# leaks are looked for when the run ends
	"$build/$t" -max_total_time="${FUZZ_SECONDS:-2}" -timeout=10 -max_len="$(max_len "$t")" -detect_leaks=0 \
		-print_final_stats=1 -verbosity=0 -artifact_prefix="$build/$t-" \
		"$build/found/$t" "$seeds" >"$log" 2>&1
	rc=$?
	printf '%-9s %s executions\n' "$t" "$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")"
	if [ $rc -ne 0 ]; then
		echo "FAIL: $t: $(grep -m 1 -E 'ERROR|error:' "$log"); see $build/$t-*"
		tail -n 40 "$log"
		failed=1
	fi
done
exit $failed

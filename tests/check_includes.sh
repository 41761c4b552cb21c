#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# Includes point downwards only. Each module may include itself and what its line lists.
set -eu
cd "$(dirname "$0")/.."
declare -A may=(
	[base]=""
	[abi]=""
	[crypto]="base"
	[ikemsg]="base crypto"
	[net]="base abi"
	[ike]="base crypto ikemsg"
	[esp]="base crypto abi"
	[engine]="base crypto abi esp net"
	[steer]="base abi esp"
	[dp]="base abi esp net steer"
	[xfrm]="base crypto"
	[kesp]="base crypto abi esp net dp xfrm"
	[conf]="base crypto abi ikemsg ike dp steer"
	[libbraid]="base ctl braid"
	[braid]=""
	[ctl]="base abi ikemsg"
)
bad=0
for m in "${!may[@]}"; do
	while IFS=: read -r file line text; do
		inc=${text#*\"}
		inc=${inc%%/*}
		[[ $inc == "$m" || " ${may[$m]} " == *" $inc "* ]] && continue
		[ -d "include/$inc" ] || continue
		echo "$file:$line: $m includes $inc; it may include: ${may[$m]:-nothing of ours}" >&2
		bad=1
	done < <(grep -rnE '^#include "[a-z]+/' "include/$m" "user/$m" 2>/dev/null | sed 's/#include //')
done
[ $bad = 0 ]

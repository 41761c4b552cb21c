# SPDX-License-Identifier: GPL-2.0-only
# bash completion for braid(8). Names come from the running agent.

_braid_names() { # jq filter over the answer to a command
	local dir=$1 cmd=$2 filter=$3
	command -v jq >/dev/null || return
	braid -d "$dir" --json "$cmd" 2>/dev/null | jq -r "$filter" 2>/dev/null
}

_braid() {
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]}
	local dir=/run/braid cmd='' sub='' word i words=''

	for ((i = 1; i < COMP_CWORD; i++)); do
		word=${COMP_WORDS[i]}
		case $word in
		-d | --state-dir)
			dir=${COMP_WORDS[i + 1]:-$dir}
			((i++))
			;;
		-t | --timeout | --wireshark | -c | --count | -i | --interval | -s | --size | --to | --from | --inner | --inner-old | --spi) ((i++)) ;;
		-*) ;;
		*) if [ -z "$cmd" ]; then cmd=$word; else sub=${sub:-$word}; fi ;;
		esac
	done
	COMPREPLY=()
	case $prev in
	-d | --state-dir | --wireshark)
		mapfile -t COMPREPLY < <(compgen -d -- "$cur")
		return
		;;
	-t | --timeout | -c | --count | -i | --interval | -s | --size | --to | --from | --inner | --inner-old | --spi) return ;;
	esac
	if [[ $cur == -* ]]; then
		words='--state-dir --json --timeout --help --version'
		case $cmd in
		paths | top) words+=' --watch' ;;
		keys) words+=' --wireshark' ;;
		flush) words+=' --force' ;;
		rekey) words+=' --ike --child' ;;
		counters) words+=' --reset' ;;
		path) words+=' --clear --count --interval --size' ;;
		mmx) words+=' --hard --best-effort --parallel --prune --all --ike --here --observed --keep --peer --to --from --inner --inner-old --spi' ;;
		esac
	else
		case $cmd in
		'') words='up down rekey clone status sas paths path conns counters mmx steering top certs stats events reload keys flush version help' ;;
		up | down | rekey | clone)
			[ -n "$sub" ] || words=$(_braid_names "$dir" status \
				'.conns[] | .name, (.name + "/" + .children[].name)')
			if [[ -z $sub && $cur == *'#'* ]]; then
				words=$(_braid_names "$dir" sas '.ike_sas[] | .conn + "#" + (.line | tostring)')
			fi
			;;
		steering)
			if [ -z "$sub" ]; then
				words="explain $(_braid_names "$dir" status '.conns[].name')"
			elif [ "$sub" = explain ]; then
				case $prev in
				explain) words='udp tcp sctp icmp icmpv6' ;;
				dscp) words='ef va le cs1 cs2 cs3 cs4 cs5 cs6 cs7 af11 af12 af13 af21 af22 af23 af31 af32 af33 af41 af42 af43' ;;
				mark | cgroup) ;;
				*) words='dscp mark cgroup' ;;
				esac
			fi
			;;
		paths | conns | counters) [ -n "$sub" ] || words=$(_braid_names "$dir" status '.conns[].name') ;;
		path)
			if [ -z "$sub" ]; then
				words='disable enable prefer test'
			else
				words=$(_braid_names "$dir" paths '.paths[].name, .pairs[].name')
			fi
			;;
		mmx)
			if [ -z "$sub" ]; then
				words='list probe update add remove alternates failover add-interface delete-interface check'
			elif [ "$prev" = check ]; then
				words='update add remove alternates failover add-interface delete-interface'
			elif [ "$prev" = "$sub" ] || [ "${COMP_WORDS[COMP_CWORD - 2]}" = check ]; then
				words=$(_braid_names "$dir" status '.conns[] | .name, (.name + "/" + .children[].name)')
			else
				words=$(_braid_names "$dir" status '.uplinks[] | .name, .addresses[]')
			fi
			;;
		esac
	fi
	mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
}
complete -F _braid braid

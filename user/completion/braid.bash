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
		-t | --timeout | --wireshark | -c | --count | -i | --interval | -s | --size) ((i++)) ;;
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
	-t | --timeout | -c | --count | -i | --interval | -s | --size) return ;;
	esac
	if [[ $cur == -* ]]; then
		words='--state-dir --json --timeout --help --version'
		case $cmd in
		paths) words+=' --watch' ;;
		keys) words+=' --wireshark' ;;
		flush) words+=' --force' ;;
		rekey) words+=' --ike --child' ;;
		counters) words+=' --reset' ;;
		path) words+=' --clear --count --interval --size' ;;
		esac
	else
		case $cmd in
		'') words='up down rekey clone status sas paths path conns counters certs stats events reload keys flush version help' ;;
		up | down | rekey | clone)
			[ -n "$sub" ] || words=$(_braid_names "$dir" status \
				'.conns[] | .name, (.name + "/" + .children[].name)')
			if [[ -z $sub && $cur == *'#'* ]]; then
				words=$(_braid_names "$dir" sas '.ike_sas[] | .conn + "#" + (.line | tostring)')
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
		esac
	fi
	mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
}
complete -F _braid braid

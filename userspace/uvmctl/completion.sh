# SPDX-License-Identifier: MIT
#
# bash completion of uvmctl. Verbs and options are what `uvmctl --help` and `uvmctl VERB --help` say, UVMs and containers those that run.
# shellcheck shell=bash

_uvmctl_verbs() { "$1" --help | sed -n 's/^  \([a-z][a-z-]*\) .*/\1/p'; }

# The VM's options are those of `up`.
_uvmctl_help()
{
	"$1" "$2" --help 2> /dev/null
	[ "$2" != run ] || "$1" up --help
}

_uvmctl_options() { _uvmctl_help "$1" "$2" | sed -nE 's/^ +((-[a-zA-Z]), )?(--[a-z-]+).*/\2 \3/p'; }

# Those with an argument, which the help has in capitals.
_uvmctl_valued() { _uvmctl_help "$1" "$2" | sed -nE 's/^ +((-[a-zA-Z]), )?(--[a-z-]+) [A-Z].*/\2 \3/p' | tr '\n' ' '; }

_uvmctl_actions() { "$1" image --help | sed -n 's/^  \([a-z][a-z]*\) .*/\1/p'; }

# The names in what `uvmctl ls` or `uvmctl ps` say; they have no characters that would have to be quoted.
_uvmctl_names() { "$@" --json 2> /dev/null | grep -o '"name":"[^"]*"' | cut -d '"' -f 4; }

_uvmctl()
{
	local program=$1 current=$2 previous=$3 verb=${COMP_WORDS[1]} i operands=0 valued of=()

	COMPREPLY=()
	if [ "$COMP_CWORD" -eq 1 ]; then
		mapfile -t COMPREPLY < <(compgen -W "$(_uvmctl_verbs "$program") --help --version" -- "$current")
		return
	fi
	case $previous in
	--accel) mapfile -t COMPREPLY < <(compgen -W "auto kvm tcg" -- "$current"); return ;;
	--vsock) mapfile -t COMPREPLY < <(compgen -W "auto vhost user" -- "$current"); return ;;
	--layers) mapfile -t COMPREPLY < <(compgen -W "scsi pmem" -- "$current"); return ;;
	--platform) mapfile -t COMPREPLY < <(compgen -W "linux/amd64 linux/arm64" -- "$current"); return ;;
	--in) mapfile -t COMPREPLY < <(compgen -W "$(_uvmctl_names "$program" ls)" -- "$current"); return ;;
	--uvm) mapfile -t COMPREPLY < <(compgen -d -- "$current"); return ;;
	--timing | --timeline | --log | --plot | -o | --output) mapfile -t COMPREPLY < <(compgen -f -- "$current"); return ;;
	-s | --signal) mapfile -t COMPREPLY < <(compgen -A signal -- "SIG${current#SIG}"); return ;;
	esac
	valued=$(_uvmctl_valued "$program" "$verb")
	# Operands before this word: what begins with a dash is none, nor is what follows an option that has an argument.
	for ((i = 2; i < COMP_CWORD; i++)); do
		if [ "${COMP_WORDS[i]}" = --in ]; then
			of=(--in "${COMP_WORDS[i + 1]}")
			i=$((i + 1))
		elif [[ " $valued " == *" ${COMP_WORDS[i]} "* ]]; then
			i=$((i + 1))
		elif [[ ${COMP_WORDS[i]} != -* ]]; then
			operands=$((operands + 1))
		fi
	done
	case $verb:$operands in
	run:[1-9]* | create:[1-9]* | exec:[1-9]*) ;; # a command's own, in the container
	*)
		if [[ $current == -* ]]; then
			mapfile -t COMPREPLY < <(compgen -W "$(_uvmctl_options "$program" "$verb")" -- "$current")
			return
		fi
		;;
	esac
	case $verb:$operands in
	run:0 | create:0 | vsock-backend:*) mapfile -t COMPREPLY < <(compgen -f -- "$current") ;;
	device:0) mapfile -t COMPREPLY < <(compgen -W "add rm ls" -- "$current") ;;
	device:1) mapfile -t COMPREPLY < <(compgen -W "disk pmem share nic $(_uvmctl_names "$program" device ls "${of[@]}")" -- "$current") ;;
	device:*) mapfile -t COMPREPLY < <(compgen -f -- "$current") ;;
	pod:0) mapfile -t COMPREPLY < <(compgen -W "create rm" -- "$current") ;;
	image:0) mapfile -t COMPREPLY < <(compgen -W "$(_uvmctl_actions "$program")" -- "$current") ;;
	image:*) mapfile -t COMPREPLY < <(compgen -f -- "$current") ;;
	down:0) mapfile -t COMPREPLY < <(compgen -W "$(_uvmctl_names "$program" ls)" -- "$current") ;;
	start:0 | attach:0 | exec:0 | kill:0 | stop:0 | wait:0 | stats:0 | rm:*)
		mapfile -t COMPREPLY < <(compgen -W "$(_uvmctl_names "$program" ps "${of[@]}")" -- "$current")
		;;
	esac
}

complete -o filenames -F _uvmctl uvmctl

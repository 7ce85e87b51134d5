#!/bin/bash
# SPDX-License-Identifier: MIT
#
# What helps before a VM runs: uvmctl doctor, and the completion of its command line.
. "$(dirname "$0")/lib.sh"
. "$top/userspace/uvmctl/completion.sh"
plan 11
export XDG_CACHE_HOME=$work/cache UVMCTL_STATE=$work/state

doctor() {
	"$uvmctl" doctor "$@" > "$work/out" 2> "$work/err"
	code=$?
}

# found CHECK STATE [WORD]: does its line say so?
found() { grep -E "^$1 +$2 " "$work/out" | grep -qF -- "${3:-}" || { echo "# not found: $*"; return 1; }; }

doctor
[ $code -eq 0 ] && found QEMU ok 'QEMU emulator version' && found 'vsock backend' ok && found UVM ok initrd.img && found mke2fs ok 'mke2fs 1' &&
	found cache ok "$work/cache" && grep -qE '^KVM +(ok|without) ' "$work/out" && grep -qE '^vhost-vsock +(ok|without) ' "$work/out"
result $? "doctor: what is needed is found"

doctor --json
[ $code -eq 0 ] && grep -q '^\[{"check":"QEMU","state":"ok","found":"QEMU emulator' "$work/out"
result $? "doctor --json"

mkdir "$work/nothing"
PATH=$work/nothing XDG_CACHE_HOME=/proc/none TMPDIR=$work/none doctor --uvm "$work/nothing"
[ $code -eq 1 ] && found QEMU missing 'apt-get install qemu-system-x86' && found UVM missing 'make image' && found cache missing XDG_CACHE_HOME &&
	found disks missing TMPDIR && found umoci without 'apt-get install umoci'
result $? "doctor: what is missing, and how to get it"

# complete WORD...: what the last one becomes, into $is
complete_words() {
	COMP_WORDS=(uvmctl "$@")
	COMP_CWORD=$#
	_uvmctl "$uvmctl" "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
	is=" ${COMPREPLY[*]} "
}

verbs=$("$uvmctl" --help | sed -n 's/^  \([a-z-]*\) .*/\1/p')
complete_words ''
missing=0
for verb in $verbs; do
	[[ $is == *" $verb "* ]] || missing=1
done
[ "$(wc -w <<< "$verbs")" -ge 18 ] && [ $missing -eq 0 ]
result $? "completion: every verb"

"$uvmctl" --help > "$work/help"
[ "$(wc -l < "$work/help")" -lt 24 ] && [ "$(wc -L < "$work/help")" -le 80 ]
result $? "--help fits a screen"

[ "$("$uvmctl" --version)" = "uvmctl $(sed -n 's/^PACKAGE_VERSION="\(.*\)"/\1/p' "$top/kmod/dkms.conf")" ]
result $? "--version is the module's"

# As the help lists them, by another way than the completion's.
missing=0 options=0
for verb in $verbs; do
	[ "$verb" = vsock-backend ] && continue
	complete_words "$verb" -
	for option in $("$uvmctl" "$verb" --help | grep -oE '(^| )--[a-z-]+' | tr -d ' ' | grep -xE -- '--[a-z-]+' | sort -u); do
		options=$((options + 1))
		[[ $is == *" $option "* ]] || { missing=1; echo "# $verb $option: not completed"; }
	done
done
[ $missing -eq 0 ] && [ $options -ge 60 ]
result $? "completion: every option of every verb"

complete_words run --cp && [ "$is" = ' --cpu-limit --cpus ' ] && complete_words run --accel k && [ "$is" = ' kvm ' ] && complete_words kill -s SIGTER && [ "$is" = ' SIGTERM ' ] &&
	complete_words create --platform linux/ar && [ "$is" = ' linux/arm64 ' ]
result $? "completion: values of options"

complete_words image 'in' && [ "$is" = ' inspect ' ]
result $? "completion: actions of image"

mkdir "$work/images"
touch "$work/images/one.tar"
complete_words run -e --name --json "$work/images/o" && [ "$is" = " $work/images/one.tar " ] && complete_words run "$work/images/one.tar" - &&
	[ "$is" = '  ' ]
result $? "completion: an image is a file; behind it nothing is ours"

no_file_left
result $? "no file is left"

finish

#!/bin/bash
# SPDX-License-Identifier: MIT
#
# The build's promises: no warning from either compiler, from kbuild with W=1, or from sparse.
set -uo pipefail
cd "$(dirname "$0")/../.." || exit
number=0

# check TEXT COMMAND...
check()
{
	local text=$1 log

	shift
	number=$((number + 1))
	if log=$("$@" 2>&1) && ! grep -E 'warning:' <<< "$log"; then
		echo "ok $number $text"
	else
		tail -n 40 <<< "$log" | sed 's/^/# /'
		echo "not ok $number $text"
	fi
}

# The header alone, in both languages, with nothing before it.
header()
{
	echo '#include <linux/gcs.h>' | clang -fsyntax-only -Iinclude/uapi -Wall -Wextra -Wpedantic -Werror "$@" -
}

echo "1..5"
check "gcs.h compiles alone, as C and as C++" eval \
	'header -x c -std=c99 && header -x c++ -std=c++11 && header -x c++ -std=c++20'
check "gcc: user space without a warning" make -B -s -j2 CC=gcc B=build/check/gcc EXTRA_CFLAGS=-Werror userspace
check "clang: user space without a warning" make -B -s -j2 CC=clang B=build/check/clang EXTRA_CFLAGS=-Werror userspace
check "gcs.ko for every kernel, with W=1, sparse and checkpatch" make -s kmod-check
check "the agent is at most 1 MiB" eval \
	'strip -o build/check/gcs build/check/gcc/bin/gcs && test "$(stat -c %s build/check/gcs)" -le 1048576'

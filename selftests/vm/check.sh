# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# Sourced by tests that are scripts and work on what was built: from the top of the tree, with a directory $dir of their own.
cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit
. scripts/apt.sh
number=0
dir=$(mktemp -d "${TMPDIR:-/tmp}/${me%.sh}.XXXXXX")
trap 'rm -rf "$dir"' EXIT

# check TEXT COMMAND...: one result. The command is in a shell of its own.
check()
{
	local text=$1

	shift
	number=$((number + 1))
	if ("$@") > "$dir/log" 2>&1; then
		echo "ok $number $text"
	else
		tail -n 100 "$dir/log" | sed 's/^/# /'
		echo "not ok $number $text"
	fi
}

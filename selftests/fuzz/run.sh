#!/bin/bash
# SPDX-License-Identifier: MIT
#
# run.sh SECONDS TARGET...: each fuzz target in build/fuzz/bin for so long. A finding ends its target; the others go on.
set -uo pipefail
cd "$(dirname "$0")/../.." || exit
. scripts/apt.sh

seconds=$1 failed=()
shift
for target; do
	log=build/fuzz/$target.log findings=build/fuzz/findings/$target
	mkdir -p "build/fuzz/corpus/$target" "$findings"
	say FUZZ "$target, $seconds s"
	if build/fuzz/bin/"$target" -max_total_time="$seconds" -max_len=16384 -timeout=30 -rss_limit_mb=1024 -print_final_stats=1 \
		-artifact_prefix="$findings/" "build/fuzz/corpus/$target" "selftests/fuzz/corpus/$target" > "$log" 2>&1; then
		say '' "$(awk '/^stat::number_of_executed_units/ { print $2 }' "$log") inputs, no finding"
		continue
	fi
	failed+=("$target")
	grep -v '^#[0-9]' "$log" | tail -n 60 >&2
	input=$(sed -n 's/.*Test unit written to //p' "$log" | tail -n 1)
	say '' "finding: ${input:-none written, see $log}"
	[ -z "$input" ] || say '' "once more: build/fuzz/bin/$target $input"
done
[ ${#failed[@]} -eq 0 ] || die "findings in ${failed[*]}"

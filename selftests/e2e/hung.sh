#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Guests that hang, their QEMU stopped: `down` ends them, and no process and no file is left.
. "$(dirname "$0")/lib.sh"
plan 2
export UVMCTL_STATE=$work/state
mkdir -m 700 "$UVMCTL_STATE"
trap '"$uvmctl" down -f > "$work/out" 2>&1; rm -rf "$work"' EXIT

# Both at once: each waits for its guest in vain, as long as it waits.
ok=0
for name in one two; do
	ctl up $name && supervisors+=("$(pid_of $name)") || ok=1
done
for pid in "${supervisors[@]}"; do
	qemus+=("$(pgrep -P "$pid" qemu)")
	kill -STOP "${qemus[-1]}" || ok=1
done
timeout -k 5 "$limit" "$uvmctl" down -f two > "$work/two" 2>&1 &
ctl down one
[ $ok -eq 0 ] && [ $code -eq 0 ] && wait $!
result $? "down, and down -f, of guests that hang"
for pid in "${supervisors[@]}" "${qemus[@]}"; do gone "$pid" || ok=1; done
[ $ok -eq 0 ] && ctl ls && [ "$(wc -l < "$work/out")" -eq 1 ] && [ -z "$(ls "$UVMCTL_STATE")" ] && no_file_left
result $? "no process, no directory, no file is left"

finish

#!/bin/bash
# SPDX-License-Identifier: MIT
#
# uvmctl run with a VM that works: images, streams, exit codes, signals. Needs root (mke2fs keeps owners).
. "$(dirname "$0")/lib.sh"
plan 16
make_image "$work/image"

uvm -e A=1 -e 'B=two words' -w /etc "$work/image" sh -c 'echo "$A $B"; pwd; id -u; echo to stderr >&2; exit 42'
[ $code -eq 42 ] && printf '1 two words\n/etc\n0\n' | cmp - "$work/out" && [ "$(cat "$work/err")" = 'to stderr' ]
result $? "directory: environment, working directory, separate stderr, exit code 42"

tar -C "$work/image" -cf - . | gzip > "$work/image.tar.gz"
uvm "$work/image.tar.gz" stat -c '%u:%g %a' /etc/not-executable
[ $code -eq 0 ] && [ "$(cat "$work/out")" = '1234:5678 644' ]
result $? "compressed tar: owners are kept, exit code 0"

mke2fs -q -t ext4 -d "$work/image" "$work/image.ext4" 64M > "$work/out"
before=$(md5sum < "$work/image.ext4")
uvm --json --timing "$work/timing" "$work/image.ext4" sh -c 'touch /new && cat /etc/not-executable; exit 1'
[ $code -eq 1 ] && [ "$(cat "$work/out")" = data ] && [ "$before" = "$(md5sum < "$work/image.ext4")" ] &&
	grep -qx '{"exit_code":1}' "$work/err" && grep -q '"qemu_to_negotiated_ms":[0-9]' "$work/timing"
result $? "ext4 file: the container can write, the file does not change, exit code 1; --json, --timing"

head -c 16777216 /dev/urandom > "$work/16M"
stdin=$work/16M uvm -i "$work/image.ext4" cat
[ $code -eq 0 ] && cmp "$work/16M" "$work/out"
result $? "16 MiB through cat and back"

stdin=$work/16M uvm -i --no-kmod --timing "$work/timing" "$work/image.ext4" cat
# The agent carries every byte here: a measurement that finds no CPU time has measured something else.
[ $code -eq 0 ] && cmp "$work/16M" "$work/out" && grep -qE '"agent_(threads_)?cpu_ms":[1-9]' "$work/timing"
result $? "16 MiB through cat and back, without gcs.ko"

uvm "$work/image.ext4" sh -c 'cat; echo nothing came; sh -c "kill -9 \$\$"; exit $?'
[ $code -eq 137 ] && [ "$(cat "$work/out")" = 'nothing came' ]
result $? "without -i stdin is empty; exit code 137"

uvm "$work/image.ext4" /no/such/command
[ $code -eq 127 ] && said /no/such/command
result $? "command not found: 127"

uvm "$work/image.ext4" /etc/not-executable
[ $code -eq 126 ]
result $? "command not executable: 126"

timeout "$limit" "$uvmctl" run "$work/image.ext4" yes 2> "$work/err" | head -n 1 > "$work/out"
[ "$(cat "$work/out")" = y ]
result $? "a reader that leaves ends the writer"

# These shells stay awake: one that is about to block in `read` when the signal comes does so, and runs no trap.
background -i "$work/image.ext4" sh -c 'trap "echo got TERM; exit 7" TERM; echo ready; while :; do :; done'
kill -TERM "$pid"
all_gone && [ "$line" = ready ] && [ $code -eq 7 ] && [ "$(cat "$work/out")" = 'got TERM' ]
result $? "SIGTERM goes to the container"

background -i "$work/image.ext4" sh -c 'trap "echo got INT; exit 8" INT; echo ready; while :; do :; done'
kill -INT "$pid"
all_gone && [ $code -eq 8 ] && [ "$(cat "$work/out")" = 'got INT' ]
result $? "SIGINT goes to the container"

background -i "$work/image.ext4" sh -c 'trap "echo not yet" TERM; echo ready; while :; do :; done'
kill -TERM "$pid"
read -r -t "$limit" line <&6
kill -TERM "$pid"
all_gone && [ "$line" = 'not yet' ] && [ $code -eq 137 ]
result $? "a second SIGTERM forces: 137"

background -i "$work/image" sh -c 'echo ready; cat'
kill -KILL "$pid"
all_gone && [ "$line" = ready ] && [ $code -eq 137 ]
result $? "uvmctl killed: no process is left"
no_file_left
result $? "uvmctl killed: no file is left"

background -i "$work/image.tar.gz" sh -c 'echo ready; cat'
kill -KILL "$(pgrep -P "$pid" qemu)"
all_gone && [ "$line" = ready ] && [ $code -eq 125 ] && said 'QEMU was killed by signal 9' 'the end of the guest'
result $? "QEMU killed: an error that says so, with the end of the console, and no process is left"
no_file_left
result $? "no run has left a file"

finish

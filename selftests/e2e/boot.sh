#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Who is killed while the guest boots; two who attach at the same moment. Needs root.
. "$(dirname "$0")/lib.sh"
plan 5
make_image "$work/image"
mke2fs -q -t ext4 -d "$work/image" "$work/image.ext4" 64M > "$work/out"
image=$work/image.ext4
export UVMCTL_STATE=$work/state
mkdir -m 700 "$UVMCTL_STATE"
trap '"$uvmctl" down -f > "$work/out" 2>&1; rm -rf "$work"' EXIT

# A QEMU that tells its process before it begins.
mkfifo "$work/began"
exec 6<> "$work/began"
mkdir "$work/bin"
printf '#!/bin/sh\necho $$ > %s\nexec %s "$@"\n' "$work/began" "$(command -v qemu-system-x86_64)" > "$work/bin/qemu-system-x86_64"
chmod +x "$work/bin/qemu-system-x86_64"

# boots VERB ARG...: uvmctl's process in $runner, QEMU's in $qemu
boots() {
	PATH=$work/bin:$PATH "$uvmctl" "$@" > "$work/out" 2> "$work/err" &
	runner=$!
	read -r -t "$limit" qemu <&6
}
over() {
	wait "$runner" 2> "$work/killed"
	code=$?
}
nothing_left() {
	gone "$qemu" && ctl ls && [ "$(wc -l < "$work/out")" -eq 1 ] && [ -z "$(ls "$UVMCTL_STATE")" ] && no_file_left
}

boots run "$image" true
kill -KILL "$runner"
over
nothing_left
result $? "run, killed while the guest boots: nothing is left"

boots up one
supervisor=$(pgrep -P "$runner" -x uvmctl)
kill -KILL "$runner"
over
gone "$supervisor" && nothing_left
result $? "up, killed while the guest boots: the supervisor ends, nothing is left"

boots up one
supervisor=$(pgrep -P "$runner" -x uvmctl)
kill -KILL "$supervisor"
over
refused 'the supervisor of UVM one ended without a word' && nothing_left
result $? "the supervisor, killed while the guest boots: who waits is told, nothing is left"

boots up one
kill -KILL "$qemu"
over
refused 'QEMU was killed by signal 9' && nothing_left
result $? "QEMU, killed while the guest boots: who waits is told, nothing is left"

ctl up one && ctl create --name both -i "$image" sh -c 'read -r x; echo "$x"' && ctl start both
mkfifo "$work/in"
exec 8<> "$work/in"
for i in 1 2; do
	{ timeout "$limit" "$uvmctl" attach both < "$work/in" > "$work/out.$i" 2> "$work/err.$i"; echo $? >> "$work/codes"; } &
	clients+=($!)
done
# One of them is refused; the other one is there then.
wait -n "${clients[@]}"
echo hello >&8
wait "${clients[@]}"
[ "$(sort "$work/codes" | tr '\n' ' ')" = '0 125 ' ] && [ "$(cat "$work"/out.?)" = hello ] && grep -q 'somebody else is attached' "$work"/err.?
result $? "two attach at once: one has the container, the other one is told so"
finish

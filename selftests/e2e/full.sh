#!/bin/bash
# SPDX-License-Identifier: MIT
#
# A state directory on a disk that is full, and what is read of its files when parts of them are gone. Needs root.
. "$(dirname "$0")/lib.sh"
plan 7
make_image "$work/image"
mke2fs -q -t ext4 -d "$work/image" "$work/image.ext4" 64M > "$work/out"
image=$work/image.ext4
mkdir "$work/state"
mount -t tmpfs -o size=512K,mode=700 tmpfs "$work/state"
export UVMCTL_STATE=$work/state
trap '"$uvmctl" down -f > "$work/out" 2>&1; umount -l "$work/state"; rm -rf "$work"' EXIT

fill() { head -c 1M /dev/zero > "$work/state/fill" 2> "$work/fill.err"; [ -s "$work/fill.err" ]; }

fill && ctl up one && refused 'UVM one' 'No space left on device' && [ ! -e "$work/state/one" ]
result $? "up on a disk that is full says so and leaves nothing"
rm "$work/state/fill"
ctl up one
result $code "up"

# A page is what a disk of memory gives: up to its end there is room.
fill
for i in $(seq 40); do
	"$uvmctl" create --name "lost$i" "$image" true > "$work/out" 2> "$work/err" && "$uvmctl" rm "lost$i" || break
	[ $(($(stat -c %s "$work/state/one/events") % 4096)) -ne 0 ] || break
done
[ -e "$work/state/fill" ] && [ $(($(stat -c %s "$work/state/one/events") % 4096)) -eq 0 ]
result $? "containers come and go while there is no room for their events"
rm "$work/state/fill"
ctl create --name found "$image" true && [ $code -eq 0 ] && ctl events && grep -q ' create .*found$' "$work/out" && ! grep -q lost40 "$work/out"
result $? "events: when there is room again, the next one is whole"
size=$(stat -c %s "$work/state/one/log")
ctl start found && ctl wait found && [ "$(stat -c %s "$work/state/one/log")" -gt "$size" ]
result $? "and the guest's log goes on"

# Who follows is slow, and what it has not read is given back to the disk.
mkfifo "$work/pipe"
"$uvmctl" logs -f > "$work/pipe" &
follower=$!
exec 6< "$work/pipe"
mount -o remount,size=16M "$work/state"
read -r -t "$limit" _ <&6
kill -STOP $follower
size=$(stat -c %s "$work/state/one/log")
yes 'a line that nobody reads' | head -c 4M >> "$work/state/one/log"
fallocate -p -o "$((size / 4096 * 4096))" -l 4M "$work/state/one/log"
printf '\nthe end of it\n' >> "$work/state/one/log"
kill -CONT $follower
timeout "$limit" grep -q -m 1 -x 'the end of it' <&6
result $? "logs -f: what was given back meanwhile is passed over"
exec 6<&-
ctl logs && [ $code -eq 0 ] && grep -qx 'the end of it' "$work/out"
fill
ctl down -f one
[ $code -eq 0 ] && [ "$(ls "$work/state")" = fill ] && no_file_left
result $? "down on a disk that is full leaves nothing"
finish

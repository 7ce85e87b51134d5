#!/bin/bash
# SPDX-License-Identifier: MIT
#
# What is to be seen of a UVM: events of its memory, limits of containers. Needs root.
. "$(dirname "$0")/lib.sh"
plan 4
make_image "$work/image"
mke2fs -q -t ext4 -d "$work/image" "$work/image.ext4" 64M > "$work/out"
image=$work/image.ext4
export UVMCTL_STATE=$work/state
trap '"$uvmctl" down -f > "$work/out" 2>&1; rm -rf "$work"' EXIT

# ctl VERB ARG...: with stdout and stderr kept, the exit code in $code
ctl() {
	began=$SECONDS
	timeout -k 5 "$limit" "$uvmctl" "$@" > "$work/out" 2> "$work/err" < /dev/null
	code=$?
}

ctl up one
result $code "up"

mkfifo "$work/pipe"
"$uvmctl" events -f --json > "$work/pipe" &
exec 6< "$work/pipe"
# The shell doubles a string until the kernel ends it. It is not removed, so that it can be told by its name.
ctl create --name hungry -m 16M "$image" sh -c 'x=0123456789abcdef; while :; do x=$x$x; done' && ctl start hungry && ctl wait hungry
[ "$(cat "$work/out")" = 137 ]
result $? "a container that wants more than its memory limit is killed"
grep -q -m 1 '"event":"oom","container":"hungry","count":1,"usage":[1-9][0-9]*}$' <(timeout "$limit" cat <&6)
result $? "events: which container the kernel has killed a process of"
exec 6<&-

ctl create --name less -m 32M --cpu-limit 0.2 --pids-limit 7 -i "$image" \
	sh -c 'for i in $(busybox seq 30000); do :; done; echo ready; read -r x' && ctl start less && ctl exec less sh -c 'for i in $(busybox seq 30000); do :; done' &&
	ctl stats --json less
for word in '"limit":33554432[,}]' '"pids":{[^}]*"limit":7[,}]' '"throttled_periods":[1-9]'; do
	grep -q "$word" "$work/out" || { echo "# not there: $word"; code=1; }
done
result $code "--memory-limit, --cpu-limit and --pids-limit are the container's cgroup's"
finish

#!/bin/bash
# SPDX-License-Identifier: MIT
#
# What is to be seen of a UVM: events of its memory, limits of containers. Needs root.
. "$(dirname "$0")/lib.sh"
plan 10
make_image "$work/image"
mke2fs -q -t ext4 -d "$work/image" "$work/image.ext4" 64M > "$work/out"
image=$work/image.ext4
export UVMCTL_STATE=$work/state
trap '"$uvmctl" down -f > "$work/out" 2>&1; rm -rf "$work"' EXIT

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
ctl stats --plot "$work/stats.svg" --for 2 && xmllint --noout "$work/stats.svg" && [ "$(grep -c '>less</text>' "$work/stats.svg")" -eq 2 ] &&
	grep -q '>memory, MiB</text>' "$work/stats.svg" && grep -q '<path .*d=.M.*L' "$work/stats.svg"
result $? "stats --plot: a line for the container's processor time, and one for its memory"
# Another one of its name has used less than it had: that is not the most that there is.
"$uvmctl" stats --for 120 > "$work/pipe" &
follower=$!
exec 6< "$work/pipe"
timeout "$limit" grep -q -m 1 '^less .*%' <&6
kill -STOP $follower
ctl rm -f less && ctl create --name less -i "$image" sh -c 'read -r x' && ctl start less
kill -CONT $follower
timeout "$limit" grep -m 1 '^less .* 0\.[0-9]* s ' <&6 > "$work/row"
kill $follower
exec 6<&-
[ -s "$work/row" ] && ! grep -qE '[0-9]{7}' "$work/row"
result $? "stats: another container of the same name"
timeout -k 5 "$limit" env PATH=/nowhere "$uvmctl" stats --plot "$work/none.svg" --for 1 2> "$work/err"
[ $? -eq 125 ] && grep -q 'none.svg: apt-get install gnuplot-nox: start gnuplot: No such file' "$work/err" && [ ! -e "$work/none.svg" ]
result $? "stats --plot without gnuplot"
ctl timeline -o "$work/uvm.svg" one
[ $code -eq 0 ] && xmllint --noout "$work/uvm.svg" && for lane in host kernel init agent container; do
	grep -q ">$lane</text>" "$work/uvm.svg" || { echo "# no lane $lane"; code=1; }
done
result $code "timeline: an SVG with all lanes"
# The lanes' names come first; a pair of spans of a request is what the clocks are compared by.
cat > "$work/order.jq" << 'END'
def at(name; lane): first(.traceEvents[] | select(.name == name and .tid == lane));
(.traceEvents | map(select(.ph != "M").ts)) as $ts | $ts == ($ts | sort) and $ts[0] >= 0
and .otherData.clock_error_us < 1000000
and ([at("QEMU starts"; 1), at("init asks for entropy"; 1), at("log connected"; 1), at("bridge connected"; 1), at("NegotiateProtocol"; 1),
	at("MappedVirtualDisk Add"; 1), at("Create"; 1)] | map(.ts) | . == sort)
and (.otherData.clock_error_us as $e | at("Create"; 1) as $host | at("Create"; 4) as $agent |
	$agent.ts + $e + 2 >= $host.ts and $agent.ts + $agent.dur <= $host.ts + $host.dur + $e + 2)
and at("gcs started"; 4).ts > at("file systems are mounted"; 3).ts and at("file systems are mounted"; 3).ts > 0
and any(.traceEvents[]; .tid == 2 and (.name | startswith("Linux version")))
and any(.traceEvents[]; .tid == 5 and (.name | test("^process [0-9]+ ended with [0-9]+: [0-9]+ bytes in, [0-9]+ out")))
END
ctl timeline --json
[ $code -eq 0 ] && jq -e -f "$work/order.jq" "$work/out" > "$work/verdict"
result $? "timeline: Chrome's trace, in the order of time, what the guest does within what the host waits for"
uvm --timeline "$work/run.json" "$image" true
[ $code -eq 0 ] && jq -e -f "$work/order.jq" "$work/run.json" > "$work/verdict"
result $? "run --timeline"
finish

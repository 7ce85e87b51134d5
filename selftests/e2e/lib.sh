# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2034
#
# For the end-to-end tests: a small image, one uvmctl at a time, KTAP. Sourced.
set -u
top=$(cd "$(dirname "$0")/../.." && pwd)
uvmctl=${UVMCTL:-$top/build/bin/uvmctl}
limit=${E2E_TIMEOUT:-180} # seconds for one uvmctl, more than it gives the guest to come up
count=0 failed=0 began=$SECONDS

work=$(mktemp -d "${TMPDIR:-/tmp}/e2e.XXXXXX")
trap 'exec 9>&-; rm -rf "$work"' EXIT
# uvmctl's temporary files; it must leave none.
mkdir "$work/tmp"
export TMPDIR=$work/tmp

plan() {
	printf 'TAP version 13\n1..%d\n' "$1"
	planned=$1
}

# result STATUS WHAT
result() {
	count=$((count + 1))
	if [ "$1" -eq 0 ]; then
		echo "ok $count $2"
	else
		echo "not ok $count $2"
		failed=$((failed + 1))
		# What uvmctl has said, and where the guest was.
		echo "# exit code ${code:-none}, after $((SECONDS - began)) s"
		sed 's/^/# /' "$work/err" | tail -n 15
		tail -n 15 "$work/log" 2> /dev/null | cut -c 1-300 | sed 's/^/# guest: /'
	fi
}

finish() {
	[ "$count" -eq "$planned" ] && [ "$failed" -eq 0 ]
}

# A root file system of busybox; mke2fs and tar keep what root has made of it.
make_image() {
	local applet

	mkdir -p "$1"/{bin,dev,etc,proc,root,run,sys,tmp}
	cp "$(command -v busybox)" "$1/bin/busybox"
	for applet in sh cat echo env head hostname id kill ls md5sum pwd stat stty true tty false yes touch; do
		ln -s busybox "$1/bin/$applet"
	done
	echo 'root:x:0:0:root:/root:/bin/sh' > "$1/etc/passwd"
	echo data > "$1/etc/not-executable"
	chown 1234:5678 "$1/etc/not-executable"
}

# uvm ARG...: run, with stdout and stderr kept, the exit code in $code
uvm() {
	rm -f "$work/log"
	began=$SECONDS
	timeout -k 5 "$limit" "$uvmctl" run --log "$work/log" --debug "$@" > "$work/out" 2> "$work/err" < "${stdin:-/dev/null}"
	code=$?
}

# ctl VERB ARG...: the same for any verb
ctl() {
	began=$SECONDS
	timeout -k 5 "$limit" "$uvmctl" "$@" > "$work/out" 2> "$work/err" < "${stdin:-/dev/null}"
	code=$?
}

# says TEXT: is that all of its stdout?
says() { [ "$(cat "$work/out")" = "$1" ] || { echo "# \"$1\" expected"; sed 's/^/# out: /' "$work/out" | head -n 5; return 1; }; }

# refused WORD...: uvmctl itself says no, in these words
refused() { [ "$code" -eq 125 ] && said "$@"; }

# pid_of UVM: its supervisor, as it tells whoever asks
pid_of() { "$uvmctl" ls --json | grep -o '"name":"'"$1"'"[^}]*' | grep -o '"pid":[0-9]*' | cut -d : -f 2; }

# gone PID: wait for the end of a process that is not the shell's
gone() { timeout 60 tail -s 0.1 --pid="$1" -f /dev/null; }

# said WORD...: is every one of them in what uvmctl said on stderr?
said() {
	local word

	for word; do
		grep -qF -- "$word" "$work/err" || { echo "# not said: $word"; return 1; }
	done
}

# background ARG...: start, its stdin held open as descriptor 8, and return when its first line of stdout has come. A
# pipe's write end goes to it and to all that it starts: all_gone() waits until the last of them is no more.
background() {
	rm -f "$work/in" "$work/pipe" "$work/alive"
	mkfifo "$work/in" "$work/pipe" "$work/alive"
	rm -f "$work/log"
	began=$SECONDS
	exec 7<> "$work/alive"
	timeout -k 5 "$limit" "$uvmctl" run --log "$work/log" --debug "$@" 9> "$work/alive" 7<&- < "$work/in" > "$work/pipe" 2> "$work/err" &
	runner=$!
	exec 8> "$work/in" 6< "$work/pipe"
	line=
	read -r -t "$limit" line <&6
	pid=$(pgrep -P "$runner" -x uvmctl)
	# Opened for reading while writers are there, so that their end is seen.
	exec 5< "$work/alive" 7<&-
}

all_gone() {
	exec 8>&-
	cat <&6 > "$work/out" &
	wait "$runner"
	code=$?
	wait
	exec 6<&-
	# End of file, not the time-out, which is above 128.
	read -r -t 20 <&5
	[ $? -eq 1 ] || { echo "# something is still running"; return 1; }
	exec 5<&-
}

no_file_left() {
	[ -z "$(ls -A "$work/tmp")" ] || { echo "# left in TMPDIR: $(ls -A "$work/tmp")"; return 1; }
}

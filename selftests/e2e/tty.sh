#!/bin/bash
# SPDX-License-Identifier: MIT
#
# uvmctl run -it: in a terminal that script(1) makes, of which this is the user.
. "$(dirname "$0")/lib.sh"
plan 12
make_image "$work/image"
mke2fs -q -t ext4 -d "$work/image" "$work/image.ext4" 64M > "$work/out"

uvm -it "$work/image.ext4" true
[ $code -eq 125 ] && said 'stdin is no terminal'
result $? "-it without a terminal"

# What runs in the terminal: its settings before and after, the exit code.
cat > "$work/session" <<'END'
mapfile -t words < "$work/words"
stty rows 40 cols 90
tty > "$work/tty"
stty -g > "$work/before"
timeout --foreground -k 5 "$limit" "$uvmctl" "${words[@]}" 2> "$work/err"
echo $? > "$work/code"
stty -g > "$work/after"
END
export work limit uvmctl

# in_terminal ARG...: start uvmctl; what it shows comes from descriptor 6, what is typed goes to 8.
in_terminal() {
	printf '%s\n' "$@" > "$work/words"
	rm -f "$work/in" "$work/pipe"
	mkfifo "$work/in" "$work/pipe"
	script -qfc "bash $work/session" /dev/null < "$work/in" > "$work/pipe" &
	session=$!
	exec 8> "$work/in" 6< "$work/pipe"
}

# shows LINE: is this the next line?
shows() {
	local line

	read -r -t "$limit" line <&6 && [ "$line" = "$1"$'\r' ] || { echo "# \"$1\" expected: \"$line\""; return 1; }
}

over() {
	wait "$session"
	exec 8>&- 6<&-
	code=$(cat "$work/code")
}

in_terminal run -it "$work/image.ext4" sh -c 'tty; stty size; read x; echo "got $x"; trap "stty size; exit 5" WINCH; echo ready; while :; do :; done'
shows /dev/pts/0 && shows '40 90'
result $? "the container has a terminal of the same size"
# The echo is the container's: ours is off.
echo hello >&8
shows hello && shows 'got hello' && shows ready
result $? "what is typed goes to the container, once"
# One of the two: stty sets them one after the other.
stty -F "$(cat "$work/tty")" cols 100
shows '40 100'
result $? "it is resized with ours"
over
[ "$code" -eq 5 ] && cmp "$work/before" "$work/after"
result $? "exit code 5, and the terminal is as it was"

in_terminal run -it "$work/image.ext4" sh -c 'trap "" TERM HUP; echo ready; exec cat'
shows ready
# A key, not a signal to uvmctl.
printf '\032\032' >&8
pkill -HUP -x uvmctl -t "$(sed s,/dev/,, "$work/tty")"
over
[ "$code" -eq 129 ] && said 'stopped by a signal'
result $? "SIGHUP ends it"
cmp "$work/before" "$work/after"
result $? "and the terminal is as it was"

# A UVM in the background, from which one can go and to which one can return.
export UVMCTL_STATE=$work/state
trap '"$uvmctl" down -f 2> /dev/null; rm -rf "$work"' EXIT
"$uvmctl" up > "$work/out" 2> "$work/err" &&
	"$uvmctl" create --name c -it "$work/image.ext4" sh -c 'echo ready; read -r x; echo "first $x"; read -r x; exit 7' > "$work/out" 2> "$work/err"
in_terminal start -a c
shows ready
# The key alone is the container's, where it is shown as what it is.
printf 'a\020b\n' >&8
shows 'a^Pb' && shows $'first a\020b'
result $? "Ctrl-P alone is the container's"
printf '\020\021' >&8
over
[ "$code" -eq 0 ] && said detached && cmp "$work/before" "$work/after" && "$uvmctl" ps | grep -q '^c  *running'
result $? "Ctrl-P Ctrl-Q leaves it running, and the terminal as it was"
# It writes while nobody is there.
"$uvmctl" exec c sh -c 'echo meanwhile > /dev/console || echo meanwhile > /proc/1/fd/1' 2> "$work/err"
in_terminal attach c
shows meanwhile
result $? "attach: what was written meanwhile comes first"
echo >&8
over
[ "$code" -eq 7 ] && cmp "$work/before" "$work/after"
result $? "and its exit code is that of uvmctl"
"$uvmctl" down -f > "$work/out" 2> "$work/err"

no_file_left
result $? "no file is left"

finish

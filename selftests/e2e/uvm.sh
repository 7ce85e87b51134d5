#!/bin/bash
# SPDX-License-Identifier: MIT
#
# UVMs in the background: up, down, ls, and containers in them: create, start, attach, exec, kill, wait, rm, ps; one UVM for all that
# leaves it alive, two more for what does not. Needs root.
. "$(dirname "$0")/lib.sh"
plan 43
make_image "$work/image"
mke2fs -q -t ext4 -d "$work/image" "$work/image.ext4" 64M > "$work/out"
image=$work/image.ext4

# Longer than the address of a unix socket.
UVMCTL_STATE=$work/$(printf 'state%.0s' {1..40})
export UVMCTL_STATE
# A disk that is soon full, for what the UVM keeps in files.
mkdir "$work/small"
mount -t tmpfs -o size=192M tmpfs "$work/small"
trap 'kill_all; umount -l "$work/small"; rm -rf "$work"' EXIT

kill_all() {
	for name in $("$uvmctl" ls | awk 'NR > 1 { print $1 }'); do "$uvmctl" down -f "$name"; done
}

ctl ls
[ $code -eq 0 ] && [ "$(wc -l < "$work/out")" -eq 1 ] && ctl ps && refused 'no UVM runs' 'uvmctl up'
result $? "without a UVM: ls is empty, other verbs say how to start one"

ok=0
for name in a/b .x '' "$(printf 'x%.0s' {1..65})"; do ctl up "$name"; refused 'UVM name' || ok=1; done
result $ok "bad names are refused"

UVMCTL_UVM=$work/nothing ctl up one
refused "$work/nothing/vmlinuz" 'No such file' && [ ! -e "$UVMCTL_STATE/one" ]
result $? "a UVM that does not come up says why and leaves nothing"

mkdir "$work/others"
UVMCTL_STATE=$work/others ctl ls
refused "$work/others" 'not yours alone' UVMCTL_STATE
result $? "a state directory in which others can write is refused"

# Relative to where we are, not to where the supervisor is.
cd "$work" || exit 1
TMPDIR=small UVMCTL_UVM=$(realpath --relative-to . "${UVMCTL_UVM:-$top/build/uvm}") ctl up one
[ $code -eq 0 ] && says one && ctl ls && grep -q '^one  *running' "$work/out"
result $? "up"
ctl up one
refused 'UVM one runs already' 'uvmctl down one'
result $? "the same name again"

ctl create --name first -e A=1 "$image" sh -c 'echo "$A out"; echo err >&2; exit 7'
[ $code -eq 0 ] && says first && ctl wait first && refused 'has not been started' && ctl attach first && refused 'has not been started' &&
	ctl exec first true && refused 'not running'
result $? "create; a container that has not been started"
ctl start first
[ $code -eq 0 ] && ctl wait first && says 7 && ctl attach first && [ $code -eq 7 ] && says '1 out' && [ "$(cat "$work/err")" = err ]
result $? "start, wait, attach afterwards: nothing that was written is lost, both streams are told apart, exit code 7"
ctl start first && refused 'started already' && ctl kill first && refused 'has exited' && ctl exec first true && refused 'not running' &&
	ctl ps && grep -q '^first  *exited  *[0-9]*  *7 ' "$work/out"
result $? "a container that has exited"
ctl create --name first "$image"
refused 'has a container first already'
result $? "a name twice"
ctl rm first
[ $code -eq 0 ] && ctl rm first && refused 'has no container first'
result $? "rm"

ok=0
for verb in start attach kill wait; do ctl "$verb" nobody; refused 'no container nobody' || ok=1; done
ctl exec nobody true; refused 'no container nobody' || ok=1
ctl create --name a/b "$image"; refused 'container name' || ok=1
ctl create --user nobody-here "$image"; refused 'user nobody-here: no such user' || ok=1
ctl create "$work/nothing"; refused "$work/nothing" || ok=1
ctl kill nobody ''; refused 'not a number' || ok=1
ctl wait nobody 12x; refused 'not a number' || ok=1
ctl pod create p; refused 'POD IMAGE' || ok=1
ctl create --pod nobody "$image"; refused 'no pod nobody' || ok=1
ctl kill -s NOTHING nobody; refused 'no signal' || ok=1
ctl exec nobody; refused 'no COMMAND given' || ok=1
ctl start --in nowhere x; refused 'no UVM nowhere' || ok=1
ctl up --cpus 0; refused '--cpus' || ok=1
result $ok "errors of every verb"

ctl create /etc/hostname && refused 'not a directory, a tar or an ext4' && ctl create --name bad "$image" /no/such/command
[ $code -eq 127 ] && said /no/such/command && ctl ps && [ "$(wc -l < "$work/out")" -eq 1 ]
result $? "a create that fails leaves nothing"
# A name with such words is not what a command that is not there says.
ctl rm executable
[ $code -eq 125 ] && said 'no container executable'
result $? "a container that is not found is not a command that is not"

ctl run --in one "$image" sh -c 'echo in; exit 9'
[ $code -eq 9 ] && says in && ctl ps && [ "$(wc -l < "$work/out")" -eq 1 ]
result $? "run in it: exit code 9, and no container is left"

ctl create --name long -i -e A=1 -e B=2 "$image" sh -c 'trap "echo bye; exit 3" TERM
	while read -r line && [ "$line" != spin ]; do echo "got $line"; done; echo spinning; while :; do :; done'
ctl start long
ctl exec -e B=3 -w /etc -u 1234:5678 long sh -c 'echo $A $B $(pwd) $(id -u):$(id -g); echo err >&2; exit 5'
[ $code -eq 5 ] && says '1 3 /etc 1234:5678' && [ "$(cat "$work/err")" = err ]
result $? "exec: environment, directory, user, both streams, exit code"
ctl exec -u root long id -u && says 0 && ctl exec -u nobody long true
[ $code -eq 125 ] && said nobody
result $? "exec: users by name"
head -c 4194304 /dev/urandom > "$work/4M"
stdin=$work/4M ctl exec -i long cat
[ $code -eq 0 ] && cmp "$work/4M" "$work/out"
result $? "exec: 4 MiB through cat and back"
ctl exec long /no/such/command
[ $code -eq 127 ] && ctl exec long /etc/not-executable
[ $code -eq 126 ]
result $? "exec: not found 127, not executable 126"

# Attached by a client that stays: its output comes by descriptor 6, its input goes to 8.
mkfifo "$work/in" "$work/pipe"
attach_client() {
	timeout -k 5 "$limit" "$uvmctl" "$@" < "$work/in" > "$work/pipe" 2> "$work/err" &
	runner=$!
	exec 8> "$work/in" 6< "$work/pipe"
}
attach_client attach long
echo one >&8
read -r -t "$limit" line <&6
[ "$line" = 'got one' ] && ctl attach long && refused 'somebody else is attached'
result $? "attach: the input reaches it; only one can"
client=$(pgrep -P "$runner" -x uvmctl)
kill -KILL "$client"
wait "$runner"
exec 8>&- 6<&-
ctl exec long true
ok=$code
attach_client attach long
echo two >&8
read -r -t "$limit" line <&6
[ $ok -eq 0 ] && [ "$line" = 'got two' ]
result $? "a client that is killed: the process goes on, and the next one has its streams"
# A shell that is about to block in `read` when the signal comes runs no trap.
echo spin >&8
read -r -t "$limit" line <&6
kill -TERM "$(pgrep -P "$runner" -x uvmctl)"
wait "$runner"
[ $? -eq 3 ] && [ "$line" = spinning ] && grep -q bye <&6
result $? "SIGTERM to who is attached is passed on"
exec 8>&- 6<&-

ctl create --name stays "$image" sh -c 'trap "exit 38" USR1; while :; do :; done' && ctl start stays
ctl rm stays
refused 'is running' 'rm -f' && ctl down one && refused '1 container is still running' 'down -f' && ctl kill -s USR1 stays && [ $code -eq 0 ] &&
	ctl wait stays && says 38 && ctl rm stays && [ $code -eq 0 ]
result $? "what runs is not removed by mistake; kill with a signal by name"
ctl create --name stays "$image" yes && ctl start stays && ctl rm -f stays
[ $code -eq 0 ] && ctl wait stays && refused 'has no container'
result $? "rm -f, of one that writes all the time"

# Nobody reads, and there is room for a part of it.
ctl rm long
ctl create --name much --scratch 16M "$image" sh -c 'head -c 16777216 /dev/zero; echo end'
head -c $(($(stat -f -c '%a * %S' "$work/small") - 4194304)) /dev/zero > "$work/small/fill"
ctl start much && ctl attach much
rm "$work/small/fill"
[ $code -eq 0 ] && [ "$(head -c 16777216 "$work/out" | md5sum)" = "$(head -c 16777216 /dev/zero | md5sum)" ] && [ "$(tail -c 4 "$work/out")" = end ]
result $? "16 MiB written while nobody is attached, on a disk that is full before: nothing is lost"
ctl rm much

# Who attaches reads a part of it and is killed.
ctl create --name rest "$image" busybox seq 1 200000 && ctl start rest && ctl wait rest
attach_client attach rest
read -r -t "$limit" line <&6
kill -KILL "$(pgrep -P "$runner" -x uvmctl)"
wait "$runner"
cat <&6 > "$work/part"
exec 8>&- 6<&-
ctl attach rest
# What it had taken and not yet told may come again, a pipe's content at most.
[ "$line" = 1 ] && tail -n 1 "$work/out" | grep -qx 200000 && [ "$(wc -l < "$work/out")" -gt 100000 ] &&
	[ "$(head -n 2 "$work/out" | tail -n 1)" -le $(($(wc -l < "$work/part") + 3)) ] && ctl rm rest
result $? "attach, killed on its way through what was kept: the next one gets the rest"

TMPDIR=$work/small ctl create "$work/4M"
refused 'not a directory'
head -c $(($(stat -f -c '%a * %S' "$work/small") - 1048576)) /dev/zero > "$work/small/fill"
TMPDIR=$work/small ctl create --name full "$work/image"
rm "$work/small/fill"
[ $code -eq 125 ] && ctl ps && ! grep -q '^full' "$work/out"
result $? "an image for which there is no room"

# Four at a time, two of them with the same name.
for i in 1 2 3 3; do
	{ "$uvmctl" create --name "same$i" "$image" true > "$work/same.$i" 2>&1; echo $? >> "$work/codes"; } &
done
wait
ctl ps
[ "$(sort "$work/codes" | tr '\n' ' ')" = '0 0 0 125 ' ] && [ "$(grep -c '^same' "$work/out")" -eq 3 ] && ctl rm same1 same2 same3 && [ $code -eq 0 ]
result $? "four uvmctl at once; of two with the same name one is refused"

# The request is finished without its client.
"$uvmctl" create --name orphan "$image" true > "$work/out" 2>&1 &
kill -KILL $!
wait $!
ctl create --name after "$image" true
[ $code -eq 0 ] && ctl rm -f after && [ $code -eq 0 ]
result $? "create, killed: the next one works"

ctl run --in one -d --name back -i "$image" sh -c 'read -r x; exit 6' && says back && ctl exec -d back true && [ $code -eq 0 ] && ctl attach back
[ $code -eq 6 ]
result $? "exec -d, run -d"
names='hostname; for n in net pid; do busybox readlink /proc/self/ns/$n; done'
ctl pod create pod "$image" && says pod && ctl exec pod sh -c "$names" && cp "$work/out" "$work/sandbox" &&
	ctl create --pod pod --name second -i "$image" && ctl start second && ctl exec second sh -c "$names" && cp "$work/out" "$work/second" &&
	ctl run --in one --pod pod "$image" sh -c "$names"
[ "$(sort -u <(head -n 2 "$work/sandbox") <(head -n 2 "$work/second") <(head -n 2 "$work/out") | wc -l)" -eq 2 ] &&
	[ "$(sort -u "$work/sandbox" "$work/second" "$work/out" | grep -c '^pid:')" -eq 3 ]
result $? "pod: its containers have one host name and one network, and each its processes"
ctl pod rm pod && refused 'second' 'pod rm -f' && ctl rm -f pod && refused 'second' && ctl pod rm -f pod && [ $code -eq 0 ] && ctl ps &&
	! grep -qE '^(pod|second) ' "$work/out" && ctl create --pod pod "$image" && refused 'no pod pod'
result $? "pod rm"

ctl create --name busy "$image" sh -c 'echo ready; while :; do :; done' && ctl start busy && ctl stats
grep -qE '^busy .* [0-9.]+ s .*iB ' "$work/out" && ctl stats --json busy && grep -q '"cpu":{"usage":{"total":[0-9]' "$work/out" && ctl stats nobody && refused 'no container nobody'
result $? "stats: of all, as JSON, of nobody"
(
	. "$top/userspace/uvmctl/completion.sh"
	COMP_WORDS=(uvmctl exec --in one bus)
	COMP_CWORD=4
	_uvmctl "$uvmctl" bus one
	[ "${COMPREPLY[*]}" = busy ] || exit 1
	COMP_CWORD=3
	_uvmctl "$uvmctl" o --in
	[ "${COMPREPLY[*]}" = one ]
)
result $? "completion: containers, UVMs"
ctl logs && grep -q '"msg":' "$work/out" && ctl events && grep -q ' exit .*first exit_code=7$' "$work/out" && ctl events --json && grep -q '"event":"remove","container":"first"}$' "$work/out"
result $? "logs and events: what has happened"
# Its end is the end of who follows.
"$uvmctl" events -f > "$work/pipe" &
follower=$!
exec 6< "$work/pipe"
grep -q -m 1 'start .*busy' <&6 && ctl kill -s KILL busy && read -r -t "$limit" line <&6 && [[ $line == *' exit '*'busy exit_code=137' ]]
result $? "events -f: what happens from now on"

# Not one descriptor is left to it.
pid=$(pid_of one) free=0
most=$(prlimit -p "$pid" --nofile -o SOFT --noheadings)
while [ -L "/proc/$pid/fd/$free" ]; do free=$((free + 1)); done
prlimit -p "$pid" --nofile="$free:"
ctl ps --in one
prlimit -p "$pid" --nofile="$most:"
refused 'the supervisor has no descriptor or memory for one more' && ctl ps --in one && [ $code -eq 0 ]
result $? "a supervisor without descriptors turns a client away, and takes the next"

pid=$(pid_of one)
qemu=$(pgrep -P "$pid" qemu)
ctl down -f one
[ $code -eq 0 ] && gone "$pid" && gone "$qemu" && [ ! -e "$UVMCTL_STATE/one" ] && [ -z "$(ls -A "$work/small")" ]
result $? "down: no process, no directory, no file is left"
cat <&6 > "$work/out"
wait $follower
result $? "and who follows comes to an end"
exec 6<&-

# Three at once; each dies its way.
"$uvmctl" up two > "$work/two" 2>&1 &
"$uvmctl" up four > "$work/four" 2>&1 &
ctl up three
wait
[ $code -eq 0 ] && ctl ps && refused 'several UVMs run' '--in'
result $? "several UVMs at once: which one must be said"
for name in two three; do "$uvmctl" run --in $name -d --name c "$image" sh -c 'while :; do :; done' > "$work/out"; done
# somebody NAME: is in a process of it
somebody() {
	attach_client exec --in "$1" -i c sh -c 'echo ready; read -r x'
	read -r -t "$limit" line <&6
}
over() {
	wait "$runner"
	code=$?
	exec 8>&- 6<&-
}
qemu=$(pgrep -P "$(pid_of two)" qemu)
somebody two
kill -KILL "$qemu"
over
refused 'UVM two has ended: QEMU was killed by signal 9' && ctl start --in two c && refused 'no UVM two runs'
result $? "QEMU killed: who waits is told, and nothing is left"
pid=$(pid_of three)
qemu=$(pgrep -P "$pid" qemu)
four=$(pid_of four)
mkdir "$UVMCTL_STATE/other" "$UVMCTL_STATE/other2"
echo mine > "$UVMCTL_STATE/other/log"
echo mine > "$UVMCTL_STATE/other2/lock"
rm -r "$UVMCTL_STATE/four"
gone "$four" && ctl up other && refused "other in the state directory is not a UVM's" && ctl ls && [ -s "$UVMCTL_STATE/other/log" ] && [ -s "$UVMCTL_STATE/other2/lock" ]
result $? "one whose directory is removed ends; directories of others are left alone"
rm -r "$UVMCTL_STATE"/other*
somebody three
kill -KILL "$pid"
over
refused "supervisor of the UVM has ended" && gone "$qemu" && ctl ls && [ "$(wc -l < "$work/out")" -eq 1 ] && [ -z "$(ls "$UVMCTL_STATE")" ] && no_file_left
result $? "the supervisor killed: who waits is told, QEMU ends, the next command removes what it has left"

finish

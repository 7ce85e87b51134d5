#!/bin/bash
# SPDX-License-Identifier: MIT
#
# What is plugged into a UVM that runs and given to its containers: disks, shares, network interfaces; stop. Needs root and diod.
. "$(dirname "$0")/lib.sh"
plan 23
make_image "$work/image"
mke2fs -q -t ext4 -d "$work/image" "$work/image.ext4" 64M > "$work/out"
image=$work/image.ext4
export UVMCTL_STATE=$work/state
# The cloud kernel has no 9p.
mkdir "$work/uvm"
"$top/scripts/image" 6.1-generic "$work/uvm" > "$work/out" 2>&1 || { cat "$work/out" >&2; exit 1; }
export UVMCTL_UVM=$work/uvm
trap '"$uvmctl" down -f dev 2> /dev/null; kill $server 2> /dev/null; rm -rf "$work"' EXIT
server=

# in_it OPTION... -- COMMAND: a container that is removed when it ends
in_it() {
	local options=()

	while [ "$1" != -- ]; do options+=("$1"); shift; done
	shift
	ctl run --in dev "${options[@]}" "$image" sh -c "$*"
}

mkdir "$work/disk" "$work/dir" "$work/odd: dir"
echo 'on a disk' > "$work/disk/file"
mke2fs -q -t ext4 -d "$work/disk" "$work/disk.img" 16M > "$work/out"
cp "$work/disk.img" "$work/disk2.img"
echo 'in a directory' > "$work/dir/file"
chmod 600 "$work/dir/file"
echo odd > "$work/odd: dir/file"
ctl up dev
[ $code -eq 0 ] && ctl device ls && [ "$(wc -l < "$work/out")" -eq 1 ]
result $? "up: nothing is plugged in"

ok=0
ctl device add tape "$work/disk.img"; refused "KIND 'tape'" || ok=1
ctl device add disk "$work/nothing"; refused "disk $work/nothing" 'No such file' || ok=1
ctl device add disk "$work/dir"; refused "disk $work/dir" || ok=1
ctl device add disk "$work/disk.img" relative; refused 'PATH relative' || ok=1
ctl device add disk "$work/disk.img" "/$(printf %0130d 0)"; refused "PATH /000" "File name too long" || ok=1
ctl device add share "$work/disk.img"; refused 'Not a directory' || ok=1
ctl device add share "$work/nothing"; refused "share $work/nothing" || ok=1
ctl device add --raw share "$work/dir"; refused --raw || ok=1
ctl device add --name a/b disk "$work/disk.img"; refused 'device name' || ok=1
ctl device add nic nobody; refused 'no container nobody' || ok=1
ctl device add -p 1:2 disk "$work/disk.img"; refused '-p: only for a nic' || ok=1
ctl device add --ip 10.1.2.3/24 share "$work/dir"; refused '--ip: only for a nic' || ok=1
ctl device rm nobody; refused 'no device nobody' || ok=1
for v in "$work/dir" "$work/dir:x" "$work/dir:/x:y" ":/x" "$work/dir:/../x"; do ctl create -v "$v" "$image"; refused "-v $v" || ok=1; done
ctl create -v "$work/nothing:/x" "$image"; refused "$work/nothing" 'No such file' || ok=1
ctl create -v nobody:/x "$image"; refused 'no device nobody' || ok=1
for p in x 80 0:80 80:0 80:80/sctp 65536:80 x:80:80 1.2.3.4.5:80:80; do ctl create -p "$p" "$image"; refused "-p $p" || ok=1; done
for a in x 10.1.2.3 10.1.2/24 '10.1.2.3/24,' 10.1.2.3/24x 10.1.2.3/24,10.1.2.1x; do ctl create --ip "$a" "$image"; refused "--ip $a: not ADDRESS/" || ok=1; done
for a in 10.1.2.3/3 10.1.2.3/30; do ctl create --ip "$a" "$image"; refused "--ip $a: PREFIX" || ok=1; done
for a in 10.1.2.0/24 10.1.2.255/24 10.1.2.3/24,10.1.3.1 10.1.2.3/24,10.1.2.3 10.1.2.3/24,10.1.2.0; do
	ctl create --ip "$a" "$image"
	refused "--ip $a: not two hosts" || ok=1
done
ctl stop nobody; refused 'no container nobody' || ok=1
ctl stop --time x nobody; refused --time || ok=1
result $ok "errors of every verb and option"
# What has no file system on it.
truncate -s 1M "$work/empty.img"
ctl device add disk "$work/empty.img"
refused 'add device disk' && ctl device ls --json && says '[]' && ctl ps && [ "$(wc -l < "$work/out")" -eq 1 ]
result $? "a disk without a file system: refused; nothing is left of all these"

ctl device add --name data disk "$work/disk.img" && says data && ctl device ls --json && grep -q '"name":"data","kind":"disk","state":"ready"' "$work/out"
result $? "device add disk"
ctl device add --name data disk "$work/disk2.img"
refused 'a device data already'
result $? "the same name again"
in_it -v data:/data -- 'cat /data/file && echo written > /data/new && cat /data/new'
[ $code -eq 0 ] && says $'on a disk\nwritten'
result $? "a container reads it, and writes it"
ctl create --name user -v data:/data:ro "$image" sh -c 'trap "exit 7" TERM; echo x > /data/no; echo ready; while :; do :; done' && ctl start user && ctl device ls &&
	grep -qE '^data +disk +ready +user ' "$work/out" && ctl device rm data && refused 'is used by a container' && ctl exec user sh -c 'cat /data/new; echo x > /data/no'
[ $code -eq 1 ] && says written && said 'Read-only file system'
result $? "read-only for this one; what is used is not removed, and ls says by whom"
ctl stop user && [ $code -eq 0 ] && ctl wait user && says 7 && ctl stop user && [ $code -eq 0 ] && ctl rm user && ctl device rm data
[ $code -eq 0 ] && ctl device ls --json && says '[]' && [ "$(debugfs -R 'cat /new' "$work/disk.img" 2> "$work/err")" = written ]
result $? "stop: SIGTERM is enough; then rm, and what was written is in the file"
ctl create --name deaf "$image" sh -c 'trap "" TERM; echo ready; while :; do :; done' && ctl start deaf && ctl stop --time 0 deaf && [ $code -eq 0 ] && ctl wait deaf &&
	says 137 && ctl rm deaf
result $? "stop: who does not listen is killed"
ctl device add --raw disk "$work/empty.img" /x
refused 'no PATH' && ctl device add --raw --ro --name raw disk "$work/empty.img" && [ $code -eq 0 ] && ctl create -v raw:/x "$image" && refused 'device raw' &&
	ctl device rm raw && [ $code -eq 0 ]
result $? "device add --raw: no file system, nothing to give to a container"

in_it -v "$work/disk2.img:/d" -- 'cat /d/file; echo two > /d/new' && says 'on a disk' && ctl device ls --json && says '[]' &&
	[ "$(debugfs -R 'cat /new' "$work/disk2.img" 2> "$work/err")" = two ]
result $? "-v FILE: a disk for one container, gone with it"
in_it -v "$work/dir:/d" -v "$work/odd: dir:/odd:ro" -- 'cat /d/file /odd/file; echo guest > /d/new; echo x > /odd/no'
[ $code -eq 1 ] && says $'in a directory\nodd' && [ "$(cat "$work/dir/new")" = guest ] && [ ! -e "$work/odd: dir/no" ] && said 'Read-only'
result $? "-v DIRECTORY: both ways, read-only"
in_it -u 65534:65534 -v "$work/dir:/d" -- 'cat /d/file'
[ $code -eq 1 ] && said 'Permission denied'
result $? "another user of the container may not read what is root's"
for n in a b; do ctl create --name $n -v "$work/dir:/d" "$image" sh -c 'trap "exit 0" TERM; while :; do :; done' && ctl start $n; done
ctl exec a sh -c 'echo from a > /d/a' && ctl exec b cat /d/a && says 'from a' && ctl device ls && [ "$(grep -c ' share ' "$work/out")" -eq 1 ] &&
	diod=$(pgrep -x diod -P "$("$uvmctl" ls --json | grep -o '"pid":[0-9]*' | cut -d : -f 2)") && ctl rm -f a && ctl exec b cat /d/a && says 'from a' && ctl rm -f b &&
	ctl device ls --json && says '[]' && ! kill -0 "$diod" 2> "$work/err"
result $? "two containers share it; the last one ends it and its server"

mkdir "$work/www"
echo 'from the host' > "$work/www/index.html"
port=$((20000 + $$ % 10000))
# It listens before it goes into the background.
busybox httpd -p "127.0.0.1:$port" -h "$work/www"
server=$(pgrep -f "httpd -p 127.0.0.1:$port")
in_it --net -- "busybox wget -q -O - http://10.0.2.2:$port/ && grep -q ^nameserver /etc/resolv.conf || cat /etc/resolv.conf" && says 'from the host'
result $? "--net: a container reaches a server of this machine, and has a name server"
in_it -- 'busybox ip -o link | busybox wc -l' && says 1 && ctl device ls --json && says '[]'
result $? "without --net there is but the loopback; and the interface has gone"
ctl run --in dev -d --name web -p "$((port + 1)):80" -p "$((port + 2)):53/udp" "$image" sh -c 'while :; do :; done' && says web &&
	ctl exec web busybox httpd -p 80 -h /etc && [ "$(busybox wget -q -O - "http://127.0.0.1:$((port + 1))/not-executable")" = data ]
result $? "-p: a port of this machine leads to the container"
ctl rm -f web
ctl run --in dev -d --name web --ip 172.20.5.9/16,172.20.0.1 -p "$((port + 1)):80" "$image" sh -c 'while :; do :; done' && says web && ctl device ls &&
	grep -qE '^nic-[0-9]+ +nic +ready +web +172\.20\.5\.9 ' "$work/out" && ctl exec web busybox ip -o -4 addr show eth0 &&
	grep -qF ' inet 172.20.5.9/16 ' "$work/out" && ctl exec web busybox ip route && grep -q '^default via 172\.20\.0\.1 ' "$work/out" &&
	ctl exec web busybox wget -q -O - "http://172.20.0.1:$port/" && says 'from the host' &&
	ctl exec web busybox httpd -p 80 -h /etc && [ "$(busybox wget -q -O - "http://127.0.0.1:$((port + 1))/not-executable")" = data ]
result $? "--ip: the address, prefix and gateway that are wished for, where -p leads as well"
ctl rm -f web
ctl create --name late "$image" sh -c 'trap "exit 0" TERM; while :; do :; done' && ctl start late && ctl device add --name eth --ip 10.9.8.2/29 nic late && ctl exec late busybox ip route &&
	grep -q '^default via 10\.9\.8\.3 ' "$work/out" && ctl exec late busybox wget -q -O - "http://10.9.8.3:$port/" &&
	says 'from the host' && ctl device rm eth && ctl exec late busybox wget -q -O - "http://10.9.8.3:$port/"
[ $code -eq 1 ] && ctl rm -f late && [ $code -eq 0 ]
result $? "device add nic: plugged into a container that runs, its gateway not its own address; and unplugged"
# Those that were refused come before it.
ctl events --json && grep -m 1 '"event":"device' "$work/out" | grep -qF '"event":"device-add","device":"data","kind":"disk","source":"'"$work/disk.img"'"}' &&
	grep -qF '"event":"device-add","device":"eth","kind":"nic"}' "$work/out" && grep -qF '"event":"device-remove","device":"eth","kind":"nic"}' "$work/out"
result $? "events: devices that came and went, and none that did not"
ctl pod create --net pod "$image" && in_it --pod pod -- "busybox wget -q -O - http://10.0.2.2:$port/" && says 'from the host' && in_it --net --pod pod -- true
refused 'pod create --net' && ctl pod rm -f pod && ctl device ls --json && says '[]'
result $? "pod create --net: its containers have its network"

ctl run -v "$work/dir:/d" -v "$work/disk.img:/disk" --net "$image" sh -c "cat /d/new /disk/new; busybox wget -q -O - http://10.0.2.2:$port/"
[ $code -eq 0 ] && says $'guest\nwritten\nfrom the host'
result $? "run in a VM of its own: the same"

ctl device add share "$work/dir"
pid=$("$uvmctl" ls --json | grep -o '"pid":[0-9]*' | cut -d : -f 2)
diod=$(pgrep -x diod -P "$pid")
qemu=$(pgrep -P "$pid" qemu)
kill -KILL "$pid"
gone "$diod" && gone "$qemu" && ctl ls && [ "$(wc -l < "$work/out")" -eq 1 ] && no_file_left
result $? "the supervisor killed: QEMU and the share's server end"

finish

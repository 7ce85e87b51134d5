#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Layers as SCSI disks and as PMEM, with and without a tree of hashes, and one in which a bit has flipped. Needs root.
. "$(dirname "$0")/lib.sh"
plan 13
export XDG_CACHE_HOME=$work/cache UVMCTL_STATE=$work/state
trap '"$uvmctl" down -f > "$work/out" 2>&1; rm -rf "$work"' EXIT

make_image "$work/root"
tar -C "$work/root" -cf "$work/1.tar" .
mkdir "$work/upper"
# A file that a bit is flipped in; its text is found on the disk.
for i in {1..4096}; do echo "a line that everybody knows, number $i"; done > "$work/upper/text"
tar -C "$work/upper" -cf "$work/2.tar" .
{
	umoci init --layout "$work/oci" && umoci new --image "$work/oci:v1" &&
		umoci raw add-layer --image "$work/oci:v1" "$work/1.tar" && umoci raw add-layer --image "$work/oci:v1" "$work/2.tar"
} > "$work/err" 2>&1
result $? "an image of two layers is made, by umoci"
image=oci:$work/oci:v1
sum=$(md5sum < "$work/upper/text")

# shows KIND ARG...: the file is right, and its layers are mounted where those of this kind are
shows() {
	local kind=$1

	shift
	ctl run --in one "$@" "$image" sh -c 'md5sum < /text; cat /proc/self/mountinfo'
	[ $code -eq 0 ] && [ "$(head -n 1 "$work/out")" = "$sum" ] || return 1
	case $kind in
	pmem) grep -q 'lowerdir=/run/layers/p[0-9]*:/run/layers/p' "$work/out" ;;
	scsi) grep -q 'lowerdir=/run/mounts/scsi/m[0-9]*:/run/mounts/scsi/m' "$work/out" ;;
	esac
}

ctl run --layers=floppy "$image"
[ $code -eq 125 ] && said '--layers floppy'
result $? "no such kind"

ctl up --layers=pmem one
[ $code -eq 0 ] && shows pmem && shows pmem --verity
result $? "PMEM, as the UVM has it; with --verity"
shows scsi --layers=scsi && shows scsi --layers=scsi --verity && shows pmem
result $? "SCSI in the same UVM; and PMEM that was plugged before"

# A user's own: mounted where he says, in a container by its name, and again after it was removed.
mkdir "$work/data" && echo mapped > "$work/data/file"
mke2fs -q -t ext4 -d "$work/data" "$work/data.ext4" 16M > "$work/out"
shown=
for path in /run/one /run/two; do
	ctl device add --name data pmem "$work/data.ext4" $path &&
		ctl run --in one -v data:/data "$image" sh -c 'cat /data/file; grep " /data " /proc/self/mountinfo; echo x 2> /dev/null > /data/x || echo refused'
	shown+=$(sed 's/^[0-9].* ext4 \(\/dev\/[a-z]*\)[0-9]* .*/\1/' "$work/out")
	ctl device add pmem "$work/data.ext4" && said 'is PMEM already' "$path" && ctl device ls --json && grep -q '"kind":"pmem"' "$work/out" && ctl device rm data
	shown+=" $code "
done
[ "$shown" = $'mapped\n/dev/pmem\nrefused 0 mapped\n/dev/pmem\nrefused 0 ' ] || { echo "# $shown"; false; }
result $? "device add pmem"

# QEMU takes only whole pages of the largest kind.
mke2fs -q -t ext4 -d "$work/root" "$work/odd.ext4" 65M > "$work/out"
ctl run --in one "$work/odd.ext4" cat /proc/self/mountinfo
[ $code -eq 0 ] && grep -q 'lowerdir=/run/mounts/scsi/m' "$work/out"
result $? "what cannot be PMEM is SCSI"
ctl device add pmem "$work/odd.ext4" && said 'not a file of a multiple of 2 MiB' && ctl device add pmem "$work/none" && said 'none: No such file'
result $? "and is refused as a user's PMEM"

ctl run --in one --verity "$work/odd.ext4" true
[ $code -eq 125 ] && said '--verity' 'used as it is'
result $? "--verity, and nothing that could hold the tree"

# The same UVM sees other files. The flip is in the file's text, in the midst of it.
export XDG_CACHE_HOME=$work/damaged
cp -a "$work/cache" "$XDG_CACHE_HOME"
for disk in "$XDG_CACHE_HOME"/opengcs/layers-2/*; do
	at=$(grep -obaF 'knows, number 2000' "$disk" | head -n 1 | cut -d : -f 1)
	[ -z "$at" ] || { chmod 600 "$disk" && printf 'K' | dd of="$disk" bs=1 seek="$at" conv=notrunc status=none; }
done
# Without the tree it is read as it is: the flip is where we think.
ctl run --in one "$image" sh -c 'cat /text'
[ $code -eq 0 ] && [ "$(cmp -l "$work/out" "$work/upper/text" | wc -l)" -eq 1 ]
result $? "a bit has flipped: without --verity the container reads what is there"
for kind in pmem scsi; do
	ctl run --in one --layers=$kind --verity "$image" cat /text
	[ $code -eq 1 ] && said 'Input/output error' && cmp -n "$(stat -c %s "$work/out")" "$work/out" "$work/upper/text"
	result $? "with --verity, $kind: an I/O error, and nothing that is wrong"
done

ctl down one
ctl up two
ctl run --in two --layers=pmem "$image" true
[ $code -eq 125 ] && said 'started without --layers=pmem'
result $? "PMEM in a UVM that has no room for it"
no_file_left
result $? "no file is left"

finish

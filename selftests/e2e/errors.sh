#!/bin/bash
# SPDX-License-Identifier: MIT
#
# uvmctl run where something is missing or broken: each has its message and its exit code.
. "$(dirname "$0")/lib.sh"
plan 11
uvm_dir=${UVMCTL_UVM:-$top/build/uvm}
make_image "$work/image"
mke2fs -q -t ext4 -d "$work/image" "$work/image.ext4" 64M > "$work/out"

uvm
[ $code -eq 125 ] && said 'no IMAGE given'
result $? "no IMAGE"

uvm --memory 12Q "$work/image.ext4"
[ $code -eq 125 ] && said '--memory 12Q'
result $? "a bad size"

uvm "$work/nothing" true
[ $code -eq 125 ] && said "$work/nothing" 'No such file'
result $? "no such image"

head -c 100000 /dev/zero > "$work/zeros"
uvm "$work/zeros" true
[ $code -eq 125 ] && said "$work/zeros" 'not a directory, a tar or an ext4 file system'
result $? "an image that is not one"

{ tar -C "$work/image" -cf - . | gzip | head -c 100000; } > "$work/cut.tar.gz"
uvm "$work/cut.tar.gz" true
[ $code -eq 125 ] && said "$work/cut.tar.gz" tar
result $? "a tar that is cut short"

mkdir "$work/path"
PATH=$work/path "$uvmctl" run "$work/image.ext4" true > "$work/out" 2> "$work/err" < /dev/null
[ $? -eq 125 ] && said 'no QEMU'
result $? "no QEMU in PATH"

uvm --uvm "$work/path" "$work/image.ext4" true
[ $code -eq 125 ] && said "$work/path/vmlinuz"
result $? "no UVM image"

uvm --kernel-args rdinit=/nothing "$work/image.ext4" true
[ $code -eq 125 ] && said 'the guest to come up' "the end of the guest's console" 'Kernel panic'
result $? "the guest panics: the end of its console is shown"

# The kernel unpacks both parts; the later file wins.
mkdir -p "$work/uvm" "$work/more/bin"
printf '#!/bin/sh\nexit 3\n' > "$work/more/bin/gcs"
chmod +x "$work/more/bin/gcs"
cp "$uvm_dir"/vmlinu[xz] "$work/uvm/"
cp "$uvm_dir/initrd.img" "$work/uvm/"
truncate -s %4 "$work/uvm/initrd.img"
truncate -s +4 "$work/uvm/initrd.img" # the end of an lz4 archive
(cd "$work/more" && printf 'bin/gcs\n' | cpio -o -H newc --quiet) >> "$work/uvm/initrd.img"
uvm --uvm "$work/uvm" "$work/image.ext4" true
[ $code -eq 125 ] && said 'the guest to come up' "the end of the guest's console"
result $? "the agent ends at once"

uvm --boot-timeout 1 --kernel-args rdinit=/bin/busybox "$work/image.ext4" true
[ $code -eq 125 ] && said 'time ran out while waiting for the guest to come up'
result $? "the guest does not come up in time"

no_file_left
result $? "no file is left"

finish

#!/bin/bash
# SPDX-License-Identifier: MIT
#
# What scripts/vhd promises: two builds are the same, the tree is the initrd's, the disks are what others take them for.
set -uo pipefail
. "$(dirname "$0")/check.sh"
PATH=$PATH:/sbin:/usr/sbin
uvm=build/uvm

# As differently as it gets: another time, another directory, another umask, and nothing that root may.
same()
{
	local file

	mkdir "$dir/again" && cp $uvm/initrd.img "$dir/again/" && chmod -R a+rwX "$dir" &&
		(umask 077; TMPDIR=$dir setpriv --reuid 65534 --regid 65534 --clear-groups scripts/vhd "$(cat $uvm/.kernel)" "$dir/again") ||
		return 1
	for file in rootfs.vhd rootfs-verity.vhd rootfs-verity.txt; do
		cmp $uvm/$file "$dir/again/$file" || return 1
	done
}

# properties DIR: what is in it, as a list
properties() { (cd "$1" && find . -mindepth 1 -printf '%p %y %m %U:%G %l\n' | sort); }

tree()
{
	mkdir "$dir/initrd" "$dir/rootfs" &&
		bsdtar -xpf $uvm/initrd.img -C "$dir/initrd" &&
		debugfs -R "rdump / $dir/rootfs" $uvm/rootfs.vhd &&
		rmdir "$dir/rootfs/lost+found" &&
		diff -r --no-dereference "$dir/initrd" "$dir/rootfs" &&
		diff <(properties "$dir/initrd") <(properties "$dir/rootfs")
}

# footer FILE OFFSET LENGTH: bytes of a VHD's footer in hexadecimal
footer() { tail -c 512 "$1" | od -An -v -tx1 -j "$2" -N "$3" | tr -d ' \n'; }

# What the host's converter writes, too: cookie, features, version, no dynamic header, no time, no creator but its version, both sizes,
# no geometry, fixed disk; then the UUID. The checksum is QEMU's to look at.
vhd()
{
	local file=$1 size zero=00000000

	size=$(printf %016x $(($(stat -c %s "$file") - 512)))
	head -c -512 "$file" > "$dir/payload"
	footer "$file" 0 84 > "$dir/footer"
	cat "$dir/footer"
	grep -qE "^636f6e65637469780000000200010000ffffffffffffffff$zero${zero}000a0000$zero$size$size${zero}00000002.{8}$(
		sha256sum < "$dir/payload" | head -c 32)\$" "$dir/footer" || return 1
	[ "$(tail -c 428 "$file" | tr -d '\0' | wc -c)" -eq 0 ] || { echo "something behind the UUID"; return 1; }
	qemu-img compare --image-opts "driver=vpc,force_size_calc=current_size,file.filename=$file" \
		"driver=raw,file.filename=$dir/payload" > "$dir/compared" 2>&1 && grep -qx 'Images are identical.' "$dir/compared" &&
		[ "$(wc -l < "$dir/compared")" -eq 1 ] || { cat "$dir/compared"; return 1; }
}

verity()
{
	local name size data hash digest salt rest

	IFS=' ,' read -r name _ _ _ _ size _ _ _ _ _ _ data hash _ digest salt rest < <(sed 's/,,,/,x,x,/' $uvm/rootfs-verity.txt)
	echo "name $name size $size data $data hash $hash digest $digest salt $salt rest $rest"
	head -c -512 $uvm/rootfs-verity.vhd > "$dir/payload"
	[ "$name" = dmverity ] && [ -z "$rest" ] && [ "$data" -eq "$hash" ] && [ $((data * 8)) -eq "$size" ] &&
		cmp -n $((data * 4096)) "$dir/payload" $uvm/rootfs.vhd || return 1
	set -- veritysetup verify --no-superblock --hash sha256 --data-blocks "$data" --hash-offset $((hash * 4096)) --salt "$salt" \
		"$dir/payload" "$dir/payload" "$digest"
	"$@" || return 1
	printf x | dd of="$dir/payload" bs=1 seek=100000 conv=notrunc
	! "$@"
}

# With these modules on it, it could not be mounted.
refused()
{
	! scripts/vhd 6.1 "$dir" 2> "$dir/said" && cat "$dir/said" && grep -q 'has sd_mod as a module.*KERNEL=lcow' "$dir/said"
}

echo "1..6"
check "two builds are the same, whoever builds" same
check "the tree is the initrd's" tree
check "rootfs.vhd is a fixed VHD whose footer the same content always gives" vhd $uvm/rootfs.vhd
check "rootfs-verity.vhd, too" vhd $uvm/rootfs-verity.vhd
check "the tree of hashes is the one that the text tells" verity
check "a kernel that could not mount it is refused" refused

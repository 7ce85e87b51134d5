#!/bin/bash
# SPDX-License-Identifier: MIT
#
# The image's promises: two builds are the same, everything in it is root's, what must be there is there.
set -uo pipefail
. "$(dirname "$0")/check.sh"

same()
{
	# As differently as it gets: another time, another directory, another umask.
	TMPDIR=$dir scripts/image "$(cat build/uvm/.kernel)" "$dir/one" &&
		(umask 077; scripts/image "$(cat build/uvm/.kernel)" "$dir/two") &&
		diff -r "$dir/one" "$dir/two"
}

# unpacked INITRD: by gzip or lz4, as its kernel takes it
unpacked()
{
	zcat -q "$1" 2> /dev/null || lz4 -q -dc "$1"
}

holds()
{
	local missing=0 path

	unpacked build/uvm/initrd.img | cpio -t --quiet > "$dir/list"
	for path in init bin/gcs bin/vsockexec bin/busybox usr/bin/crun sbin/mkfs.ext4 etc/mke2fs.conf proc sys dev run tmp \
		info/gcs.commit "lib/modules/$(cat "build/kernel/$(cat build/uvm/.kernel)/release")/extra/gcs.ko"; do
		grep -qx "$path" "$dir/list" || { echo "no $path"; missing=1; }
	done
	return $missing
}

# The programs and modules of what can be asked for, none of which are there without.
more()
{
	local missing=0 path

	TMPDIR=$dir WITH='xfs crypt time' scripts/image "$(cat build/uvm/.kernel)" "$dir/more" || return 1
	unpacked "$dir/one/initrd.img" | cpio -t --quiet > "$dir/list"
	unpacked "$dir/more/initrd.img" | cpio -t --quiet > "$dir/more/list"
	for path in sbin/mkfs.xfs usr/sbin/chronyd bin/gcscrypt xfs.ko dm-crypt.ko dm-integrity.ko authenc.ko; do
		grep -qE "(^|/)$path\$" "$dir/more/list" || { echo "no $path"; missing=1; }
		! grep -qE "(^|/)$path\$" "$dir/list" || { echo "$path without being asked for"; missing=1; }
	done
	! WITH=else scripts/image "$(cat build/uvm/.kernel)" "$dir/else" && return $missing
}

owned()
{
	unpacked build/uvm/initrd.img | cpio -tvn --quiet | awk '$3 != 0 || $4 != 0 { print; bad = 1 } END { exit bad }'
}

echo "1..4"
check "two builds are the same" same
check "what the host and the agent need is in it" holds
check "what is asked for is in it, and only then" more
check "everything belongs to 0:0" owned

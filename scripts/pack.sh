# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2154
# Sourced by scripts that make an initrd. $root is the tree that is packed, $kernel the kernel's version in build/kernel.

umask 022

pack_begin()
{
	release=$(cat "build/kernel/$kernel/release")
	root=$(mktemp -d "${TMPDIR:-/tmp}/initrd.XXXXXX")
	trap 'rm -rf "$root"' EXIT
	mkdir -p "$root"/{bin,sbin,usr/bin,usr/sbin,lib,lib64,etc,proc,sys,dev,run,tmp,root,var,info} \
		"$root/lib/modules/$release"
	# The agent keeps its state below /var/run, which must be writable on a read-only root as well.
	ln -s /run "$root/var/run"
}

# add_file SOURCE TARGET [MODE]
add_file()
{
	install -D -m "${3:-644}" "$1" "$root$2"
}

# add_program SOURCE TARGET: the program and the shared libraries that it is linked to
add_program()
{
	local line lib

	add_file "$1" "$2" 755
	# ldd fails for a static program, which needs nothing.
	{ ldd "$1" 2> /dev/null || true; } | while read -r line; do
		case $line in
		*'not found'*) die "$1 needs a library that is not installed: $line" ;;
		*' => /'*) lib=${line#* => } ;;
		/*) lib=$line ;;
		*) continue ;;
		esac
		lib=${lib%% (*}
		[ -e "$root$lib" ] || add_file "$lib" "$lib" 755
	done
}

# our_program NAME: one of ours into /bin, stripped
our_program()
{
	add_program "build/bin/$1" "/bin/$1"
	strip "$root/bin/$1"
}

add_busybox()
{
	local path

	add_file /bin/busybox /bin/busybox 755
	"$root/bin/busybox" --list-full | while read -r path; do
		mkdir -p "$root/$(dirname "$path")"
		[ -e "$root/$path" ] || [ -L "$root/$path" ] || ln -s /bin/busybox "$root/$path"
	done
}

# What the agent gives to busybox's udhcpc.
add_dhcp()
{
	add_file userspace/agent/network/udhcpc_config.script /sbin/udhcpc_config.script 755
}

# What loads the host's drivers. busybox has no flock.
add_drivers()
{
	add_file userspace/drivers/install-drivers.sh /bin/install-drivers 755
	add_program "$(command -v flock)" /usr/bin/flock
}

add_mkfs()
{
	add_program "$(command -v mke2fs || echo /sbin/mke2fs)" /sbin/mke2fs
	ln -s mke2fs "$root/sbin/mkfs.ext4"
	add_file /etc/mke2fs.conf /etc/mke2fs.conf
}

# Disks with xfs: 1.1 MB, 4.7 unpacked.
add_xfs()
{
	add_program "$(command -v mkfs.xfs || echo /sbin/mkfs.xfs)" /sbin/mkfs.xfs
	add_modules demand any xfs
}

# Encrypted disks: 3.4 MB, 8.7 unpacked, most of which is libcrypto. The ciphers that a processor is good at go by aliases, by which
# gcscrypt asks for them.
add_crypt()
{
	our_program gcscrypt
	add_modules demand any dm-crypt dm-integrity authenc xts hmac crypto-aes crypto-sha256
}

# The host's time: 3 MB, 8 unpacked, most of which is libgnutls. Not installed, because it would keep this machine's time. It gives up
# being root.
add_time()
{
	local deb dir

	deb=$(find build/packages -name 'chrony_*.deb' 2> /dev/null | sort -V | tail -n 1)
	[ -n "$deb" ] || deb=$(fetch_deb chrony)
	dir=$(mktemp -d "$root/tmp/chrony.XXXXXX")
	dpkg-deb -x "$deb" "$dir"
	add_program "$dir/usr/sbin/chronyd" /usr/sbin/chronyd
	rm -rf "$dir"
	printf '%s\n' root:x:0:0::/root:/bin/sh _chrony:x:101:101::/:/bin/false > "$root/etc/passwd"
	printf '%s\n' root:x:0: _chrony:x:101: > "$root/etc/group"
}

# What not every UVM needs: it is named in WITH.
add_with()
{
	local part

	for part in ${WITH:-}; do
		case $part in
		crypt | time | xfs) "add_$part" ;;
		*) die "WITH=$part: there are crypt, time and xfs" ;;
		esac
	done
}

add_runtime()
{
	add_program "$(command -v crun)" /usr/bin/crun
	# The agent knows it by this name.
	ln -s crun "$root/usr/bin/runc"
}

list_module()
{
	local list=$root/lib/modules/$release/gcs.modules

	# What an early section has loaded is not loaded again.
	[ "$1" = demand ] || grep -qsE "^(early|$1) ($2|any) $3\$" "$list" || echo "$1 $2 $3" >> "$list"
}

has_module()
{
	/sbin/modprobe -C /dev/null -d "build/kernel/$kernel" -S "$release" --show-depends "$1" > /dev/null 2>&1
}

# add_modules STAGE PLATFORM NAME...: kernel modules and what they depend on, into init's list (userspace/init/modules.c);
# STAGE "demand": only there for the kernel to ask modprobe for
add_modules()
{
	local stage=$1 platform=$2 name action file rest target

	shift 2
	for name in "$@"; do
		# No configuration of this machine: its blacklists are not the VM's.
		/sbin/modprobe -C /dev/null -d "build/kernel/$kernel" -S "$release" --show-depends "$name" > "$root/depends" ||
			die "kernel $release has no module $name"
		while read -r action file rest; do
			[ "$action" = insmod ] || continue
			target=kernel/${file#*/"$release"/kernel/}
			case $target in
			# The initrd is compressed as a whole; and not every kernel takes compressed modules.
			*.xz) target=${target%.xz} ;;
			esac
			if [ ! -e "$root/lib/modules/$release/$target" ]; then
				mkdir -p "$(dirname "$root/lib/modules/$release/$target")"
				case $file in
				*.xz) xz -dc "$file" > "$root/lib/modules/$release/$target" ;;
				*) cp "$file" "$root/lib/modules/$release/$target" ;;
				esac
			fi
			list_module "$stage" "$platform" "$target"
		done < "$root/depends"
	done
	rm "$root/depends"
}

add_gcs_module()
{
	add_file "build/kmod/$kernel/gcs.ko" "/lib/modules/$release/extra/gcs.ko"
	strip --strip-debug "$root/lib/modules/$release/extra/gcs.ko"
	scripts/sign-module "$kernel" "$root/lib/modules/$release/extra/gcs.ko"
	add_modules early any scsi_mod
	list_module early any extra/gcs.ko
}

# pack OUT: the archive of $root; the same tree gives the same bytes. lz4 is unpacked several times as fast as gzip, which all kernels know.
pack()
{
	local out=$1 tree=$root compress=(gzip -n -9)

	! grep -qx CONFIG_RD_LZ4=y "build/kernel/$kernel/headers/.config" || compress=(lz4 -q -l -9)

	mkdir -p "$(dirname "$out")"
	# What modprobe needs in the VM, and no more.
	/sbin/depmod -b "$tree" "$release" 2> /dev/null
	find "$tree/lib/modules/$release" -maxdepth 1 -name 'modules.*' ! -name modules.dep ! -name modules.alias -delete
	# A name that is asked for may be no module of this kernel.
	cp "build/kernel/$kernel/lib/modules/$release/modules.builtin" "$tree/lib/modules/$release/"
	find "$tree" -exec touch -h -d @0 {} +
	(cd "$tree" && find . -mindepth 1 | LC_ALL=C sort | cpio --quiet -o -H newc -R 0:0 --reproducible) |
		"${compress[@]}" > "$out.tmp"
	mv "$out.tmp" "$out"
}

#!/bin/sh
# SPDX-License-Identifier: MIT
# shellcheck shell=dash
#
# install-drivers STATE-DIR DRIVER-DIR: load every kernel module that is anywhere below DRIVER-DIR (storage-and-network.md 11.4). The host
# runs it as /bin/install-drivers, as a process of the VM, when it has mounted a disk with drivers. STATE-DIR says that they are loaded: it is
# made when all of them are. What fails is told on stderr, and what it has loaded until then is taken back.
set -u

fail()
{
	echo "install-drivers: $*" >&2
	exit 1
}

# Modules of this run, the last first.
loaded=
undo()
{
	local module

	[ "$done" ] || for module in $loaded; do
		rmmod "$module" || echo "install-drivers: $module: stays" >&2
	done
}

# load FILE: what it depends on first, be it a driver or a module of the image
load()
{
	local file=$1 name depends module other

	name=$(basename "$file" .ko | tr - _)
	[ ! -d "/sys/module/$name" ] || return 0
	depends=$(modinfo -F depends "$file") || fail "$file: read what it depends on"
	for module in $(echo "$depends" | tr ',-' ' _'); do
		other=$(echo "$drivers" | sed -n "s/^$module //p")
		if [ "$other" ]; then
			load "$other"
		else
			modprobe "$module" || fail "$file: needs $module, which cannot be loaded"
		fi
	done
	insmod "$file" || fail "$file: load it"
	loaded="$name $loaded"
}

[ $# -eq 2 ] || fail 'usage: install-drivers STATE-DIR DRIVER-DIR'
state=$1 dir=$2 done=
# One after the other, whatever drivers they are.
exec 9< /run
flock 9 || fail 'wait for another'
[ ! -d "$state" ] || exit 0
[ -d "$dir" ] || fail "$dir: not a directory"

# Lines of NAME FILE; of two of a name only the first counts.
drivers=$(find "$dir" -type f -name '*.ko' | while read -r file; do
	echo "$(basename "$file" .ko | tr - _) $file"
done | sort -u -k 1,1)
[ "$drivers" ] || fail "$dir: no kernel module there"
trap undo EXIT
while read -r name file; do
	load "$file"
done << end
$drivers
end
mkdir -p "$state" || fail "$state: make it"
done=1

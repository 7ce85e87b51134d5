# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# Sourced by the other scripts: messages, our version, where the system gets Debian from, and what of a kernel is booted.

me=${0##*/}
say() { printf '  %-7s %s\n' "$1" "$2"; }
die() { printf '%s: %s\n' "$me" "$*" >&2; exit 1; }

# version: ours, from the one place where it is written
version() { sed -n 's/^PACKAGE_VERSION="\(.*\)"/\1/p' kmod/dkms.conf; }

# boot_file DIR: of the kernel in DIR what QEMU starts: vmlinux if it starts as it is (PVH), or else vmlinuz
boot_file()
{
	if [ -e "$1/vmlinux" ] && grep -qx CONFIG_PVH=y "$1/headers/.config"; then
		echo "$1/vmlinux"
	else
		echo "$1/vmlinuz"
	fi
}

# codename: the Debian release of this machine, such as bookworm
codename()
{
	. /etc/os-release
	[ "${ID:-}" = debian ] && [ -n "${VERSION_CODENAME:-}" ] ||
		die "this machine runs ${PRETTY_NAME:-an unknown system}; packages are taken from Debian's apt"
	printf '%s\n' "$VERSION_CODENAME"
}

# debian_source SUITE: the entry of the system's apt configuration that names the Debian mirror, with SUITE instead of
# its own suites and component main: mirror, options and keyring stay as the administrator set them.
debian_source()
{
	local entry file nr release

	release=$(codename)
	entry=$(apt-get indextargets --format '$(RELEASE) $(COMPONENT) $(SOURCESENTRY)' 'Created-By: Packages' |
		awk -v r="$release" '$1 == r && $2 == "main" { print $3; exit }')
	[ -n "$entry" ] || die "the system's apt configuration has no source for Debian $release, component main"
	file=${entry%:*} nr=${entry##*:}
	case $file in
	*.sources) # deb822: the number counts stanzas
		awk -v RS= -v nr="$nr" 'NR == nr' "$file" | awk -v suite="$1" '
			/^#/ { next }
			/^[^ \t]/ { key = tolower($1); skip = 0 }
			key == "types:" { if (/^[^ \t]/) print "Types: deb"; skip = 1 }
			key == "suites:" { if (/^[^ \t]/) print "Suites: " suite; skip = 1 }
			key == "components:" { if (/^[^ \t]/) print "Components: main"; skip = 1 }
			!skip' ;;
	*) # one line: deb [options] URI suite component...
		sed -n "${nr}p" "$file" | sed -E "s/^(deb +(\[[^]]*\] +)?[^ ]+) .*/\1 $1 main/" ;;
	esac
}

# fetch_deb PACKAGE: its file in build/packages, whose path is printed. apt checks what it downloads against the signed index, a file from
# an earlier run as well.
fetch_deb()
{
	mkdir -p build/packages
	(cd build/packages && apt-get -q -o APT::Sandbox::User=root download "$1" > "$1.log" 2>&1) ||
		{ cat "build/packages/$1.log" >&2; die "$1: download failed"; }
	find build/packages -name "$1_*.deb" | sort -V | tail -n 1
}

# use_backports STATE [too]: make the array apt, options for apt-get and apt-cache, see backports alone, and nothing as installed;
# with "too" besides what the system's apt sees. Lists and cache are in the directory STATE: the system's own are not touched.
use_backports()
{
	local state=$1 suite list

	suite=$(codename)-backports
	rm -rf "$state/etc"
	mkdir -p "$state"/{lists/partial,cache/archives/partial,etc}
	[ -z "${2:-}" ] || find /etc/apt/sources.list /etc/apt/sources.list.d -type f -exec cp -t "$state/etc" {} + 2> /dev/null || true
	list=$(debian_source "$suite")
	if [[ $list == "deb "* ]]; then
		printf '%s\n' "$list" > "$state/etc/backports.list"
	else
		printf '%s\n' "$list" > "$state/etc/backports.sources"
	fi
	apt+=(-o Dir::Etc::sourcelist=/dev/null -o Dir::Etc::sourceparts="$state/etc" -o Dir::State="$state"
		-o Dir::State::lists="$state/lists" -o Dir::Cache="$state/cache")
	[ -n "${2:-}" ] && apt+=(-o Dir::State::status=/var/lib/dpkg/status) || apt+=(-o Dir::State::status=/dev/null)
	say APT "$suite"
	apt-get "${apt[@]}" update > "$state/update.log" 2>&1 || { cat "$state/update.log" >&2; die "apt-get update for $suite failed"; }
}

#!/bin/bash
# SPDX-License-Identifier: MIT
#
# The packages of `make deb`: lintian finds no error, two builds are the same, and on a Debian with nothing else they are installed, work, and
# leave nothing when they are removed. The Debian is made by mmdebstrap from the system's own mirror; needs root.
set -uo pipefail
. "$(dirname "$0")/check.sh"

same()
{
	local file

	TMPDIR=$dir scripts/deb/build "$dir/again" || return 1
	for file in build/deb/*.deb; do
		cmp "$file" "$dir/again/${file##*/}" || return 1
	done
}

# In the new Debian, as root; what has been done is left in /steps.
cat > "$dir/steps" << 'END'
set -ex
export DEBIAN_FRONTEND=noninteractive
find / -xdev ! -path '/var/*' ! -path '/proc/*' ! -path '/tmp/*' | grep -E 'gcs|uvmctl' | sort > /tmp/before
apt-get -q install -y --no-install-recommends /debs/opengcs_*.deb /debs/opengcs-dkms_*.deb /debs/uvmctl_*.deb
echo installed >> /steps
/usr/lib/opengcs/guest/bin/gcs -version | grep "^gcs $1\$"
/usr/lib/opengcs/guest/bin/gcscrypt 2>&1 | grep -i usage
! /usr/lib/opengcs/guest/bin/vsockexec
uvmctl --help | grep run
for man in man1/uvmctl.1 man4/gcs.4 man8/gcs.8 man8/gcscrypt.8; do test -s /usr/share/man/$man.gz; done
echo works >> /steps
release=$(ls /lib/modules)
dkms status gcs/$1 -k $release | grep installed
modinfo -k $release gcs | grep -x "version: *$1"
echo built >> /steps
apt-get -q purge -y opengcs opengcs-dkms uvmctl
find / -xdev ! -path '/var/*' ! -path '/proc/*' ! -path '/tmp/*' | grep -E 'gcs|uvmctl' | sort | diff /tmp/before -
echo removed >> /steps
END

debian()
{
	debian_source "$(codename)" > "$dir/debian.sources"
	mmdebstrap --quiet --variant=apt --format=null --include=dkms,linux-headers-cloud-amd64,man-db \
		--customize-hook='mkdir "$1/debs"' --customize-hook="copy-in $(echo "$PWD"/build/deb/*.deb) /debs" --customize-hook="copy-in $dir/steps /tmp" \
		--customize-hook="chroot \"\$1\" sh /tmp/steps $1 || { cp \"\$1/steps\" $dir/done; false; }" \
		--customize-hook="cp \"\$1/steps\" $dir/done" \
		"$(codename)" "$dir/null" "$dir/debian.sources"
}

version=$(version)
step() { grep -qx "$1" "$dir/done" || { cat "$dir/said"; return 1; }; }
echo "1..6"
check "lintian finds no error" lintian --fail-on error build/deb/*.deb
check "two builds are the same" same
debian "$version" > "$dir/said" 2>&1 || true
touch "$dir/done"
check "all packages are installed" step installed
check "their programs start, their pages are there" step works
check "gcs.ko is built by DKMS" step built
check "removed they leave nothing" step removed

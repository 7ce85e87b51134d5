#!/bin/bash
# SPDX-License-Identifier: MIT
#
# What scripts/dist packs: complete, with a list of contents that is right, and the same when it is built again somewhere else.
set -uo pipefail
. "$(dirname "$0")/check.sh"
version=$(version)
dist=$PWD/build/dist/opengcs-$version kernel=$(cat build/uvm/.kernel)

# Unpacked, it is what its checksums say, and nothing is there that they do not know.
complete()
{
	mkdir "$dir/unpacked" && tar -xzf "$dist.tar.gz" -C "$dir/unpacked" && cd "$dir/unpacked/opengcs-$version" &&
		sha256sum --quiet -c SHA256SUMS &&
		diff <(cut -c 67- SHA256SUMS) <(find . -type f ! -name SHA256SUMS -printf '%P\n' | LC_ALL=C sort) &&
		diff -r . "$dist"
}

# What the host loads is what has been tried: see boot_test.
tried()
{
	cmp "$dist/LinuxBootFiles/kernel" build/uvm/vmlinuz && cmp "$dist/LinuxBootFiles/initrd.img" build/uvm/initrd.img &&
		cmp "$dist/LinuxBootFiles/rootfs.vhd" build/uvm/rootfs.vhd &&
		cmp "$dist/LinuxBootFiles-verity/rootfs.vhd" build/uvm/rootfs-verity.vhd &&
		cmp "$dist/LinuxBootFiles-verity/dm-mod.create.txt" build/uvm/rootfs-verity.txt &&
		[ "$(modinfo -F version "$dist/gcs.ko")" = "$version" ] &&
		[[ $(modinfo -F vermagic "$dist/gcs.ko") == "$(cat "build/kernel/$kernel/release") "* ]] &&
		cmp "$dist/LinuxBootFiles/vmlinux" build/uvm/vmlinux
}

# The sources in another place, compiled again at another time.
again()
{
	local file

	mkdir -p "$dir/again/build/kernel" &&
		{ cp -al "build/kernel/$kernel" "$dir/again/build/kernel" 2> /dev/null || cp -a "build/kernel/$kernel" "$dir/again/build/kernel"; } &&
		git ls-files -co --exclude-standard | cpio -pd --quiet "$dir/again" && ln -s "$PWD/.git" "$dir/again/.git" &&
		make -s -j2 -C "$dir/again" dist KERNEL="$kernel" WITH="$(cat build/uvm/.with)" > "$dir/make" 2>&1 ||
		{ tail -n 30 "$dir/make"; return 1; }
	(cd "$dir/again/build/dist" && find . -type f) > "$dir/built"
	while read -r file; do
		cmp "$dir/again/build/dist/$file" "build/dist/$file" || echo "$file" >> "$dir/differ"
	done < "$dir/built"
	[ -s "$dir/built" ] && [ ! -e "$dir/differ" ]
}

sbom=$dist/sbom.spdx.json

# ask FILTER: true in the SBOM
ask() { jq -e "$1" "$sbom" > "$dir/answer" || { echo "not so: $1"; return 1; }; }

# SPDX 2.3, "Composition of an SPDX document" and on: what must be there, once, and what it may point to.
structure()
{
	ask '.spdxVersion == "SPDX-2.3" and .dataLicense == "CC0-1.0" and .SPDXID == "SPDXRef-DOCUMENT" and (.name | length > 0)' &&
		ask '.documentNamespace | test("^https://[^#]+$")' &&
		ask '.creationInfo | (.created | test("^[0-9]{4}(-[0-9]{2}){2}T[0-9]{2}(:[0-9]{2}){2}Z$")) and (.creators | length > 0)' &&
		ask '.packages | all(.name and .versionInfo and .downloadLocation and .licenseDeclared and .licenseConcluded and .copyrightText)' &&
		ask '.files | all((.fileName | startswith("./")) and (.checksums | map(.algorithm) | contains(["SHA1"])))' &&
		ask '[.SPDXID, .packages[].SPDXID, .files[].SPDXID] | all(test("^SPDXRef-[A-Za-z0-9.-]+$")) and (length == (unique | length))' &&
		ask '[.SPDXID, .packages[].SPDXID, .files[].SPDXID] as $ids |
			[.relationships[] | .spdxElementId, .relatedSpdxElement], .packages[0].hasFiles | all(. as $id | $ids | index($id))' &&
		ask '[.relationships[] | select(.relationshipType == "DESCRIBES")] | length == 1' &&
		ask '.packages | map(select(.filesAnalyzed)) | length == 1 and all(.packageVerificationCode and .hasFiles)' &&
		ask '[.packages[].externalRefs[]?.referenceLocator] | length > 5 and all(test("^pkg:deb/debian/[a-z0-9.%A-F-]+@[^:+]+\\?arch=")) ' &&
		ask '[.packages[].licenseDeclared | scan("LicenseRef-[A-Za-z0-9.-]+")] as $used | [.hasExtractedLicensingInfos[].licenseId] as $told |
			($used | unique) == ($told | unique) and ($told | length) == ($told | unique | length)' &&
		ask '.hasExtractedLicensingInfos | all(.extractedText | length > 0)'
}

# What it says of files and packages is so.
contents()
{
	mkdir "$dir/tree" && bsdtar -xpf build/uvm/initrd.img -C "$dir/tree" &&
		jq -r '.files[] | "\(.checksums[] | select(.algorithm == "SHA256").checksumValue)  \(.fileName)"' "$sbom" > "$dir/sums" &&
		(cd "$dir/tree" && sha256sum --quiet -c "$dir/sums" && diff <(cut -c 67- "$dir/sums" | sort) <(find . -type f | sort)) &&
		jq -r '.packages[] | select(.externalRefs) | "\(.name) \(.versionInfo)"' "$sbom" > "$dir/packages" &&
		grep -q '^crun ' "$dir/packages" && grep -q '^libc6 ' "$dir/packages" || return 1
	while read -r name packaged; do
		[ "$(dpkg-query -W -f '${Version}' "$name:amd64")" = "$packaged" ] && [ -s "$dist/licenses/$name" ] || { echo "$name"; return 1; }
	done < "$dir/packages"
	# What the agent does not load from the image is inside.
	! readelf -d "$dir/tree/bin/gcs" | grep NEEDED | grep 'libnl\|libjson\|libmd' &&
		ask '[.relationships[] | select(.relationshipType == "STATIC_LINK").relatedSpdxElement] | length == 6 and
			index("SPDXRef-Package-libnl-route-3-dev") and index("SPDXRef-Package-libjson-c-dev")' || return 1
	[ "$(jq -r '.packages[] | select(.name == "linux") | .checksums[0].checksumValue' "$sbom")" = \
		"$(sha256sum < build/uvm/vmlinuz | cut -d ' ' -f 1)" ]
}

# Each name is in SPDX's list, or ours and explained.
expressions()
{
	jq -r '.packages[].licenseDeclared | select(. != "NOASSERTION")' "$sbom" | /usr/bin/python3 -c '
import sys
from license_expression import get_spdx_licensing
spdx = get_spdx_licensing()
read = 0
for line in sys.stdin:
    errors = spdx.validate(line.strip()).errors
    names = [n for e in errors for n in e.removeprefix("Unknown license key(s): ").split(", ")]
    bad = [n for n in names if not n.startswith("LicenseRef-")]
    read += 1
    if bad:
        sys.exit("%s: %s" % (line.strip(), bad))
sys.exit(0 if read > 5 else "no license at all")'
}

echo "1..6"
check "it is what its checksums say" complete
check "it holds what has been tried" tried
check "the SBOM is an SPDX 2.3 document" structure
check "the SBOM's files and packages are those of the image" contents
check "the SBOM's licenses are in SPDX's list or explained" expressions
check "built again somewhere else it is the same" again

# SPDX-License-Identifier: MIT
# For scripts/sbom: its tables as an SPDX document.

def rows($text): $text | split("\n") | map(select(. != "") | split("\t"));
def words: gsub("[^A-Za-z0-9.-]+"; "-");
def plain: sub(":.*"; "");

# --- licenses: Debian's names to SPDX's -------------------------------------------------------

def names: {
	"expat": "MIT", "mit": "MIT", "isc": "ISC", "zlib": "Zlib", "x11": "X11", "beerware": "Beerware", "fsful": "FSFUL", "fsfullr": "FSFULLR",
	"bsd-2-clause": "BSD-2-Clause", "bsd-3-clause": "BSD-3-Clause", "bsd-4-clause": "BSD-4-Clause", "bsd-2-clause-netbsd": "BSD-2-Clause",
	"apache-2": "Apache-2.0", "apache-2.0": "Apache-2.0", "cc0": "CC0-1.0", "cc0-1.0": "CC0-1.0", "artistic": "Artistic-1.0-Perl",
	"latex2e": "Latex2e", "gpl": "GPL-1.0-or-later", "lgpl": "LGPL-2.0-or-later"
};
def exception($base): { "linux-syscall-note": "Linux-syscall-note", "libtool": "Libtool-exception",
	"autoconf": (if $base | startswith("GPL-3") then "Autoconf-exception-3.0" else "Autoconf-exception-2.0" end) }[ascii_downcase];
# null: it is not in SPDX's list
def known: names[ascii_downcase] // (capture("^(?<family>L?GPL)-(?<major>[123])(?<minor>\\.[01])?(?<later>\\+?)$") //
	null | if . then "\(.family)-\(.major)\(.minor // ".0")-\(if .later == "" then "only" else "or-later" end)" else null end);
def reference($package): "LicenseRef-\($package)-\(gsub("[+]"; "-or-later") | words)";
def term($package): . as $name | (capture("^(?<base>.*) with (?<exception>[^ ]+) exception$") // null) as $with |
	if $with then ($with.base | known) as $base | ($with.exception | exception($base // "")) as $exception |
		if $base and $exception then "\($base) WITH \($exception)" else reference($package) end
	else known // reference($package) end;
def terms: [splits(" *,? +(and|or|and/or) +")];
def expression($package): if test(" or ") then "(" + ([splits(" *,? +or +") | terms | map(term($package)) | join(" AND ")] | join(" OR ")) + ")"
	else terms | map(term($package)) | join(" AND ") end;

(rows($licenses) | map({ package: .[0], kind: .[1], name: .[2], text: (.[3] // "" | gsub("\\\\n"; "\n")) })) as $licenses |
def declared($package): [$licenses[] | select(.package == $package and .kind == "used") | .name | expression($package)] | unique |
	if length > 0 then join(" AND ") else "NOASSERTION" end;
def text($package; $name): [$licenses[] | select(.package == $package and .kind == "text" and .name == $name) | .text][0] //
	"See licenses/\($package).";
# The terms that are none of SPDX's.
[$licenses[] | select(.kind == "used") | .package as $package | .name | terms[] | select(term($package) | startswith("LicenseRef-")) |
	{ licenseId: reference($package), name: ., extractedText: text($package; .) }] as $others |

# --- packages and files -----------------------------------------------------------------------

def package($name; $version): {
	SPDXID: "SPDXRef-Package-\($name | words)", name: $name, versionInfo: $version, downloadLocation: "NOASSERTION",
	filesAnalyzed: false, licenseConcluded: "NOASSERTION", copyrightText: "NOASSERTION"
};
(rows($files) | map({
	SPDXID: "SPDXRef-File-\(.[0] | words)-\(.[2][:8])", fileName: "./\(.[0])", package: (.[3] | plain),
	checksums: [{ algorithm: "SHA1", checksumValue: .[1] }, { algorithm: "SHA256", checksumValue: .[2] }],
	licenseConcluded: "NOASSERTION", licenseInfoInFiles: ["NOASSERTION"], copyrightText: "NOASSERTION"
})) as $files |
([
	package("opengcs"; $version) + {
		licenseDeclared: "MIT AND GPL-2.0-only AND GPL-2.0-only WITH Linux-syscall-note AND GPL-2.0-or-later",
		sourceInfo: "commit \($commit); gcs.ko is GPL-2.0-only, gcscrypt is linked with libraries that are GPL-2.0-or-later, gcs has libnl inside, which is LGPL-2.1-only"
	},
	package("linux"; $linux) + {
		licenseDeclared: "GPL-2.0-only WITH Linux-syscall-note", supplier: "Organization: Debian",
		packageFileName: "vmlinuz", checksums: [{ algorithm: "SHA256", checksumValue: $kernel }],
		sourceInfo: "built from Debian's source package linux, release \($release)"
	}
] + (rows($facts) | map(. as [$name, $version, $arch, $source, $source_version, $using] | package($name; $version) + {
	licenseDeclared: declared($name), supplier: "Organization: Debian",
	sourceInfo: "built from Debian's source package \($source) \($source_version)\(if $using != "" then ", using \($using)" else "" end)",
	externalRefs: [{
		referenceCategory: "PACKAGE-MANAGER", referenceType: "purl",
		referenceLocator: "pkg:deb/debian/\($name | @uri)@\($version | @uri)?arch=\($arch)&distro=debian"
	}]
}))) as $packages |
{
	spdxVersion: "SPDX-2.3", dataLicense: "CC0-1.0", SPDXID: "SPDXRef-DOCUMENT", name: "opengcs-uvm-\($version)",
	documentNamespace: "https://spdx.org/spdxdocs/opengcs-uvm-\($version)-\($id)",
	creationInfo: { created: $time, creators: ["Tool: opengcs-sbom-\($version)"] },
	packages: ([package("opengcs-uvm"; $version) + {
		filesAnalyzed: true, packageVerificationCode: { packageVerificationCodeValue: $code },
		licenseDeclared: "NOASSERTION", licenseInfoFromFiles: ["NOASSERTION"], hasFiles: ($files | map(.SPDXID)),
		comment: "The root file system of the utility VM: initrd.img, and the same as rootfs.vhd and rootfs-verity.vhd."
	}] + $packages),
	files: ($files | map(del(.package))),
	hasExtractedLicensingInfos: ($others | unique_by(.licenseId)),
	relationships: ([
		{ spdxElementId: "SPDXRef-DOCUMENT", relationshipType: "DESCRIBES", relatedSpdxElement: "SPDXRef-Package-opengcs-uvm" },
		# init and vsockexec have libc inside, gcs has the others.
		(("libc6", $ARGS.positional[]) |
			{ spdxElementId: "SPDXRef-Package-opengcs", relationshipType: "STATIC_LINK", relatedSpdxElement: "SPDXRef-Package-\(words)" })
	] + ($packages | map(select(.name | IN($ARGS.positional[]) | not) | {
		spdxElementId: "SPDXRef-Package-opengcs-uvm", relationshipType: "CONTAINS", relatedSpdxElement: .SPDXID
	})) + ($files | map({
		spdxElementId: .SPDXID, relationshipType: "GENERATED_FROM", relatedSpdxElement: "SPDXRef-Package-\(.package | words)"
	})))
}

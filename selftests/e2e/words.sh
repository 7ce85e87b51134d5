#!/bin/bash
# SPDX-License-Identifier: MIT
#
# The documentation's examples: every command in a block of README.md and Documentation/*.md that is fenced as "console", and in an .EX
# block of a man page, is run, from the top of the tree, and shows what the page says. A command's line begins with "$ "; "..." in the
# output stands for anything. cram runs them.
. "$(dirname "$0")/lib.sh"
export PATH=$top/build/bin:$PATH XDG_CACHE_HOME=$work/cache UVMCTL_STATE=$work/state
trap '"$uvmctl" down -f > "$work/out" 2>&1; rm -rf "$work"' EXIT

# Of pages: indented for cram. Of man pages: what troff makes of it.
examples() {
	case $1 in
	*.md) awk '/^```/ { in_block = /^```console$/; print ""; next } in_block' "$1" ;;
	*) awk '/^\.EX/ { in_block = 1; print ""; next } /^\.EE/ { in_block = 0 } in_block' "$1" |
		sed 's/\\-/-/g; s/\\(aq/'\''/g; s/\\\[dq\]/"/g; s/\\&//g; s/\\e/\\/g' |
		awk -v RS= '/^\$ /' ;; # a paragraph that is a session
	esac | awk '
		/^[$>] / || !/\.\.\./ { print $0 == "" ? "" : "  " $0; next }
		{ gsub(/[*?\\]/, "\\\\&"); gsub(/\.\.\./, "*"); print "  " $0 " (glob)" }'
}

# What the examples of man pages find in their directory.
make_image "$work/image"
for applet in httpd ps sleep tar uname; do ln -s busybox "$work/image/bin/$applet"; done
mkdir "$work/here" "$work/image/www"
echo hello > "$work/image/www/index.html"
echo 'remember the milk' > "$work/here/notes"
tar -C "$work/image" -cf "$work/here/rootfs.tar" .
{
	umoci init --layout "$work/here/images" && umoci new --image "$work/here/images:web-1.2" &&
		umoci raw add-layer --image "$work/here/images:web-1.2" "$work/here/rootfs.tar"
} > "$work/err" 2>&1

pages=()
for page in "$top"/README.md "$top"/Documentation/*.{md,[1-8]}; do
	name=$(basename "$page")
	[[ $name == *.md ]] && here=$top || here=$work/here
	{ printf '  $ cd "%s"\n' "$here"; examples "$page"; } > "$work/$name.t"
	! grep -q '^  \$ ' <(tail -n +2 "$work/$name.t") || pages+=("$name")
done

plan $((${#pages[@]} + 1))
for name in "${pages[@]}"; do
	cram3 --shell=/bin/bash --shell-opts= "$work/$name.t" > "$work/err" 2>&1 < /dev/null
	result $? "$name: every command shows what it says"
done
no_file_left
result $? "no file is left"
finish

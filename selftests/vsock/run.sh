#!/bin/bash
# SPDX-License-Identifier: MIT
#
# The vsock backend with a real guest: uvmctl vsock-backend, the peer on this side, vsock_guest in the test VM. The
# VM's KTAP report goes to stdout. Needs `make -f selftests/vsock/Makefile vsock-tests`.
set -eu
cd "$(dirname "$0")/../.."
t=build/test/vsock
work=$(mktemp -d "${TMPDIR:-/tmp}/vsock.XXXXXX")
pids=
trap 'kill $pids 2> /dev/null || true; rm -rf "$work"' EXIT

# started NAME COMMAND...: run in the background and return when it has said its first line
started() {
	local name=$1

	shift
	mkfifo "$work/$name"
	"$@" > "$work/$name" &
	pids="$pids $!"
	exec {said}< "$work/$name"
	read -r -t 30 _ <&"$said"
}

started peer "$t/vsock_peer" "$work/v"
started backend build/bin/uvmctl vsock-backend "$work/socket" "$work/v"
scripts/test-initrd "$work/initrd" "$t/vsock_guest"
scripts/vm --vhost-user-vsock "$work/socket" --timeout 240 "$work/initrd" vsock_guest

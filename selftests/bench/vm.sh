#!/bin/bash
# SPDX-License-Identifier: MIT
#
# vm.sh INITRD KERNEL PROGRAM...: bench programs in a VM, with host_peer on this machine behind uvmctl's vsock backend
set -euo pipefail
cd "$(dirname "$0")/../.."
initrd=$1 kernel=$2
shift 2

dir=$(mktemp -d "${TMPDIR:-/tmp}/bench.XXXXXX")
pids=()
trap 'kill "${pids[@]}" 2>/dev/null || :; wait; rm -rf "$dir"' EXIT

port=5000
build/test/host_peer "$dir/vsock" $port &
pids+=($!)
build/bin/uvmctl vsock-backend "$dir/socket" "$dir/vsock" &
pids+=($!)
scripts/vm --kernel "$kernel" --timeout 600 --vhost-user-vsock "$dir/socket" "$initrd" BENCH_PORT=$port "$@"

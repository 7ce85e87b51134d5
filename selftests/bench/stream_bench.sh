#!/bin/bash
# SPDX-License-Identifier: MIT
#
# stream_bench.sh INITRD KERNEL [NAME=VALUE...]: stream_bench in a VM, to a reader on this machine through uvmctl's vsock backend
set -euo pipefail
cd "$(dirname "$0")/../.."
initrd=$1 kernel=$2
shift 2

dir=$(mktemp -d "${TMPDIR:-/tmp}/bench.XXXXXX")
pids=()
trap 'kill "${pids[@]}" 2>/dev/null || :; wait; rm -rf "$dir"' EXIT

port=5000
build/test/host_reader "$dir/vsock_$port" &
pids+=($!)
build/bin/uvmctl vsock-backend "$dir/socket" "$dir/vsock" &
pids+=($!)
scripts/vm --kernel "$kernel" --timeout 300 --vhost-user-vsock "$dir/socket" "$initrd" BENCH_PORT=$port "$@" stream_bench

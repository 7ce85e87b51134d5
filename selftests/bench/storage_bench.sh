#!/bin/bash
# SPDX-License-Identifier: MIT
#
# storage_bench.sh INITRD KERNEL [NAME=VALUE...]: storage_bench in a VM with the tests' disks, to which it adds a PMEM device itself
set -euo pipefail
cd "$(dirname "$0")/../.."
initrd=$1 kernel=$2
shift 2
disks=build/test/disks
scratch=$(mktemp "${TMPDIR:-/tmp}/scratch.XXXXXX")
trap 'rm -f "$scratch"' EXIT
cp --sparse=always $disks/empty "$scratch"
scripts/vm --kernel "$kernel" --timeout 600 --memory 768 --hotplug --disk $disks/layer.ext4,ro --disk "$scratch" \
	--disk $disks/garbage --disk $disks/verity.ext4,ro "$initrd" "$@" storage_bench

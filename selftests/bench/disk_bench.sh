#!/bin/bash
# SPDX-License-Identifier: MIT
#
# disk_bench.sh INITRD KERNEL [NAME=VALUE...]: disk_bench in a VM with a layer's disk, to which it adds disks itself
set -euo pipefail
cd "$(dirname "$0")/../.."
initrd=$1 kernel=$2
shift 2
[ -e build/test/disks/layer.ext4 ] || scripts/disks build/test/disks
exec scripts/vm --kernel "$kernel" --timeout 600 --memory 768 --hotplug --disk build/test/disks/layer.ext4,ro "$initrd" "$@" disk_bench

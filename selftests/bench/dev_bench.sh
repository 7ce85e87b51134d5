#!/bin/bash
# SPDX-License-Identifier: MIT
#
# dev_bench.sh INITRD KERNEL [NAME=VALUE...]: dev_bench in a VM to which it adds disks itself
set -euo pipefail
cd "$(dirname "$0")/../.."
initrd=$1 kernel=$2
shift 2
exec scripts/vm --kernel "$kernel" --timeout 600 --hotplug "$initrd" "$@" dev_bench

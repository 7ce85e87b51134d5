#!/bin/bash
# SPDX-License-Identifier: MIT
#
# bench.sh: what `make bench` measures. Tables on stdout, the same as JSON in build/bench.json, a picture in build/bench.svg.
#
#   programs  *_bench.c of this folder, in one VM, with a peer on this machine; NAME_bench.sh INITRD KERNEL [NAME=VALUE...], where
#             it exists, runs its program itself and prints the same
#   agent     CPU time while a container writes 256 MiB, RSS when idle, size of the stripped binary, memory used in the VM
#   boot      QEMU's start to NegotiateProtocol answered, by phase
#
# At the end each figure against its bar, which is in Documentation/SPECIFICATION.md. A bar that is missed is no failure: these machines
# are noisy. Compare the ratios within one run.
set -euo pipefail
cd "$(dirname "$0")/../.."
. scripts/apt.sh

kernel=${KERNEL:-6.1}
rounds=${ROUNDS:-5}
[ "$rounds" -ge 5 ] || die "ROUNDS=$rounds: a median is of at least 5"
uvmctl=build/bin/uvmctl
rootfs=build/demo/busybox
tmp=$(mktemp -d "${TMPDIR:-/tmp}/bench.XXXXXX")
trap 'rm -rf "$tmp"' EXIT

median() { sort -g | awk '{ v[NR] = $1 } END { if (NR) print NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2 }'; }

# figure KEY FILE...: the median of a number in uvmctl's --timing files
figure()
{
	local key=$1

	shift
	sed -n "s/^ *\"$key\": *\([0-9.]*\),\{0,1\}\$/\1/p" "$@" | median | grep . || die "uvmctl measured no $key"
}

[ -e $rootfs ] || scripts/rootfs $rootfs

# A program that needs more than a VM that stands still has a script that runs it.
programs=() scripts=()
for source in selftests/bench/*_bench.c; do
	name=$(basename "$source" .c)
	[ -e "selftests/bench/$name.sh" ] && scripts+=("$name.sh") || programs+=("$name")
done
[ -n "${ROUNDS:-}" ] && settings=(BENCH_ROUNDS="$rounds") || settings=()
selftests/bench/vm.sh build/test/bench.img "$kernel" "${settings[@]}" "${programs[@]}" > "$tmp/report" ||
	{ cat "$tmp/report" >&2; die "a bench program failed"; }
for script in "${scripts[@]}"; do
	"selftests/bench/$script" build/test/bench.img "$kernel" "${settings[@]}" >> "$tmp/report" ||
		{ cat "$tmp/report" >&2; die "$script failed"; }
done
# KTAP indents what a test program says.
sed -n 's/^    # //p' "$tmp/report" > "$tmp/lines"
grep -vE '^(json|figure) ' "$tmp/lines" | sed '/:.*medians of/s/^/\n/'
results=$(sed -n 's/^json \({"bench".*\)/\1/p' "$tmp/lines" | paste -sd,)
sed -n 's/^figure //p' "$tmp/lines" > "$tmp/figures"

for i in $(seq "$rounds"); do
	# Also what a container costs the agent that writes nothing: to be taken off.
	$uvmctl run --timing "$tmp/boot.$i" $rootfs dd if=/dev/zero bs=64k count=0 2> /dev/null
	$uvmctl run --timing "$tmp/out.$i" $rootfs dd if=/dev/zero bs=64k count=4096 2> /dev/null > /dev/null
	$uvmctl run --no-kmod --timing "$tmp/relay.$i" $rootfs dd if=/dev/zero bs=64k count=4096 2> /dev/null > /dev/null
	# The same boot with the kernel's time stamps of init's steps.
	$uvmctl run --debug --kernel-args loglevel=6 $rootfs cat /proc/meminfo 2> "$tmp/console.$i" > "$tmp/meminfo.$i"
done

idle_cpu=$(figure agent_threads_cpu_ms "$tmp"/boot.*)
cpu=$(figure agent_threads_cpu_ms "$tmp"/out.*)
relay_cpu=$(figure agent_threads_cpu_ms "$tmp"/relay.*)
rss=$(figure agent_rss_kib "$tmp"/boot.*)
used=$(for file in "$tmp"/meminfo.*; do
	awk '/^MemTotal:/ { total = $2 } /^MemAvailable:/ { print (total - $2) / 1024 }' "$file"
done | median | grep .) || die "the VM has not told its memory"
strip -o "$tmp/gcs" build/bin/gcs
size=$(stat -c %s "$tmp/gcs")

# As bench_figure() of the programs.
{
	echo "agent: CPU ms for 256 MiB of stdout|$(awk "BEGIN { print $cpu - $idle_cpu }")"
	echo "agent: RSS when idle, KiB|$rss"
	echo "VM of 1 GiB with a container: memory used, MiB|$used"
	echo "agent: stripped binary, KiB|$(awk "BEGIN { print $size / 1024 }")"
} >> "$tmp/figures"

echo
echo "Agent"
row() { printf '  %-46s %10.1f %s\n' "$1" "$2" "$3"; }
row "CPU time, container that writes 256 MiB" "$cpu" ms
row "the same container writing nothing" "$idle_cpu" ms
row "writing 256 MiB without gcs.ko" "$relay_cpu" ms
row "RSS when idle" "$rss" KiB
row "memory used in a VM of 1 GiB with a container" "$used" MiB
row "stripped binary" "$(awk "BEGIN { print $size / 1024 }")" KiB

# stamp TEXT: the median of the kernel's time stamps, in ms, of a line on the console
stamp()
{
	local file

	for file in "$tmp"/console.*; do
		sed -n "s/^.*\[ *\([0-9.]*\)\] *[^]]*$1.*/\1/p" "$file" | head -n 1
	done | median | awk '{ print $1 * 1000 }' | grep . || die "the console shows no \"$1\""
}

entropy=$(figure qemu_to_entropy_ms "$tmp"/boot.*)
log=$(figure qemu_to_log_ms "$tmp"/boot.*)
bridge=$(figure qemu_to_bridge_ms "$tmp"/boot.*)
negotiated=$(figure qemu_to_negotiated_ms "$tmp"/boot.*)
init=$(stamp "init: file systems are mounted")
modules=$(stamp "init: early modules are loaded")
program=$(stamp "init: starting")
minus() { awk "BEGIN { print $1 - $2 }"; }

echo
echo "QEMU's start to NegotiateProtocol answered"
row "QEMU, firmware, unpacking the kernel" "$(minus "$log" "$program")" ms
row "kernel, until init has mounted its file systems" "$init" ms
row "early modules (vsock, gcs.ko)" "$(minus "$modules" "$init")" ms
row "cgroups, loopback, entropy" "$(minus "$program" "$modules")" ms
row "log connection to bridge connection" "$(minus "$bridge" "$log")" ms
row "NegotiateProtocol" "$(minus "$negotiated" "$bridge")" ms
row "all" "$negotiated" ms

phases=$(printf '"%s": %s, ' qemu_firmware "$(minus "$log" "$program")" kernel "$init" \
	early_modules "$(minus "$modules" "$init")" to_program "$(minus "$program" "$modules")" \
	log_to_bridge "$(minus "$bridge" "$log")" negotiate "$(minus "$negotiated" "$bridge")" \
	entropy_connection "$entropy")
cat > build/bench.json << END
{
"kernel": "$(cat "build/kernel/$kernel/release")",
"rounds": $rounds,
"bars": [$(selftests/bench/bars.sh --json "$tmp/figures")],
"results": [$results],
"agent": {"cpu_ms_256mib": $cpu, "cpu_ms_nothing": $idle_cpu, "cpu_ms_256mib_user_engine": $relay_cpu, "rss_kib": $rss, "vm_used_mib": $used, "binary_bytes": $size},
"boot_ms": {${phases}"negotiated": $negotiated}
}
END

# MB/s by write size, a line for each way.
for mode in raw relay stream; do
	sed -n 's/.*"bench":"stream","mode":"'$mode'","write":\([0-9]*\),"mb_s":\([0-9.]*\).*/\1 \2/p' "$tmp/lines" | sort -n > "$tmp/$mode"
done
gnuplot > build/bench.svg << END
set terminal svg size 800,500 background "white"
set title "stdout of a process in the VM to a reader on the host"
set xlabel "bytes per write"
set ylabel "MB/s"
set logscale x 2
set xrange [48:98304]
set yrange [0:*]
set key top left
set grid
plot "$tmp/raw" using 1:2:xtic(1) with linespoints title "vsock itself", \
	"$tmp/relay" with linespoints title "pipe and user-space engine", \
	"$tmp/stream" with linespoints title "stream of gcs.ko"
END

echo
echo "Bars"
selftests/bench/bars.sh "$tmp/figures"
echo
echo "build/bench.json and build/bench.svg written"

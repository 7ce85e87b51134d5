// SPDX-License-Identifier: MIT
/*
 * storage_bench: what the agent adds to the kernel's own time when disks and PMEM devices are mapped that are there, and what
 * dm-verity costs
 *
 * The host is the tests' (selftests/agent). By hand is the mount alone, of the same disk.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bench.h"
#include "../agent/disks.h"
#include "../agent/image.h"
#include "../kmod/hotplug.h"

#define MIB (1024 * 1024ull)
#define PMEM_SIZE (128 * MIB)
#define LAYER_SIZE (16 * MIB)

#define PART ",\"MappingInfo\":{\"DeviceOffsetInBytes\":16777216,\"DeviceSizeInBytes\":16777216}"

static struct host host;

static void must(int64_t result, const char *what)
{
	if (result != 0) {
		printf("# %s: %s\n", what, request_error(&host));
		bench_die(what);
	}
}

static int64_t vpmem(const char *request, const char *more)
{
	return host_call(&host, MSG_MODIFY_SETTINGS, Z,
			 ",\"Request\":{\"RequestType\":\"%s\",\"ResourceType\":\"VPMemDevice\",\"Settings\":{\"MountPath\":\"/run/p\"%s}}",
			 request, more);
}

static void add_pmem(struct qmp *q)
{
	if (!qmp_open(q) ||
	    qmp(q, "object-add", "\"qom-type\": \"memory-backend-ram\", \"id\": \"pmem\", \"size\": %llu", PMEM_SIZE) ||
	    qmp(q, "device_add", "\"driver\": \"nvdimm\", \"id\": \"nvdimm\", \"memdev\": \"pmem\""))
		bench_die("a VM with --hotplug");
	/* It is mapped when it is there, and has no file system then. */
	if (vpmem("Add", "") != E_FAIL || !copy_disk(&host, 0, "/dev/pmem0", 0) || !copy_disk(&host, 0, "/dev/pmem0", LAYER_SIZE))
		bench_die("/dev/pmem0");
}

/* Add and Remove, in ms. */
static void take_pmem(const char *more, double *add, double *remove)
{
	double start = bench_now();

	must(vpmem("Add", more), "VPMemDevice Add");
	*add = (bench_now() - start) * 1e3;
	start = bench_now();
	must(vpmem("Remove", more), "VPMemDevice Remove");
	*remove = (bench_now() - start) * 1e3;
}

static double add_disk(const char *settings)
{
	double start = bench_now();

	must(modify(&host, "Add", "MappedVirtualDisk", settings), "MappedVirtualDisk Add");
	return (bench_now() - start) * 1e3;
}

static double mount_by_hand(const char *node)
{
	double start = bench_now();

	if (mkdir("/run/d", 0700) < 0 || mount(node, "/run/d", "ext4", MS_RDONLY, "noload") < 0)
		bench_die("mount by hand");
	return (bench_now() - start) * 1e3;
}

static void unmount_by_hand(void)
{
	if (umount("/run/d") < 0 || rmdir("/run/d") < 0)
		bench_die("unmount by hand");
}

static void drop_caches(void)
{
	int fd = open("/proc/sys/vm/drop_caches", O_WRONLY | O_CLOEXEC);

	if (write(fd, "3", 1) != 1)
		bench_die("drop_caches");
	close(fd);
}

/* Reading all files, nothing of which is cached; in ms. */
static double read_all(void)
{
	double start;

	drop_caches();
	start = bench_now();
	if (verity_content("/run/d") != RIGHT)
		bench_die("the content of verity.ext4");
	return (bench_now() - start) * 1e3;
}

static double tell(const char *what, const char *key, double *v)
{
	double median = bench_median(v, bench_rounds);

	printf("# %-56s %10.2f\n", what, median);
	printf("# json {\"bench\":\"storage\",\"%s\":%.2f}\n", key, median);
	return median;
}

int main(void)
{
	static double whole[BENCH_MAX_ROUNDS], whole_off[BENCH_MAX_ROUNDS], part[BENCH_MAX_ROUNDS], part_off[BENCH_MAX_ROUNDS],
		disk[BENCH_MAX_ROUNDS], hand[BENCH_MAX_ROUNDS], share[BENCH_MAX_ROUNDS], verity[BENCH_MAX_ROUNDS],
		raw[BENCH_MAX_ROUNDS], read_verity[BENCH_MAX_ROUNDS], read_raw[BENCH_MAX_ROUNDS];
	static struct qmp q;
	double part_ratio, verity_ratio, read_ratio;

	bench_start("storage_bench", 25, 200);
	host_start(&host, true, (char *[]){ "-loglevel", "info", NULL });
	add_pmem(&q);
	/* The disks' nodes, by links to them. */
	must(modify(&host, "Add", "MappedVirtualDisk", "{\"MountPath\":\"/run/layer\",\"BlockDev\":true}"), "layer");
	must(modify(&host, "Add", "MappedVirtualDisk", "{\"MountPath\":\"/run/verity\",\"Lun\":3,\"BlockDev\":true}"), "verity");
	for (int i = -1; i < bench_rounds; i++) {
		int r = i < 0 ? 0 : i;

		take_pmem("", &whole[r], &whole_off[r]);
		take_pmem(PART, &part[r], &part_off[r]);
		disk[r] = add_disk("{\"MountPath\":\"/run/d\",\"ReadOnly\":true}");
		must(modify(&host, "Remove", "MappedVirtualDisk", "{\"MountPath\":\"/run/d\"}"), "Remove");
		hand[r] = mount_by_hand("/run/layer");
		unmount_by_hand();
		share[r] = disk[r] - hand[r];
		verity[r] = add_disk("{\"MountPath\":\"/run/d\",\"Lun\":3,\"ReadOnly\":true}");
		read_verity[r] = read_all();
		must(modify(&host, "Remove", "MappedVirtualDisk", "{\"MountPath\":\"/run/d\"}"), "Remove");
		raw[r] = mount_by_hand("/run/verity");
		read_raw[r] = read_all();
		unmount_by_hand();
	}
	part_ratio = bench_ratio(part, whole, bench_rounds);
	verity_ratio = bench_ratio(verity, raw, bench_rounds);
	read_ratio = bench_ratio(read_verity, read_raw, bench_rounds);
	printf("# storage: medians of %d rounds, ms\n", bench_rounds);
	tell("VPMemDevice Add, whole device", "vpmem_add_ms", whole);
	tell("VPMemDevice Add, part of a device", "vpmem_part_add_ms", part);
	tell("VPMemDevice Remove, whole device", "vpmem_remove_ms", whole_off);
	tell("VPMemDevice Remove, part of a device", "vpmem_part_remove_ms", part_off);
	bench_figure("VPMemDevice Add: part / whole device", part_ratio);
	tell("MappedVirtualDisk Add, read-only ext4", "disk_add_ms", disk);
	tell("the same mount by hand", "disk_mount_ms", hand);
	bench_figure("MappedVirtualDisk Add: ms beside the mount", tell("the agent's share", "disk_share_ms", share));
	tell("MappedVirtualDisk Add, with dm-verity", "verity_add_ms", verity);
	tell("the same disk by hand, without", "verity_mount_ms", raw);
	tell("reading 900 kB that are not cached, with dm-verity", "verity_read_ms", read_verity);
	tell("without", "verity_raw_read_ms", read_raw);
	printf("# with / without dm-verity: mount %.2f, read %.2f\n", verity_ratio, read_ratio);
	host_stop(&host);
	bench_end();
	return 0;
}

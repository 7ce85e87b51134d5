// SPDX-License-Identifier: MIT
/*
 * disk_bench: from the moment that a disk is plugged until the host has its answer, and how much of that is the kernel's
 *
 * What is compared is the same by hand: wait for the disk (gcs.ko), mkfs, mount(2), in this process.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"
#include "../agent/disks.h"

#define M "/run/mounts/scsi/b"
#define DISKS 20
#define FIRST 20
#define LAYERS 40

static struct host host;

static double ms(double start)
{
	return (bench_now() - start) * 1e3;
}

static void must(bool good, const char *what)
{
	if (!good)
		host_fail(&host, "%s: %s: %s", what, strerror(errno), request_error(&host));
}

static void away(unsigned int lun)
{
	must(request_eject(&host, 0, lun) == 0, "eject");
	disk_pull(&host, 0, lun);
	host_forget_over(&host);
}

/* --- one disk ----------------------------------------------------------------------------------- */

struct one {
	double add, probe, mount, remove, eject;
};

static struct one one_disk(void)
{
	char node[64];
	struct one t;
	double start;

	disk_plug(&host, 0, FIRST, "node0");
	start = bench_now();
	must(request_map(&host, M, 0, FIRST) == 0, "map");
	t.add = ms(start);
	start = bench_now();
	must(request_unmap(&host, M, 0, FIRST) == 0, "unmap");
	t.remove = ms(start);
	start = bench_now();
	must(request_eject(&host, 0, FIRST) == 0, "eject");
	t.eject = ms(start);
	disk_pull(&host, 0, FIRST);

	disk_plug(&host, 0, FIRST, "node0");
	start = bench_now();
	snprintf(node, sizeof(node), "/dev/%s", disk_wait(&host, 0, FIRST));
	t.probe = ms(start);
	start = bench_now();
	must(mkdir(M, 0700) == 0 && mount(node, M, "ext4", MS_RDONLY, "noload") == 0, "mount by hand");
	t.mount = ms(start);
	must(umount(M) == 0 && rmdir(M) == 0, "unmount by hand");
	away(FIRST);
	return t;
}

/* --- a scratch ---------------------------------------------------------------------------------- */

/* Nothing that is a file system any more. */
static void wipe(const char *node)
{
	static const char zeros[65536];
	int fd = open(node, O_WRONLY | O_CLOEXEC);

	must(fd >= 0 && write(fd, zeros, sizeof(zeros)) == sizeof(zeros) && fsync(fd) == 0, "wipe");
	close(fd);
}

/* As the agent's filesystem_make(). */
static void mkfs(const char *node)
{
	int status;
	pid_t pid = fork();

	if (!pid) {
		execlp("mkfs.ext4", "mkfs.ext4", "-q", "-F", "-E", "lazy_itable_init=0,nodiscard", "-O",
		       "^has_journal,sparse_super2,^resize_inode", node, NULL);
		_exit(127);
	}
	must(waitpid(pid, &status, 0) == pid && !status, "mkfs");
}

static void scratch(double *agent, double *hand)
{
	char node[64];
	double start;

	disk_plug(&host, 0, FIRST, "big");
	snprintf(node, sizeof(node), "/dev/%s", disk_wait(&host, 0, FIRST));
	wipe(node);
	start = bench_now();
	must(modify(&host, "Add", "MappedVirtualDisk", disk_settings(M, 0, FIRST, ",\"EnsureFilesystem\":true,\"Filesystem\":\"ext4\"")) == 0,
	     "map a scratch");
	*agent = ms(start);
	must(request_unmap(&host, M, 0, FIRST) == 0, "unmap");
	wipe(node);
	start = bench_now();
	mkfs(node);
	must(mkdir(M, 0700) == 0 && mount(node, M, "ext4", 0, "") == 0, "mount by hand");
	*hand = ms(start);
	must(umount(M) == 0 && rmdir(M) == 0, "unmount by hand");
	away(FIRST);
}

/* --- layers ------------------------------------------------------------------------------------- */

#define ROOT "/run/gcs/c/b/rootfs"
#define SCRATCH "/run/bench/scratch"

static char settings[16384], options[8192];

static void make_layers(void)
{
	char *s = settings, *o = options;

	s += sprintf(s, "{\"ContainerRootPath\":\"" ROOT "\",\"ScratchPath\":\"" SCRATCH "\",\"Layers\":[");
	o += sprintf(o, "lowerdir=");
	must(system("mkdir -p " ROOT " " SCRATCH "/upper " SCRATCH "/work " SCRATCH "/bundle") == 0, "mkdir");
	for (int i = 0; i < LAYERS; i++) {
		char path[64];

		snprintf(path, sizeof(path), "/run/bench/m%d", i);
		must(mkdir(path, 0755) == 0, path);
		s += sprintf(s, "%s{\"Id\":\"%d\",\"Path\":\"%s\"}", i ? "," : "", i, path);
		o += sprintf(o, "%s%s", i ? ":" : "", path);
	}
	sprintf(s, "]}");
	sprintf(o, ",upperdir=" SCRATCH "/upper,workdir=" SCRATCH "/work");
}

static void layers(double *agent, double *trip, double *hand)
{
	double start = bench_now();

	/* A request that does nothing: the way there and back. */
	must(modify(&host, "Remove", "MappedVirtualDisk", "{}") == 0, "nothing");
	*trip = ms(start);
	start = bench_now();
	must(modify(&host, "Add", "CombinedLayers", settings) == 0, "combine");
	*agent = ms(start);
	must(modify(&host, "Remove", "CombinedLayers", settings) == 0, "remove layers");
	must(system("mkdir -p " ROOT) == 0, "mkdir");
	start = bench_now();
	must(mount("overlay", ROOT, "overlay", 0, options) == 0, "mount by hand");
	*hand = ms(start);
	must(umount(ROOT) == 0, "unmount by hand");
	host_forget_over(&host);
}

/* --- many disks --------------------------------------------------------------------------------- */

static const char *path_of(int i)
{
	static char path[64];

	snprintf(path, sizeof(path), M "%d", i);
	return path;
}

static void take_away(void)
{
	for (int i = 0; i < DISKS; i++) {
		must(request_unmap(&host, path_of(i), 0, FIRST + i) == 0, "unmap");
		away(FIRST + i);
	}
}

/* What the processors have worked since they started, in ms; a tick is 10 of them. */
static double worked(void)
{
	double user, nice, system;
	FILE *f = fopen("/proc/stat", "re");

	must(f && fscanf(f, "cpu %lf %lf %lf", &user, &nice, &system) == 3, "/proc/stat");
	fclose(f);
	return (user + nice + system) * 1e3 / sysconf(_SC_CLK_TCK);
}

static void many(double *at_once, double *in_turn, double *work)
{
	double start, before = worked();
	uint64_t ids[DISKS];

	start = bench_now();

	for (int i = 0; i < DISKS; i++) {
		disk_plug(&host, 0, FIRST + i, "node0");
		must(request_map(&host, path_of(i), 0, FIRST + i) == 0, "map");
	}
	*in_turn = ms(start);
	*work = worked() - before;
	take_away();
	start = bench_now();
	for (int i = 0; i < DISKS; i++)
		disk_plug(&host, 0, FIRST + i, "node0");
	for (int i = 0; i < DISKS; i++)
		ids[i] = modify_ask(&host, "Add", "MappedVirtualDisk", disk_settings(path_of(i), 0, FIRST + i, ",\"ReadOnly\":true"));
	for (int i = 0; i < DISKS; i++)
		must(answer_result(host_answer(&host, ids[i])) == 0, "map at once");
	*at_once = ms(start);
	take_away();
}

static double tell(const char *what, const char *key, double *v, int n)
{
	double median = bench_median(v, n);

	printf("# %-58s %10.2f\n", what, median);
	printf("# json {\"bench\":\"disk\",\"%s\":%.2f}\n", key, median);
	return median;
}

#define MANY_ROUNDS 3

int main(void)
{
	static double add[BENCH_MAX_ROUNDS], probe[BENCH_MAX_ROUNDS], mounted[BENCH_MAX_ROUNDS], own[BENCH_MAX_ROUNDS],
		removed[BENCH_MAX_ROUNDS], eject[BENCH_MAX_ROUNDS], made[BENCH_MAX_ROUNDS], made_hand[BENCH_MAX_ROUNDS],
		combined[BENCH_MAX_ROUNDS], combined_hand[BENCH_MAX_ROUNDS],
		trip[BENCH_MAX_ROUNDS], sum[BENCH_MAX_ROUNDS], at_once[BENCH_MAX_ROUNDS], in_turn[BENCH_MAX_ROUNDS],
		work[BENCH_MAX_ROUNDS];
	double made_ratio, combined_ratio, many_ratio;
	int many_rounds;

	bench_start("disk_bench", 15, 200);
	if (!disks_init())
		bench_die("a VM with --hotplug and gcs.ko");
	host_start(&host, true, (char *[]){ "-loglevel", "info", NULL });
	must(system("mkdir -p /run/mounts/scsi /run/bench") == 0, "mkdir");
	make_layers();
	many_rounds = bench_rounds < MANY_ROUNDS ? bench_rounds : MANY_ROUNDS;
	/* The first round is for the caches. */
	for (int i = -1; i < bench_rounds; i++) {
		int r = i < 0 ? 0 : i;
		struct one t = one_disk();

		add[r] = t.add;
		probe[r] = t.probe;
		mounted[r] = t.mount;
		own[r] = t.add - t.probe - t.mount;
		removed[r] = t.remove;
		eject[r] = t.eject;
		scratch(&made[r], &made_hand[r]);
		layers(&combined[r], &trip[r], &combined_hand[r]);
		sum[r] = trip[r] + combined_hand[r];
		if (i >= 0 && i < many_rounds)
			many(&at_once[r], &in_turn[r], &work[r]);
	}
	/* Before the medians sort. */
	made_ratio = bench_ratio(made, made_hand, bench_rounds);
	combined_ratio = bench_ratio(combined, sum, bench_rounds);
	many_ratio = bench_ratio(at_once, in_turn, many_rounds);

	printf("# disks: ms, medians of %d rounds\n", bench_rounds);
	tell("MappedVirtualDisk: plugged to answered", "add_ms", add, bench_rounds);
	tell("  by hand: until the disk is there", "probe_ms", probe, bench_rounds);
	tell("  by hand: mount", "mount_ms", mounted, bench_rounds);
	bench_figure("disk: plugged to answered, but for the kernel's: ms", tell("  the agent's own", "own_ms", own, bench_rounds));
	tell("MappedVirtualDisk Remove", "remove_ms", removed, bench_rounds);
	tell("SCSIDevice Remove", "eject_ms", eject, bench_rounds);
	tell("scratch of 1 GiB without a file system", "scratch_ms", made, bench_rounds);
	tell("  by hand: mkfs and mount", "scratch_hand_ms", made_hand, bench_rounds);
	bench_figure("scratch: agent / mkfs and mount by hand", made_ratio);
	tell("CombinedLayers of 40", "layers_ms", combined, bench_rounds);
	tell("  by hand: mount", "layers_hand_ms", combined_hand, bench_rounds);
	tell("a request that does nothing", "trip_ms", trip, bench_rounds);
	bench_figure("40 layers: agent / mount by hand and such a request", combined_ratio);
	tell("20 disks, one after the other", "in_turn_ms", in_turn, many_rounds);
	tell("  work of the processors", "work_ms", work, many_rounds);
	tell("20 disks at once", "at_once_ms", at_once, many_rounds);
	bench_figure("20 disks: at once / one after the other", many_ratio);
	host_stop(&host);
	bench_end();
	return 0;
}

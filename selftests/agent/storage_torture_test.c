// SPDX-License-Identifier: MIT
/*
 * Disks that are plugged, mapped, used and pulled in every order (storage-and-network.md sections 4, 8 and 19): nothing is left, no error
 * is taken for success, a slot is as good as new. GCS_TORTURE=N: N loops and every LUN, instead of a few.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/inotify.h>
#include <time.h>
#include <unistd.h>

#include "disks.h"
#include "oci.h"
#include "kselftest_harness.h"

#define M "/run/mounts/scsi/t"
#define PARALLEL 8

FIXTURE(torture)
{
	struct host h;
	char *before;
	int loops; /* 0: as few as will do */
};

FIXTURE_SETUP(torture)
{
	if (!host_has_vsock() || !getenv("GCS_TEST_DISKS") || !disks_init())
		SKIP(_exit(255), "needs vsock, gcs.ko, and a VM with disks (GCS_TEST_DISKS=1) and --hotplug");
	self->loops = getenv("GCS_TORTURE") ? atoi(getenv("GCS_TORTURE")) : 0;
	host_start(&self->h, true, NULL);
	/* Whatever is made once is made. */
	oci_make_layer(&self->h);
	ASSERT_EQ(0, system("mkdir -p /run/mounts/scsi /run/gcs/c /run/crun /run/test/scratch"));
	for (int lun = 0; lun < 3; lun++) {
		ASSERT_EQ(0, modify(&self->h, "Add", "MappedVirtualDisk", scsi_settings(0, lun))) TH_LOG("%s", request_error(&self->h));
	}
	self->before = disk_traces(&self->h);
}

FIXTURE_TEARDOWN(torture)
{
	if (self->before) {
		EXPECT_STREQ(self->before, disk_traces(&self->h));
		host_stop(&self->h);
	}
}

#define EXPECT_OK(call) EXPECT_EQ(0, call) TH_LOG("%s: %s", #call, request_error(h))
#define ASSERT_OK(call) ASSERT_EQ(0, call) TH_LOG("%s: %s", #call, request_error(h))
#define EXPECT_ERROR(call, text) do { \
		EXPECT_EQ(E_FAIL, call) TH_LOG("%s: %s", #call, request_error(h)); \
		EXPECT_NE(NULL, strstr(request_error(h), text)) TH_LOG("no \"%s\" in: %s", text, request_error(h)); \
	} while (0)

static const char *mount_path(unsigned int controller, unsigned int lun)
{
	static char path[2][64];
	static int last;

	last = !last;
	snprintf(path[last], sizeof(path[last]), M "%u_%u", controller, lun);
	return path[last];
}

static bool has_layer(const char *path)
{
	char file[160];

	snprintf(file, sizeof(file), "%s/bin/busybox", path);
	return access(file, X_OK) == 0;
}

static unsigned long long now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000ull + t.tv_nsec / 1000000;
}

#define READ_ONLY ",\"ReadOnly\":true,\"Options\":[\"ro\"]"

/* --- many -------------------------------------------------------------------------------------- */

/*
 * A request for each of several disks, all at once; the test ends if one fails. A kernel full of checks may have found all later than the
 * agent waits for one.
 */
static void all(struct host *h, const char *request, const char *resource, unsigned int controllers, const unsigned int *luns, size_t count)
{
	uint64_t ids[CONTROLLERS * LUNS];
	size_t n = 0;

	for (unsigned int c = 0; c < controllers; c++)
		for (size_t i = 0; i < count; i++)
			ids[n++] = modify_ask(h, request, resource,
					      disk_settings(mount_path(c, luns[i]), c, luns[i], READ_ONLY));
	for (size_t i = 0; i < n; i++) {
		unsigned int c = i / count, lun = luns[i % count];
		const char *text = answer_text(host_answer(h, ids[i]), "ErrorMessage");

		if (answer_result(host_answer(h, ids[i])) == 0)
			continue;
		if (!(strstr(text, "wait for the disk") || strstr(text, "the VM has none")) || !disk_wait(h, c, lun) ||
		    modify(h, request, resource, disk_settings(mount_path(c, lun), c, lun, READ_ONLY)) != 0)
			host_fail(h, "%s %s, number %zu: %s", request, resource, i, answer_text(host_answer(h, ids[i]), "ErrorMessage"));
	}
	host_forget_over(h);
}

TEST_F_TIMEOUT(torture, every_controller_is_full_at_once_and_empty_again, 1800)
{
	struct host *h = &self->h;
	unsigned int luns[LUNS];
	size_t count = 0;

	/* Those below are the VM's own. */
	for (unsigned int lun = 4; lun < LUNS; lun += self->loops ? 1 : 12)
		luns[count++] = lun;
	for (unsigned int c = 0; c < CONTROLLERS; c++)
		for (size_t i = 0; i < count; i++)
			disk_plug(h, c, luns[i], "node0");
	all(h, "Add", "MappedVirtualDisk", CONTROLLERS, luns, count);
	for (unsigned int c = 0; c < CONTROLLERS; c++)
		for (size_t i = 0; i < count; i++) {
			EXPECT_TRUE(has_layer(mount_path(c, luns[i]))) TH_LOG("%u:%u", c, luns[i]);
		}
	all(h, "Remove", "MappedVirtualDisk", CONTROLLERS, luns, count);
	all(h, "Remove", "SCSIDevice", CONTROLLERS, luns, count);
	for (unsigned int c = 0; c < CONTROLLERS; c++)
		for (size_t i = 0; i < count; i++) {
			disk_pull(h, c, luns[i]);
			disk_wait_gone(h, c, luns[i]);
		}
}

TEST_F_TIMEOUT(torture, a_slot_is_used_again_and_again, 1800)
{
	struct host *h = &self->h;
	int loops = self->loops ? self->loops : 12;

	for (int i = 0; i < loops; i++) {
		disk_plug(h, 0, 40, "node0");
		ASSERT_OK(request_map(h, M, 0, 40));
		ASSERT_TRUE(has_layer(M));
		ASSERT_OK(request_unmap(h, M, 0, 40));
		ASSERT_OK(request_eject(h, 0, 40));
		disk_pull(h, 0, 40);
		host_forget_over(h);
	}
}

TEST_F_TIMEOUT(torture, eight_slots_are_used_at_once_again_and_again, 1800)
{
	struct host *h = &self->h;
	int loops = self->loops ? self->loops : 3;
	unsigned int luns[PARALLEL];

	for (int i = 0; i < PARALLEL; i++)
		luns[i] = 40 + i;
	for (int i = 0; i < loops; i++) {
		for (int k = 0; k < PARALLEL; k++)
			disk_plug(h, 0, luns[k], "node0");
		all(h, "Add", "MappedVirtualDisk", 1, luns, PARALLEL);
		for (int k = 0; k < PARALLEL; k++) {
			ASSERT_TRUE(has_layer(mount_path(0, luns[k])));
		}
		all(h, "Remove", "MappedVirtualDisk", 1, luns, PARALLEL);
		all(h, "Remove", "SCSIDevice", 1, luns, PARALLEL);
		for (int k = 0; k < PARALLEL; k++)
			disk_pull(h, 0, luns[k]);
	}
}

TEST_F_TIMEOUT(torture, of_many_requests_for_one_path_one_is_done, 60)
{
	struct host *h = &self->h;
	uint64_t ids[16];

	for (int round = 0; round < 3; round++) {
		int done = 0;

		for (int i = 0; i < 16; i++)
			ids[i] = modify_ask(h, "Add", "MappedVirtualDisk", disk_settings(M, 0, 0, ",\"ReadOnly\":true"));
		for (int i = 0; i < 16; i++) {
			const struct answer *a = host_answer(h, ids[i]);

			done += answer_result(a) == 0;
			if (answer_result(a) != 0) {
				EXPECT_NE(NULL, strstr(answer_text(a, "ErrorMessage"), "disk " M ": ")) TH_LOG("%s", answer_text(a, "ErrorMessage"));
			}
		}
		EXPECT_EQ(1, done);
		EXPECT_TRUE(has_layer(M));
		/* What is not there any more needs not be removed. */
		for (int i = 0; i < 16; i++)
			ids[i] = modify_ask(h, "Remove", "MappedVirtualDisk", disk_settings(M, 0, 0, ""));
		done = 0;
		for (int i = 0; i < 16; i++)
			done += answer_result(host_answer(h, ids[i])) == 0;
		EXPECT_LE(1, done);
		EXPECT_NE(0, access(M, F_OK));
	}
}

/* --- in use ------------------------------------------------------------------------------------- */

TEST_F_TIMEOUT(torture, what_is_in_use_stays_and_the_error_says_by_whom, 60)
{
	struct host *h = &self->h;
	int fd;

	/* One disk at two places. */
	ASSERT_OK(request_map(h, M "a", 0, 0));
	ASSERT_OK(request_map(h, M "b", 0, 0));
	ASSERT_OK(modify(h, "Add", "MappedVirtualDisk", disk_settings(M "c", 0, 0, ",\"BlockDev\":true")));
	EXPECT_ERROR(request_eject(h, 0, 0), M);
	EXPECT_OK(request_unmap(h, M "a", 0, 0));
	EXPECT_TRUE(has_layer(M "b"));
	EXPECT_ERROR(request_eject(h, 0, 0), M);
	EXPECT_OK(request_unmap(h, M "c", 0, 0));
	EXPECT_ERROR(request_eject(h, 0, 0), "SCSI controller 0 LUN 0: is used by disk " M "b");
	/* Below layers. */
	ASSERT_OK(request_layers(h, "Add", "/run/gcs/c/t/rootfs", M "b", ""));
	EXPECT_ERROR(request_unmap(h, M "b", 0, 0), M "b: is used by layers /run/gcs/c/t/rootfs");
	EXPECT_TRUE(has_layer("/run/gcs/c/t/rootfs"));
	EXPECT_OK(request_layers(h, "Remove", "/run/gcs/c/t/rootfs", M "b", ""));
	EXPECT_EQ(0, rmdir("/run/gcs/c/t"));
	/* By somebody whom the agent does not know. */
	fd = open(M "b/bin/busybox", O_RDONLY | O_CLOEXEC);
	EXPECT_ERROR(request_unmap(h, M "b", 0, 0), M "b");
	EXPECT_TRUE(has_layer(M "b"));
	close(fd);
	EXPECT_OK(request_unmap(h, M "b", 0, 0));
	EXPECT_OK(request_unmap(h, M "b", 0, 0));
	EXPECT_OK(request_eject(h, 0, 0));
	/* The host has it still. */
	EXPECT_OK(modify(h, "Add", "MappedVirtualDisk", scsi_settings(0, 0)));
}

#define ENSURE ",\"EnsureFilesystem\":true,\"Filesystem\":\"ext4\""

TEST_F_TIMEOUT(torture, a_disk_is_pulled_while_a_container_runs_on_it, 240)
{
	struct host *h = &self->h;
	unsigned long long start;
	int64_t pid;
	char *spec = oci_spec("t", "[\"sleep\",\"1000\"]");
	int fd;

	for (int i = 0; i < 2; i++) {
		disk_plug(h, 0, 50, "node0");
		disk_plug(h, 0, 51, "hot0");
		ASSERT_OK(request_map(h, M "l", 0, 50));
		ASSERT_OK(modify(h, "Add", "MappedVirtualDisk", disk_settings(M "s", 0, 51, ENSURE)));
		ASSERT_OK(request_layers(h, "Add", "/run/gcs/c/t/rootfs", M "l", M "s/scratch"));
		ASSERT_OK(oci_create_spec(h, "t", spec));
		pid = oci_start(h, "t", NULL, NULL, NULL);
		ASSERT_LT(0, pid) TH_LOG("%s", request_error(h));
		ASSERT_EQ(0, system("head -c 1000000 /dev/zero > " M "s/data; sync; echo 3 > /proc/sys/vm/drop_caches"));
		disk_pull(h, 0, 50);
		disk_pull(h, 0, 51);
		disk_wait_gone(h, 0, 50);
		disk_wait_gone(h, 0, 51);
		/* What is gone is an error, and no zeroes. */
		EXPECT_NE(0, system("cat " M "s/data > /dev/null 2>&1"));
		fd = open(M "s/new", O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
		EXPECT_FALSE(fd >= 0 && write(fd, "x", 1) == 1 && fsync(fd) == 0);
		close(fd);
		start = now_ms();
		EXPECT_ERROR(request_unmap(h, M "l", 0, 50), "is used by layers /run/gcs/c/t/rootfs");
		ASSERT_OK(host_call(h, MSG_SHUTDOWN_FORCED, "t", "%s", ""));
		/* Its program is gone, too, which may have been its end. */
		EXPECT_LT(128, host_wait(h, "t", pid));
		host_notified(h, "t", NULL);
		ASSERT_OK(request_layers(h, "Remove", "/run/gcs/c/t/rootfs", M "l", ""));
		EXPECT_OK(host_call(h, MSG_DELETE_CONTAINER_STATE, "t", "%s", ""));
		EXPECT_OK(request_unmap(h, M "s", 0, 51));
		EXPECT_OK(request_unmap(h, M "l", 0, 50));
		EXPECT_OK(request_eject(h, 0, 51));
		EXPECT_OK(request_eject(h, 0, 50));
		EXPECT_GT(scaled(15000), now_ms() - start);
	}
	free(spec);
}

TEST_F_TIMEOUT(torture, a_disk_is_pulled_while_it_is_formatted, 120)
{
	struct host *h = &self->h;
	char node[64], events[4096];
	int watch = inotify_init1(IN_CLOEXEC);
	uint64_t add;

	disk_plug_slow(h, 0, 52, 1ull << 30, 200000);
	snprintf(node, sizeof(node), "/dev/%s", disk_wait(h, 0, 52));
	ASSERT_LE(0, inotify_add_watch(watch, node, IN_MODIFY)) TH_LOG("%s", node);
	add = modify_ask(h, "Add", "MappedVirtualDisk", disk_settings(M, 0, 52, ENSURE));
	/* mkfs has begun to write. */
	ASSERT_LT(0, read(watch, events, sizeof(events)));
	disk_pull_slow(h, 0, 52);
	EXPECT_EQ(E_FAIL, answer_result(host_answer(h, add)));
	EXPECT_NE(NULL, strstr(answer_text(host_answer(h, add), "ErrorMessage"), "map disk 0:52: "))
		TH_LOG("%s", answer_text(host_answer(h, add), "ErrorMessage"));
	EXPECT_NE(0, access(M, F_OK));
	EXPECT_OK(request_unmap(h, M, 0, 52));
	EXPECT_OK(request_eject(h, 0, 52));
	disk_wait_gone(h, 0, 52);
	close(watch);
}

TEST_F_TIMEOUT(torture, another_disk_comes_into_the_slot_at_once, 120)
{
	struct host *h = &self->h;
	const char *const nodes[] = { "hot0", "hot1" };

	for (int i = 0; i < 2; i++) {
		disk_plug(h, 0, 53 + i, nodes[i]);
		ASSERT_OK(modify(h, "Add", "MappedVirtualDisk", disk_settings(M, 0, 53 + i, ENSURE)));
		ASSERT_EQ(0, system(i ? "echo hot1 > " M "/name" : "echo hot0 > " M "/name"));
		ASSERT_OK(request_unmap(h, M, 0, 53 + i));
		ASSERT_OK(request_eject(h, 0, 53 + i));
		disk_pull(h, 0, 53 + i);
	}
	for (int i = 0; i < (self->loops ? self->loops : 6); i++) {
		disk_plug(h, 0, 53, nodes[i % 2]);
		ASSERT_OK(request_map(h, M, 0, 53));
		ASSERT_EQ(0, system(i % 2 ? "grep -q hot1 " M "/name" : "grep -q hot0 " M "/name"));
		ASSERT_OK(request_unmap(h, M, 0, 53));
		ASSERT_OK(request_eject(h, 0, 53));
		disk_pull(h, 0, 53);
		host_forget_over(h);
	}
}

TEST_HARNESS_MAIN

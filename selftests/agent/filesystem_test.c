// SPDX-License-Identifier: MIT
/*
 * Conformance: file systems on disks (storage-and-network.md 4.4, 4.5, 4.8), and disks that fail. LUN 1 is the test VM's disk of
 * 64 MiB (scripts/disks), LUN 43 and up are plugged by QEMU.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "disks.h"
#include "plug.h"
#include "shell.h"
#include "host_io.h"
#include "oci.h"
#include "kselftest_harness.h"

#define BLOCK 4096
#define PATH "/run/mounts/scsi/fs"
#define SUM "head -c 8388608 %s | sha256sum"
#define ENSURE "\"EnsureFilesystem\":true,\"Filesystem\":\"%s\"}"

FIXTURE(filesystem)
{
	struct host h;
	char *before;
};

FIXTURE_SETUP(filesystem)
{
	if (!host_has_vsock() || !getenv("GCS_TEST_DISKS") || !plug_init())
		SKIP(_exit(255), "needs the test VM's disks (GCS_TEST_DISKS=1) and --hotplug");
	host_start(&self->h, true, NULL);
	/* An answer tells that the agent has set itself up. */
	host_call(&self->h, MSG_START, "none", "%s", "");
	self->before = vm_traces(&self->h);
}

FIXTURE_TEARDOWN(filesystem)
{
	if (!self->before)
		return;
	EXPECT_STREQ(self->before, vm_traces(&self->h));
	host_stop(&self->h);
}

static int64_t ensure(struct host *h, int lun, const char *type)
{
	return request_map_as(h, "{\"MountPath\":\"" PATH "\",\"Lun\":%d," ENSURE, lun, type);
}

/* As the host does it. */
static void take_away(struct host *h, int lun)
{
	if (request_eject(h, 0, lun) != 0)
		host_fail(h, "%s", request_error(h));
	plug_out(h, lun);
}

static int shell(const char *format, ...) __attribute__((format(printf, 1, 2)));

static int shell(const char *format, ...)
{
	char command[512];
	va_list ap;

	va_start(ap, format);
	vsnprintf(command, sizeof(command), format, ap);
	va_end(ap);
	return system(command);
}

/* No file system, whatever was there. */
static int wipe(const char *node)
{
	return shell("dd if=/dev/zero of=%s bs=64k count=1 conv=fsync 2>/dev/null", node);
}

TEST_F_TIMEOUT(filesystem, what_is_there_is_found_again_and_what_is_not_is_made, 120)
{
	static const char *const types[] = { "xfs", "ext4" };
	struct host *h = &self->h;

	plug_in(h, 43, "big");
	for (int i = 0; i < 2; i++) {
		/* The second has the first's on it. */
		ASSERT_EQ(0, ensure(h, 43, types[i])) TH_LOG("%s", request_error(h));
		EXPECT_EQ(0, shell("grep -q ' " PATH " %s ' /proc/mounts", types[i]));
		EXPECT_NE(0, access(PATH "/file", F_OK));
		ASSERT_EQ(0, shell("echo kept > " PATH "/file"));
		ASSERT_EQ(0, request_unmap(h, PATH, 0, 43)) TH_LOG("%s", request_error(h));
		/* Without a word about the type, with the wrong one, and read-only. */
		ASSERT_EQ(0, request_map_as(h, "{\"MountPath\":\"" PATH "\",\"Lun\":43,\"ReadOnly\":true}")) TH_LOG("%s", request_error(h));
		EXPECT_EQ(0, shell("grep -qx kept " PATH "/file"));
		ASSERT_EQ(0, request_unmap(h, PATH, 0, 43)) TH_LOG("%s", request_error(h));
		EXPECT_EQ(E_FAIL, request_map_as(h, "{\"MountPath\":\"" PATH "\",\"Lun\":43,\"Filesystem\":\"%s\"}", types[!i]));
		EXPECT_EQ(E_FAIL, request_map_as(h, "{\"MountPath\":\"" PATH "\",\"Lun\":43,\"ReadOnly\":true," ENSURE, types[!i]));
		EXPECT_NE(NULL, strstr(request_error(h), "not formatted")) TH_LOG("%s", request_error(h));
		ASSERT_EQ(0, ensure(h, 43, types[i])) TH_LOG("%s", request_error(h));
		EXPECT_EQ(0, shell("grep -qx kept " PATH "/file"));
		ASSERT_EQ(0, request_unmap(h, PATH, 0, 43)) TH_LOG("%s", request_error(h));
	}
	take_away(h, 43);
}

TEST_F_TIMEOUT(filesystem, a_disk_that_cannot_be_read_is_never_formatted, 120)
{
	struct host *h = &self->h;
	char *before, *node;

	plug_in(h, 43, "hot0");
	node = strdup(plug_node(h, 43));
	/* Nothing that would be a file system: to make one is what was asked for. */
	ASSERT_EQ(0, shell("yes 'precious' | head -c 8388608 > %s", node));
	before = vm_shell(h, SUM, node);
	take_away(h, 43);

	plug_qmp(h, "blockdev-add", "\"driver\": \"blkdebug\", \"node-name\": \"bad\", \"image\": \"hot0\", \"inject-error\": "
		 "[{\"event\": \"none\", \"iotype\": \"read\", \"errno\": 5, \"once\": false}]");
	plug_in(h, 44, "bad");
	EXPECT_EQ(E_FAIL, ensure(h, 44, "ext4"));
	EXPECT_NE(NULL, strstr(request_error(h), "read: Input/output error")) TH_LOG("%s", request_error(h));
	EXPECT_EQ(E_FAIL, ensure(h, 44, "xfs"));
	EXPECT_NE(NULL, strstr(request_error(h), "read: Input/output error")) TH_LOG("%s", request_error(h));
	EXPECT_STREQ(self->before, vm_traces(h));
	take_away(h, 44);
	plug_qmp(h, "blockdev-del", "\"node-name\": \"bad\"");

	plug_in(h, 43, "hot0");
	EXPECT_STREQ(before, vm_shell(h, SUM, plug_node(h, 43)));
	take_away(h, 43);
}

TEST_F_TIMEOUT(filesystem, a_full_scratch_is_an_error_that_leaves_nothing_and_a_container_bears_it, 180)
{
	struct host *h = &self->h;
	const char *root = "/run/gcs/c/full/rootfs", *scratch = PATH "/scratch/full";
	char *spec = oci_spec("full", "[\"sh\",\"-c\",\"cat /dev/zero > /fill; echo x > /more; ls /bin/busybox\"]");
	struct host_stream out, err;
	char *mounts, *text;
	int64_t pid;

	oci_make_layer(h);
	ASSERT_EQ(0, wipe(plug_node(h, 1)));
	ASSERT_EQ(0, ensure(h, 1, "ext4")) TH_LOG("%s", request_error(h));
	mounts = vm_traces(h);
	ASSERT_NE(0, shell("cat /dev/zero > " PATH "/fill 2>/dev/null"));
	EXPECT_EQ(E_FAIL, request_layers(h, "Add", root, LAYER, scratch));
	EXPECT_NE(NULL, strstr(request_error(h), "No space left on device")) TH_LOG("%s", request_error(h));
	EXPECT_NE(NULL, strstr(request_error(h), scratch)) TH_LOG("%s", request_error(h));
	EXPECT_STREQ(mounts, vm_traces(h));
	EXPECT_NE(0, access(PATH "/scratch", F_OK));
	EXPECT_NE(0, access(root, F_OK));

	ASSERT_EQ(0, unlink(PATH "/fill"));
	ASSERT_EQ(0, request_layers(h, "Add", root, LAYER, scratch)) TH_LOG("%s", request_error(h));
	ASSERT_EQ(0, oci_create_spec(h, "full", spec)) TH_LOG("%s", request_error(h));
	pid = oci_start(h, "full", NULL, &out, &err);
	ASSERT_LT(0, pid) TH_LOG("%s", request_error(h));
	EXPECT_STREQ("/bin/busybox\n", host_stream_read(&out, NULL));
	text = host_stream_read(&err, NULL);
	EXPECT_NE(NULL, strstr(text, "No space left on device")) TH_LOG("%s", text);
	EXPECT_EQ(0, host_wait(h, "full", pid));
	host_notified(h, "full", NULL);
	EXPECT_EQ(0, request_layers(h, "Remove", root, LAYER, scratch)) TH_LOG("%s", request_error(h));
	EXPECT_EQ(0, host_call(h, MSG_DELETE_CONTAINER_STATE, "full", "%s", "")) TH_LOG("%s", request_error(h));
	ASSERT_EQ(0, request_unmap(h, PATH, 0, 1)) TH_LOG("%s", request_error(h));
	/* For those who come after us it is not full. */
	ASSERT_EQ(0, wipe(plug_node(h, 1)));
	ASSERT_EQ(0, shell("rm -rf /run/test"));
	free(spec);
}

static int flip(const char *node, off_t at, unsigned int bit)
{
	int fd = open(node, O_RDWR | O_CLOEXEC);
	unsigned char byte;
	int ret = -1;

	if (fd >= 0 && pread(fd, &byte, 1, at) == 1) {
		byte ^= 1 << bit;
		ret = pwrite(fd, &byte, 1, at) == 1 && fsync(fd) == 0 ? 0 : -1;
	}
	close(fd);
	return ret;
}

/* The superblock, the group descriptors, the bitmaps and the inode table of the only group. */
TEST_F_TIMEOUT(filesystem, a_bit_that_has_flipped_in_its_structures_is_an_error_or_does_not_matter, 180)
{
	enum { FLIPS = 30, END = 48 * BLOCK };
	struct host *h = &self->h;
	unsigned int seed = 20260101, mounted = 0;
	char *node;

	plug_in(h, 43, "hot1");
	node = strdup(plug_node(h, 43));
	ASSERT_EQ(0, shell("mkfs.ext4 -q -F -b 4096 -N 512 -I 256 %s", node));
	ASSERT_EQ(0, shell("mkdir -p /run/by-hand && mount -t ext4 %s /run/by-hand && yes right | head -c 20000 > /run/by-hand/file && "
			   "umount /run/by-hand", node));
	for (int i = 0; i < FLIPS; i++) {
		/* Half of them in what is read first. */
		off_t at = i % 2 ? 1024 + rand_r(&seed) % 1024 : BLOCK + rand_r(&seed) % (END - BLOCK);
		unsigned int bit = rand_r(&seed) % 8;

		ASSERT_EQ(0, flip(node, at, bit));
		if (request_map_as(h, "{\"MountPath\":\"" PATH "\",\"Lun\":43,\"ReadOnly\":true}") == 0) {
			mounted++;
			EXPECT_EQ(0, shell("f=" PATH "/file; ! cat $f > /run/read 2>/dev/null || "
					     "yes right | head -c 20000 | cmp -s - /run/read")) TH_LOG("byte %ld bit %u", at, bit);
			ASSERT_EQ(0, request_unmap(h, PATH, 0, 43)) TH_LOG("%s", request_error(h));
		} else {
			EXPECT_NE(NULL, strstr(request_error(h), node)) TH_LOG("%s", request_error(h));
			EXPECT_STREQ(self->before, vm_traces(h));
		}
		ASSERT_EQ(0, flip(node, at, bit));
	}
	/* Both have happened, and with all bits back all is well. */
	EXPECT_LT(0, mounted);
	EXPECT_GT(FLIPS, mounted);
	ASSERT_EQ(0, request_map_as(h, "{\"MountPath\":\"" PATH "\",\"Lun\":43,\"ReadOnly\":true}")) TH_LOG("%s", request_error(h));
	EXPECT_EQ(0, shell("yes right | head -c 20000 | cmp - " PATH "/file"));
	ASSERT_EQ(0, request_unmap(h, PATH, 0, 43)) TH_LOG("%s", request_error(h));
	ASSERT_EQ(0, shell("rmdir /run/by-hand; rm -f /run/read"));
	take_away(h, 43);
}

/*
 * The agent's time for an unformatted disk of 1 GiB against that of the same by hand: the shortest of each, in turns, until it is at most
 * 1.2 of it, which a machine with other work may not show at once. A fixed delay would never be so short.
 */
TEST_F_TIMEOUT(filesystem, nothing_but_mkfs_and_mount_takes_time, 300)
{
	enum { ROUNDS = 40 };
	struct host *h = &self->h;
	int64_t start, took, agent = INT64_MAX, hand = INT64_MAX;
	char *node;
	int i;

	plug_in(h, 45, "big");
	node = strdup(plug_node(h, 45));
	ASSERT_EQ(0, shell("mkdir -p /run/by-hand"));
	for (i = 0; i < 3 || (i < ROUNDS && agent > hand * 12 / 10); i++) {
		ASSERT_EQ(0, wipe(node));
		start = host_now_ms();
		ASSERT_EQ(0, ensure(h, 45, "ext4")) TH_LOG("%s", request_error(h));
		took = host_now_ms() - start;
		agent = took < agent ? took : agent;
		ASSERT_EQ(0, request_unmap(h, PATH, 0, 45)) TH_LOG("%s", request_error(h));

		ASSERT_EQ(0, wipe(node));
		start = host_now_ms();
		ASSERT_EQ(0, shell("exec mkfs.ext4 -q -F -E lazy_itable_init=0,nodiscard -O ^has_journal,sparse_super2,^resize_inode %s",
				   node));
		ASSERT_EQ(0, mount(node, "/run/by-hand", "ext4", 0, ""));
		took = host_now_ms() - start;
		hand = took < hand ? took : hand;
		ASSERT_EQ(0, umount("/run/by-hand"));
	}
	TH_LOG("EnsureFilesystem: %lld ms, mkfs and mount: %lld ms, %d rounds", (long long)agent, (long long)hand, i);
	EXPECT_LE(agent, hand * 2 + 50);
	rmdir("/run/by-hand");
	take_away(h, 45);
}

TEST_HARNESS_MAIN

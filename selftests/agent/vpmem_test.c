// SPDX-License-Identifier: MIT
/*
 * Conformance: PMEM devices by ModifySettings (VPMemDevice, storage-and-network.md sections 6 and 7). Needs the test VM's disks
 * and a VM to which NVDIMMs can be added, which then stay: each run adds one of its own.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <linux/dm-ioctl.h>

#include "disks.h"
#include "image.h"
#include "../kmod/hotplug.h"
#include "kselftest_harness.h"

#define MIB (1024 * 1024ull)
#define DEVICE_SIZE (128 * MIB)
#define LAYER_SIZE (16 * MIB)

/* Where the copies of the layer are. */
static const uint64_t copies[] = { 0, 16 * MIB, 48 * MIB };
/* An ext4 whose blocks are no pages, and nothing at all. */
#define SMALL_BLOCKS (80 * MIB)
#define SMALL_SIZE (4 * MIB)
#define EMPTY (112 * MIB)
/* The layer with a tree of hashes. */
#define VERITY (96 * MIB)
#define VERITY_SIZE (4235264)

static int64_t vpmem(struct host *h, const char *request, const char *path, unsigned int device, const char *more)
{
	return host_call(h, MSG_MODIFY_SETTINGS, Z,
			 ",\"Request\":{\"RequestType\":\"%s\",\"ResourceType\":\"VPMemDevice\",\"Settings\":{\"MountPath\":\"%s\","
			 "\"DeviceNumber\":%u%s}}", request, path, device, more);
}

static int64_t part(struct host *h, const char *request, const char *path, unsigned int device, uint64_t offset, uint64_t size)
{
	char mapping[128];

	snprintf(mapping, sizeof(mapping), ",\"MappingInfo\":{\"DeviceOffsetInBytes\":%llu,\"DeviceSizeInBytes\":%llu}",
		 (unsigned long long)offset, (unsigned long long)size);
	return vpmem(h, request, path, device, mapping);
}

static bool uses_dax(const char *path)
{
	struct statx st;

	return statx(AT_FDCWD, path, 0, STATX_BASIC_STATS, &st) == 0 && st.stx_attributes & STATX_ATTR_DAX;
}

static bool dev_has_dax(unsigned int device)
{
	char path[64], text[2] = "";
	int fd;

	snprintf(path, sizeof(path), "/sys/block/pmem%u/queue/dax", device);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || read(fd, text, 1) != 1)
		text[0] = '0';
	if (fd >= 0)
		close(fd);
	return text[0] == '1';
}

FIXTURE(vpmem)
{
	struct host h;
	struct qmp *qmp;
	unsigned int device;
	char node[32];
};

static unsigned int devices(void)
{
	struct stat st;
	unsigned int n = 0;
	char node[32];

	do
		snprintf(node, sizeof(node), "/dev/pmem%u", n++);
	while (stat(node, &st) == 0);
	return n - 1;
}

/* An NVDIMM of this program's, which its tests share: it cannot be removed. */
static int add_device(struct qmp *q, unsigned int n)
{
	return qmp(q, "object-add", "\"qom-type\": \"memory-backend-ram\", \"id\": \"vpmem%u\", \"size\": %llu", n, DEVICE_SIZE) ||
	       qmp(q, "device_add", "\"driver\": \"nvdimm\", \"id\": \"vpmemdev%u\", \"memdev\": \"vpmem%u\"", n, n);
}

static const char *state(void)
{
	static char path[64];

	snprintf(path, sizeof(path), "/run/vpmem_test.%s", getenv("GCS_ENGINE") ? getenv("GCS_ENGINE") : "kmod");
	return path;
}

/* The request comes before the device does. */
static bool prepare(struct host *h, struct qmp *q, unsigned int *device)
{
	FILE *f = fopen(state(), "re");
	const struct answer *answer;
	uint64_t waiting;
	char node[32];

	if (f) {
		bool known = fscanf(f, "%u", device) == 1;

		fclose(f);
		return known;
	}
	*device = devices();
	waiting = host_ask(h, MSG_MODIFY_SETTINGS, Z,
			   ",\"Request\":{\"ResourceType\":\"VPMemDevice\",\"Settings\":{\"MountPath\":\"/run/layers/wait\","
			   "\"DeviceNumber\":%u}}", *device);
	/* Requests run at the same time; what has been answered after it was begun after it. */
	host_call(h, MSG_START, "x", "%s", "");
	if (host_answered(h, waiting, 0) || add_device(q, *device))
		return false;
	/* It had waited for the device, which has no file system. */
	answer = host_answer(h, waiting);
	if (answer_result(answer) != E_FAIL || !strstr(answer_text(answer, "ErrorMessage"), "there is no ext4 on it"))
		host_fail(h, "%s", json_object_to_json_string(answer->json));
	snprintf(node, sizeof(node), "/dev/pmem%u", *device);
	for (size_t i = 0; i < sizeof(copies) / sizeof(copies[0]); i++)
		if (!copy_disk(h, 0, node, copies[i]))
			return false;
	if (system("truncate -s 4M /run/small && /sbin/mkfs.ext4 -q -F -b 1024 /run/small") ||
	    !copy_file("/run/small", node, SMALL_BLOCKS))
		return false;
	unlink("/run/small");
	unlink("/run/verity.img");
	if (!copy_disk(h, 3, "/run/verity.img", 0) || !copy_file("/run/verity.img", node, VERITY))
		return false;
	f = fopen(state(), "we");
	return f && fprintf(f, "%u", *device) > 0 && fclose(f) == 0;
}

FIXTURE_SETUP(vpmem)
{
	if (!host_has_vsock() || !getenv("GCS_TEST_DISKS"))
		SKIP(_exit(255), "needs the test VM's disks (GCS_TEST_DISKS=1)");
	self->qmp = calloc(1, sizeof(*self->qmp));
	if (!qmp_open(self->qmp))
		SKIP(_exit(255), "needs a VM with --hotplug");
	host_start(&self->h, true, NULL);
	ASSERT_TRUE(prepare(&self->h, self->qmp, &self->device)) TH_LOG("%s", request_error(&self->h));
	snprintf(self->node, sizeof(self->node), "/dev/pmem%u", self->device);
}

FIXTURE_TEARDOWN(vpmem)
{
	host_stop(&self->h);
	close(self->qmp->fd);
	free(self->qmp);
	EXPECT_EQ(0, dm_count());
	EXPECT_NE(0, access("/run/layers/p", F_OK));
}

TEST_F_TIMEOUT(vpmem, a_whole_device_is_mounted_read_only_by_its_path, 60)
{
	struct host *h = &self->h;

	for (int i = 0; i < 2; i++) {
		ASSERT_EQ(0, vpmem(h, "Add", "/run/layers/p", self->device, ",\"VerityInfo\":{\"Version\":1,\"RootDigest\":\"x\"}"))
			TH_LOG("%s", request_error(h));
		EXPECT_EQ(0, access("/run/layers/p/bin/busybox", X_OK));
		EXPECT_EQ(0, system("/run/layers/p/bin/busybox true"));
		EXPECT_EQ(-1, open("/run/layers/p/new", O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
		EXPECT_EQ(EROFS, errno);
		EXPECT_EQ(0, dm_count());
		EXPECT_EQ(E_FAIL, vpmem(h, "Add", "/run/layers/p", self->device, ""));
		EXPECT_NE(NULL, strstr(request_error(h), "there is VPMem mapping already")) TH_LOG("%s", request_error(h));
		/* The host repeats itself if it has not understood. */
		ASSERT_EQ(0, vpmem(h, "Remove", "/run/layers/p", self->device, "")) TH_LOG("%s", request_error(h));
		ASSERT_EQ(0, vpmem(h, "Remove", "/run/layers/p", self->device, "")) TH_LOG("%s", request_error(h));
		EXPECT_NE(0, access("/run/layers/p", F_OK));
	}
}

TEST_F_TIMEOUT(vpmem, parts_of_one_device_are_mounted_side_by_side, 60)
{
	struct host *h = &self->h;
	char path[64];

	for (int i = 0; i < 3; i++) {
		snprintf(path, sizeof(path), "/run/layers/p-%d", i);
		ASSERT_EQ(0, part(h, "Add", path, self->device, copies[i], LAYER_SIZE)) TH_LOG("%s", request_error(h));
		strcat(path, "/bin/busybox");
		EXPECT_EQ(0, access(path, X_OK));
	}
	/* The same part at another path; not the whole as well. */
	ASSERT_EQ(0, part(h, "Add", "/run/layers/p-again", self->device, copies[1], LAYER_SIZE)) TH_LOG("%s", request_error(h));
	EXPECT_EQ(E_FAIL, vpmem(h, "Add", "/run/layers/p", self->device, ""));
	EXPECT_NE(NULL, strstr(request_error(h), "busy")) TH_LOG("%s", request_error(h));
	EXPECT_EQ(4, dm_count());
	host_call(h, MSG_DUMP_STACKS, Z, "%s", "");
	EXPECT_NE(NULL, strstr(answer_text(host_last(h), "GuestStacks"), "VPMem mapping /run/layers/p-again")) {
		TH_LOG("%s", answer_text(host_last(h), "GuestStacks"));
	}
	ASSERT_EQ(0, part(h, "Remove", "/run/layers/p-1", self->device, copies[1], LAYER_SIZE)) TH_LOG("%s", request_error(h));
	EXPECT_EQ(0, access("/run/layers/p-again/bin/busybox", X_OK));
	EXPECT_EQ(3, dm_count());
	/* By its path, whatever else the host says. */
	ASSERT_EQ(0, vpmem(h, "Remove", "/run/layers/p-again", 77, "")) TH_LOG("%s", request_error(h));
	ASSERT_EQ(0, part(h, "Remove", "/run/layers/p-0", self->device, copies[0], LAYER_SIZE)) TH_LOG("%s", request_error(h));
	ASSERT_EQ(0, part(h, "Remove", "/run/layers/p-2", self->device, copies[2], LAYER_SIZE)) TH_LOG("%s", request_error(h));
}

TEST_F_TIMEOUT(vpmem, a_hundred_times_on_and_off_leave_nothing, 120)
{
	struct host *h = &self->h;

	for (int i = 0; i < 100; i++) {
		ASSERT_EQ(0, part(h, "Add", "/run/layers/p", self->device, copies[i % 3], LAYER_SIZE)) TH_LOG("%s", request_error(h));
		ASSERT_EQ(0, part(h, "Remove", "/run/layers/p", self->device, copies[i % 3], LAYER_SIZE))
			TH_LOG("%s", request_error(h));
		ASSERT_EQ(0, dm_count());
	}
}

TEST_F_TIMEOUT(vpmem, what_cannot_be_mapped_is_told_and_leaves_nothing, 60)
{
	struct host *h = &self->h;
	const struct {
		uint64_t offset, size;
		const char *text;
	} bad[] = {
		{ 0, 0, "DeviceSizeInBytes is 0" },
		{ 512, LAYER_SIZE, "not multiples of 4096" },
		{ 0, LAYER_SIZE + 1024, "not multiples of 4096" },
		{ UINT64_MAX - 4095, 8192, "beyond any device" },
		{ 0, DEVICE_SIZE + 4096, "134217728 bytes" },
		{ DEVICE_SIZE, 4096, "134217728 bytes" },
		{ DEVICE_SIZE - 4096, 8192, "134217728 bytes" },
		{ EMPTY, LAYER_SIZE, "there is no ext4 on it" },
		/* The file system is longer than the part. */
		{ 0, LAYER_SIZE / 2, "mount" },
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		EXPECT_NE(0, part(h, "Add", "/run/layers/p", self->device, bad[i].offset, bad[i].size));
		EXPECT_NE(NULL, strstr(request_error(h), bad[i].text)) TH_LOG("%zu: %s", i, request_error(h));
		EXPECT_NE(0, access("/run/layers/p", F_OK));
		EXPECT_EQ(0, dm_count());
	}
	EXPECT_NE(0, vpmem(h, "Add", "", self->device, ""));
	EXPECT_NE(0, vpmem(h, "Add", "/run/layers/../p", self->device, ""));
	EXPECT_NE(0, vpmem(h, "Remove", "relative", self->device, ""));
	EXPECT_EQ(E_FAIL, vpmem(h, "Add", "/run/layers/p", 99, ""));
	EXPECT_NE(NULL, strstr(request_error(h), "VPMem device 99")) TH_LOG("%s", request_error(h));
	EXPECT_EQ(E_FAIL, vpmem(h, "Update", "/run/layers/p", self->device, ""));
}

TEST_F_TIMEOUT(vpmem, a_file_system_that_cannot_be_mapped_directly_is_mounted_as_any, 60)
{
	struct host *h = &self->h;

	ASSERT_EQ(0, part(h, "Add", "/run/layers/p", self->device, SMALL_BLOCKS, SMALL_SIZE)) TH_LOG("%s", request_error(h));
	EXPECT_EQ(0, access("/run/layers/p/lost+found", F_OK));
	EXPECT_FALSE(uses_dax("/run/layers/p/lost+found"));
	ASSERT_EQ(0, part(h, "Remove", "/run/layers/p", self->device, SMALL_BLOCKS, SMALL_SIZE)) TH_LOG("%s", request_error(h));
}

TEST_F_TIMEOUT(vpmem, a_part_with_a_tree_of_hashes_is_checked, 60)
{
	uint64_t offset = VERITY + data_offset("/run/verity.img");
	struct host *h = &self->h;

	ASSERT_EQ(0, part(h, "Add", "/run/layers/p", self->device, VERITY, VERITY_SIZE)) TH_LOG("%s", request_error(h));
	EXPECT_EQ(2, dm_count());
	EXPECT_EQ(RIGHT, verity_content("/run/layers/p"));
	ASSERT_EQ(0, part(h, "Remove", "/run/layers/p", self->device, VERITY, VERITY_SIZE)) TH_LOG("%s", request_error(h));
	ASSERT_TRUE(flip_bits(self->node, offset, 1));
	ASSERT_EQ(0, part(h, "Add", "/run/layers/p", self->device, VERITY, VERITY_SIZE)) TH_LOG("%s", request_error(h));
	EXPECT_EQ(UNREADABLE, verity_content("/run/layers/p"));
	ASSERT_EQ(0, part(h, "Remove", "/run/layers/p", self->device, VERITY, VERITY_SIZE)) TH_LOG("%s", request_error(h));
	ASSERT_TRUE(flip_bits(self->node, offset, 1));
}

/* --- names that a former agent has left --------------------------------------------------------- */

static int dm(unsigned long request, const char *name, const char *params, uint64_t sectors, dev_t *dev)
{
	struct {
		struct dm_ioctl arg;
		struct dm_target_spec spec;
		char params[64];
	} r = {
		.arg = { .version = { DM_VERSION_MAJOR }, .data_size = sizeof(r), .data_start = offsetof(__typeof__(r), spec) },
		.spec = { .length = sectors, .next = sizeof(r.spec) + sizeof(r.params), .target_type = "linear" },
	};
	int fd = open("/dev/" DM_DIR "/" DM_CONTROL_NODE, O_RDWR | O_CLOEXEC), ret;

	snprintf(r.arg.name, sizeof(r.arg.name), "%s", name);
	if (params) {
		snprintf(r.params, sizeof(r.params), "%s", params);
		r.arg.target_count = 1;
		r.arg.flags = DM_READONLY_FLAG;
	}
	ret = ioctl(fd, request, &r);
	if (dev)
		*dev = r.arg.dev;
	close(fd);
	return ret;
}

TEST_F_TIMEOUT(vpmem, names_left_over_are_taken_or_passed_over_and_nothing_waits, 60)
{
	struct host *h = &self->h;
	char name[3][64], params[64], node[32];
	struct stat st;
	dev_t dev;
	int fd;

	for (int i = 0; i < 3; i++)
		snprintf(name[i], sizeof(name[i]), "linear-pmem%u-0-%llu-%d", self->device, LAYER_SIZE, i + 1);
	/* One without a table; one with another, which is open; and the agent's own then. */
	ASSERT_EQ(0, dm(DM_DEV_CREATE, name[1], NULL, 0, NULL));
	ASSERT_EQ(0, stat(self->node, &st));
	snprintf(params, sizeof(params), "%u:%u 2048", major(st.st_rdev), minor(st.st_rdev));
	ASSERT_EQ(0, dm(DM_DEV_CREATE, name[0], NULL, 0, NULL));
	ASSERT_EQ(0, dm(DM_TABLE_LOAD, name[0], params, 2048, NULL));
	ASSERT_EQ(0, dm(DM_DEV_SUSPEND, name[0], NULL, 0, &dev));
	snprintf(node, sizeof(node), "/dev/dm-%u", minor(dev));
	fd = open(node, O_RDONLY | O_CLOEXEC);
	ASSERT_LE(0, fd);

	ASSERT_EQ(0, part(h, "Add", "/run/layers/p", self->device, 0, LAYER_SIZE)) TH_LOG("%s", request_error(h));
	EXPECT_EQ(0, access("/run/layers/p/bin/busybox", X_OK));
	EXPECT_EQ(2, dm_count());
	EXPECT_EQ(1, host_log_count(h, name[1]));
	ASSERT_EQ(0, part(h, "Remove", "/run/layers/p", self->device, 0, LAYER_SIZE)) TH_LOG("%s", request_error(h));
	EXPECT_EQ(1, dm_count());
	close(fd);
	EXPECT_EQ(0, dm(DM_DEV_REMOVE, name[0], NULL, 0, NULL));
}

/* --- in use, and gone --------------------------------------------------------------------------- */

TEST_F_TIMEOUT(vpmem, a_part_in_use_stays_and_its_layer_is_held_by_what_stands_on_it, 60)
{
	struct host *h = &self->h;
	int fd;

	ASSERT_EQ(0, part(h, "Add", "/run/layers/p", self->device, 0, LAYER_SIZE)) TH_LOG("%s", request_error(h));
	fd = open("/run/layers/p/bin/busybox", O_RDONLY | O_CLOEXEC);
	EXPECT_EQ(E_FAIL, part(h, "Remove", "/run/layers/p", self->device, 0, LAYER_SIZE));
	EXPECT_NE(NULL, strstr(request_error(h), "busy")) TH_LOG("%s", request_error(h));
	close(fd);
	ASSERT_EQ(0, host_call(h, MSG_MODIFY_SETTINGS, Z,
			       ",\"Request\":{\"ResourceType\":\"CombinedLayers\",\"Settings\":{\"ContainerRootPath\":"
			       "\"/run/gcs/c/vp/rootfs\",\"Layers\":[{\"Path\":\"/run/layers/p\"}]}}")) TH_LOG("%s", request_error(h));
	EXPECT_EQ(E_FAIL, part(h, "Remove", "/run/layers/p", self->device, 0, LAYER_SIZE));
	EXPECT_NE(NULL, strstr(request_error(h), "is used by layers /run/gcs/c/vp/rootfs")) TH_LOG("%s", request_error(h));
	EXPECT_EQ(0, access("/run/gcs/c/vp/rootfs/bin/busybox", X_OK));
	ASSERT_EQ(0, host_call(h, MSG_MODIFY_SETTINGS, Z,
			       ",\"Request\":{\"RequestType\":\"Remove\",\"ResourceType\":\"CombinedLayers\",\"Settings\":"
			       "{\"ContainerRootPath\":\"/run/gcs/c/vp/rootfs\"}}")) TH_LOG("%s", request_error(h));
	ASSERT_EQ(0, part(h, "Remove", "/run/layers/p", self->device, 0, LAYER_SIZE)) TH_LOG("%s", request_error(h));
	rmdir("/run/gcs/c/vp");
}

static bool poke(const char *dir, const char *file, const char *text)
{
	char path[128];
	bool good;
	int fd;

	snprintf(path, sizeof(path), "/sys/bus/nd/%s/%s", dir, file);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	good = write(fd, text, strlen(text)) == (ssize_t)strlen(text);
	close(fd);
	return good;
}

/* QEMU cannot take an NVDIMM away; that its driver lets it go is what the guest would see of it. */
static bool bind_driver(const char *name, bool bind)
{
	return poke("drivers/nd_pmem", bind ? "bind" : "unbind", name);
}

/* What the driver is bound to. */
static bool parent_of(unsigned int device, char name[64])
{
	char path[64], target[256];
	ssize_t n;

	snprintf(path, sizeof(path), "/sys/block/pmem%u/device", device);
	n = readlink(path, target, sizeof(target) - 1);
	if (n <= 0)
		return false;
	target[n] = '\0';
	snprintf(name, 64, "%.63s", strrchr(target, '/') + 1);
	return true;
}

TEST_F_TIMEOUT(vpmem, a_device_that_goes_while_it_is_mapped_can_be_unmapped_and_come_back, 60)
{
	struct host *h = &self->h;
	char name[64];

	ASSERT_TRUE(parent_of(self->device, name));
	ASSERT_EQ(0, part(h, "Add", "/run/layers/p", self->device, 0, LAYER_SIZE)) TH_LOG("%s", request_error(h));
	ASSERT_TRUE(bind_driver(name, false)) TH_LOG("%s", name);
	EXPECT_NE(0, access(self->node, F_OK));
	EXPECT_EQ(0, part(h, "Remove", "/run/layers/p", self->device, 0, LAYER_SIZE)) TH_LOG("%s", request_error(h));
	EXPECT_EQ(0, dm_count());
	ASSERT_TRUE(bind_driver(name, true)) TH_LOG("%s", name);
	ASSERT_EQ(0, part(h, "Add", "/run/layers/p", self->device, 0, LAYER_SIZE)) TH_LOG("%s", request_error(h));
	EXPECT_EQ(0, access("/run/layers/p/bin/busybox", X_OK));
	ASSERT_EQ(0, part(h, "Remove", "/run/layers/p", self->device, 0, LAYER_SIZE)) TH_LOG("%s", request_error(h));
}

/* The last one: what is on the device is lost. Without the kernel's own data on it, it has no pages to be mapped with. */
TEST_F_TIMEOUT(vpmem, files_of_a_device_that_has_pages_are_mapped_directly, 60)
{
	struct host *h = &self->h;
	char space[64], dir[96], file[128], pfn[64] = "";
	unsigned int region;
	int fd;

	ASSERT_TRUE(parent_of(self->device, space));
	if (sscanf(space, "namespace%u.", &region) == 1) {
		snprintf(file, sizeof(file), "/sys/bus/nd/devices/region%u/pfn_seed", region);
		fd = open(file, O_RDONLY | O_CLOEXEC);
		ASSERT_LT(0, read(fd, pfn, sizeof(pfn) - 1));
		close(fd);
		pfn[strcspn(pfn, "\n")] = '\0';
		snprintf(dir, sizeof(dir), "devices/%s", pfn);
		ASSERT_TRUE(bind_driver(space, false));
		ASSERT_TRUE(poke(dir, "mode", "ram"));
		ASSERT_TRUE(poke(dir, "uuid", "12345678-1234-1234-1234-123456789abc"));
		ASSERT_TRUE(poke(dir, "namespace", space));
		ASSERT_TRUE(bind_driver(pfn, true));
	}
	ASSERT_TRUE(dev_has_dax(self->device));
	ASSERT_TRUE(copy_disk(h, 0, self->node, 0));
	ASSERT_TRUE(copy_file("/run/verity.img", self->node, VERITY));

	ASSERT_EQ(0, vpmem(h, "Add", "/run/layers/p", self->device, "")) TH_LOG("%s", request_error(h));
	EXPECT_TRUE(uses_dax("/run/layers/p/bin/busybox"));
	EXPECT_EQ(0, system("/run/layers/p/bin/busybox true"));
	ASSERT_EQ(0, vpmem(h, "Remove", "/run/layers/p", self->device, "")) TH_LOG("%s", request_error(h));
	ASSERT_EQ(0, part(h, "Add", "/run/layers/p", self->device, 0, LAYER_SIZE)) TH_LOG("%s", request_error(h));
	EXPECT_TRUE(uses_dax("/run/layers/p/bin/busybox"));
	EXPECT_EQ(0, system("/run/layers/p/bin/busybox true"));
	ASSERT_EQ(0, part(h, "Remove", "/run/layers/p", self->device, 0, LAYER_SIZE)) TH_LOG("%s", request_error(h));
	/* What is checked is read, and not mapped. */
	ASSERT_EQ(0, part(h, "Add", "/run/layers/p", self->device, VERITY, VERITY_SIZE)) TH_LOG("%s", request_error(h));
	EXPECT_FALSE(uses_dax("/run/layers/p/one"));
	EXPECT_EQ(RIGHT, verity_content("/run/layers/p"));
	ASSERT_EQ(0, part(h, "Remove", "/run/layers/p", self->device, VERITY, VERITY_SIZE)) TH_LOG("%s", request_error(h));
}

TEST_HARNESS_MAIN

// SPDX-License-Identifier: MIT
/* SCSI disks by the host's address, with a sysfs tree of our own. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "cleanup.h"
#include "event.h"
#include "fs.h"
#include "storage/internal.h"

#include "kselftest_harness.h"

FIXTURE(scsi)
{
	char dir[64], sys[80], dev[80];
	struct gcs_error err;
};

/* mkdir -p below the fixture's directory. */
static void make(const char *top, const char *path)
{
	char full[512];

	snprintf(full, sizeof(full), "%s/%s", top, path);
	fs_mkdir_p(full, 0755, NULL, NULL);
}

static void put(const char *top, const char *path, const char *text)
{
	char full[512];

	snprintf(full, sizeof(full), "%s/%s", top, path);
	fs_write(full, text, strlen(text), 0644, NULL);
}

static void make_link(const char *top, const char *target, const char *path)
{
	char full[512], to[512];

	snprintf(full, sizeof(full), "%s/%s", top, path);
	snprintf(to, sizeof(to), "%s/%s", top, target);
	symlink(to, full);
}

FIXTURE_SETUP(scsi)
{
	strcpy(self->dir, "/tmp/test_scsi.XXXXXX");
	ASSERT_NE(NULL, mkdtemp(self->dir));
	snprintf(self->sys, sizeof(self->sys), "%s/sys", self->dir);
	snprintf(self->dev, sizeof(self->dev), "%s/dev", self->dir);
	make(self->dir, "dev");
	make(self->sys, "class/scsi_host");
	make(self->sys, "bus/scsi/devices");
	make(self->sys, "module/scsi_mod/parameters");
	put(self->sys, "module/scsi_mod/parameters/scan", "async");
	storage_sysfs = self->sys;
	storage_dev = self->dev;
	ASSERT_EQ(0, event_start(&self->err));
	if (storage_init(&self->err) < 0)
		SKIP(_exit(255), "needs a uevent socket: %.100s", self->err.text);
}

FIXTURE_TEARDOWN(scsi)
{
	EXPECT_EQ(0, fs_remove_tree(self->dir, &self->err));
}

/* Hosts whose numbers do not follow the order of their PCI slots, and a SATA one. */
static void make_hosts(const char *sys)
{
	static const char *const hosts[][2] = {
		{ "devices/pci0000:00/0000:00:05.0/virtio3/host0/scsi_host/host0", "class/scsi_host/host0" },
		{ "devices/pci0000:00/0000:00:1f.2/ata1/host1/scsi_host/host1", "class/scsi_host/host1" },
		{ "devices/pci0000:00/0000:00:04.0/virtio2/host2/scsi_host/host2", "class/scsi_host/host2" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(hosts); i++) {
		make(sys, hosts[i][0]);
		make_link(sys, hosts[i][0], hosts[i][1]);
	}
}

TEST_F(scsi, a_scan_of_the_bus_gives_what_it_finds_at_once)
{
	char path[128], *text;

	snprintf(path, sizeof(path), "%s/module/scsi_mod/parameters/scan", self->sys);
	text = fs_read(path, 100, &self->err);
	/* The kernel replaces the whole of it. */
	EXPECT_EQ(0, strncmp(text, "sync", 4)) TH_LOG("%s", text);
	free(text);
}

TEST_F(scsi, without_vmbus_controllers_are_hosts_in_bus_order)
{
	unsigned int n;

	make_hosts(self->sys);
	ASSERT_EQ(0, scsi_host_number(0, &n, &self->err));
	EXPECT_EQ(2u, n);
	ASSERT_EQ(0, scsi_host_number(1, &n, &self->err));
	EXPECT_EQ(0u, n);
	EXPECT_EQ(-1, scsi_host_number(2, &n, &self->err));
	EXPECT_EQ(ENXIO, self->err.err);
	EXPECT_NE(NULL, strstr(self->err.text, "controller 2"));
	EXPECT_EQ(-1, scsi_host_number(4, &n, &self->err));
	EXPECT_EQ(HR_INVALID_ARG, self->err.hr);
}

TEST_F(scsi, with_vmbus_controllers_are_instances)
{
	unsigned int n;

	make_hosts(self->sys);
	make(self->sys, "bus/vmbus/devices/0110f83b-de10-5172-a266-78bca56bf50a/host7");
	ASSERT_EQ(0, scsi_host_number(1, &n, &self->err));
	EXPECT_EQ(7u, n);
	EXPECT_EQ(-1, scsi_host_number(0, &n, &self->err));
	EXPECT_EQ(ENXIO, self->err.err);
}

TEST_F(scsi, a_disk_that_is_there_is_found_at_once)
{
	char node[PATH_MAX], want[128];

	make_hosts(self->sys);
	make(self->sys, "bus/scsi/devices/2:0:0:5/block/sdb");
	put(self->dev, "sdb", "");
	put(self->dev, "sdb3", "");
	ASSERT_EQ(0, scsi_wait_node(0, 5, 0, node, &self->err)) TH_LOG("%s", self->err.text);
	snprintf(want, sizeof(want), "%s/sdb", self->dev);
	EXPECT_STREQ(want, node);
	ASSERT_EQ(0, scsi_wait_node(0, 5, 3, node, &self->err));
	snprintf(want, sizeof(want), "%s/sdb3", self->dev);
	EXPECT_STREQ(want, node);
	make(self->sys, "bus/scsi/devices/2:0:0:5/block/sdc");
	EXPECT_EQ(-1, scsi_wait_node(0, 5, 0, node, &self->err));
	EXPECT_NE(NULL, strstr(self->err.text, "more than one")) TH_LOG("%s", self->err.text);
}

TEST_F(scsi, a_missing_lun_is_probed_and_then_an_error_in_bounded_time)
{
	char node[PATH_MAX], path[256], *text;
	struct timespec a, b;

	make_hosts(self->sys);
	put(self->sys, "class/scsi_host/host2/scan", "");
	clock_gettime(CLOCK_MONOTONIC, &a);
	EXPECT_EQ(-1, scsi_wait_node(0, 9, 0, node, &self->err));
	clock_gettime(CLOCK_MONOTONIC, &b);
	EXPECT_NE(NULL, strstr(self->err.text, "controller 0 LUN 9")) TH_LOG("%s", self->err.text);
	EXPECT_EQ(ETIMEDOUT, self->err.err);
	EXPECT_GE(DISK_DEADLINE_MS / 1000 + 1, b.tv_sec - a.tv_sec);
	snprintf(path, sizeof(path), "%s/class/scsi_host/host2/scan", self->sys);
	text = fs_read(path, 100, &self->err);
	EXPECT_STREQ("0 0 9", text);
	free(text);
	EXPECT_EQ(-1, scsi_wait_node(0, 64, 0, node, &self->err));
	EXPECT_EQ(HR_INVALID_ARG, self->err.hr);
}

TEST_F(scsi, ejecting_what_is_not_there_is_success)
{
	make_hosts(self->sys);
	EXPECT_EQ(0, disk_eject(0, 3, &self->err)) TH_LOG("%s", self->err.text);
	EXPECT_EQ(-1, disk_eject(3, 3, &self->err));
}

static int detect(const char *path, enum filesystem *fs, struct gcs_error *err)
{
	_cleanup_close_ int fd = open_cached(path, err);

	return fd < 0 ? -1 : filesystem_detect(fd, path, fs, err);
}

TEST_F(scsi, what_is_on_a_disk)
{
	char path[128], image[4096] = { 0 };
	enum filesystem fs;

	snprintf(path, sizeof(path), "%s/disk", self->dir);
	ASSERT_EQ(0, fs_write(path, image, sizeof(image), 0644, &self->err));
	ASSERT_EQ(0, detect(path, &fs, &self->err));
	EXPECT_EQ(FS_NONE, (int)fs);
	image[1080] = 0x53;
	image[1081] = 0xef;
	ASSERT_EQ(0, fs_write(path, image, sizeof(image), 0644, &self->err));
	ASSERT_EQ(0, detect(path, &fs, &self->err));
	EXPECT_EQ(FS_EXT4, (int)fs);
	memcpy(image, "XFSB", 4);
	image[1081] = 0;
	ASSERT_EQ(0, fs_write(path, image, sizeof(image), 0644, &self->err));
	ASSERT_EQ(0, detect(path, &fs, &self->err));
	EXPECT_EQ(FS_XFS, (int)fs);
	/* A disk that cannot be read is not an empty one. */
	EXPECT_EQ(-1, detect(self->dir, &fs, &self->err));
	EXPECT_EQ(EISDIR, self->err.err);
	EXPECT_EQ(-1, detect("/no/such/disk", &fs, &self->err));
}

TEST_F(scsi, bad_requests_are_errors)
{
	struct mapped_disk d = { .mount_path = "relative", .filesystem = "" };

	EXPECT_EQ(-1, disk_map(&d, &self->err));
	EXPECT_EQ(HR_INVALID_ARG, self->err.hr);
	d.mount_path = "/run/x/../y";
	EXPECT_EQ(-1, disk_map(&d, &self->err));
	d.mount_path = "/run/x";
	d.controller = 9;
	EXPECT_EQ(-1, disk_map(&d, &self->err));
	EXPECT_NE(0, access("/run/x", F_OK));
	d.mount_path = "/no/such/path";
	EXPECT_EQ(0, disk_unmap(&d, &self->err));
}

TEST_F(scsi, propagation_words)
{
	char *words[] = { "ro", "rslave", "noatime", "shared", "defaults", NULL };
	unsigned long flags[4];

	ASSERT_EQ(0, options_propagation(words, flags, 4, &self->err));
	EXPECT_EQ((unsigned long)(MS_SLAVE | MS_REC), flags[0]);
	EXPECT_EQ((unsigned long)MS_SHARED, flags[1]);
	EXPECT_EQ(0ul, flags[2]);
	EXPECT_EQ(-1, options_propagation(words, flags, 2, &self->err));
	ASSERT_EQ(0, options_propagation(NULL, flags, 4, &self->err));
	EXPECT_EQ(0ul, flags[0]);
}

TEST_HARNESS_MAIN

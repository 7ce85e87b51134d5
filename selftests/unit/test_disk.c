// SPDX-License-Identifier: MIT
/*
 * Real SCSI disks, in a VM whose controller 0 has LUN 0: ext4 with /bin/busybox, to be left as it is, and LUN 1: 64 MiB to be
 * overwritten. GCS_TEST_DISKS says that it has.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "event.h"
#include "fs.h"
#include "reap.h"
#include "storage/storage.h"

#include "kselftest_harness.h"

#define LAYER "/run/mounts/scsi/m0"
#define SCRATCH "/run/gcs/c/x"

FIXTURE(disk)
{
	struct gcs_error err;
};

/* Without a superblock, whatever ran before. */
static int wipe(struct gcs_error *err)
{
	struct mapped_disk d = { .mount_path = "/run/wipe", .lun = 1, .block_dev = true, .filesystem = "" };
	static const char zeros[4096];
	int fd, ret = -1;

	if (disk_map(&d, err) < 0)
		return -1;
	fd = open(d.mount_path, O_WRONLY | O_CLOEXEC);
	if (fd >= 0) {
		ret = write(fd, zeros, sizeof(zeros)) == sizeof(zeros) ? 0 : -1;
		close(fd);
	}
	return disk_unmap(&d, err) < 0 ? -1 : ret;
}

FIXTURE_SETUP(disk)
{
	if (!getenv("GCS_TEST_DISKS"))
		SKIP(_exit(255), "needs a VM with two SCSI disks, and GCS_TEST_DISKS");
	ASSERT_EQ(0, event_start(&self->err));
	ASSERT_EQ(0, reap_init(&self->err));
	ASSERT_EQ(0, storage_init(&self->err)) TH_LOG("%s", self->err.text);
	ASSERT_EQ(0, wipe(&self->err)) TH_LOG("%s", self->err.text);
}

FIXTURE_TEARDOWN(disk)
{
	EXPECT_NE(0, access(LAYER, F_OK));
	EXPECT_NE(0, access(SCRATCH, F_OK));
}

static const struct mapped_disk layer = { .mount_path = LAYER, .lun = 0, .read_only = true, .filesystem = "" };
static const struct mapped_disk scratch = { .mount_path = SCRATCH, .lun = 1, .ensure_filesystem = true,
					    .filesystem = "ext4" };

TEST_F(disk, a_read_only_layer_is_mounted_once_and_unmounted)
{
	ASSERT_EQ(0, disk_map(&layer, &self->err)) TH_LOG("%s", self->err.text);
	EXPECT_EQ(0, access(LAYER "/bin/busybox", F_OK));
	EXPECT_EQ(-1, mkdir(LAYER "/x", 0755));
	EXPECT_EQ(EROFS, errno);
	EXPECT_EQ(-1, disk_map(&layer, &self->err));
	EXPECT_EQ(EEXIST, self->err.err);
	EXPECT_EQ(0, access(LAYER "/bin/busybox", F_OK));
	ASSERT_EQ(0, disk_unmap(&layer, &self->err)) TH_LOG("%s", self->err.text);
	ASSERT_EQ(0, disk_unmap(&layer, &self->err)) TH_LOG("%s", self->err.text);
}

TEST_F(disk, one_without_a_file_system_is_an_error_or_gets_one)
{
	struct mapped_disk d = scratch;
	struct stat st;

	d.ensure_filesystem = false;
	d.filesystem = "";
	EXPECT_EQ(-1, disk_map(&d, &self->err));
	EXPECT_NE(NULL, strstr(self->err.text, "no file system")) TH_LOG("%s", self->err.text);
	EXPECT_NE(0, access(SCRATCH, F_OK));
	d = scratch;
	d.read_only = true;
	EXPECT_EQ(-1, disk_map(&d, &self->err));
	EXPECT_NE(NULL, strstr(self->err.text, "read-only: not formatted")) TH_LOG("%s", self->err.text);
	ASSERT_EQ(0, disk_map(&scratch, &self->err)) TH_LOG("%s", self->err.text);
	EXPECT_EQ(0, fs_write(SCRATCH "/kept", "x", 1, 0644, &self->err));
	ASSERT_EQ(0, disk_unmap(&scratch, &self->err)) TH_LOG("%s", self->err.text);
	/* It has one now: it is not made again. */
	ASSERT_EQ(0, disk_map(&scratch, &self->err)) TH_LOG("%s", self->err.text);
	EXPECT_EQ(0, stat(SCRATCH "/kept", &st));
	ASSERT_EQ(0, disk_unmap(&scratch, &self->err)) TH_LOG("%s", self->err.text);
}

TEST_F(disk, a_busy_disk_stays_mapped_until_it_is_not)
{
	int fd;

	ASSERT_EQ(0, disk_map(&layer, &self->err)) TH_LOG("%s", self->err.text);
	fd = open(LAYER "/bin/busybox", O_RDONLY);
	EXPECT_EQ(-1, disk_unmap(&layer, &self->err));
	EXPECT_EQ(EBUSY, self->err.err);
	EXPECT_EQ(0, access(LAYER "/bin/busybox", F_OK));
	close(fd);
	ASSERT_EQ(0, disk_unmap(&layer, &self->err)) TH_LOG("%s", self->err.text);
}

TEST_F(disk, a_block_device_is_a_link_to_the_node)
{
	struct mapped_disk d = { .mount_path = LAYER, .lun = 0, .block_dev = true, .filesystem = "" };
	char target[64] = "";
	struct stat st;

	ASSERT_EQ(0, disk_map(&d, &self->err)) TH_LOG("%s", self->err.text);
	ASSERT_LT(0, readlink(LAYER, target, sizeof(target) - 1));
	ASSERT_EQ(0, lstat(target, &st)) TH_LOG("%s", target);
	EXPECT_TRUE(S_ISBLK(st.st_mode));
	/* V1 hosts do not repeat what the Add said. */
	d.block_dev = false;
	ASSERT_EQ(0, disk_unmap(&d, &self->err)) TH_LOG("%s", self->err.text);
}

TEST_F(disk, a_lun_that_is_not_there)
{
	struct mapped_disk d = { .mount_path = LAYER, .lun = 33, .filesystem = "" };

	EXPECT_EQ(-1, disk_map(&d, &self->err));
	EXPECT_NE(NULL, strstr(self->err.text, "controller 0 LUN 33")) TH_LOG("%s", self->err.text);
	d.lun = 0;
	d.partition = 7;
	EXPECT_EQ(-1, disk_map(&d, &self->err));
	EXPECT_NE(NULL, strstr(self->err.text, "partition 7")) TH_LOG("%s", self->err.text);
	d.partition = 0;
	d.controller = 3;
	EXPECT_EQ(-1, disk_map(&d, &self->err));
	EXPECT_NE(NULL, strstr(self->err.text, "controller 3")) TH_LOG("%s", self->err.text);
}

TEST_F(disk, layers_are_combined_and_taken_apart_with_the_data_kept)
{
	char *layers[] = { LAYER, NULL };
	struct combined_layers l = { .root = "/run/gcs/pods/p/c/rootfs", .scratch = SCRATCH "/scratch/p/c",
				     .layers = layers };

	ASSERT_EQ(0, disk_map(&layer, &self->err)) TH_LOG("%s", self->err.text);
	ASSERT_EQ(0, disk_map(&scratch, &self->err)) TH_LOG("%s", self->err.text);
	ASSERT_EQ(0, layers_combine(&l, &self->err)) TH_LOG("%s", self->err.text);
	EXPECT_EQ(-1, layers_combine(&l, &self->err));
	EXPECT_EQ(0, access("/run/gcs/pods/p/c/rootfs/bin/busybox", F_OK));
	ASSERT_EQ(0, fs_write("/run/gcs/pods/p/c/rootfs/new", "x", 1, 0644, &self->err));
	/* The kernel would let the layer go, and the disk not. */
	EXPECT_EQ(-1, disk_unmap(&layer, &self->err));
	EXPECT_NE(NULL, strstr(self->err.text, "is used by layers /run/gcs/pods/p/c/rootfs")) TH_LOG("%s", self->err.text);
	EXPECT_EQ(-1, disk_unmap(&scratch, &self->err));
	EXPECT_EQ(EBUSY, self->err.err);
	EXPECT_EQ(-1, disk_eject(0, 0, &self->err));
	EXPECT_NE(NULL, strstr(self->err.text, "LUN 0: is used by disk " LAYER)) TH_LOG("%s", self->err.text);
	/* What is put into the bundle is on the scratch. */
	ASSERT_EQ(0, fs_write("/run/gcs/pods/p/c/config.json", "x", 1, 0644, &self->err));
	EXPECT_EQ(0, access(SCRATCH "/scratch/p/c/bundle/config.json", F_OK));
	EXPECT_EQ(0, access(SCRATCH "/scratch/p/c/upper/new", F_OK));
	/* A container has files there. */
	ASSERT_EQ(0, layers_hold_bundle("/run/gcs/pods/p/c", &self->err)) TH_LOG("%s", self->err.text);
	ASSERT_EQ(0, layers_remove(l.root, &self->err)) TH_LOG("%s", self->err.text);
	ASSERT_EQ(0, layers_remove(l.root, &self->err)) TH_LOG("%s", self->err.text);
	EXPECT_EQ(1, fs_is_mount("/run/gcs/pods/p/c"));
	EXPECT_EQ(0, access(SCRATCH "/scratch/p/c/upper/new", F_OK));
	/* Again, on the bundle that is bound already. */
	ASSERT_EQ(0, layers_combine(&l, &self->err)) TH_LOG("%s", self->err.text);
	EXPECT_EQ(0, access("/run/gcs/pods/p/c/rootfs/new", F_OK));
	ASSERT_EQ(0, layers_remove(l.root, &self->err)) TH_LOG("%s", self->err.text);
	ASSERT_EQ(0, layers_release_bundle("/run/gcs/pods/p/c", &self->err)) TH_LOG("%s", self->err.text);
	ASSERT_EQ(0, layers_release_bundle("/run/gcs/pods/p/c", &self->err));
	EXPECT_EQ(0, fs_is_mount("/run/gcs/pods/p/c"));
	/* Of a container that was never made, or whose making failed, the bind goes with the layers. */
	ASSERT_EQ(0, layers_combine(&l, &self->err)) TH_LOG("%s", self->err.text);
	EXPECT_EQ(1, fs_is_mount("/run/gcs/pods/p/c"));
	ASSERT_EQ(0, layers_hold_bundle("/run/gcs/pods/p/c", &self->err)) TH_LOG("%s", self->err.text);
	layers_unhold_bundle("/run/gcs/pods/p/c");
	ASSERT_EQ(0, layers_remove(l.root, &self->err)) TH_LOG("%s", self->err.text);
	EXPECT_EQ(0, fs_is_mount("/run/gcs/pods/p/c"));
	/* A layer that is not there: nothing of the call stays, the former data does. */
	layers[0] = "/run/no/such/layer";
	EXPECT_EQ(-1, layers_combine(&l, &self->err));
	EXPECT_EQ(0, fs_is_mount("/run/gcs/pods/p/c"));
	EXPECT_EQ(0, access(SCRATCH "/scratch/p/c/upper/new", F_OK));
	layers[0] = "/run/a:b";
	EXPECT_EQ(-1, layers_combine(&l, &self->err));
	EXPECT_EQ(HR_INVALID_ARG, self->err.hr);
	/* Read-only, one layer. */
	layers[0] = LAYER;
	l.scratch = "";
	ASSERT_EQ(0, layers_combine(&l, &self->err)) TH_LOG("%s", self->err.text);
	EXPECT_EQ(-1, mkdir("/run/gcs/pods/p/c/rootfs/x", 0755));
	EXPECT_EQ(EROFS, errno);
	ASSERT_EQ(0, layers_remove(l.root, &self->err)) TH_LOG("%s", self->err.text);
	ASSERT_EQ(0, disk_unmap(&scratch, &self->err)) TH_LOG("%s", self->err.text);
	ASSERT_EQ(0, disk_unmap(&layer, &self->err)) TH_LOG("%s", self->err.text);
}

#define MANY 500

TEST_F(disk, as_many_layers_as_overlayfs_takes_and_not_one_more)
{
	struct combined_layers l = { .root = "/run/many/bundle/rootfs", .scratch = "/run/many/bundle/scratch" };
	static char *layers[MANY + 2];
	char path[160], content[8];

	/* Several pages of paths; what all have in common is the first one's. */
	for (int i = 0; i <= MANY; i++) {
		ASSERT_LT(0, asprintf(&layers[i], "/run/many/layers/a-directory-with-a-long-name-%03d", i));
		ASSERT_EQ(0, fs_mkdir_p(layers[i], 0755, NULL, &self->err));
		snprintf(content, sizeof(content), "%d", i);
		snprintf(path, sizeof(path), "%s/f%d", layers[i], i);
		ASSERT_EQ(0, fs_write(path, content, strlen(content), 0644, &self->err));
		snprintf(path, sizeof(path), "%s/all", layers[i]);
		ASSERT_EQ(0, fs_write(path, content, strlen(content), 0644, &self->err));
	}
	l.layers = layers;
	EXPECT_EQ(-1, layers_combine(&l, &self->err));
	EXPECT_STREQ("overlay /run/many/bundle/rootfs: 501 layers, allowed are 500", self->err.text);
	EXPECT_NE(0, access(l.root, F_OK));
	layers[MANY] = NULL;
	/* Read-only, too. */
	for (int rw = 1; rw >= 0; rw--) {
		l.scratch = rw ? "/run/many/bundle/scratch" : "";
		ASSERT_EQ(0, layers_combine(&l, &self->err)) TH_LOG("%s", self->err.text);
		EXPECT_STREQ("0", fs_read("/run/many/bundle/rootfs/f0", 8, NULL));
		EXPECT_STREQ("250", fs_read("/run/many/bundle/rootfs/f250", 8, NULL));
		EXPECT_STREQ("499", fs_read("/run/many/bundle/rootfs/f499", 8, NULL));
		EXPECT_STREQ("0", fs_read("/run/many/bundle/rootfs/all", 8, NULL));
		EXPECT_EQ(rw ? 0 : -1, mkdir("/run/many/bundle/rootfs/written", 0755));
		ASSERT_EQ(0, layers_remove(l.root, &self->err)) TH_LOG("%s", self->err.text);
	}
	ASSERT_EQ(0, fs_remove_tree("/run/many", &self->err)) TH_LOG("%s", self->err.text);
}

TEST_F(disk, an_ejected_disk_is_gone)
{
	struct mapped_disk d = { .mount_path = "", .lun = 1, .filesystem = "" };

	ASSERT_EQ(0, disk_map(&d, &self->err)) TH_LOG("%s", self->err.text);
	ASSERT_EQ(0, disk_eject(0, 1, &self->err)) TH_LOG("%s", self->err.text);
	ASSERT_EQ(0, disk_eject(0, 1, &self->err)) TH_LOG("%s", self->err.text);
	/* It is still attached: asking for that one LUN brings it back. */
	ASSERT_EQ(0, disk_map(&d, &self->err)) TH_LOG("%s", self->err.text);
}

TEST_HARNESS_MAIN

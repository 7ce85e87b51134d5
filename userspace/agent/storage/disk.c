// SPDX-License-Identifier: MIT
/* MappedVirtualDisk: disks mounted, or linked, on paths that the host chooses (storage-and-network.md section 4). */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cleanup.h"
#include "fs.h"
#include "storage/internal.h"

#define PROPAGATION_MAX 16

int storage_init(struct gcs_error *err)
{
	scsi_init();
	return uevent_init(err);
}

static int make_link(struct owned *o, const char *path, const char *node, struct gcs_error *err)
{
	_cleanup_free_ char *parent = strdup(path);

	if (!parent)
		return gcs_fail(err, ENOMEM, HR_FAIL, "%s", path);
	*strrchr(parent, '/') = '\0';
	if (*parent && fs_mkdir_p(parent, 0700, NULL, err) < 0)
		return -1;
	if (symlink(node, path) < 0)
		return gcs_fail(err, errno, HR_FAIL, "%s: link to %s", path, node);
	return owned_push(o, OWNED_LINK, path, err);
}

static const char *const fs_names[] = { [FS_EXT4] = "ext4", [FS_XFS] = "xfs" };

/* What the host wants to be on the disk; FS_NONE if it does not say. */
static int wanted_filesystem(const struct mapped_disk *disk, enum filesystem *wanted, struct gcs_error *err)
{
	const char *want = disk->filesystem ? disk->filesystem : "";

	*wanted = FS_NONE;
	if (!strcmp(want, "ext4"))
		*wanted = FS_EXT4;
	else if (!strcmp(want, "xfs"))
		*wanted = FS_XFS;
	else if (*want)
		return gcs_fail(err, 0, HR_INVALID_ARG, "file system \"%s\": known are ext4 and xfs", want);
	else if (disk->ensure_filesystem)
		return gcs_fail(err, 0, HR_INVALID_ARG, "EnsureFilesystem without a file system type");
	return 0;
}

/* Encryption destroys what is on the disk: what cannot be mounted then is refused before. */
static int check_encrypted(const struct mapped_disk *disk, struct gcs_error *err)
{
	if (disk->block_dev || disk->read_only || !disk->ensure_filesystem)
		return gcs_fail(err, 0, HR_INVALID_ARG, "a disk cannot be encrypted %s",
				disk->block_dev ? "as a block device" :
				disk->read_only ? "read-only" :
						  "without EnsureFilesystem");
	return 0;
}

/* The file system to mount; makes it if that was asked for and there is none of that type. */
static int prepare_filesystem(const struct mapped_disk *disk, enum filesystem wanted, int fd, const char *node, const char **type,
			      struct gcs_error *err)
{
	enum filesystem fs = FS_NONE;

	/* There is never anything on an encrypted disk. */
	if (!disk->encrypted && filesystem_detect(fd, node, &fs, err) < 0)
		return -1;
	if (disk->ensure_filesystem && fs != wanted && disk->read_only)
		return gcs_fail(err, 0, HR_FAIL, "%s: there is no %s on the disk, and it is read-only: not formatted", node,
				fs_names[wanted]);
	if (disk->ensure_filesystem && fs != wanted) {
		if (filesystem_make(node, wanted, disk->encrypted, err) < 0)
			return -1;
		fs = wanted;
	}
	if (fs == FS_NONE)
		return gcs_fail(err, 0, HR_FAIL, "%s: there is no file system on the disk", node);
	if (wanted != FS_NONE && wanted != fs)
		return gcs_fail(err, 0, HR_FAIL, "%s: the file system on the disk is %s, not %s", node, fs_names[fs],
				fs_names[wanted]);
	*type = fs_names[fs];
	return 0;
}

/* @device gets the path of the disk's encrypted one, which is no other's meanwhile. */
static int encrypt_disk(struct owned *o, const struct mapped_disk *disk, const char *node, char device[PATH_MAX],
			struct gcs_error *err)
{
	char name[CRYPT_NAME_MAX];

	crypt_name(disk, name);
	if (owned_use_alone(o, name, err) < 0 || crypt_open(node, name, device, err) < 0)
		return -1;
	return owned_push(o, OWNED_CRYPT, name, err);
}

static int mount_disk(struct owned *o, const struct mapped_disk *disk, char node[PATH_MAX], struct gcs_error *err)
{
	unsigned long propagation[PROPAGATION_MAX];
	const char *path = disk->mount_path, *type = NULL, *data = "";
	char device[PATH_MAX], what[64];
	_cleanup_close_ int disk_fd = -1, crypt_fd = -1;
	int fd;
	enum filesystem wanted;

	if (wanted_filesystem(disk, &wanted, err) < 0)
		return -1;
	if (owned_mkdir(o, path, 0700, err) < 0)
		return -1;
	if (options_propagation(disk->options, propagation, PROPAGATION_MAX, err) < 0)
		return -1;
	/* While it is open its node is no other disk's. */
	disk_fd = open_cached(node, err);
	if (disk_fd < 0 || (disk->encrypted && encrypt_disk(o, disk, node, device, err) < 0))
		return -1;
	fd = disk_fd;
	if (disk->encrypted) {
		node = device;
		fd = crypt_fd = open_cached(node, err);
		if (fd < 0)
			return -1;
	}
	if (prepare_filesystem(disk, wanted, fd, node, &type, err) < 0)
		return -1;
	if (disk->read_only && !strcmp(type, "ext4")) {
		snprintf(what, sizeof(what), "verity-scsi%u-lun%u-p%llu", disk->controller, disk->lun,
			 (unsigned long long)disk->partition);
		if (verity_map(o, what, fd, node, err) < 0)
			return -1;
	}
	/* A journal that was not closed must not be replayed on a disk that may be shared. */
	if (disk->read_only)
		data = strcmp(type, "xfs") ? "noload" : "norecovery";
	if (mount(node, path, type, disk->read_only ? MS_RDONLY : 0, data) < 0)
		return gcs_fail(err, errno, HR_FAIL, "%s: mount %s as %s", path, node, type);
	if (owned_push(o, OWNED_MOUNT, path, err) < 0)
		return -1;
	for (size_t i = 0; propagation[i]; i++)
		if (mount(path, path, "", propagation[i], "") < 0)
			return gcs_fail(err, errno, HR_FAIL, "%s: set propagation 0x%lx", path, propagation[i]);
	return 0;
}

static int build(struct owned *o, const struct mapped_disk *disk, char node[PATH_MAX], struct gcs_error *err)
{
	return disk->block_dev ? make_link(o, disk->mount_path, node, err) : mount_disk(o, disk, node, err);
}

/* From here on nobody unplugs it: another disk could get its node. */
static int use_disk(struct owned *o, const struct mapped_disk *disk, struct gcs_error *err)
{
	char device[SCSI_NAME_MAX];

	if (disk->encrypted && check_encrypted(disk, err) < 0)
		return -1;
	scsi_name(disk->controller, disk->lun, device);
	return owned_use(o, device, err);
}

int disk_map(const struct mapped_disk *disk, struct gcs_error *err)
{
	struct owned *o = NULL;
	char node[PATH_MAX];

	if (*disk->mount_path && path_check("MountPath", disk->mount_path, err) < 0)
		return -1;
	if (*disk->mount_path) {
		o = owned_claim(disk->mount_path, "disk", err);
		if (!o)
			return -1;
	}
	if ((o && use_disk(o, disk, err) < 0) || scsi_wait_node(disk->controller, disk->lun, disk->partition, node, err) < 0 ||
	    (o && build(o, disk, node, err) < 0)) {
		if (o)
			owned_abandon(o);
		return gcs_fail_prefix(err, "map disk %u:%u", disk->controller, disk->lun);
	}
	if (o)
		owned_keep(o);
	return 0;
}

int disk_unmap(const struct mapped_disk *disk, struct gcs_error *err)
{
	return *disk->mount_path ? owned_remove("MountPath", disk->mount_path, err) : 0;
}

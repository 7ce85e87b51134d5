// SPDX-License-Identifier: MIT
/* VPMemDevice: PMEM devices, or parts of them, mounted on paths that the host chooses (storage-and-network.md section 7). */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cleanup.h"
#include "fs.h"
#include "log.h"
#include "module.h"
#include "storage/internal.h"

/* Offsets and sizes of the host's are those of pages, and only so can a part be mapped directly. */
#define PAGE 4096

#define VPMEM_NAME_MAX 32

/* The kernel prepares memory for the pages of a device before it can be opened, which takes longer than a disk. */
#define VPMEM_DEADLINE_MS 15000

static int check(const struct vpmem *v, struct gcs_error *err)
{
	if (path_check("MountPath", v->mount_path, err) < 0)
		return -1;
	if (!v->is_part)
		return 0;
	if (!v->size)
		return gcs_fail(err, 0, HR_INVALID_ARG, "MappingInfo: DeviceSizeInBytes is 0");
	if (v->size % PAGE || v->offset % PAGE)
		return gcs_fail(err, 0, HR_INVALID_ARG, "MappingInfo: offset %llu, size %llu: not multiples of %d",
				(unsigned long long)v->offset, (unsigned long long)v->size, PAGE);
	if (v->offset > UINT64_MAX - v->size)
		return gcs_fail(err, 0, HR_INVALID_ARG, "MappingInfo: offset %llu, size %llu: beyond any device",
				(unsigned long long)v->offset, (unsigned long long)v->size);
	return 0;
}

/* Wait until the device can be opened. */
static int wait_node(uint32_t device, char node[PATH_MAX], struct gcs_error *err)
{
	struct gcs_dev_addr a = { .bus = GCS_BUS_PMEM, .index = device };
	struct timespec deadline = deadline_after_ms(VPMEM_DEADLINE_MS);
	struct gcs_dev_wait w;
	uint64_t seen;
	int ret;

	snprintf(node, PATH_MAX, "%s/pmem%u", storage_dev, device);
	if (module_has_devices()) {
		do
			ret = module_dev_wait(&a, 0, deadline_left_ms(&deadline), &w);
		while (ret == EINTR);
	} else {
		do {
			_cleanup_close_ int fd = -1;

			seen = uevent_count();
			fd = open(node, O_RDONLY | O_CLOEXEC);
			ret = fd < 0 ? errno : 0;
		} while ((ret == ENOENT || ret == ENXIO) && !uevent_wait(seen, &deadline));
		if (ret == ENOENT || ret == ENXIO)
			ret = ETIME;
	}
	return ret ? gcs_fail(err, ret == ETIME ? ETIMEDOUT : ret, HR_FAIL, "wait for the device") : 0;
}

/* A device for the part alone; @node is that of the whole, and becomes the part's. */
static int map_part(struct owned *o, const struct vpmem *v, char node[PATH_MAX], struct gcs_error *err)
{
	_cleanup_close_ int fd = open(node, O_RDONLY | O_CLOEXEC);
	struct dm_target t = { .type = "linear", .sectors = v->size / DM_SECTOR };
	char device[DM_DEVICE_MAX], params[64], what[64];
	off_t size;

	if (fd < 0)
		return gcs_fail(err, errno, HR_FAIL, "%s: open", node);
	size = lseek(fd, 0, SEEK_END);
	if (size < 0)
		return gcs_fail(err, errno, HR_FAIL, "%s: size", node);
	if (v->offset + v->size > (uint64_t)size)
		return gcs_fail(err, 0, HR_INVALID_ARG, "MappingInfo: offset %llu, size %llu: %s has %llu bytes",
				(unsigned long long)v->offset, (unsigned long long)v->size, node, (unsigned long long)size);
	if (dm_device(node, device, err) < 0)
		return -1;
	snprintf(params, sizeof(params), "%s %llu", device, (unsigned long long)(v->offset / DM_SECTOR));
	snprintf(what, sizeof(what), "linear-pmem%u-%llu-%llu", v->device, (unsigned long long)v->offset,
		 (unsigned long long)v->size);
	t.params = params;
	return dm_create(o, what, &t, node, err);
}

/* Can files be mapped without a copy of them in the page cache? */
static bool can_dax(const char *node)
{
	_cleanup_free_ char *text = NULL;
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/class/block/%s/queue/dax", storage_sysfs, strrchr(node, '/') + 1);
	text = fs_read(path, 16, NULL);
	return text && *text == '1';
}

static int mount_ext4(const char *node, const char *path, struct gcs_error *err)
{
	/* The file system has a say in it, too: its blocks must be pages. */
	if (can_dax(node)) {
		if (mount(node, path, "ext4", MS_RDONLY, "noload,dax") == 0)
			return 0;
		log_debug("%s: mount %s with dax: %s", path, node, strerror(errno));
	}
	if (mount(node, path, "ext4", MS_RDONLY, "noload") < 0)
		return gcs_fail(err, errno, HR_FAIL, "%s: mount %s as ext4", path, node);
	return 0;
}

static int build(struct owned *o, const struct vpmem *v, const char *device, struct gcs_error *err)
{
	char node[PATH_MAX], what[64];
	_cleanup_close_ int fd = -1;
	enum filesystem fs;

	if (wait_node(v->device, node, err) < 0 || owned_use(o, device, err) < 0 || (v->is_part && map_part(o, v, node, err) < 0))
		return -1;
	fd = open_cached(node, err);
	if (fd < 0)
		return -1;
	if (filesystem_detect(fd, node, &fs, err) < 0)
		return -1;
	if (fs != FS_EXT4)
		return gcs_fail(err, 0, HR_FAIL, "%s: there is no ext4 on it", node);
	snprintf(what, sizeof(what), "verity-pmem%u-%llu", v->device, (unsigned long long)v->offset);
	if (verity_map(o, what, fd, node, err) < 0)
		return -1;
	if (owned_mkdir(o, v->mount_path, 0700, err) < 0)
		return -1;
	if (mount_ext4(node, v->mount_path, err) < 0)
		return -1;
	return owned_push(o, OWNED_MOUNT, v->mount_path, err);
}

int vpmem_map(const struct vpmem *v, struct gcs_error *err)
{
	char device[VPMEM_NAME_MAX];
	struct owned *o;

	snprintf(device, sizeof(device), "VPMem device %u", v->device);
	if (check(v, err) < 0)
		return gcs_fail_prefix(err, "map %s", device);
	o = owned_claim(v->mount_path, "VPMem mapping", err);
	if (!o)
		return -1;
	if (build(o, v, device, err) < 0) {
		owned_abandon(o);
		return gcs_fail_prefix(err, "map %s", device);
	}
	owned_keep(o);
	return 0;
}

int vpmem_unmap(const char *mount_path, struct gcs_error *err)
{
	return owned_remove("MountPath", mount_path, err);
}

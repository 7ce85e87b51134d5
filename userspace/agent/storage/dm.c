// SPDX-License-Identifier: MIT
/*
 * Device-mapper: a read-only block device that stands for a part of another, or checks what it reads of it
 * (storage-and-network.md section 6)
 *
 * By the kernel's ioctls: each is a header, and for a table a target after it.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "cleanup.h"
#include "fs.h"
#include "log.h"
#include "storage/internal.h"

#define CONTROL "/" DM_DIR "/" DM_CONTROL_NODE
/* Names of a former agent's that are in use are passed over. */
#define NAME_TRIES 100

/* The driver may be a module that is still being loaded when the host's first request comes. */
static int open_control(struct gcs_error *err)
{
	struct timespec deadline = deadline_after_ms(DISK_DEADLINE_MS);
	char path[PATH_MAX];
	uint64_t seen;
	int fd;

	snprintf(path, sizeof(path), "%s" CONTROL, storage_dev);
	do {
		seen = uevent_count();
		fd = open(path, O_RDWR | O_CLOEXEC);
		if (fd >= 0)
			return fd;
	} while (errno == ENOENT && !uevent_wait(seen, &deadline));
	return gcs_fail(err, errno, HR_FAIL, "device-mapper: open %s", path);
}

/* Returns 0 or an errno. @arg has room for @size bytes in all, and takes the kernel's answer. */
static int control(int fd, unsigned long request, struct dm_ioctl *arg, size_t size, const char *name, uint32_t flags)
{
	/* What every kernel of this century takes. */
	arg->version[0] = DM_VERSION_MAJOR;
	arg->data_size = size;
	arg->flags = flags;
	snprintf(arg->name, sizeof(arg->name), "%s", name);
	return ioctl(fd, request, arg) < 0 ? errno : 0;
}

static int command(int fd, unsigned long request, const char *name, uint32_t flags, struct dm_ioctl *answer)
{
	*answer = (struct dm_ioctl){ 0 };
	return control(fd, request, answer, sizeof(*answer), name, flags);
}

static int load_table(int fd, const char *name, const struct dm_target *t)
{
	size_t length = strlen(t->params) + 1;
	/* As the kernel wants it aligned. */
	size_t size = (sizeof(struct dm_ioctl) + sizeof(struct dm_target_spec) + length + 7) & ~(size_t)7;
	_cleanup_free_ struct dm_ioctl *arg = calloc(1, size);
	struct dm_target_spec *spec;

	if (!arg)
		return ENOMEM;
	arg->data_start = sizeof(*arg);
	arg->target_count = 1;
	spec = (struct dm_target_spec *)(arg + 1);
	spec->length = t->sectors;
	spec->next = size - sizeof(*arg);
	snprintf(spec->target_type, sizeof(spec->target_type), "%s", t->type);
	memcpy(spec + 1, t->params, length);
	return control(fd, DM_TABLE_LOAD, arg, size, name, DM_READONLY_FLAG);
}

/* devtmpfs has made the node. Where there is none, it is ours to make. */
static int make_node(dev_t dev, char node[PATH_MAX], struct gcs_error *err)
{
	struct stat st;

	snprintf(node, PATH_MAX, "%s/dm-%u", storage_dev, minor(dev));
	if (stat(node, &st) < 0) {
		if (errno != ENOENT || mknod(node, S_IFBLK | 0600, dev) < 0)
			return gcs_fail(err, errno, HR_FAIL, "device-mapper: node %s", node);
		return 0;
	}
	if (!S_ISBLK(st.st_mode) || st.st_rdev != dev)
		return gcs_fail(err, 0, HR_FAIL, "device-mapper: node %s is not device %u:%u", node, major(dev), minor(dev));
	return 0;
}

int dm_device(const char *node, char device[DM_DEVICE_MAX], struct gcs_error *err)
{
	struct stat st;

	if (stat(node, &st) < 0)
		return gcs_fail(err, errno, HR_FAIL, "%s: stat", node);
	snprintf(device, DM_DEVICE_MAX, "%u:%u", major(st.st_rdev), minor(st.st_rdev));
	return 0;
}

/*
 * A new device. This agent gives no name twice: one that is taken was left over by a former one, which has not told what it is, and
 * is removed, or passed over if it is in use.
 */
static int create(int fd, const char *what, char name[DM_NAME_LEN], struct gcs_error *err)
{
	static atomic_uint count;
	struct dm_ioctl answer;
	int ret;

	for (int try = 0; try < NAME_TRIES; try++) {
		if (snprintf(name, DM_NAME_LEN, "%s-%u", what, ++count) >= DM_NAME_LEN)
			return gcs_fail(err, ENAMETOOLONG, HR_FAIL, "device-mapper: name %s", what);
		ret = command(fd, DM_DEV_CREATE, name, 0, &answer);
		if (ret == EBUSY && command(fd, DM_DEV_REMOVE, name, 0, &answer) == 0) {
			log_warning("device-mapper: %s was left over: removed", name);
			ret = command(fd, DM_DEV_CREATE, name, 0, &answer);
		}
		if (ret != EBUSY)
			break;
	}
	return ret ? gcs_fail(err, ret, HR_FAIL, "device-mapper: create %s", name) : 0;
}

int dm_create(struct owned *o, const char *what, const struct dm_target *t, char node[PATH_MAX], struct gcs_error *err)
{
	_cleanup_close_ int fd = open_control(err);
	char name[DM_NAME_LEN];
	struct dm_ioctl answer;
	int ret;

	if (fd < 0 || create(fd, what, name, err) < 0 || owned_push(o, OWNED_DM, name, err) < 0)
		return -1;
	ret = load_table(fd, name, t);
	if (ret)
		return gcs_fail(err, ret, HR_FAIL, "device-mapper: %s: table \"0 %llu %s %s\"", name,
				(unsigned long long)t->sectors, t->type, t->params);
	/* Without the flag to suspend it: resume, which makes the table the device's. Nothing is on it yet to be frozen or flushed. */
	ret = command(fd, DM_DEV_SUSPEND, name, DM_SKIP_LOCKFS_FLAG | DM_NOFLUSH_FLAG, &answer);
	if (ret)
		return gcs_fail(err, ret, HR_FAIL, "device-mapper: %s: resume", name);
	return make_node(answer.dev, node, err);
}

/* Returns whether the block device whose directory in sysfs is @dir is one of device-mapper's, with its name. */
static bool read_name(const char *dir, char name[DM_NAME_LEN])
{
	_cleanup_free_ char *text = NULL;
	char path[PATH_MAX];

	if (snprintf(path, sizeof(path), "%s/dm/name", dir) >= (int)sizeof(path))
		return false;
	text = fs_read(path, DM_NAME_LEN, NULL);
	if (!text)
		return false;
	snprintf(name, DM_NAME_LEN, "%.*s", (int)strcspn(text, "\n"), text);
	return true;
}

/* @dir becomes that of the device that it stands on. */
static bool go_below(char dir[PATH_MAX])
{
	_cleanup_dir_ DIR *d = NULL;
	char path[PATH_MAX];
	struct dirent *e;

	if (snprintf(path, sizeof(path), "%s/slaves", dir) >= (int)sizeof(path))
		return false;
	d = opendir(path);
	while (d && (e = readdir(d)))
		if (e->d_name[0] != '.')
			return snprintf(dir, PATH_MAX, "%s/class/block/%s", storage_sysfs, e->d_name) < PATH_MAX;
	return false;
}

size_t dm_names(const char *path, char (*names)[DM_NAME_LEN], size_t max)
{
	char dir[PATH_MAX], *name;
	size_t count = 0;
	struct stat st;

	if (stat(path, &st) < 0)
		return 0;
	snprintf(dir, sizeof(dir), "%s/dev/block/%u:%u", storage_sysfs, major(st.st_dev), minor(st.st_dev));
	while (count < max && read_name(dir, names[count])) {
		name = names[count];
		if (!crypt_is(name) && strncmp(name, "verity-", 7) && strncmp(name, "linear-", 7))
			break;
		count++;
		if (crypt_is(name) || !go_below(dir))
			break;
	}
	return count;
}

int dm_remove(const char *name, struct gcs_error *err)
{
	_cleanup_close_ int fd = open_control(err);
	struct dm_ioctl answer;
	int ret;

	if (fd < 0)
		return -1;
	/* Whoever has it open yet, and the kernel that is still closing it, is not waited for: it goes when they are done. */
	ret = command(fd, DM_DEV_REMOVE, name, DM_DEFERRED_REMOVE, &answer);
	if (ret && ret != ENXIO)
		return gcs_fail(err, ret, HR_FAIL, "device-mapper: remove %s", name);
	if (!ret && answer.flags & DM_DEFERRED_REMOVE)
		log_info("device-mapper: %s is in use, and goes when it is closed", name);
	return 0;
}

// SPDX-License-Identifier: MIT
/* MappedVirtualDisk: disks mounted, or linked, on paths that the host chooses (storage-and-network.md section 4). */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cleanup.h"
#include "fs.h"
#include "storage/internal.h"

#define PROPAGATION_MAX 16

/*
 * What was built on a path, which is what a Remove undoes: the host's Remove does not repeat everything its Add
 * had said. A record is owned by whoever has set @busy.
 */
struct mapping {
	char *path;
	bool busy;
	bool link; /* a symlink to the node, otherwise a mount */
	bool made_dir;
	struct mapping *next;
};

/* Protects the list and @busy; nothing is done under it. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct mapping *mappings;

int storage_init(struct gcs_error *err)
{
	return uevent_init(err);
}

static struct mapping *find(const char *path)
{
	struct mapping *m;

	for (m = mappings; m && strcmp(m->path, path);)
		m = m->next;
	return m;
}

static void forget(struct mapping *m)
{
	struct mapping **at;

	pthread_mutex_lock(&lock);
	for (at = &mappings; *at != m;)
		at = &(*at)->next;
	*at = m->next;
	pthread_mutex_unlock(&lock);
	free(m->path);
	free(m);
}

static void set_busy(struct mapping *m, bool busy)
{
	pthread_mutex_lock(&lock);
	m->busy = busy;
	pthread_mutex_unlock(&lock);
}

/* A new, busy record; an error if there is one. */
static struct mapping *claim(const char *path, struct gcs_error *err)
{
	struct mapping *m = calloc(1, sizeof(*m));

	if (!m || !(m->path = strdup(path))) {
		free(m);
		gcs_fail(err, ENOMEM, HR_FAIL, "%s", path);
		return NULL;
	}
	m->busy = true;
	pthread_mutex_lock(&lock);
	if (find(path)) {
		pthread_mutex_unlock(&lock);
		free(m->path);
		free(m);
		gcs_fail(err, EEXIST, HR_FAIL, "%s: a disk is mapped there", path);
		return NULL;
	}
	m->next = mappings;
	mappings = m;
	pthread_mutex_unlock(&lock);
	return m;
}

static int make_link(struct mapping *m, const char *node, struct gcs_error *err)
{
	_cleanup_free_ char *parent = strdup(m->path);

	if (!parent)
		return gcs_fail(err, ENOMEM, HR_FAIL, "%s", m->path);
	*strrchr(parent, '/') = '\0';
	if (*parent && fs_mkdir_p(parent, 0700, NULL, err) < 0)
		return -1;
	m->link = true;
	if (symlink(node, m->path) < 0)
		return gcs_fail(err, errno, HR_FAIL, "%s: link to %s", m->path, node);
	return 0;
}

/* The file system to mount; makes it if that was asked for and there is none of that type. */
static int prepare_filesystem(const struct mapped_disk *disk, const char *node, const char **type, struct gcs_error *err)
{
	static const char *const names[] = { [FS_EXT4] = "ext4", [FS_XFS] = "xfs" };
	const char *want = disk->filesystem ? disk->filesystem : "";
	enum filesystem fs = FS_NONE, wanted = FS_NONE;

	if (!strcmp(want, "ext4"))
		wanted = FS_EXT4;
	else if (!strcmp(want, "xfs"))
		wanted = FS_XFS;
	else if (*want)
		return gcs_fail(err, 0, HR_INVALID_ARG, "%s: file system \"%s\": known are ext4 and xfs", node, want);
	if (disk->ensure_filesystem && !*want)
		return gcs_fail(err, 0, HR_INVALID_ARG, "%s: EnsureFilesystem without a file system type", node);
	if (filesystem_detect(node, &fs, err) < 0)
		return -1;
	if (disk->ensure_filesystem && fs != wanted && disk->read_only)
		return gcs_fail(err, 0, HR_FAIL, "%s: there is no %s on the disk, and it is read-only: not formatted", node,
				want);
	if (disk->ensure_filesystem && fs != wanted) {
		if (filesystem_make(node, wanted, err) < 0)
			return -1;
		fs = wanted;
	}
	if (fs == FS_NONE)
		return gcs_fail(err, 0, HR_FAIL, "%s: there is no file system on the disk", node);
	if (wanted != FS_NONE && wanted != fs)
		return gcs_fail(err, 0, HR_FAIL, "%s: the file system on the disk is %s, not %s", node, names[fs], want);
	*type = names[fs];
	return 0;
}

/* On failure nothing is left mounted. */
static int mount_disk(struct mapping *m, const struct mapped_disk *disk, const char *node, struct gcs_error *err)
{
	unsigned long propagation[PROPAGATION_MAX];
	const char *type = NULL, *data = "";

	if (options_propagation(disk->options, propagation, PROPAGATION_MAX, err) < 0)
		return -1;
	if (prepare_filesystem(disk, node, &type, err) < 0)
		return -1;
	/* A journal that was not closed must not be replayed on a disk that may be shared. */
	if (disk->read_only)
		data = strcmp(type, "xfs") ? "noload" : "norecovery";
	if (mount(node, m->path, type, disk->read_only ? MS_RDONLY : 0, data) < 0)
		return gcs_fail(err, errno, HR_FAIL, "%s: mount %s as %s", m->path, node, type);
	for (size_t i = 0; propagation[i]; i++) {
		if (mount(m->path, m->path, "", propagation[i], "") < 0) {
			gcs_fail(err, errno, HR_FAIL, "%s: set propagation 0x%lx", m->path, propagation[i]);
			fs_unmount(m->path, NULL);
			return -1;
		}
	}
	return 0;
}

static int build(struct mapping *m, const struct mapped_disk *disk, const char *node, struct gcs_error *err)
{
	if (disk->block_dev)
		return make_link(m, node, err);
	if (fs_mkdir_p(m->path, 0700, &m->made_dir, err) < 0)
		return -1;
	if (mount_disk(m, disk, node, err) == 0)
		return 0;
	if (m->made_dir)
		rmdir(m->path);
	return -1;
}

int disk_map(const struct mapped_disk *disk, struct gcs_error *err)
{
	const char *path = disk->mount_path ? disk->mount_path : "";
	struct mapping *m = NULL;
	char node[PATH_MAX];

	if (*path && !path_is_plain(path))
		return gcs_fail(err, 0, HR_INVALID_ARG, "MountPath \"%s\": not an absolute path without . and ..", path);
	if (disk->encrypted)
		return gcs_fail(err, 0, HR_FAIL, "SCSI controller %u LUN %u: encrypted disks are not supported",
				disk->controller, disk->lun);
	if (*path) {
		m = claim(path, err);
		if (!m)
			return -1;
	}
	if (scsi_wait_node(disk->controller, disk->lun, disk->partition, node, err) < 0 ||
	    (m && build(m, disk, node, err) < 0)) {
		if (m)
			forget(m);
		return gcs_fail_prefix(err, "map disk %u:%u", disk->controller, disk->lun);
	}
	if (m)
		set_busy(m, false);
	return 0;
}

/* A path that is not ours: another agent, before this one, may have mapped it. */
static int unmap_unknown(const char *path, struct gcs_error *err)
{
	struct stat st;

	if (lstat(path, &st) < 0)
		return errno == ENOENT || errno == ENOTDIR ? 0 : gcs_fail(err, errno, HR_FAIL, "%s: stat", path);
	if (S_ISLNK(st.st_mode))
		return unlink(path) < 0 ? gcs_fail(err, errno, HR_FAIL, "%s: remove", path) : 0;
	if (fs_unmount(path, err) < 0)
		return -1;
	rmdir(path);
	return 0;
}

int disk_unmap(const struct mapped_disk *disk, struct gcs_error *err)
{
	const char *path = disk->mount_path ? disk->mount_path : "";
	struct mapping *m;
	bool busy = false;
	int ret = 0;

	if (!*path)
		return 0;
	if (!path_is_plain(path))
		return gcs_fail(err, 0, HR_INVALID_ARG, "MountPath \"%s\": not an absolute path without . and ..", path);
	pthread_mutex_lock(&lock);
	m = find(path);
	if (m) {
		busy = m->busy;
		m->busy = true;
	}
	pthread_mutex_unlock(&lock);
	if (!m)
		return unmap_unknown(path, err);
	if (busy)
		return gcs_fail(err, EBUSY, HR_FAIL, "%s: is being mapped or unmapped", path);
	if (m->link)
		ret = unlink(path) < 0 && errno != ENOENT ? gcs_fail(err, errno, HR_FAIL, "%s: remove", path) : 0;
	else
		ret = fs_unmount(path, err);
	if (ret < 0) {
		/* The host may ask again. */
		set_busy(m, false);
		return -1;
	}
	/* Not a tree: whatever is in it was there before the mount. */
	if (!m->link)
		rmdir(path);
	forget(m);
	return 0;
}

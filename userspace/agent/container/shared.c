// SPDX-License-Identifier: MIT
/*
 * What a workload's mounts share with its pod (lifecycle.md 3.2). Containers rename, link and mount in there at any time, and the
 * runtime takes paths: each gets a mount of the directory that was found, in a place where only the agent is, while it makes the container.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "cleanup.h"
#include "container/pod.h"
#include "fs.h"

#define PINS "/run/gcs/mounts"

int shared_init(struct gcs_error *err)
{
	/* A former agent's. */
	if (fs_unmount_below(PINS, err) < 0 || fs_remove_tree(PINS, err) < 0)
		return -1;
	return fs_mkdir_p(PINS, 0700, NULL, err);
}

static int pin_path(const struct container *c, unsigned int n, char **path, struct gcs_error *err)
{
	if (asprintf(path, PINS "/%s.%u", c->id, n) >= 0)
		return 0;
	*path = NULL;
	return gcs_fail(err, ENOMEM, HR_FAIL, PINS "/%s", c->id);
}

/* @fd: a directory. *@source: its path for the runtime. */
static int pin(struct container *c, int fd, char **source, struct gcs_error *err)
{
	_cleanup_close_ int mnt = open_tree(fd, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH | AT_RECURSIVE);
	_cleanup_free_ char *path = NULL;

	if (mnt < 0)
		return gcs_fail(err, errno, HR_FAIL, "copy its mount");
	if (pin_path(c, c->pins, &path, err) < 0)
		return -1;
	if (mkdir(path, 0700) < 0)
		return gcs_fail(err, errno, HR_FAIL, "%s: make directory", path);
	c->pins++;
	if (move_mount(mnt, "", AT_FDCWD, path, MOVE_MOUNT_F_EMPTY_PATH) < 0)
		return gcs_fail(err, errno, HR_FAIL, "%s: mount", path);
	*source = steal_ptr(&path);
	return 0;
}

void shared_unpin(struct container *c)
{
	while (c->pins) {
		_cleanup_free_ char *path = NULL;

		if (pin_path(c, --c->pins, &path, NULL) == 0 && fs_unmount_below(path, NULL) == 0)
			rmdir(path);
	}
}

int shared_dir(struct container *c, const char *dir, const char *path, char **source, struct gcs_error *err)
{
	_cleanup_close_ int base = pod_open_dir(c->pod, dir, err);
	_cleanup_close_ int fd = base < 0 ? -1 : fs_mkdir_in(base, path, 0777, &c->made, err);

	return fd < 0 ? -1 : pin(c, fd, source, err);
}

/* Returns a descriptor of the new mount on the directory @dir. */
static int mount_hugepages(struct container *c, int dir, const char *size, struct gcs_error *err)
{
	_cleanup_close_ int fs = fsopen("hugetlbfs", FSOPEN_CLOEXEC);
	_cleanup_close_ int mnt = -1;

	if (fs < 0 || fsconfig(fs, FSCONFIG_SET_STRING, "source", "none", 0) < 0 ||
	    fsconfig(fs, FSCONFIG_SET_STRING, "pagesize", size, 0) < 0 || fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return gcs_fail(err, errno, HR_FAIL, "huge pages of %s", size);
	mnt = fsmount(fs, FSMOUNT_CLOEXEC, MOUNT_ATTR_NODEV | MOUNT_ATTR_NOSUID);
	if (mnt < 0 || move_mount(mnt, "", dir, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0)
		return gcs_fail(err, errno, HR_FAIL, "mount huge pages of %s", size);
	if (fs_made_add(&c->made, mnt, NULL, err) < 0) {
		fs_detach(mnt);
		return -1;
	}
	return steal_fd(&mnt);
}

int shared_hugepages(struct container *c, const char *path, const char *size, char **source, struct gcs_error *err)
{
	_cleanup_close_ int base = pod_open_dir(c->pod, "hugepages", err);
	_cleanup_close_ int fd = -1;

	if (base < 0)
		return -1;
	/* Two workloads must not both find that it is not mounted. */
	pthread_mutex_lock(&c->pod->hugepages);
	fd = fs_mkdir_in(base, path, 0777, &c->made, err);
	if (fd >= 0 && !fs_fd_is_mount(fd)) {
		int mnt = mount_hugepages(c, fd, size, err);

		close(fd);
		fd = mnt;
	}
	pthread_mutex_unlock(&c->pod->hugepages);
	return fd < 0 ? -1 : pin(c, fd, source, err);
}

// SPDX-License-Identifier: MIT
/* cgroups: make, fill, list, remove. What differs between the versions is in cgroup_v1.c and cgroup_v2.c. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

#include "cgroup_version.h"
#include "cleanup.h"
#include "clock.h"
#include "fs.h"

static const struct cgroup_version *version;

int cgroup_init(struct gcs_error *err)
{
	version = cgroup_v2();
	if (!version)
		version = cgroup_v1();
	if (version)
		return version->number;
	return gcs_fail(err, 0, HR_FAIL, "%s: neither cgroup v2 nor cgroup v1 with a memory controller", CGROUP_ROOT);
}

static int too_long(const char *path, struct gcs_error *err)
{
	return gcs_fail(err, ENAMETOOLONG, HR_FAIL, "cgroup %s", path);
}

static int dir_name(char *out, size_t size, const char *root, const char *path, struct gcs_error *err)
{
	return snprintf(out, size, CGROUP_ROOT "%s%s", root, path) < (int)size ? 0 : too_long(path, err);
}

int cgroup_file(char *out, size_t size, const char *path, const char *file, struct gcs_error *err)
{
	const char *root = version->roots[0];
	int n;

	if (version->by_controller && strncmp(file, "cgroup.", 7))
		n = snprintf(out, size, CGROUP_ROOT "/%.*s%s/%s", (int)strcspn(file, "."), file, path, file);
	else
		n = snprintf(out, size, CGROUP_ROOT "%s%s/%s", root, path, file);
	return n < (int)size ? 0 : too_long(path, err);
}

static int make(const char *root, const char *path, struct gcs_error *err)
{
	char name[PATH_MAX], parent[PATH_MAX];
	struct stat st;

	if (dir_name(name, sizeof(name), root, path, err) < 0)
		return -1;
	if (mkdir(name, 0755) < 0 && errno != EEXIST)
		return gcs_fail(err, errno, HR_FAIL, "cgroup %s: make", path);
	/* Its name may be that of a file of the one above. */
	if (stat(name, &st) < 0 || !S_ISDIR(st.st_mode))
		return gcs_fail(err, ENOTDIR, HR_FAIL, "cgroup %s: make", path);
	strcpy(parent, name);
	*strrchr(parent, '/') = '\0';
	return version->prepare(parent, name, err);
}

int cgroup_make(const char *path, struct gcs_error *err)
{
	for (const char *const *root = version->roots; *root; root++)
		if (make(*root, path, err) < 0)
			return -1;
	return 0;
}

int cgroup_join(const char *path)
{
	for (const char *const *root = version->roots; *root; root++) {
		char name[PATH_MAX];
		ssize_t n;
		int fd, e;

		if (strlen(CGROUP_ROOT) + strlen(*root) + strlen(path) + sizeof("/cgroup.procs") > sizeof(name)) {
			errno = ENAMETOOLONG;
			return -1;
		}
		stpcpy(stpcpy(stpcpy(stpcpy(name, CGROUP_ROOT), *root), path), "/cgroup.procs");
		fd = open(name, O_WRONLY | O_CLOEXEC);
		if (fd < 0)
			return -1;
		n = write(fd, "0", 1);
		e = errno;
		close(fd);
		errno = e;
		if (n < 0)
			return -1;
	}
	return 0;
}

int cgroup_for_clone(const char *path, int *fd, struct gcs_error *err)
{
	char name[PATH_MAX];

	*fd = -1;
	if (version->by_controller)
		return 0;
	if (dir_name(name, sizeof(name), "", path, err) < 0)
		return -1;
	*fd = open(name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return *fd < 0 ? gcs_fail(err, errno, HR_FAIL, "cgroup %s: open", path) : 0;
}

char *cgroup_get(const char *path, const char *file, struct gcs_error *err)
{
	char name[PATH_MAX];

	return cgroup_file(name, sizeof(name), path, file, err) < 0 ? NULL : fs_read(name, 8192, err);
}

int cgroup_set(const char *path, const char *file, const char *value, struct gcs_error *err)
{
	char name[PATH_MAX];

	if (cgroup_file(name, sizeof(name), path, file, err) < 0)
		return -1;
	return fs_poke(name, value, err);
}

struct pid_list {
	uint32_t *pids;
	size_t count, room;
};

static int add_pid(struct pid_list *l, uint32_t pid)
{
	if (l->count == l->room) {
		size_t room = l->room ? l->room * 2 : 16;
		uint32_t *bigger = reallocarray(l->pids, room, sizeof(*bigger));

		if (!bigger)
			return -1;
		l->pids = bigger;
		l->room = room;
	}
	l->pids[l->count++] = pid;
	return 0;
}

/* Adds what is in the cgroup open as @dir (taken over) and below. Returns 0, or an errno. */
static int list_pids(int dir, struct pid_list *l)
{
	_cleanup_dir_ DIR *d = fdopendir(dir);
	_cleanup_file_ FILE *f = NULL;
	struct dirent *e;
	unsigned int pid;
	int fd, ret;

	if (!d) {
		close(dir);
		return errno;
	}
	fd = openat(dir, "cgroup.procs", O_RDONLY | O_CLOEXEC);
	f = fd < 0 ? NULL : fdopen(fd, "r");
	if (!f) {
		ret = errno;
		if (fd >= 0)
			close(fd);
		return ret;
	}
	while (fscanf(f, "%u", &pid) == 1)
		if (add_pid(l, pid) < 0)
			return ENOMEM;
	while ((e = readdir(d))) {
		if (e->d_type != DT_DIR || e->d_name[0] == '.')
			continue;
		fd = openat(dir, e->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		ret = fd < 0 ? errno : list_pids(fd, l);
		if (ret && ret != ENOENT && ret != ENODEV)
			return ret;
	}
	return 0;
}

int cgroup_pids(const char *path, uint32_t **pids, size_t *count, struct gcs_error *err)
{
	struct pid_list l = { 0 };
	char name[PATH_MAX];
	int fd, ret;

	*pids = NULL;
	*count = 0;
	if (dir_name(name, sizeof(name), version->roots[0], path, err) < 0)
		return -1;
	fd = open(name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	/* ENOTDIR: it is a file of the cgroup above, so this one was never made. */
	if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
		return 0;
	ret = fd < 0 ? errno : list_pids(fd, &l);
	if (ret && ret != ENOENT && ret != ENODEV) {
		free(l.pids);
		return gcs_fail(err, ret, HR_FAIL, "cgroup %s: list processes", path);
	}
	*pids = l.pids;
	*count = l.count;
	return 0;
}

int cgroup_kill(const char *path, struct gcs_error *err)
{
	return version->kill(path, err);
}

/* Returns 0, or an errno. Children first; @dir is not taken over. */
static int remove_below(int dir)
{
	int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), ret;
	_cleanup_dir_ DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;

	if (!d)
		return errno;
	while ((e = readdir(d))) {
		_cleanup_close_ int sub = -1;

		if (e->d_type != DT_DIR || e->d_name[0] == '.')
			continue;
		sub = openat(fd, e->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (sub < 0)
			continue;
		ret = remove_below(sub);
		if (ret)
			return ret;
		if (unlinkat(fd, e->d_name, AT_REMOVEDIR) < 0 && errno != ENOENT)
			return errno;
	}
	return 0;
}

/* With nothing left in it. */
static int remove_dirs(const char *root, const char *path, struct gcs_error *err)
{
	_cleanup_close_ int dir = -1;
	char name[PATH_MAX];
	int ret;

	if (dir_name(name, sizeof(name), root, path, err) < 0)
		return -1;
	dir = open(name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return errno == ENOENT || errno == ENOTDIR ? 0 : gcs_fail(err, errno, HR_FAIL, "cgroup %s: open", path);
	ret = remove_below(dir);
	if (!ret && rmdir(name) < 0 && errno != ENOENT)
		ret = errno;
	return ret ? gcs_fail(err, ret, HR_FAIL, "cgroup %s: remove", path) : 0;
}

int cgroup_remove(const char *path, int deadline_ms, struct gcs_error *err)
{
	int64_t end = clock_now_ms() + deadline_ms;
	int ret;

	if (cgroup_kill(path, err) < 0)
		return -1;
	ret = version->wait_empty(path, end);
	if (ret)
		return gcs_fail(err, ret, HR_FAIL, "cgroup %s: wait until it is empty", path);
	for (const char *const *root = version->roots; *root; root++)
		if (remove_dirs(*root, path, err) < 0)
			return -1;
	return 0;
}

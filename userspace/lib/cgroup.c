// SPDX-License-Identifier: MIT
/* cgroup v2: make, fill, list, kill, remove. */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <time.h>

#include "cgroup.h"
#include "cleanup.h"
#include "fs.h"

int cgroup_check(struct gcs_error *err)
{
	struct statfs st;

	if (statfs(CGROUP_ROOT, &st) < 0)
		return gcs_fail(err, errno, HR_FAIL, "%s: statfs", CGROUP_ROOT);
	if (st.f_type != CGROUP2_SUPER_MAGIC)
		return gcs_fail(err, 0, HR_FAIL, "%s: not a cgroup v2 file system, which is needed", CGROUP_ROOT);
	return 0;
}

static int file_name(char *out, size_t size, const char *path, const char *file, struct gcs_error *err)
{
	if (snprintf(out, size, CGROUP_ROOT "%s%s%s", path, *file ? "/" : "", file) >= (int)size)
		return gcs_fail(err, ENAMETOOLONG, HR_FAIL, "cgroup %s", path);
	return 0;
}

int cgroup_make(const char *path, struct gcs_error *err)
{
	_cleanup_free_ char *have = NULL;
	char name[PATH_MAX], control[PATH_MAX], word[64], *save = NULL;
	struct stat st;

	if (file_name(name, sizeof(name), path, "", err) < 0)
		return -1;
	if (mkdir(name, 0755) < 0 && errno != EEXIST)
		return gcs_fail(err, errno, HR_FAIL, "cgroup %s: make", path);
	/* Its name may be that of a file of the one above. */
	if (stat(name, &st) < 0 || !S_ISDIR(st.st_mode))
		return gcs_fail(err, ENOTDIR, HR_FAIL, "cgroup %s: make", path);
	*strrchr(name, '/') = '\0';
	if (snprintf(control, sizeof(control), "%s/cgroup.controllers", name) >= (int)sizeof(control))
		return gcs_fail(err, ENAMETOOLONG, HR_FAIL, "cgroup %s", path);
	have = fs_read(control, 4096, err);
	if (!have)
		return -1;
	if (snprintf(control, sizeof(control), "%s/cgroup.subtree_control", name) >= (int)sizeof(control))
		return gcs_fail(err, ENAMETOOLONG, HR_FAIL, "cgroup %s", path);
	/* One at a time: a controller that cannot be had must not cost the others. The runtime asks for what it needs. */
	for (char *c = strtok_r(have, " \n", &save); c; c = strtok_r(NULL, " \n", &save)) {
		snprintf(word, sizeof(word), "+%s", c);
		fs_poke(control, word, NULL);
	}
	return 0;
}

int cgroup_open(const char *path, struct gcs_error *err)
{
	char name[PATH_MAX];
	int fd;

	if (file_name(name, sizeof(name), path, "", err) < 0)
		return -1;
	fd = open(name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return gcs_fail(err, errno, HR_FAIL, "cgroup %s: open", path);
	return fd;
}

char *cgroup_get(const char *path, const char *file, struct gcs_error *err)
{
	char name[PATH_MAX];

	return file_name(name, sizeof(name), path, file, err) < 0 ? NULL : fs_read(name, 8192, err);
}

int cgroup_set(const char *path, const char *file, const char *value, struct gcs_error *err)
{
	char name[PATH_MAX];

	if (file_name(name, sizeof(name), path, file, err) < 0)
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
	if (file_name(name, sizeof(name), path, "", err) < 0)
		return -1;
	fd = open(name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT)
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
	char name[PATH_MAX];
	struct gcs_error e;

	if (file_name(name, sizeof(name), path, "cgroup.kill", err) < 0)
		return -1;
	if (fs_poke(name, "1", &e) < 0 && e.err != ENOENT && e.err != ENODEV) {
		if (err)
			*err = e;
		return gcs_fail_prefix(err, "cgroup %s", path);
	}
	return 0;
}

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000LL + t.tv_nsec / 1000000;
}

/* cgroup.events tells by POLLPRI when "populated" changes. Returns 0 when nothing is left, or an errno. */
static int wait_empty(const char *events, int deadline_ms)
{
	int64_t end = now_ms() + deadline_ms, left;
	_cleanup_close_ int fd = open(events, O_RDONLY | O_CLOEXEC);
	struct pollfd p = { .fd = fd, .events = POLLPRI };
	char buf[256];
	ssize_t n;

	if (fd < 0)
		return errno == ENOENT ? 0 : errno;
	for (;;) {
		n = pread(fd, buf, sizeof(buf) - 1, 0);
		if (n < 0)
			return errno == ENODEV ? 0 : errno;
		buf[n] = '\0';
		if (strstr(buf, "populated 0"))
			return 0;
		left = end - now_ms();
		if (left <= 0)
			return ETIMEDOUT;
		poll(&p, 1, left);
	}
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

int cgroup_remove(const char *path, int deadline_ms, struct gcs_error *err)
{
	_cleanup_close_ int dir = -1;
	char name[PATH_MAX], events[PATH_MAX];
	int ret;

	if (file_name(name, sizeof(name), path, "", err) < 0 ||
	    file_name(events, sizeof(events), path, "cgroup.events", err) < 0)
		return -1;
	dir = open(name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	/* ENOTDIR: it is a file of the cgroup above, so this one was never made. */
	if (dir < 0)
		return errno == ENOENT || errno == ENOTDIR ? 0 : gcs_fail(err, errno, HR_FAIL, "cgroup %s: open", path);
	if (cgroup_kill(path, err) < 0)
		return -1;
	ret = wait_empty(events, deadline_ms);
	if (ret)
		return gcs_fail(err, ret, HR_FAIL, "cgroup %s: wait until it is empty", path);
	ret = remove_below(dir);
	if (!ret && rmdir(name) < 0 && errno != ENOENT)
		ret = errno;
	if (ret)
		return gcs_fail(err, ret, HR_FAIL, "cgroup %s: remove", path);
	return 0;
}

// SPDX-License-Identifier: MIT
/* cgroup v1: a hierarchy for each controller, and nobody who kills or waits for a whole cgroup. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/vfs.h>

#include "cgroup_version.h"
#include "cleanup.h"
#include "clock.h"
#include "fs.h"

#define ROOTS_MAX 24
#define MEMORY "/memory"

/* Without processors and memory nodes there can be no process; a new cpuset has none. */
static int prepare(const char *parent, const char *dir, struct gcs_error *err)
{
	static const char *const files[] = { "cpuset.cpus", "cpuset.mems" };

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		_cleanup_free_ char *own = NULL, *above = NULL;
		char from[PATH_MAX], to[PATH_MAX];

		if (snprintf(to, sizeof(to), "%s/%s", dir, files[i]) >= (int)sizeof(to) ||
		    snprintf(from, sizeof(from), "%s/%s", parent, files[i]) >= (int)sizeof(from))
			return gcs_fail(err, ENAMETOOLONG, HR_FAIL, "%s", dir);
		own = fs_read(to, 4096, NULL);
		/* The hierarchy of another controller has no such file. */
		if (!own || (*own && *own != '\n'))
			continue;
		above = fs_read(from, 4096, err);
		if (!above || fs_poke(to, above, err) < 0)
			return -1;
	}
	return 0;
}

static int kill_listed(const char *path, struct gcs_error *err)
{
	_cleanup_free_ uint32_t *pids = NULL;
	size_t count;

	if (cgroup_pids(path, &pids, &count, err) < 0)
		return -1;
	for (size_t i = 0; i < count; i++)
		kill(pids[i], SIGKILL);
	return 0;
}

/* With no more processes allowed, those that had been forked before the list was read are all that there can be. */
static int kill_all(const char *path, struct gcs_error *err)
{
	cgroup_set(path, "pids.max", "0", NULL);
	/* A fork that had been allowed may have been on its way into the list. */
	return kill_listed(path, err) < 0 ? -1 : kill_listed(path, err);
}

/* Until the first of these have ended. Returns 0, or an errno. */
static int wait_some(const uint32_t *pids, size_t count, int64_t end_ms)
{
	for (size_t i = 0; i < count && i < 64; i++) {
		_cleanup_close_ int fd = syscall(SYS_pidfd_open, pids[i], 0);
		struct pollfd p = { .fd = fd, .events = POLLIN };
		int64_t left = end_ms - clock_now_ms();

		if (fd < 0 && errno != ESRCH)
			return errno;
		if (fd >= 0 && poll(&p, 1, left > 0 ? left : 0) == 0)
			return ETIMEDOUT;
	}
	return 0;
}

static int wait_empty(const char *path, int64_t end_ms)
{
	for (;;) {
		_cleanup_free_ uint32_t *pids = NULL;
		struct gcs_error err;
		size_t count;
		int ret;

		if (cgroup_pids(path, &pids, &count, &err) < 0)
			return err.err;
		if (!count)
			return 0;
		ret = wait_some(pids, count, end_ms);
		if (ret)
			return ret;
		/* Those that came after the last list. */
		if (kill_listed(path, &err) < 0)
			return err.err;
	}
}

/* The hierarchies that are mounted below CGROUP_ROOT, whatever they are called; that of the memory controller first. */
static const char *const *find_roots(void)
{
	static char names[ROOTS_MAX][NAME_MAX + 2];
	static const char *roots[ROOTS_MAX + 1];
	_cleanup_dir_ DIR *d = opendir(CGROUP_ROOT);
	struct dirent *e;
	size_t n = 1;

	strcpy(names[0], MEMORY);
	while (d && n < ROOTS_MAX && (e = readdir(d))) {
		struct statfs st;
		char path[PATH_MAX];

		/* A link is a second name of one that holds several controllers. */
		if (e->d_type != DT_DIR || e->d_name[0] == '.' || !strcmp(e->d_name, &MEMORY[1]))
			continue;
		snprintf(path, sizeof(path), CGROUP_ROOT "/%s", e->d_name);
		if (statfs(path, &st) == 0 && st.f_type == CGROUP_SUPER_MAGIC)
			snprintf(names[n++], sizeof(names[0]), "/%s", e->d_name);
	}
	for (size_t i = 0; i < n; i++)
		roots[i] = names[i];
	roots[n] = NULL;
	return roots;
}

const struct cgroup_version *cgroup_v1(void)
{
	static struct cgroup_version v1 = {
		.number = 1,
		.by_controller = true,
		.prepare = prepare,
		.kill = kill_all,
		.wait_empty = wait_empty,
	};

	/* Limits count for what is below. Kernels before 5.11 have to be told so; without a memory controller there is no such file. */
	if (fs_poke(CGROUP_ROOT MEMORY "/memory.use_hierarchy", "1", NULL) < 0)
		return NULL;
	v1.roots = find_roots();
	return &v1;
}

// SPDX-License-Identifier: MIT
/* cgroup v2: one hierarchy, whose kernel kills and tells what is populated. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <poll.h>
#include <string.h>
#include <sys/vfs.h>

#include "cgroup_version.h"
#include "cleanup.h"
#include "clock.h"
#include "fs.h"

static int enable_controllers(const char *parent, const char *dir, struct gcs_error *err)
{
	_cleanup_free_ char *have = NULL;
	char control[PATH_MAX], word[64], *save = NULL;

	if (snprintf(control, sizeof(control), "%s/cgroup.controllers", parent) >= (int)sizeof(control))
		return gcs_fail(err, ENAMETOOLONG, HR_FAIL, "%s", dir);
	have = fs_read(control, 4096, err);
	if (!have)
		return -1;
	if (snprintf(control, sizeof(control), "%s/cgroup.subtree_control", parent) >= (int)sizeof(control))
		return gcs_fail(err, ENAMETOOLONG, HR_FAIL, "%s", dir);
	/* One at a time: a controller that cannot be had must not cost the others. The runtime asks for what it needs. */
	for (char *c = strtok_r(have, " \n", &save); c; c = strtok_r(NULL, " \n", &save)) {
		snprintf(word, sizeof(word), "+%s", c);
		fs_poke(control, word, NULL);
	}
	return 0;
}

static int kill_all(const char *path, struct gcs_error *err)
{
	char name[PATH_MAX];
	struct gcs_error e;

	if (cgroup_file(name, sizeof(name), path, "cgroup.kill", err) < 0)
		return -1;
	/* ENOTDIR: it is a file of the cgroup above, so this one was never made. */
	if (fs_poke(name, "1", &e) < 0 && e.err != ENOENT && e.err != ENODEV && e.err != ENOTDIR) {
		if (err)
			*err = e;
		return gcs_fail_prefix(err, "cgroup %s", path);
	}
	return 0;
}

/* cgroup.events tells by POLLPRI when "populated" changes. */
static int wait_empty(const char *path, int64_t end_ms)
{
	_cleanup_close_ int fd = -1;
	char name[PATH_MAX], buf[256];
	struct pollfd p;
	int64_t left;
	ssize_t n;

	if (cgroup_file(name, sizeof(name), path, "cgroup.events", NULL) < 0)
		return ENAMETOOLONG;
	fd = open(name, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT || errno == ENOTDIR ? 0 : errno;
	p = (struct pollfd){ .fd = fd, .events = POLLPRI };
	for (;;) {
		n = pread(fd, buf, sizeof(buf) - 1, 0);
		if (n < 0)
			return errno == ENODEV ? 0 : errno;
		buf[n] = '\0';
		if (strstr(buf, "populated 0"))
			return 0;
		left = end_ms - clock_now_ms();
		if (left <= 0)
			return ETIMEDOUT;
		poll(&p, 1, left);
	}
}

const struct cgroup_version *cgroup_v2(void)
{
	static const char *const roots[] = { "", NULL };
	static const struct cgroup_version v2 = {
		.number = 2,
		.roots = roots,
		.prepare = enable_controllers,
		.kill = kill_all,
		.wait_empty = wait_empty,
	};
	struct statfs st;

	return statfs(CGROUP_ROOT, &st) == 0 && st.f_type == CGROUP2_SUPER_MAGIC ? &v2 : NULL;
}

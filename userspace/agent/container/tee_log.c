// SPDX-License-Identifier: MIT
/* A copy of an init's output in a file among the logs of its pod, as an annotation asks for (lifecycle.md section 4). */
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "cleanup.h"
#include "container/pod.h"
#include "fs.h"

char *logs_path(const struct container *c)
{
	char *path;

	return asprintf(&path, "%s/logs", c->pod ? c->pod->root : c->bundle) < 0 ? NULL : path;
}

static int make_parent(const char *logs, const char *file, struct gcs_error *err)
{
	_cleanup_free_ char *parent = strdup(file);

	if (!parent)
		return gcs_fail(err, ENOMEM, HR_FAIL, "%s", file);
	*strrchr(parent, '/') = '\0';
	return fs_mkdir_in_root(logs, parent, 0777, NULL, NULL, err);
}

/* Containers write to the directory: what they put there leads nowhere else. */
static int open_log(const char *logs, const char *file, struct gcs_error *err)
{
	struct open_how how = { .flags = O_WRONLY | O_CREAT | O_APPEND | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, .mode = 0666,
				.resolve = RESOLVE_IN_ROOT };
	_cleanup_close_ int dir = open(logs, O_PATH | O_DIRECTORY | O_CLOEXEC), fd = -1;
	struct stat st;

	fd = dir < 0 ? -1 : (int)syscall(SYS_openat2, dir, file, &how, sizeof(how));
	if (fd < 0 || fstat(fd, &st) < 0)
		return gcs_fail(err, errno, HR_FAIL, "%s%s: open", logs, file);
	if (!S_ISREG(st.st_mode))
		return gcs_fail(err, 0, HR_FAIL, "%s%s: not a file", logs, file);
	return steal_fd(&fd);
}

int tee_log_open(const struct container *c, struct gcs_error *err)
{
	_cleanup_free_ char *logs = logs_path(c);

	if (!logs)
		return gcs_fail(err, ENOMEM, HR_FAIL, "%s", c->tee_log);
	return make_parent(logs, c->tee_log, err) < 0 ? -1 : open_log(logs, c->tee_log, err);
}

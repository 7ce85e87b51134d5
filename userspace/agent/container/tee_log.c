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

static int make_parent(int logs, const char *file, struct gcs_error *err)
{
	_cleanup_free_ char *parent = strdup(file);
	_cleanup_close_ int fd = -1;

	if (!parent)
		return gcs_fail(err, ENOMEM, HR_FAIL, "%s", file);
	*strrchr(parent, '/') = '\0';
	fd = fs_mkdir_in(logs, parent, 0777, NULL, err);
	return fd < 0 ? -1 : 0;
}

int tee_log_open(const struct container *c, struct gcs_error *err)
{
	struct open_how how = { .flags = O_WRONLY | O_CREAT | O_APPEND | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, .mode = 0666,
				.resolve = RESOLVE_IN_ROOT };
	_cleanup_free_ char *path = logs_path(c);
	_cleanup_close_ int logs = -1, fd = -1;
	struct stat st;

	if (!path)
		return gcs_fail(err, ENOMEM, HR_FAIL, "%s", c->tee_log);
	logs = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (logs < 0)
		return gcs_fail(err, errno, HR_FAIL, "%s: open", path);
	/* Containers write to the directory: what they put there leads nowhere else. */
	if (make_parent(logs, c->tee_log, err) < 0)
		return gcs_fail_prefix(err, "%s", path);
	fd = syscall(SYS_openat2, logs, c->tee_log, &how, sizeof(how));
	if (fd < 0 || fstat(fd, &st) < 0)
		return gcs_fail(err, errno, HR_FAIL, "%s%s: open", path, c->tee_log);
	if (!S_ISREG(st.st_mode))
		return gcs_fail(err, 0, HR_FAIL, "%s%s: not a file", path, c->tee_log);
	return steal_fd(&fd);
}

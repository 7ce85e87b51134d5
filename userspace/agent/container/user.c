// SPDX-License-Identifier: MIT
/* Users and groups by name, from the container's own files (lifecycle.md 5.1). */
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "cleanup.h"
#include "container/internal.h"

/* More is no list of users; it would all go into the agent's memory. */
#define FILE_MAX (16 << 20)

/*
 * A link in the untrusted root file system must not lead to the VM's own files, and a FIFO there must not hold up the
 * request for ever.
 */
static FILE *open_in(const char *rootfs, const char *file)
{
	struct open_how how = { .flags = O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, .resolve = RESOLVE_IN_ROOT };
	_cleanup_close_ int root = open(rootfs, O_PATH | O_DIRECTORY | O_CLOEXEC);
	int fd = root < 0 ? -1 : (int)syscall(SYS_openat2, root, file, &how, sizeof(how));
	struct stat st;
	FILE *f = NULL;

	if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size <= FILE_MAX)
		f = fdopen(fd, "r");
	if (fd >= 0 && !f)
		close(fd);
	return f;
}

static bool number(const char *s, uint32_t *n)
{
	unsigned long long v;
	char *end;

	if (*s < '0' || *s > '9')
		return false;
	errno = 0;
	v = strtoull(s, &end, 10);
	*n = v;
	return !*end && !errno && v <= UINT32_MAX;
}

static uint32_t number_or_0(const char *s)
{
	uint32_t n = 0;

	return s && number(s, &n) ? n : 0;
}

/*
 * Count the lines whose name is @name, or if @by_id whose third field is @id. *@third and *@fourth: those of
 * the last one.
 */
static int lookup(const char *rootfs, const char *file, const char *name, bool by_id, uint32_t id, uint32_t *third,
		  uint32_t *fourth)
{
	_cleanup_file_ FILE *f = open_in(rootfs, file);
	_cleanup_free_ char *line = NULL;
	size_t size = 0;
	int found = 0;

	while (f && getline(&line, &size, f) > 0) {
		char *field[4] = { NULL }, *rest = line;

		line[strcspn(line, "\n")] = '\0';
		for (int i = 0; i < 4; i++)
			field[i] = strsep(&rest, ":");
		if (!*line || !field[2] || *line == '#')
			continue;
		if (by_id ? number_or_0(field[2]) != id : strcmp(field[0], name))
			continue;
		found++;
		*third = number_or_0(field[2]);
		*fourth = number_or_0(field[3]);
	}
	return found;
}

int user_lookup(const char *rootfs, const char *name, uint32_t *uid, uint32_t *gid, struct gcs_error *err)
{
	_cleanup_free_ char *user = strdup(name);
	uint32_t unused, group_of_user;
	char *group;

	if (!user)
		return gcs_fail(err, ENOMEM, HR_FAIL, "user %s", name);
	group = strchr(user, ':');
	if (group)
		*group++ = '\0';
	if (group && strchr(group, ':'))
		return gcs_fail(err, 0, HR_FAIL, "user %s: more than one colon", name);
	*gid = 0;
	if (number(user, uid)) {
		if (lookup(rootfs, "/etc/passwd", NULL, true, *uid, &unused, &group_of_user) == 1)
			*gid = group_of_user;
	} else if (lookup(rootfs, "/etc/passwd", user, false, 0, uid, gid) != 1) {
		return gcs_fail(err, 0, HR_FAIL, "user %s: not exactly one line in %s/etc/passwd", name, rootfs);
	}
	if (group && !number(group, gid) && lookup(rootfs, "/etc/group", group, false, 0, gid, &unused) != 1)
		return gcs_fail(err, 0, HR_FAIL, "user %s: not exactly one line in %s/etc/group", name, rootfs);
	return 0;
}

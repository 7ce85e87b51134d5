// SPDX-License-Identifier: MIT
/* Users and groups by name, from the container's own files (lifecycle.md 5.1). */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cleanup.h"
#include "container/internal.h"

/* More is no list of users. */
#define FILE_MAX (16 << 20)
/* A longer line is a group with many members, which do not count. */
#define LINE_SIZE 1024

/*
 * In the untrusted root file system a link must not lead to the VM's own files, and what is no file must not even be opened: a device
 * may act on that, a FIFO wait.
 */
static FILE *open_in(const char *rootfs, const char *file)
{
	_cleanup_close_ int root = open(rootfs, O_PATH | O_DIRECTORY | O_CLOEXEC);
	_cleanup_close_ int path = root < 0 ? -1 : fs_open_in(root, file, O_PATH);
	_cleanup_close_ int fd = -1;
	struct stat st;
	char link[32];
	FILE *f;

	if (path < 0 || fstat(path, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size > FILE_MAX)
		return NULL;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", path);
	fd = open(link, O_RDONLY | O_CLOEXEC);
	f = fd < 0 ? NULL : fdopen(fd, "r");
	if (f)
		steal_fd(&fd);
	return f;
}

/* The begin of the next line without its end. One with a NUL is empty: what comes behind would be hidden. False at the end. */
static bool read_line(FILE *f, char line[LINE_SIZE], size_t *left)
{
	bool nul = false, cut = false;
	size_t len = 0;
	int c;

	while (*left && (c = getc_unlocked(f)) != EOF) {
		(*left)--;
		if (c == '\n')
			goto out;
		nul |= !c;
		cut |= len == LINE_SIZE - 1;
		if (!cut)
			line[len++] = c;
	}
	/* A last line may have no end, unless the file has grown since. */
	if (!len || !*left)
		return false;
out:
	line[nul ? 0 : len] = '\0';
	/* A field that is cut is none. */
	if (cut)
		line[strrchr(line, ':') ? strrchr(line, ':') - line : 0] = '\0';
	return true;
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
	char line[LINE_SIZE];
	size_t left = FILE_MAX;
	int found = 0;

	while (f && read_line(f, line, &left)) {
		char *field[4] = { NULL }, *rest = line;

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

// SPDX-License-Identifier: MIT
/* What is mounted below a directory, and unmounting it. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "cleanup.h"
#include "fs.h"

#define MOUNTINFO_MAX (16 << 20)

/* The kernel writes blanks, tabs, newlines and backslashes as \ and three octal digits. */
static void decode(char *s)
{
	char *to = s;

	while (*s) {
		if (s[0] == '\\' && strspn(s + 1, "01234567") >= 3) {
			*to++ = (s[1] - '0') << 6 | (s[2] - '0') << 3 | (s[3] - '0');
			s += 4;
		} else {
			*to++ = *s++;
		}
	}
	*to = '\0';
}

size_t mountinfo_below(char *text, const char *dir, char **paths, size_t max)
{
	size_t count = 0;
	char *line, *field;

	while ((line = strsep(&text, "\n"))) {
		/* Id, parent's id, device, root, mount point. */
		for (int i = 0; i < 5; i++)
			field = strsep(&line, " ");
		if (!field)
			continue;
		decode(field);
		if (!path_is_below(field, dir))
			continue;
		if (count < max)
			paths[count] = field;
		count++;
	}
	return count;
}

/* Somebody who mounts there all the time is not followed for ever. */
#define ROUNDS_MAX 1000

/* The outermost mount on @dir and below it: malloc'd path, NULL if there is none; -1 with @err. */
static int outermost(const char *dir, char **path, struct gcs_error *err)
{
	_cleanup_free_ char *text = fs_read("/proc/self/mountinfo", MOUNTINFO_MAX, err);
	_cleanup_free_ char *again = text ? strdup(text) : NULL;
	_cleanup_free_ char **paths = NULL;
	const char *found = NULL;
	size_t count;

	*path = NULL;
	if (!text)
		return -1;
	count = again ? mountinfo_below(again, dir, NULL, 0) : 0;
	paths = calloc(count + 1, sizeof(*paths));
	if (!again || !paths)
		return gcs_fail(err, ENOMEM, HR_FAIL, "%s: list mounts", dir);
	mountinfo_below(text, dir, paths, count);
	for (size_t i = 0; i < count; i++)
		if (!found || strlen(paths[i]) < strlen(found))
			found = paths[i];
	if (found && !(*path = strdup(found)))
		return gcs_fail(err, ENOMEM, HR_FAIL, "%s: list mounts", dir);
	return 0;
}

int fs_unmount_below(const char *dir, struct gcs_error *err)
{
	for (int round = 0; round < ROUNDS_MAX; round++) {
		_cleanup_free_ char *path = NULL;
		_cleanup_close_ int fd = -1;

		if (outermost(dir, &path, err) < 0)
			return -1;
		if (!path)
			return 0;
		/* What is below it goes with it: the way to the outermost one leads through no other. */
		fd = open(dir, O_PATH | O_NOFOLLOW | O_CLOEXEC);
		if (fd >= 0 && path[strlen(dir)]) {
			int top = fs_open_in(fd, path + strlen(dir), O_PATH | O_NOFOLLOW);

			close(fd);
			fd = top;
		}
		/* What is not there any more, or not yet, is seen in the next round. */
		if (fd >= 0 && fs_fd_is_mount(fd) && fs_detach(fd) < 0)
			return gcs_fail(err, errno, HR_FAIL, "%s: unmount", path);
	}
	return gcs_fail(err, EBUSY, HR_FAIL, "%s: is mounted again and again", dir);
}

int fs_can_pivot(struct gcs_error *err)
{
	_cleanup_free_ char *text = fs_read("/proc/self/mountinfo", MOUNTINFO_MAX, err);
	char *rest = text, *line;

	if (!text)
		return -1;
	while ((line = strsep(&rest, "\n"))) {
		unsigned int id, parent;
		int end = 0;

		/* What is mounted on nothing is its own parent. */
		if (sscanf(line, "%u %u %*s %*s / %n", &id, &parent, &end) == 2 && end)
			return id != parent;
	}
	return gcs_fail(err, 0, HR_FAIL, "/proc/self/mountinfo: there is no root");
}

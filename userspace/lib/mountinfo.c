// SPDX-License-Identifier: MIT
/* What is mounted below a directory, and unmounting it. */
#include <errno.h>
#include <string.h>
#include <sys/mount.h>

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

/* One round. *@done: mounts that are no more because of it, *@left: those that could not be unmounted, the last one in @err. */
static int unmount_round(const char *dir, size_t *done, size_t *left, struct gcs_error *err)
{
	_cleanup_free_ char *text = fs_read("/proc/self/mountinfo", MOUNTINFO_MAX, err);
	_cleanup_free_ char *again = text ? strdup(text) : NULL;
	_cleanup_free_ char **paths = NULL;
	size_t count;

	*done = *left = 0;
	if (!text)
		return -1;
	count = again ? mountinfo_below(again, dir, NULL, 0) : 0;
	paths = calloc(count + 1, sizeof(*paths));
	if (!again || !paths)
		return gcs_fail(err, ENOMEM, HR_FAIL, "%s: list mounts", dir);
	mountinfo_below(text, dir, paths, count);
	/* The newest first: what is on top of others. */
	for (size_t i = count; i-- > 0;) {
		if (umount2(paths[i], UMOUNT_NOFOLLOW) == 0) {
			(*done)++;
		} else if (errno != EINVAL && errno != ENOENT) {
			/* Otherwise it went with another that it was a copy of. */
			gcs_fail(err, errno, HR_FAIL, "%s: unmount", paths[i]);
			(*left)++;
		}
	}
	return 0;
}

int fs_unmount_below(const char *dir, struct gcs_error *err)
{
	size_t done, left;

	/* As long as it helps: with mounts that were moved, the newest is not always the innermost. */
	do {
		if (unmount_round(dir, &done, &left, err) < 0)
			return -1;
	} while (left && done);
	return left ? -1 : 0;
}

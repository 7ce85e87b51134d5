// SPDX-License-Identifier: MIT
/* What is on a disk, and making a file system on it. */
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cleanup.h"
#include "spawn.h"
#include "storage/internal.h"

/* mkfs of a large disk; the host gives up a request after 5 minutes. */
#define MKFS_DEADLINE_MS 240000

/* Offsets from the start of the disk. */
#define EXT_MAGIC_OFFSET (1024 + 56)
#define EXT_MAGIC 0xEF53
#define HEAD 2048

int filesystem_detect(const char *node, enum filesystem *fs, struct gcs_error *err)
{
	_cleanup_close_ int fd = open(node, O_RDONLY | O_CLOEXEC);
	unsigned char head[HEAD] = { 0 };
	uint16_t magic;
	ssize_t n;

	if (fd < 0)
		return gcs_fail(err, errno, HR_FAIL, "%s: open", node);
	do
		n = pread(fd, head, sizeof(head), 0);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return gcs_fail(err, errno, HR_FAIL, "%s: read", node);
	/* A disk too small for a superblock has none: the rest of @head is zero. */
	memcpy(&magic, head + EXT_MAGIC_OFFSET, sizeof(magic));
	if (le16toh(magic) == EXT_MAGIC)
		*fs = FS_EXT4;
	else if (!memcmp(head, "XFSB", 4))
		*fs = FS_XFS;
	else
		*fs = FS_NONE;
	return 0;
}

int filesystem_make(const char *node, enum filesystem fs, struct gcs_error *err)
{
	/*
	 * A scratch lives as long as its container: no journal, no room to grow, nothing left for the kernel to write in the
	 * background, and a new virtual disk has nothing to discard.
	 */
	const char *const ext4[] = { "mkfs.ext4", "-q", "-F", "-E", "lazy_itable_init=0,nodiscard", "-O",
				     "^has_journal,sparse_super2,^resize_inode", node, NULL };
	const char *const xfs[] = { "mkfs.xfs", "-q", "-f", node, NULL };
	struct spawn s = { .argv = (char *const *)(fs == FS_XFS ? xfs : ext4),
			   .fds = { SPAWN_NULL, SPAWN_CAPTURE, SPAWN_CAPTURE } };
	struct spawn_result result;
	int code;

	if (spawn_run(&s, MKFS_DEADLINE_MS, &result, err) < 0)
		return gcs_fail_prefix(err, "%s: make a file system", node);
	code = result.code;
	if (code) {
		for (size_t i = result.length; i && result.output[i - 1] == '\n';)
			result.output[--i] = '\0';
		gcs_fail(err, 0, HR_FAIL, "%s: %s: exit code %d: %.300s", node, s.argv[0], code, result.output);
	}
	free(result.output);
	return code ? -1 : 0;
}

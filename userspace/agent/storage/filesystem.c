// SPDX-License-Identifier: MIT
/* What is on a disk, and making a file system on it. */
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "cleanup.h"
#include "storage/internal.h"

/* mkfs of a large disk; the host gives up a request after 5 minutes, of which encryption may take its part. */
#define MKFS_DEADLINE_MS 180000

/* Offsets from the start of the disk. */
#define EXT_MAGIC_OFFSET (1024 + 56)
#define EXT_MAGIC 0xEF53
#define HEAD 2048

int open_cached(const char *node, struct gcs_error *err)
{
	int fd = open(node, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return gcs_fail(err, errno, HR_FAIL, "%s: open", node);
	/* Superblocks are all that is read: what is behind them need not be fetched. */
	posix_fadvise(fd, 0, 0, POSIX_FADV_RANDOM);
	return fd;
}

int filesystem_detect(int fd, const char *node, enum filesystem *fs, struct gcs_error *err)
{
	unsigned char head[HEAD] = { 0 };
	uint16_t magic;
	ssize_t n;

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

int filesystem_make(const char *node, enum filesystem fs, bool encrypted, struct gcs_error *err)
{
	/*
	 * Without a journal and room to grow, with nothing left for the kernel to write in the background, and without a discard, of
	 * which a new virtual disk has no need. On an encrypted disk a block cannot be read before it was written, and mke2fs writes
	 * superblocks in part, so it reads them: without copies there is only the one in the first block, which gcscrypt has written.
	 */
	const char *const ext4[] = { "mkfs.ext4", "-q", "-F", "-E",
				     encrypted ? "lazy_itable_init=0,nodiscard,num_backup_sb=0" : "lazy_itable_init=0,nodiscard",
				     "-O", "^has_journal,sparse_super2,^resize_inode", node, NULL };
	const char *const xfs[] = { "mkfs.xfs", "-q", "-f", "-K", node, NULL };

	return helper_run(fs == FS_XFS ? xfs : ext4, node, MKFS_DEADLINE_MS, err);
}

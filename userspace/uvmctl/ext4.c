// SPDX-License-Identifier: MIT
/* Disks that are made here and have no name. */
#include "ext4.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "blob.h"
#include "cleanup.h"
#include "proc.h"
#include "verity.h"

#define EXT4_MAGIC_AT (1024 + 56)
#define EXT4_MAGIC 0xEF53
#define BLOCK 4096u
#define MIB (1ull << 20)

bool ext4_is(int fd)
{
	uint16_t magic;

	return pread(fd, &magic, sizeof(magic), EXT4_MAGIC_AT) == sizeof(magic) && le16toh(magic) == EXT4_MAGIC;
}

int unnamed_file(struct gcs_error *err)
{
	const char *dir = getenv("TMPDIR");
	char path[4096];
	int fd;

	if (!dir || !*dir)
		dir = "/var/tmp";
	fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (fd >= 0)
		return fd;
	/* Not every file system can do that. */
	snprintf(path, sizeof(path), "%s/uvmctl.XXXXXX", dir);
	fd = mkostemp(path, O_CLOEXEC);
	if (fd < 0)
		return gcs_fail(err, errno, HR_FAIL, "temporary file in %s", dir);
	unlink(path);
	return fd;
}

int ext4_empty(struct gcs_error *err)
{
	_cleanup_close_ int fd = unnamed_file(err);
	struct proc p = PROC_INIT;
	char disk[32];
	char *argv[] = { (char *)"mke2fs", (char *)"-q", (char *)"-F", (char *)"-t", (char *)"ext4", (char *)"-b", (char *)"4096",
			 (char *)"-O", (char *)"^has_journal", disk, NULL };

	if (fd < 0)
		return -1;
	if (ftruncate(fd, DISK_UNIT) < 0)
		return gcs_fail(err, errno, HR_FAIL, "empty disk: set its size");
	snprintf(disk, sizeof(disk), "/proc/self/fd/%d", fd);
	p.argv = argv;
	p.keep[0] = fd;
	p.keep[1] = -1;
	return proc_run(&p, err) < 0 ? -1 : steal_fd(&fd);
}

/* For nftw(3), which has no argument for it. */
static uint64_t counted_bytes, counted_files;

static int count(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	counted_files++;
	counted_bytes += BLOCK;
	if (S_ISREG(st->st_mode))
		counted_bytes += (uint64_t)st->st_size / BLOCK * BLOCK + BLOCK;
	else if (S_ISDIR(st->st_mode))
		counted_bytes += (uint64_t)st->st_size;
	return 0;
}

int ext4_of_directory(const char *dir, bool verity, struct gcs_error *err)
{
	_cleanup_close_ int fd = unnamed_file(err);
	struct proc p = PROC_INIT;
	char disk[32], inodes[32];
	char *argv[] = { (char *)"mke2fs", (char *)"-q", (char *)"-F", (char *)"-t", (char *)"ext4", (char *)"-b", (char *)"4096",
			 (char *)"-m", (char *)"0", (char *)"-O", (char *)"^has_journal,^resize_inode", (char *)"-N", inodes,
			 (char *)"-d", (char *)dir, disk, NULL };

	if (fd < 0)
		return -1;
	counted_bytes = counted_files = 0;
	if (nftw(dir, count, 64, FTW_PHYS) < 0)
		return gcs_fail(err, errno, HR_FAIL, "%s: look at the files", dir);
	/* Inode tables and block maps come on top; the file is sparse, so that too much costs nothing. */
	if (ftruncate(fd, (off_t)(((counted_bytes + counted_files * 512) * 5 / 4 + 16 * MIB) / DISK_UNIT * DISK_UNIT)) < 0)
		return gcs_fail(err, errno, HR_FAIL, "disk of %s: set its size", dir);
	snprintf(inodes, sizeof(inodes), "%llu", (unsigned long long)counted_files + 1024);
	snprintf(disk, sizeof(disk), "/proc/self/fd/%d", fd);
	p.argv = argv;
	p.keep[0] = fd;
	p.keep[1] = -1;
	if (proc_run(&p, err) < 0)
		return -1;
	if (verity && verity_append_random(fd, err) < 0)
		return -1;
	return reopen(fd, O_RDONLY, err);
}

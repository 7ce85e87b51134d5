// SPDX-License-Identifier: MIT
/* IMAGE: a directory or a tar becomes an ext4 disk, an ext4 file is one. Disks have no name: they end with us. */
#include "image.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cleanup.h"
#include "image_config.h"
#include "proc.h"

#define EXT4_MAGIC_AT (1024 + 56)
#define EXT4_MAGIC 0xEF53
#define TAR_MAGIC_AT 257
#define BLOCK 4096u
#define MIB (1ull << 20)

enum kind { NOT_AN_IMAGE, EXT4, TAR };

/* By what the file begins with; GNU tar finds out itself how a tar is compressed. */
static enum kind look_at(int fd)
{
	static const struct {
		unsigned char bytes[6];
		size_t len;
	} packed[] = {
		{ { 0x1F, 0x8B }, 2 },			 /* gzip */
		{ { 0xFD, '7', 'z', 'X', 'Z', 0 }, 6 },	 /* xz */
		{ { 0x28, 0xB5, 0x2F, 0xFD }, 4 },	 /* zstd */
		{ { 'B', 'Z', 'h' }, 3 },		 /* bzip2 */
	};
	unsigned char start[512];
	uint16_t magic;
	ssize_t n = pread(fd, start, sizeof(start), 0);

	for (size_t i = 0; i < sizeof(packed) / sizeof(packed[0]); i++)
		if (n >= (ssize_t)packed[i].len && !memcmp(start, packed[i].bytes, packed[i].len))
			return TAR;
	if (n == sizeof(start) && !memcmp(start + TAR_MAGIC_AT, "ustar", 5))
		return TAR;
	if (pread(fd, &magic, sizeof(magic), EXT4_MAGIC_AT) == sizeof(magic) && le16toh(magic) == EXT4_MAGIC)
		return EXT4;
	return NOT_AN_IMAGE;
}

static int unnamed_file(struct gcs_error *err)
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

/* The same file, but nobody writes through this descriptor. */
static int read_only(int fd, struct gcs_error *err)
{
	char path[32];
	int ret;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	ret = open(path, O_RDONLY | O_CLOEXEC);
	return ret < 0 ? gcs_fail(err, errno, HR_FAIL, "open the disk again") : ret;
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

static int make_disk(const char *dir, int dir_fd, struct gcs_error *err)
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
	if (ftruncate(fd, (off_t)(((counted_bytes + counted_files * 512) * 5 / 4 + 16 * MIB) / MIB * MIB)) < 0)
		return gcs_fail(err, errno, HR_FAIL, "disk of %s: set its size", dir);
	snprintf(inodes, sizeof(inodes), "%llu", (unsigned long long)counted_files + 1024);
	snprintf(disk, sizeof(disk), "/proc/self/fd/%d", fd);
	p.argv = argv;
	p.keep[0] = fd;
	p.keep[1] = dir_fd;
	p.keep[2] = -1;
	if (proc_run(&p, err) < 0)
		return -1;
	return read_only(fd, err);
}

/* A directory that no path leads to and that ends with its last descriptor. */
static int unnamed_dir(struct gcs_error *err)
{
	_cleanup_close_ int fs = (int)syscall(SYS_fsopen, "tmpfs", FSOPEN_CLOEXEC);
	int fd;

	if (fs < 0 || syscall(SYS_fsconfig, fs, FSCONFIG_SET_STRING, "size", "90%", 0) < 0 ||
	    syscall(SYS_fsconfig, fs, FSCONFIG_SET_STRING, "mode", "0755", 0) < 0 ||
	    syscall(SYS_fsconfig, fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return gcs_fail(err, errno, HR_FAIL, "unpack the tar (needs root): tmpfs");
	fd = (int)syscall(SYS_fsmount, fs, FSMOUNT_CLOEXEC, 0);
	return fd < 0 ? gcs_fail(err, errno, HR_FAIL, "unpack the tar (needs root): mount") : fd;
}

static int unpack(int tar_fd, const char *path, struct gcs_error *err)
{
	_cleanup_close_ int dir_fd = unnamed_dir(err);
	struct proc p = PROC_INIT;
	char archive[32], dir[32];
	char *argv[] = { (char *)"tar", (char *)"--numeric-owner", (char *)"--xattrs",
			 (char *)"--xattrs-include=security.capability", (char *)"-xpf", archive, NULL };

	if (dir_fd < 0)
		return -1;
	snprintf(archive, sizeof(archive), "/proc/self/fd/%d", tar_fd);
	p.argv = argv;
	p.keep[0] = tar_fd;
	p.keep[1] = -1;
	p.cwd_fd = dir_fd;
	if (proc_run(&p, err) < 0)
		return gcs_fail_prefix(err, "%s", path);
	snprintf(dir, sizeof(dir), "/proc/self/fd/%d/.", dir_fd);
	return make_disk(dir, dir_fd, err);
}

static int open_disk(const char *path, struct gcs_error *err)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;

	if (fd < 0)
		return gcs_fail(err, errno, HR_FAIL, "image %s", path);
	if (fstat(fd, &st) < 0)
		return gcs_fail(err, errno, HR_FAIL, "image %s", path);
	if (S_ISDIR(st.st_mode))
		return make_disk(path, -1, err);
	if (!S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode))
		return gcs_fail(err, 0, HR_FAIL, "image %s: neither a directory nor a file", path);
	switch (look_at(fd)) {
	case EXT4:
		return steal_fd(&fd);
	case TAR:
		return unpack(fd, path, err);
	default:
		return gcs_fail(err, 0, HR_FAIL, "image %s: not a directory, a tar or an ext4 file system", path);
	}
}

int image_open(const char *path, struct image *image, struct gcs_error *err)
{
	*image = (struct image){ .layer_count = 0 };
	/* Nothing in it says so. */
	image->config.command = image_config_list("/bin/sh", err);
	if (!image->config.command)
		return -1;
	image->layers[0] = open_disk(path, err);
	if (image->layers[0] < 0) {
		image_close(image);
		return -1;
	}
	image->layer_count = 1;
	return 0;
}

void image_close(struct image *image)
{
	while (image->layer_count)
		close(image->layers[--image->layer_count]);
	image_config_free(&image->config);
}

int image_scratch(uint64_t size, struct gcs_error *err)
{
	_cleanup_close_ int fd = unnamed_file(err);

	if (fd < 0)
		return -1;
	if (ftruncate(fd, (off_t)size) < 0)
		return gcs_fail(err, errno, HR_FAIL, "scratch disk: set its size");
	return steal_fd(&fd);
}

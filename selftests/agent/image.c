// SPDX-License-Identifier: MIT
/* Disk images. */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cleanup.h"
#include "disks.h"
#include "image.h"

bool copy_file(const char *from, const char *to, uint64_t offset)
{
	_cleanup_close_ int in = open(from, O_RDONLY | O_CLOEXEC), out = open(to, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	static char buf[1 << 20];
	ssize_t n;

	if (in < 0 || out < 0)
		return false;
	while ((n = read(in, buf, sizeof(buf))) > 0) {
		if (pwrite(out, buf, n, offset) != n)
			return false;
		offset += n;
	}
	return n == 0 && fsync(out) == 0;
}

bool copy_disk(struct host *h, unsigned int lun, const char *to, uint64_t offset)
{
	const char *settings;
	char link[32];
	bool copied;

	snprintf(link, sizeof(link), "/run/copy/%u", lun);
	settings = disk_settings(link, 0, lun, ",\"BlockDev\":true,\"ReadOnly\":true");
	if (modify(h, "Add", "MappedVirtualDisk", settings) != 0)
		return false;
	copied = copy_file(link, to, offset);
	return modify(h, "Remove", "MappedVirtualDisk", settings) == 0 && copied;
}

int dm_count(void)
{
	_cleanup_dir_ DIR *d = opendir("/sys/block");
	struct dirent *e;
	int n = 0;

	while (d && (e = readdir(d)))
		n += !strncmp(e->d_name, "dm-", 3);
	return n;
}

#define LINE "this is a line of file "
#define FILE_SIZE 300000

static enum content file_content(const char *dir, const char *name)
{
	_cleanup_close_ int fd = -1;
	char path[128], line[64], buf[4096];
	size_t at = 0, length;
	ssize_t n;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	length = snprintf(line, sizeof(line), LINE "%s\n", name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return UNREADABLE;
	while ((n = read(fd, buf, sizeof(buf))) > 0)
		for (ssize_t i = 0; i < n; i++, at++)
			if (buf[i] != line[at % length])
				return WRONG;
	if (n < 0)
		return UNREADABLE;
	return at == FILE_SIZE ? RIGHT : WRONG;
}

enum content verity_content(const char *dir)
{
	static const char *const names[] = { "one", "two", "three" };
	enum content all = RIGHT;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		enum content c = file_content(dir, names[i]);

		if (c > all)
			all = c;
	}
	return all;
}

uint64_t data_offset(const char *image)
{
	_cleanup_close_ int fd = open(image, O_RDONLY | O_CLOEXEC);
	uint64_t offset = 0;
	char buf[4096];

	/* Behind what ext4 reads when it is mounted, and not at the beginning of the file. */
	while (pread(fd, buf, sizeof(buf), offset) == sizeof(buf)) {
		if (memmem(buf, sizeof(buf), LINE "two", sizeof(LINE "two") - 1))
			return offset + 8 * sizeof(buf) + 100;
		offset += sizeof(buf);
	}
	return 0;
}

bool flip_bits(const char *device, uint64_t offset, int bits)
{
	_cleanup_close_ int fd = open(device, O_RDWR | O_CLOEXEC);
	unsigned char byte;

	if (fd < 0 || pread(fd, &byte, 1, offset) != 1)
		return false;
	byte ^= bits;
	return pwrite(fd, &byte, 1, offset) == 1 && fsync(fd) == 0;
}

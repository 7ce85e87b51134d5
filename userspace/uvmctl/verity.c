// SPDX-License-Identifier: MIT
/* dm-verity's superblock and tree, directly behind the file system. */
#include "verity.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <ext2fs/ext2fs.h>

#include "ext4.h"
#include "proc.h"

#define BLOCK 4096u
/* That of all hosts. */
#define SALT "0000000000000000000000000000000000000000000000000000000000000000"

/* In bytes; 0 if there is none, or not one of whole blocks of the tree. */
static uint64_t ext4_size(int fd)
{
	uint64_t size = 0;
	char path[32];
	ext2_filsys fs;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (ext2fs_open(path, EXT2_FLAG_64BITS, 0, 0, unix_io_manager, &fs))
		return 0;
	if (fs->blocksize == BLOCK)
		size = ext2fs_blocks_count(fs->super) * BLOCK;
	ext2fs_close(fs);
	return size;
}

int verity_append(int fd, const unsigned char uuid[16], struct gcs_error *err)
{
	char path[32], blocks[40], offset[40], name[48];
	char *argv[] = { (char *)"veritysetup", (char *)"format", (char *)"--hash=sha256", (char *)"--data-block-size=4096",
			 (char *)"--hash-block-size=4096", (char *)"--salt=" SALT, blocks, offset, name, path, path, NULL };
	struct proc p = PROC_INIT;
	uint64_t size = ext4_size(fd);
	struct stat st;

	if (!size)
		return gcs_fail(err, 0, HR_FAIL, "verity: not an ext4 file system with blocks of %u bytes", BLOCK);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	snprintf(blocks, sizeof(blocks), "--data-blocks=%llu", (unsigned long long)(size / BLOCK));
	snprintf(offset, sizeof(offset), "--hash-offset=%llu", (unsigned long long)size);
	snprintf(name, sizeof(name), "--uuid=%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", uuid[0], uuid[1],
		 uuid[2], uuid[3], uuid[4], uuid[5], uuid[6], uuid[7], uuid[8], uuid[9], uuid[10], uuid[11], uuid[12], uuid[13], uuid[14],
		 uuid[15]);
	p.argv = argv;
	p.keep[0] = fd;
	p.keep[1] = -1;
	if (proc_run(&p, err) < 0)
		return err->err == ENOENT ? gcs_fail(err, ENOENT, HR_FAIL, "verity (Debian package cryptsetup-bin): veritysetup in PATH") : -1;
	if (fstat(fd, &st) < 0 || ftruncate(fd, (off_t)disk_size((uint64_t)st.st_size)) < 0)
		return gcs_fail(err, errno, HR_FAIL, "verity: set the size of the disk");
	return 0;
}

int verity_append_random(int fd, struct gcs_error *err)
{
	unsigned char uuid[16];

	if (getrandom(uuid, sizeof(uuid), 0) != sizeof(uuid))
		return gcs_fail(err, errno, HR_FAIL, "verity");
	return verity_append(fd, uuid, err);
}

bool verity_is(int fd)
{
	static const char signature[8] = "verity";
	uint64_t size = ext4_size(fd);
	char found[sizeof(signature)];

	return size && pread(fd, found, sizeof(found), (off_t)size) == sizeof(found) && !memcmp(found, signature, sizeof(found));
}

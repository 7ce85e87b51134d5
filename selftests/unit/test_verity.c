// SPDX-License-Identifier: MIT
/* Unit tests: where a tree of hashes is looked for behind an ext4. What it does is shown in the VM (verity_test). */
#include <endian.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cleanup.h"
#include "storage/internal.h"
#include "kselftest_harness.h"

/* Blocks of 4096 bytes: of the file system, and with the superblock and the two levels of the tree, 8 blocks and one. */
#define BLOCKS 1024
#define ALL (BLOCKS + 1 + 8 + 1)

FIXTURE(verity)
{
	char path[32];
	int fd;
	struct gcs_error err;
};

FIXTURE_SETUP(verity)
{
	strcpy(self->path, "/tmp/verity.XXXXXX");
	self->fd = mkstemp(self->path);
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, ftruncate(self->fd, ALL * 4096ll));
}

FIXTURE_TEARDOWN(verity)
{
	close(self->fd);
	unlink(self->path);
}

static bool put(int fd, const void *data, size_t size, off_t at)
{
	return pwrite(fd, data, size, at) == (ssize_t)size;
}

/* An ext4 that says that it has so many blocks. */
static bool put_ext4(int fd, uint32_t blocks)
{
	uint32_t count = htole32(blocks), log = htole32(2);
	uint16_t magic = htole16(0xEF53);

	return put(fd, &count, 4, 1024 + 4) && put(fd, &log, 4, 1024 + 24) && put(fd, &magic, 2, 1024 + 56);
}

static int map(const char *path, struct gcs_error *err)
{
	_cleanup_close_ int fd = open_cached(path, err);
	char node[PATH_MAX];

	snprintf(node, sizeof(node), "%s", path);
	/* No case gets as far as to need an owner. */
	return fd < 0 ? -1 : verity_map(NULL, "verity-test", fd, node, err);
}

TEST_F(verity, an_ext4_alone_has_none)
{
	ASSERT_TRUE(put_ext4(self->fd, BLOCKS));
	EXPECT_EQ(0, map(self->path, &self->err)) TH_LOG("%s", self->err.text);
	ASSERT_TRUE(put_ext4(self->fd, BLOCKS + 1));
	EXPECT_EQ(0, map(self->path, &self->err)) TH_LOG("%s", self->err.text);
	ASSERT_TRUE(put_ext4(self->fd, ALL));
	EXPECT_EQ(0, map(self->path, &self->err)) TH_LOG("%s", self->err.text);
}

TEST_F(verity, a_superblock_that_a_damaged_ext4_does_not_lead_to_is_an_error)
{
	ASSERT_TRUE(put(self->fd, "verity\0", 8, BLOCKS * 4096));
	for (uint32_t bit = 1; bit < BLOCKS; bit <<= 1) {
		ASSERT_TRUE(put_ext4(self->fd, BLOCKS ^ bit));
		/* With more blocks than the device has it cannot be mounted anyway. */
		if ((BLOCKS ^ bit) >= ALL)
			continue;
		self->err = (struct gcs_error){ 0 };
		EXPECT_EQ(-1, map(self->path, &self->err)) TH_LOG("%u blocks", BLOCKS ^ bit);
		EXPECT_NE(NULL, strstr(self->err.text, "damaged")) TH_LOG("%s", self->err.text);
	}
}

TEST_F(verity, a_signature_of_which_bits_have_flipped_is_an_error)
{
	ASSERT_TRUE(put_ext4(self->fd, BLOCKS) && put(self->fd, "vesity\0", 8, BLOCKS * 4096));
	EXPECT_EQ(-1, map(self->path, &self->err));
	EXPECT_NE(NULL, strstr(self->err.text, "signature")) TH_LOG("%s", self->err.text);
}

TEST_HARNESS_MAIN

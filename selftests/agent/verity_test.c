// SPDX-License-Identifier: MIT
/*
 * Conformance: layers with a tree of hashes behind their ext4 (storage-and-network.md section 5). Needs the test VM's disks
 * (scripts/disks): LUN 3 is such a layer, LUN 1 is written over with it, and damaged.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "disks.h"
#include "image.h"
#include "kselftest_harness.h"

#define IMAGE "/run/verity.img"
#define DIR "/run/mounts/scsi/v"
#define GOOD "{\"MountPath\":\"" DIR "\",\"Lun\":3,\"ReadOnly\":true}"
#define BAD "{\"MountPath\":\"" DIR "\",\"Lun\":1,\"ReadOnly\":true}"
#define RAW "{\"MountPath\":\"/run/raw\",\"Lun\":1,\"BlockDev\":true}"

/* Of the image: where its superblock is, and the two levels of the tree: 1024 blocks of data, of whose hashes a block has 128. */
#define SUPERBLOCK 4194304
#define TOP (SUPERBLOCK + 4096)
#define LEAVES (TOP + 4096)

FIXTURE(verity)
{
	struct host h;
};

FIXTURE_SETUP(verity)
{
	if (!host_has_vsock() || !getenv("GCS_TEST_DISKS"))
		SKIP(_exit(255), "needs the test VM's disks (GCS_TEST_DISKS=1)");
	host_start(&self->h, true, NULL);
	unlink(IMAGE);
	ASSERT_TRUE(copy_disk(&self->h, 3, IMAGE, 0)) TH_LOG("%s", request_error(&self->h));
}

FIXTURE_TEARDOWN(verity)
{
	host_stop(&self->h);
	EXPECT_EQ(0, dm_count());
	EXPECT_NE(0, access(DIR, F_OK));
}

TEST_F_TIMEOUT(verity, what_is_read_of_it_is_checked_and_nothing_is_left_of_that, 60)
{
	struct host *h = &self->h;

	for (int i = 0; i < 2; i++) {
		ASSERT_EQ(0, modify(h, "Add", "MappedVirtualDisk", GOOD)) TH_LOG("%s", request_error(h));
		EXPECT_EQ(1, dm_count());
		EXPECT_EQ(0, system("grep -q '^/dev/dm-[0-9]* " DIR " ext4 ro' /proc/mounts"));
		EXPECT_EQ(RIGHT, verity_content(DIR));
		ASSERT_EQ(0, modify(h, "Remove", "MappedVirtualDisk", GOOD)) TH_LOG("%s", request_error(h));
		EXPECT_EQ(0, dm_count());
		/* Nothing has it open any more. */
		ASSERT_EQ(0, host_call(h, MSG_MODIFY_SETTINGS, Z, ",\"Request\":{\"RequestType\":\"Remove\",\"ResourceType\":"
				       "\"SCSIDevice\",\"Settings\":{\"Lun\":3}}")) TH_LOG("%s", request_error(h));
	}
	/* Another agent has made it: this one finds out what there is. */
	ASSERT_EQ(0, modify(h, "Add", "MappedVirtualDisk", GOOD)) TH_LOG("%s", request_error(h));
	host_stop(h);
	host_start(h, true, NULL);
	EXPECT_EQ(1, dm_count());
	ASSERT_EQ(0, modify(h, "Remove", "MappedVirtualDisk", GOOD)) TH_LOG("%s", request_error(h));
	EXPECT_EQ(0, dm_count());
	ASSERT_EQ(0, host_call(h, MSG_MODIFY_SETTINGS, Z, ",\"Request\":{\"RequestType\":\"Remove\",\"ResourceType\":"
			       "\"SCSIDevice\",\"Settings\":{\"Lun\":3}}")) TH_LOG("%s", request_error(h));
	/* A layer without one is mounted as it is. */
	ASSERT_EQ(0, modify(h, "Add", "MappedVirtualDisk", "{\"MountPath\":\"" DIR "\",\"ReadOnly\":true}")) TH_LOG("%s", request_error(h));
	EXPECT_EQ(0, dm_count());
	ASSERT_EQ(0, modify(h, "Remove", "MappedVirtualDisk", "{\"MountPath\":\"" DIR "\"}")) TH_LOG("%s", request_error(h));
}

/* Change bits of the disk, or back. */
static bool flip(struct host *h, uint64_t offset, int bits)
{
	bool good = modify(h, "Add", "MappedVirtualDisk", RAW) == 0;

	good = good && flip_bits("/run/raw", offset, bits);
	return modify(h, "Remove", "MappedVirtualDisk", RAW) == 0 && good;
}

TEST_F_TIMEOUT(verity, no_damage_is_ever_read_as_data, 120)
{
	struct host *h = &self->h;
	const struct {
		const char *what;
		uint64_t offset;
		int bits;
		enum { REFUSED, SEEN, HARMLESS } then; /* seen: at the latest when it is read */
	} damages[] = {
		{ "data", data_offset(IMAGE), 0x01, SEEN },
		{ "a hash of the data", LEAVES + data_offset(IMAGE) / 4096 * 32, 0x80, SEEN },
		{ "the first hash of the data", LEAVES, 0x10, REFUSED },
		{ "what the root hash is of", TOP, 0x01, REFUSED },
		{ "ext4's superblock", 1024 + 120, 0x04, REFUSED },
		{ "signature", SUPERBLOCK + 2, 0x20, REFUSED },
		{ "version", SUPERBLOCK + 8, 0x02, REFUSED },
		{ "hash type", SUPERBLOCK + 12, 0x01, REFUSED },
		{ "uuid", SUPERBLOCK + 16, 0x40, HARMLESS },
		{ "algorithm", SUPERBLOCK + 32, 0x04, REFUSED },
		{ "data block size", SUPERBLOCK + 65, 0x30, REFUSED },
		{ "a larger data block size", SUPERBLOCK + 66, 0x01, REFUSED },
		{ "hash block size", SUPERBLOCK + 69, 0x01, REFUSED },
		{ "number of blocks", SUPERBLOCK + 72, 0x01, REFUSED },
		{ "another number of blocks", SUPERBLOCK + 79, 0x80, REFUSED },
		{ "salt size", SUPERBLOCK + 80, 0x01, REFUSED },
		{ "a salt size of 65288", SUPERBLOCK + 81, 0xff, REFUSED },
		{ "salt", SUPERBLOCK + 88, 0x08, REFUSED },
	};

	ASSERT_EQ(0, modify(h, "Add", "MappedVirtualDisk", RAW)) TH_LOG("%s", request_error(h));
	ASSERT_TRUE(copy_file(IMAGE, "/run/raw", 0));
	ASSERT_EQ(0, modify(h, "Remove", "MappedVirtualDisk", RAW)) TH_LOG("%s", request_error(h));
	ASSERT_EQ(0, modify(h, "Add", "MappedVirtualDisk", BAD)) TH_LOG("%s", request_error(h));
	EXPECT_EQ(RIGHT, verity_content(DIR));
	ASSERT_EQ(0, modify(h, "Remove", "MappedVirtualDisk", BAD)) TH_LOG("%s", request_error(h));

	for (size_t i = 0; i < sizeof(damages) / sizeof(damages[0]); i++) {
		int64_t result;

		ASSERT_TRUE(flip(h, damages[i].offset, damages[i].bits)) TH_LOG("%s", request_error(h));
		result = modify(h, "Add", "MappedVirtualDisk", BAD);
		if (damages[i].then == REFUSED)
			EXPECT_EQ(E_FAIL, result) TH_LOG("%s", damages[i].what);
		if (result == 0) {
			EXPECT_EQ(damages[i].then == HARMLESS ? RIGHT : UNREADABLE, verity_content(DIR)) TH_LOG("%s", damages[i].what);
			EXPECT_EQ(0, modify(h, "Remove", "MappedVirtualDisk", BAD)) TH_LOG("%s", request_error(h));
		} else {
			EXPECT_NE(NULL, strstr(request_error(h), "map disk 0:1")) TH_LOG("%s", request_error(h));
		}
		EXPECT_EQ(0, dm_count());
		ASSERT_TRUE(flip(h, damages[i].offset, damages[i].bits)) TH_LOG("%s", request_error(h));
	}
	/* It was those bits. */
	ASSERT_EQ(0, modify(h, "Add", "MappedVirtualDisk", BAD)) TH_LOG("%s", request_error(h));
	EXPECT_EQ(RIGHT, verity_content(DIR));
	ASSERT_EQ(0, modify(h, "Remove", "MappedVirtualDisk", BAD)) TH_LOG("%s", request_error(h));
	/* The disk is others', who expect no file system. */
	ASSERT_EQ(0, modify(h, "Add", "MappedVirtualDisk", RAW)) TH_LOG("%s", request_error(h));
	EXPECT_EQ(0, system("head -c 8192 /dev/zero | dd of=/run/raw bs=4096 conv=notrunc,fsync 2>/dev/null"));
	ASSERT_EQ(0, modify(h, "Remove", "MappedVirtualDisk", RAW)) TH_LOG("%s", request_error(h));
}

TEST_HARNESS_MAIN

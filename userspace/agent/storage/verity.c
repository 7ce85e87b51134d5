// SPDX-License-Identifier: MIT
/*
 * dm-verity from what the device itself says: behind its ext4 a superblock, and the tree of hashes, the top of which comes first
 * (storage-and-network.md section 5)
 *
 * It guards against a layer that was damaged on its way, whose data is then an error and never something else. It cannot guard
 * against whoever changes data and tree: that takes a root hash from elsewhere.
 */
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <sha2.h>

#include "cleanup.h"
#include "storage/internal.h"

/* Of the ext4 superblock. */
#define EXT_OFFSET 1024
#define EXT_SIZE 1024
#define EXT_BLOCKS_LOW 4
#define EXT_LOG_BLOCK 24
#define EXT_MAGIC_AT 56
#define EXT_MAGIC 0xEF53
#define EXT_INCOMPAT 96
#define EXT_BLOCKS_HIGH 336
#define EXT_INCOMPAT_64BIT 0x80
#define EXT_LOG_BLOCK_MAX 6

static const char signature[8] = "verity";

struct verity_superblock {
	char signature[8];
	uint32_t version;
	uint32_t hash_type;
	uint8_t uuid[16];
	char algorithm[32];
	uint32_t data_block_size;
	uint32_t hash_block_size;
	uint64_t data_blocks;
	uint16_t salt_size;
	uint8_t pad[6];
	uint8_t salt[256];
	uint8_t pad2[168];
} __attribute__((packed));

#define HASH_TYPE_NORMAL 1
/* What the kernel takes: pages are no smaller anywhere. */
#define BLOCK_MIN 512
#define BLOCK_MAX 4096

static int read_at(int fd, const char *node, void *buf, size_t size, uint64_t offset, struct gcs_error *err)
{
	ssize_t n;

	do
		n = pread(fd, buf, size, offset);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return gcs_fail(err, errno, HR_FAIL, "%s: read at %llu", node, (unsigned long long)offset);
	if ((size_t)n < size)
		return gcs_fail(err, 0, HR_FAIL, "%s: ends at %llu", node, (unsigned long long)offset + n);
	return 0;
}

static uint32_t le32_at(const uint8_t *p)
{
	uint32_t value;

	memcpy(&value, p, sizeof(value));
	return le32toh(value);
}

/* Where an ext4 ends; 0 if that makes no sense: mounting it will tell why. */
static uint64_t ext4_size(const uint8_t super[EXT_SIZE])
{
	uint64_t blocks = le32_at(super + EXT_BLOCKS_LOW);
	uint32_t log = le32_at(super + EXT_LOG_BLOCK);

	if ((le32_at(super + EXT_MAGIC_AT) & 0xffff) != EXT_MAGIC || log > EXT_LOG_BLOCK_MAX)
		return 0;
	if (le32_at(super + EXT_INCOMPAT) & EXT_INCOMPAT_64BIT)
		blocks |= (uint64_t)le32_at(super + EXT_BLOCKS_HIGH) << 32;
	return blocks > UINT64_MAX >> (10 + log) ? 0 : blocks << (10 + log);
}

static int differing_bits(const char *a, const char *b, size_t size)
{
	int bits = 0;

	while (size--)
		bits += __builtin_popcount((unsigned char)a[size] ^ (unsigned char)b[size]);
	return bits;
}

static bool good_block_size(uint32_t size)
{
	return size >= BLOCK_MIN && size <= BLOCK_MAX && !(size & (size - 1));
}

/* Returns 1 if it is there and good, 0 if there is none, -1 if it is damaged, or not for this agent. */
static int check(const char *node, struct verity_superblock *s, uint64_t fs_size, struct gcs_error *err)
{
	int bits = differing_bits(s->signature, signature, sizeof(signature));

	/* Other data differs in half of the bits. */
	if (bits > 8)
		return 0;
	s->version = le32toh(s->version);
	s->hash_type = le32toh(s->hash_type);
	s->data_block_size = le32toh(s->data_block_size);
	s->hash_block_size = le32toh(s->hash_block_size);
	s->data_blocks = le64toh(s->data_blocks);
	s->salt_size = le16toh(s->salt_size);
	if (bits)
		return gcs_fail(err, 0, HR_FAIL, "%s: verity superblock: its signature is damaged", node);
	if (s->version != 1 || s->hash_type != HASH_TYPE_NORMAL)
		return gcs_fail(err, 0, HR_FAIL, "%s: verity superblock: version %u, hash type %u: known is 1, 1", node, s->version,
				s->hash_type);
	if (memcmp(s->algorithm, "sha256", sizeof("sha256")))
		return gcs_fail(err, 0, HR_FAIL, "%s: verity superblock: algorithm \"%.31s\": known is sha256", node, s->algorithm);
	if (!good_block_size(s->data_block_size) || !good_block_size(s->hash_block_size))
		return gcs_fail(err, 0, HR_FAIL, "%s: verity superblock: blocks of %u bytes, hash blocks of %u: allowed are %u to %u",
				node, s->data_block_size, s->hash_block_size, BLOCK_MIN, BLOCK_MAX);
	if (s->salt_size > sizeof(s->salt))
		return gcs_fail(err, 0, HR_FAIL, "%s: verity superblock: salt of %u bytes", node, s->salt_size);
	if (s->data_blocks != fs_size / s->data_block_size || fs_size % s->data_block_size || s->data_blocks < 2)
		return gcs_fail(err, 0, HR_FAIL, "%s: verity superblock: %llu blocks of %u bytes, the ext4 has %llu bytes", node,
				(unsigned long long)s->data_blocks, s->data_block_size, (unsigned long long)fs_size);
	return 1;
}

/*
 * The size of the file system that, with its superblock and its tree of hashes, fills a device of @size bytes exactly; 0 if there is none.
 * With it dm-verity's superblock is found even if the ext4 is too damaged to say where it ends. Blocks and hashes are those that all
 * hosts use.
 */
static uint64_t size_of_layer(uint64_t size)
{
	uint64_t low = 2, high = size / BLOCK_MAX, blocks, all;

	while (low <= high) {
		blocks = low + (high - low) / 2;
		all = blocks + 1;
		for (uint64_t level = blocks; level > 1;) {
			level = (level + BLOCK_MAX / SHA256_DIGEST_LENGTH - 1) / (BLOCK_MAX / SHA256_DIGEST_LENGTH);
			all += level;
		}
		if (all == size / BLOCK_MAX)
			return blocks * BLOCK_MAX;
		if (all < size / BLOCK_MAX)
			low = blocks + 1;
		else
			high = blocks - 1;
	}
	return 0;
}

/* An error if there is a superblock where the ext4 does not say that it ends. */
static int check_elsewhere(int fd, const char *node, uint64_t size, uint64_t fs_size, struct gcs_error *err)
{
	uint64_t at = size_of_layer(size);
	char found[sizeof(signature)];

	if (!at || at == fs_size)
		return 0;
	if (read_at(fd, node, found, sizeof(found), at, err) < 0)
		return -1;
	if (differing_bits(found, signature, sizeof(signature)) > 8)
		return 0;
	return gcs_fail(err, 0, HR_FAIL, "%s: the ext4 says that it ends at %llu, and a verity superblock is at %llu: damaged", node,
			(unsigned long long)fs_size, (unsigned long long)at);
}

static void to_hex(char *out, const uint8_t *bytes, size_t size)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < size; i++) {
		*out++ = digits[bytes[i] >> 4];
		*out++ = digits[bytes[i] & 15];
	}
	*out = '\0';
}

/* In hexadecimal. The root hash is that of the top of the tree, which is the first block behind the superblock. */
static int root_hash(int fd, const char *node, const struct verity_superblock *s, uint64_t start,
		     char root[SHA256_DIGEST_STRING_LENGTH], struct gcs_error *err)
{
	uint8_t salted[sizeof(s->salt) + BLOCK_MAX];

	memcpy(salted, s->salt, s->salt_size);
	if (read_at(fd, node, salted + s->salt_size, s->hash_block_size, start * s->hash_block_size, err) < 0)
		return -1;
	SHA256Data(salted, s->salt_size + s->hash_block_size, root);
	return 0;
}

int verity_map(struct owned *o, const char *what, int fd, char node[PATH_MAX], struct gcs_error *err)
{
	char params[1024], device[DM_DEVICE_MAX], root[SHA256_DIGEST_STRING_LENGTH], salt[2 * sizeof(((struct verity_superblock *)0)->salt) + 1];
	struct dm_target t = { .type = "verity", .params = params };
	uint8_t super[EXT_SIZE];
	struct verity_superblock s;
	uint64_t fs_size, start;
	off_t size;
	int ret;

	size = lseek(fd, 0, SEEK_END);
	if (size < 0)
		return gcs_fail(err, errno, HR_FAIL, "%s: size", node);
	if (size < EXT_OFFSET + EXT_SIZE)
		return 0;
	if (read_at(fd, node, super, sizeof(super), EXT_OFFSET, err) < 0)
		return -1;
	fs_size = ext4_size(super);
	/* Mostly the ext4 is all that there is. */
	if (!fs_size || fs_size > (uint64_t)size || size - fs_size < sizeof(s))
		return 0;
	if (read_at(fd, node, &s, sizeof(s), fs_size, err) < 0)
		return -1;
	ret = check(node, &s, fs_size, err);
	if (ret <= 0)
		return ret < 0 ? -1 : check_elsewhere(fd, node, size, fs_size, err);
	start = (fs_size + sizeof(s) + s.hash_block_size - 1) / s.hash_block_size;
	if (root_hash(fd, node, &s, start, root, err) < 0 || dm_device(node, device, err) < 0)
		return -1;
	to_hex(salt, s.salt, s.salt_size);
	t.sectors = fs_size / DM_SECTOR;
	snprintf(params, sizeof(params), "%u %s %s %u %u %llu %llu sha256 %s %s", s.hash_type, device, device, s.data_block_size,
		 s.hash_block_size, (unsigned long long)s.data_blocks, (unsigned long long)start, root,
		 s.salt_size ? salt : "-");
	return dm_create(o, what, &t, node, err);
}

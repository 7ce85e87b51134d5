// SPDX-License-Identifier: MIT
/* SHA-256: the standard's examples, and every length around the end of a block against the coreutils' program. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "sha256.h"

#include "kselftest_harness.h"

static const char *hex(const void *data, size_t size)
{
	static char text[2 * SHA256_SIZE + 1];
	uint8_t digest[SHA256_SIZE];

	sha256(data, size, digest);
	for (int i = 0; i < SHA256_SIZE; i++)
		sprintf(text + 2 * i, "%02x", digest[i]);
	return text;
}

TEST(the_examples_of_the_standard)
{
	static char million[1000000];

	EXPECT_STREQ("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", hex("", 0));
	EXPECT_STREQ("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", hex("abc", 3));
	EXPECT_STREQ("248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1",
		     hex("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 56));
	memset(million, 'a', sizeof(million));
	EXPECT_STREQ("cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0", hex(million, sizeof(million)));
}

TEST(every_length_up_to_three_blocks)
{
	char data[192], path[] = "/tmp/sha256.XXXXXX", command[64], theirs[2 * SHA256_SIZE + 1];
	int fd = mkstemp(path);

	ASSERT_LE(0, fd);
	snprintf(command, sizeof(command), "sha256sum < %s", path);
	for (size_t i = 0; i < sizeof(data); i++) {
		FILE *f = popen(command, "re");

		ASSERT_EQ(1, fscanf(f, "%64s", theirs));
		pclose(f);
		EXPECT_STREQ(theirs, hex(data, i)) TH_LOG("%zu bytes", i);
		data[i] = i * 7 + 1;
		ASSERT_EQ(1, write(fd, data + i, 1));
	}
	close(fd);
	unlink(path);
}

TEST_HARNESS_MAIN

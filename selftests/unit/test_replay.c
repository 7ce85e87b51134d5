// SPDX-License-Identifier: MIT
/* What was sent last is kept, in order, however it was sent. */
#include <stdlib.h>
#include <string.h>

#include "stdio/replay.h"
#include "stdio/stdio.h"

#include "kselftest_harness.h"

static char byte_at(size_t n)
{
	return n ^ n >> 8 ^ n >> 16;
}

/* Send the bytes from *@at on, in one part. */
static void sent(struct replay *r, size_t *at, size_t len)
{
	char *data = malloc(len);

	for (size_t i = 0; i < len; i++)
		data[i] = byte_at(*at + i);
	replay_add(r, data, len);
	free(data);
	*at += len;
}

/* Does what is taken begin with @kept bytes that end at @at, and end with @rest? */
static bool takes(struct replay *r, size_t at, size_t kept, const char *rest)
{
	size_t len = 0, rest_len = rest ? strlen(rest) : 0;
	char *all = replay_take(r, rest, rest_len, &len);
	bool same = len == kept + rest_len && (!rest || memcmp(all + kept, rest, rest_len) == 0);

	for (size_t i = 0; i < kept && same; i++)
		same = all[i] == byte_at(at - kept + i);
	free(all);
	return same;
}

TEST(nothing_was_sent)
{
	struct replay r = { 0 };

	EXPECT_TRUE(takes(&r, 0, 0, NULL));
	EXPECT_TRUE(takes(&r, 0, 0, "rest"));
	replay_drop(&r);
}

TEST(the_last_bytes_are_kept_whatever_the_parts_were)
{
	static const size_t parts[] = { 1, 4096, 65536, STDIO_KEEP - 1, STDIO_KEEP, STDIO_KEEP + 1, 3 * STDIO_KEEP + 5 };
	struct replay r = { 0 };

	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		size_t at = 0, before = 0;

		for (int n = 0; n < 7; n++) {
			sent(&r, &at, parts[i]);
			if (n % 3 == 0) {
				/* What was taken is sent again before it is kept again. */
				EXPECT_TRUE(takes(&r, at, at - before < STDIO_KEEP ? at - before : STDIO_KEEP, "rest"));
				before = at;
			}
		}
		EXPECT_TRUE(takes(&r, at, 0, NULL));
	}
	replay_drop(&r);
}

TEST_HARNESS_MAIN

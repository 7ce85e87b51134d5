// SPDX-License-Identifier: MIT
/* Records of /dev/kmsg. */
#include <stdlib.h>
#include <string.h>

#include "kmsg.h"
#include "kselftest_harness.h"

/* In memory of exactly its size. */
static bool parse(const char *text, struct kmsg_record *r)
{
	static char *copy;

	free(copy);
	copy = strdup(text);
	return kmsg_parse(copy, r);
}

TEST(a_record_has_its_parts)
{
	struct kmsg_record r;

	ASSERT_TRUE(parse("30,339,5140900,-;systemd[1]: started; ok\n SUBSYSTEM=acpi\n DEVICE=+acpi:PNP0A03:00\n", &r));
	EXPECT_EQ(6, r.priority);
	EXPECT_EQ(3, r.facility);
	EXPECT_EQ(339, r.seq);
	EXPECT_EQ(5140900, r.us);
	EXPECT_STREQ("-", r.flags);
	EXPECT_STREQ("systemd[1]: started; ok", r.message);
	/* What a later kernel adds to the prefix is passed over. */
	ASSERT_TRUE(parse("4,0,0,c,caller=T1,new;", &r));
	EXPECT_EQ(4, r.priority);
	EXPECT_STREQ("c", r.flags);
	EXPECT_STREQ("", r.message);
}

TEST(what_is_no_record_is_refused)
{
	static const char *const bad[] = { "", ";", "6;x", "6,1;x", "6,1,2;x", "a,1,2,-;x", "6,,2,-;x", "6,1,-2,-;x", "6,1,2,-", " 6,1,2,-;x" };
	struct kmsg_record r;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		EXPECT_FALSE(parse(bad[i], &r)) TH_LOG("%s", bad[i]);
	}
}

TEST_HARNESS_MAIN

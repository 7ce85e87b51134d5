// SPDX-License-Identifier: MIT
/* Command lines are split into words like a shell's. */
#include <string.h>

#include "container/internal.h"

#include "kselftest_harness.h"

/* The words, joined with "|"; NULL for an error. */
static const char *split(const char *line)
{
	static char joined[512];
	struct gcs_error err;
	char **words = words_split(line, &err);

	if (!words)
		return NULL;
	joined[0] = '\0';
	for (char **w = words; *w; w++) {
		if (w != words)
			strcat(joined, "|");
		strcat(joined, *w);
	}
	words_free(words);
	return joined;
}

TEST(words_quotes_and_backslashes)
{
	static const char *const cases[][2] = {
		{ "ls -l /dev", "ls|-l|/dev" },
		{ "  a\t b\n", "a|b" },
		{ "a 'b c' \"d e\"", "a|b c|d e" },
		{ "a'b'\"c\"d", "abcd" },
		{ "'$HOME' \"$(x)\" `y`", "$HOME|$(x)|`y`" },
		{ "a\\ b \\'c \\\\", "a b|'c|\\" },
		{ "'a\\b' \"a\\b\" \"a\\\"b\" \"a\\$b\"", "a\\b|a\\b|a\"b|a$b" },
		{ "'' x \"\"", "|x|" },
		{ "a\\\nb", "ab" },
		{ "x", "x" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		ASSERT_NE(NULL, split(cases[i][0])) TH_LOG("%s", cases[i][0]);
		EXPECT_STREQ(cases[i][1], split(cases[i][0]));
	}
}

TEST(what_has_no_end_or_no_words_is_an_error)
{
	static const char *const cases[] = { "", "  \t", "'a", "\"a", "a\\", "a 'b\"" };

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		EXPECT_EQ(NULL, split(cases[i])) TH_LOG("%s", cases[i]);
	}
}

TEST_HARNESS_MAIN

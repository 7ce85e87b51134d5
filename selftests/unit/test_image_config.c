// SPDX-License-Identifier: MIT
// unit-sources: userspace/uvmctl/image_config.c userspace/uvmctl/size.c
/* How an image wants to be run, and what the command line makes of it; sizes. */
#include <stdlib.h>
#include <string.h>

#include "../../userspace/uvmctl/image_config.h"
#include "../../userspace/uvmctl/size.h"
#include "kselftest_harness.h"

static struct gcs_error err;

#define LIST(...) ((char *[]){ __VA_ARGS__, NULL })
#define NONE ((char *[]){ NULL })

/* The list, its strings with a | behind each; NULL for an error. */
static const char *joined(char **list)
{
	static char text[256];

	if (!list)
		return NULL;
	*text = '\0';
	for (size_t i = 0; list[i]; i++)
		strcat(strcat(text, list[i]), "|");
	free(list);
	return text;
}

TEST(a_command_is_the_entrypoint_and_what_is_given_to_it)
{
	struct image_config both = { .entrypoint = LIST("entry", "-x"), .command = LIST("default") };
	struct image_config command = { .command = LIST("default") }, nothing = { .command = NULL };

	EXPECT_STREQ("entry|-x|default|", joined(image_argv(&both, NULL, NONE, &err)));
	EXPECT_STREQ("entry|-x|mine|", joined(image_argv(&both, NULL, LIST("mine"), &err)));
	/* The image's command is for the image's entrypoint. */
	EXPECT_STREQ("other|", joined(image_argv(&both, "other", NONE, &err)));
	EXPECT_STREQ("other|mine|too|", joined(image_argv(&both, "other", LIST("mine", "too"), &err)));
	EXPECT_STREQ("mine|", joined(image_argv(&both, "", LIST("mine"), &err)));
	EXPECT_STREQ("default|", joined(image_argv(&command, NULL, NONE, &err)));
	EXPECT_EQ(NULL, image_argv(&both, "", NONE, &err));
	EXPECT_EQ(NULL, image_argv(&nothing, NULL, NONE, &err));
	EXPECT_NE(NULL, strstr(err.text, "no COMMAND"));
}

TEST(the_environment_is_the_images_and_then_ours)
{
	struct image_config config = { .env = LIST("A=1", "B=2") }, nothing = { .command = NULL };

	EXPECT_STREQ("A=1|B=2|B=3|", joined(image_env(&config, NULL, LIST("B=3"), &err)));
	EXPECT_STREQ("HOME=/|A=1|B=2|", joined(image_env(&config, "HOME=/", NONE, &err)));
	EXPECT_STREQ("B=3|", joined(image_env(&nothing, NULL, LIST("B=3"), &err)));
	EXPECT_STREQ("", joined(image_env(&nothing, NULL, NONE, &err)));
}

TEST(a_document_is_a_configuration)
{
	static const char text[] = "{\"Entrypoint\":[\"/bin/sh\",\"-c\"],\"Cmd\":null,\"Env\":[\"A=1\"],\"WorkingDir\":\"/w\",\"User\":\"a:b\","
				   "\"StopSignal\":\"SIGQUIT\",\"Labels\":{\"x\":\"y\"},\"ExposedPorts\":{\"80/tcp\":{}}}";
	struct image_config config = { .command = NULL };

	ASSERT_EQ(0, json_decode(image_config_table, &config, text, strlen(text), &err)) TH_LOG("%s", err.text);
	EXPECT_STREQ("-c", config.entrypoint[1]);
	EXPECT_EQ(NULL, config.command);
	EXPECT_STREQ("/w", config.cwd);
	EXPECT_STREQ("a:b", config.user);
	EXPECT_STREQ("SIGQUIT", config.stop_signal);
	image_config_free(&config);
	EXPECT_EQ(NULL, config.user);
}

TEST(sizes)
{
	static const char *const bad[] = { "", "x", "-1", "1Q", "1KK", "1K ", "99999999999999999999", "2048T" };
	uint64_t size = 0;

	EXPECT_EQ(NULL, size_parse("7", 1 << 20, &size));
	EXPECT_EQ(7 << 20, size);
	EXPECT_EQ(NULL, size_parse("3k", 1 << 20, &size));
	EXPECT_EQ(3072, size);
	EXPECT_EQ(NULL, size_parse("1024T", 1, &size));
	EXPECT_EQ(1ull << 50, size);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		EXPECT_NE(NULL, size_parse(bad[i], 1, &size)) TH_LOG("%s", bad[i]);
	}
}

TEST(numbers)
{
	static const char *const bad[] = { "", "x", "-1", "+1", " 1", "4294967296", "99999999999999999999" };
	const char *text = "4294967295:7";
	uint32_t n = 0;

	EXPECT_TRUE(number_parse(&text, &n));
	EXPECT_EQ(UINT32_MAX, n);
	EXPECT_STREQ(":7", text);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		text = bad[i];
		EXPECT_FALSE(number_parse(&text, &n)) TH_LOG("%s", bad[i]);
	}
}

TEST_HARNESS_MAIN

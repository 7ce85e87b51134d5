// SPDX-License-Identifier: MIT
// unit-sources: userspace/agent/options.c
/* The agent's command line: Go's flag syntax, the host's flags, unknown ones. */
#include <stdlib.h>
#include <string.h>

#include "../../userspace/agent/options.h"
#include "kselftest_harness.h"

static struct options o;
static struct gcs_error err;

#define PARSE(...) options_parse(&o, (char *[]){ "gcs", ##__VA_ARGS__, NULL }, &err)

TEST(defaults_are_those_of_the_reference)
{
	ASSERT_EQ(0, PARSE());
	EXPECT_FALSE(o.v4);
	EXPECT_EQ(LOG_DEBUG, o.log_level);
	EXPECT_FALSE(o.log_json);
	EXPECT_STREQ("", o.log_file);
	EXPECT_EQ(4, o.kmsg_level);
	EXPECT_FALSE(o.use_inouterr);
	EXPECT_EQ(78643200, o.root_mem_reserve);
	EXPECT_EQ(52428800, o.gcs_mem_limit);
	EXPECT_TRUE(o.scrub_logs);
	EXPECT_FALSE(o.deny);
	EXPECT_FALSE(o.no_kmod);
	EXPECT_FALSE(o.version);
	EXPECT_FALSE(o.help);
	EXPECT_STREQ("crun", o.runtime);
}

TEST(the_hosts_command_line_is_understood)
{
	ASSERT_EQ(0, PARSE("-v4", "-log-format", "json", "-loglevel", "info", "-scrub-logs=false",
			   "-core-dump-location", "/run/core", "-disable-time-sync", "-root-mem-reserve-bytes=1000",
			   "-gcs-mem-limit-bytes", "2000", "-kmsgLogLevel", "7", "-initial-policy-stance=deny"));
	EXPECT_TRUE(o.v4);
	EXPECT_TRUE(o.log_json);
	EXPECT_EQ(LOG_INFO, o.log_level);
	EXPECT_FALSE(o.scrub_logs);
	EXPECT_STREQ("/run/core", o.core_pattern);
	EXPECT_TRUE(o.disable_time_sync);
	EXPECT_EQ(1000, o.root_mem_reserve);
	EXPECT_EQ(2000, o.gcs_mem_limit);
	EXPECT_EQ(7, o.kmsg_level);
	EXPECT_TRUE(o.deny);
}

TEST(one_dash_or_two_and_a_value_after_a_space_or_an_equals_sign)
{
	ASSERT_EQ(0, PARSE("--v4=T", "--log-format=json", "--runtime", "runc", "--no-kmod", "-logfile=", "--version"));
	EXPECT_TRUE(o.version);
	EXPECT_TRUE(o.v4);
	EXPECT_TRUE(o.log_json);
	EXPECT_STREQ("runc", o.runtime);
	EXPECT_TRUE(o.no_kmod);
	EXPECT_STREQ("", o.log_file);
}

TEST(a_boolean_takes_no_value_after_a_space)
{
	ASSERT_EQ(0, PARSE("-v4", "false", "-no-kmod"));
	EXPECT_TRUE(o.v4);
	EXPECT_FALSE(o.no_kmod); /* "false" ended the flags */
	EXPECT_EQ(0, PARSE("-v4=0"));
	EXPECT_FALSE(o.v4);
	EXPECT_EQ(-1, PARSE("-v4=yes"));
}

TEST(flags_that_there_are_not_are_noted_and_skipped_with_their_values)
{
	static char *const none[] = { "-new-thing", "-v", "-v44", "-loglevels", "---v4", "-helper" };

	for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
		ASSERT_EQ(0, PARSE(none[i], "value", "--other=x", "-v4"));
		EXPECT_TRUE(o.v4);
		ASSERT_NE(NULL, o.unknown);
		EXPECT_STREQ(none[i], o.unknown[0]);
		EXPECT_STREQ("--other=x", o.unknown[1]);
		EXPECT_EQ(NULL, o.unknown[2]);
		free(o.unknown);
	}
	ASSERT_EQ(0, PARSE("-v4"));
	EXPECT_EQ(NULL, o.unknown);
}

TEST(nothing_after_help_matters)
{
	static char *const help[] = { "-h", "--h", "-help", "--help" };

	for (size_t i = 0; i < sizeof(help) / sizeof(help[0]); i++) {
		EXPECT_EQ(0, PARSE("-v4", help[i], "-new-thing"));
		EXPECT_TRUE(o.help);
		EXPECT_EQ(0, PARSE("-new-thing", help[i]));
		EXPECT_TRUE(o.help);
		free(o.unknown);
	}
}

TEST(bad_values_are_errors_that_name_the_flag)
{
	EXPECT_EQ(-1, PARSE("-loglevel", "loud"));
	EXPECT_NE(NULL, strstr(err.text, "-loglevel"));
	EXPECT_EQ(-1, PARSE("-log-format", "xml"));
	EXPECT_EQ(-1, PARSE("-initial-policy-stance", "maybe"));
	EXPECT_EQ(-1, PARSE("-runtime", "docker"));
	EXPECT_EQ(-1, PARSE("-root-mem-reserve-bytes", "-1"));
	EXPECT_EQ(-1, PARSE("-root-mem-reserve-bytes", "1k"));
	EXPECT_EQ(-1, PARSE("-root-mem-reserve-bytes", "18446744073709551616"));
	EXPECT_EQ(-1, PARSE("-gcs-mem-limit-bytes="));
	EXPECT_EQ(-1, PARSE("-kmsgLogLevel"));
	EXPECT_NE(NULL, strstr(err.text, "-kmsgLogLevel"));
}

TEST(levels_have_the_names_of_logrus)
{
	static const char *const names[] = { "trace", "debug", "info", "warning", "error", "fatal", "panic" };

	for (int i = 0; i < 7; i++) {
		ASSERT_EQ(0, PARSE("-loglevel", (char *)names[i]));
		EXPECT_EQ(i, (int)o.log_level);
	}
	ASSERT_EQ(0, PARSE("-loglevel", "warn"));
	EXPECT_EQ(LOG_WARNING, o.log_level);
}

TEST(flags_end_at_two_dashes_or_a_word)
{
	ASSERT_EQ(0, PARSE("--", "-v4"));
	EXPECT_FALSE(o.v4);
	ASSERT_EQ(0, PARSE("word", "-v4"));
	EXPECT_FALSE(o.v4);
	ASSERT_EQ(0, PARSE("-", "-v4"));
	EXPECT_FALSE(o.v4);
}

TEST_HARNESS_MAIN

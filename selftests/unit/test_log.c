// SPDX-License-Identifier: MIT
/* Log lines: what the host's reader needs, and that nobody is ever blocked by it. */
#include <fcntl.h>
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "json.h"
#include "log.h"
#include "kselftest_harness.h"

/* The text that has arrived at @fd; does not wait. */
static size_t arrived(int fd, char *buf, size_t size)
{
	size_t n = 0;
	ssize_t part;

	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
	while (n < size - 1 && (part = read(fd, buf + n, size - 1 - n)) > 0)
		n += part;
	buf[n] = '\0';
	return n;
}

static const char *get(struct json_object *o, const char *key)
{
	struct json_object *v;

	return json_object_object_get_ex(o, key, &v) ? json_object_get_string(v) : NULL;
}

/* Check each line as the host's reader does; returns their number, or -1. */
static int check_lines(char *text)
{
	int n = 0;

	for (char *line = text, *end; *line; line = end + 1, n++) {
		struct gcs_error err;
		struct json_object *o;
		enum log_level level;
		struct tm tm;
		const char *rest;

		end = strchr(line, '\n');
		if (!end || end - line >= LOG_LINE_MAX)
			return -1;
		o = json_parse(line, end - line, &err);
		if (!o || !get(o, "msg") || !get(o, "level") || log_level_parse(get(o, "level"), &level) < 0)
			return -1;
		rest = get(o, "time") ? strptime(get(o, "time"), "%Y-%m-%dT%H:%M:%S", &tm) : NULL;
		if (!rest || *rest != '.' || strlen(rest) != 11 || rest[10] != 'Z')
			return -1;
		json_object_put(o);
	}
	return n;
}

TEST(a_line_is_one_object_with_time_level_message_and_fields)
{
	const struct log_field fields[] = { { .key = "name", .text = "a\"b\n" }, { .key = "n", .number = -5 }, { 0 } };
	const struct log_context context = { .activity_id = "", .cid = "c1", .trace_id = "aa", .span_id = "bb" };
	char buf[8192], copy[8192];
	struct json_object *o;
	struct gcs_error err;
	int p[2];

	ASSERT_EQ(0, pipe(p));
	log_setup(p[1], true, LOG_DEBUG);
	log_context(&context);
	log_line(LOG_WARNING, fields, "hello \"%s\"\n\x01\xff", "you");
	log_context(NULL);
	log_trace("not this");
	arrived(p[0], buf, sizeof(buf));
	strcpy(copy, buf);
	ASSERT_EQ(1, check_lines(copy));
	o = json_parse(buf, strlen(buf), &err);
	ASSERT_NE(NULL, o);
	EXPECT_STREQ("warning", get(o, "level"));
	EXPECT_STREQ("hello \"you\"\n\x01\xEF\xBF\xBD", get(o, "msg"));
	EXPECT_STREQ("c1", get(o, "cid"));
	EXPECT_STREQ("aa", get(o, "traceID"));
	EXPECT_STREQ("bb", get(o, "spanID"));
	EXPECT_EQ(NULL, get(o, "activityID"));
	EXPECT_STREQ("a\"b\n", get(o, "name"));
	EXPECT_STREQ("-5", get(o, "n"));
	json_object_put(o);
}

TEST(a_long_line_is_cut_and_still_an_object)
{
	const struct log_field fields[] = { { .key = "k", .text = "v" }, { 0 } };
	char *text = malloc(100000), buf[16384];
	struct gcs_error err;
	struct json_object *o;
	int p[2];

	ASSERT_EQ(0, pipe(p));
	log_setup(p[1], true, LOG_DEBUG);
	for (int fill = 0; fill < 2; fill++) {
		memset(text, fill ? '\x01' : 'x', 99999);
		text[99999] = '\0';
		log_line(LOG_INFO, fields, "%s", text);
		EXPECT_LE(arrived(p[0], buf, sizeof(buf)), LOG_LINE_MAX);
		o = json_parse(buf, strlen(buf), &err);
		ASSERT_NE(NULL, o);
		EXPECT_STREQ("v", get(o, "k")); /* fields have their room */
		json_object_put(o);
	}
	free(text);
}

/* Both kinds of standard error that the agent meets: a pipe and, below vsockexec, a socket. */
static void flood(struct __test_metadata *_metadata, int in, int out)
{
	static char buf[4 << 20];
	uint64_t before = log_dropped();
	int lines;

	log_setup(out, true, LOG_DEBUG);
	for (int i = 0; i < 20000; i++)
		log_info("line %d with some length, as such lines have, so that the pipe is full after a while", i);
	EXPECT_LT(before, log_dropped());
	/* The other users of the open file are not disturbed. */
	EXPECT_EQ(0, fcntl(out, F_GETFL) & O_NONBLOCK);
	arrived(in, buf, sizeof(buf));
	log_info("again");
	arrived(in, buf + strlen(buf), sizeof(buf) - strlen(buf));
	lines = check_lines(buf);
	/* Those that got through, one that tells how many did not, and the last. */
	EXPECT_EQ(20000 - (log_dropped() - before) + 2, (uint64_t)lines);
	EXPECT_NE(NULL, strstr(buf, "\"dropped\":"));
}

TEST(a_full_pipe_blocks_nobody_and_the_loss_is_told)
{
	int p[2];

	ASSERT_EQ(0, pipe(p));
	flood(_metadata, p[0], p[1]);
}

TEST(a_full_socket_blocks_nobody_and_no_line_is_torn)
{
	int s[2];

	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, s));
	flood(_metadata, s[0], s[1]);
}

TEST(a_reader_that_has_gone_is_no_reason_to_die)
{
	int p[2];

	signal(SIGPIPE, SIG_IGN);
	ASSERT_EQ(0, pipe(p));
	log_setup(p[1], true, LOG_DEBUG);
	close(p[0]);
	log_info("into the void");
	EXPECT_EQ(1, log_dropped());
}

TEST(a_file_is_appended_to)
{
	char path[] = "/tmp/test_log.XXXXXX", buf[4096];
	int fd = mkstemp(path);

	ASSERT_LE(0, fd);
	log_setup(fd, false, LOG_INFO);
	log_info("first");
	log_info("second\nline");
	ASSERT_LT(0, pread(fd, buf, sizeof(buf) - 1, 0));
	EXPECT_NE(NULL, strstr(buf, "info: first\n"));
	EXPECT_NE(NULL, strstr(buf, "second\\nline\n"));
	unlink(path);
	close(fd);
}

TEST(discarded_means_silent)
{
	char buf[64];
	int p[2];

	ASSERT_EQ(0, pipe(p));
	log_setup(p[1], true, LOG_DEBUG);
	log_discard(true);
	log_error("secret");
	EXPECT_EQ(0, arrived(p[0], buf, sizeof(buf)));
	EXPECT_FALSE(log_enabled(LOG_PANIC));
	log_discard(false);
	log_error("public");
	EXPECT_LT(0, arrived(p[0], buf, sizeof(buf)));
	EXPECT_EQ(NULL, strstr(buf, "secret"));
}

TEST_HARNESS_MAIN

// SPDX-License-Identifier: MIT
/* Conformance: what the host finds in the log (bridge.md 13, boot-and-image.md 7). That each line is JSON host_stop() checks. */
#include <string.h>

#include "host.h"
#include "kselftest_harness.h"

#define E_NO_SYSTEM (-1070137074)
#define TRACE "a041664addf473670708207e15e82c6b"
#define PARENT "35b529367aa1b56b"
#define TRACED ",\"otsc\":{\"traceparent\":\"00-" TRACE "-" PARENT "-01\",\"tracestate\":\"a=b\"}"

FIXTURE(log)
{
	struct host h;
};

FIXTURE_VARIANT(log)
{
	char *level;
	bool roots; /* spans of no trace of the host's are there */
};

FIXTURE_VARIANT_ADD(log, debug)
{
	.level = "debug",
	.roots = true,
};

FIXTURE_VARIANT_ADD(log, info)
{
	.level = "info",
};

FIXTURE_SETUP(log)
{
	host_start(&self->h, true, (char *[]){ "-loglevel", variant->level, NULL });
}

FIXTURE_TEARDOWN(log)
{
	host_stop(&self->h);
}

static const char *text_at(struct json_object *o, const char *key)
{
	const char *text = json_object_get_string(json_at(o, key));

	return text ? text : "";
}

TEST_F(log, a_request_is_a_span_of_the_host_s_trace)
{
	struct host *h = &self->h;
	struct json_object *one, *two;

	EXPECT_EQ(0, host_call(h, MSG_START, "first", TRACED));
	EXPECT_EQ(0, host_call(h, MSG_START, "second", TRACED));
	one = host_log_line(h, TRACE, "first", 1);
	two = host_log_line(h, TRACE, "second", 1);
	EXPECT_STREQ("Span", text_at(one, "msg"));
	EXPECT_STREQ("info", text_at(one, "level"));
	EXPECT_STREQ("Start", text_at(one, "name"));
	EXPECT_STREQ(TRACE, text_at(one, "traceID"));
	EXPECT_STREQ(PARENT, text_at(one, "parentSpanID"));
	EXPECT_STREQ("server", text_at(one, "spanKind"));
	EXPECT_STREQ("first", text_at(one, "cid"));
	EXPECT_STREQ(Z, text_at(one, "activityID"));
	EXPECT_EQ(16, strlen(text_at(one, "spanID")));
	EXPECT_STRNE(PARENT, text_at(one, "spanID"));
	EXPECT_STRNE(text_at(two, "spanID"), text_at(one, "spanID"));
	EXPECT_LE(strcmp(text_at(one, "startTime"), text_at(one, "endTime")), 0);
	EXPECT_NE(NULL, strstr(text_at(one, "duration"), "ms"));
	EXPECT_EQ(NULL, json_at(one, "error"));
	/* The answer is the only line that a request without news leaves. */
	EXPECT_EQ(2, host_log_count(h, TRACE));
	json_object_put(one);
	json_object_put(two);
}

TEST_F(log, a_request_without_a_trace_is_the_root_of_one)
{
	static const char *const none[] = {
		"", ",\"otsc\":{}", ",\"otsc\":{\"traceparent\":\"\"}",
		",\"otsc\":{\"traceparent\":\"00-" TRACE "-" PARENT "\"}",
		",\"otsc\":{\"traceparent\":\"00-A041664ADDF473670708207E15E82C6B-" PARENT "-01\"}",
		",\"otsc\":{\"traceparent\":\"00-a041664addf47367\\\"},{\\\"e15e82c6b-" PARENT "-01\"}",
	};
	struct host *h = &self->h;

	for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++)
		EXPECT_EQ(0, host_call(h, MSG_START, "mine", "%s", none[i]));
	EXPECT_EQ(variant->roots ? 6 : 0, host_log_count(h, "\"cid\":\"mine\""));
	EXPECT_EQ(0, host_log_count(h, TRACE));
	if (variant->roots) {
		struct json_object *o = host_log_line(h, "\"Span\"", "\"mine\"", 1);

		EXPECT_STREQ("debug", text_at(o, "level"));
		EXPECT_EQ(32, strlen(text_at(o, "traceID")));
		EXPECT_STREQ("0000000000000000", text_at(o, "parentSpanID"));
		json_object_put(o);
	}
}

TEST_F(log, a_failure_is_an_error_with_its_code)
{
	struct host *h = &self->h;
	struct json_object *o;

	EXPECT_EQ(E_NO_SYSTEM, host_call(h, MSG_DELETE_CONTAINER_STATE, "nope", "%s", ""));
	o = host_log_line(h, "\"Span\"", "\"nope\"", 1);
	EXPECT_STREQ("error", text_at(o, "level"));
	EXPECT_STREQ(answer_text(host_last(h), "ErrorMessage"), text_at(o, "error"));
	EXPECT_EQ(E_NO_SYSTEM, json_object_get_int64(json_at(o, "errorCode")));
	json_object_put(o);
}

TEST_HARNESS_MAIN

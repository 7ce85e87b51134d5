// SPDX-License-Identifier: MIT
// unit-sources: userspace/uvmctl/trace.c userspace/uvmctl/trace_clock.c userspace/uvmctl/timing.c
/* What the guest's log may say to uvmctl's timeline. */
#include <string.h>

#include <json-c/json.h>

#include "../../userspace/uvmctl/trace.h"
#include "kselftest_harness.h"

/* A request with its span in the guest, without which nothing of the guest is on the host's axis; and the end of a process. */
static bool shown(const char *end, const char *name)
{
	static const char span[] = "{\"time\":\"2026-01-01T00:00:00.5Z\",\"msg\":\"Span\",\"name\":\"Create\",\"parentSpanID\":\"0123456789abcdef\","
				   "\"startTime\":\"2026-01-01T00:00:00.1Z\",\"endTime\":\"2026-01-01T00:00:00.2Z\"}";
	struct json_object *trace;
	bool found;

	trace_start();
	trace_request(LANE_HOST, "Create", "0123456789abcdef", 0);
	trace_log_line(span);
	trace_log_line(end);
	trace = trace_json("");
	found = strstr(json_object_to_json_string_ext(trace, JSON_C_TO_STRING_PLAIN), name) != NULL;
	json_object_put(trace);
	return found;
}

TEST(the_end_of_a_process_says_what_its_streams_carried)
{
	EXPECT_TRUE(shown("{\"time\":\"2026-01-01T00:00:00.5Z\",\"msg\":\"Process ended\",\"pid\":7,\"exitCode\":3,\"bytesIn\":1,\"bytesOut\":2}",
			  "\"process 7 ended with 3: 1 bytes in, 2 out\""));
	EXPECT_TRUE(shown("{\"time\":\"2026-01-01T00:00:00.5Z\",\"msg\":\"Process ended\",\"pid\":7,\"exitCode\":3}", "\"process 7 ended with 3\""));
}

/* The guest is not trusted: its numbers may be the largest that there are. */
TEST(a_name_that_is_too_long_is_cut)
{
	EXPECT_TRUE(shown("{\"time\":\"2026-01-01T00:00:00.5Z\",\"msg\":\"Process ended\",\"pid\":-9223372036854775807,"
			  "\"exitCode\":-9223372036854775807,\"bytesIn\":-9223372036854775807,\"bytesOut\":-9223372036854775807,"
			  "\"bytesLost\":-9223372036854775807}",
			  "\"process -9223372036854775807 ended with -9223372036854775807: -9223372036854775807 bytes in,...\""));
}

TEST_HARNESS_MAIN

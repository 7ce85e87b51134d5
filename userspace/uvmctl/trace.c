// SPDX-License-Identifier: MIT
/* What has happened, as the host has seen it and as the guest tells it, until somebody asks. */
#include "trace.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "cleanup.h"
#include "jsonset.h"
#include "timing.h"
#include "trace_clock.h"

/* Protects what follows; nothing is taken inside. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct trace_record records;

/* Of more than there is room for, the boot and the last ones are kept. */
static struct trace_span *next(struct trace_side *side)
{
	size_t at = side->count;

	if (at >= TRACE_SPANS)
		at = TRACE_BOOT + (at - TRACE_BOOT) % (TRACE_SPANS - TRACE_BOOT);
	side->count++;
	return &side->spans[at];
}

void trace_start(void)
{
	pthread_mutex_lock(&lock);
	records.host.count = records.guest.count = 0;
	records.agent_real_us = records.agent_boot_us = 0;
	records.begin_us = timing_now() * 1e3;
	pthread_mutex_unlock(&lock);
}

static void add(enum trace_lane lane, const char *name, const char *id, double begin, double end)
{
	struct trace_span *span;

	pthread_mutex_lock(&lock);
	span = next(&records.host);
	*span = (struct trace_span){ .lane = lane, .begin_us = begin * 1e3, .end_us = end * 1e3 };
	snprintf(span->name, sizeof(span->name), "%s", name);
	snprintf(span->id, sizeof(span->id), "%s", id);
	pthread_mutex_unlock(&lock);
}

void trace_request(enum trace_lane lane, const char *name, const char *id, double begin)
{
	add(lane, name, id, begin, timing_now());
}

void trace_host(enum trace_lane lane, const char *name, double begin)
{
	add(lane, name, "", begin, timing_now());
}

void trace_mark(enum trace_lane lane, const char *name)
{
	double now = timing_now();

	add(lane, name, "", now, now);
}

void trace_new_id(char id[17])
{
	unsigned char bytes[8] = { 0 };

	/* Without randomness it is nobody's parent: a trace that misses a span. */
	if (getrandom(bytes, sizeof(bytes), GRND_NONBLOCK) < 0)
		bytes[7] = 1;
	for (size_t i = 0; i < sizeof(bytes); i++)
		snprintf(id + 2 * i, 3, "%02x", bytes[i]);
}

/* A time of the log in microseconds, 0 if it is none. */
static double parse_time(const char *text)
{
	struct tm tm = { 0 };
	const char *rest = text ? strptime(text, "%Y-%m-%dT%H:%M:%S", &tm) : NULL;

	return rest && *rest == '.' ? (double)timegm(&tm) * 1e6 + strtod(rest, NULL) * 1e6 : 0;
}

/* The end of a process, with what gcs.ko has counted. */
static void describe_end(struct trace_span *span, struct json_object *o)
{
	char carried[64] = "", lost[32] = "";

	span->lane = LANE_CONTAINER;
	if (json_object_object_get_ex(o, "bytesOut", NULL))
		snprintf(carried, sizeof(carried), ": %" PRId64 " bytes in, %" PRId64 " out", get_number(o, "bytesIn"), get_number(o, "bytesOut"));
	if (get_number(o, "bytesLost"))
		snprintf(lost, sizeof(lost), ", %" PRId64 " lost", get_number(o, "bytesLost"));
	if ((size_t)snprintf(span->name, sizeof(span->name), "process %" PRId64 " ended with %" PRId64 "%s%s", get_number(o, "pid"),
			     get_number(o, "exitCode"), carried, lost) >= sizeof(span->name))
		strcpy(span->name + sizeof(span->name) - sizeof("..."), "...");
}

void trace_log_line(const char *line)
{
	_cleanup_json_ struct json_object *o = NULL;
	struct trace_span span = { .lane = LANE_AGENT };
	bool end = strstr(line, "\"msg\":\"Process ended\"");
	double real, boot;

	if (!end && !strstr(line, "\"msg\":\"Span\"") && !strstr(line, "\"sincebootmicro\":"))
		return;
	o = json_tokener_parse(line);
	real = parse_time(get_string(o, "time"));
	boot = (double)get_number(o, "sincebootmicro");
	span.begin_us = end ? real : parse_time(get_string(o, "startTime"));
	span.end_us = end ? real : parse_time(get_string(o, "endTime"));
	if (end)
		describe_end(&span, o);
	else
		snprintf(span.name, sizeof(span.name), "%s", get_string(o, "name") ?: "");
	snprintf(span.id, sizeof(span.id), "%s", get_string(o, "parentSpanID") ?: "");
	pthread_mutex_lock(&lock);
	if (boot) {
		records.agent_real_us = real;
		records.agent_boot_us = boot;
	} else if (span.begin_us && span.end_us >= span.begin_us) {
		*next(&records.guest) = span;
	}
	pthread_mutex_unlock(&lock);
}

struct json_object *trace_json(const char *dmesg)
{
	struct json_object *trace;

	pthread_mutex_lock(&lock);
	trace = trace_merge(&records, dmesg);
	pthread_mutex_unlock(&lock);
	return trace;
}

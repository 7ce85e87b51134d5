// SPDX-License-Identifier: MIT
/*
 * A request's span of a trace (W3C trace context, bridge.md section 13). The host's part comes in "otsc"; ours goes into the log:
 * its ids into each line of the request, its times into the last one.
 */
#include <inttypes.h>
#include <string.h>
#include <sys/random.h>

#include "request.h"

static int64_t ns(const struct timespec *t)
{
	return t->tv_sec * 1000000000LL + t->tv_nsec;
}

int64_t request_age_us(const struct request *rq)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (ns(&now) - ns(&rq->received)) / 1000;
}

/* @digits random hexadecimal ones, at most 32. */
static void new_id(char *id, size_t digits)
{
	uint8_t bytes[16] = { 0 };

	if (getrandom(bytes, digits / 2, 0) < 0)
		return;
	for (size_t i = 0; i < digits / 2; i++)
		snprintf(id + 2 * i, 3, "%02x", bytes[i]);
}

static bool is_hex(const char *s, size_t digits)
{
	return strspn(s, "0123456789abcdef") >= digits;
}

void span_begin(struct request *rq)
{
	const struct message_base *base = rq->message;
	const char *parent = NULL;

	rq->log.activity_id = json_str(base->activity_id);
	rq->log.cid = json_str(base->container_id);
	for (size_t i = 0; i < base->trace.count; i++)
		if (strcmp(base->trace.items[i].key, "traceparent") == 0)
			parent = base->trace.items[i].value;
	/* 00-<32 trace>-<16 span>-<2 flags> */
	if (parent && strlen(parent) >= 55 && parent[2] == '-' && is_hex(parent + 3, 32) && parent[35] == '-' &&
	    is_hex(parent + 36, 16) && parent[52] == '-') {
		memcpy(rq->log.trace_id, parent + 3, 32);
		memcpy(rq->parent_span, parent + 36, 16);
	} else {
		new_id(rq->log.trace_id, 32);
	}
	new_id(rq->log.span_id, 16);
}

void span_end(const struct request *rq, const struct gcs_error *err)
{
	/* One that belongs to nobody's trace is for those who look for faults here. */
	enum log_level level = err ? LOG_ERROR : *rq->parent_span ? LOG_INFO : LOG_DEBUG;
	char start[LOG_TIME_MAX], end[LOG_TIME_MAX], duration[32];
	int64_t us = request_age_us(rq);
	struct timespec now, then;

	if (!log_enabled(level))
		return;
	clock_gettime(CLOCK_REALTIME, &now);
	then.tv_sec = (ns(&now) - us * 1000) / 1000000000;
	then.tv_nsec = (ns(&now) - us * 1000) % 1000000000;
	log_time(start, &then);
	log_time(end, &now);
	snprintf(duration, sizeof(duration), "%" PRId64 ".%03" PRId64 "ms", us / 1000, us % 1000);

	const struct log_field fields[] = {
		{ .key = "name", .text = frame_type_name(rq->type) },
		{ .key = "parentSpanID", .text = *rq->parent_span ? rq->parent_span : "0000000000000000" },
		{ .key = "spanKind", .text = "server" },
		{ .key = "startTime", .text = start },
		{ .key = "endTime", .text = end },
		{ .key = "duration", .text = duration },
		{ .key = "message-id", .number = rq->id },
		/* A success has no more. */
		{ .key = err ? "errorCode" : NULL, .number = err ? (int32_t)err->hr : 0 },
		{ .key = "error", .text = err ? err->text : "" },
		{ 0 },
	};

	log_line(level, fields, "Span");
}

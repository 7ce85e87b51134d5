// SPDX-License-Identifier: MIT
/*
 * One axis for two clocks. The guest starts with a request after the host has sent it, and has ended before the host has the answer: each
 * pair of spans bounds the difference of the clocks from both sides. The middle of the narrowest bounds is taken, half their width is the error.
 * The guest kernel's clock is joined to the agent's by a line of the agent's that has both.
 */
#include "trace_clock.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "jsonset.h"

/* A pause of the kernel between two lines that is worth a name, as a part of its boot. */
#define KERNEL_GAP 0.02

static size_t kept(const struct trace_side *side)
{
	return side->count < TRACE_SPANS ? side->count : TRACE_SPANS;
}

/* The request of the host's that @guest has worked on, or NULL. */
static const struct trace_span *request_of(const struct trace_record *r, const struct trace_span *guest)
{
	for (size_t i = 0; i < kept(&r->host); i++)
		if (*guest->id && !strcmp(r->host.spans[i].id, guest->id))
			return &r->host.spans[i];
	return NULL;
}

/* Host minus guest, and how far off that may be; false if there is nothing to compare. */
static bool compare_clocks(const struct trace_record *r, double *offset, double *error)
{
	double low = -INFINITY, high = INFINITY;

	for (size_t i = 0; i < kept(&r->guest); i++) {
		const struct trace_span *guest = &r->guest.spans[i], *host = request_of(r, guest);

		if (!host)
			continue;
		low = fmax(low, host->begin_us - guest->begin_us);
		high = fmin(high, host->end_us - guest->end_us);
	}
	*offset = (low + high) / 2;
	/* Bounds that exclude each other: the guest's clock has been set in between, by their distance at least. */
	*error = fabs(high - low) / 2;
	return isfinite(*offset);
}

struct merge {
	struct json_object *events;
	double begin_us;
};

static void add(struct merge *m, enum trace_lane lane, const char *name, double begin, double end)
{
	struct json_object *o = json_object_new_object();

	set_string(o, "name", name);
	set_string(o, "ph", end > begin ? "X" : "i");
	set_number(o, "ts", llround(begin - m->begin_us));
	if (end > begin)
		set_number(o, "dur", llround(end - begin));
	else
		set_string(o, "s", "t");
	set_number(o, "pid", 1);
	set_number(o, "tid", lane);
	json_object_array_add(m->events, o);
}

static void add_host(struct merge *m, const struct trace_record *r)
{
	for (size_t i = 0; i < kept(&r->host); i++) {
		const struct trace_span *s = &r->host.spans[i];

		add(m, s->lane, s->name, s->begin_us, s->end_us);
	}
}

/* The agent's spans say of a request less than the host knows: which resource it is about. */
static void add_agent(struct merge *m, const struct trace_record *r, double offset)
{
	for (size_t i = 0; i < kept(&r->guest); i++) {
		const struct trace_span *s = &r->guest.spans[i], *host = request_of(r, s);

		add(m, s->lane, host && host->lane == LANE_HOST ? host->name : s->name, s->begin_us + offset, s->end_us + offset);
	}
}

/* A line of dmesg; false if it has no time. */
static bool kernel_line(const char **at, double *us, char *text, size_t size)
{
	size_t length = strcspn(*at, "\n");
	const char *line = *at;
	int n = 0;
	bool ok;

	*at += length + (line[length] == '\n');
	ok = sscanf(line, "[%lf]%n", us, &n) == 1 && n > 0 && (size_t)n < length;
	if (!ok)
		return false;
	*us *= 1e6;
	line += n + 1;
	snprintf(text, size, "%.*s", (int)(length - (size_t)n - 1), line);
	return true;
}

/* @zero is when the kernel's clock was 0, @end when the agent has started. */
static void add_kernel(struct merge *m, const char *dmesg, double zero, double end)
{
	char text[160], last[160] = "the kernel's first line", step[160];
	double us, before = 0, init = -1;

	while (*dmesg) {
		if (!kernel_line(&dmesg, &us, text, sizeof(text)))
			continue;
		if (!strncmp(text, "init: ", 6) && init >= 0) {
			add(m, LANE_INIT, text + 6, zero + init, zero + us);
			init = us;
			continue;
		}
		/* What it was busy with is known by what it has said last. */
		if (init < 0 && us - before > KERNEL_GAP * (end - zero)) {
			snprintf(step, sizeof(step), "after: %.140s", last);
			add(m, LANE_KERNEL, step, zero + before, zero + us);
		}
		add(m, LANE_KERNEL, text, zero + us, zero + us);
		if (!strncmp(text, "Run /init", 9))
			init = us;
		before = us;
		memcpy(last, text, sizeof(last));
	}
	if (init >= 0)
		add(m, LANE_INIT, "vsockexec, loading the agent", zero + init, end);
}

static int by_time(const void *a, const void *b)
{
	int64_t x = get_number(*(struct json_object *const *)a, "ts"), y = get_number(*(struct json_object *const *)b, "ts");

	return x < y ? -1 : x > y;
}

static void name_lanes(struct json_object *events)
{
	static const char *const names[LANE_END] = { [LANE_HOST] = "host", [LANE_KERNEL] = "kernel", [LANE_INIT] = "init",
						     [LANE_AGENT] = "agent", [LANE_CONTAINER] = "container" };

	for (int lane = LANE_HOST; lane < LANE_END; lane++) {
		struct json_object *o = json_object_new_object(), *args = json_object_new_object();

		set_string(o, "name", "thread_name");
		set_string(o, "ph", "M");
		set_number(o, "pid", 1);
		set_number(o, "tid", lane);
		set_string(args, "name", names[lane]);
		json_object_object_add(o, "args", args);
		json_object_array_add(events, o);
	}
}

struct json_object *trace_merge(const struct trace_record *r, const char *dmesg)
{
	struct merge m = { .events = json_object_new_array(), .begin_us = r->begin_us };
	struct json_object *trace = json_object_new_object(), *other = json_object_new_object();
	double offset, error, agent;

	name_lanes(m.events);
	add_host(&m, r);
	if (compare_clocks(r, &offset, &error)) {
		set_number(other, "clock_error_us", llround(error));
		add_agent(&m, r, offset);
		if (r->agent_boot_us) {
			agent = r->agent_real_us + offset;
			add(&m, LANE_AGENT, "gcs started", agent, agent);
			add_kernel(&m, dmesg, agent - r->agent_boot_us, agent);
		}
	}
	json_object_array_sort(m.events, by_time);
	json_object_object_add(trace, "traceEvents", m.events);
	set_string(trace, "displayTimeUnit", "ms");
	json_object_object_add(trace, "otherData", other);
	return trace;
}

/* SPDX-License-Identifier: MIT */
/* What trace.c keeps, and how it becomes one trace with one axis of time. Private to trace*.c. */
#ifndef UVMCTL_TRACE_CLOCK_H
#define UVMCTL_TRACE_CLOCK_H

#include <stddef.h>

#include "trace.h"

#define TRACE_SPANS 2048
#define TRACE_BOOT 256

struct trace_span {
	enum trace_lane lane;
	char name[96];
	char id[17]; /* of the request, at both sides; "": none */
	double begin_us, end_us; /* by the clock of its side */
};

struct trace_side {
	size_t count; /* of all that there were */
	struct trace_span spans[TRACE_SPANS];
};

struct trace_record {
	double begin_us; /* by the host's clock */
	struct trace_side host, guest;
	double agent_real_us, agent_boot_us; /* its start, by its two clocks; 0: not known */
};

struct json_object *trace_merge(const struct trace_record *r, const char *dmesg);

#endif

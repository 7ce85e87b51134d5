/* SPDX-License-Identifier: MIT */
/* What the agent uses of the guest's time and memory. */
#ifndef UVMCTL_AGENT_USAGE_H
#define UVMCTL_AGENT_USAGE_H

#include <json-c/json_object.h>

#include "guest.h"

struct agent_usage {
	double cpu_ms;	   /* as the kernel accounts the process, in steps of 10 ms */
	double threads_ms; /* the run time of its living threads */
	double rss_kib;
};

int agent_usage(struct guest *g, struct agent_usage *u, struct gcs_error *err);

/*
 * Add what was used since @before to @figures. A measurement costs the agent something too: what a second one costs
 * is taken off.
 */
int agent_note(struct guest *g, const struct agent_usage *before, struct json_object *figures, struct gcs_error *err);

#endif

/* SPDX-License-Identifier: MIT */
/* Within memory_events*.c: what they know of a cgroup whose memory is watched. Touched by the event thread only, once it is started. */
#ifndef GCS_MEMORY_EVENTS_H
#define GCS_MEMORY_EVENTS_H

#include <stdbool.h>
#include <stdint.h>

#include "container/internal.h"

struct memory_group {
	const char *path;
	bool agent;	    /* the agent's: warn when the usage passes a multiple of container_options.agent_threshold */
	uint64_t step;	    /* the next such multiple; 0: none */
	uint64_t first_kills, kills; /* at the start; that are known */
	uint64_t crossed;   /* warnings of each kind */
	/* Version 2 only */
	uint64_t high;	    /* events of memory.high that are known */
	uint64_t pressed;
	int pressure;
};

struct memory_watch {
	/* Hear of everything in it from now on. What cannot be had is a warning: containers run without it, too. */
	void (*start)(struct memory_group *groups, size_t count);
	/* Hear when the usage passes @step. */
	int (*arm)(struct memory_group *g, uint64_t step, struct gcs_error *err);
	/* A container has been made. NULL: nothing to do. */
	int (*made)(const struct container *c, struct gcs_error *err);
	/* Nobody tells of a kill but the end of a process. */
	bool look_at_exits;
};

extern const struct memory_watch memory_watch_v1, memory_watch_v2;

void memory_warn(const char *message, const struct memory_group *g, uint64_t threshold, uint64_t count);

/* The first step above its usage. */
int memory_arm(struct memory_group *g, struct gcs_error *err);
void memory_step_crossed(struct memory_group *g);

/* One warning for each container with kills that are not known yet, or for the group if they are of none of these. */
void memory_check_kills(struct memory_group *g);

#endif

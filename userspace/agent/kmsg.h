/* SPDX-License-Identifier: MIT */
/* The kernel's messages, forwarded to the log (boot-and-image.md 5.2). */
#ifndef GCS_KMSG_H
#define GCS_KMSG_H

#include <stdbool.h>
#include <stdint.h>

#include "error.h"

struct kmsg_record {
	unsigned int priority; /* 0 to 7 */
	unsigned int facility;
	uint64_t seq;
	uint64_t us; /* since boot */
	const char *flags, *message;
};

/* Take a record of /dev/kmsg apart, in place. Returns false if it is none. */
bool kmsg_parse(char *text, struct kmsg_record *r);

/* Log what has a priority up to @level, from the oldest record on. Call after event_start(). */
int kmsg_start(int64_t level, struct gcs_error *err);

#endif

/* SPDX-License-Identifier: MIT */
/* Where the time of a run goes: named figures, written as one JSON object. */
#ifndef UVMCTL_TIMING_H
#define UVMCTL_TIMING_H

#include <stdint.h>

#include "error.h"

struct json_object;

/* Milliseconds of a clock that only goes forward. */
double timing_now(void);

/* Record @name as the milliseconds since @since. Everything is in @figures, a JSON object. */
void timing_since(struct json_object *figures, const char *name, double since);
void timing_value(struct json_object *figures, const char *name, double value);
void timing_count(struct json_object *figures, const char *name, uint64_t count);

/* Returns 0, or -1 with @err. */
int timing_write(struct json_object *figures, const char *path, struct gcs_error *err);

#endif

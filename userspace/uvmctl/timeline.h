/* SPDX-License-Identifier: MIT */
/* A trace as a file. */
#ifndef UVMCTL_TIMELINE_H
#define UVMCTL_TIMELINE_H

#include <stdbool.h>
#include <stdio.h>

#include "guest.h"

struct json_object;

/* What this process's UVM has done; its kernel's lines are asked for. NULL with @err. */
struct json_object *timeline_take(struct guest *g, struct gcs_error *err);

/* Write @trace to @path, NULL: stdout; as JSON if @json or if @path ends so, else as SVG. Returns 0, or -1 with @err. */
int timeline_write(struct json_object *trace, const char *path, bool json, struct gcs_error *err);

/* timeline_svg.c */
void timeline_svg(struct json_object *trace, FILE *to);

#endif

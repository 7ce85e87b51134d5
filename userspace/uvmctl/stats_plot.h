/* SPDX-License-Identifier: MIT */
/* What containers have used over time, as a picture. */
#ifndef UVMCTL_STATS_PLOT_H
#define UVMCTL_STATS_PLOT_H

#include <stddef.h>
#include <stdint.h>

#include "error.h"

struct plot_series;

/* All zero at first. */
struct plot {
	struct plot_series *series;
	size_t count;
	double start; /* when there was the first */
};

/* Of one processor in @ms; negative if it has used less than before: it is another container of this name. */
double cpu_percent(uint64_t before_ns, uint64_t now_ns, double ms);

/* At @ms (timing_now()) container @name had used @cpu_ns of processor time and had @memory bytes. -1 with @err. */
int plot_add(struct plot *p, const char *name, double ms, uint64_t cpu_ns, uint64_t memory, struct gcs_error *err);

/* Have gnuplot write it to @path, as SVG. -1 with @err, and @path as it was. */
int plot_draw(const struct plot *p, const char *path, struct gcs_error *err);

void plot_free(struct plot *p);

#endif

/* SPDX-License-Identifier: MIT */
/* What the agent reads and writes in cgroups, for which each version has files of its own (cgroup_files_v1.c, cgroup_files_v2.c). */
#ifndef GCS_LIMITS_H
#define GCS_LIMITS_H

#include <stdint.h>

#include "container/stats.h"
#include "error.h"

/* In the units and with the meaning of linux.resources. 0: leave it as it is; negative: no limit. */
struct limits {
	int64_t memory, reservation, swap; /* swap: with the memory */
	int64_t shares, quota, period;
	int64_t pids, block_weight;
};

struct cgroup_files {
	const char *name;	    /* of the version */
	const char *const *limits;  /* what an update of a container can change; NULL-terminated */
	const char *memory_limit, *memory_usage;
	const char *oom_kills;	    /* has a line "oom_kill <number>" */
	int (*set)(const char *cgroup, const struct limits *l, struct gcs_error *err);
	int (*stats)(const char *cgroup, struct cgroup_stats *s, struct gcs_error *err);
	/* How the agent hears of the memory of a cgroup. */
	const struct memory_watch *watch;
};

extern const struct cgroup_files cgroup_files_v1, cgroup_files_v2;

/* Those of the version that is mounted, from container_init() on. */
extern const struct cgroup_files *cgroup_files;

/* For .set: write a number, or @none if it is negative. 0 writes nothing. */
int limits_write(const char *cgroup, const char *file, int64_t value, const char *none, struct gcs_error *err);

/* The same where a kernel may have no such file: without swap there is nothing to limit. */
int limits_write_if_there(const char *cgroup, const char *file, int64_t value, const char *none, struct gcs_error *err);

#endif

/* SPDX-License-Identifier: MIT */
/* Within cgroup*.c: what each version does in its own way. */
#ifndef GCS_CGROUP_VERSION_H
#define GCS_CGROUP_VERSION_H

#include <stdbool.h>

#include "cgroup.h"

struct cgroup_version {
	int number;
	/* The hierarchies: directories below CGROUP_ROOT with a slash in front; "" is CGROUP_ROOT. NULL-terminated; the first knows all processes. */
	const char *const *roots;
	/* Files are in the hierarchy of their controller. */
	bool by_controller;
	/* Make the new directory @dir below @parent, both of one hierarchy, fit for processes. */
	int (*prepare)(const char *parent, const char *dir, struct gcs_error *err);
	/* As cgroup_kill(). */
	int (*kill)(const char *path, struct gcs_error *err);
	/* Wait until everything in a cgroup has ended that was killed, at most until @end_ms. Returns 0, or an errno. */
	int (*wait_empty)(const char *path, int64_t end_ms);
};

/* NULL if that is not what is mounted. */
const struct cgroup_version *cgroup_v1(void);
const struct cgroup_version *cgroup_v2(void);

#endif

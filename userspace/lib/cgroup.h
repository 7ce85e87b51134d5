/* SPDX-License-Identifier: MIT */
/* cgroup v2. Paths are relative to the mount point and start with a slash, such as "/pods/x". */
#ifndef GCS_CGROUP_H
#define GCS_CGROUP_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "error.h"

#define CGROUP_ROOT "/sys/fs/cgroup"

/* Is CGROUP_ROOT a cgroup v2 file system? An error that says so if not. */
int cgroup_check(struct gcs_error *err);

/* Make a cgroup; one that exists is success. Controllers of the parent are enabled for it as far as there are any. */
int cgroup_make(const char *path, struct gcs_error *err);

/* A descriptor for struct spawn.cgroup. */
int cgroup_open(const char *path, struct gcs_error *err);

/* One of its files, malloc'd. Returns NULL with @err. */
char *cgroup_get(const char *path, const char *file, struct gcs_error *err);

/* Write one of its files. */
int cgroup_set(const char *path, const char *file, const char *value, struct gcs_error *err);

/* The processes of a cgroup and those below it; free *@pids. No such cgroup: none. */
int cgroup_pids(const char *path, uint32_t **pids, size_t *count, struct gcs_error *err);

/* SIGKILL to everything in it, all at once. No such cgroup is success. */
int cgroup_kill(const char *path, struct gcs_error *err);

/* Kill what is in it, wait until it is empty, at most @deadline_ms, and remove it and those below. */
int cgroup_remove(const char *path, int deadline_ms, struct gcs_error *err);

#endif

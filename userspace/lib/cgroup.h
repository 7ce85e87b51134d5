/* SPDX-License-Identifier: MIT */
/*
 * cgroups of version 2 or 1. Paths are relative to the mount point and start with a slash, such as "/pods/x". Version 1 has such a
 * directory for every controller: a file is that of the controller that begins its name.
 */
#ifndef GCS_CGROUP_H
#define GCS_CGROUP_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "error.h"

#define CGROUP_ROOT "/sys/fs/cgroup"

/* Find out what is mounted on CGROUP_ROOT; before everything else, and again when it has changed. Returns 1 or 2, or -1 with @err. */
int cgroup_init(struct gcs_error *err);

/* Make a cgroup; one that exists is success. It has all controllers of its parent, as far as they can be had. */
int cgroup_make(const char *path, struct gcs_error *err);

/* Move the caller there. Async-signal-safe, for children between clone and exec. Returns -1 with errno. */
int cgroup_join(const char *path);

/* A descriptor for clone3(2) to start a child there; *@fd is -1 in version 1, where the child has to join. */
int cgroup_for_clone(const char *path, int *fd, struct gcs_error *err);

/* The name of one of its files. */
int cgroup_file(char *out, size_t size, const char *path, const char *file, struct gcs_error *err);

/* One of its files, malloc'd. Returns NULL with @err. */
char *cgroup_get(const char *path, const char *file, struct gcs_error *err);

/* Write one of its files. */
int cgroup_set(const char *path, const char *file, const char *value, struct gcs_error *err);

/* The processes of a cgroup and those below it; free *@pids. No such cgroup: none. */
int cgroup_pids(const char *path, uint32_t **pids, size_t *count, struct gcs_error *err);

/* SIGKILL to everything in it, where no process can be started any more. No such cgroup is success. */
int cgroup_kill(const char *path, struct gcs_error *err);

/* Kill what is in it, wait until it is empty, at most @deadline_ms, and remove it and those below. */
int cgroup_remove(const char *path, int deadline_ms, struct gcs_error *err);

#endif

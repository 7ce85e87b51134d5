/* SPDX-License-Identifier: MIT */
/* /etc/hostname, /etc/hosts and /etc/resolv.conf of a container (lifecycle.md 3.1). */
#ifndef GCS_NETFILES_H
#define GCS_NETFILES_H

#include <stdbool.h>

#include <json-c/json_object.h>

#include "error.h"
#include "network/network.h"

bool hostname_is_valid(const char *name);

/*
 * Write the files into @dir, without those that @unless (NULL: no mounts) has a mount for. @n: has the adapters whose name servers
 * are in resolv.conf.
 */
int netfiles_write(const char *dir, const char *hostname, struct netns *n, struct json_object *unless, struct gcs_error *err);

/* Add bind mounts of the files in @dir to @mounts, without those that it has a mount for. */
int netfiles_mount(const char *dir, bool read_only, struct json_object *mounts, struct gcs_error *err);

/* Undo the writing. */
void netfiles_remove(const char *dir);

#endif

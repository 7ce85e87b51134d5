/* SPDX-License-Identifier: MIT */
/* /etc/hostname, /etc/hosts and /etc/resolv.conf of a container (lifecycle.md 3.1). */
#ifndef GCS_NETFILES_H
#define GCS_NETFILES_H

#include <stdbool.h>

#include <json-c/json_object.h>

#include "error.h"

bool hostname_is_valid(const char *name);

/* Write those of the files into @dir that @mounts has no mount for, and add bind mounts for them. */
int netfiles_add(const char *id, const char *dir, const char *hostname, bool read_only, struct json_object *mounts,
		 struct gcs_error *err);

/* Undo the writing. */
void netfiles_remove(const char *dir);

#endif

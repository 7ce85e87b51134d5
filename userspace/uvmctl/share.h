/* SPDX-License-Identifier: MIT */
/* A directory of the host as a 9p file system in the guest: diod serves it, over a connection that the guest makes. */
#ifndef UVMCTL_SHARE_H
#define UVMCTL_SHARE_H

#include <stdbool.h>

#include "guest.h"

struct share;

/* Mount the host's @source, an absolute path, on @path in the guest. NULL with @err, and nothing is left of it. */
struct share *share_add(struct guest *g, const char *source, const char *path, bool read_only, struct gcs_error *err);

/* Unmount it, end its server, free it. -1 with @err: it is still there, and this may be repeated. */
int share_remove(struct share *s, struct gcs_error *err);

#endif

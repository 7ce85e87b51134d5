/* SPDX-License-Identifier: MIT */
/* A tree of hashes behind a file system, as the agent looks for it: what is damaged is an error then. */
#ifndef UVMCTL_VERITY_H
#define UVMCTL_VERITY_H

#include <stdbool.h>

#include "error.h"

/*
 * Append it to the ext4 file system in @fd, by veritysetup. The same file system and @uuid (or a random one) always make the same bytes.
 * Returns 0, or -1 with @err.
 */
int verity_append(int fd, const unsigned char uuid[16], struct gcs_error *err);

int verity_append_random(int fd, struct gcs_error *err);

/* Has somebody done so? */
bool verity_is(int fd);

#endif

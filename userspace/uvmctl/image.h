/* SPDX-License-Identifier: MIT */
/* IMAGE on the command line: what it is, and the ext4 disk made of it. */
#ifndef UVMCTL_IMAGE_H
#define UVMCTL_IMAGE_H

#include <stdint.h>

#include "error.h"

/*
 * A read-only descriptor of an ext4 disk with the root file system of @path: an ext4 file is taken as it is, a
 * directory or tar becomes a disk without a name. -1 with @err.
 */
int image_open(const char *path, struct gcs_error *err);

/* An empty disk without a name. */
int image_scratch(uint64_t size, struct gcs_error *err);

#endif

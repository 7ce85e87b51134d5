/* SPDX-License-Identifier: MIT */
/* Disks that are made here and have no name: they end with their last descriptor. */
#ifndef UVMCTL_EXT4_H
#define UVMCTL_EXT4_H

#include <stdbool.h>

#include "error.h"

/* Is there an ext4 file system in @fd? */
bool ext4_is(int fd);

/* A file without a name. -1 with @err. */
int unnamed_file(struct gcs_error *err);

/* A read-only descriptor of an ext4 disk with what is in the directory @path. -1 with @err. */
int ext4_of_directory(const char *path, struct gcs_error *err);

#endif

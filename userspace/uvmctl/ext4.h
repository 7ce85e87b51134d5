/* SPDX-License-Identifier: MIT */
/* Disks that are made here and have no name: they end with their last descriptor. */
#ifndef UVMCTL_EXT4_H
#define UVMCTL_EXT4_H

#include <stdbool.h>
#include <stdint.h>

#include "error.h"

/* The sizes of disks that are made here are multiples of it, as QEMU wants it of PMEM devices. */
#define DISK_UNIT (2ull << 20)

static inline uint64_t disk_size(uint64_t bytes)
{
	return (bytes + DISK_UNIT - 1) / DISK_UNIT * DISK_UNIT;
}

/* Is there an ext4 file system in @fd? */
bool ext4_is(int fd);

/* A file without a name. -1 with @err. */
int unnamed_file(struct gcs_error *err);

/* An empty file system of DISK_UNIT bytes. -1 with @err. */
int ext4_empty(struct gcs_error *err);

/* A read-only descriptor of an ext4 disk with what is in the directory @path, @verity: and a tree of hashes behind it. -1 with @err. */
int ext4_of_directory(const char *path, bool verity, struct gcs_error *err);

#endif

/* SPDX-License-Identifier: MIT */
/* Disk images: copies of them, and what is in that of scripts/disks that has a tree of hashes. */
#ifndef GCS_TEST_IMAGE_H
#define GCS_TEST_IMAGE_H

#include "host.h"

/* Copy a file, or the whole disk at LUN @lun, to @offset of the device or file @to, and to its medium. */
bool copy_file(const char *from, const char *to, uint64_t offset);
bool copy_disk(struct host *h, unsigned int lun, const char *to, uint64_t offset);

/* How many device-mapper devices there are. */
int dm_count(void);

/* The files of the disk verity.ext4 (scripts/disks), mounted on @dir. */
enum content { RIGHT, UNREADABLE, WRONG };
enum content verity_content(const char *dir);

/* Where in its image a block of a file is. */
uint64_t data_offset(const char *image);

/* Change the bits @bits of the byte at @offset, on the medium. */
bool flip_bits(const char *device, uint64_t offset, int bits);

#endif

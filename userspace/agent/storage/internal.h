/* SPDX-License-Identifier: MIT */
/* What the files of this directory share. */
#ifndef GCS_STORAGE_INTERNAL_H
#define GCS_STORAGE_INTERNAL_H

#include <limits.h>
#include <sys/mount.h>
#include <time.h>

#include "storage/storage.h"

/* How long a disk that the host has attached may take until it can be opened. */
#define DISK_DEADLINE_MS 4000

/* Where sysfs and the device nodes are; tests point them to a tree of their own. */
extern const char *storage_sysfs, *storage_dev;

/* --- uevent.c: the kernel's news about block devices ----------------------------------------- */

int uevent_init(struct gcs_error *err);

/* The number of block device events so far. Take it before looking at the state that an event changes. */
uint64_t uevent_count(void);

/* Wait until there were more than @seen, or @deadline (CLOCK_MONOTONIC). Returns 0 or ETIMEDOUT. */
int uevent_wait(uint64_t seen, const struct timespec *deadline);

/* --- scsi.c: from the host's address to a device node ---------------------------------------- */

/* The number of the SCSI host that the host knows as @controller. */
int scsi_host_number(uint8_t controller, unsigned int *number, struct gcs_error *err);

/* Wait until the disk, or its partition, can be opened. @node gets its path. */
int scsi_wait_node(uint8_t controller, uint8_t lun, uint64_t partition, char node[PATH_MAX], struct gcs_error *err);

/* --- filesystem.c: what is on a disk ---------------------------------------------------------- */

enum filesystem { FS_NONE, FS_EXT4, FS_XFS };

/* A read error is an error, not FS_NONE. */
int filesystem_detect(const char *node, enum filesystem *fs, struct gcs_error *err);
int filesystem_make(const char *node, enum filesystem fs, struct gcs_error *err);

/* --- options.c: mount option words ------------------------------------------------------------ */

/* The MS_* propagation flags of the words of storage-and-network.md 3.2, ending in 0; at most @max. */
int options_propagation(char *const *options, unsigned long *flags, size_t max, struct gcs_error *err);

/* --- overlay.c -------------------------------------------------------------------------------- */

/* Mount an overlay on @l->root; its directories exist. */
int overlay_mount(const struct combined_layers *l, struct gcs_error *err);

#endif

/* SPDX-License-Identifier: MIT */
/* What the files of this directory share. */
#ifndef GCS_STORAGE_INTERNAL_H
#define GCS_STORAGE_INTERNAL_H

#include <limits.h>
#include <linux/dm-ioctl.h>
#include <sys/mount.h>

#include "clock.h"
#include "storage/storage.h"

/* How long a disk that the host has attached may take until it can be opened. */
#define DISK_DEADLINE_MS 4000

/* Where sysfs and the device nodes are; tests point them to a tree of their own. */
extern const char *storage_sysfs, *storage_dev;

/* --- owned.c: what was built for a path, in order, and what it stands on ------------------------ */

struct owned;

/* A step that was taken, and how it is undone. */
enum owned_step {
	OWNED_DIR,   /* rmdir, if nothing is in it */
	OWNED_MOUNT, /* unmount */
	OWNED_SHARE, /* share_unmount() */
	OWNED_LINK,  /* unlink */
	OWNED_CRYPT, /* crypt_close() of the device of this name */
	OWNED_DM,    /* remove the device-mapper device of this name */
};

/* A new record, which is the caller's until it is kept or undone. @kind is what users call it: "disk", "layers"; it is not copied. */
struct owned *owned_claim(const char *path, const char *kind, struct gcs_error *err);

/* Remember that a step was taken. On failure it is undone. */
int owned_push(struct owned *o, enum owned_step step, const char *what, struct gcs_error *err);

/* Make a directory, and remember if it was not there. */
int owned_mkdir(struct owned *o, const char *path, mode_t mode, struct gcs_error *err);

/* Remember that @o stands on @what: a path on another record's mount, or the name of a device. */
int owned_use(struct owned *o, const char *what, struct gcs_error *err);

/* The same, if no other uses it. */
int owned_use_alone(struct owned *o, const char *what, struct gcs_error *err);

void owned_keep(struct owned *o);

/* The record alone: nothing is undone. */
void owned_forget(struct owned *o);

/*
 * Undo all steps, the last first, and forget the record. A step that fails stays, with those before it, and the record is kept: it can be
 * undone again. So it is, untouched, if another record stands on it.
 */
int owned_undo(struct owned *o, struct gcs_error *err);

/* Undo what could not be finished. If that fails it is logged, and done again by whoever claims the path. */
void owned_abandon(struct owned *o);

/* Returns 1 with *@o, which is the caller's then; 0 if there is none of that @kind (NULL: of any); -1 if it is somebody else's now. */
int owned_acquire(const char *path, const char *kind, struct owned **o, struct gcs_error *err);

/* Undo what was built on @path, a request's @field; what is not known may be a former agent's, what is not there is success. */
int owned_remove(const char *field, const char *path, struct gcs_error *err);

/* Unmount what is on @path, and what containers have mounted on it. */
int owned_unmount(const char *path, struct gcs_error *err);

/* An error that names who stands on @device, or 0. */
int owned_unused(const char *device, struct gcs_error *err);

/* A container has files there, if it is of that @kind. */
int owned_hold(const char *path, const char *kind, struct gcs_error *err);
void owned_unhold(const char *path);
bool owned_is_held(const struct owned *o);

/* --- uevent.c: the kernel's news about block devices ----------------------------------------- */

int uevent_init(struct gcs_error *err);

/* The number of block device events so far. Take it before looking at the state that an event changes. */
uint64_t uevent_count(void);

/* Wait until there were more than @seen, or @deadline (CLOCK_MONOTONIC). Returns 0 or ETIMEDOUT. */
int uevent_wait(uint64_t seen, const struct timespec *deadline);

/* --- scsi.c: from the host's address to a device node ---------------------------------------- */

/* Call once: how the kernel looks for disks. */
void scsi_init(void);

/* The number of the SCSI host that the host knows as @controller. */
int scsi_host_number(uint8_t controller, unsigned int *number, struct gcs_error *err);

/* What a disk is called in errors, and in the table of owned resources. */
#define SCSI_NAME_MAX 40
void scsi_name(uint8_t controller, uint8_t lun, char name[SCSI_NAME_MAX]);

/* Wait until the disk, or its partition, can be opened. @node gets its path. */
int scsi_wait_node(uint8_t controller, uint8_t lun, uint64_t partition, char node[PATH_MAX], struct gcs_error *err);

/* --- dm.c: device-mapper ----------------------------------------------------------------------- */

#define DM_SECTOR 512

struct dm_target {
	const char *type;
	uint64_t sectors;
	const char *params;
};

/* How a table names the device of @node. */
#define DM_DEVICE_MAX 24
int dm_device(const char *node, char device[DM_DEVICE_MAX], struct gcs_error *err);

/* A read-only device of one target, which @o owns. @what is the beginning of its name. @node gets its path. */
int dm_create(struct owned *o, const char *what, const struct dm_target *t, char node[PATH_MAX], struct gcs_error *err);
/*
 * The names of those that the file system mounted on @path is on, the uppermost first, as far as they are this agent's or a former
 * one's. Returns how many of @max.
 */
size_t dm_names(const char *path, char (*names)[DM_NAME_LEN], size_t max);
/* By the name that it got; one that is in use goes when it is closed. */
int dm_remove(const char *name, struct gcs_error *err);

/* --- verity.c ---------------------------------------------------------------------------------- */

/*
 * If the ext4 of @node, open as @fd, has a tree of hashes behind it: a device that checks what is read, which @o owns and whose path is in
 * @node then.
 */
int verity_map(struct owned *o, const char *what, int fd, char node[PATH_MAX], struct gcs_error *err);

/* --- filesystem.c: what is on a disk ---------------------------------------------------------- */

enum filesystem { FS_NONE, FS_EXT4, FS_XFS };

/* To look at its superblocks. While a device is open, what was read of it stays cached: each look at it, and the mount, would read it again. */
int open_cached(const char *node, struct gcs_error *err);

/* A read error is an error, not FS_NONE. */
int filesystem_detect(int fd, const char *node, enum filesystem *fs, struct gcs_error *err);
int filesystem_make(const char *node, enum filesystem fs, bool encrypted, struct gcs_error *err);

/* --- crypt.c: a disk that is encrypted with a key that nobody knows ---------------------------- */

/* Long enough for the name of any. */
#define CRYPT_NAME_MAX 64

/* The name of a disk's encrypted device: where the host has the disk. */
void crypt_name(const struct mapped_disk *disk, char name[CRYPT_NAME_MAX]);

/*
 * Make it, on @node, whose content is lost; @device gets its path. One that a former agent has left is replaced, if nobody uses it. On
 * failure nothing is left.
 */
int crypt_open(const char *node, const char *name, char device[PATH_MAX], struct gcs_error *err);

/* Remove it, also if its disk is gone. One that is not there is success. */
int crypt_close(const char *name, struct gcs_error *err);

/* Is a device-mapper device of this @name an encrypted disk, of whichever agent? What is below it goes with it. */
bool crypt_is(const char *name);

/* --- helper.c: programs that work on a disk ---------------------------------------------------- */

/* Run @argv for @object and wait for its end. A failure is an error with what it has said. */
int helper_run(const char *const argv[], const char *object, int deadline_ms, struct gcs_error *err);

/* --- options.c: mount option words ------------------------------------------------------------ */

/* The MS_* propagation flags of the words of storage-and-network.md 3.2, ending in 0; at most @max. */
int options_propagation(char *const *options, unsigned long *flags, size_t max, struct gcs_error *err);

/* --- share.c ---------------------------------------------------------------------------------- */

/* @what is the number of the connection's descriptor, which is closed, and the path. A host that says nothing is not waited for. */
int share_unmount(const char *what, struct gcs_error *err);

/* --- overlay.c -------------------------------------------------------------------------------- */

/* Mount an overlay on @l->root; its directories exist. */
int overlay_mount(const struct combined_layers *l, struct gcs_error *err);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * Disks that come and go: plugged by QEMU (scripts/vm --hotplug), mapped and unmapped by the agent, and what the VM has of them
 *
 * Controller 0 and 1 are always there, the second tells of nothing that is added; 2 and 3 are plugged. What can be plugged as a disk is
 * "node0", the layer of scripts/disks, as often as one likes; "hot0" and "hot1", 8 MiB each to write to, once.
 */
#ifndef GCS_TEST_DISKS_H
#define GCS_TEST_DISKS_H

#include "host.h"

#define E_FAIL (-2147467259)
#define E_ARG (-2147024809)
#define E_JSON (-1070137075)

#define CONTROLLERS 4
#define LUNS 64

/* Is there such a QEMU, and gcs.ko? What a test that has failed has left plugged is pulled. */
bool disks_init(void);

/* Plug, pull. The test ends if QEMU refuses. */
void disk_plug(const struct host *h, unsigned int controller, unsigned int lun, const char *node);
void disk_pull(const struct host *h, unsigned int controller, unsigned int lun);

/* A disk of zeroes, which forgets what is written, of this size; it reads and writes so many bytes a second. */
void disk_plug_slow(const struct host *h, unsigned int controller, unsigned int lun, unsigned long long size, unsigned int bytes);
void disk_pull_slow(const struct host *h, unsigned int controller, unsigned int lun);

/* Wait until gcs.ko has the disk in its map, and get its name in /dev; or until it is in it no more. The test ends if that does not happen. */
const char *disk_wait(const struct host *h, unsigned int controller, unsigned int lun);
void disk_wait_gone(const struct host *h, unsigned int controller, unsigned int lun);

/* --- requests; each returns the Result ----------------------------------------------------------- */

/* ModifySettings, without waiting for the answer; and with. */
uint64_t modify_ask(struct host *h, const char *request, const char *resource, const char *settings);
int64_t modify(struct host *h, const char *request, const char *resource, const char *settings);

/* The settings of a MappedVirtualDisk, with @more, which begins with a comma or is "". In a buffer that the next ten calls leave alone. */
const char *disk_settings(const char *path, unsigned int controller, unsigned int lun, const char *more);
const char *scsi_settings(unsigned int controller, unsigned int lun);

/* MappedVirtualDisk of a read-only ext4, or with the settings @format, and SCSIDevice Remove. */
int64_t request_map(struct host *h, const char *path, unsigned int controller, unsigned int lun);
int64_t request_map_as(struct host *h, const char *format, ...) __attribute__((format(printf, 2, 3)));
int64_t request_unmap(struct host *h, const char *path, unsigned int controller, unsigned int lun);
int64_t request_eject(struct host *h, unsigned int controller, unsigned int lun);

/* CombinedLayers of one layer. */
int64_t request_layers(struct host *h, const char *request, const char *root, const char *layer, const char *scratch);

/* The last answer's ErrorMessage, or "". */
const char *request_error(struct host *h);

/* --- what is left -------------------------------------------------------------------------------- */

/*
 * What disks may leave: mounts, files below /run, block devices, SCSI units, the agent's files and threads (but how many workers it has)
 * and what it remembers; malloc'd.
 */
char *disk_traces(struct host *h);

#endif

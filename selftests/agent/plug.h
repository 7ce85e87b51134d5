/* SPDX-License-Identifier: MIT */
/* Disks that QEMU plugs (scripts/vm --hotplug) and that the agent maps. */
#ifndef GCS_TEST_PLUG_H
#define GCS_TEST_PLUG_H

#include "host.h"

/* Is there such a QEMU? */
bool plug_init(void);

/* A command of QEMU's monitor with its arguments; the test ends if it is refused. */
void plug_qmp(const struct host *h, const char *command, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Plug the block node @node as LUN @lun of controller 0. The agent is to wait for it. */
void plug_in(const struct host *h, int lun, const char *node);

/* The host takes the disk away. Waits until the kernel has noticed. */
void plug_out(const struct host *h, int lun);

/* Wait until LUN @lun is there; its node, such as "/dev/sdc". */
const char *plug_node(const struct host *h, int lun);

/* MappedVirtualDisk; the answer's Result. @format: the settings. */
int64_t map_disk(struct host *h, const char *format, ...) __attribute__((format(printf, 2, 3)));
int64_t unmap_disk(struct host *h, const char *path, int lun);

/* SCSIDevice Remove. */
int64_t eject_disk(struct host *h, int lun);

/* CombinedLayers of @layers, a JSON list, with @scratch. */
int64_t combine_layers(struct host *h, const char *request, const char *root, const char *layers, const char *scratch);

/* The last answer's ErrorMessage, or "". */
const char *answer_error(const struct host *h);

/* What a command of the VM prints, up to 16 KiB; malloc'd. */
char *vm_shell(const struct host *h, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Everything that mapped disks may leave: mounts, device mapper devices, mount points, programs that work on them; malloc'd. */
char *vm_traces(const struct host *h);

#endif

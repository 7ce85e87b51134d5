/* SPDX-License-Identifier: MIT */
/* Disks that QEMU plugs (scripts/vm --hotplug); the requests for them are in disks.h. */
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

/* Everything that mapped disks may leave: mounts, device mapper devices, mount points, programs that work on them; malloc'd. */
char *vm_traces(const struct host *h);

#endif

/* SPDX-License-Identifier: MIT */
/* Hyper-V's bus, on which devices are known by the GUID of their instance. */
#ifndef GCS_VMBUS_H
#define GCS_VMBUS_H

#include <stdbool.h>
#include <stdint.h>

/* Does the VM have one? @sysfs: where that is mounted. */
bool vmbus_present(const char *sysfs);

/* The 16 bytes of a GUID in the order of its text, 8-4-4-4-12 hexadecimal digits. Returns false if @text is none. */
bool vmbus_guid_parse(const char *text, uint8_t guid[16]);

#endif

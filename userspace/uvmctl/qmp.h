/* SPDX-License-Identifier: MIT */
/* QEMU's monitor protocol. All but opening and closing may be called by several threads. */
#ifndef UVMCTL_QMP_H
#define UVMCTL_QMP_H

#include <json-c/json_object.h>

#include "watch.h"

struct qmp;

/* Take over @fd and leave the negotiation mode. NULL with @err. */
struct qmp *qmp_open(int fd, const struct watch *watch, struct gcs_error *err);
void qmp_close(struct qmp *q);

/* QEMU's version, 801 for 8.1; 0 if it does not tell. */
int qmp_version(const struct qmp *q);

/*
 * Execute @command with @arguments (taken; NULL: none); @fd (-1: none) goes with it. Returns 0, or -1 with @err, which
 * has QEMU's words; err->err is ENODEV if it does not know the device.
 */
int qmp_execute(struct qmp *q, const char *command, struct json_object *arguments, int fd, struct gcs_error *err);

/* Unplug the device @id, until QEMU has let it go; one that it does not know has gone already. */
int qmp_remove_device(struct qmp *q, const char *id, struct gcs_error *err);

#endif

/* SPDX-License-Identifier: MIT */
/* What a container is given: volumes and a network, from -v, --net and -p to the devices and the mounts of its specification. */
#ifndef UVMCTL_VOLUME_H
#define UVMCTL_VOLUME_H

#include <json-c/json_object.h>

#include "control.h"
#include "device.h"
#include "options.h"

/* The disks among the volumes. */
struct volumes {
	int fds[VOLUMES_MAX];
	unsigned int count;
};

/* Put what @o wishes into @request, and open its disks. Returns 0, or -1 with @err. */
int volumes_open(const struct options *o, struct volumes *v, struct json_object *request, struct gcs_error *err);
void volumes_close(struct volumes *v);

/* How many of the last descriptors with @request are disks. */
unsigned int volumes_disks(struct json_object *request);

/*
 * Plug in what @request wishes for @container; @mounts, an array, gets the mounts. On failure devices_leave() takes back what there
 * is. Returns 0, or -1 with @err.
 */
int volumes_plug(struct devices *d, const char *container, struct json_object *request, const struct control_fds *fds,
		 struct json_object *mounts, struct gcs_error *err);

/* Open a disk, a file or a block device, of which *@path is the absolute name; malloc'd. A descriptor, or -1 with @err. */
int volume_open_disk(const char *name, bool read_only, char **path, struct gcs_error *err);

#endif

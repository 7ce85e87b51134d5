/* SPDX-License-Identifier: MIT */
/* What a container has in the guest: disks, overlay, the container itself. Made in this order, undone in reverse. */
#ifndef UVMCTL_CONTAINER_H
#define UVMCTL_CONTAINER_H

#include "disks.h"
#include "image.h"
#include "spec.h"

struct container_parts {
	char id[65];
	bool pmem; /* its layers, if possible */
	char bundle[128], root[160], scratch[256]; /* paths in the guest */
	struct disk *layers[IMAGE_LAYERS_MAX]; /* the uppermost first */
	unsigned int layer_count;
	struct disk *scratch_disk;
	bool combined, created;
};

/* Give it an id, and names after it. Returns 0, or -1 with @err. */
int container_name(struct container_parts *c, struct gcs_error *err);

/*
 * Make it, of @layers and the writable disk @scratch, which stay the caller's. @spec gets the root and, if it has none, a host
 * name. @figures gets the phases. On failure everything is undone, but for what container_is_left() tells. Returns 0, or -1 with @err.
 */
int container_make(struct container_parts *c, struct disks *d, const int *layers, unsigned int count, int scratch,
		   struct spec_options *spec, struct json_object *figures, struct gcs_error *err);

bool container_is_left(const struct container_parts *c);

/* Undo what has been made, also where a step fails: @err has the first failure. Returns 0 or -1. */
int container_unmake(struct container_parts *c, struct disks *d, struct gcs_error *err);

#endif

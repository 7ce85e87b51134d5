/* SPDX-License-Identifier: MIT */
/* IMAGE on the command line: the ext4 disks made of it, and how it wants to be run. */
#ifndef UVMCTL_IMAGE_H
#define UVMCTL_IMAGE_H

#include <stdint.h>

#include "error.h"

#define IMAGE_LAYERS_MAX 126 /* the writable disk and one more have a LUN, too */

/* What the image says about how it is run. Lists end with NULL, and any member may be NULL: it says nothing. */
struct image_config {
	char **entrypoint, **command, **env;
	char *cwd, *user, *stop_signal;
};

struct image {
	int layers[IMAGE_LAYERS_MAX]; /* descriptors of disks to be read, the uppermost first */
	unsigned int layer_count;
	struct image_config config;
};

/*
 * An ext4 file is taken as it is, a directory or tar becomes a disk without a name. Returns 0, and @image is to be closed; or -1
 * with @err.
 */
int image_open(const char *path, struct image *image, struct gcs_error *err);
void image_close(struct image *image);

/*
 * What is run: @entrypoint (NULL: the image's) and then @command (empty: the image's, if the entrypoint is its own, too). An empty
 * @entrypoint is none. The list is malloc'd, its strings are not; NULL with @err.
 */
char **image_argv(const struct image_config *config, char *entrypoint, char *const *command, struct gcs_error *err);

/* An empty disk without a name. */
int image_scratch(uint64_t size, struct gcs_error *err);

#endif

/* SPDX-License-Identifier: MIT */
/* IMAGE on the command line: the ext4 disks made of it, and how it wants to be run. */
#ifndef UVMCTL_IMAGE_H
#define UVMCTL_IMAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "error.h"

#define IMAGE_LAYERS_MAX 126 /* the writable disk and one more have a LUN, too */

/* What the image says about how it is run. Lists end with NULL; what is NULL or empty is not said. */
struct image_config {
	char **entrypoint, **command, **env;
	char *cwd, *user, *stop_signal;
};

struct image {
	int layers[IMAGE_LAYERS_MAX]; /* descriptors of disks to be read, the uppermost first */
	unsigned int layer_count;
	struct image_config config;
	struct oci_image *oci; /* what it is of; NULL: a root file system */
};

struct image_options {
	const char *platform; /* os/architecture[/variant]; NULL: linux/amd64 */
	uint64_t max_size;    /* bytes that a layer may have unpacked; 0: 64 GiB */
	bool verity;	      /* a tree of hashes behind the file system of each disk */
	bool documents;	      /* no disks, only what an image says */
};

/*
 * @name is a path, or oci:PATH[:TAG], oci-archive:PATH[:TAG], docker-archive:PATH[:TAG]. An ext4 file is taken as it is; a directory
 * or a tar becomes a disk without a name; the layers of an OCI or Docker image become disks in the cache. @options may be NULL.
 * Returns 0, and @image is to be closed; or -1 with @err.
 */
int image_open(const char *name, const struct image_options *options, struct image *image, struct gcs_error *err);
void image_close(struct image *image);

#define IMAGE_GROUPS_MAX 64 /* of a user, beside its own */
#define IMAGE_USER_MAX (22 + 11 * IMAGE_GROUPS_MAX)

/* How a container of it is run; the strings are the image's or the command line's. */
struct image_process {
	char **args, **env; /* malloc'd */
	const char *cwd;
	char user[IMAGE_USER_MAX]; /* UID:GID[,GROUP]... */
	char *home;	    /* in env: HOME of a user who is not root */
};

struct options;

/* What @options say, or else the image. Returns 0, and @p is to be freed; or -1 with @err. */
int image_process(const struct image *image, const struct options *options, struct image_process *p, struct gcs_error *err);
void image_process_free(struct image_process *p);

/* An empty disk without a name. */
int image_scratch(uint64_t size, struct gcs_error *err);

#endif

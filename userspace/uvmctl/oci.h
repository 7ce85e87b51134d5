/* SPDX-License-Identifier: MIT */
/* The documents of an image: of an OCI layout, or of what `docker save` has written before it knew that. */
#ifndef UVMCTL_OCI_H
#define UVMCTL_OCI_H

#include "blob.h"
#include "image.h"

struct oci_layer {
	char *blob;	    /* its name in the store */
	const char *digest; /* of the blob; NULL: not known */
	const char *diff_id;
};

struct oci_image {
	char digest[DIGEST_LENGTH + 1]; /* of its manifest, or where there is none of its configuration */
	char platform[64];
	struct image_config config;
	struct oci_layer *layers; /* the lowest first */
	size_t layer_count;
	char **diff_ids; /* as long */
	void *document;	 /* what they point into */
};

/* Is there an image in @store, and not just files? */
bool oci_is_image(const struct store *store);

/*
 * The image in @store, the one that has @reference (NULL: there is one only) for @platform (os/architecture[/variant]). All
 * documents are checked by their digests. Returns 0, and @image is to be freed; or -1 with @err.
 */
int oci_find(struct oci_image *image, const struct store *store, const char *reference, const char *platform,
	     struct gcs_error *err);
void oci_free(struct oci_image *image);

#endif

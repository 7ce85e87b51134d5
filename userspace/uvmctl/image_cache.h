/* SPDX-License-Identifier: MIT */
/*
 * Layers that are disks already, kept for the next time, and what images they are of.
 *
 *   DIR/layers-2/<diff id>.ext4   a disk; it has this name when it is whole, checked and on the disk
 *   DIR/layers-2/<diff id>.verity the same with a tree of hashes behind it
 *   DIR/layers-2/<diff id>.new    one that is being made, by who has it locked; without a lock it is what was left of that
 *   DIR/images/<digest>.json    an image that was used: its name then, and its layers
 *
 * The number is that of the way to make disks: another one is another directory. Nothing is ever changed under its name, so that nobody has to wait who only reads; a disk that is removed lives on in the
 * descriptors of those who use it.
 */
#ifndef UVMCTL_IMAGE_CACHE_H
#define UVMCTL_IMAGE_CACHE_H

#include "oci.h"

struct image_cache {
	int layers, images; /* directories */
	char *path;
};

/* $XDG_CACHE_HOME/opengcs, or root's /var/cache/opengcs, or ~/.cache/opengcs; made when it is missing. */
int image_cache_open(struct image_cache *cache, struct gcs_error *err);
void image_cache_close(struct image_cache *cache);

/* Nobody prunes until it is closed: for layers that are made and not noted yet. -1 with @err. */
int image_cache_hold(const struct image_cache *cache, struct gcs_error *err);

/* Make the disk of a layer in the empty file @fd. */
typedef int (*layer_maker)(int fd, void *arg, struct gcs_error *err);

/*
 * A read-only descriptor of the disk with @diff_id, @verity: of the one with a tree of hashes; @make makes it if it is not there. -1 with @err.
 */
int image_cache_layer(const struct image_cache *cache, const char *diff_id, bool verity, layer_maker make, void *arg, struct gcs_error *err);

/* Note that @image was used, as @name. */
int image_cache_note(const struct image_cache *cache, const struct oci_image *image, const char *name, struct gcs_error *err);

/* What was noted. */
struct cached_image {
	char *name, *digest, *platform;
	char **layers; /* diff ids, the lowest first */
	int64_t used;  /* when, in seconds */
};

struct cached_images {
	struct cached_image *list; /* last used first */
	size_t count;
};

int image_cache_list(const struct image_cache *cache, struct cached_images *images, struct gcs_error *err);
void cached_images_free(struct cached_images *images);

/* Bytes that the disk of a layer takes; 0: it is not there. */
uint64_t image_cache_size(const struct image_cache *cache, const char *diff_id);

/* Forget an image; its layers stay until image_cache_prune(). */
int image_cache_forget(const struct image_cache *cache, const struct cached_image *image, struct gcs_error *err);

/* Remove every layer that no noted image has, and what was left half-made. */
int image_cache_prune(const struct image_cache *cache, unsigned int *removed, uint64_t *bytes, struct gcs_error *err);

#endif

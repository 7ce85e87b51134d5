/* SPDX-License-Identifier: MIT */
/* The configuration of an image. Private to image*.c. */
#ifndef UVMCTL_IMAGE_CONFIG_H
#define UVMCTL_IMAGE_CONFIG_H

#include "image.h"
#include "json.h"

/* The member "config" of an image's configuration document. */
extern const struct json_field image_config_table[];

/*
 * What is run: @entrypoint (NULL: the image's) and then @command (empty: the image's, if the entrypoint is its own, too). An empty
 * @entrypoint is none. The list is malloc'd, its strings are not; NULL with @err.
 */
char **image_argv(const struct image_config *config, char *entrypoint, char *const *command, struct gcs_error *err);

/* @first (NULL: nothing), its environment and @more, of which the later ones win. As image_argv(). */
char **image_env(const struct image_config *config, char *first, char *const *more, struct gcs_error *err);

/* A list of one string. NULL with @err. */
char **image_config_list(const char *text, struct gcs_error *err);

void image_config_free(struct image_config *config);

#endif

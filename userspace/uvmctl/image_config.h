/* SPDX-License-Identifier: MIT */
/* The configuration of an image. Private to image*.c. */
#ifndef UVMCTL_IMAGE_CONFIG_H
#define UVMCTL_IMAGE_CONFIG_H

#include "image.h"

/* A list of one string. NULL with @err. */
char **image_config_list(const char *text, struct gcs_error *err);

void image_config_free(struct image_config *config);

#endif

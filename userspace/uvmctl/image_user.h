/* SPDX-License-Identifier: MIT */
/* Users by name, from the files of an image. */
#ifndef UVMCTL_IMAGE_USER_H
#define UVMCTL_IMAGE_USER_H

#include "image.h"

/*
 * @text is USER or USER:GROUP, each by number or name. The group of a user is that of /etc/passwd, for a number that it does not
 * have 0. *@home is malloc'd, and NULL if no line has one. Returns 0, or -1 with @err.
 */
int image_user(const struct image *image, const char *text, uint32_t *uid, uint32_t *gid, char **home, struct gcs_error *err);

#endif

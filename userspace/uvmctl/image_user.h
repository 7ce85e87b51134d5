/* SPDX-License-Identifier: MIT */
/* Users by name, from the files of an image. */
#ifndef UVMCTL_IMAGE_USER_H
#define UVMCTL_IMAGE_USER_H

#include "image.h"

struct image_user {
	uint32_t uid, gid;
	uint32_t groups[IMAGE_GROUPS_MAX]; /* that /etc/group has it in, unless a group was asked for */
	unsigned int group_count;
	char *home; /* malloc'd; NULL: no line has one */
};

/*
 * @text is USER or USER:GROUP, each by number or name. The group of a user is that of /etc/passwd, for a number that it does not
 * have 0. Returns 0, or -1 with @err.
 */
int image_user(const struct image *image, const char *text, struct image_user *u, struct gcs_error *err);

#endif

/* SPDX-License-Identifier: MIT */
/* A layer as an ext4 file system, made without mounting or unpacking anything; the same tree is always the same disk. */
#ifndef UVMCTL_LAYER_DISK_H
#define UVMCTL_LAYER_DISK_H

#include "layer_tree.h"

/*
 * Write @tree, with the content of its files from @archive, which stands at its begin again, into the empty file @fd. @uuid makes
 * the file system another than others. Returns 0, or -1 with @err.
 */
int layer_disk_write(int fd, const struct layer_tree *tree, struct archive *archive, const unsigned char uuid[16],
		     struct gcs_error *err);

/* Does a disk that layer_disk_write() has made hide everything below it? */
bool layer_disk_hides_all(int fd);

#endif

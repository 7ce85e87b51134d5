/* SPDX-License-Identifier: MIT */
/*
 * What a tar unpacks to, in memory: names, attributes, links, and which entry has the content of which file. Nothing in it touches
 * this machine's files, whatever its paths and links say.
 */
#ifndef UVMCTL_LAYER_TREE_H
#define UVMCTL_LAYER_TREE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "error.h"

struct archive;

struct layer_xattr {
	struct layer_xattr *next;
	char *name;
	size_t size;
	unsigned char value[];
};

/* A file, of one or more names. */
struct layer_inode {
	mode_t mode;
	uint32_t uid, gid;
	uint32_t major, minor;
	int64_t mtime;
	uint32_t mtime_nsec;
	uint64_t size;
	uint64_t entry; /* of the archive, from 1 on: it has the content */
	char *target;	/* of a symbolic link */
	struct layer_xattr *xattrs;
	unsigned int names;
	uint32_t number; /* on the disk, for who writes it */
};

struct layer_node {
	char *name;
	struct layer_node *parent; /* of the root: itself */
	struct layer_inode *inode;
	void *children; /* for twalk(3): by name */
	unsigned int depth, subdirs;
	bool whiteout; /* a device 0/0, which hides the name in the layers below */
	bool opaque;   /* hides what the directory has in the layers below */
};

struct layer_tree {
	struct layer_node *root;
	/* What a disk must have room for. */
	uint64_t nodes, data_blocks, file_bytes;
};

struct layer_limits {
	uint64_t bytes, nodes;
};

#define LAYER_BLOCK 4096u

/*
 * Read @archive, which says what it is by @name in errors, to its end. @whiteouts: names that begin with .wh. are what OCI says,
 * otherwise they are names. Returns 0, and @tree is to be freed; or -1 with @err.
 */
int layer_tree_read(struct layer_tree *tree, struct archive *archive, bool whiteouts, const struct layer_limits *limits,
		    struct gcs_error *err);
void layer_tree_free(struct layer_tree *tree);

/* The regular file at @path, found as from inside; NULL: there is none. */
struct layer_inode *layer_tree_file(const struct layer_tree *tree, const char *path);

#endif

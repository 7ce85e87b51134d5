// SPDX-License-Identifier: MIT
/* What a tar unpacks to, in memory. */
#include "layer_tree.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <limits.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cleanup.h"

#define WHITEOUT ".wh."
#define WHITEOUT_META ".wh..wh."
#define WHITEOUT_OPAQUE ".wh..wh..opq"
#define LINKS_MAX 40	/* of symbolic links in one path, as the kernel has it */
#define DEPTH_MAX 1024	/* directories in each other: the tree is walked by recursion */
#define NAMES_MAX 60000 /* of one file, below what ext4 can count */
#define MEMORY_MAX (256u << 20) /* bytes of names, targets and attributes */
#define XATTRS_MAX 3072 /* bytes of one file: they have a block for themselves */

struct reader {
	struct layer_tree *tree;
	const struct layer_limits *limits;
	bool whiteouts;
	uint64_t bytes, memory; /* of all entries, also those that others have replaced */
	const char *path;	/* of the entry, for errors */
	struct gcs_error *err;
};

static int fail(struct reader *r, const char *why)
{
	return gcs_fail(r->err, 0, HR_FAIL, "entry \"%.256s\": %s", r->path, why);
}

static int by_name(const void *a, const void *b)
{
	const struct layer_node *left = a, *right = b;

	return strcmp(left->name, right->name);
}

static void inode_put(struct layer_inode *inode)
{
	struct layer_xattr *x;

	if (!inode || (inode->names && --inode->names))
		return;
	while ((x = inode->xattrs)) {
		inode->xattrs = x->next;
		free(x->name);
		free(x);
	}
	free(inode->target);
	free(inode);
}

static void node_free(void *arg)
{
	struct layer_node *n = arg;

	tdestroy(n->children, node_free);
	inode_put(n->inode);
	free(n->name);
	free(n);
}

static struct layer_node *child(const struct layer_node *dir, const char *name)
{
	struct layer_node key = { .name = (char *)name };
	void *found = tfind(&key, &dir->children, by_name);

	return found ? *(struct layer_node **)found : NULL;
}

/* What a disk must have room for, without names, which are counted as blocks of their directory. */
static void count_node(const struct reader *r, const struct layer_node *n, int64_t sign)
{
	const struct layer_inode *inode = n->inode;
	uint64_t blocks = 0;

	r->tree->nodes += sign;
	if (S_ISREG(inode->mode) && inode->names == 1) {
		blocks = inode->size / LAYER_BLOCK + 1;
		r->tree->file_bytes += sign * inode->size;
	} else if (S_ISDIR(inode->mode) || S_ISLNK(inode->mode)) {
		blocks = 1;
	}
	if (inode->xattrs)
		blocks++;
	r->tree->data_blocks += sign * blocks;
}

static int too_large(struct reader *r)
{
	return gcs_fail(r->err, 0, HR_FAIL, "entry \"%.256s\": unpacked there are more than %llu MiB (--max-size)", r->path,
			(unsigned long long)r->limits->bytes >> 20);
}

static int check_limits(struct reader *r)
{
	if (r->tree->nodes > r->limits->nodes)
		return gcs_fail(r->err, 0, HR_FAIL, "entry \"%.256s\": more than %llu files", r->path,
				(unsigned long long)r->limits->nodes);
	return r->tree->file_bytes > r->limits->bytes ? too_large(r) : 0;
}

static struct layer_node *node_new(struct reader *r, struct layer_node *parent, const char *name, struct layer_inode *inode)
{
	struct layer_node *n = calloc(1, sizeof(*n));

	if (n)
		n->name = strdup(name);
	if (!n || !n->name || (parent && !tsearch(n, &parent->children, by_name))) {
		if (n)
			free(n->name);
		free(n);
		gcs_fail(r->err, ENOMEM, HR_FAIL, "entry \"%.256s\"", r->path);
		return NULL;
	}
	n->parent = parent ? parent : n;
	n->depth = parent ? parent->depth + 1 : 0;
	n->inode = inode;
	inode->names++;
	if (parent)
		parent->subdirs += S_ISDIR(inode->mode);
	count_node(r, n, 1);
	return n;
}

static void count_below(const struct reader *r, struct layer_node *n);

static void uncount(const void *at, VISIT which, void *arg)
{
	if (which == preorder || which == leaf)
		count_below(arg, *(struct layer_node *const *)at);
}

static void count_below(const struct reader *r, struct layer_node *n)
{
	twalk_r(n->children, uncount, (void *)r);
	count_node(r, n, -1);
}

static void node_remove(struct reader *r, struct layer_node *n)
{
	tdelete(n, &n->parent->children, by_name);
	n->parent->subdirs -= S_ISDIR(n->inode->mode);
	count_below(r, n);
	node_free(n);
}

static struct layer_inode *directory_inode(struct reader *r)
{
	struct layer_inode *inode = calloc(1, sizeof(*inode));

	if (inode)
		inode->mode = S_IFDIR | 0755;
	else
		gcs_fail(r->err, ENOMEM, HR_FAIL, "entry \"%.256s\"", r->path);
	return inode;
}

/* A directory that no entry describes, as Docker makes it. */
static struct layer_node *implied_directory(struct reader *r, struct layer_node *parent, const char *name)
{
	struct layer_inode *inode = directory_inode(r);
	struct layer_node *n = inode ? node_new(r, parent, name, inode) : NULL;

	if (!n && inode)
		inode_put(inode);
	return n;
}

/*
 * The directory that @path, which is changed, leads to from @dir, links followed as a process does whose root the tree is. With @r
 * missing ones are made; NULL with its error, or without @r just NULL.
 */
static struct layer_node *walk(struct reader *r, const struct layer_tree *tree, struct layer_node *dir, char *path,
			       unsigned int *links)
{
	char *name, *rest = path;

	if (*path == '/')
		dir = tree->root;
	while ((name = strsep(&rest, "/"))) {
		struct layer_node *next;

		if (!*name || !strcmp(name, "."))
			continue;
		if (!strcmp(name, "..")) {
			dir = dir->parent;
			continue;
		}
		next = child(dir, name);
		if (next && next->whiteout && r) {
			/* It is there again, without what was in it. */
			node_remove(r, next);
			next = implied_directory(r, dir, name);
			if (!next)
				return NULL;
			next->opaque = true;
		}
		if (!next && r) {
			if (strlen(name) > NAME_MAX || dir->depth >= DEPTH_MAX) {
				fail(r, "its name is too long");
				return NULL;
			}
			next = implied_directory(r, dir, name);
		}
		if (next && S_ISLNK(next->inode->mode)) {
			_cleanup_free_ char *target = strdup(next->inode->target);

			if (!target || ++*links > LINKS_MAX) {
				if (r)
					fail(r, "too many symbolic links on the way to it");
				return NULL;
			}
			next = walk(r, tree, dir, target, links);
		}
		if (!next)
			return NULL;
		if (!S_ISDIR(next->inode->mode)) {
			if (r)
				fail(r, "what should be its directory is none");
			return NULL;
		}
		dir = next;
	}
	return dir;
}

/* Split @path, which is changed: where it is, and *@name. A path that leads out of the tree is an error. */
static struct layer_node *locate(struct reader *r, char *path, char **name)
{
	unsigned int links = 0;
	int depth = 0;
	char *slash;

	for (const char *s = path; *s; s += strcspn(s, "/"), s += strspn(s, "/")) {
		size_t n = strcspn(s, "/");

		if (n == 2 && !strncmp(s, "..", 2))
			depth--;
		else if (n && !(n == 1 && *s == '.'))
			depth++;
		if (depth < 0) {
			fail(r, "its path leads out of the image");
			return NULL;
		}
	}
	for (size_t n = strlen(path); n && path[n - 1] == '/'; n--)
		path[n - 1] = '\0';
	slash = strrchr(path, '/');
	*name = slash ? slash + 1 : path;
	if (slash)
		*slash = '\0';
	if (strlen(*name) > NAME_MAX) {
		fail(r, "its name is too long");
		return NULL;
	}
	return slash ? walk(r, r->tree, r->tree->root, path, &links) : r->tree->root;
}

static int read_xattrs(struct reader *r, struct archive_entry *e, struct layer_inode *inode)
{
	struct layer_xattr **end = &inode->xattrs;
	const char *name;
	const void *value;
	size_t size, total = 0;

	archive_entry_xattr_reset(e);
	while (archive_entry_xattr_next(e, &name, &value, &size) == ARCHIVE_OK) {
		struct layer_xattr *x;

		/* What an overlay goes by is ours to say, and what a file system keeps for itself is not in it. */
		if (!name || !strncmp(name, "trusted.overlay.", 16) ||
		    (strncmp(name, "user.", 5) && strncmp(name, "security.", 9) && strncmp(name, "trusted.", 8)))
			continue;
		total += strlen(name) + size + 32;
		if (strlen(name) > NAME_MAX || total > XATTRS_MAX)
			return fail(r, "its extended attributes are too large");
		x = calloc(1, sizeof(*x) + size);
		if (x)
			x->name = strdup(name);
		if (!x || !x->name) {
			free(x);
			return gcs_fail(r->err, ENOMEM, HR_FAIL, "entry \"%.256s\"", r->path);
		}
		x->size = size;
		memcpy(x->value, value, size);
		*end = x;
		end = &x->next;
	}
	return 0;
}

static struct layer_inode *read_inode(struct reader *r, struct archive_entry *e, uint64_t entry)
{
	struct layer_inode *inode = calloc(1, sizeof(*inode));
	const char *target = archive_entry_symlink(e);

	if (!inode) {
		gcs_fail(r->err, ENOMEM, HR_FAIL, "entry \"%.256s\"", r->path);
		return NULL;
	}
	inode->mode = archive_entry_mode(e);
	inode->uid = (uint32_t)archive_entry_uid(e);
	inode->gid = (uint32_t)archive_entry_gid(e);
	inode->mtime = archive_entry_mtime(e);
	inode->mtime_nsec = (uint32_t)archive_entry_mtime_nsec(e);
	if (S_ISREG(inode->mode)) {
		inode->size = (uint64_t)archive_entry_size(e);
		inode->entry = entry;
		if (inode->size > r->limits->bytes) {
			too_large(r);
			goto fail;
		}
	} else if (S_ISCHR(inode->mode) || S_ISBLK(inode->mode)) {
		inode->major = (uint32_t)archive_entry_rdevmajor(e);
		inode->minor = (uint32_t)archive_entry_rdevminor(e);
	} else if (S_ISLNK(inode->mode)) {
		inode->target = strdup(target ? target : "");
		if (!inode->target || !*inode->target || strlen(inode->target) >= LAYER_BLOCK - 1) {
			fail(r, "a symbolic link to nothing, or to a path that is too long");
			goto fail;
		}
	} else if (!S_ISDIR(inode->mode) && !S_ISFIFO(inode->mode)) {
		fail(r, "its type is not known");
		goto fail;
	}
	if (read_xattrs(r, e, inode) == 0)
		return inode;
fail:
	inode_put(inode);
	return NULL;
}

/* A directory that is described again keeps what is in it. */
static void redefine(struct reader *r, struct layer_node *dir, struct layer_inode *inode)
{
	count_node(r, dir, -1);
	inode_put(dir->inode);
	dir->inode = inode;
	inode->names = 1;
	count_node(r, dir, 1);
}

/* Put @inode, which is taken, at @name; what was there goes. */
static int place(struct reader *r, struct layer_node *dir, const char *name, struct layer_inode *inode)
{
	struct layer_node *old = child(dir, name);
	/* What is no directory, a whiteout too, hides one that is below. */
	bool again = old && !S_ISDIR(old->inode->mode);

	if (old && S_ISDIR(old->inode->mode) && S_ISDIR(inode->mode)) {
		redefine(r, old, inode);
		return 0;
	}
	/* A hard link to itself. */
	if (old && old->inode == inode)
		return 0;
	/* It may be a link to what goes. */
	inode->names++;
	if (old)
		node_remove(r, old);
	inode->names--;
	old = node_new(r, dir, name, inode);
	if (!old) {
		if (!inode->names)
			inode_put(inode);
		return -1;
	}
	old->opaque = again && S_ISDIR(inode->mode);
	return check_limits(r);
}

static int place_hard_link(struct reader *r, struct layer_node *dir, const char *name, const char *to)
{
	_cleanup_free_ char *path = strdup(to);
	char *target_name;
	struct layer_node *target;

	if (!path)
		return gcs_fail(r->err, ENOMEM, HR_FAIL, "entry \"%.256s\"", r->path);
	target = locate(r, path, &target_name);
	if (!target)
		return -1;
	target = child(target, target_name);
	if (!target || target->whiteout)
		return fail(r, "a hard link to what is not in this layer");
	if (S_ISDIR(target->inode->mode))
		return fail(r, "a hard link to a directory");
	if (target->inode->names >= NAMES_MAX)
		return fail(r, "too many hard links");
	return place(r, dir, name, target->inode);
}

/* What the layer itself has, before or after this entry, stays. */
static int place_whiteout(struct reader *r, struct layer_node *dir, const char *name)
{
	struct layer_node *old;
	struct layer_inode *inode;

	if (!strcmp(name, WHITEOUT_OPAQUE)) {
		dir->opaque = true;
		return 0;
	}
	if (!strncmp(name, WHITEOUT_META, strlen(WHITEOUT_META)))
		return 0;
	name += strlen(WHITEOUT);
	if (!*name || !strcmp(name, ".") || !strcmp(name, ".."))
		return fail(r, "a whiteout of no name");
	old = child(dir, name);
	if (old) {
		old->opaque = S_ISDIR(old->inode->mode);
		return 0;
	}
	inode = calloc(1, sizeof(*inode));
	if (!inode)
		return gcs_fail(r->err, ENOMEM, HR_FAIL, "entry \"%.256s\"", r->path);
	inode->mode = S_IFCHR;
	old = node_new(r, dir, name, inode);
	if (!old) {
		inode_put(inode);
		return -1;
	}
	old->whiteout = true;
	return check_limits(r);
}

/* 1: an entry for aufs alone, which begins so and has more in it. */
static int check_whiteout_path(struct reader *r)
{
	for (const char *s = r->path, *end; (end = strchr(s, '/')); s = end + 1) {
		if (!strncmp(s, WHITEOUT_META, strlen(WHITEOUT_META)))
			return 1;
		if (!strncmp(s, WHITEOUT, strlen(WHITEOUT)) && end[1])
			return fail(r, "a whiteout as a directory");
	}
	return 0;
}

/* What reading it costs, whether it stays or not. */
static int count_entry(struct reader *r, struct archive_entry *e)
{
	const char *target = archive_entry_symlink(e);
	int64_t size = archive_entry_size(e);
	const void *value;
	const char *name;
	size_t length;

	if (size < 0 || (uint64_t)size > r->limits->bytes)
		return too_large(r);
	r->bytes += (uint64_t)size;
	if (r->bytes > r->limits->bytes)
		return too_large(r);
	r->memory += strlen(r->path) + (target ? strlen(target) : 0);
	archive_entry_xattr_reset(e);
	while (archive_entry_xattr_next(e, &name, &value, &length) == ARCHIVE_OK)
		r->memory += length;
	return r->memory > MEMORY_MAX ? fail(r, "all names, links and attributes together are too long") : 0;
}

static int read_entry(struct reader *r, struct archive_entry *e, uint64_t entry)
{
	_cleanup_free_ char *path = NULL;
	const char *name = archive_entry_pathname(e), *hard_link;
	struct layer_inode *inode;
	struct layer_node *dir;
	char *last;
	int ret;

	r->path = name ? name : "";
	path = strdup(r->path);
	if (!path)
		return gcs_fail(r->err, ENOMEM, HR_FAIL, "entry %llu", (unsigned long long)entry);
	if (count_entry(r, e) < 0)
		return -1;
	if (!*path)
		return fail(r, "it has no name");
	ret = r->whiteouts ? check_whiteout_path(r) : 0;
	if (ret)
		return ret < 0 ? -1 : 0;
	dir = locate(r, path, &last);
	if (!dir)
		return -1;
	if (dir->depth >= DEPTH_MAX)
		return fail(r, "too many directories in each other");
	if (r->whiteouts && !strncmp(last, WHITEOUT, strlen(WHITEOUT)))
		return place_whiteout(r, dir, last);
	hard_link = archive_entry_hardlink(e);
	if (hard_link && *last && strcmp(last, ".") && strcmp(last, ".."))
		return place_hard_link(r, dir, last, hard_link);
	inode = read_inode(r, e, entry);
	if (!inode)
		return -1;
	/* The path of the directory itself, or of the one above. */
	if (!*last || !strcmp(last, ".") || !strcmp(last, "..")) {
		dir = !strcmp(last, "..") ? dir->parent : dir;
		if (!S_ISDIR(inode->mode)) {
			inode_put(inode);
			return fail(r, "not a directory in the place of one");
		}
		redefine(r, dir, inode);
		return 0;
	}
	return place(r, dir, last, inode);
}

int layer_tree_read(struct layer_tree *tree, struct archive *archive, bool whiteouts, const struct layer_limits *limits,
		    struct gcs_error *err)
{
	struct reader r = { .tree = tree, .limits = limits, .whiteouts = whiteouts, .path = "/", .err = err };
	struct layer_inode *inode = directory_inode(&r);
	struct archive_entry *e;
	uint64_t entry = 0;
	int ret;

	*tree = (struct layer_tree){ .nodes = 0 };
	tree->root = inode ? node_new(&r, NULL, "", inode) : NULL;
	if (!tree->root) {
		free(inode);
		return -1;
	}
	while ((ret = archive_read_next_header(archive, &e)) == ARCHIVE_OK || ret == ARCHIVE_WARN) {
		/* Each costs time, whatever it is. */
		if (++entry > 4 * limits->nodes) {
			gcs_fail(err, 0, HR_FAIL, "more than %llu entries", 4ull * limits->nodes);
			goto fail;
		}
		if (read_entry(&r, e, entry) < 0)
			goto fail;
	}
	if (ret == ARCHIVE_EOF)
		return 0;
	gcs_fail(err, 0, HR_FAIL, "read the tar: %s", archive_error_string(archive) ?: "it is damaged");
fail:
	layer_tree_free(tree);
	return -1;
}

void layer_tree_free(struct layer_tree *tree)
{
	if (tree->root)
		node_free(tree->root);
	tree->root = NULL;
}

struct layer_inode *layer_tree_file(const struct layer_tree *tree, const char *path)
{
	_cleanup_free_ char *copy = strdup(path);
	struct layer_node *dir = tree->root, *n;
	unsigned int links = 0;
	char *slash, *name;

	/* The last component may be a link as well. */
	for (; copy; links++) {
		slash = strrchr(copy, '/');
		name = slash ? slash + 1 : copy;
		if (*copy == '/')
			dir = tree->root;
		if (slash)
			*slash = '\0';
		if (slash && *copy)
			dir = walk(NULL, tree, dir, copy, &links);
		n = dir ? child(dir, name) : NULL;
		if (!n || !S_ISLNK(n->inode->mode) || links > LINKS_MAX)
			return n && S_ISREG(n->inode->mode) ? n->inode : NULL;
		free(copy);
		copy = strdup(n->inode->target);
	}
	return NULL;
}

// SPDX-License-Identifier: MIT
/*
 * A layer as an ext4 file system, by libext2fs: first the file system, then all names and files with their attributes, in the order of
 * names, then the content in the order of the archive.
 */
#include "layer_disk.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <ext2fs/ext2fs.h>
#include <et/com_err.h>

#include "cleanup.h"
#include "ext4.h"

#define INODE_SIZE 256
#define EXTRA_ISIZE 32		/* of struct ext2_inode_large: times in nanoseconds */
#define SLACK_BLOCKS 1024	/* what grows with none of the counts */
#define DIR_LINKS_MAX 65000	/* more are counted as 1 */
#define DIRENT_MAX (8 + EXT2_NAME_LEN + 1)
#define FIXED_TIME 1		/* of the file system itself; 0 would be now */

struct writer {
	ext2_filsys fs;
	const struct layer_tree *tree;
	struct layer_inode **files; /* with content, by entry */
	size_t file_count;
	struct gcs_error *err;
	int ret;
};

static int fail(struct writer *w, errcode_t code, const char *name, const char *step)
{
	w->ret = -1;
	return gcs_fail(w->err, 0, HR_FAIL, "disk of the layer: %s%s%s: %s", name, *name ? ": " : "", step, error_message(code));
}

/* --- the file system --- */

static void set_features(struct ext2_super_block *super, const struct layer_tree *tree)
{
	/* Beyond the block that each directory has anyway; the file is sparse, so that too much costs nothing. */
	uint64_t names = tree->nodes * DIRENT_MAX / (LAYER_BLOCK - DIRENT_MAX);
	uint64_t inodes = tree->nodes + EXT2_GOOD_OLD_FIRST_INO + 16;
	uint64_t blocks = tree->data_blocks + names + inodes * INODE_SIZE / LAYER_BLOCK;

	/* Extents of files in pieces, bitmaps, descriptors. */
	blocks += blocks / 64 + SLACK_BLOCKS;
	*super = (struct ext2_super_block){ .s_rev_level = EXT2_DYNAMIC_REV, .s_log_block_size = 2, .s_log_cluster_size = 2 };
	super->s_inode_size = INODE_SIZE;
	super->s_inodes_count = (uint32_t)inodes;
	super->s_log_groups_per_flex = 4;
	ext2fs_blocks_count_set(super, blocks);
	ext2fs_set_feature_filetype(super);
	ext2fs_set_feature_xattr(super);
	ext2fs_set_feature_sparse_super(super);
	ext2fs_set_feature_large_file(super);
	ext2fs_set_feature_huge_file(super);
	ext2fs_set_feature_extents(super);
	ext2fs_set_feature_flex_bg(super);
	ext2fs_set_feature_dir_nlink(super);
	ext2fs_set_feature_extra_isize(super);
}

static int make_filesystem(struct writer *w, int fd, const unsigned char uuid[16])
{
	struct ext2_super_block param;
	char path[32];
	struct ext2_super_block *super;
	errcode_t code;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	set_features(&param, w->tree);
	code = ext2fs_initialize(path, EXT2_FLAG_EXCLUSIVE | EXT2_FLAG_64BITS, &param, unix_io_manager, &w->fs);
	if (code)
		return fail(w, code, "", "make the file system");
	super = w->fs->super;
	if (ftruncate(fd, (off_t)disk_size(ext2fs_blocks_count(super) * LAYER_BLOCK)) < 0)
		return gcs_fail(w->err, errno, HR_FAIL, "disk of the layer: set its size");
	w->fs->now = FIXED_TIME;
	super->s_mkfs_time = super->s_wtime = super->s_lastcheck = FIXED_TIME;
	super->s_max_mnt_count = -1;
	super->s_want_extra_isize = super->s_min_extra_isize = EXTRA_ISIZE;
	super->s_def_hash_version = EXT2_HASH_HALF_MD4;
	memcpy(super->s_uuid, uuid, 16);
	memcpy(super->s_hash_seed, uuid, 16);
	code = ext2fs_allocate_tables(w->fs);
	if (code)
		return fail(w, code, "", "its tables");
	/* The file is new: what is not written is zero. */
	for (dgrp_t i = 0; i < w->fs->group_desc_count; i++)
		ext2fs_bg_flags_set(w->fs, i, EXT2_BG_INODE_ZEROED);
	for (ext2_ino_t i = EXT2_ROOT_INO + 1; i < EXT2_FIRST_INODE(super); i++)
		ext2fs_inode_alloc_stats2(w->fs, i, 1, 0);
	ext2fs_inode_alloc_stats2(w->fs, EXT2_BAD_INO, 1, 0);
	code = ext2fs_mkdir(w->fs, EXT2_ROOT_INO, EXT2_ROOT_INO, NULL);
	return code ? fail(w, code, "", "its root") : 0;
}

/* --- names and files --- */

static int file_type(mode_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFDIR:
		return EXT2_FT_DIR;
	case S_IFLNK:
		return EXT2_FT_SYMLINK;
	case S_IFCHR:
		return EXT2_FT_CHRDEV;
	case S_IFBLK:
		return EXT2_FT_BLKDEV;
	case S_IFIFO:
		return EXT2_FT_FIFO;
	default:
		return EXT2_FT_REG_FILE;
	}
}

static void set_time(uint32_t *low, uint32_t *extra, const struct layer_inode *from)
{
	int64_t seconds = from->mtime;

	*low = (uint32_t)seconds;
	*extra = (uint32_t)(((seconds - (int32_t)seconds) >> 32) & 3) | from->mtime_nsec << 2;
}

static int set_xattrs(struct writer *w, const struct layer_node *n)
{
	const struct layer_inode *inode = n->inode;
	struct ext2_xattr_handle *handle;
	errcode_t code;

	if (!inode->xattrs && !n->opaque)
		return 0;
	code = ext2fs_xattrs_open(w->fs, inode->number, &handle);
	if (code)
		return fail(w, code, n->name, "extended attributes");
	code = ext2fs_xattrs_read(handle);
	if (!code && n->opaque)
		code = ext2fs_xattr_set(handle, "trusted.overlay.opaque", "y", 1);
	for (const struct layer_xattr *x = inode->xattrs; x && !code; x = x->next)
		code = ext2fs_xattr_set(handle, x->name, x->value, x->size);
	ext2fs_xattrs_close(&handle);
	return code ? fail(w, code, n->name, "extended attributes") : 0;
}

/* The inode as the archive says; blocks and size are what is there already. */
static int set_attributes(struct writer *w, const struct layer_node *n)
{
	const struct layer_inode *from = n->inode;
	struct ext2_inode_large to = { .i_mode = 0 };
	errcode_t code = ext2fs_read_inode_full(w->fs, from->number, (struct ext2_inode *)&to, sizeof(to));

	if (code)
		return fail(w, code, n->name, "read its inode");
	to.i_mode = (uint16_t)from->mode;
	to.i_uid = (uint16_t)from->uid;
	to.i_gid = (uint16_t)from->gid;
	ext2fs_set_i_uid_high(to, from->uid >> 16);
	ext2fs_set_i_gid_high(to, from->gid >> 16);
	to.i_extra_isize = EXTRA_ISIZE;
	set_time(&to.i_mtime, &to.i_mtime_extra, from);
	to.i_atime = to.i_ctime = to.i_crtime = to.i_mtime;
	to.i_atime_extra = to.i_ctime_extra = to.i_crtime_extra = to.i_mtime_extra;
	to.i_links_count = (uint16_t)from->names;
	if (S_ISDIR(from->mode))
		to.i_links_count = n->subdirs + 2 < DIR_LINKS_MAX ? (uint16_t)(n->subdirs + 2) : 1;
	if (S_ISCHR(from->mode) || S_ISBLK(from->mode)) {
		if (from->major < 256 && from->minor < 256)
			to.i_block[0] = from->major << 8 | from->minor;
		else
			to.i_block[1] = (from->minor & 0xFF) | from->major << 8 | (from->minor & ~0xFFu) << 12;
	}
	code = ext2fs_write_inode_full(w->fs, from->number, (struct ext2_inode *)&to, sizeof(to));
	return code ? fail(w, code, n->name, "write its inode") : set_xattrs(w, n);
}

static errcode_t make_file(struct writer *w, struct layer_inode *inode, ext2_ino_t dir)
{
	struct ext2_inode_large ext = { .i_mode = (uint16_t)inode->mode, .i_links_count = 1, .i_extra_isize = EXTRA_ISIZE };
	ext2_extent_handle_t extents;
	ext2_ino_t number;
	errcode_t code = ext2fs_new_inode(w->fs, dir, inode->mode, NULL, &number);

	if (code)
		return code;
	inode->number = number;
	ext2fs_inode_alloc_stats2(w->fs, number, 1, 0);
	code = ext2fs_write_inode_full(w->fs, number, (struct ext2_inode *)&ext, sizeof(ext));
	if (code || !S_ISREG(inode->mode))
		return code;
	code = ext2fs_extent_open2(w->fs, number, (struct ext2_inode *)&ext, &extents);
	if (code)
		return code;
	code = ext2fs_write_inode_full(w->fs, number, (struct ext2_inode *)&ext, sizeof(ext));
	ext2fs_extent_free(extents);
	if (inode->size)
		w->files[w->file_count++] = inode;
	return code;
}

/*
 * A directory as it is filled: its last block. Names come in order, each once, so that nothing has to be searched; ext2fs_link() would
 * read the whole directory for each name, which somebody could make a day's work of.
 */
struct directory {
	ext2_ino_t number;
	blk64_t blocks, at; /* how many it has, and where the last one is */
	struct ext2_dir_entry *last;
	char block[LAYER_BLOCK];
};

/* With the block that it has already, which names itself and its parent. */
static errcode_t directory_open(struct writer *w, struct directory *d, ext2_ino_t number)
{
	unsigned int self = EXT2_DIR_REC_LEN(1);
	errcode_t code;

	d->number = number;
	d->blocks = 1;
	d->last = (struct ext2_dir_entry *)(d->block + self);
	code = ext2fs_bmap2(w->fs, number, NULL, NULL, 0, 0, NULL, &d->at);
	return code ? code : ext2fs_read_dir_block4(w->fs, d->at, d->block, 0, number);
}

static errcode_t directory_flush(struct writer *w, struct directory *d)
{
	return ext2fs_write_dir_block4(w->fs, d->at, d->block, 0, d->number);
}

static errcode_t directory_add(struct writer *w, struct directory *d, const char *name, ext2_ino_t number, int type)
{
	unsigned int length = (unsigned int)strlen(name), used = EXT2_DIR_REC_LEN((unsigned int)ext2fs_dirent_name_len(d->last));
	unsigned int room = d->last->rec_len - used;
	errcode_t code;

	if (room >= EXT2_DIR_REC_LEN(length)) {
		d->last->rec_len = (uint16_t)used;
		d->last = (struct ext2_dir_entry *)((char *)d->last + used);
	} else {
		code = directory_flush(w, d);
		if (!code)
			code = ext2fs_bmap2(w->fs, d->number, NULL, NULL, BMAP_ALLOC, d->blocks++, NULL, &d->at);
		if (code)
			return code;
		memset(d->block, 0, sizeof(d->block));
		d->last = (struct ext2_dir_entry *)d->block;
		room = LAYER_BLOCK;
	}
	d->last->rec_len = (uint16_t)room;
	d->last->inode = number;
	ext2fs_dirent_set_name_len(d->last, (int)length);
	ext2fs_dirent_set_file_type(d->last, type);
	memcpy(d->last->name, name, length);
	return 0;
}

static errcode_t directory_close(struct writer *w, struct directory *d)
{
	struct ext2_inode inode;
	errcode_t code = directory_flush(w, d);

	if (!code)
		code = ext2fs_read_inode(w->fs, d->number, &inode);
	if (!code)
		code = ext2fs_inode_size_set(w->fs, &inode, d->blocks * LAYER_BLOCK);
	return code ? code : ext2fs_write_inode(w->fs, d->number, &inode);
}

/* Without a name for it. */
static errcode_t make_inode(struct writer *w, struct layer_inode *inode, ext2_ino_t dir)
{
	ext2_ino_t number;
	errcode_t code;

	if (!S_ISDIR(inode->mode) && !S_ISLNK(inode->mode))
		return make_file(w, inode, dir);
	code = ext2fs_new_inode(w->fs, dir, inode->mode, NULL, &number);
	if (!code && S_ISDIR(inode->mode))
		code = ext2fs_mkdir(w->fs, dir, number, NULL);
	else if (!code)
		code = ext2fs_symlink(w->fs, dir, number, NULL, inode->target);
	if (!code)
		inode->number = number;
	return code;
}

static errcode_t fill_directory(struct writer *w, const struct layer_node *n);

struct filling {
	struct writer *w;
	struct directory *dir;
};

static void make_node(const void *at, VISIT which, void *arg)
{
	const struct layer_node *n = *(struct layer_node *const *)at;
	struct filling *f = arg;
	errcode_t code = 0;

	if ((which != postorder && which != leaf) || f->w->ret < 0)
		return;
	/* Otherwise it is one more name of a file. */
	if (!n->inode->number)
		code = make_inode(f->w, n->inode, f->dir->number);
	if (!code)
		code = directory_add(f->w, f->dir, n->name, n->inode->number, file_type(n->inode->mode));
	if (!code && S_ISDIR(n->inode->mode))
		code = fill_directory(f->w, n);
	if (code)
		fail(f->w, code, n->name, "make it");
	/* When all is in it: a directory's inode has changed with every subdirectory. */
	if (f->w->ret == 0)
		set_attributes(f->w, n);
}

static errcode_t fill_directory(struct writer *w, const struct layer_node *n)
{
	_cleanup_free_ struct directory *d = malloc(sizeof(*d));
	struct filling f = { .w = w, .dir = d };
	errcode_t code = d ? directory_open(w, d, n->inode->number) : ENOMEM;

	if (code)
		return code;
	twalk_r(n->children, make_node, &f);
	return w->ret < 0 ? 0 : directory_close(w, d);
}

static int make_nodes(struct writer *w)
{
	struct layer_node *root = w->tree->root;
	errcode_t code;

	w->files = calloc(w->tree->nodes, sizeof(struct layer_inode *));
	if (!w->files)
		return gcs_fail(w->err, ENOMEM, HR_FAIL, "disk of the layer");
	root->inode->number = EXT2_ROOT_INO;
	code = fill_directory(w, root);
	if (code)
		return fail(w, code, "", "fill its root");
	return w->ret < 0 ? -1 : set_attributes(w, root);
}

/* --- content --- */

static int write_content(struct writer *w, const struct layer_inode *inode, struct archive *archive, const char *name)
{
	ext2_file_t file;
	errcode_t code = ext2fs_file_open(w->fs, inode->number, EXT2_FILE_WRITE, &file);
	const char *data;
	size_t size;
	int64_t at;
	int ret = ARCHIVE_EOF;

	if (code)
		return fail(w, code, name, "write it");
	while (!code && (ret = archive_read_data_block(archive, (const void **)&data, &size, &at)) == ARCHIVE_OK) {
		/* A damaged sparse file may say anything. */
		if (at < 0 || (uint64_t)at > inode->size || size > inode->size - (uint64_t)at) {
			code = EXT2_ET_FILE_TOO_BIG;
			break;
		}
		code = ext2fs_file_llseek(file, (uint64_t)at, EXT2_SEEK_SET, NULL);
		while (!code && size) {
			unsigned int n = 0;

			code = ext2fs_file_write(file, data, (unsigned int)(size < 1 << 20 ? size : 1 << 20), &n);
			data += n;
			size -= n;
		}
	}
	if (!code)
		code = ext2fs_file_set_size2(file, (ext2_off64_t)inode->size);
	if (code)
		ext2fs_file_close(file);
	else
		code = ext2fs_file_close(file);
	if (code)
		return fail(w, code, name, "write it");
	return ret == ARCHIVE_EOF ? 0 :
				    gcs_fail(w->err, 0, HR_FAIL, "entry \"%.256s\": read it: %s", name, archive_error_string(archive));
}

static int by_entry(const void *a, const void *b)
{
	const struct layer_inode *left = *(struct layer_inode *const *)a, *right = *(struct layer_inode *const *)b;

	return left->entry < right->entry ? -1 : left->entry > right->entry;
}

static int write_contents(struct writer *w, struct archive *archive)
{
	struct archive_entry *e;
	uint64_t entry = 0;
	size_t i = 0;
	int ret;

	qsort(w->files, w->file_count, sizeof(*w->files), by_entry);
	while (i < w->file_count) {
		ret = archive_read_next_header(archive, &e);
		if (ret != ARCHIVE_OK && ret != ARCHIVE_WARN)
			return gcs_fail(w->err, 0, HR_FAIL, "read the tar again: %s", archive_error_string(archive) ?: "it ends");
		if (++entry == w->files[i]->entry &&
		    write_content(w, w->files[i++], archive, archive_entry_pathname(e) ?: "") < 0)
			return -1;
	}
	return 0;
}

int layer_disk_write(int fd, const struct layer_tree *tree, struct archive *archive, const unsigned char uuid[16],
		     struct gcs_error *err)
{
	struct writer w = { .tree = tree, .err = err };
	errcode_t code;
	int ret;

	initialize_ext2_error_table();
	ret = make_filesystem(&w, fd, uuid);
	if (ret == 0)
		ret = make_nodes(&w);
	if (ret == 0)
		ret = write_contents(&w, archive);
	free(w.files);
	if (ret < 0) {
		if (w.fs)
			ext2fs_free(w.fs);
		return -1;
	}
	code = ext2fs_close_free(&w.fs);
	if (code) {
		if (w.fs)
			ext2fs_free(w.fs);
		return fail(&w, code, "", "finish it");
	}
	return 0;
}

bool layer_disk_hides_all(int fd)
{
	struct ext2_xattr_handle *x;
	void *value = NULL;
	ext2_filsys fs;
	char path[32];
	size_t size;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (ext2fs_open(path, EXT2_FLAG_64BITS, 0, 0, unix_io_manager, &fs))
		return false;
	if (ext2fs_xattrs_open(fs, EXT2_ROOT_INO, &x) == 0) {
		if (ext2fs_xattrs_read(x) || ext2fs_xattr_get(x, "trusted.overlay.opaque", &value, &size))
			value = NULL;
		ext2fs_xattrs_close(&x);
	}
	ext2fs_close(fs);
	if (!value)
		return false;
	ext2fs_free_mem(&value);
	return true;
}

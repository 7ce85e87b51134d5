// SPDX-License-Identifier: MIT
/*
 * Users by name, from the files of an image as they are on its disks. The agent does so for the containers of pods only, as hosts know
 * it; one that stands alone gets numbers.
 */
#include "image_user.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <ext2fs/ext2fs.h>

#include "cleanup.h"
#include "size.h"

#define FILE_MAX (1u << 20)

static bool is_opaque(ext2_filsys fs, ext2_ino_t ino)
{
	struct ext2_xattr_handle *x;
	bool opaque = false;
	void *value;
	size_t size;

	if (ext2fs_xattrs_open(fs, ino, &x))
		return false;
	if (ext2fs_xattrs_read(x) == 0 && ext2fs_xattr_get(x, "trusted.overlay.opaque", &value, &size) == 0) {
		ext2fs_free_mem(&value);
		opaque = true;
	}
	ext2fs_xattrs_close(&x);
	return opaque;
}

static char *read_inode(ext2_filsys fs, ext2_ino_t ino, const struct ext2_inode *inode)
{
	_cleanup_free_ char *text = NULL;
	unsigned int size, got = 0;
	ext2_file_t file;

	if (!S_ISREG(inode->i_mode) || EXT2_I_SIZE(inode) > FILE_MAX)
		return NULL;
	size = (unsigned int)EXT2_I_SIZE(inode);
	text = malloc(size + 1);
	if (!text || ext2fs_file_open(fs, ino, 0, &file))
		return NULL;
	while (got < size) {
		unsigned int n = 0;

		if (ext2fs_file_read(file, text + got, size - got, &n) || !n)
			break;
		got += n;
	}
	ext2fs_file_close(file);
	text[got] = '\0';
	return got == size ? steal_ptr(&text) : NULL;
}

/* *@text: the file in this layer. True: the layers below do not count. */
static bool read_in_layer(int fd, const char *path, char **text)
{
	struct ext2_inode inode;
	bool last = false;
	ext2_filsys fs;
	ext2_ino_t ino;
	char disk[32];

	snprintf(disk, sizeof(disk), "/proc/self/fd/%d", fd);
	if (ext2fs_open(disk, EXT2_FLAG_64BITS, 0, 0, unix_io_manager, &fs))
		return false;
	if (ext2fs_namei_follow(fs, EXT2_ROOT_INO, EXT2_ROOT_INO, path, &ino) == 0 && ext2fs_read_inode(fs, ino, &inode) == 0) {
		*text = read_inode(fs, ino, &inode);
		last = true;
	} else if (ext2fs_namei_follow(fs, EXT2_ROOT_INO, EXT2_ROOT_INO, "/etc", &ino) == 0 &&
		   ext2fs_read_inode(fs, ino, &inode) == 0) {
		last = !S_ISDIR(inode.i_mode) || is_opaque(fs, ino);
	}
	ext2fs_close(fs);
	return last;
}

static char *read_in_image(const struct image *image, const char *path)
{
	char *text = NULL;

	for (unsigned int i = 0; i < image->layer_count; i++)
		if (read_in_layer(image->layers[i], path, &text))
			break;
	return text;
}

static bool number(const char *text, uint32_t *n)
{
	return number_parse(&text, n) && !*text;
}

#define FIELDS 6

/* The next line of *@rest that has a number as its third field. */
static bool next_line(char **rest, char *field[FIELDS], uint32_t *n)
{
	char *line;

	while (*rest && (line = strsep(rest, "\n"))) {
		for (int i = 0; i < FIELDS; i++)
			field[i] = strsep(&line, ":");
		if (field[2] && number(field[2], n))
			return true;
	}
	return false;
}

/* With @name, or with @uid if that is NULL. *@found: its name, malloc'd. */
static bool find_user(const struct image *image, const char *name, uint32_t uid, struct image_user *u, char **found)
{
	_cleanup_free_ char *text = read_in_image(image, "/etc/passwd");
	char *field[FIELDS], *rest = text;
	uint32_t n;

	while (next_line(&rest, field, &n)) {
		if ((name ? strcmp(field[0], name) != 0 : n != uid) || !field[3] || !number(field[3], &u->gid))
			continue;
		u->uid = n;
		u->home = field[5] && *field[5] ? strdup(field[5]) : NULL;
		*found = strdup(field[0]);
		return true;
	}
	u->gid = 0;
	return false;
}

static bool find_group(const struct image *image, const char *name, uint32_t *gid)
{
	_cleanup_free_ char *text = read_in_image(image, "/etc/group");
	char *field[FIELDS], *rest = text;

	while (next_line(&rest, field, gid))
		if (!strcmp(field[0], name))
			return true;
	return false;
}

/* The groups that have user @name. */
static void add_groups(const struct image *image, const char *name, struct image_user *u)
{
	_cleanup_free_ char *text = read_in_image(image, "/etc/group");
	char *field[FIELDS], *rest = text, *member;
	uint32_t gid;

	while (u->group_count < IMAGE_GROUPS_MAX && next_line(&rest, field, &gid)) {
		while (field[3] && (member = strsep(&field[3], ","))) {
			if (strcmp(member, name))
				continue;
			u->groups[u->group_count++] = gid;
			break;
		}
	}
}

int image_user(const struct image *image, const char *text, struct image_user *u, struct gcs_error *err)
{
	_cleanup_free_ char *user = strdup(text), *name = NULL;
	char *group;

	*u = (struct image_user){ .uid = 0 };
	if (!user)
		return gcs_fail(err, ENOMEM, HR_FAIL, "user %s", text);
	group = strchr(user, ':');
	if (group)
		*group++ = '\0';
	/* A number needs no line, but if it has one, its group holds. */
	if (number(user, &u->uid))
		find_user(image, NULL, u->uid, u, &name);
	else if (!find_user(image, user, 0, u, &name))
		return gcs_fail(err, 0, HR_FAIL, "user %s: no such user in the image's /etc/passwd", user);
	if (!group && name)
		add_groups(image, name, u);
	if (!group || number(group, &u->gid) || find_group(image, group, &u->gid))
		return 0;
	free(steal_ptr(&u->home));
	return gcs_fail(err, 0, HR_FAIL, "user %s: no group %s in the image's /etc/group", text, group);
}

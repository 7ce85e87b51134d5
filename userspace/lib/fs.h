/* SPDX-License-Identifier: MIT */
/* Small file system helpers that never follow a link or a mount out of where they were pointed. */
#ifndef GCS_FS_H
#define GCS_FS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "error.h"

/* Absolute, not "/", no empty, "." or ".." component; a slash at the end is allowed. */
bool path_is_plain(const char *path);

/* An error that names the @field of a request unless @path is plain and has no symbolic link in it. */
int path_check(const char *field, const char *path, struct gcs_error *err);

/* Is @path @dir or below it, by components? Both plain. */
bool path_is_below(const char *path, const char *dir);

/* @path without ".", ".." and double slashes: "/a/b", or "" for the directory itself. NULL if it leads out of that; malloc'd. */
char *path_clean(const char *path);

/* Make @path and its missing parents, or none of them. *@made (may be NULL) tells whether @path itself was made. */
int fs_mkdir_p(const char *path, mode_t mode, bool *made, struct gcs_error *err);

/* Open @path as seen by a process whose root is the directory @root. openat2() flags; -1 with errno. */
int fs_open_in(int root, const char *path, uint64_t flags);

/* What was made, in order: a directory by its parent and name, or a mount by a file of it, without a name. */
struct fs_made {
	struct fs_made_entry {
		int fd;
		char *name;
	} *entries;
	size_t count;
};

int fs_made_add(struct fs_made *made, int fd, const char *name, struct gcs_error *err);

/* Take it back, the newest first, as far as it is not in use; or let it be. The list is empty then. */
void fs_made_undo(struct fs_made *made);
void fs_made_forget(struct fs_made *made);

/*
 * Make @path and its missing parents as seen by a process whose root is the directory @root: links are resolved inside. What is made has
 * exactly @mode, and if it is on @root's own mount it is added to @made, also on failure; without @made a failure takes it back.
 * Returns an O_PATH descriptor.
 */
int fs_mkdir_in(int root, const char *path, mode_t mode, struct fs_made *made, struct gcs_error *err);

/* Replace the content of a file. */
int fs_write(const char *path, const char *data, size_t length, mode_t mode, struct gcs_error *err);

/* Read a whole file of at most @max bytes: malloc'd, NUL-terminated. Returns NULL with @err. */
char *fs_read(const char *path, size_t max, struct gcs_error *err);

/* Write to an existing kernel file (sysfs, cgroup) in one write(2). */
int fs_poke(const char *path, const char *data, struct gcs_error *err);

/* Is something mounted exactly on @path? 0 if not, or if it does not exist; -1 with errno. */
int fs_is_mount(const char *path);

/* Is an open file the root of a mount? */
bool fs_fd_is_mount(int fd);

/*
 * Remove a tree. Stops at mount points: nothing behind one is removed, and the directory that holds it stays, which is
 * an error. A missing path is success.
 */
int fs_remove_tree(const char *path, struct gcs_error *err);

/* Unmount what is mounted on @path; nothing mounted, or no such path, is success. */
int fs_unmount(const char *path, struct gcs_error *err);

/*
 * Unmount an open file's mount with all below, used or not; copies of them in other places stay. -1 with errno.
 */
int fs_detach(int fd);

/*
 * The same for everything on @dir and below it. Who can make directories, links and mounts there may do so meanwhile: nothing
 * outside is touched, and nobody's file system is asked anything.
 */
int fs_unmount_below(const char *dir, struct gcs_error *err);

/*
 * The mount points on @dir and below it, in the order of @text, which is the content of /proc/<pid>/mountinfo and is changed:
 * *@paths point into it. Returns how many there are, of which at most @max are stored.
 */
size_t mountinfo_below(char *text, const char *dir, char **paths, size_t max);

/*
 * Can a process in a mount namespace of its own make another root its root and leave ours behind? Not if that is the kernel's
 * initramfs. -1 with @err.
 */
int fs_can_pivot(struct gcs_error *err);

#endif

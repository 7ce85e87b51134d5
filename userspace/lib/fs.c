// SPDX-License-Identifier: MIT
/* Small file system helpers that never follow a link or a mount out of where they were pointed. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "cleanup.h"
#include "fs.h"

bool path_is_plain(const char *path)
{
	if (path[0] != '/' || strspn(path, "/") == strlen(path))
		return false;
	while (*path) {
		size_t len = strcspn(++path, "/");

		if ((len == 0 && *path) || (len == 1 && path[0] == '.') ||
		    (len == 2 && path[0] == '.' && path[1] == '.'))
			return false;
		path += len;
	}
	return true;
}

bool path_is_below(const char *path, const char *dir)
{
	size_t len = strlen(dir);

	while (len && dir[len - 1] == '/')
		len--;
	return !strncmp(path, dir, len) && (path[len] == '/' || path[len] == '\0');
}

char *path_clean(const char *path)
{
	char *out = malloc(strlen(path) + 2), *end = out;

	while (out && *path) {
		size_t len = strcspn(path, "/");

		if (len == 2 && !strncmp(path, "..", 2)) {
			if (end == out) {
				free(out);
				return NULL;
			}
			while (*--end != '/')
				;
		} else if (len && !(len == 1 && *path == '.')) {
			*end++ = '/';
			end = mempcpy(end, path, len);
		}
		path += len + !!path[len];
	}
	if (out)
		*end = '\0';
	return out;
}

int path_check(const char *field, const char *path, struct gcs_error *err)
{
	struct open_how how = { .flags = O_PATH | O_CLOEXEC, .resolve = RESOLVE_NO_SYMLINKS };
	_cleanup_close_ int fd = -1;

	if (!path_is_plain(path))
		return gcs_fail(err, 0, HR_INVALID_ARG, "%s \"%.256s\": not an absolute path without . and ..", field, path);
	/* What is not there yet is no link. */
	fd = syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof(how));
	if (fd < 0 && errno == ELOOP)
		return gcs_fail(err, 0, HR_INVALID_ARG, "%s \"%.256s\": there is a symbolic link in it", field, path);
	return 0;
}

/* Remove what was made: @path up to each of its last @count slashes. */
static void undo_mkdir_p(char *path, int count)
{
	char *slash;

	while (count-- && (slash = strrchr(path, '/'))) {
		*slash = '\0';
		rmdir(path);
	}
}

int fs_mkdir_p(const char *path, mode_t mode, bool *made, struct gcs_error *err)
{
	_cleanup_free_ char *p = strdup(path);
	int parents = 0;
	struct stat st;

	if (made)
		*made = false;
	if (!p)
		return gcs_fail(err, ENOMEM, HR_FAIL, "%s: make directory", path);
	for (size_t len = strlen(p); len > 1 && p[len - 1] == '/';)
		p[--len] = '\0';
	for (char *at = p + 1;; at++) {
		at += strcspn(at, "/");
		char end = *at;

		*at = '\0';
		if (mkdir(p, mode) == 0) {
			parents++;
			if (!end && made)
				*made = true;
		} else if (errno != EEXIST) {
			gcs_fail(err, errno, HR_FAIL, "%s: make directory %s", path, p);
			undo_mkdir_p(p, parents);
			return -1;
		}
		*at = end;
		if (!end)
			break;
	}
	if (stat(p, &st) < 0 || !S_ISDIR(st.st_mode))
		return gcs_fail(err, ENOTDIR, HR_FAIL, "%s: make directory", path);
	return 0;
}

int fs_open_in(int root, const char *path, uint64_t flags)
{
	struct open_how how = { .flags = flags | O_CLOEXEC, .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS };

	return syscall(SYS_openat2, root, path, &how, sizeof(how));
}

static int open_dir_in(int root, const char *path)
{
	return fs_open_in(root, path, O_PATH | O_DIRECTORY);
}

/* Make @name in @parent with exactly @mode, whatever the umask is. Returns 1, 0 if it was there, -1 with errno. */
static int make_dir_at(int parent, const char *name, mode_t mode)
{
	_cleanup_close_ int fd = -1;

	if (mkdirat(parent, name, mode) < 0)
		return errno == EEXIST ? 0 : -1;
	/* It may have been replaced by a link meanwhile. */
	fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 || fchmod(fd, mode) < 0 ? -1 : 1;
}

/* Of an open file; nobody is asked who might not answer. */
static int stat_mount(int fd, struct statx *st)
{
	return statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_MNT_ID, st);
}

bool fs_fd_is_mount(int fd)
{
	struct statx st;

	return stat_mount(fd, &st) == 0 && st.stx_attributes & STATX_ATTR_MOUNT_ROOT;
}

static bool same_mount(int a, int b)
{
	struct statx x, y;

	return stat_mount(a, &x) == 0 && stat_mount(b, &y) == 0 && x.stx_mnt_id == y.stx_mnt_id;
}

int fs_made_add(struct fs_made *made, int fd, const char *name, struct gcs_error *err)
{
	struct fs_made_entry *bigger = reallocarray(made->entries, made->count + 1, sizeof(*bigger));
	struct fs_made_entry e = { .fd = fcntl(fd, F_DUPFD_CLOEXEC, 0), .name = name ? strdup(name) : NULL };

	if (bigger)
		made->entries = bigger;
	if (bigger && e.fd >= 0 && (e.name || !name)) {
		bigger[made->count++] = e;
		return 0;
	}
	gcs_fail(err, errno, HR_FAIL, "%s: remember it", name ? name : "mount");
	if (e.fd >= 0)
		close(e.fd);
	free(e.name);
	return -1;
}

static void made_end(struct fs_made *made, bool undo)
{
	while (made->count) {
		struct fs_made_entry *e = &made->entries[--made->count];

		if (undo && e->name)
			unlinkat(e->fd, e->name, AT_REMOVEDIR);
		else if (undo)
			fs_detach(e->fd);
		close(e->fd);
		free(e->name);
	}
	free(made->entries);
	made->entries = NULL;
}

void fs_made_undo(struct fs_made *made)
{
	made_end(made, true);
}

void fs_made_forget(struct fs_made *made)
{
	made_end(made, false);
}

static int make_path(int root, const char *path, mode_t mode, struct fs_made *made, struct gcs_error *err)
{
	_cleanup_close_ int parent = open_dir_in(root, "/");
	_cleanup_free_ char *p = strdup(path);
	char *name, *at;

	if (parent < 0 || !p)
		return gcs_fail(err, errno, HR_FAIL, "%s: open its root", path);
	/* Each prefix is resolved afresh from the root, so that a link in it cannot lead out. */
	for (at = p; *at;) {
		int fd;
		char end;

		at += strspn(at, "/");
		name = at;
		at += strcspn(at, "/");
		if (at == name)
			break;
		end = *at;
		*at = '\0';
		fd = open_dir_in(root, p);
		if (fd < 0 && errno == ENOENT) {
			int new = make_dir_at(parent, name, mode);

			if (new < 0)
				return gcs_fail(err, errno, HR_FAIL, "%s: make %s", path, p);
			/* What is made in a mount that somebody has made below the root is that one's. */
			if (new && same_mount(parent, root) && fs_made_add(made, parent, name, err) < 0) {
				unlinkat(parent, name, AT_REMOVEDIR);
				return -1;
			}
			fd = open_dir_in(root, p);
		}
		if (fd < 0)
			return gcs_fail(err, errno, HR_FAIL, "%s: resolve %s", path, p);
		*at = end;
		close(parent);
		parent = fd;
	}
	return steal_fd(&parent);
}

int fs_mkdir_in(int root, const char *path, mode_t mode, struct fs_made *made, struct gcs_error *err)
{
	struct fs_made own = { 0 };
	int fd = make_path(root, path, mode, made ? made : &own, err);

	if (fd < 0)
		fs_made_undo(&own);
	else
		fs_made_forget(&own);
	return fd;
}

static int write_all(int fd, const char *data, size_t length)
{
	while (length) {
		ssize_t n = write(fd, data, length);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		data += n;
		length -= n;
	}
	return 0;
}

int fs_write(const char *path, const char *data, size_t length, mode_t mode, struct gcs_error *err)
{
	_cleanup_close_ int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, mode);

	if (fd < 0)
		return gcs_fail(err, errno, HR_FAIL, "%s: create", path);
	if (write_all(fd, data, length) < 0)
		return gcs_fail(err, errno, HR_FAIL, "%s: write", path);
	return 0;
}

char *fs_read(const char *path, size_t max, struct gcs_error *err)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	_cleanup_free_ char *data = NULL;
	size_t len = 0, room = 0;
	ssize_t n;

	if (fd < 0) {
		gcs_fail(err, errno, HR_FAIL, "%s: open", path);
		return NULL;
	}
	for (;;) {
		if (len == room) {
			char *bigger = realloc(data, (room = room ? room * 2 : 4096) + 1);

			if (!bigger) {
				gcs_fail(err, ENOMEM, HR_FAIL, "%s: read", path);
				return NULL;
			}
			data = bigger;
		}
		n = read(fd, data + len, room - len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			gcs_fail(err, errno, HR_FAIL, "%s: read", path);
			return NULL;
		}
		if (n == 0)
			break;
		len += n;
		if (len > max) {
			gcs_fail(err, EFBIG, HR_FAIL, "%s: read", path);
			return NULL;
		}
	}
	data[len] = '\0';
	return steal_ptr(&data);
}

int fs_poke(const char *path, const char *data, struct gcs_error *err)
{
	_cleanup_close_ int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return gcs_fail(err, errno, HR_FAIL, "%s: open", path);
	if (write(fd, data, strlen(data)) < 0)
		return gcs_fail(err, errno, HR_FAIL, "%s: write \"%s\"", path, data);
	return 0;
}

int fs_is_mount(const char *path)
{
	struct statx st;

	if (statx(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_STATX_DONT_SYNC, STATX_TYPE, &st) < 0)
		return errno == ENOENT || errno == ENOTDIR ? 0 : -1;
	return !!(st.stx_attributes & STATX_ATTR_MOUNT_ROOT);
}

/* Deeper directories are moved up first: who made the tree must not decide how much memory its removal takes. */
#define DEPTH_MAX 32

struct removal {
	int top;	    /* the directory whose content goes */
	unsigned int moved; /* directories that were moved there */
};

static int move_up(struct removal *r, int dir, const char *name)
{
	char to[64];
	long ret;

	/* A name that is taken, by the tree's maker on purpose perhaps, is not overwritten. */
	do
		snprintf(to, sizeof(to), ".removed-%u", r->moved++);
	while ((ret = syscall(SYS_renameat2, dir, name, r->top, to, RENAME_NOREPLACE)) < 0 && errno == EEXIST);
	return ret;
}

/* Remove what is in @dir (taken over). Returns how many entries had to stay, the first one named in @err. */
static unsigned int remove_entries(struct removal *r, int dir, int depth, const char *path, struct gcs_error *err)
{
	_cleanup_dir_ DIR *d = fdopendir(dir);
	unsigned int kept = 0;
	struct dirent *e;

	if (!d) {
		gcs_fail(err, errno, HR_FAIL, "%s: read directory", path);
		close(dir);
		return 1;
	}
	while ((e = readdir(d))) {
		struct statx st;
		int fd;

		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
			continue;
		if (statx(dirfd(d), e->d_name, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT, STATX_TYPE, &st) < 0) {
			if (errno == ENOENT)
				continue;
			if (!kept++)
				gcs_fail(err, errno, HR_FAIL, "%s/%s: stat", path, e->d_name);
			continue;
		}
		if (st.stx_attributes & STATX_ATTR_MOUNT_ROOT) {
			if (!kept++)
				gcs_fail(err, EBUSY, HR_FAIL, "%s/%s: still mounted, not removed", path, e->d_name);
			continue;
		}
		if (S_ISDIR(st.stx_mode) && depth >= DEPTH_MAX) {
			if (move_up(r, dirfd(d), e->d_name) < 0 && !kept++)
				gcs_fail(err, errno, HR_FAIL, "%s/%s: move up", path, e->d_name);
			continue;
		}
		if (S_ISDIR(st.stx_mode)) {
			/* O_NOFOLLOW and a look at the open directory: it may have been replaced meanwhile. */
			fd = openat(dirfd(d), e->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
			if (fd >= 0 && (statx(fd, "", AT_EMPTY_PATH, STATX_TYPE, &st) < 0 ||
					(st.stx_attributes & STATX_ATTR_MOUNT_ROOT))) {
				close(fd);
				fd = -1;
				errno = EBUSY;
			}
			if (fd < 0) {
				if (!kept++)
					gcs_fail(err, errno, HR_FAIL, "%s/%s: open", path, e->d_name);
				continue;
			}
			if (remove_entries(r, fd, depth + 1, e->d_name, kept ? NULL : err)) {
				if (!kept++)
					gcs_fail_prefix(err, "%s", path);
				continue;
			}
		}
		if (unlinkat(dirfd(d), e->d_name, S_ISDIR(st.stx_mode) ? AT_REMOVEDIR : 0) < 0 && errno != ENOENT)
			if (!kept++)
				gcs_fail(err, errno, HR_FAIL, "%s/%s: remove", path, e->d_name);
	}
	return kept;
}

/* Returns 0 when the directory is empty. */
static int empty_dir(const char *path, struct gcs_error *err)
{
	_cleanup_close_ int top = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct removal r = { .top = top };
	unsigned int before;
	int dir;

	if (top < 0)
		return gcs_fail(err, errno, HR_FAIL, "%s: open", path);
	do {
		before = r.moved;
		dir = openat(top, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (dir < 0)
			return gcs_fail(err, errno, HR_FAIL, "%s: open", path);
		if (remove_entries(&r, dir, 0, path, err))
			return -1;
	} while (r.moved != before);
	return 0;
}

int fs_remove_tree(const char *path, struct gcs_error *err)
{
	struct stat st;
	int mount;

	mount = fs_is_mount(path);
	if (mount < 0)
		return gcs_fail(err, errno, HR_FAIL, "%s: stat", path);
	if (mount)
		return gcs_fail(err, EBUSY, HR_FAIL, "%s: still mounted, not removed", path);
	if (lstat(path, &st) < 0)
		return errno == ENOENT || errno == ENOTDIR ? 0 : gcs_fail(err, errno, HR_FAIL, "%s: stat", path);
	if (S_ISDIR(st.st_mode) && empty_dir(path, err) < 0)
		return -1;
	if ((S_ISDIR(st.st_mode) ? rmdir(path) : unlink(path)) < 0 && errno != ENOENT)
		return gcs_fail(err, errno, HR_FAIL, "%s: remove", path);
	return 0;
}

int fs_unmount(const char *path, struct gcs_error *err)
{
	/* What does not tell may be a mount, of a file system whose server has gone. */
	if (fs_is_mount(path) && umount2(path, UMOUNT_NOFOLLOW) < 0)
		return gcs_fail(err, errno, HR_FAIL, "%s: unmount", path);
	return 0;
}

int fs_detach(int fd)
{
	char link[32];

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	/* Shared with a mount elsewhere, its going would be the end of what is mounted there, too. */
	if (mount("", link, "", MS_PRIVATE | MS_REC, "") < 0)
		return -1;
	return umount2(link, MNT_DETACH);
}

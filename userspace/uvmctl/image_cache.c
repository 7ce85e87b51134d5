// SPDX-License-Identifier: MIT
/* Layers that are disks already. */
#include "image_cache.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cleanup.h"
#include "fs.h"
#include "json.h"

#define ENTRY_MAX 128
#define NOTE_MAX (1 << 20)
#define PLAIN ".ext4"
#define VERITY ".verity"

static const struct json_field note_table[] = {
	JSON_STRING(struct cached_image, name, "name"),
	JSON_STRING(struct cached_image, digest, "digest", .required = true),
	JSON_STRING(struct cached_image, platform, "platform"),
	JSON_STRINGS(struct cached_image, layers, "layers"),
	JSON_END
};

static char *cache_path(void)
{
	const char *xdg = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
	char *path = NULL;
	int n;

	/* A path that is not absolute counts for nothing, says the specification. */
	if (xdg && *xdg == '/')
		n = asprintf(&path, "%s/opengcs", xdg);
	else if (geteuid() == 0 || !home || *home != '/')
		n = asprintf(&path, "/var/cache/opengcs");
	else
		n = asprintf(&path, "%s/.cache/opengcs", home);
	return n < 0 ? NULL : path;
}

static int open_dir(const char *path, const char *name, struct gcs_error *err)
{
	_cleanup_free_ char *full = NULL;
	_cleanup_close_ int fd = -1;
	struct stat st;

	if (asprintf(&full, "%s/%s", path, name) < 0) {
		full = NULL;
		return gcs_fail(err, ENOMEM, HR_FAIL, "cache");
	}
	/* Others on this machine have no business with what is in images, programs with set-user-ID among it. */
	if (fs_mkdir_p(full, 0700, NULL, err) < 0)
		return gcs_fail_prefix(err, "cache (XDG_CACHE_HOME says where)");
	fd = open(full, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0)
		return gcs_fail(err, errno, HR_FAIL, "cache %s", full);
	/* Who else can write there could have put another disk under a layer's name. */
	if (st.st_uid == geteuid() && !(st.st_mode & 022))
		return steal_fd(&fd);
	return gcs_fail(err, 0, HR_FAIL, "cache %s: it is not yours alone (owner %u, mode %03o); set XDG_CACHE_HOME for another one", full,
			st.st_uid, st.st_mode & 0777);
}

int image_cache_open(struct image_cache *c, struct gcs_error *err)
{
	*c = (struct image_cache){ .layers = -1, .images = -1, .path = cache_path() };
	if (!c->path)
		return gcs_fail(err, ENOMEM, HR_FAIL, "cache");
	c->layers = open_dir(c->path, "layers-2", err);
	c->images = c->layers < 0 ? -1 : open_dir(c->path, "images", err);
	if (c->images >= 0)
		return 0;
	image_cache_close(c);
	return -1;
}

void image_cache_close(struct image_cache *c)
{
	if (c->layers >= 0)
		close(c->layers);
	if (c->images >= 0)
		close(c->images);
	free(c->path);
	*c = (struct image_cache){ .layers = -1, .images = -1 };
}

static const char *hex(const char *digest)
{
	return digest + sizeof(DIGEST_PREFIX) - 1;
}

static void entry_name(char name[ENTRY_MAX], const char *digest, const char *suffix)
{
	snprintf(name, ENTRY_MAX, "%s%s", hex(digest), suffix);
}

static bool is_named(int fd, int dir, const char *name)
{
	struct stat open, named;

	return fstat(fd, &open) == 0 && fstatat(dir, name, &named, AT_SYMLINK_NOFOLLOW) == 0 && open.st_dev == named.st_dev &&
	       open.st_ino == named.st_ino;
}

#define GONE -2

/*
 * Open and lock @name, which is empty then. The lock is waited for, and whoever had it may have renamed or removed the file: GONE,
 * look again. -1 with errno.
 */
static int lock_new(int dir, const char *name)
{
	_cleanup_close_ int fd = openat(dir, name, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);

	if (fd < 0)
		return -1;
	while (flock(fd, LOCK_EX) < 0)
		if (errno != EINTR)
			return -1;
	if (!is_named(fd, dir, name))
		return GONE;
	return ftruncate(fd, 0) < 0 ? -1 : steal_fd(&fd);
}

static int finish_new(int dir, int fd, const char *from, const char *to, struct gcs_error *err)
{
	if (fchmod(fd, 0400) < 0 || fsync(fd) < 0 || renameat(dir, from, dir, to) < 0 || fsync(dir) < 0)
		return gcs_fail(err, errno, HR_FAIL, "cache: keep %s", to);
	return 0;
}

/* @how: LOCK_SH while layers are made that no note names yet, LOCK_EX while what no note names is removed. Until image_cache_close(). */
static int lock_layers(const struct image_cache *c, int how, struct gcs_error *err)
{
	while (flock(c->layers, how) < 0)
		if (errno != EINTR)
			return gcs_fail(err, errno, HR_FAIL, "cache %s: lock", c->path);
	return 0;
}

int image_cache_hold(const struct image_cache *c, struct gcs_error *err)
{
	return lock_layers(c, LOCK_SH, err);
}

int image_cache_layer(const struct image_cache *c, const char *diff_id, bool verity, layer_maker make, void *arg, struct gcs_error *err)
{
	char name[ENTRY_MAX], new[ENTRY_MAX];

	entry_name(name, diff_id, verity ? VERITY : PLAIN);
	entry_name(new, diff_id, ".new");
	for (;;) {
		_cleanup_close_ int fd = openat(c->layers, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);

		if (fd >= 0)
			return steal_fd(&fd);
		if (errno != ENOENT)
			return gcs_fail(err, errno, HR_FAIL, "cache %s: layer %s", c->path, diff_id);
		fd = lock_new(c->layers, new);
		if (fd == GONE)
			continue;
		if (fd < 0)
			return gcs_fail(err, errno, HR_FAIL, "cache %s: make layer %s", c->path, diff_id);
		/* Somebody may have finished it between the two looks. */
		if (faccessat(c->layers, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0) {
			unlinkat(c->layers, new, 0);
			continue;
		}
		if (make(fd, arg, err) == 0 && finish_new(c->layers, fd, new, name, err) == 0)
			continue;
		unlinkat(c->layers, new, 0);
		return -1;
	}
}

static int read_note(const struct image_cache *c, const char *name, struct cached_image *note)
{
	_cleanup_close_ int fd = openat(c->images, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	_cleanup_free_ char *text = NULL;
	struct stat st;
	ssize_t n;

	if (fd < 0 || fstat(fd, &st) < 0 || st.st_size > NOTE_MAX)
		return -1;
	text = malloc((size_t)st.st_size + 1);
	n = text ? read(fd, text, (size_t)st.st_size) : -1;
	if (n < 0 || json_decode(note_table, note, text, (size_t)n, NULL) < 0 || !digest_valid(note->digest)) {
		json_free(note_table, note);
		return -1;
	}
	note->used = st.st_mtime;
	return 0;
}

int image_cache_note(const struct image_cache *c, const struct oci_image *image, const char *name, struct gcs_error *err)
{
	struct cached_image note = { .name = (char *)name, .digest = (char *)image->digest, .platform = (char *)image->platform,
				     .layers = image->diff_ids };
	struct cached_image old = { .name = NULL };
	char entry[ENTRY_MAX], new[ENTRY_MAX];
	_cleanup_free_ char *text = NULL;
	_cleanup_close_ int fd = -1;
	size_t length;
	bool known;

	entry_name(entry, image->digest, ".json");
	known = read_note(c, entry, &old) == 0 && !strcmp(json_str(old.name), name);
	json_free(note_table, &old);
	/* All but the time is as it was. */
	if (known && utimensat(c->images, entry, NULL, 0) == 0)
		return 0;
	entry_name(new, image->digest, ".new");
	if (json_encode(note_table, &note, &text, &length, err) < 0)
		return -1;
	do
		fd = lock_new(c->images, new);
	while (fd == GONE);
	if (fd < 0)
		return gcs_fail(err, errno, HR_FAIL, "cache %s: note image %s", c->path, image->digest);
	if (write(fd, text, length) == (ssize_t)length) {
		if (finish_new(c->images, fd, new, entry, err) == 0)
			return 0;
	} else {
		gcs_fail(err, errno, HR_FAIL, "cache %s: note image %s", c->path, image->digest);
	}
	unlinkat(c->images, new, 0);
	return -1;
}

/* --- what there is --- */

/* The directory @fd, which stays the caller's, from its begin. */
static DIR *list_dir(int fd)
{
	int copy = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = copy < 0 ? NULL : fdopendir(copy);

	if (!d && copy >= 0)
		close(copy);
	return d;
}

/* Is @name 64 digits and then @suffix? */
static bool named(const char *name, const char *suffix)
{
	size_t digits = SHA256_DIGEST_STRING_LENGTH - 1;

	return strspn(name, "0123456789abcdef") == digits && !strcmp(name + digits, suffix);
}

static int by_use(const void *a, const void *b)
{
	const struct cached_image *left = a, *right = b;

	return left->used > right->used ? -1 : left->used < right->used ? 1 : strcmp(left->digest, right->digest);
}

int image_cache_list(const struct image_cache *c, struct cached_images *images, struct gcs_error *err)
{
	_cleanup_dir_ DIR *d = list_dir(c->images);
	struct cached_image *list;
	struct dirent *e;

	*images = (struct cached_images){ .count = 0 };
	if (!d)
		return gcs_fail(err, errno, HR_FAIL, "cache %s: list", c->path);
	while ((e = readdir(d))) {
		struct cached_image note = { .name = NULL };

		if (!named(e->d_name, ".json") || read_note(c, e->d_name, &note) < 0)
			continue;
		list = reallocarray(images->list, images->count + 1, sizeof(*list));
		if (!list) {
			json_free(note_table, &note);
			cached_images_free(images);
			return gcs_fail(err, ENOMEM, HR_FAIL, "cache");
		}
		images->list = list;
		list[images->count++] = note;
	}
	if (images->count)
		qsort(images->list, images->count, sizeof(*images->list), by_use);
	return 0;
}

void cached_images_free(struct cached_images *images)
{
	while (images->count)
		json_free(note_table, &images->list[--images->count]);
	free(images->list);
	images->list = NULL;
}

uint64_t image_cache_size(const struct image_cache *c, const char *diff_id)
{
	char name[ENTRY_MAX];
	uint64_t size = 0;
	struct stat st;

	if (!digest_valid(diff_id))
		return 0;
	entry_name(name, diff_id, PLAIN);
	if (fstatat(c->layers, name, &st, AT_SYMLINK_NOFOLLOW) == 0)
		size += (uint64_t)st.st_blocks * 512;
	entry_name(name, diff_id, VERITY);
	if (fstatat(c->layers, name, &st, AT_SYMLINK_NOFOLLOW) == 0)
		size += (uint64_t)st.st_blocks * 512;
	return size;
}

int image_cache_forget(const struct image_cache *c, const struct cached_image *image, struct gcs_error *err)
{
	char name[ENTRY_MAX];

	entry_name(name, image->digest, ".json");
	return unlinkat(c->images, name, 0) < 0 && errno != ENOENT ?
		       gcs_fail(err, errno, HR_FAIL, "cache %s: forget image %s", c->path, image->digest) : 0;
}

/* Nobody makes it any more: remove it. */
static void remove_left(int dir, const char *name)
{
	_cleanup_close_ int fd = openat(dir, name, O_RDWR | O_NOFOLLOW | O_CLOEXEC);

	if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0 && is_named(fd, dir, name))
		unlinkat(dir, name, 0);
}

static bool in_use(const struct cached_images *images, const char *name)
{
	for (size_t i = 0; i < images->count; i++)
		for (char **id = images->list[i].layers; id && *id; id++)
			if (digest_valid(*id) && !strncmp(name, hex(*id), SHA256_DIGEST_STRING_LENGTH - 1))
				return true;
	return false;
}

int image_cache_prune(const struct image_cache *c, unsigned int *removed, uint64_t *bytes, struct gcs_error *err)
{
	_cleanup_dir_ DIR *layers = list_dir(c->layers), *notes = list_dir(c->images);
	struct cached_images images;
	struct dirent *e;
	struct stat st;
	int ret = 0;

	*removed = 0;
	*bytes = 0;
	if (!layers || !notes)
		return gcs_fail(err, errno, HR_FAIL, "cache %s: list", c->path);
	/* Only then: who has just made layers has noted them. */
	if (lock_layers(c, LOCK_EX, err) < 0 || image_cache_list(c, &images, err) < 0)
		return -1;
	while ((e = readdir(notes)))
		if (named(e->d_name, ".new"))
			remove_left(c->images, e->d_name);
	while (ret == 0 && (e = readdir(layers))) {
		if (named(e->d_name, ".new"))
			remove_left(c->layers, e->d_name);
		if ((!named(e->d_name, PLAIN) && !named(e->d_name, VERITY)) || in_use(&images, e->d_name) ||
		    fstatat(c->layers, e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		if (unlinkat(c->layers, e->d_name, 0) < 0) {
			ret = gcs_fail(err, errno, HR_FAIL, "cache %s: remove %s", c->path, e->d_name);
			break;
		}
		++*removed;
		*bytes += (uint64_t)st.st_blocks * 512;
	}
	cached_images_free(&images);
	return ret;
}

// SPDX-License-Identifier: MIT
/* CombinedLayers: a container's root file system from layers and a scratch (storage-and-network.md section 8). */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cleanup.h"
#include "fs.h"
#include "storage/internal.h"

/* What was built for one root. It lives until both the overlay and the bundle's bind are gone. Owned by whoever has set @busy. */
struct root {
	char *root, *bundle;
	bool busy;
	bool mounted; /* the overlay */
	bool bound;   /* the bundle, on the scratch's "bundle" directory */
	bool held;    /* by a container, which has files in the bundle */
	struct root *next;
};

/* Protects the list and @busy; nothing is done under it. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct root *roots;

static void root_free(struct root *r)
{
	if (!r)
		return;
	free(r->root);
	free(r->bundle);
	free(r);
}

static struct root *root_new(const char *path, struct gcs_error *err)
{
	struct root *r = calloc(1, sizeof(*r));

	if (r && (r->root = strdup(path)) && (r->bundle = strdup(path))) {
		*strrchr(r->bundle, '/') = '\0';
		return r;
	}
	root_free(r);
	gcs_fail(err, ENOMEM, HR_FAIL, "layers on %s", path);
	return NULL;
}

/* Own the record whose root, or bundle, is @path. Returns 1 with *@r, 0 if there is none, -1 with @err if it is busy. */
static int acquire(const char *path, bool by_bundle, struct root **r, struct gcs_error *err)
{
	bool busy = false;

	pthread_mutex_lock(&lock);
	for (*r = roots; *r && strcmp(by_bundle ? (*r)->bundle : (*r)->root, path);)
		*r = (*r)->next;
	if (*r) {
		busy = (*r)->busy;
		(*r)->busy = true;
	}
	pthread_mutex_unlock(&lock);
	if (busy)
		return gcs_fail(err, EBUSY, HR_FAIL, "layers on %s: are being combined or removed", path);
	return *r != NULL;
}

/* Let go of a record, and forget it if it stands for nothing any more. */
static void release(struct root *r)
{
	struct root **at;

	pthread_mutex_lock(&lock);
	r->busy = false;
	if (!r->mounted && !r->bound) {
		for (at = &roots; *at != r;)
			at = &(*at)->next;
		*at = r->next;
	} else {
		r = NULL;
	}
	pthread_mutex_unlock(&lock);
	root_free(r);
}

/* Own the record for @path, made if there is none. */
static struct root *acquire_or_new(const char *path, struct gcs_error *err)
{
	struct root *fresh = root_new(path, err), *r;

	if (!fresh)
		return NULL;
	pthread_mutex_lock(&lock);
	for (r = roots; r && strcmp(r->root, path);)
		r = r->next;
	if (!r) {
		r = fresh;
		fresh = NULL;
		r->next = roots;
		roots = r;
	} else if (r->busy) {
		r = NULL;
	}
	if (r)
		r->busy = true;
	pthread_mutex_unlock(&lock);
	root_free(fresh);
	if (!r)
		gcs_fail(err, EBUSY, HR_FAIL, "layers on %s: are being combined or removed", path);
	return r;
}

static int check(const struct combined_layers *l, struct gcs_error *err)
{
	if (!path_is_plain(l->root) || strchr(l->root + 1, '/') == NULL)
		return gcs_fail(err, 0, HR_INVALID_ARG, "ContainerRootPath \"%s\": not a path below a bundle", l->root);
	if (*l->scratch && (!path_is_plain(l->scratch) || strpbrk(l->scratch, ":,\\")))
		return gcs_fail(err, 0, HR_INVALID_ARG, "ScratchPath \"%s\": not an absolute path without . .. : , \\",
				l->scratch);
	if (!l->layers || !l->layers[0])
		return gcs_fail(err, 0, HR_INVALID_ARG, "layers on %s: there are none", l->root);
	for (char *const *layer = l->layers; *layer; layer++)
		if (!path_is_plain(*layer) || strpbrk(*layer, ":,\\"))
			return gcs_fail(err, 0, HR_INVALID_ARG, "layers on %s: \"%s\": not an absolute path without . .. : "
					", \\", l->root, *layer);
	return 0;
}

/* Whatever is put into the bundle later belongs on the scratch disk, not into memory. */
static int bind_bundle(struct root *r, const struct combined_layers *l, struct gcs_error *err)
{
	_cleanup_free_ char *backing = NULL;
	bool made = false;

	if (!*l->scratch || r->bound || path_is_below(l->scratch, r->bundle))
		return 0;
	if (asprintf(&backing, "%s/bundle", l->scratch) < 0) {
		backing = NULL;
		return gcs_fail(err, ENOMEM, HR_FAIL, "layers on %s", l->root);
	}
	if (fs_mkdir_p(backing, 0755, NULL, err) < 0 || fs_mkdir_p(r->bundle, 0755, &made, err) < 0)
		return -1;
	if (mount(backing, r->bundle, "", MS_BIND, "") == 0) {
		r->bound = true;
		return 0;
	}
	gcs_fail(err, errno, HR_FAIL, "%s: bind %s", r->bundle, backing);
	if (made)
		rmdir(r->bundle);
	return -1;
}

/* Directories that this call has made, to be removed by rmdir(2) if it fails: never anybody's data. */
struct made {
	char *paths[3];
	size_t count;
};

static void made_free(struct made *m)
{
	while (m->count)
		free(m->paths[--m->count]);
}
#define _cleanup_made_ __attribute__((cleanup(made_free)))

static int make_dir(struct made *m, const char *dir, const char *name, struct gcs_error *err)
{
	_cleanup_free_ char *path = NULL;
	bool made = false;

	if (asprintf(&path, "%s%s", dir, name) < 0) {
		path = NULL;
		return gcs_fail(err, ENOMEM, HR_FAIL, "%s%s", dir, name);
	}
	if (fs_mkdir_p(path, 0755, &made, err) < 0)
		return -1;
	if (made)
		m->paths[m->count++] = steal_ptr(&path);
	return 0;
}

static int combine(struct root *r, const struct combined_layers *l, struct gcs_error *err)
{
	_cleanup_made_ struct made made = { 0 };

	if ((*l->scratch &&
	     (make_dir(&made, l->scratch, "/upper", err) < 0 || make_dir(&made, l->scratch, "/work", err) < 0)) ||
	    make_dir(&made, l->root, "", err) < 0 || overlay_mount(l, err) < 0) {
		while (made.count) {
			rmdir(made.paths[--made.count]);
			free(made.paths[made.count]);
		}
		return -1;
	}
	r->mounted = true;
	return 0;
}

int layers_combine(const struct combined_layers *l, struct gcs_error *err)
{
	bool was_bound;
	struct root *r;
	int ret;

	if (check(l, err) < 0)
		return -1;
	r = acquire_or_new(l->root, err);
	if (!r)
		return -1;
	if (r->mounted) {
		release(r);
		return gcs_fail(err, EEXIST, HR_FAIL, "layers on %s: there are some already", l->root);
	}
	was_bound = r->bound;
	ret = bind_bundle(r, l, err);
	if (ret == 0)
		ret = combine(r, l, err);
	if (ret < 0 && r->bound && !was_bound && fs_unmount(r->bundle, NULL) == 0)
		r->bound = false;
	release(r);
	return ret;
}

int layers_remove(const char *root, struct gcs_error *err)
{
	struct root *r;
	int ret;

	if (!path_is_plain(root))
		return gcs_fail(err, 0, HR_INVALID_ARG, "ContainerRootPath \"%s\": not an absolute path without . and ..",
				root);
	ret = acquire(root, false, &r, err);
	if (ret < 0)
		return -1;
	/* Without a record it may be a former agent's; what is not there is success. */
	ret = fs_unmount(root, err);
	if (ret == 0)
		/* Stays if it is not empty: then it held something before it was mounted on. */
		rmdir(root);
	if (r) {
		if (ret == 0)
			r->mounted = false;
		/* Of a container that was never made. The host may have mounted something there, then it stays. */
		if (ret == 0 && r->bound && !r->held && fs_unmount(r->bundle, NULL) == 0) {
			r->bound = false;
			rmdir(r->bundle);
		}
		release(r);
	}
	return ret;
}

int layers_hold_bundle(const char *bundle, struct gcs_error *err)
{
	struct root *r;
	int ret = acquire(bundle, true, &r, err);

	if (ret <= 0)
		return ret;
	r->held = true;
	release(r);
	return 0;
}

void layers_unhold_bundle(const char *bundle)
{
	pthread_mutex_lock(&lock);
	for (struct root *r = roots; r; r = r->next)
		if (!strcmp(r->bundle, bundle))
			r->held = false;
	pthread_mutex_unlock(&lock);
}

int layers_release_bundle(const char *bundle, struct gcs_error *err)
{
	struct root *r;
	int ret = acquire(bundle, true, &r, err);

	if (ret <= 0)
		return ret;
	ret = r->bound ? fs_unmount(bundle, err) : 0;
	if (ret == 0)
		r->bound = r->held = false;
	release(r);
	return ret;
}

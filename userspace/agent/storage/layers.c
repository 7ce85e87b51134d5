// SPDX-License-Identifier: MIT
/* CombinedLayers: a container's root file system from layers and a scratch (storage-and-network.md section 8). */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cleanup.h"
#include "fs.h"
#include "storage/internal.h"

/* The kind of a bundle that is bound on the "bundle" directory of its scratch. */
#define BUNDLE "bundle"

/* An overlay's options have no room for these. */
static int check_option(const char *field, const char *path, struct gcs_error *err)
{
	if (strpbrk(path, ":,\\"))
		return gcs_fail(err, 0, HR_INVALID_ARG, "%s \"%s\": has one of : , \\ in it", field, path);
	return 0;
}

static int check_layer(const char *path, size_t n, struct gcs_error *err)
{
	char field[32];

	snprintf(field, sizeof(field), "Layers[%zu]: Path", n);
	/* Nothing is made there: it may be a link. */
	if (!path_is_plain(path))
		return gcs_fail(err, 0, HR_INVALID_ARG, "%s \"%s\": not an absolute path without . and ..", field, path);
	return check_option(field, path, err);
}

static int check(const struct combined_layers *l, struct gcs_error *err)
{
	if (path_check("ContainerRootPath", l->root, err) < 0)
		return -1;
	if (strchr(l->root + 1, '/') == NULL)
		return gcs_fail(err, 0, HR_INVALID_ARG, "ContainerRootPath \"%s\": not a path below a bundle", l->root);
	if (*l->scratch && (path_check("ScratchPath", l->scratch, err) < 0 || check_option("ScratchPath", l->scratch, err) < 0))
		return -1;
	if (!l->layers || !l->layers[0])
		return gcs_fail(err, 0, HR_INVALID_ARG, "layers on %s: Layers: there are none", l->root);
	for (size_t i = 0; l->layers[i]; i++)
		if (check_layer(l->layers[i], i, err) < 0)
			return gcs_fail_prefix(err, "layers on %s", l->root);
	return 0;
}

static char *bundle_of(const char *root, struct gcs_error *err)
{
	char *bundle = strdup(root);

	if (bundle)
		*strrchr(bundle, '/') = '\0';
	else
		gcs_fail(err, ENOMEM, HR_FAIL, "layers on %s", root);
	return bundle;
}

/* Directories of the scratch's that a call has made. They stay for good, with the data in them, if it succeeds. */
struct made {
	char *paths[4];
	size_t count;
};

static void made_free(struct made *m)
{
	while (m->count)
		free(m->paths[--m->count]);
}
#define _cleanup_made_ __attribute__((cleanup(made_free)))

static void made_undo(struct made *m)
{
	char work[PATH_MAX];

	for (size_t i = m->count; i--;) {
		/* The kernel makes this one, and leaves it if it cannot mount. */
		if (snprintf(work, sizeof(work), "%s/work", m->paths[i]) < (int)sizeof(work))
			rmdir(work);
		rmdir(m->paths[i]);
	}
}

static int make_dir(struct made *m, const char *scratch, const char *name, struct gcs_error *err)
{
	_cleanup_free_ char *path = NULL;
	bool is_new = false;

	if (asprintf(&path, "%s%s", scratch, name) < 0) {
		path = NULL;
		return gcs_fail(err, ENOMEM, HR_FAIL, "%s%s", scratch, name);
	}
	if (fs_mkdir_p(path, 0755, &is_new, err) < 0)
		return -1;
	if (is_new)
		m->paths[m->count++] = steal_ptr(&path);
	return 0;
}

/* Whatever is put into the bundle later belongs on the scratch disk, not into memory. *@bundle: what was bound, or NULL. */
static int bind_bundle(const char *path, const struct combined_layers *l, struct made *m, struct owned **bundle, struct gcs_error *err)
{
	_cleanup_free_ char *backing = NULL;
	struct owned *o;
	int ret;

	*bundle = NULL;
	if (!*l->scratch || path_is_below(l->scratch, path))
		return 0;
	ret = owned_acquire(path, NULL, &o, err);
	if (ret) {
		/* It is on a disk already: an earlier call has bound it. */
		if (ret > 0)
			owned_keep(o);
		return ret < 0 ? -1 : 0;
	}
	if (asprintf(&backing, "%s/bundle", l->scratch) < 0) {
		backing = NULL;
		return gcs_fail(err, ENOMEM, HR_FAIL, "layers on %s", l->root);
	}
	o = owned_claim(path, BUNDLE, err);
	if (!o)
		return -1;
	if (owned_use(o, l->scratch, err) < 0 || make_dir(m, l->scratch, "/bundle", err) < 0 ||
	    owned_mkdir(o, path, 0755, err) < 0)
		goto err_undo;
	if (mount(backing, path, "", MS_BIND, "") < 0) {
		gcs_fail(err, errno, HR_FAIL, "%s: bind %s", path, backing);
		goto err_undo;
	}
	if (owned_push(o, OWNED_MOUNT, path, err) < 0)
		goto err_undo;
	*bundle = o;
	return 0;

err_undo:
	owned_abandon(o);
	return -1;
}

static int mount_root(struct owned *o, const struct combined_layers *l, struct gcs_error *err)
{
	if (owned_mkdir(o, l->root, 0755, err) < 0 || overlay_mount(l, err) < 0)
		return -1;
	return owned_push(o, OWNED_MOUNT, l->root, err);
}

/* The kernel holds the layers' file systems, but not their mounts. */
static int use_all(struct owned *o, const struct combined_layers *l, struct gcs_error *err)
{
	for (char *const *layer = l->layers; *layer; layer++)
		if (owned_use(o, *layer, err) < 0)
			return -1;
	return *l->scratch ? owned_use(o, l->scratch, err) : 0;
}

int layers_combine(const struct combined_layers *l, struct gcs_error *err)
{
	_cleanup_made_ struct made made = { 0 };
	_cleanup_free_ char *path = NULL;
	struct owned *root, *bundle = NULL;

	if (check(l, err) < 0)
		return -1;
	path = bundle_of(l->root, err);
	if (!path)
		return -1;
	root = owned_claim(l->root, "layers", err);
	if (!root)
		return -1;
	if (use_all(root, l, err) < 0 || (*l->scratch && make_dir(&made, l->scratch, "", err) < 0) ||
	    bind_bundle(path, l, &made, &bundle, err) < 0)
		goto err_root;
	if (*l->scratch && (make_dir(&made, l->scratch, "/upper", err) < 0 || make_dir(&made, l->scratch, "/work", err) < 0))
		goto err_root;
	if (mount_root(root, l, err) < 0)
		goto err_root;
	if (bundle)
		owned_keep(bundle);
	owned_keep(root);
	return 0;

err_root:
	owned_abandon(root);
	if (bundle)
		owned_abandon(bundle);
	made_undo(&made);
	return -1;
}

int layers_remove(const char *root, struct gcs_error *err)
{
	_cleanup_free_ char *path = NULL;
	struct owned *bundle;

	if (owned_remove("ContainerRootPath", root, err) < 0)
		return -1;
	path = bundle_of(root, err);
	if (!path)
		return -1;
	/* Of a container that was never made. The host may have mounted something there, then it stays. */
	if (owned_acquire(path, BUNDLE, &bundle, NULL) == 1) {
		if (owned_is_held(bundle))
			owned_keep(bundle);
		else
			owned_undo(bundle, NULL);
	}
	return 0;
}

int layers_hold_bundle(const char *bundle, struct gcs_error *err)
{
	return owned_hold(bundle, BUNDLE, err);
}

void layers_unhold_bundle(const char *bundle)
{
	owned_unhold(bundle);
}

int layers_release_bundle(const char *bundle, struct gcs_error *err)
{
	struct owned *o;
	int ret = owned_acquire(bundle, BUNDLE, &o, err);

	return ret > 0 ? owned_undo(o, err) : ret;
}

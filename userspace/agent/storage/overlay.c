// SPDX-License-Identifier: MIT
/* Mounting an overlay of as many layers as the kernel takes. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cleanup.h"
#include "storage/internal.h"

/* mount(2) takes one page of options, of which the last byte ends the string. */
#define MOUNT_DATA_MAX 4095
/* Overlayfs has room for no more, and says only EINVAL. */
#define LAYERS_MAX 500

/*
 * All in one string, which the kernel would cut without a word. @fds, if not NULL: the layers are named by their descriptors, as seen from
 * /proc/self/fd, which takes at most five bytes of each.
 */
static char *mount_data(const struct combined_layers *l, const int *fds, const char *upper, const char *work)
{
	_cleanup_free_ char *data = NULL;
	size_t size = 0;
	FILE *f = open_memstream(&data, &size);

	if (!f)
		return NULL;
	for (size_t i = 0; l->layers[i]; i++) {
		fputs(i ? ":" : "lowerdir=", f);
		if (fds)
			fprintf(f, "%d", fds[i]);
		else
			fputs(l->layers[i], f);
	}
	if (upper)
		fprintf(f, ",upperdir=%s,workdir=%s", upper, work);
	if (fclose(f))
		return NULL;
	return steal_ptr(&data);
}

static int mount_string(const struct combined_layers *l, const char *data, struct gcs_error *err)
{
	if (!data)
		return gcs_fail(err, ENOMEM, HR_FAIL, "overlay %s", l->root);
	if (strlen(data) > MOUNT_DATA_MAX)
		return gcs_fail(err, 0, HR_FAIL, "overlay %s: the paths are too long for the kernel", l->root);
	if (mount("overlay", l->root, "overlay", *l->scratch ? 0 : MS_RDONLY, data) < 0)
		return gcs_fail(err, errno, HR_FAIL, "overlay %s: mount", l->root);
	return 0;
}

struct elsewhere {
	const struct combined_layers *l;
	const char *data;
	struct gcs_error *err;
	int ret;
};

/* A thread with a working directory of its own, which nobody else's changes. */
static void *mount_elsewhere(void *arg)
{
	struct elsewhere *e = arg;

	if (unshare(CLONE_FS) < 0 || chdir("/proc/self/fd") < 0)
		e->ret = gcs_fail(e->err, errno, HR_FAIL, "overlay %s: go to /proc/self/fd", e->l->root);
	else
		e->ret = mount_string(e->l, e->data, e->err);
	return NULL;
}

static int mount_by_descriptor(const struct combined_layers *l, size_t count, const char *upper, const char *work,
			       struct gcs_error *err)
{
	_cleanup_free_ int *fds = calloc(count, sizeof(*fds));
	_cleanup_free_ char *data = NULL;
	struct elsewhere e = { .l = l, .err = err };
	pthread_t thread;
	size_t opened = 0;

	if (!fds)
		return gcs_fail(err, ENOMEM, HR_FAIL, "overlay %s", l->root);
	for (; opened < count; opened++) {
		fds[opened] = open(l->layers[opened], O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (fds[opened] < 0) {
			e.ret = gcs_fail(err, errno, HR_FAIL, "overlay %s: layer %s", l->root, l->layers[opened]);
			break;
		}
	}
	if (!e.ret) {
		e.data = data = mount_data(l, fds, upper, work);
		errno = pthread_create(&thread, NULL, mount_elsewhere, &e);
		if (errno)
			e.ret = gcs_fail(err, errno, HR_FAIL, "overlay %s: start a thread", l->root);
		else
			pthread_join(thread, NULL);
	}
	while (opened)
		close(fds[--opened]);
	return e.ret;
}

/* An overlay wants two layers at least. */
static int bind_single(const struct combined_layers *l, struct gcs_error *err)
{
	if (mount(l->layers[0], l->root, "", MS_BIND, "") < 0)
		return gcs_fail(err, errno, HR_FAIL, "%s: bind layer %s", l->root, l->layers[0]);
	if (mount("", l->root, "", MS_REMOUNT | MS_BIND | MS_RDONLY, "") < 0) {
		gcs_fail(err, errno, HR_FAIL, "%s: make read-only", l->root);
		umount2(l->root, UMOUNT_NOFOLLOW);
		return -1;
	}
	return 0;
}

int overlay_mount(const struct combined_layers *l, struct gcs_error *err)
{
	_cleanup_free_ char *upper = NULL, *work = NULL, *data = NULL;
	size_t count = 0;

	while (l->layers[count])
		count++;
	if (count > LAYERS_MAX)
		return gcs_fail(err, 0, HR_INVALID_ARG, "overlay %s: %zu layers, allowed are %d", l->root, count, LAYERS_MAX);
	if (!*l->scratch && count == 1)
		return bind_single(l, err);
	if (*l->scratch && (asprintf(&upper, "%s/upper", l->scratch) < 0 || asprintf(&work, "%s/work", l->scratch) < 0)) {
		upper = work = NULL;
		return gcs_fail(err, ENOMEM, HR_FAIL, "overlay %s", l->root);
	}
	data = mount_data(l, NULL, upper, work);
	if (!data || strlen(data) <= MOUNT_DATA_MAX)
		return mount_string(l, data, err);
	return mount_by_descriptor(l, count, upper, work, err);
}

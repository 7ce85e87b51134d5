// SPDX-License-Identifier: MIT
/* Mounting an overlay of any number of layers, with what the kernel offers for that. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cleanup.h"
#include "storage/internal.h"

/* mount(2) takes one page of options, of which the last byte ends the string. */
#define MOUNT_DATA_MAX 4095

/* What the kernel says about a failure, if it does. */
static void read_log(int fs, char *text, size_t size)
{
	ssize_t n = read(fs, text, size - 1);

	text[n > 0 ? n : 0] = '\0';
	text[strcspn(text, "\n")] = '\0';
}

static bool set(int fs, const char *key, const char *value)
{
	return fsconfig(fs, FSCONFIG_SET_STRING, key, value, 0) == 0;
}

/*
 * One option a layer, as many as there are: kernels from 6.7 on, and values of at most 255 bytes. Returns 1 if that is not
 * possible.
 */
static int mount_by_layer(const struct combined_layers *l, const char *upper, const char *work, struct gcs_error *err)
{
	_cleanup_close_ int fs = fsopen("overlay", FSOPEN_CLOEXEC);
	_cleanup_close_ int mnt = -1;
	char text[256];
	int e;

	if (fs < 0)
		return 1;
	for (char *const *layer = l->layers; *layer; layer++)
		if (!set(fs, "lowerdir+", *layer))
			return 1;
	if (upper && (!set(fs, "upperdir", upper) || !set(fs, "workdir", work)))
		return 1;
	if (!upper && fsconfig(fs, FSCONFIG_SET_FLAG, "ro", NULL, 0) < 0)
		return 1;
	if (fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0) {
		e = errno;
		/* A kernel that collects options without a look at them refuses here what it does not know. */
		if (e == EINVAL)
			return 1;
		read_log(fs, text, sizeof(text));
		return gcs_fail(err, e, HR_FAIL, "overlay %s: create%s%s", l->root, *text ? ": " : "", text);
	}
	mnt = fsmount(fs, FSMOUNT_CLOEXEC, upper ? 0 : MOUNT_ATTR_RDONLY);
	if (mnt < 0 || move_mount(mnt, "", AT_FDCWD, l->root, MOVE_MOUNT_F_EMPTY_PATH) < 0)
		return gcs_fail(err, errno, HR_FAIL, "overlay %s: mount", l->root);
	return 0;
}

/*
 * All in one string, which the kernel would cut without a word. @fds, if not NULL: name the layers by descriptors, which
 * is shorter.
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
			fprintf(f, "/proc/self/fd/%d", fds[i]);
		else
			fputs(l->layers[i], f);
	}
	if (upper)
		fprintf(f, ",upperdir=%s,workdir=%s", upper, work);
	if (fclose(f))
		return NULL;
	return steal_ptr(&data);
}

static int mount_string(const struct combined_layers *l, const char *data, bool read_only, struct gcs_error *err)
{
	if (!data)
		return gcs_fail(err, ENOMEM, HR_FAIL, "overlay %s", l->root);
	if (strlen(data) > MOUNT_DATA_MAX)
		return gcs_fail(err, 0, HR_FAIL, "overlay %s: too many layers for this kernel", l->root);
	if (mount("overlay", l->root, "overlay", read_only ? MS_RDONLY : 0, data) < 0)
		return gcs_fail(err, errno, HR_FAIL, "overlay %s: mount", l->root);
	return 0;
}

static int mount_by_descriptor(const struct combined_layers *l, size_t count, const char *upper, const char *work,
			       struct gcs_error *err)
{
	_cleanup_free_ int *fds = calloc(count, sizeof(*fds));
	_cleanup_free_ char *data = NULL;
	size_t opened = 0;
	int ret = 0;

	if (!fds)
		return gcs_fail(err, ENOMEM, HR_FAIL, "overlay %s", l->root);
	for (; opened < count; opened++) {
		fds[opened] = open(l->layers[opened], O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (fds[opened] < 0) {
			ret = gcs_fail(err, errno, HR_FAIL, "overlay %s: layer %s", l->root, l->layers[opened]);
			break;
		}
	}
	if (!ret) {
		data = mount_data(l, fds, upper, work);
		ret = mount_string(l, data, !upper, err);
	}
	while (opened)
		close(fds[--opened]);
	return ret;
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
	int ret;

	while (l->layers[count])
		count++;
	if (!*l->scratch && count == 1)
		return bind_single(l, err);
	if (*l->scratch && (asprintf(&upper, "%s/upper", l->scratch) < 0 || asprintf(&work, "%s/work", l->scratch) < 0)) {
		upper = work = NULL;
		return gcs_fail(err, ENOMEM, HR_FAIL, "overlay %s", l->root);
	}
	data = mount_data(l, NULL, upper, work);
	if (!data || strlen(data) <= MOUNT_DATA_MAX)
		return mount_string(l, data, !upper, err);
	ret = mount_by_layer(l, upper, work, err);
	return ret <= 0 ? ret : mount_by_descriptor(l, count, upper, work, err);
}

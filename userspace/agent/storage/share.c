// SPDX-License-Identifier: MIT
/* MappedDirectory: a directory of the host's, by 9P over a vsock connection of its own (storage-and-network.md section 9). */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cleanup.h"
#include "fs.h"
#include "log.h"
#include "storage/internal.h"
#include "vsock.h"

#define KIND "share"
#define MSIZE 65536
/* For the host's answers, also of a busy VM. The kernel would wait for ever, and the host gives up a request after 5 minutes. */
#define ANSWER_DEADLINE_MS 20000
/* One page, of which the last byte ends the string. */
#define MOUNT_DATA_MAX 4095

/* A step that waits for the host. */
struct wait {
	int (*step)(const struct wait *w, struct gcs_error *err);
	const char *path, *data;
	bool read_only;
	int ret;
	struct gcs_error err;
};

static void *wait_thread(void *arg)
{
	struct wait *w = arg;

	w->ret = w->step(w, &w->err);
	return NULL;
}

/* The kernel waits no more once the connection is shut down. Returns 0 when the step is over, or the errno for which it was cut short. */
static int wait_for_host(struct wait *w, int connection)
{
	struct timespec deadline = deadline_after_ms(ANSWER_DEADLINE_MS);
	pthread_t thread;
	int err = pthread_create(&thread, NULL, wait_thread, w);

	if (err) {
		w->ret = gcs_fail(&w->err, err, HR_FAIL, "%s: a thread for it", w->path);
		return 0;
	}
	err = pthread_clockjoin_np(thread, NULL, CLOCK_MONOTONIC, &deadline);
	if (err) {
		shutdown(connection, SHUT_RDWR);
		pthread_join(thread, NULL);
	}
	return err;
}

static int mount_step(const struct wait *w, struct gcs_error *err)
{
	return mount(w->path, w->path, "9p", w->read_only ? MS_RDONLY : 0, w->data) < 0 ?
		       gcs_fail(err, errno, HR_FAIL, "mount it on %s", w->path) : 0;
}

static int unmount_step(const struct wait *w, struct gcs_error *err)
{
	return owned_unmount(w->path, err);
}

int share_unmount(const char *what, struct gcs_error *err)
{
	int fd = atoi(what);
	struct wait w = { .step = unmount_step, .path = strchr(what, '/') };
	int e = wait_for_host(&w, fd);

	if (e)
		log_warning("share %s: unmount: no answer of the host: %s", w.path, strerror(e));
	if (w.ret < 0) {
		if (err)
			*err = w.err;
		return -1;
	}
	close(fd);
	return 0;
}

/* On success the record has the connection. */
static int mount_share(struct owned *o, const struct mapped_directory *dir, int *fd, struct gcs_error *err)
{
	_cleanup_free_ char *data = NULL, *what = NULL;
	struct wait w = { .step = mount_step, .path = dir->mount_path, .read_only = dir->read_only };
	int len, e;

	if (owned_mkdir(o, dir->mount_path, 0700, err) < 0)
		return -1;
	len = asprintf(&data, "trans=fd,rfdno=%d,wfdno=%d,msize=%d%s%s", *fd, *fd, MSIZE, *dir->name ? ",aname=" : "", dir->name);
	if (len < 0)
		data = NULL;
	if (!data || asprintf(&what, "%d %s", *fd, dir->mount_path) < 0) {
		what = NULL;
		return gcs_fail(err, ENOMEM, HR_FAIL, "mount it");
	}
	if (len > MOUNT_DATA_MAX)
		return gcs_fail(err, ENAMETOOLONG, HR_INVALID_ARG, "mount it");
	w.data = data;
	e = wait_for_host(&w, *fd);
	if (w.ret == 0) {
		steal_fd(fd);
		if (owned_push(o, OWNED_SHARE, what, err) < 0)
			return -1;
	}
	if (e)
		return gcs_fail(err, e, HR_FAIL, "mount it on %s", dir->mount_path);
	if (w.ret < 0)
		*err = w.err;
	return w.ret;
}

static int build(struct owned *o, const struct mapped_directory *dir, struct gcs_error *err)
{
	/* Kept, to end what waits for an answer. Its sizes have been set before it was made. */
	_cleanup_close_ int fd = vsock_dial(dir->port, err);

	return fd < 0 ? -1 : mount_share(o, dir, &fd, err);
}

int share_map(const struct mapped_directory *dir, struct gcs_error *err)
{
	struct owned *o;

	if (path_check("MountPath", dir->mount_path, err) < 0)
		return -1;
	if (dir->port <= 0)
		return gcs_fail(err, 0, HR_INVALID_ARG, "share \"%.64s\": port %d: not a vsock port", dir->name, dir->port);
	/* What follows it would be mount options. */
	if (strchr(dir->name, ','))
		return gcs_fail(err, 0, HR_INVALID_ARG, "share \"%.64s\": a comma is not allowed", dir->name);
	o = owned_claim(dir->mount_path, KIND, err);
	if (!o)
		return -1;
	if (build(o, dir, err) < 0) {
		owned_abandon(o);
		return gcs_fail_prefix(err, "share \"%.64s\" of port %d", dir->name, dir->port);
	}
	owned_keep(o);
	return 0;
}

int share_unmap(const char *path, struct gcs_error *err)
{
	return owned_remove("MountPath", path, err);
}

// SPDX-License-Identifier: MIT
/* MappedDirectory: a directory of the host's, by 9P over a vsock connection of its own (storage-and-network.md section 9). */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "cleanup.h"
#include "fs.h"
#include "storage/internal.h"
#include "vsock.h"

#define KIND "share"
#define MSIZE 65536
/* For the host's first answers. The kernel would wait for ever, and the host gives up a request after 5 minutes. */
#define ANSWER_DEADLINE_MS 10000
/* One page, of which the last byte ends the string. */
#define MOUNT_DATA_MAX 4095

struct attempt {
	const struct mapped_directory *dir;
	const char *data;
	int err; /* an errno */
};

static void *mount_thread(void *arg)
{
	struct attempt *a = arg;

	if (mount(a->dir->mount_path, a->dir->mount_path, "9p", a->dir->read_only ? MS_RDONLY : 0, a->data) < 0)
		a->err = errno;
	return NULL;
}

/* A mount that waits for the host fails once its connection is shut down. Returns 0 or an errno; *@mounted also on failure. */
static int mount_in_time(const struct mapped_directory *dir, const char *data, int fd, bool *mounted)
{
	struct attempt a = { .dir = dir, .data = data };
	struct timespec deadline;
	pthread_t thread;
	int err = pthread_create(&thread, NULL, mount_thread, &a);

	if (err)
		return err;
	deadline = deadline_after_ms(ANSWER_DEADLINE_MS);
	err = pthread_clockjoin_np(thread, NULL, CLOCK_MONOTONIC, &deadline);
	if (err) {
		shutdown(fd, SHUT_RDWR);
		pthread_join(thread, NULL);
	}
	*mounted = !a.err;
	return err ? err : a.err;
}

static int mount_share(struct owned *o, const struct mapped_directory *dir, int fd, struct gcs_error *err)
{
	_cleanup_free_ char *data = NULL;
	bool mounted = false;
	int len, e;

	if (owned_mkdir(o, dir->mount_path, 0700, err) < 0)
		return -1;
	len = asprintf(&data, "trans=fd,rfdno=%d,wfdno=%d,msize=%d%s%s", fd, fd, MSIZE, *dir->name ? ",aname=" : "", dir->name);
	if (len < 0) {
		data = NULL;
		return gcs_fail(err, ENOMEM, HR_FAIL, "mount it");
	}
	if (len > MOUNT_DATA_MAX)
		return gcs_fail(err, ENAMETOOLONG, HR_INVALID_ARG, "mount it");
	e = mount_in_time(dir, data, fd, &mounted);
	if (mounted && owned_push(o, OWNED_MOUNT, dir->mount_path, err) < 0)
		return -1;
	return e ? gcs_fail(err, e, HR_FAIL, "mount it on %s", dir->mount_path) : 0;
}

static int build(struct owned *o, const struct mapped_directory *dir, struct gcs_error *err)
{
	/* The kernel has its own references of the connection, whose sizes have been set before it was made. */
	_cleanup_close_ int fd = vsock_dial(dir->port, err);

	return fd < 0 ? -1 : mount_share(o, dir, fd, err);
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

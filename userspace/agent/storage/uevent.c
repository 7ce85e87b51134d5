// SPDX-License-Identifier: MIT
/* The kernel's news about block devices, for those who wait for a disk. */
#include <errno.h>
#include <linux/netlink.h>
#include <pthread.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "event.h"
#include "storage/internal.h"

/* Protects @count; @more tells that it has grown. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t more;
static uint64_t count;

/* Is the message, a list of NUL-terminated words, about disks, their controllers, or the device-mapper's control node? */
static bool is_block(const char *msg, size_t len)
{
	for (size_t at = 0; at < len; at += strnlen(msg + at, len - at) + 1)
		if (!strcmp(msg + at, "SUBSYSTEM=block") || !strcmp(msg + at, "SUBSYSTEM=scsi_host") ||
		    !strcmp(msg + at, "DEVNAME=mapper/control"))
			return true;
	return false;
}

static void on_readable(struct event *ev, uint32_t events, void *arg)
{
	int fd = *(int *)arg;
	bool news = false;
	char msg[8192];
	ssize_t n;

	while ((n = recv(fd, msg, sizeof(msg) - 1, MSG_DONTWAIT)) >= 0 || errno == EINTR || errno == ENOBUFS) {
		/* After ENOBUFS anything may have happened. */
		if (n < 0) {
			news |= errno == ENOBUFS;
			continue;
		}
		msg[n] = '\0';
		news |= is_block(msg, n);
	}
	if (!news)
		return;
	pthread_mutex_lock(&lock);
	count++;
	pthread_cond_broadcast(&more);
	pthread_mutex_unlock(&lock);
}

int uevent_init(struct gcs_error *err)
{
	struct sockaddr_nl addr = { .nl_family = AF_NETLINK, .nl_groups = 1 };
	pthread_condattr_t attr;
	static int fd = -1;

	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&more, &attr);
	pthread_condattr_destroy(&attr);
	fd = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_KOBJECT_UEVENT);
	if (fd < 0)
		return gcs_fail(err, errno, HR_FAIL, "uevents: socket");
	if (bind(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0) {
		gcs_fail(err, errno, HR_FAIL, "uevents: bind");
		close(fd);
		return -1;
	}
	if (!event_add(fd, EPOLLIN, on_readable, &fd, err)) {
		close(fd);
		return -1;
	}
	return 0;
}

uint64_t uevent_count(void)
{
	uint64_t n;

	pthread_mutex_lock(&lock);
	n = count;
	pthread_mutex_unlock(&lock);
	return n;
}

int uevent_wait(uint64_t seen, const struct timespec *deadline)
{
	int ret = 0;

	pthread_mutex_lock(&lock);
	while (count == seen && !ret)
		ret = pthread_cond_timedwait(&more, &lock, deadline);
	pthread_mutex_unlock(&lock);
	return ret;
}

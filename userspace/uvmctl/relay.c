// SPDX-License-Identifier: MIT
/* One thread a stream: a terminal that stands still stops its own stream only. */
#include "relay.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "thread.h"

#define BUFFER (256 << 10)
#define CTRL_P 0x10
#define CTRL_Q 0x11

struct relay {
	int first, from, to, socket, done_fd, stop_fd, detach_fd;
	bool held;    /* a Ctrl-P, until it is known what comes after it */
	bool stopped;
	uint64_t bytes;
	pthread_t thread;
	char buf[BUFFER + 1];
};

/* Wait until @fd has one of @events. False: the relay is stopped. */
static bool ready(struct relay *r, int fd, short events)
{
	struct pollfd p[] = { { .fd = fd, .events = events }, { .fd = r->stop_fd, .events = POLLIN } };

	while (poll(p, 2, -1) < 0)
		;
	r->stopped = p[1].revents;
	return !r->stopped;
}

/* To the guest without waiting in the write: who stops us must not wait for a guest that does not read. */
static ssize_t write_some(struct relay *r, const char *data, size_t len)
{
	struct pollfd p = { .fd = r->to, .events = POLLOUT };

	if (r->to == r->socket)
		return ready(r, r->to, POLLOUT) ? send(r->to, data, len, MSG_DONTWAIT | MSG_NOSIGNAL) : 0;
	/* Our own descriptors may have been made non-blocking by whoever shares them. */
	poll(&p, 1, -1);
	return write(r->to, data, len);
}

static bool write_all(struct relay *r, size_t len)
{
	for (size_t done = 0; done < len;) {
		ssize_t n = write_some(r, r->buf + done, len - done);

		if (n == 0)
			return false;
		if (n > 0) {
			done += (size_t)n;
			r->bytes += (uint64_t)n;
		} else if (errno != EINTR && errno != EAGAIN) {
			return false;
		}
	}
	return true;
}

/* Look for the keys that detach; what was held back comes first. Returns the length without them, and whether they were there. */
static size_t look_for_keys(struct relay *r, size_t len, bool *detach)
{
	if (r->held) {
		memmove(r->buf + 1, r->buf, len++);
		r->buf[0] = CTRL_P;
		r->held = false;
	}
	for (size_t i = 0; i < len; i++) {
		if (r->buf[i] != CTRL_P)
			continue;
		r->held = i + 1 == len;
		*detach = !r->held && r->buf[i + 1] == CTRL_Q;
		if (r->held || *detach)
			return i;
	}
	return len;
}

/*
 * The file's offset, which is its owner's too, says how far we have come: only what has been written is behind it. Also who is to stop
 * copies it to its end. Returns whether @to takes more.
 */
static bool copy_first(struct relay *r)
{
	off_t at = r->first < 0 ? 0 : lseek(r->first, 0, SEEK_CUR);
	ssize_t n, written;

	while (r->first >= 0 && (n = pread(r->first, r->buf, BUFFER, at)) > 0) {
		for (ssize_t done = 0; done < n; done += written) {
			written = write_some(r, r->buf + done, (size_t)(n - done));
			if (written < 0 && errno != EINTR && errno != EAGAIN)
				return false;
			written = written > 0 ? written : 0;
			at += written;
			r->bytes += (uint64_t)written;
			lseek(r->first, at, SEEK_SET);
		}
	}
	return true;
}

static void *run(void *arg)
{
	struct relay *r = arg;
	bool detach = false, usable = copy_first(r);
	ssize_t n;

	while (usable && ready(r, r->from, POLLIN)) {
		n = read(r->from, r->buf, BUFFER);
		if (n < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (n <= 0)
			break;
		if (r->detach_fd >= 0)
			n = (ssize_t)look_for_keys(r, (size_t)n, &detach);
		if (!write_all(r, (size_t)n) || detach)
			break;
	}
	if (detach)
		eventfd_write(r->detach_fd, 1);
	else if (!r->stopped)
		/* From the guest: both directions. A guest that still writes gets EPIPE. */
		shutdown(r->socket, r->socket == r->to ? SHUT_WR : SHUT_RDWR);
	eventfd_write(r->done_fd, 1);
	return NULL;
}

static void release(struct relay *r)
{
	if (r->first >= 0)
		close(r->first);
	close(r->socket);
	close(r->done_fd);
	close(r->stop_fd);
	free(r);
}

static struct relay *start(int first, int from, int to, int socket, int detach_fd, struct gcs_error *err)
{
	struct relay *r = calloc(1, sizeof(*r));
	int ret = ENOMEM;

	if (!r) {
		if (first >= 0)
			close(first);
		close(socket);
	} else {
		*r = (struct relay){ .first = first, .from = from, .to = to, .socket = socket, .detach_fd = detach_fd };
		r->done_fd = eventfd(0, EFD_CLOEXEC);
		r->stop_fd = eventfd(0, EFD_CLOEXEC);
		ret = r->done_fd < 0 || r->stop_fd < 0 ? errno : thread_start(&r->thread, run, r);
		if (!ret)
			return r;
		release(r);
	}
	gcs_fail(err, ret, HR_FAIL, "relay");
	return NULL;
}

struct relay *relay_to_guest(int fd, int socket, int detach_fd, struct gcs_error *err)
{
	return start(-1, fd, socket, socket, detach_fd, err);
}

struct relay *relay_from_guest(int first, int socket, int fd, struct gcs_error *err)
{
	return start(first, socket, fd, socket, -1, err);
}

int relay_done_fd(const struct relay *r)
{
	return r->done_fd;
}

uint64_t relay_finish(struct relay *r)
{
	struct pollfd p = { .events = POLLIN };
	uint64_t bytes;

	if (!r)
		return 0;
	p.fd = r->done_fd;
	if (poll(&p, 1, 0) != 1)
		return 0;
	pthread_join(r->thread, NULL);
	bytes = r->bytes;
	release(r);
	return bytes;
}

void relay_stop(struct relay *r)
{
	if (r)
		eventfd_write(r->stop_fd, 1);
}

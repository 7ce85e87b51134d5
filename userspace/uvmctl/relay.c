// SPDX-License-Identifier: MIT
/* One thread a stream: a terminal that stands still stops its own stream only. */
#include "relay.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "thread.h"

#define BUFFER (256 << 10)

struct relay {
	int from, to, socket, done_fd;
	uint64_t bytes;
	pthread_t thread;
	char buf[BUFFER];
};

/* Our own descriptors may have been made non-blocking by whoever shares them. */
static bool again(int fd, short events)
{
	struct pollfd p = { .fd = fd, .events = events };

	if (errno == EAGAIN)
		poll(&p, 1, -1);
	return errno == EINTR || errno == EAGAIN;
}

static bool write_all(struct relay *r, size_t len)
{
	for (size_t done = 0; done < len;) {
		ssize_t n = write(r->to, r->buf + done, len - done);

		if (n >= 0) {
			done += (size_t)n;
			r->bytes += (uint64_t)n;
		} else if (!again(r->to, POLLOUT)) {
			return false;
		}
	}
	return true;
}

static void *run(void *arg)
{
	struct relay *r = arg;
	ssize_t n;

	do
		n = read(r->from, r->buf, BUFFER);
	while (n > 0 ? write_all(r, (size_t)n) : n < 0 && again(r->from, POLLIN));
	/* From the guest: both directions. A guest that still writes gets EPIPE. */
	shutdown(r->socket, r->socket == r->to ? SHUT_WR : SHUT_RDWR);
	eventfd_write(r->done_fd, 1);
	return NULL;
}

static struct relay *start(int from, int to, int socket, struct gcs_error *err)
{
	struct relay *r = calloc(1, sizeof(*r));
	int ret = ENOMEM;

	if (r) {
		*r = (struct relay){ .from = from, .to = to, .socket = socket };
		r->done_fd = eventfd(0, EFD_CLOEXEC);
		ret = r->done_fd < 0 ? errno : 0;
	}
	if (!ret) {
		ret = thread_start(&r->thread, run, r);
		if (!ret)
			return r;
		close(r->done_fd);
	}
	close(socket);
	free(r);
	gcs_fail(err, ret, HR_FAIL, "relay");
	return NULL;
}

struct relay *relay_to_guest(int fd, int socket, struct gcs_error *err)
{
	return start(fd, socket, socket, err);
}

struct relay *relay_from_guest(int socket, int fd, struct gcs_error *err)
{
	return start(socket, fd, socket, err);
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
	close(r->socket);
	close(r->done_fd);
	free(r);
	return bytes;
}

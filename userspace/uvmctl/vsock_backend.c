// SPDX-License-Identifier: MIT
/* The backend's event loop. */
#include "vsock_backend.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "cleanup.h"
#include "vsock_dev.h"

#define EVENTS_MAX 64

static void conn_event(struct device *dev, struct conn *c, uint32_t events)
{
	if (c->dead)
		return;
	if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR))
		c->readable = true;
	if (events & (EPOLLOUT | EPOLLHUP | EPOLLERR))
		c->writable = true;
	if (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR))
		c->read_end = true;
	if (events & (EPOLLHUP | EPOLLERR))
		c->hang_up = true;
	conn_queue(dev, c, QUEUE_RUN);
}

static void kick(struct device *dev, const struct source *source)
{
	struct ring *ring = &dev->rings[source->ring];
	uint64_t count;

	if (ring->kick_fd >= 0 && read(ring->kick_fd, &count, sizeof(count)) < 0)
		return; /* taken already */
	if (source->ring == RING_TX)
		dev->tx_ready = true;
	if (source->ring == RING_RX)
		while (!TAILQ_EMPTY(&dev->starved))
			conn_queue(dev, TAILQ_FIRST(&dev->starved), QUEUE_RUN);
}

/* Each connection gets one turn; who has more to do stands at the end of the queue again. */
static void run_connections(struct device *dev)
{
	struct conn *last = TAILQ_LAST(&dev->run, conn_list), *c;

	while ((c = TAILQ_FIRST(&dev->run))) {
		conn_run(dev, c);
		if (c == last)
			break;
	}
}

/* Do what can be done; returns whether there is more. */
static bool work(struct device *dev)
{
	struct ring *rx = &dev->rings[RING_RX];
	bool stuck = !rx_can_reset(dev);

	rx_resets(dev);
	if (stuck && rx_can_reset(dev))
		dev->tx_ready = true; /* it stopped for lack of room for resets */
	if (dev->tx_ready)
		dev->tx_ready = tx_run(dev);
	run_connections(dev);
	ring_publish(&dev->rings[RING_TX]);
	ring_publish(rx);
	conn_free_dead(dev);
	if ((!TAILQ_EMPTY(&dev->starved) || dev->reset_count) && ring_usable(rx) && !ring_want_kick(rx)) {
		while (!TAILQ_EMPTY(&dev->starved))
			conn_queue(dev, TAILQ_FIRST(&dev->starved), QUEUE_RUN);
		return true;
	}
	return dev->tx_ready || !TAILQ_EMPTY(&dev->run);
}

static int watch(struct device *dev, int fd, struct source *source)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.ptr = source };

	return fd < 0 ? 0 : epoll_ctl(dev->epoll_fd, EPOLL_CTL_ADD, fd, &ev);
}

/* QEMU hung up. What the guest had sent by then is still delivered. */
static void hung_up(struct device *dev, int fd)
{
	tx_finish(dev);
	epoll_ctl(dev->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
	for (unsigned int i = 0; i < RING_COUNT; i++)
		drop_ring(dev, &dev->rings[i]);
	conn_detach_all(dev);
	dev->gone = true;
}

static int loop(struct device *dev, int fd, struct gcs_error *err)
{
	struct epoll_event events[EVENTS_MAX];
	bool busy = false;
	int n, ret;

	for (;;) {
		n = epoll_wait(dev->epoll_fd, events, EVENTS_MAX, busy ? 0 : -1);
		if (n < 0 && errno != EINTR)
			return gcs_fail(err, errno, HR_FAIL, "vsock: wait for events");
		for (int i = 0; i < n; i++) {
			struct source *source = events[i].data.ptr;

			switch (source->kind) {
			case SOURCE_STOP:
				return 0;
			case SOURCE_USER:
				ret = user_message(dev, fd, err);
				if (ret < 0)
					return -1;
				if (ret == 0)
					hung_up(dev, fd);
				break;
			case SOURCE_KICK:
				kick(dev, source);
				break;
			case SOURCE_CONN:
				conn_event(dev, (struct conn *)source, events[i].events);
				break;
			}
		}
		busy = work(dev);
		if (dev->gone && !dev->conn_count)
			return 0;
	}
}

int vsock_backend_serve(const struct vsock_backend *backend, int fd, int stop_fd, struct gcs_error *err)
{
	struct source user = { .kind = SOURCE_USER }, stop = { .kind = SOURCE_STOP };
	_cleanup_free_ struct device *dev = calloc(1, sizeof(*dev));
	int ret = -1;

	if (!dev)
		return gcs_fail(err, ENOMEM, HR_FAIL, "vsock: backend");
	dev->backend = backend;
	TAILQ_INIT(&dev->all);
	TAILQ_INIT(&dev->run);
	TAILQ_INIT(&dev->starved);
	TAILQ_INIT(&dev->dead);
	for (unsigned int i = 0; i < RING_COUNT; i++)
		ring_init(&dev->rings[i]);
	dev->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (dev->epoll_fd < 0 || watch(dev, fd, &user) < 0 || watch(dev, stop_fd, &stop) < 0)
		gcs_fail(err, errno, HR_FAIL, "vsock: epoll");
	else
		ret = loop(dev, fd, err);

	for (unsigned int i = 0; i < RING_COUNT; i++)
		ring_reset(&dev->rings[i]);
	conn_free_all(dev);
	mem_clear(&dev->mem);
	if (dev->epoll_fd >= 0)
		close(dev->epoll_fd);
	return ret;
}

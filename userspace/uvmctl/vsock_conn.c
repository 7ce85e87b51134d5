// SPDX-License-Identifier: MIT
/* Connections: their table, their sockets, and the guest's bytes on the way to the socket. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "vsock_dev.h"

static struct conn_bucket *bucket(struct device *dev, uint32_t guest_port, uint32_t host_port)
{
	return &dev->buckets[(guest_port * 31 + host_port) % CONN_BUCKETS];
}

struct conn *conn_find(struct device *dev, uint32_t guest_port, uint32_t host_port)
{
	struct conn *c;

	LIST_FOREACH(c, bucket(dev, guest_port, host_port), hash_link)
		if (c->guest_port == guest_port && c->host_port == host_port)
			return c;
	return NULL;
}

void conn_queue(struct device *dev, struct conn *c, enum conn_queue queue)
{
	struct conn_list *lists[] = { [QUEUE_RUN] = &dev->run, [QUEUE_STARVED] = &dev->starved };

	if (c->queue == queue)
		return;
	if (c->queue != QUEUE_NONE)
		TAILQ_REMOVE(lists[c->queue], c, queue_link);
	c->queue = queue;
	if (queue != QUEUE_NONE)
		TAILQ_INSERT_TAIL(lists[queue], c, queue_link);
}

struct conn *conn_open(struct device *dev, uint32_t guest_port, uint32_t host_port)
{
	struct epoll_event ev = { .events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET };
	struct conn *c;

	if (dev->conn_count == CONN_MAX)
		return NULL;
	c = calloc(1, sizeof(*c));
	if (!c)
		return NULL;
	c->source.kind = SOURCE_CONN;
	c->guest_port = guest_port;
	c->host_port = host_port;
	c->fd = dev->backend->dial(dev->backend->arg, host_port);
	if (c->fd < 0)
		goto err_dial;
	ev.data.ptr = c;
	if (fcntl(c->fd, F_SETFL, O_NONBLOCK) < 0 || epoll_ctl(dev->epoll_fd, EPOLL_CTL_ADD, c->fd, &ev) < 0)
		goto err_watch;
	c->writable = true;
	c->want_response = true;
	LIST_INSERT_HEAD(bucket(dev, guest_port, host_port), c, hash_link);
	TAILQ_INSERT_TAIL(&dev->all, c, all_link);
	dev->conn_count++;
	conn_queue(dev, c, QUEUE_RUN);
	return c;

err_watch:
	close(c->fd);
err_dial:
	free(c);
	return NULL;
}

static void conn_kill(struct device *dev, struct conn *c)
{
	char rest[4096];

	/* Unread bytes at close(2) would turn the end of file that our peer is to see into ECONNRESET. */
	shutdown(c->fd, SHUT_RDWR);
	while (recv(c->fd, rest, sizeof(rest), MSG_DONTWAIT) > 0)
		;
	epoll_ctl(dev->epoll_fd, EPOLL_CTL_DEL, c->fd, NULL);
	close(c->fd);
	free(c->pending);
	c->pending = NULL;
	conn_queue(dev, c, QUEUE_NONE);
	TAILQ_REMOVE(&dev->all, c, all_link);
	c->dead = true;
	dev->conn_count--;
	TAILQ_INSERT_TAIL(&dev->dead, c, queue_link);
}

void conn_free_dead(struct device *dev)
{
	struct conn *c;

	while ((c = TAILQ_FIRST(&dev->dead))) {
		TAILQ_REMOVE(&dev->dead, c, queue_link);
		free(c);
	}
}

void conn_detach(struct device *dev, struct conn *c)
{
	if (c->detached)
		return;
	c->detached = true;
	c->guest_done = c->guest_deaf = true;
	LIST_REMOVE(c, hash_link);
	conn_queue(dev, c, QUEUE_RUN);
}

void conn_detach_all(struct device *dev)
{
	struct conn *c;

	for (unsigned int i = 0; i < CONN_BUCKETS; i++)
		while ((c = LIST_FIRST(&dev->buckets[i])))
			conn_detach(dev, c);
	dev->reset_count = 0;
}

void conn_free_all(struct device *dev)
{
	struct conn *c;

	for (unsigned int i = 0; i < CONN_BUCKETS; i++)
		while ((c = LIST_FIRST(&dev->buckets[i])))
			conn_detach(dev, c);
	while ((c = TAILQ_FIRST(&dev->all)))
		conn_kill(dev, c);
	conn_free_dead(dev);
}

/* Send to the socket; returns what it took, and notes when it takes no more. */
static size_t write_some(struct conn *c, struct iovec *iov, unsigned int count, size_t bytes)
{
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = count };
	ssize_t n;

	if (c->discard)
		return bytes;
	if (!c->writable)
		return 0;
	do
		n = sendmsg(c->fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	if (n < 0 && (errno == EAGAIN || errno == ENOBUFS || errno == ENOMEM)) {
		c->writable = false;
		return 0;
	}
	if (n < 0) {
		c->discard = true;
		return bytes;
	}
	return (size_t)n;
}

static void keep(struct conn *c, const struct iovec *iov, unsigned int count)
{
	for (unsigned int i = 0; i < count; i++) {
		const uint8_t *from = iov[i].iov_base;
		size_t left = iov[i].iov_len;

		while (left) {
			uint32_t end = (c->pending_start + c->pending_len) % CREDIT;
			size_t part = CREDIT - end < left ? CREDIT - end : left;

			memcpy(c->pending + end, from, part);
			c->pending_len += (uint32_t)part;
			from += part;
			left -= part;
		}
	}
}

void conn_receive(struct device *dev, struct conn *c, struct iovec *iov, unsigned int count, size_t bytes)
{
	size_t done = 0;

	if (!c->pending_len)
		done = write_some(c, iov, count, bytes);
	c->forwarded += (uint32_t)done;
	if (done < bytes) {
		while (done >= iov->iov_len) {
			done -= iov->iov_len;
			iov++;
			count--;
		}
		iov->iov_base = (uint8_t *)iov->iov_base + done;
		iov->iov_len -= done;
		if (!c->pending)
			c->pending = malloc(CREDIT);
		if (c->pending) {
			keep(c, iov, count); /* fits: tx_run() has checked the guest's credit */
		} else {
			/* A stream with a hole is worse than none. */
			c->discard = true;
			c->forwarded = c->received;
		}
	}
	conn_queue(dev, c, QUEUE_RUN);
}

/* Hand on what waits, then the guest's end of stream. */
static void flush_pending(struct conn *c)
{
	while (c->pending_len) {
		uint32_t first = CREDIT - c->pending_start < c->pending_len ? CREDIT - c->pending_start : c->pending_len;
		struct iovec iov[2] = { { c->pending + c->pending_start, first },
					{ c->pending, c->pending_len - first } };
		uint32_t done = (uint32_t)write_some(c, iov, 2, c->pending_len);

		if (!done)
			return;
		c->pending_start = (c->pending_start + done) % CREDIT;
		c->pending_len -= done;
		c->forwarded += done;
	}
	if (c->pending) {
		free(c->pending);
		c->pending = NULL;
		c->pending_start = 0;
	}
	if (c->guest_done && !c->sent_end) {
		c->sent_end = true;
		shutdown(c->fd, SHUT_WR);
	}
}

/*
 * Tell the guest about room when half of what it may send has gone. Linux sends no more ahead than its own receive
 * buffer holds, which may be far less than CREDIT.
 */
static bool credit_due(const struct conn *c)
{
	uint32_t window = c->guest_alloc < CREDIT ? c->guest_alloc : CREDIT, fresh = c->forwarded - c->advertised;

	return fresh && fresh >= window / 2;
}

/* What the guest has not been told yet; false if there is no buffer to tell it. */
static bool tell_guest(struct device *dev, struct conn *c)
{
	uint32_t flags = c->told;

	if (c->discard)
		flags |= VIRTIO_VSOCK_SHUTDOWN_RCV;
	if (c->eof)
		flags |= VIRTIO_VSOCK_SHUTDOWN_SEND;
	if (flags != c->told) {
		if (!rx_control(dev, c, VIRTIO_VSOCK_OP_SHUTDOWN, flags))
			return false;
		c->told = flags;
	}
	if (credit_due(c))
		c->want_credit_update = true;
	if (c->want_credit_update) {
		if (!rx_control(dev, c, VIRTIO_VSOCK_OP_CREDIT_UPDATE, 0))
			return false;
		c->want_credit_update = false;
	}
	return true;
}

void conn_run(struct device *dev, struct conn *c)
{
	conn_queue(dev, c, QUEUE_NONE);
	if (c->hang_up)
		c->discard = true;
	flush_pending(c);
	if (c->guest_deaf && !c->eof) {
		shutdown(c->fd, SHUT_RD);
		c->eof = true;
	}
	if (c->detached) {
		if (!c->pending_len)
			conn_kill(dev, c);
		return;
	}
	if (c->want_response) {
		if (!rx_control(dev, c, VIRTIO_VSOCK_OP_RESPONSE, 0)) {
			conn_queue(dev, c, QUEUE_STARVED);
			return;
		}
		c->want_response = false;
	}
	if (!rx_data(dev, c) || !tell_guest(dev, c))
		conn_queue(dev, c, QUEUE_STARVED);
}

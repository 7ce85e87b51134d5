// SPDX-License-Identifier: MIT
/* The vhost-user protocol: what QEMU says about features, memory and queues. */
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/virtio_config.h>

#include "fds.h"
#include "vsock_dev.h"

enum {
	GET_FEATURES = 1,
	SET_FEATURES = 2,
	SET_OWNER = 3,
	RESET_OWNER = 4,
	SET_MEM_TABLE = 5,
	SET_VRING_NUM = 8,
	SET_VRING_ADDR = 9,
	SET_VRING_BASE = 10,
	GET_VRING_BASE = 11,
	SET_VRING_KICK = 12,
	SET_VRING_CALL = 13,
	SET_VRING_ERR = 14,
	GET_PROTOCOL_FEATURES = 15,
	SET_PROTOCOL_FEATURES = 16,
	SET_VRING_ENABLE = 18,
	GET_CONFIG = 24,
	GET_MAX_MEM_SLOTS = 36,
	ADD_MEM_REG = 37,
	REM_MEM_REG = 38,
};

#define BIT(n) (1ULL << (n))
#define F_PROTOCOL_FEATURES 30
#define FEATURES                                                                                          \
	(BIT(VIRTIO_F_VERSION_1) | BIT(F_PROTOCOL_FEATURES) | BIT(VIRTIO_RING_F_INDIRECT_DESC) | \
	 BIT(VIRTIO_RING_F_EVENT_IDX))

#define PF_REPLY_ACK 3
#define PF_CONFIG 9
#define PF_MEM_SLOTS 15
#define PROTOCOL_FEATURES (BIT(PF_REPLY_ACK) | BIT(PF_CONFIG) | BIT(PF_MEM_SLOTS))

#define FLAG_VERSION 1u
#define FLAG_VERSION_MASK 3u
#define FLAG_REPLY 4u
#define FLAG_NEED_REPLY 8u

#define VRING_INDEX_MASK 0xFFu
#define TABLE_MAX 8 /* regions of one SET_MEM_TABLE */
#define CONFIG_MAX 256

struct region {
	uint64_t guest, size, user, offset;
};

struct message {
	uint32_t request, flags, size;
	union {
		uint64_t u64;
		struct {
			uint32_t index, num;
		} state;
		struct {
			uint32_t index, flags;
			uint64_t desc, used, avail, log;
		} addr;
		struct {
			uint32_t count, padding;
			struct region regions[TABLE_MAX];
		} table;
		struct {
			uint64_t padding;
			struct region region;
		} slot;
		struct {
			uint32_t offset, size, flags;
			uint8_t data[CONFIG_MAX];
		} config;
	} u;
	int fds[TABLE_MAX];
	unsigned int fd_count;
};

#define HEADER_SIZE (3 * sizeof(uint32_t))
#define CONFIG_HEADER_SIZE (3 * sizeof(uint32_t))

static int receive(int fd, struct message *m, struct gcs_error *err)
{
	ssize_t n;

	m->fd_count = TABLE_MAX;
	/* The union is aligned, the wire is not. */
	n = fds_receive(fd, m, HEADER_SIZE, m->fds, &m->fd_count, MSG_WAITALL, NULL);
	if (n == 0 || (n < 0 && errno == ECONNRESET))
		return 0;
	if (n < 0)
		return gcs_fail(err, errno, HR_FAIL, "vhost-user: read");
	if ((size_t)n != HEADER_SIZE || (m->flags & FLAG_VERSION_MASK) != FLAG_VERSION || m->size > sizeof(m->u))
		return gcs_fail(err, 0, HR_FAIL, "vhost-user: bad message header");
	if (m->size) {
		do
			n = recv(fd, &m->u, m->size, MSG_WAITALL);
		while (n < 0 && errno == EINTR);
		if (n != (ssize_t)m->size)
			return gcs_fail(err, n < 0 ? errno : 0, HR_FAIL, "vhost-user: message %u cut short", m->request);
	}
	return 1;
}

static int reply(int fd, struct message *m, uint32_t size, struct gcs_error *err)
{
	struct iovec iov[] = { { m, HEADER_SIZE }, { &m->u, size } };
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = 2 };
	ssize_t n;

	m->flags = FLAG_VERSION | FLAG_REPLY;
	m->size = size;
	do
		n = sendmsg(fd, &msg, MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	if (n != (ssize_t)(HEADER_SIZE + size))
		return gcs_fail(err, n < 0 ? errno : 0, HR_FAIL, "vhost-user: answer message %u", m->request);
	return 1;
}

static int reply_u64(int fd, struct message *m, uint64_t value, struct gcs_error *err)
{
	m->u.u64 = value;
	return reply(fd, m, sizeof(value), err);
}

static int take_fd(struct message *m)
{
	int fd = -1;

	if (m->fd_count == 1) {
		fd = m->fds[0];
		m->fd_count = 0;
	}
	return fd;
}

/* A ring that has just become usable may hold something already. */
static void ring_started(struct device *dev, const struct ring *ring)
{
	if (!ring_usable(ring))
		return;
	if (ring == &dev->rings[RING_TX])
		dev->tx_ready = true;
	if (ring == &dev->rings[RING_RX])
		while (!TAILQ_EMPTY(&dev->starved))
			conn_queue(dev, TAILQ_FIRST(&dev->starved), QUEUE_RUN);
}

/* QEMU has the descriptor too, so that close(2) alone leaves it in the epoll set. */
static void drop_kick(struct device *dev, struct ring *ring)
{
	if (ring->kick_fd < 0)
		return;
	epoll_ctl(dev->epoll_fd, EPOLL_CTL_DEL, ring->kick_fd, NULL);
	close(ring->kick_fd);
	ring->kick_fd = -1;
}

void drop_ring(struct device *dev, struct ring *ring)
{
	drop_kick(dev, ring);
	ring_reset(ring);
}

static int set_kick(struct device *dev, struct ring *ring, int fd, struct gcs_error *err)
{
	unsigned int index = (unsigned int)(ring - dev->rings);
	struct epoll_event ev = { .events = EPOLLIN, .data.ptr = &dev->kicks[index] };

	drop_kick(dev, ring);
	ring->kick_fd = fd;
	if (fd < 0)
		return gcs_fail(err, 0, HR_FAIL, "vhost-user: queue %u: no kick descriptor", index);
	if (!ring_map(ring, &dev->mem))
		return gcs_fail(err, 0, HR_FAIL, "vhost-user: queue %u lies outside of the guest's memory", index);
	if (fcntl(fd, F_SETFL, O_NONBLOCK) < 0 || epoll_ctl(dev->epoll_fd, EPOLL_CTL_ADD, fd, &ev) < 0)
		return gcs_fail(err, errno, HR_FAIL, "vhost-user: queue %u: watch the kick descriptor", index);
	dev->kicks[index].kind = SOURCE_KICK;
	dev->kicks[index].ring = index;
	ring->event_idx = dev->features & BIT(VIRTIO_RING_F_EVENT_IDX);
	ring->filled = ring->published = ring->signalled = ring->used->idx;
	ring->fresh = true;
	ring->broken = false;
	/* The guest's driver begins at 0 after every reset: it knows no connection of before. */
	if (index != RING_EVENT && ring->taken == 0)
		conn_detach_all(dev);
	ring_started(dev, ring);
	return 1;
}

/* Messages about a queue; its index is checked. */
static int queue_message(struct device *dev, int fd, struct message *m, struct ring *ring, struct gcs_error *err)
{
	int given;

	switch (m->request) {
	case SET_VRING_NUM:
		if (!m->u.state.num || m->u.state.num > RING_MAX_SIZE || (m->u.state.num & (m->u.state.num - 1)))
			return gcs_fail(err, 0, HR_FAIL, "vhost-user: a queue of %u entries", m->u.state.num);
		ring->size = (uint16_t)m->u.state.num;
		ring->used = NULL;
		return 1;
	case SET_VRING_ADDR:
		ring->desc_user = m->u.addr.desc;
		ring->avail_user = m->u.addr.avail;
		ring->used_user = m->u.addr.used;
		if (ring->kick_fd >= 0 && !ring_map(ring, &dev->mem))
			return gcs_fail(err, 0, HR_FAIL, "vhost-user: a queue lies outside of the guest's memory");
		return 1;
	case SET_VRING_BASE:
		ring->taken = (uint16_t)m->u.state.num;
		return 1;
	case GET_VRING_BASE:
		if (ring == &dev->rings[RING_TX])
			tx_finish(dev);
		m->u.state.num = ring->taken;
		ring_publish(ring);
		drop_ring(dev, ring);
		return reply(fd, m, sizeof(m->u.state), err);
	case SET_VRING_ENABLE:
		ring->enabled = m->u.state.num;
		ring_started(dev, ring);
		return 1;
	case SET_VRING_KICK:
		return set_kick(dev, ring, take_fd(m), err);
	default:
		given = take_fd(m);
		if (m->request == SET_VRING_CALL) {
			ring_set_call(ring, given);
		} else {
			if (ring->err_fd >= 0)
				close(ring->err_fd);
			ring->err_fd = given;
		}
		return 1;
	}
}

/* Rings lie in the memory that has just changed. */
static int remap_rings(struct device *dev, struct gcs_error *err)
{
	for (unsigned int i = 0; i < RING_COUNT; i++)
		if (dev->rings[i].kick_fd >= 0 && !ring_map(&dev->rings[i], &dev->mem))
			return gcs_fail(err, 0, HR_FAIL, "vhost-user: queue %u lies outside of the guest's memory", i);
	return 1;
}

static int set_mem_table(struct device *dev, struct message *m, struct gcs_error *err)
{
	if (m->u.table.count > TABLE_MAX || m->fd_count != m->u.table.count)
		return gcs_fail(err, 0, HR_FAIL, "vhost-user: %u memory regions with %u descriptors", m->u.table.count,
				m->fd_count);
	mem_clear(&dev->mem);
	for (unsigned int i = 0; i < m->u.table.count; i++) {
		const struct region *r = &m->u.table.regions[i];

		if (mem_add(&dev->mem, r->guest, r->size, r->user, r->offset, m->fds[i], err) < 0)
			return -1;
	}
	return remap_rings(dev, err);
}

static int get_config(struct device *dev, int fd, struct message *m, struct gcs_error *err)
{
	struct virtio_vsock_config config = { .guest_cid = htole64(dev->backend->guest_cid) };
	uint32_t offset = m->u.config.offset, size = m->u.config.size;

	if (offset > sizeof(config) || size > sizeof(config) - offset) {
		m->u.config.size = 0; /* the protocol's "no" */
		return reply(fd, m, CONFIG_HEADER_SIZE, err);
	}
	memcpy(m->u.config.data, (uint8_t *)&config + offset, size);
	return reply(fd, m, CONFIG_HEADER_SIZE + size, err);
}

/* Returns 1 if QEMU gets an acknowledgement when it wants one, 2 if it was answered, -1 with @err. */
static int handle(struct device *dev, int fd, struct message *m, struct gcs_error *err)
{
	uint64_t index = m->u.u64;
	int ret;

	switch (m->request) {
	case GET_FEATURES:
		return reply_u64(fd, m, FEATURES, err) < 0 ? -1 : 2;
	case GET_PROTOCOL_FEATURES:
		return reply_u64(fd, m, PROTOCOL_FEATURES, err) < 0 ? -1 : 2;
	case GET_MAX_MEM_SLOTS:
		return reply_u64(fd, m, MEM_MAX_REGIONS, err) < 0 ? -1 : 2;
	case GET_CONFIG:
		return get_config(dev, fd, m, err) < 0 ? -1 : 2;
	case SET_FEATURES:
		if (m->u.u64 & ~FEATURES)
			return gcs_fail(err, 0, HR_FAIL, "vhost-user: features that were not offered");
		dev->features = m->u.u64;
		return 1;
	case SET_PROTOCOL_FEATURES:
		dev->protocol_features = m->u.u64 & PROTOCOL_FEATURES;
		return 1;
	case SET_OWNER:
	case RESET_OWNER:
		return 1;
	case SET_MEM_TABLE:
		return set_mem_table(dev, m, err);
	case ADD_MEM_REG:
		if (m->fd_count != 1)
			return gcs_fail(err, 0, HR_FAIL, "vhost-user: a memory region without descriptor");
		if (mem_add(&dev->mem, m->u.slot.region.guest, m->u.slot.region.size, m->u.slot.region.user,
			    m->u.slot.region.offset, m->fds[0], err) < 0)
			return -1;
		return remap_rings(dev, err);
	case REM_MEM_REG:
		if (mem_remove(&dev->mem, m->u.slot.region.guest, m->u.slot.region.size, m->u.slot.region.user, err) < 0)
			return -1;
		return remap_rings(dev, err);
	case SET_VRING_KICK:
	case SET_VRING_CALL:
	case SET_VRING_ERR:
		index &= VRING_INDEX_MASK;
		break;
	case SET_VRING_NUM:
	case SET_VRING_ADDR:
	case SET_VRING_BASE:
	case GET_VRING_BASE:
	case SET_VRING_ENABLE:
		index = m->u.state.index;
		break;
	default:
		return gcs_fail(err, 0, HR_FAIL, "vhost-user: message %u is not supported", m->request);
	}
	if (index >= RING_COUNT)
		return gcs_fail(err, 0, HR_FAIL, "vhost-user: no queue %u", (unsigned int)index);
	ret = queue_message(dev, fd, m, &dev->rings[index], err);
	return ret == 1 && m->request == GET_VRING_BASE ? 2 : ret;
}

int user_message(struct device *dev, int fd, struct gcs_error *err)
{
	struct message m = { 0 };
	bool ack;
	int ret;

	ret = receive(fd, &m, err);
	if (ret == 1) {
		ack = (m.flags & FLAG_NEED_REPLY) && (dev->protocol_features & BIT(PF_REPLY_ACK));
		ret = handle(dev, fd, &m, err);
		if (ack && ret != 2 && reply_u64(fd, &m, ret < 0, ret < 0 ? NULL : err) < 0)
			ret = -1;
	}
	while (m.fd_count)
		close(m.fds[--m.fd_count]);
	return ret == 2 ? 1 : ret;
}

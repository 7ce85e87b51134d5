// SPDX-License-Identifier: MIT
/* To the guest: packets into its receive buffers, bytes straight from the socket. */
#include <endian.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "vsock_dev.h"

#define HEADER sizeof(struct virtio_vsock_hdr)
#define TURN_CHAINS 64
#define TURN_IOV 512
#define TURN_BYTES (256u << 10)

/* Write the first bytes of a chain's buffers. Returns how many of them were used up, the rest of the next one cut. */
static unsigned int put_header(struct iovec *iov, unsigned int count, const struct virtio_vsock_hdr *hdr)
{
	size_t done = 0;

	for (unsigned int i = 0; i < count; i++) {
		size_t part = HEADER - done < iov[i].iov_len ? HEADER - done : iov[i].iov_len;

		memcpy(iov[i].iov_base, (const uint8_t *)hdr + done, part);
		done += part;
		if (part < iov[i].iov_len || done == HEADER)
			return i;
	}
	return count;
}

static void fill_header(const struct device *dev, struct virtio_vsock_hdr *hdr, uint32_t guest_port, uint32_t host_port,
			uint16_t type, uint16_t op)
{
	memset(hdr, 0, sizeof(*hdr));
	hdr->src_cid = htole64(VMADDR_CID_HOST);
	hdr->dst_cid = htole64(dev->backend->guest_cid);
	hdr->src_port = htole32(host_port);
	hdr->dst_port = htole32(guest_port);
	hdr->type = htole16(type);
	hdr->op = htole16(op);
}

static void fill_credit(struct conn *c, struct virtio_vsock_hdr *hdr)
{
	hdr->buf_alloc = htole32(CREDIT);
	hdr->fwd_cnt = htole32(c->forwarded);
	c->advertised = c->forwarded;
}

/* Send a packet that is a header alone. */
static bool put_packet(struct device *dev, const struct virtio_vsock_hdr *hdr)
{
	struct ring *ring = &dev->rings[RING_RX];
	struct iovec iov[CHAIN_MAX_IOV];
	struct chain chain;

	if (!ring_usable(ring))
		return false;
	while (ring_peek(ring, &dev->mem, 0, true, &chain, iov) == 1) {
		ring_take(ring);
		if (chain.bytes < HEADER) {
			ring_return(ring, chain.head, 0); /* of no use for anything */
			continue;
		}
		put_header(iov, chain.iov_count, hdr);
		ring_return(ring, chain.head, HEADER);
		return true;
	}
	return false;
}

bool rx_control(struct device *dev, struct conn *c, uint16_t op, uint32_t flags)
{
	struct virtio_vsock_hdr hdr;

	fill_header(dev, &hdr, c->guest_port, c->host_port, VIRTIO_VSOCK_TYPE_STREAM, op);
	hdr.flags = htole32(flags);
	fill_credit(c, &hdr);
	return put_packet(dev, &hdr);
}

bool rx_can_reset(const struct device *dev)
{
	return dev->reset_count < RESET_MAX;
}

void rx_reset(struct device *dev, uint32_t guest_port, uint32_t host_port, uint16_t type)
{
	dev->resets[(dev->reset_start + dev->reset_count++) % RESET_MAX] =
		(struct reset){ .guest_port = guest_port, .host_port = host_port, .type = type };
	rx_resets(dev);
}

bool rx_resets(struct device *dev)
{
	while (dev->reset_count) {
		const struct reset *r = &dev->resets[dev->reset_start];
		struct virtio_vsock_hdr hdr;

		fill_header(dev, &hdr, r->guest_port, r->host_port, r->type, VIRTIO_VSOCK_OP_RST);
		if (!put_packet(dev, &hdr))
			return false;
		dev->reset_start = (dev->reset_start + 1) % RESET_MAX;
		dev->reset_count--;
	}
	return true;
}

/* How much the guest takes now. */
static uint32_t credit(const struct conn *c)
{
	uint32_t flying = c->sent - c->guest_forwarded;

	return flying < c->guest_alloc ? c->guest_alloc - flying : 0;
}

struct turn {
	struct iovec iov[TURN_IOV]; /* for recvmsg(2): the data parts of all chains */
	unsigned int iov_count;
	size_t bytes;
	unsigned int chain_count;
	struct turn_chain {
		uint16_t head;
		size_t bytes; /* for data */
		struct iovec header[CHAIN_MAX_IOV];
		unsigned int header_count;
	} chains[TURN_CHAINS];
};

/* Split a chain's buffers: header parts into @tc, the rest, at most @limit bytes, into @turn. */
static void split_chain(struct turn *turn, struct turn_chain *tc, const struct iovec *iov, unsigned int count,
			size_t limit)
{
	size_t header = HEADER;

	tc->bytes = 0;
	tc->header_count = 0;
	for (unsigned int i = 0; i < count && (header || tc->bytes < limit); i++) {
		uint8_t *base = iov[i].iov_base;
		size_t len = iov[i].iov_len, part = len < header ? len : header;

		if (part)
			tc->header[tc->header_count++] = (struct iovec){ base, part };
		header -= part;
		len -= part;
		if (len > limit - tc->bytes)
			len = limit - tc->bytes;
		if (!len)
			continue;
		turn->iov[turn->iov_count++] = (struct iovec){ base + part, len };
		tc->bytes += len;
	}
	turn->bytes += tc->bytes;
}

/* Gather buffers for up to @limit bytes; none is taken yet. */
static void gather(struct device *dev, struct turn *turn, size_t limit)
{
	struct iovec iov[CHAIN_MAX_IOV];
	struct chain chain;

	turn->iov_count = turn->chain_count = 0;
	turn->bytes = 0;
	while (turn->bytes < limit && turn->chain_count < TURN_CHAINS && turn->iov_count + CHAIN_MAX_IOV <= TURN_IOV) {
		struct turn_chain *tc = &turn->chains[turn->chain_count];

		if (ring_peek(&dev->rings[RING_RX], &dev->mem, turn->chain_count, true, &chain, iov) != 1)
			return;
		tc->head = chain.head;
		if (chain.bytes > HEADER)
			split_chain(turn, tc, iov, chain.iov_count, limit - turn->bytes);
		else
			tc->bytes = 0; /* not for data */
		turn->chain_count++;
	}
}

/* The first @bytes of what was gathered are data now. Chains that are too small for any go back empty. */
static void send_gathered(struct device *dev, struct conn *c, struct turn *turn, size_t bytes)
{
	struct ring *ring = &dev->rings[RING_RX];
	struct virtio_vsock_hdr hdr;

	fill_header(dev, &hdr, c->guest_port, c->host_port, VIRTIO_VSOCK_TYPE_STREAM, VIRTIO_VSOCK_OP_RW);
	fill_credit(c, &hdr);
	c->sent += (uint32_t)bytes;
	for (unsigned int i = 0; i < turn->chain_count && (bytes || !turn->bytes); i++) {
		struct turn_chain *tc = &turn->chains[i];
		size_t part = bytes < tc->bytes ? bytes : tc->bytes;

		ring_take(ring);
		if (!tc->bytes) {
			ring_return(ring, tc->head, 0);
			continue;
		}
		hdr.len = htole32((uint32_t)part);
		put_header(tc->header, tc->header_count, &hdr);
		ring_return(ring, tc->head, HEADER + part);
		bytes -= part;
	}
}

bool rx_data(struct device *dev, struct conn *c)
{
	static __thread struct turn turn;
	struct msghdr msg = { .msg_iov = turn.iov };
	size_t limit = credit(c);
	ssize_t n;

	if (c->eof || !(c->readable || c->read_end))
		return true;
	if (!ring_usable(&dev->rings[RING_RX]))
		return false;
	if (!limit) {
		if (!c->credit_asked && !rx_control(dev, c, VIRTIO_VSOCK_OP_CREDIT_REQUEST, 0))
			return false;
		c->credit_asked = true;
		return true; /* goes on when the guest's next packet brings credit */
	}
	gather(dev, &turn, limit < TURN_BYTES ? limit : TURN_BYTES);
	if (!turn.bytes) {
		send_gathered(dev, c, &turn, 0);
		return false;
	}
	msg.msg_iovlen = turn.iov_count;
	do
		n = recvmsg(c->fd, &msg, MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	if (n < 0 && errno == EAGAIN) {
		c->readable = false;
		return true;
	}
	/* An error is a peer that closed with bytes unread; what it had written has been read. */
	if (n <= 0) {
		c->eof = true;
		return true;
	}
	c->credit_asked = false;
	send_gathered(dev, c, &turn, (size_t)n);
	if ((size_t)n < turn.bytes && !c->read_end)
		c->readable = false;
	else
		conn_queue(dev, c, QUEUE_RUN);
	return true;
}

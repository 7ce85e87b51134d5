// SPDX-License-Identifier: MIT
/* From the guest: packets out of its transmit ring, bytes straight to the socket. */
#include <endian.h>
#include <string.h>

#include "vsock_dev.h"

#define TURN_CHAINS 128
#define BATCH_IOV 512

/* Data packets of one connection that follow each other: one write for all of them. */
struct batch {
	struct conn *conn;
	struct iovec iov[BATCH_IOV + CHAIN_MAX_IOV];
	unsigned int iov_count;
	size_t bytes;
	uint16_t heads[TURN_CHAINS];
	unsigned int head_count;
};

static void batch_flush(struct device *dev, struct batch *b)
{
	if (b->bytes)
		conn_receive(dev, b->conn, b->iov, b->iov_count, b->bytes);
	/* The buffers are the guest's again only now. */
	for (unsigned int i = 0; i < b->head_count; i++)
		ring_return(&dev->rings[RING_TX], b->heads[i], 0);
	b->conn = NULL;
	b->iov_count = b->head_count = 0;
	b->bytes = 0;
}

/* Copy the header out of the first buffers and cut it off. False if the chain is too short. */
static bool take_header(struct virtio_vsock_hdr *hdr, struct iovec *iov, struct chain *chain)
{
	size_t done = 0;
	unsigned int used = 0;

	if (chain->bytes < sizeof(*hdr))
		return false;
	while (done < sizeof(*hdr)) {
		size_t part = sizeof(*hdr) - done < iov[used].iov_len ? sizeof(*hdr) - done : iov[used].iov_len;

		memcpy((uint8_t *)hdr + done, iov[used].iov_base, part);
		done += part;
		iov[used].iov_base = (uint8_t *)iov[used].iov_base + part;
		iov[used].iov_len -= part;
		if (!iov[used].iov_len)
			used++;
	}
	/* The guest may change the header in its memory from now on: nothing reads it there again. */
	__asm__ __volatile__("" ::: "memory");
	chain->iov_count -= used;
	chain->bytes -= sizeof(*hdr);
	memmove(iov, iov + used, chain->iov_count * sizeof(*iov));
	return true;
}

/* Cut the chain to the packet's payload. */
static void cut(struct iovec *iov, struct chain *chain, size_t len)
{
	unsigned int i = 0;

	chain->bytes = len;
	for (; len; i++) {
		if (iov[i].iov_len > len)
			iov[i].iov_len = len;
		len -= iov[i].iov_len;
	}
	chain->iov_count = i;
}

static void refuse(struct device *dev, const struct virtio_vsock_hdr *hdr, struct conn *c)
{
	if (c)
		conn_detach(dev, c);
	if (le16toh(hdr->op) != VIRTIO_VSOCK_OP_RST)
		rx_reset(dev, le32toh(hdr->src_port), le32toh(hdr->dst_port), le16toh(hdr->type));
}

static void guest_shutdown(struct device *dev, struct conn *c, const struct virtio_vsock_hdr *hdr)
{
	uint32_t flags = le32toh(hdr->flags);

	if (flags & VIRTIO_VSOCK_SHUTDOWN_SEND)
		c->guest_done = true;
	if (flags & VIRTIO_VSOCK_SHUTDOWN_RCV)
		c->guest_deaf = true;
	/* The specification's clean end: both directions are over, the peer answers with a reset. */
	if (c->guest_done && c->guest_deaf)
		refuse(dev, hdr, c);
}

/* All packets except data. */
static void packet(struct device *dev, struct conn *c, const struct virtio_vsock_hdr *hdr)
{
	switch (le16toh(hdr->op)) {
	case VIRTIO_VSOCK_OP_REQUEST:
		/* A second request: the guest knows nothing of the first any more. */
		if (c)
			conn_detach(dev, c);
		c = conn_open(dev, le32toh(hdr->src_port), le32toh(hdr->dst_port));
		if (!c) {
			refuse(dev, hdr, NULL);
			return;
		}
		c->guest_alloc = le32toh(hdr->buf_alloc);
		c->guest_forwarded = le32toh(hdr->fwd_cnt);
		return;
	case VIRTIO_VSOCK_OP_RST:
		if (c)
			conn_detach(dev, c);
		return;
	case VIRTIO_VSOCK_OP_SHUTDOWN:
		if (c)
			guest_shutdown(dev, c, hdr);
		else
			refuse(dev, hdr, NULL);
		return;
	case VIRTIO_VSOCK_OP_CREDIT_UPDATE:
		if (!c)
			refuse(dev, hdr, NULL);
		return;
	case VIRTIO_VSOCK_OP_CREDIT_REQUEST:
		if (c)
			c->want_credit_update = true;
		else
			refuse(dev, hdr, NULL);
		return;
	default:
		refuse(dev, hdr, c);
	}
}

/* May the connection send this much now? */
static bool data_allowed(const struct conn *c, uint32_t len)
{
	return !c->guest_done && len <= CREDIT && c->received - c->forwarded <= CREDIT - len;
}

static void chain_run(struct device *dev, struct batch *b, struct chain *chain, struct iovec *iov)
{
	struct virtio_vsock_hdr hdr;
	struct conn *c;
	uint32_t len;

	if (!take_header(&hdr, iov, chain) || le64toh(hdr.src_cid) != dev->backend->guest_cid) {
		b->heads[b->head_count++] = chain->head; /* nobody to answer to */
		return;
	}
	len = le32toh(hdr.len);
	c = NULL;
	if (le64toh(hdr.dst_cid) == VMADDR_CID_HOST && le16toh(hdr.type) == VIRTIO_VSOCK_TYPE_STREAM)
		c = conn_find(dev, le32toh(hdr.src_port), le32toh(hdr.dst_port));
	if (c) {
		c->guest_alloc = le32toh(hdr.buf_alloc);
		c->guest_forwarded = le32toh(hdr.fwd_cnt);
		conn_queue(dev, c, QUEUE_RUN);
	}
	if (c && le16toh(hdr.op) == VIRTIO_VSOCK_OP_RW && len <= chain->bytes && data_allowed(c, len)) {
		cut(iov, chain, len);
		if (b->bytes && b->conn != c) {
			unsigned int at = b->iov_count;

			batch_flush(dev, b);
			memmove(b->iov, b->iov + at, chain->iov_count * sizeof(*iov));
		}
		b->conn = c;
		b->iov_count += chain->iov_count;
		b->bytes += len;
		c->received += len;
	} else {
		batch_flush(dev, b);
		if (le64toh(hdr.dst_cid) != VMADDR_CID_HOST || le16toh(hdr.type) != VIRTIO_VSOCK_TYPE_STREAM)
			refuse(dev, &hdr, NULL);
		else
			packet(dev, c, &hdr);
	}
	b->heads[b->head_count++] = chain->head;
}

bool tx_run(struct device *dev)
{
	static __thread struct batch batch;
	struct ring *ring = &dev->rings[RING_TX];
	struct chain chain;
	bool more = true;

	if (!ring_usable(ring))
		return false;
	ring_no_kick(ring);
	for (unsigned int i = 0; i < TURN_CHAINS; i++) {
		/* Without room for an answer a guest that does not read could make us keep any number. */
		if (!rx_can_reset(dev)) {
			more = false; /* goes on when resets were sent */
			break;
		}
		if (batch.iov_count > BATCH_IOV - CHAIN_MAX_IOV)
			batch_flush(dev, &batch);
		if (ring_peek(ring, &dev->mem, 0, false, &chain, batch.iov + batch.iov_count) != 1) {
			more = false;
			break;
		}
		ring_take(ring);
		chain_run(dev, &batch, &chain, batch.iov + batch.iov_count);
	}
	batch_flush(dev, &batch);
	return more || (ring_usable(ring) && rx_can_reset(dev) && !ring_want_kick(ring));
}

void tx_finish(struct device *dev)
{
	/* One ring's worth: a guest that goes on sending must not keep us here. */
	for (unsigned int i = 0; i <= dev->rings[RING_TX].size / TURN_CHAINS; i++)
		if (!tx_run(dev))
			return;
}

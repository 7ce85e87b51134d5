/* SPDX-License-Identifier: MIT */
/* Split virtqueues, the device's side. Everything the guest has written there is checked. */
#ifndef UVMCTL_VSOCK_RING_H
#define UVMCTL_VSOCK_RING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include <linux/virtio_ring.h>

#include "vsock_mem.h"

#define RING_MAX_SIZE 32768
#define CHAIN_MAX_IOV 64 /* buffers of one chain; the Linux driver uses at most 19 */

struct ring {
	uint16_t size;
	uint64_t desc_user, avail_user, used_user;
	struct vring_desc *desc;
	struct vring_avail *avail;
	struct vring_used *used;

	uint16_t taken;	    /* next entry of the avail ring */
	uint16_t filled;    /* next entry of the used ring */
	uint16_t published; /* used->idx as the guest sees it */
	uint16_t signalled; /* used->idx when it was last decided whether to tell the guest */
	bool fresh;	    /* nothing decided yet */
	bool event_idx;
	bool enabled;
	bool broken; /* the guest broke the rules; left alone until it is set up again */
	int kick_fd, call_fd, err_fd;
};

struct chain {
	uint16_t head;
	unsigned int iov_count;
	size_t bytes;
};

void ring_init(struct ring *ring);
/* Back to what ring_init() left, descriptors closed. */
void ring_reset(struct ring *ring);

/*
 * Interrupts go to @fd (-1: nowhere) from now on; the ring closes it. One goes there at once: QEMU changes the descriptor while
 * the guest runs, and what the old one was told in between reaches nobody. With event indexes the guest would wait for ever.
 */
void ring_set_call(struct ring *ring, int fd);

/* Find the three parts in memory again, after a change of memory or addresses. False if they are not there. */
bool ring_map(struct ring *ring, const struct guest_mem *mem);

/* May entries be taken and returned now? */
static inline bool ring_usable(const struct ring *ring)
{
	return ring->kick_fd >= 0 && ring->enabled && ring->used && !ring->broken;
}

/*
 * Look at the chain that comes @ahead entries after the next one, without taking it. All its buffers must be
 * device-writable (@writable) or all readable. Returns 1 with @chain and at most CHAIN_MAX_IOV entries of @iov, 0 if
 * the guest has not given that many, -1 if the ring is broken (now).
 */
int ring_peek(struct ring *ring, const struct guest_mem *mem, unsigned int ahead, bool writable, struct chain *chain,
	      struct iovec *iov);

/* Take the next chain, which ring_peek() has shown. */
static inline void ring_take(struct ring *ring)
{
	ring->taken++;
}

/* Return a chain into which @written bytes were written. The guest sees it after ring_publish(). */
void ring_return(struct ring *ring, uint16_t head, size_t written);

/* Show the guest all returned chains, and interrupt it if it wants that. */
void ring_publish(struct ring *ring);

/* Ask for a kick when there is something new; false if there is something already. */
bool ring_want_kick(struct ring *ring);
void ring_no_kick(struct ring *ring);

#endif

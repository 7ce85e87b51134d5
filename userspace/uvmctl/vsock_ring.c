// SPDX-License-Identifier: MIT
/* Split virtqueues, the device's side: take chains, return them, notify. */
#include "vsock_ring.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define CHAIN_MAX_DESC 1024 /* in an indirect table, whose size the guest chooses */

void ring_init(struct ring *ring)
{
	memset(ring, 0, sizeof(*ring));
	ring->kick_fd = ring->call_fd = ring->err_fd = -1;
}

void ring_reset(struct ring *ring)
{
	if (ring->kick_fd >= 0)
		close(ring->kick_fd);
	if (ring->call_fd >= 0)
		close(ring->call_fd);
	if (ring->err_fd >= 0)
		close(ring->err_fd);
	ring_init(ring);
}

bool ring_map(struct ring *ring, const struct guest_mem *mem)
{
	size_t n = ring->size;

	ring->desc = NULL;
	ring->avail = NULL;
	ring->used = NULL;
	/* The virtio alignments: 16, 2 and 4. Both event words are counted in. */
	if (!n || ring->desc_user % 16 || ring->avail_user % 2 || ring->used_user % 4)
		return false;
	ring->desc = mem_user(mem, ring->desc_user, n * sizeof(struct vring_desc));
	ring->avail = mem_user(mem, ring->avail_user, (3 + n) * sizeof(uint16_t));
	ring->used = mem_user(mem, ring->used_user, 3 * sizeof(uint16_t) + n * sizeof(struct vring_used_elem));
	if (ring->desc && ring->avail && ring->used)
		return true;
	ring->used = NULL; /* what ring_usable() looks at */
	return false;
}

static void notify(int fd)
{
	uint64_t one = 1;

	if (fd >= 0 && write(fd, &one, sizeof(one)) < 0 && errno != EAGAIN)
		fprintf(stderr, "vsock: notify the guest: %s\n", strerror(errno));
}

void ring_set_call(struct ring *ring, int fd)
{
	if (ring->call_fd >= 0)
		close(ring->call_fd);
	ring->call_fd = fd;
	notify(fd);
}

static int ring_broken(struct ring *ring, const char *why)
{
	fprintf(stderr, "vsock: the guest's queue is broken: %s\n", why);
	ring->broken = true;
	notify(ring->err_fd);
	return -1;
}

/* Add a guest buffer to @iov. NULL, or what is wrong. */
static const char *add_buffer(const struct guest_mem *mem, uint64_t addr, uint32_t len, struct chain *chain,
			      struct iovec *iov)
{
	while (len) {
		uint64_t part = len;
		void *at = mem_guest(mem, addr, &part);

		if (!at)
			return "a buffer outside of the guest's memory";
		if (chain->iov_count == CHAIN_MAX_IOV)
			return "too many buffers in one chain";
		iov[chain->iov_count].iov_base = at;
		iov[chain->iov_count++].iov_len = part;
		chain->bytes += part;
		addr += part;
		len -= (uint32_t)part;
	}
	return NULL;
}

int ring_peek(struct ring *ring, const struct guest_mem *mem, unsigned int ahead, bool writable, struct chain *chain,
	      struct iovec *iov)
{
	const struct vring_desc *table = ring->desc;
	unsigned int table_size = ring->size, seen = 0, limit = ring->size;
	uint16_t index, given;
	bool indirect = false;

	given = __atomic_load_n(&ring->avail->idx, __ATOMIC_ACQUIRE) - ring->taken;
	if (given > ring->size)
		return ring_broken(ring, "more chains than entries");
	if (given <= ahead)
		return 0;
	index = __atomic_load_n(&ring->avail->ring[(uint16_t)(ring->taken + ahead) % ring->size], __ATOMIC_RELAXED);
	chain->head = index;
	chain->iov_count = 0;
	chain->bytes = 0;

	for (;;) {
		struct vring_desc d;
		const char *wrong;

		if (index >= table_size)
			return ring_broken(ring, "a descriptor index beyond the table");
		if (++seen > limit)
			return ring_broken(ring, "a loop of descriptors");
		/* One read: the guest may change it while we look. */
		d = *(const volatile struct vring_desc *)&table[index];

		if (d.flags & VRING_DESC_F_INDIRECT) {
			uint64_t len = d.len;

			if (indirect || (d.flags & VRING_DESC_F_NEXT))
				return ring_broken(ring, "an indirect table inside a table or a chain");
			if (!len || len % sizeof(d) || len / sizeof(d) > CHAIN_MAX_DESC)
				return ring_broken(ring, "an indirect table of a bad size");
			table = mem_guest(mem, d.addr, &len);
			if (!table || len != d.len)
				return ring_broken(ring, "an indirect table outside of the guest's memory");
			indirect = true;
			limit = table_size = (unsigned int)(len / sizeof(d));
			index = seen = 0;
			continue;
		}
		if (!(d.flags & VRING_DESC_F_WRITE) != !writable)
			return ring_broken(ring, "a buffer of the wrong direction");
		wrong = add_buffer(mem, d.addr, d.len, chain, iov);
		if (wrong)
			return ring_broken(ring, wrong);
		if (!(d.flags & VRING_DESC_F_NEXT))
			return 1;
		index = d.next;
	}
}

void ring_return(struct ring *ring, uint16_t head, size_t written)
{
	struct vring_used_elem *e = &ring->used->ring[ring->filled++ % ring->size];

	e->id = head;
	e->len = (uint32_t)written;
}

void ring_publish(struct ring *ring)
{
	uint16_t event, old = ring->signalled;

	if (!ring_usable(ring) || ring->published == ring->filled)
		return;
	ring->published = ring->filled;
	__atomic_store_n(&ring->used->idx, ring->published, __ATOMIC_RELEASE);
	/* The guest writes its wish, then looks at used->idx; we the other way round. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	ring->signalled = ring->published;
	if (!ring->event_idx) {
		if (__atomic_load_n(&ring->avail->flags, __ATOMIC_RELAXED) & VRING_AVAIL_F_NO_INTERRUPT)
			return;
	} else {
		event = __atomic_load_n(&ring->avail->ring[ring->size], __ATOMIC_RELAXED);
		/* After a start nobody knows what the guest was told before. */
		if (!ring->fresh && !vring_need_event(event, ring->published, old))
			return;
	}
	ring->fresh = false;
	notify(ring->call_fd);
}

bool ring_want_kick(struct ring *ring)
{
	uint16_t *avail_event = (uint16_t *)&ring->used->ring[ring->size];

	if (ring->event_idx)
		__atomic_store_n(avail_event, ring->taken, __ATOMIC_RELAXED);
	else
		__atomic_store_n(&ring->used->flags, 0, __ATOMIC_RELAXED);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return __atomic_load_n(&ring->avail->idx, __ATOMIC_ACQUIRE) == ring->taken;
}

void ring_no_kick(struct ring *ring)
{
	/* With event indexes the guest kicks once, when it passes the one of ring_want_kick(). */
	if (!ring->event_idx)
		__atomic_store_n(&ring->used->flags, VRING_USED_F_NO_NOTIFY, __ATOMIC_RELAXED);
}

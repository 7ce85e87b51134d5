// SPDX-License-Identifier: MIT
/* A guest that breaks every rule: the backend must stay alive, in bounds (run with ASan) and useful. No VM needed. */
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>
#include <linux/virtio_vsock.h>
#include <linux/vm_sockets.h>

#include "vsock_backend.h"

#define MEMORY (4u << 20)
#define USER 0x700000000000ull
#define RING 64u
#define CID 3
/* Guest addresses: a page or more each for the two rings, then buffers. */
#define RING_AT(q) (0x10000u * ((q) + 1))
#define AVAIL 0x4000u
#define USED 0x8000u
#define BUFFERS 0x100000u
#define HEADER sizeof(struct virtio_vsock_hdr)

enum { RX, TX };

static uint8_t *mem;
static int user_fd, mem_fd, kick[2], call[2];
static uint16_t avail_idx[2];
static int dialled = -1; /* the host's end of the last connection */
static unsigned int count, failed;

static void result(int ok, const char *what)
{
	failed += !ok;
	printf("%s %u %s\n", ok ? "ok" : "not ok", ++count, what);
}

static int dial(void *arg, uint32_t port)
{
	int fds[2];

	if (port != 7 || socketpair(AF_UNIX, SOCK_STREAM, 0, fds) < 0)
		return -1;
	if (dialled >= 0)
		close(dialled);
	dialled = fds[0];
	return fds[1];
}

static void *serve(void *arg)
{
	static const struct vsock_backend backend = { .guest_cid = CID, .dial = dial };
	struct gcs_error err = { 0 };

	if (vsock_backend_serve(&backend, *(int *)arg, -1, &err) < 0)
		printf("# %s\n", err.text);
	return NULL;
}

/* --- what QEMU does ------------------------------------------------------------------------ */

static void message(uint32_t request, const void *payload, uint32_t size, int fd)
{
	uint32_t header[3] = { request, 1, size };
	struct iovec iov[] = { { header, sizeof(header) }, { (void *)payload, size } };
	char control[CMSG_SPACE(sizeof(int))] __attribute__((aligned(8))) = { 0 };
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = 2 };

	if (fd >= 0) {
		msg.msg_control = control;
		msg.msg_controllen = sizeof(control);
		*CMSG_FIRSTHDR(&msg) =
			(struct cmsghdr){ .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof(int)) };
		memcpy(CMSG_DATA(CMSG_FIRSTHDR(&msg)), &fd, sizeof(fd));
	}
	sendmsg(user_fd, &msg, MSG_NOSIGNAL);
}

static int answer(void)
{
	uint8_t buf[12 + 8];

	return recv(user_fd, buf, sizeof(buf), MSG_WAITALL) == sizeof(buf);
}

/* Two answers: between them the backend has done everything that was there before the first. */
static int alive(void)
{
	int ok = 1;

	for (int i = 0; i < 2; i++) {
		message(1, NULL, 0, -1);
		ok &= answer();
	}
	return ok;
}

static struct vring_desc *desc(int q)
{
	return (struct vring_desc *)(mem + RING_AT(q));
}

static struct vring_avail *avail(int q)
{
	return (struct vring_avail *)(mem + RING_AT(q) + AVAIL);
}

static struct vring_used *used(int q)
{
	return (struct vring_used *)(mem + RING_AT(q) + USED);
}

static void ring_start(unsigned int q)
{
	uint32_t size[2] = { q, RING }, base[2] = { q, 0 }, enable[2] = { q, 1 };
	struct {
		uint32_t index, flags;
		uint64_t desc, used, avail, log;
	} addr = { q, 0, USER + RING_AT(q), USER + RING_AT(q) + USED, USER + RING_AT(q) + AVAIL, 0 };
	uint64_t index = q;

	memset(mem + RING_AT(q), 0, 0x10000);
	avail_idx[q] = 0;
	message(8, size, sizeof(size), -1);
	message(10, base, sizeof(base), -1);
	message(9, &addr, sizeof(addr), -1);
	message(13, &index, sizeof(index), call[q]);
	message(12, &index, sizeof(index), kick[q]);
	message(18, enable, sizeof(enable), -1);
}

static void ring_stop(unsigned int q)
{
	uint32_t state[2] = { q, 0 };

	message(11, state, sizeof(state), -1);
	answer();
}

static void start(void)
{
	uint64_t features = 1ull << VIRTIO_F_VERSION_1 | 1ull << 30 | 1ull << VIRTIO_RING_F_INDIRECT_DESC;
	struct {
		uint32_t regions, padding;
		uint64_t guest, size, user, offset;
	} table = { 1, 0, 0, MEMORY, USER, 0 };

	message(2, &features, sizeof(features), -1);
	message(5, &table, sizeof(table), mem_fd);
	ring_start(RX);
	ring_start(TX);
}

static void restart(void)
{
	ring_stop(RX);
	ring_stop(TX);
	ring_start(RX);
	ring_start(TX);
}

/* --- what a guest's driver does ------------------------------------------------------------ */

static void offer(int q, uint16_t head)
{
	avail(q)->ring[avail_idx[q]++ % RING] = head;
	__atomic_store_n(&avail(q)->idx, avail_idx[q], __ATOMIC_RELEASE);
	eventfd_write(kick[q], 1);
}

static void set(int q, unsigned int i, uint64_t addr, uint32_t len, uint16_t flags, uint16_t next)
{
	desc(q)[i] = (struct vring_desc){ .addr = addr, .len = len, .flags = flags, .next = next };
}

static void give_buffers(unsigned int n, uint32_t len)
{
	for (unsigned int i = 0; i < n; i++) {
		set(RX, i, BUFFERS + 0x1000 * i, len, VRING_DESC_F_WRITE, 0);
		offer(RX, (uint16_t)i);
	}
}

static void packet(uint16_t op, uint32_t port, uint32_t len, uint32_t flags)
{
	struct virtio_vsock_hdr *h = (struct virtio_vsock_hdr *)(mem + BUFFERS + 0x100000);

	*h = (struct virtio_vsock_hdr){ .src_cid = CID, .dst_cid = VMADDR_CID_HOST, .src_port = 1000, .dst_port = port,
					.len = len, .type = VIRTIO_VSOCK_TYPE_STREAM, .op = op, .flags = flags,
					.buf_alloc = 1 << 18 };
}

static void send_packet(uint16_t op, uint32_t port, uint32_t len, uint32_t flags)
{
	packet(op, port, len, flags);
	set(TX, 0, BUFFERS + 0x100000, (uint32_t)HEADER + len, 0, 0);
	offer(TX, 0);
	alive();
}

/* Has the backend sent a packet with this operation since the last restart? */
static int got(uint16_t op)
{
	for (unsigned int i = 0; i < used(RX)->idx && i < RING; i++)
		if (((struct virtio_vsock_hdr *)(mem + BUFFERS + 0x1000 * used(RX)->ring[i].id))->op == op)
			return 1;
	return 0;
}

/* --- the tests ----------------------------------------------------------------------------- */

static int works(void)
{
	char text[8] = "";

	restart();
	give_buffers(8, 4096);
	send_packet(VIRTIO_VSOCK_OP_REQUEST, 7, 0, 0);
	if (!got(VIRTIO_VSOCK_OP_RESPONSE))
		return 0;
	memcpy(mem + BUFFERS + 0x100000 + HEADER, "hello", 5);
	send_packet(VIRTIO_VSOCK_OP_RW, 7, 5, 0);
	return recv(dialled, text, 5, MSG_DONTWAIT) == 5 && !strcmp(text, "hello");
}

static void bad_chain(const char *what, void (*make)(void))
{
	char text[160];

	restart();
	packet(VIRTIO_VSOCK_OP_RW, 7, 0, 0);
	make();
	snprintf(text, sizeof(text), "%s: alive, and works again after a reset", what);
	result(alive() && works(), text);
}

static void head_beyond(void) { offer(TX, RING + 5); }
static void next_beyond(void) { set(TX, 0, BUFFERS, 4, VRING_DESC_F_NEXT, 9999); offer(TX, 0); }
static void loop(void) { set(TX, 0, BUFFERS, 4, VRING_DESC_F_NEXT, 1); set(TX, 1, BUFFERS, 4, VRING_DESC_F_NEXT, 0); offer(TX, 0); }
static void outside(void) { set(TX, 0, MEMORY - 8, 4096, 0, 0); offer(TX, 0); }
static void wraps(void) { set(TX, 0, UINT64_MAX - 3, 4096, 0, 0); offer(TX, 0); }
static void huge(void) { set(TX, 0, BUFFERS, UINT32_MAX, 0, 0); offer(TX, 0); }
static void wrong_way(void) { set(TX, 0, BUFFERS, 100, VRING_DESC_F_WRITE, 0); offer(TX, 0); }
static void avail_jump(void) { avail(TX)->idx = 40000; eventfd_write(kick[TX], 1); }
static void table_odd(void) { set(TX, 0, BUFFERS, 17, VRING_DESC_F_INDIRECT, 0); offer(TX, 0); }
static void table_outside(void) { set(TX, 0, MEMORY - 16, 64, VRING_DESC_F_INDIRECT, 0); offer(TX, 0); }
static void table_in_table(void)
{
	struct vring_desc *t = (struct vring_desc *)(mem + BUFFERS);

	t[0] = (struct vring_desc){ BUFFERS, 16, VRING_DESC_F_INDIRECT, 0 };
	set(TX, 0, BUFFERS, 16, VRING_DESC_F_INDIRECT, 0);
	offer(TX, 0);
}
static void many_buffers(void)
{
	for (unsigned int i = 0; i < RING; i++)
		set(TX, i, BUFFERS + i, 1, i + 1 < RING ? VRING_DESC_F_NEXT : 0, (uint16_t)(i + 1));
	offer(TX, 0);
}
static void empty(void) { set(TX, 0, BUFFERS, 0, 0, 0); offer(TX, 0); }
static void short_header(void) { set(TX, 0, BUFFERS, 20, 0, 0); offer(TX, 0); }

static int send_many(uint16_t op, uint32_t port, uint32_t len, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++)
		send_packet(op, port, len, 0);
	return alive();
}

int main(void)
{
	int fds[2], ok;
	pthread_t t;

	mem_fd = memfd_create("guest", MFD_CLOEXEC);
	if (mem_fd < 0 || ftruncate(mem_fd, MEMORY) < 0 || socketpair(AF_UNIX, SOCK_STREAM, 0, fds) < 0)
		return 1;
	mem = mmap(NULL, MEMORY, PROT_READ | PROT_WRITE, MAP_SHARED, mem_fd, 0);
	user_fd = fds[0];
	for (int q = 0; q < 2; q++) {
		kick[q] = eventfd(0, 0);
		call[q] = eventfd(0, 0);
	}
	pthread_create(&t, NULL, serve, &fds[1]);
	printf("TAP version 13\n1..24\n");
	start();
	result(works(), "a good guest is served");

	bad_chain("head beyond the table", head_beyond);
	bad_chain("next beyond the table", next_beyond);
	bad_chain("a loop of descriptors", loop);
	bad_chain("a buffer that leaves memory", outside);
	bad_chain("a buffer that wraps around", wraps);
	bad_chain("a buffer of 4 GiB", huge);
	bad_chain("a writable buffer to send", wrong_way);
	bad_chain("more chains than entries", avail_jump);
	bad_chain("an indirect table of odd size", table_odd);
	bad_chain("an indirect table outside of memory", table_outside);
	bad_chain("an indirect table in a table", table_in_table);
	bad_chain("as many buffers as entries", many_buffers);
	bad_chain("an empty chain", empty);
	bad_chain("half a header", short_header);

	works();
	send_packet(VIRTIO_VSOCK_OP_RW, 7, 5, 0);
	packet(VIRTIO_VSOCK_OP_RW, 7, 60000, 0);
	set(TX, 0, BUFFERS + 0x100000, (uint32_t)HEADER + 10, 0, 0);
	offer(TX, 0);
	result(alive() && got(VIRTIO_VSOCK_OP_RST), "a length beyond the packet: reset");

	works();
	for (int i = 0; i < 40 && !got(VIRTIO_VSOCK_OP_RST); i++)
		send_packet(VIRTIO_VSOCK_OP_RW, 7, 65536, 0);
	result(got(VIRTIO_VSOCK_OP_RST), "more data than there is credit for: reset");

	works();
	send_packet(77, 7, 0, 0);
	result(got(VIRTIO_VSOCK_OP_RST), "an unknown operation: reset");

	restart();
	ok = send_many(VIRTIO_VSOCK_OP_RW, 9, 0, 2000);
	result(ok && used(TX)->idx < 2000 && works(), "a guest that takes no resets is not read for ever");

	restart();
	give_buffers(RING, 10);
	send_packet(VIRTIO_VSOCK_OP_REQUEST, 7, 0, 0);
	result(alive() && used(RX)->idx == RING && works(), "receive buffers too small for a header come back");

	restart();
	give_buffers(1, 4096);
	send_packet(VIRTIO_VSOCK_OP_REQUEST, 7, 0, 0);
	for (unsigned int i = 1; i < RING; i++) {
		set(RX, i, BUFFERS + 0x1000 * i, (uint32_t)HEADER, VRING_DESC_F_WRITE, 0);
		offer(RX, (uint16_t)i);
	}
	send(dialled, "x", 1, 0);
	result(alive() && works(), "receive buffers with room for a header only come back");

	ok = works();
	for (unsigned int i = 0; i < 3; i++)
		ok &= works();
	result(ok, "a second driver finds no connection of the first");

	/* QEMU changes it while the guest runs: an interrupt to the old one is lost. */
	ok = works();
	for (int q = 0; q < 2; q++) {
		uint64_t index = (uint64_t)q, events = 0;

		close(call[q]);
		call[q] = eventfd(0, EFD_NONBLOCK);
		message(13, &index, sizeof(index), call[q]);
		ok &= alive() && read(call[q], &events, sizeof(events)) == sizeof(events) && works();
	}
	result(ok, "a new call descriptor is signalled at once");

	shutdown(user_fd, SHUT_RDWR);
	close(dialled);
	result(pthread_join(t, NULL) == 0, "QEMU hangs up: the backend ends");
	return failed != 0;
}

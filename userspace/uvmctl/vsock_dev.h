/* SPDX-License-Identifier: MIT */
/* Inside the vhost-user-vsock backend: the device, its connections, and which file does what. */
#ifndef UVMCTL_VSOCK_DEV_H
#define UVMCTL_VSOCK_DEV_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/socket.h>

#include <linux/vm_sockets.h>
#include <linux/virtio_vsock.h>

#include "vsock_backend.h"
#include "vsock_mem.h"
#include "vsock_ring.h"

#define CREDIT (256u << 10) /* what the guest may send ahead of the host's reader, a connection */
#define CONN_MAX 8192
#define CONN_BUCKETS 1024u
#define RESET_MAX 256 /* resets that wait for a receive buffer of the guest */

enum { RING_RX, RING_TX, RING_EVENT, RING_COUNT }; /* as the guest sees them */

/* What an epoll event is about. */
struct source {
	enum { SOURCE_USER, SOURCE_STOP, SOURCE_KICK, SOURCE_CONN } kind;
	unsigned int ring; /* of SOURCE_KICK */
};

enum conn_queue { QUEUE_NONE, QUEUE_RUN, QUEUE_STARVED };

/* A connection: the guest's stream on one side, a stream socket on the other. */
struct conn {
	struct source source; /* first: epoll's pointer is the connection */
	TAILQ_ENTRY(conn) all_link;
	TAILQ_ENTRY(conn) queue_link;
	LIST_ENTRY(conn) hash_link;
	enum conn_queue queue;
	uint32_t guest_port, host_port;
	int fd;

	bool readable, writable; /* as epoll has said and no call has refuted */
	bool read_end;		 /* the socket's peer has shut its sending side down */
	bool hang_up;		 /* both directions of the socket are shut down */

	/* From the guest to the socket. */
	uint32_t received;   /* bytes taken from the guest */
	uint32_t forwarded;  /* of these, bytes that need no room any more */
	uint32_t advertised; /* forwarded, as the guest was last told */
	uint8_t *pending;    /* CREDIT bytes, allocated while the socket does not take what the guest sends */
	uint32_t pending_start, pending_len;
	bool discard;	     /* nobody reads the socket's other end */
	bool guest_done;     /* the guest sends no more */
	bool sent_end;	     /* the socket's peer has been told so */

	/* From the socket to the guest. */
	uint32_t sent;
	uint32_t guest_alloc, guest_forwarded;
	bool eof;	   /* everything was read */
	bool guest_deaf;   /* the guest receives no more */
	bool credit_asked; /* the guest was asked for credit since it last had none */

	bool want_response, want_credit_update;
	uint32_t told;	/* VIRTIO_VSOCK_SHUTDOWN_* that the guest has got */
	bool detached; /* gone for the guest; what it has sent is still delivered */
	bool dead;
};

TAILQ_HEAD(conn_list, conn);
LIST_HEAD(conn_bucket, conn);

struct device {
	const struct vsock_backend *backend;
	int epoll_fd;
	uint64_t features;
	uint64_t protocol_features;
	struct guest_mem mem;
	struct ring rings[RING_COUNT];
	struct source kicks[RING_COUNT];
	bool tx_ready; /* the transmit ring may hold something */

	struct conn_bucket buckets[CONN_BUCKETS];
	unsigned int conn_count;
	struct conn_list all;
	struct conn_list run;	  /* have something to do */
	struct conn_list starved; /* wait for a receive buffer of the guest */
	struct conn_list dead;	  /* freed when no event can name them any more */

	struct reset {
		uint32_t guest_port, host_port;
		uint16_t type;
	} resets[RESET_MAX];
	unsigned int reset_start, reset_count;
	bool gone; /* QEMU has hung up */
};

/* vsock_user.c: read and answer one vhost-user message. Returns 1, 0 when QEMU hung up, -1 with @err. */
int user_message(struct device *dev, int fd, struct gcs_error *err);

void drop_ring(struct device *dev, struct ring *ring);

/* vsock_tx.c: take what the guest has sent, one bounded turn. Returns whether there may be more. */
bool tx_run(struct device *dev);
/* Take what is there now, because the ring is about to go. */
void tx_finish(struct device *dev);

/* vsock_rx.c: send to the guest. All of these return false if the guest has given no buffer. */
bool rx_control(struct device *dev, struct conn *c, uint16_t op, uint32_t flags);
bool rx_data(struct device *dev, struct conn *c); /* one bounded turn */
bool rx_resets(struct device *dev);		  /* those that wait */
bool rx_can_reset(const struct device *dev);	  /* is there room for one more? */
/* Tell the guest, now or later, that there is no such connection. Only if rx_can_reset(). */
void rx_reset(struct device *dev, uint32_t guest_port, uint32_t host_port, uint16_t type);

/* vsock_conn.c */
struct conn *conn_find(struct device *dev, uint32_t guest_port, uint32_t host_port);
/* Accept the guest's connection. NULL: refuse it. */
struct conn *conn_open(struct device *dev, uint32_t guest_port, uint32_t host_port);
/* The guest sends these bytes. @iov is used up. */
void conn_receive(struct device *dev, struct conn *c, struct iovec *iov, unsigned int count, size_t bytes);
/* Forget the connection as far as the guest goes; deliver what it has sent. */
void conn_detach(struct device *dev, struct conn *c);
/* One turn of whatever there is to do. */
void conn_run(struct device *dev, struct conn *c);
void conn_queue(struct device *dev, struct conn *c, enum conn_queue queue);
/* The guest has started afresh: all connections are gone for it. */
void conn_detach_all(struct device *dev);
void conn_free_dead(struct device *dev);
/* Give up. */
void conn_free_all(struct device *dev);

#endif

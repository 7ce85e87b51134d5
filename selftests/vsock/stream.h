/* SPDX-License-Identifier: MIT */
/* What both ends of the vsock tests agree on: the job that a connection begins with, and the bytes of a stream. */
#ifndef VSOCK_TEST_STREAM_H
#define VSOCK_TEST_STREAM_H

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#define PORT_JOB 5000
#define PORT_VERDICT 5001
#define PORT_NOBODY 5999
#define DEADLINE_S 60

enum order {
	GUEST_FIRST, /* guest sends and shuts down, then the host sends and closes */
	HOST_FIRST,  /* the other way round */
	BOTH,	     /* both send at the same time, shut down, read to the end */
	GUEST_CLOSE, /* the guest sends and closes at once; the host reads only after that */
	HOST_CLOSE,  /* the host sends and closes at once; the guest reads only after that */
	HOST_LEAVES, /* the host closes without reading */
	ECHO,	     /* the host sends back what it gets until the guest shuts down */
	HOST_HOLDS,  /* the host reads only after the verdict was asked for */
	SINK,	     /* the host reads and drops */
};

/* The first bytes of a connection to PORT_JOB. */
struct job {
	uint32_t id, order;
	uint64_t guest_bytes, host_bytes;
};

/* Asked for by id over PORT_VERDICT. */
enum ask { ASK_SENT, ASK_GO, ASK_DONE };

struct question {
	uint32_t id, ask;
};

struct verdict {
	uint64_t received, sent;
	uint32_t intact; /* every byte was the right one */
	int32_t end;	 /* 0: end of file; otherwise errno of the read */
};

/* The stream's bytes, from @state on. */
static inline void stream_fill(uint64_t *state, uint8_t *to, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		*state ^= *state << 13;
		*state ^= *state >> 7;
		*state ^= *state << 17;
		to[i] = (uint8_t)(*state >> 24);
	}
}

#define SEED(id, from_host) (0x9E3779B97F4A7C15ull * ((id) + 1) + (from_host))

static inline void set_deadline(int fd)
{
	struct timeval tv = { .tv_sec = DEADLINE_S };

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv));
}

/* Send bytes @from to @from + @len of a stream; returns how many went. */
static inline uint64_t stream_send(int fd, uint64_t *state, uint64_t len)
{
	static __thread uint8_t buf[1 << 16];
	uint64_t done = 0;

	while (done < len) {
		size_t part = len - done < sizeof(buf) ? (size_t)(len - done) : sizeof(buf);

		stream_fill(state, buf, part);
		for (size_t at = 0; at < part;) {
			ssize_t n = send(fd, buf + at, part - at, MSG_NOSIGNAL);

			if (n < 0)
				return done;
			at += (size_t)n;
			done += (size_t)n;
		}
	}
	return done;
}

/* Read to the end and compare. */
static inline void stream_check(int fd, uint64_t *state, struct verdict *v)
{
	static __thread uint8_t buf[1 << 16], want[1 << 16];
	ssize_t n;

	v->intact = 1;
	while ((n = recv(fd, buf, sizeof(buf), 0)) > 0) {
		stream_fill(state, want, (size_t)n);
		if (memcmp(buf, want, (size_t)n))
			v->intact = 0;
		v->received += (uint64_t)n;
	}
	v->end = n < 0 ? errno : 0;
}

static inline int read_all(int fd, void *to, size_t len)
{
	return recv(fd, to, len, MSG_WAITALL) == (ssize_t)len ? 0 : -1;
}

#endif

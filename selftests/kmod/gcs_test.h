/* SPDX-License-Identifier: MIT */
/*
 * What the tests of gcs.ko share: loopback connections, the ioctls, netlink, waiting for events
 */
#ifndef GCS_TEST_H
#define GCS_TEST_H

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/genetlink.h>
#include <linux/netlink.h>
#include <linux/vm_sockets.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <linux/gcs.h>

#include "kselftest_harness.h"

#define RING_SIZE	(256 * 1024)
/* No event of a test takes longer unless something is broken. */
#define WAIT_MS		scaled(10000)
/* Long enough to see that something does not happen. */
#define NOT_MS		150

/* A report of the kernel's names the test that was running. */
static inline void say(const char *name)
{
	int fd = open("/dev/kmsg", O_WRONLY | O_CLOEXEC);
	char line[256];

	/* dprintf() would seek first, and fail. */
	if (fd >= 0 && write(fd, line, snprintf(line, sizeof(line), "gcs selftest: %s\n", name)) < 0)
		perror("/dev/kmsg");
	close(fd);
}

static inline uint64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000ull + ts.tv_nsec / 1000000;
}

/* The events of @events that came within @ms, or 0. */
static inline short wait_fd(int fd, short events, int ms)
{
	struct pollfd p = { .fd = fd, .events = events };

	return poll(&p, 1, ms) == 1 ? p.revents : 0;
}

/* --- vsock loopback ------------------------------------------------------------------------ */

static inline int vsock_listen(unsigned int *port)
{
	struct sockaddr_vm addr = {
		.svm_family = AF_VSOCK, .svm_cid = VMADDR_CID_ANY, .svm_port = VMADDR_PORT_ANY,
	};
	socklen_t len = sizeof(addr);
	int fd = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&addr, sizeof(addr)) || listen(fd, 8) ||
	    getsockname(fd, (struct sockaddr *)&addr, &len)) {
		perror("vsock listener");
		exit(KSFT_FAIL);
	}
	*port = addr.svm_port;
	return fd;
}

/* A connection over loopback: @host is the peer's end, the other is the stream's. */
static inline int vsock_pair(int *host)
{
	struct sockaddr_vm addr = { .svm_family = AF_VSOCK, .svm_cid = VMADDR_CID_LOCAL };
	unsigned int port;
	int listener = vsock_listen(&port);
	int fd = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0);
	const struct timeval patience = { .tv_sec = WAIT_MS / 1000 };

	addr.svm_port = port;
	/* The kernel's own limit is 2 s, too little for a kernel full of checks on a busy machine. */
	setsockopt(fd, AF_VSOCK, SO_VM_SOCKETS_CONNECT_TIMEOUT, &patience, sizeof(patience));
	if (fd < 0 || connect(fd, (struct sockaddr *)&addr, sizeof(addr))) {
		perror("vsock connect");
		exit(KSFT_FAIL);
	}
	*host = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	if (*host < 0) {
		perror("vsock accept");
		exit(KSFT_FAIL);
	}
	close(listener);
	return fd;
}

/* How many bytes the peer may send before somebody reads: both sides of the connection. */
static inline void vsock_set_buffer(int fd, uint64_t size)
{
	if (setsockopt(fd, AF_VSOCK, SO_VM_SOCKETS_BUFFER_MIN_SIZE, &size, sizeof(size)) ||
	    setsockopt(fd, AF_VSOCK, SO_VM_SOCKETS_BUFFER_SIZE, &size, sizeof(size)))
		perror("vsock buffer size");
}

/* --- ioctls -------------------------------------------------------------------------------- */

static inline int gcs_device(void)
{
	return open("/dev/gcs", O_RDWR | O_CLOEXEC);
}

static inline int stream_open(int dev, uint32_t flags, int sock, uint64_t cookie, uint64_t *id)
{
	struct gcs_stream_open arg = {
		.size = sizeof(arg), .flags = flags, .socket_fd = sock, .cookie = cookie,
	};
	int fd = ioctl(dev, GCS_STREAM_OPEN, &arg);

	if (id)
		*id = arg.id;
	return fd;
}

static inline int stream_attach_at(int dev, uint64_t id, int sock, uint32_t flags, uint64_t offset)
{
	struct gcs_stream_attach arg = {
		.size = sizeof(arg), .id = id, .socket_fd = sock, .flags = flags, .offset = offset,
	};

	return ioctl(dev, GCS_STREAM_ATTACH, &arg);
}

static inline int stream_attach(int dev, uint64_t id, int sock)
{
	return stream_attach_at(dev, id, sock, 0, 0);
}

static inline int stream_finish(int dev, uint64_t id, uint32_t flags, uint32_t idle_ms,
				uint32_t deadline_ms)
{
	struct gcs_stream_finish arg = {
		.size = sizeof(arg), .id = id, .flags = flags,
		.idle_ms = idle_ms, .deadline_ms = deadline_ms,
	};

	return ioctl(dev, GCS_STREAM_FINISH, &arg);
}

/* A stream on a connection of its own; the test keeps the peer's end. */
static inline int stream_pair(int dev, uint32_t flags, int *host, uint64_t *id)
{
	int sock = vsock_pair(host);
	int fd = stream_open(dev, flags, sock, 0, id);

	close(sock);
	return fd;
}

/* --- netlink ------------------------------------------------------------------------------- */

struct stream_info {
	uint64_t id, cookie, in, out, lost, queued, inlines, flushes, stalls, kept;
	uint32_t flags, state, reason;
	bool has_reason;
};

struct gcs_nl {
	int fd;
	uint16_t family;
	uint32_t group;
};

#define NLA_DATA(nla)	((void *)((char *)(nla) + NLA_HDRLEN))
#define nla_for_each(nla, start, len)						\
	for (struct nlattr *nla = (start), *nla##_end = (void *)((char *)nla + (len));	\
	     nla < nla##_end && nla->nla_len >= NLA_HDRLEN;			\
	     nla = (void *)((char *)nla + NLA_ALIGN(nla->nla_len)))

static inline int nl_send(int fd, uint16_t type, uint16_t flags, uint8_t cmd, uint16_t attr,
			  const void *data, size_t len)
{
	struct {
		struct nlmsghdr n;
		struct genlmsghdr g;
		char attrs[64];
	} req = {
		.n = { .nlmsg_type = type, .nlmsg_flags = NLM_F_REQUEST | flags, .nlmsg_seq = 1 },
		.g = { .cmd = cmd, .version = GCS_GENL_VERSION },
	};
	struct nlattr *nla = (struct nlattr *)req.attrs;

	req.n.nlmsg_len = NLMSG_LENGTH(GENL_HDRLEN);
	if (data) {
		nla->nla_type = attr;
		nla->nla_len = NLA_HDRLEN + len;
		memcpy(NLA_DATA(nla), data, len);
		req.n.nlmsg_len += NLA_ALIGN(nla->nla_len);
	}
	return send(fd, &req, req.n.nlmsg_len, 0) < 0 ? -errno : 0;
}

static inline void *nl_attrs(struct nlmsghdr *n, size_t *len)
{
	*len = n->nlmsg_len - NLMSG_LENGTH(GENL_HDRLEN);
	return (char *)NLMSG_DATA(n) + GENL_HDRLEN;
}

/* A socket of the family gcs; with @events it is in the multicast group. */
static inline int nl_open(struct gcs_nl *nl, bool events)
{
	char buf[8192];
	struct nlmsghdr *n = (struct nlmsghdr *)buf;
	size_t len;
	int one = 1;

	nl->fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_GENERIC);
	setsockopt(nl->fd, SOL_NETLINK, NETLINK_EXT_ACK, &one, sizeof(one));
	setsockopt(nl->fd, SOL_NETLINK, NETLINK_GET_STRICT_CHK, &one, sizeof(one));
	nl_send(nl->fd, GENL_ID_CTRL, 0, CTRL_CMD_GETFAMILY, CTRL_ATTR_FAMILY_NAME, GCS_GENL_NAME,
		sizeof(GCS_GENL_NAME));
	if (recv(nl->fd, buf, sizeof(buf), 0) < 0 || n->nlmsg_type == NLMSG_ERROR)
		return -1;
	nla_for_each(a, nl_attrs(n, &len), n->nlmsg_len - NLMSG_LENGTH(GENL_HDRLEN)) {
		if (a->nla_type == CTRL_ATTR_FAMILY_ID)
			nl->family = *(uint16_t *)NLA_DATA(a);
		if ((a->nla_type & NLA_TYPE_MASK) != CTRL_ATTR_MCAST_GROUPS)
			continue;
		nla_for_each(g, NLA_DATA(a), a->nla_len - NLA_HDRLEN)
			nla_for_each(m, NLA_DATA(g), g->nla_len - NLA_HDRLEN)
				if (m->nla_type == CTRL_ATTR_MCAST_GRP_ID)
					nl->group = *(uint32_t *)NLA_DATA(m);
	}
	if (events && setsockopt(nl->fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &nl->group,
				 sizeof(nl->group)))
		return -1;
	return 0;
}

/* An attribute of 4 or 8 bytes; 0 if it is neither. */
static inline uint64_t nl_number(const struct nlattr *a)
{
	uint64_t u64 = 0;
	uint32_t u32 = 0;

	if (a->nla_len - NLA_HDRLEN == 8)
		memcpy(&u64, NLA_DATA(a), 8);
	else if (a->nla_len - NLA_HDRLEN == 4)
		memcpy(&u32, NLA_DATA(a), 4);
	return u64 | u32;
}

static inline void nl_parse(struct nlmsghdr *n, struct stream_info *info)
{
	size_t len;

	memset(info, 0, sizeof(*info));
	nla_for_each(a, nl_attrs(n, &len), n->nlmsg_len - NLMSG_LENGTH(GENL_HDRLEN)) {
		uint64_t value = nl_number(a);

		switch (a->nla_type) {
		case GCS_A_STREAM_ID: info->id = value; break;
		case GCS_A_STREAM_COOKIE: info->cookie = value; break;
		case GCS_A_STREAM_FLAGS: info->flags = value; break;
		case GCS_A_STREAM_STATE: info->state = value; break;
		case GCS_A_STREAM_BYTES_IN: info->in = value; break;
		case GCS_A_STREAM_BYTES_OUT: info->out = value; break;
		case GCS_A_STREAM_LOST: info->lost = value; break;
		case GCS_A_STREAM_QUEUED: info->queued = value; break;
		case GCS_A_STREAM_INLINE: info->inlines = value; break;
		case GCS_A_STREAM_FLUSHES: info->flushes = value; break;
		case GCS_A_STREAM_STALLS: info->stalls = value; break;
		case GCS_A_STREAM_KEPT: info->kept = value; break;
		case GCS_A_STREAM_REASON: info->reason = value; info->has_reason = true; break;
		}
	}
}

/* Open /dev/gcs, and one more as long as there is any stream. */
static inline int module_users(void)
{
	FILE *f = fopen("/sys/module/gcs/refcnt", "re");
	int users = -1;

	if (f && fscanf(f, "%d", &users) != 1)
		users = -1;
	if (f)
		fclose(f);
	return users;
}

/* The answer to @cmd for the object @id, whose attribute is @attr. Returns 0 or the kernel's negative errno. */
static inline int nl_get_one(struct gcs_nl *nl, uint8_t cmd, uint16_t attr, uint64_t id, char buf[4096])
{
	struct nlmsghdr *n = (struct nlmsghdr *)buf;
	int err = nl_send(nl->fd, nl->family, 0, cmd, attr, &id, sizeof(id));

	if (err)
		return err;
	if (recv(nl->fd, buf, 4096, 0) < 0)
		return -errno;
	return n->nlmsg_type == NLMSG_ERROR ? *(int *)NLMSG_DATA(n) : 0;
}

static inline int nl_get(struct gcs_nl *nl, uint64_t id, struct stream_info *info)
{
	char buf[4096];
	int err = nl_get_one(nl, GCS_CMD_STREAM_GET, GCS_A_STREAM_ID, id, buf);

	if (!err)
		nl_parse((struct nlmsghdr *)buf, info);
	return err;
}

/* Calls @each, if any, for every message of the dump @cmd. Returns how many there were, or a negative errno. */
static inline int nl_messages(struct gcs_nl *nl, uint8_t cmd, void (*each)(struct nlmsghdr *, void *), void *data,
			      bool *interrupted)
{
	static char buf[65536];
	struct nlmsghdr *n;
	int count = 0;
	int err, len;

	if (interrupted)
		*interrupted = false;
	err = nl_send(nl->fd, nl->family, NLM_F_DUMP, cmd, 0, NULL, 0);
	if (err)
		return err;
	for (;;) {
		len = recv(nl->fd, buf, sizeof(buf), 0);
		if (len < 0)
			return -errno;
		for (n = (struct nlmsghdr *)buf; NLMSG_OK(n, (unsigned int)len); n = NLMSG_NEXT(n, len)) {
			if (interrupted && n->nlmsg_flags & NLM_F_DUMP_INTR)
				*interrupted = true;
			if (n->nlmsg_type == NLMSG_ERROR)
				return *(int *)NLMSG_DATA(n);
			if (n->nlmsg_type == NLMSG_DONE)
				return count;
			if (each)
				each(n, data);
			count++;
		}
	}
}

struct each_stream {
	void (*each)(const struct stream_info *, void *);
	void *data;
};

static inline void parse_stream(struct nlmsghdr *n, void *data)
{
	const struct each_stream *e = data;
	struct stream_info info;

	nl_parse(n, &info);
	e->each(&info, e->data);
}

/* Calls @each, if any, for every stream. Returns how many there were, or a negative errno. */
static inline int nl_dump(struct gcs_nl *nl, void (*each)(const struct stream_info *, void *),
			  void *data, bool *interrupted)
{
	struct each_stream e = { each, data };

	return nl_messages(nl, GCS_CMD_STREAM_GET, each ? parse_stream : NULL, &e, interrupted);
}

/* The family's next event until @end, into @buf. Returns its command, or -1. */
static inline int nl_event(struct gcs_nl *events, uint64_t end, char *buf, size_t size)
{
	struct nlmsghdr *n = (struct nlmsghdr *)buf;
	struct genlmsghdr *g = NLMSG_DATA(n);

	do {
		uint64_t now = now_ms();

		if (!wait_fd(events->fd, POLLIN, now < end ? end - now : 0) || recv(events->fd, buf, size, 0) < 0)
			return -1;
	} while (n->nlmsg_type != events->family);
	return g->cmd;
}

/* The event @cmd of stream @id, within @ms. Returns 0 if it came. */
static inline int wait_stream(struct gcs_nl *events, uint8_t cmd, uint64_t id, int ms,
			      struct stream_info *info)
{
	uint64_t end = now_ms() + ms;
	char buf[4096];
	int got;

	while ((got = nl_event(events, end, buf, sizeof(buf))) >= 0) {
		nl_parse((struct nlmsghdr *)buf, info);
		if (got == cmd && info->id == id)
			return 0;
	}
	return -1;
}

static inline int wait_finished(struct gcs_nl *events, uint64_t id, int ms,
				struct stream_info *info)
{
	return wait_stream(events, GCS_CMD_STREAM_FINISHED, id, ms, info);
}

static inline void collect_id(const struct stream_info *info, void *data)
{
	uint64_t **next = data;

	*(*next)++ = info->id;
}

/* Ends what a test has left: a stream that was closed without ever having a socket waits for one. */
static inline void finish_all(int dev)
{
	static uint64_t ids[8192], *end;
	struct stream_info info;
	struct gcs_nl nl, events;

	if (nl_open(&nl, false) || nl_open(&events, true))
		return;
	end = ids;
	nl_dump(&nl, collect_id, &end, NULL);
	for (uint64_t *id = ids; id < end; id++)
		if (!stream_finish(dev, *id, 0, 0, 1))
			wait_finished(&events, *id, WAIT_MS, &info);
	close(nl.fd);
	close(events.fd);
}

/* The beginning of test @name: the device. */
static inline int test_device(const char *name)
{
	say(name);
	signal(SIGPIPE, SIG_IGN);
	return gcs_device();
}

/* The fixture of tests that want the device, its list and its events; @finish ends what a test has left. */
#define GCS_FIXTURE(fixture, finish)				\
	FIXTURE(fixture) {					\
		int dev;					\
		struct gcs_nl nl, events;			\
	};							\
								\
	FIXTURE_SETUP(fixture)					\
	{							\
		self->dev = test_device(_metadata->name);	\
		ASSERT_LE(0, self->dev);			\
		ASSERT_EQ(0, nl_open(&self->nl, false));	\
		ASSERT_EQ(0, nl_open(&self->events, true));	\
	}							\
								\
	FIXTURE_TEARDOWN(fixture)				\
	{							\
		finish(self->dev);				\
		close(self->dev);				\
	}

/* That of tests that want a stream of each way, and its peer. */
#define STREAMS_FIXTURE(fixture)								\
	FIXTURE(fixture) {									\
		int dev;									\
		int w, w_host;									\
		int r, r_host;									\
		uint64_t w_id, r_id;								\
	};											\
												\
	FIXTURE_SETUP(fixture)									\
	{											\
		self->dev = test_device(_metadata->name);						\
		ASSERT_LE(0, self->dev);							\
		self->w = stream_pair(self->dev, GCS_STREAM_WRITE, &self->w_host, &self->w_id);	\
		ASSERT_LE(0, self->w);								\
		self->r = stream_pair(self->dev, GCS_STREAM_READ, &self->r_host, &self->r_id);	\
		ASSERT_LE(0, self->r);								\
	}											\
												\
	FIXTURE_TEARDOWN(fixture)								\
	{											\
		close(self->w);									\
		close(self->r);									\
		close(self->w_host);								\
		close(self->r_host);								\
		finish_all(self->dev);								\
		close(self->dev);								\
	}

/* --- data ---------------------------------------------------------------------------------- */

/* Byte @pos of an endless, aperiodic enough stream: a byte out of place shows. */
static inline unsigned char pattern(uint64_t pos)
{
	return (pos * 2654435761u >> 13) ^ (pos >> 8);
}

static inline void fill_pattern(char *buf, uint64_t pos, size_t len)
{
	for (size_t i = 0; i < len; i++)
		buf[i] = pattern(pos + i);
}

/* The length of the beginning of @buf that is the pattern from @pos on. */
static inline size_t check_pattern(const char *buf, uint64_t pos, size_t len)
{
	size_t i;

	for (i = 0; i < len && (unsigned char)buf[i] == pattern(pos + i); i++)
		;
	return i;
}

static inline bool write_all(int fd, const void *buf, size_t len)
{
	while (len) {
		ssize_t n = write(fd, buf, len);

		if (n <= 0)
			return false;
		buf = (const char *)buf + n;
		len -= n;
	}
	return true;
}

static inline bool write_pattern(int fd, uint64_t pos, size_t len)
{
	char *buf = malloc(len);
	bool ok;

	fill_pattern(buf, pos, len);
	ok = write_all(fd, buf, len);
	free(buf);
	return ok;
}

/* Writes the pattern in small records until the ring and the connection are full. Returns the bytes. */
static inline uint64_t fill(int fd)
{
	int flags = fcntl(fd, F_GETFL);
	uint64_t pos = 0;
	char buf[1024];

	fcntl(fd, F_SETFL, flags | O_NONBLOCK);
	do {
		for (;; pos += sizeof(buf)) {
			fill_pattern(buf, pos, sizeof(buf));
			if (write(fd, buf, sizeof(buf)) != sizeof(buf))
				break;
		}
	} while (wait_fd(fd, POLLOUT, NOT_MS));
	fcntl(fd, F_SETFL, flags);
	return pos;
}

/* Reads until @len bytes, end of file, an error, or silence. Returns the bytes. */
static inline size_t read_full(int fd, void *buf, size_t len)
{
	size_t done = 0;
	ssize_t n;

	while (done < len && wait_fd(fd, POLLIN | POLLHUP, WAIT_MS)) {
		n = read(fd, (char *)buf + done, len - done);
		if (n <= 0)
			break;
		done += n;
	}
	return done;
}

/* Reads the pattern from @pos until end of file. Returns the bytes, or -1 at the first wrong one. */
static inline int64_t read_pattern_to_eof(int fd, uint64_t pos)
{
	static char buf[65536];
	uint64_t start = pos;
	ssize_t n;

	while (wait_fd(fd, POLLIN | POLLHUP, WAIT_MS)) {
		n = read(fd, buf, sizeof(buf));
		if (n == 0)
			return pos - start;
		if (n < 0 || check_pattern(buf, pos, n) != (size_t)n)
			return -1;
		pos += n;
	}
	return -1;
}

/* The time until @pid has ended is bounded by the harness. Returns its wait status. */
static inline int reap(pid_t pid)
{
	int status = -1;

	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return status;
}

/* True when @pid has not ended by the time it would have, were nothing holding it up. */
static inline bool still_waits(pid_t pid)
{
	int pidfd = syscall(SYS_pidfd_open, pid, 0);
	bool waits = pidfd >= 0 && !wait_fd(pidfd, POLLIN, NOT_MS);

	close(pidfd);
	return waits;
}

/* True when @pid ends now. */
static inline bool ends(pid_t pid)
{
	int pidfd = syscall(SYS_pidfd_open, pid, 0);
	bool ended = pidfd >= 0 && wait_fd(pidfd, POLLIN, WAIT_MS);

	close(pidfd);
	return ended;
}

/*
 * Interrupts what @pid waits in. It may not have come there yet, and then the signal is for nothing, so another follows
 * until it has ended.
 */
static inline bool interrupt(pid_t pid)
{
	int pidfd = syscall(SYS_pidfd_open, pid, 0);
	uint64_t end = now_ms() + WAIT_MS;
	bool ended;

	do {
		kill(pid, SIGUSR1);
		ended = wait_fd(pidfd, POLLIN, NOT_MS);
	} while (!ended && now_ms() < end);
	close(pidfd);
	return ended;
}

#endif /* GCS_TEST_H */

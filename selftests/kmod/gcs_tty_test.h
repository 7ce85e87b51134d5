/* SPDX-License-Identifier: MIT */
/*
 * What the tests of terminals share: ptys, the ioctls, what netlink says of a tty
 */
#ifndef GCS_TTY_TEST_H
#define GCS_TTY_TEST_H

#include <termios.h>

#include "gcs_test.h"

struct tty_info {
	uint64_t id, cookie, in, out, in_lost, out_lost, queued;
	uint32_t state, reason;
};

/* --- ioctls -------------------------------------------------------------------------------- */

static inline int tty_open(int dev, int fd, int in, int out, uint32_t flags, uint64_t *id)
{
	struct gcs_tty_open arg = {
		.size = sizeof(arg), .flags = flags, .fd = fd, .in_fd = in, .out_fd = out, .cookie = 77,
	};
	int ret = ioctl(dev, GCS_TTY_OPEN, &arg);

	*id = arg.id;
	return ret;
}

static inline int tty_attach(int dev, uint64_t id, int in, int out, uint32_t flags)
{
	struct gcs_tty_attach arg = {
		.size = sizeof(arg), .flags = flags, .id = id, .in_fd = in, .out_fd = out,
	};

	return ioctl(dev, GCS_TTY_ATTACH, &arg);
}

static inline int tty_finish(int dev, uint64_t id, uint32_t idle_ms, uint32_t deadline_ms)
{
	struct gcs_tty_finish arg = {
		.size = sizeof(arg), .id = id, .idle_ms = idle_ms, .deadline_ms = deadline_ms,
	};

	return ioctl(dev, GCS_TTY_FINISH, &arg);
}

/* --- netlink ------------------------------------------------------------------------------- */

static inline void tty_parse(struct nlmsghdr *n, struct tty_info *info)
{
	size_t len;

	memset(info, 0, sizeof(*info));
	info->reason = ~0u;
	nla_for_each(a, nl_attrs(n, &len), n->nlmsg_len - NLMSG_LENGTH(GENL_HDRLEN)) {
		uint64_t value = nl_number(a);

		switch (a->nla_type) {
		case GCS_A_TTY_ID: info->id = value; break;
		case GCS_A_TTY_COOKIE: info->cookie = value; break;
		case GCS_A_TTY_STATE: info->state = value; break;
		case GCS_A_TTY_IN: info->in = value; break;
		case GCS_A_TTY_OUT: info->out = value; break;
		case GCS_A_TTY_IN_LOST: info->in_lost = value; break;
		case GCS_A_TTY_OUT_LOST: info->out_lost = value; break;
		case GCS_A_TTY_QUEUED: info->queued = value; break;
		case GCS_A_TTY_REASON: info->reason = value; break;
		}
	}
}

static inline int tty_get(struct gcs_nl *nl, uint64_t id, struct tty_info *info)
{
	char buf[4096];
	int err = nl_get_one(nl, GCS_CMD_TTY_GET, GCS_A_TTY_ID, id, buf);

	if (!err)
		tty_parse((struct nlmsghdr *)buf, info);
	return err;
}

static inline void collect_tty(struct nlmsghdr *n, void *data)
{
	struct tty_info info;
	uint64_t **next = data;

	tty_parse(n, &info);
	*(*next)++ = info.id;
}

/* The ids of all ttys into @ids. Returns how many there are, or a negative errno. */
static inline int tty_dump(struct gcs_nl *nl, uint64_t *ids, bool *interrupted)
{
	return nl_messages(nl, GCS_CMD_TTY_GET, collect_tty, &ids, interrupted);
}

/* The next finished event until @end. Returns 0 if it came. */
static inline int next_tty_event(struct gcs_nl *events, uint64_t end, struct tty_info *info)
{
	char buf[4096];
	int got;

	do
		got = nl_event(events, end, buf, sizeof(buf));
	while (got >= 0 && got != GCS_CMD_TTY_FINISHED);
	if (got < 0)
		return -1;
	tty_parse((struct nlmsghdr *)buf, info);
	return 0;
}

static inline int wait_tty(struct gcs_nl *events, uint64_t id, int ms, struct tty_info *info)
{
	uint64_t end = now_ms() + ms;

	while (!next_tty_event(events, end, info))
		if (info->id == id)
			return 0;
	return -1;
}

/* --- ptys ---------------------------------------------------------------------------------- */

static inline void set_raw(int slave)
{
	struct termios t;

	tcgetattr(slave, &t);
	cfmakeraw(&t);
	tcsetattr(slave, TCSANOW, &t);
}

/* A master and its slave; @raw: bytes pass as they are. */
static inline int pty_pair(int *slave, bool raw)
{
	int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);

	if (master < 0 || unlockpt(master))
		exit(KSFT_FAIL);
	*slave = open(ptsname(master), O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (*slave < 0) {
		perror("pty");
		exit(KSFT_FAIL);
	}
	if (raw)
		set_raw(*slave);
	return master;
}

/* A file with a relay of its own: what the test holds of it. */
struct term {
	uint64_t id;
	int in, out;	/* the peer's ends */
};

/* Relays @file over two connections, as the host makes them; or with @one over one. @file is closed here. */
static inline int term_start(int dev, struct term *t, int file, bool one)
{
	int in = vsock_pair(&t->in);
	int out = in;
	int ret;

	t->out = t->in;
	if (!one)
		out = vsock_pair(&t->out);
	ret = tty_open(dev, file, in, out, 0, &t->id);
	close(in);
	if (!one)
		close(out);
	close(file);
	return ret;
}

/* A terminal: returns the slave. */
static inline int term_pty(int dev, struct term *t, bool raw)
{
	int slave;

	if (term_start(dev, t, pty_pair(&slave, raw), false)) {
		perror("GCS_TTY_OPEN");
		exit(KSFT_FAIL);
	}
	return slave;
}

/* A child that writes the pattern. */
static inline pid_t pattern_writer(int fd, size_t len)
{
	static char buf[65536];
	pid_t pid = fork();

	if (pid)
		return pid;
	for (size_t pos = 0; pos < len;) {
		size_t n = len - pos < sizeof(buf) ? len - pos : sizeof(buf);

		fill_pattern(buf, pos, n);
		if (!write_all(fd, buf, n))
			_exit(1);
		pos += n;
	}
	_exit(0);
}

/* Reads @len bytes and compares them with the pattern from @pos. */
static inline bool read_pattern(int fd, uint64_t pos, size_t len)
{
	static char buf[65536];

	while (len) {
		size_t n = len < sizeof(buf) ? len : sizeof(buf);

		if (read_full(fd, buf, n) != n || check_pattern(buf, pos, n) != n)
			return false;
		pos += n;
		len -= n;
	}
	return true;
}

/* Ends what a test has left. */
static inline void finish_all_ttys(int dev)
{
	static uint64_t ids[8192];
	struct gcs_nl nl, events;
	struct tty_info info;
	bool interrupted;
	int count;

	if (nl_open(&nl, false) || nl_open(&events, true))
		return;
	count = tty_dump(&nl, ids, &interrupted);
	for (int i = 0; i < count; i++)
		if (!tty_finish(dev, ids[i], 0, 1))
			wait_tty(&events, ids[i], WAIT_MS, &info);
	close(nl.fd);
	close(events.fd);
}

#endif /* GCS_TTY_TEST_H */

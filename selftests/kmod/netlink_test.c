// SPDX-License-Identifier: MIT
/*
 * The generic netlink family: who may ask, what is refused, what a dump promises
 */
#include "gcs_test.h"

FIXTURE(netlink) {
	int dev;
	struct gcs_nl nl;
};

FIXTURE_SETUP(netlink)
{
	say(_metadata->name);
	self->dev = gcs_device();
	ASSERT_LE(0, self->dev);
	ASSERT_EQ(0, nl_open(&self->nl, false));
}

FIXTURE_TEARDOWN(netlink)
{
	close(self->nl.fd);
	finish_all(self->dev);
	close(self->dev);
}

/* The errno that the kernel answers a request with. */
static int answer(struct gcs_nl *nl, uint16_t flags, uint8_t cmd, uint16_t attr, const void *data,
		  size_t len)
{
	char buf[4096];
	struct nlmsghdr *n = (struct nlmsghdr *)buf;

	nl_send(nl->fd, nl->family, flags, cmd, attr, data, len);
	if (recv(nl->fd, buf, sizeof(buf), 0) < 0)
		return errno;
	if (n->nlmsg_type == NLMSG_ERROR || n->nlmsg_type == NLMSG_DONE)
		return -*(int *)NLMSG_DATA(n);
	return 0;
}

TEST_F(netlink, get_tells_all_of_one_stream)
{
	struct stream_info info;
	uint64_t id;
	int fd = stream_open(self->dev, GCS_STREAM_WRITE | GCS_STREAM_NONBLOCK, -1, 0x1234567890, &id);

	ASSERT_EQ(10, write(fd, "0123456789", 10));
	ASSERT_EQ(0, nl_get(&self->nl, id, &info));
	EXPECT_EQ(id, info.id);
	EXPECT_EQ(0x1234567890, info.cookie);
	EXPECT_EQ(GCS_STREAM_WRITE | GCS_STREAM_NONBLOCK, info.flags);
	EXPECT_EQ(GCS_STATE_DETACHED, info.state);
	EXPECT_EQ(10, info.in);
	EXPECT_EQ(0, info.out);
	EXPECT_EQ(10, info.queued);
	EXPECT_FALSE(info.has_reason);
	stream_finish(self->dev, id, 0, 0, 0);
}

TEST_F(netlink, inline_sends_flushes_and_stalls_are_counted)
{
	struct stream_info info;
	uint64_t id;
	int host, fd = stream_pair(self->dev, GCS_STREAM_WRITE, &host, &id);
	char *buf = calloc(1, 4096);

	ASSERT_EQ(4096, write(fd, buf, 4096));
	ASSERT_EQ(0, nl_get(&self->nl, id, &info));
	EXPECT_EQ(1, info.inlines);
	EXPECT_EQ(0, info.flushes);
	fcntl(fd, F_SETFL, O_NONBLOCK);
	while (write(fd, buf, 1000) == 1000)
		;
	ASSERT_EQ(0, nl_get(&self->nl, id, &info));
	EXPECT_LT(0, info.stalls);
	EXPECT_LT(0, info.queued);
	EXPECT_EQ(info.in, info.out + info.queued);
	EXPECT_EQ(info.in, read_full(host, malloc(info.in), info.in));
	ASSERT_EQ(0, nl_get(&self->nl, id, &info));
	EXPECT_LT(0, info.flushes);
	EXPECT_EQ(0, info.queued);
}

/*
 * What comes to a quiet stream has nothing to gather with: large, or of a stream that keeps what it has sent. The work item, of which
 * each new stream makes use, may have taken it.
 */
TEST_F(netlink, a_lone_write_is_sent_when_it_returns)
{
	const struct { uint32_t flags; size_t size; } lone[] = {
		{ 0, 16384 }, { 0, 60000 }, { GCS_STREAM_KEEP, 1 }, { GCS_STREAM_KEEP, 16384 },
	};
	enum { TIMES = 10 };
	struct stream_info info;
	static char buf[60000];
	uint64_t id;
	int host, fd;

	/* Each page is there. */
	memset(buf, 1, sizeof(buf));
	for (size_t i = 0; i < ARRAY_SIZE(lone); i++) {
		int sent = 0;

		for (int n = 0; n < TIMES; n++) {
			fd = stream_pair(self->dev, GCS_STREAM_WRITE | lone[i].flags, &host, &id);
			ASSERT_EQ(lone[i].size, write(fd, buf, lone[i].size));
			ASSERT_EQ(0, nl_get(&self->nl, id, &info));
			sent += info.out == lone[i].size && info.flushes == 1;
			close(fd);
			close(host);
		}
		EXPECT_LT(TIMES / 2, sent) TH_LOG("%zu bytes", lone[i].size);
	}
}

TEST_F(netlink, a_wait_of_a_large_write_is_a_stall)
{
	struct stream_info info;
	uint64_t id;
	int host, fd = stream_pair(self->dev, GCS_STREAM_WRITE, &host, &id);
	pid_t pid = fork();

	if (!pid)
		_exit(!write_pattern(fd, 0, 4 << 20));
	close(fd);
	EXPECT_TRUE(still_waits(pid));
	EXPECT_EQ(4 << 20, read_pattern_to_eof(host, 0));
	EXPECT_EQ(0, reap(pid));
	ASSERT_EQ(0, nl_get(&self->nl, id, &info));
	EXPECT_LT(0, info.stalls);
	EXPECT_EQ(4 << 20, info.out);
	close(host);
}

TEST_F(netlink, unknown_streams_commands_and_attributes_are_refused)
{
	uint64_t id = UINT64_MAX;
	uint32_t u32 = 1;

	EXPECT_EQ(ENOENT, answer(&self->nl, 0, GCS_CMD_STREAM_GET, GCS_A_STREAM_ID, &id, 8));
	EXPECT_EQ(EINVAL, answer(&self->nl, 0, GCS_CMD_STREAM_GET, 0, NULL, 0));
	/* A flag of no meaning here. */
	EXPECT_EQ(EINVAL, answer(&self->nl, NLM_F_CREATE, GCS_CMD_STREAM_GET, GCS_A_STREAM_ID, &id, 8));
	EXPECT_NE(0, answer(&self->nl, 0, GCS_CMD_STREAM_GET, GCS_A_STREAM_ID, &u32, 4));
	EXPECT_NE(0, answer(&self->nl, 0, GCS_CMD_STREAM_GET, GCS_A_STREAM_COOKIE, &id, 8));
	EXPECT_NE(0, answer(&self->nl, 0, GCS_CMD_STREAM_GET, 200, &id, 8));
	EXPECT_EQ(EOPNOTSUPP, answer(&self->nl, 0, GCS_CMD_STREAM_FINISHED, 0, NULL, 0));
	EXPECT_EQ(EOPNOTSUPP, answer(&self->nl, 0, 77, 0, NULL, 0));
	EXPECT_NE(0, answer(&self->nl, NLM_F_DUMP, GCS_CMD_STREAM_GET, GCS_A_STREAM_ID, &id, 8));
}

TEST_F(netlink, only_an_administrator_asks_and_listens)
{
	struct gcs_nl nl = { 0 };
	uint64_t id = 1;

	ASSERT_EQ(0, seteuid(65534));
	ASSERT_EQ(0, nl_open(&nl, false));
	EXPECT_EQ(EPERM, answer(&nl, 0, GCS_CMD_STREAM_GET, GCS_A_STREAM_ID, &id, 8));
	EXPECT_EQ(EPERM, answer(&nl, NLM_F_DUMP, GCS_CMD_STREAM_GET, 0, NULL, 0));
	EXPECT_EQ(-1, nl_open(&nl, true));
	EXPECT_EQ(EPERM, errno);
	EXPECT_EQ(0, seteuid(0));
}

enum { MANY = 1000 };

struct seen {
	uint64_t first, last, previous;
	int count[MANY];
	bool ordered;
};

static void see(const struct stream_info *info, void *data)
{
	struct seen *seen = data;

	if (info->id <= seen->previous)
		seen->ordered = false;
	seen->previous = info->id;
	if (info->cookie >= 1 && info->cookie <= MANY)
		seen->count[info->cookie - 1]++;
}

TEST_F(netlink, a_dump_names_each_stream_once)
{
	static struct seen seen = { .ordered = true };
	static uint64_t id[MANY];
	static int fd[MANY];
	bool interrupted;

	for (int i = 0; i < MANY; i++) {
		fd[i] = stream_open(self->dev, GCS_STREAM_READ, -1, i + 1, &id[i]);
		ASSERT_LE(0, fd[i]);
	}
	EXPECT_LE(MANY, nl_dump(&self->nl, see, &seen, &interrupted));
	EXPECT_FALSE(interrupted);
	EXPECT_TRUE(seen.ordered);
	for (int i = 0; i < MANY; i++)
		ASSERT_EQ(1, seen.count[i]);
}

TEST_F(netlink, a_dump_under_change_has_what_was_there_all_the_time)
{
	static struct seen seen;
	static uint64_t id[MANY];
	static int fd[MANY];
	pid_t pid;

	for (int i = 0; i < MANY; i++) {
		fd[i] = stream_open(self->dev, GCS_STREAM_READ, -1, i % 2 ? i + 1 : 1000000, &id[i]);
		ASSERT_LE(0, fd[i]);
	}
	/* The even ones go, others come, while the dump runs. */
	pid = fork();
	if (!pid) {
		for (int i = 0; i < MANY; i += 2) {
			stream_finish(self->dev, id[i], 0, 0, 0);
			stream_open(self->dev, GCS_STREAM_READ, -1, 2000000, NULL);
		}
		_exit(0);
	}
	for (int round = 0; round < 20; round++) {
		memset(&seen, 0, sizeof(seen));
		seen.ordered = true;
		ASSERT_LE(MANY / 2, nl_dump(&self->nl, see, &seen, NULL));
		ASSERT_TRUE(seen.ordered);
		for (int i = 1; i < MANY; i += 2)
			ASSERT_EQ(1, seen.count[i]);
	}
	EXPECT_EQ(0, reap(pid));
}

TEST_F(netlink, a_listener_that_is_too_slow_gets_enobufs_and_a_dump_tells)
{
	struct gcs_nl events = { 0 }, quick = { 0 };
	struct stream_info info;
	char buf[4096];
	ssize_t n;
	uint64_t id;
	int size = 4096;

	ASSERT_EQ(0, nl_open(&events, true));
	ASSERT_EQ(0, nl_open(&quick, true));
	ASSERT_EQ(0, setsockopt(events.fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)));
	for (int i = 0; i < 200; i++) {
		close(stream_open(self->dev, GCS_STREAM_READ, -1, 0, &id));
		ASSERT_EQ(0, wait_finished(&quick, id, WAIT_MS, &info));
	}
	fcntl(events.fd, F_SETFL, O_NONBLOCK);
	do {
		n = recv(events.fd, buf, sizeof(buf), 0);
	} while (n > 0);
	EXPECT_EQ(ENOBUFS, errno);
	EXPECT_EQ(-ENOENT, nl_get(&self->nl, id, &info));
}

TEST_HARNESS_MAIN

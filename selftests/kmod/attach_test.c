// SPDX-License-Identifier: MIT
/*
 * Streams that outlive their connection: what is kept, sent again, waited for and given up
 */
#include "gcs_test.h"

GCS_FIXTURE(attach, finish_all)

enum { KEEP = 512 * 1024 };

/* A stream that outlives its connection, on one of its own. */
static int keep_pair(int dev, uint32_t way, uint32_t lost_ms, int *host, uint64_t *id)
{
	struct gcs_stream_open arg = {
		.size = sizeof(arg), .flags = way | GCS_STREAM_KEEP, .socket_fd = vsock_pair(host),
		.lost_ms = lost_ms, .keep = way == GCS_STREAM_WRITE ? KEEP : 0, .cookie = 0x6b656570,
	};
	int fd = ioctl(dev, GCS_STREAM_OPEN, &arg);

	close(arg.socket_fd);
	*id = arg.id;
	return fd;
}

/* A new connection for the stream; the test has the peer's end. Returns that, or -errno. */
static int again(int dev, uint64_t id, uint32_t flags, uint64_t offset)
{
	int host, sock = vsock_pair(&host);
	int err = stream_attach_at(dev, id, sock, flags, offset) ? -errno : 0;

	close(sock);
	if (err)
		close(host);
	return err ?: host;
}

static bool read_pattern(int fd, uint64_t pos, size_t len)
{
	char *buf = malloc(len);
	bool ok = read_full(fd, buf, len) == len && check_pattern(buf, pos, len) == len;

	free(buf);
	return ok;
}

TEST_F(attach, a_lost_stream_says_so_and_goes_on_with_a_new_socket)
{
	struct stream_info info;
	uint64_t id;
	int host, fd = keep_pair(self->dev, GCS_STREAM_WRITE, 0, &host, &id);

	ASSERT_TRUE(write_pattern(fd, 0, 100000));
	ASSERT_TRUE(read_pattern(host, 0, 100000));
	close(host);
	ASSERT_EQ(0, wait_stream(&self->events, GCS_CMD_STREAM_LOST, id, WAIT_MS, &info));
	EXPECT_EQ(GCS_STATE_LOST, info.state);
	EXPECT_EQ(100000, info.out);
	EXPECT_EQ(0, info.kept);
	EXPECT_EQ(POLLOUT, wait_fd(fd, POLLOUT, 0));
	ASSERT_TRUE(write_pattern(fd, 100000, 5000));
	host = again(self->dev, id, 0, 0);
	ASSERT_LE(0, host);
	close(fd);
	EXPECT_EQ(5000, read_pattern_to_eof(host, 100000));
	close(host);
	ASSERT_EQ(0, wait_finished(&self->events, id, WAIT_MS, &info));
	EXPECT_EQ(GCS_REASON_EOF, info.reason);
	EXPECT_EQ(105000, info.in);
	EXPECT_EQ(105000, info.out);
	EXPECT_EQ(0, info.lost);
}

TEST_F(attach, what_was_sent_and_not_read_is_sent_again_from_an_offset)
{
	struct stream_info info;
	uint64_t id;
	int host, fd = keep_pair(self->dev, GCS_STREAM_WRITE, 0, &host, &id);

	ASSERT_TRUE(write_pattern(fd, 0, 150000));
	ASSERT_TRUE(read_pattern(host, 0, 12345));
	close(host);
	ASSERT_EQ(0, wait_stream(&self->events, GCS_CMD_STREAM_LOST, id, WAIT_MS, &info));
	EXPECT_LE(12345, info.out);
	host = again(self->dev, id, GCS_ATTACH_OFFSET, 12345);
	ASSERT_LE(0, host);
	/* A second time, and from further back. */
	ASSERT_TRUE(read_pattern(host, 12345, 100000));
	close(host);
	ASSERT_EQ(0, wait_stream(&self->events, GCS_CMD_STREAM_LOST, id, WAIT_MS, &info));
	host = again(self->dev, id, GCS_ATTACH_OFFSET, 77);
	ASSERT_LE(0, host);
	ASSERT_TRUE(write_pattern(fd, 150000, 1000));
	close(fd);
	EXPECT_EQ(151000 - 77, read_pattern_to_eof(host, 77));
	close(host);
	ASSERT_EQ(0, wait_finished(&self->events, id, WAIT_MS, &info));
	EXPECT_EQ(GCS_REASON_EOF, info.reason);
	EXPECT_EQ(151000, info.in);
	EXPECT_EQ(151000, info.out);
	EXPECT_EQ(0, info.lost);
}

TEST_F(attach, as_much_as_was_asked_for_is_kept_and_no_other_offset_is_taken)
{
	struct stream_info info;
	const uint64_t total = 3 << 20;
	uint64_t id;
	int host, fd = keep_pair(self->dev, GCS_STREAM_WRITE, 0, &host, &id);
	pid_t pid = fork();

	if (!pid) {
		close(host);
		_exit(!write_pattern(fd, 0, total));
	}
	ASSERT_TRUE(read_pattern(host, 0, total));
	EXPECT_EQ(0, reap(pid));
	close(host);
	ASSERT_EQ(0, wait_stream(&self->events, GCS_CMD_STREAM_LOST, id, WAIT_MS, &info));
	EXPECT_EQ(total, info.out);
	EXPECT_EQ(total - KEEP, info.kept);
	EXPECT_EQ(-ERANGE, again(self->dev, id, GCS_ATTACH_OFFSET, total - KEEP - 1));
	EXPECT_EQ(-ERANGE, again(self->dev, id, GCS_ATTACH_OFFSET, total + 1));
	host = again(self->dev, id, GCS_ATTACH_OFFSET, total - KEEP);
	ASSERT_LE(0, host);
	close(fd);
	EXPECT_EQ(KEEP, read_pattern_to_eof(host, total - KEEP));
}

TEST_F(attach, a_writer_waits_while_the_stream_is_lost)
{
	struct stream_info info;
	uint64_t id, total;
	int host, fd = keep_pair(self->dev, GCS_STREAM_WRITE, 0, &host, &id);
	pid_t pid;

	close(host);
	ASSERT_EQ(0, wait_stream(&self->events, GCS_CMD_STREAM_LOST, id, WAIT_MS, &info));
	total = fill(fd);
	EXPECT_LE(RING_SIZE, total);
	pid = fork();
	if (!pid)
		_exit(!write_pattern(fd, total, 300000));
	close(fd);
	EXPECT_TRUE(still_waits(pid));
	host = again(self->dev, id, 0, 0);
	ASSERT_LE(0, host);
	EXPECT_EQ(total + 300000, read_pattern_to_eof(host, 0));
	EXPECT_EQ(0, reap(pid));
	close(host);
	ASSERT_EQ(0, wait_finished(&self->events, id, WAIT_MS, &info));
	EXPECT_EQ(GCS_REASON_EOF, info.reason);
	EXPECT_EQ(total + 300000, info.out);
}

TEST_F(attach, a_stream_that_is_lost_for_too_long_is_broken)
{
	struct stream_info info;
	uint64_t id, total, start;
	int host, fd = keep_pair(self->dev, GCS_STREAM_WRITE, 300, &host, &id);
	pid_t pid;

	total = fill(fd);
	pid = fork();
	if (!pid) {
		close(host);
		_exit(write(fd, malloc(PIPE_BUF), PIPE_BUF) < 0 ? errno : 0);
	}
	EXPECT_TRUE(still_waits(pid));
	start = now_ms();
	close(host);
	EXPECT_EQ(EPIPE << 8, reap(pid));
	EXPECT_LE(start + 290, now_ms());
	EXPECT_EQ(POLLERR, wait_fd(fd, 0, 0));
	EXPECT_EQ(-EPIPE, again(self->dev, id, 0, 0));
	close(fd);
	ASSERT_EQ(0, wait_finished(&self->events, id, WAIT_MS, &info));
	EXPECT_EQ(GCS_REASON_PEER, info.reason);
	EXPECT_EQ(total, info.in);
	EXPECT_LT(0, info.lost);
	EXPECT_EQ(total, info.out + info.lost);
}

TEST_F(attach, a_reader_of_a_stream_that_is_lost_for_too_long_gets_end_of_file)
{
	struct stream_info info;
	uint64_t id, start = now_ms();
	int host, fd = keep_pair(self->dev, GCS_STREAM_READ, 300, &host, &id);
	char c;

	close(host);
	EXPECT_EQ(0, read(fd, &c, 1));
	EXPECT_LE(start + 290, now_ms());
	EXPECT_TRUE(wait_fd(fd, POLLIN, 0) & POLLHUP);
	close(fd);
	ASSERT_EQ(0, wait_finished(&self->events, id, WAIT_MS, &info));
}

TEST_F(attach, a_stream_without_keep_is_broken_and_never_attached_again)
{
	uint64_t id;
	int host, fd = stream_pair(self->dev, GCS_STREAM_WRITE, &host, &id);

	EXPECT_EQ(-EISCONN, again(self->dev, id, GCS_ATTACH_REPLACE, 0));
	close(host);
	EXPECT_TRUE(wait_fd(fd, 0, WAIT_MS) & POLLERR);
	EXPECT_EQ(-EPIPE, again(self->dev, id, GCS_ATTACH_REPLACE, 0));
	close(fd);
}

TEST_F(attach, a_reader_goes_on_where_the_new_connection_starts)
{
	struct stream_info info;
	uint64_t id;
	int host, fd = keep_pair(self->dev, GCS_STREAM_READ, 0, &host, &id);
	char buf[16];
	pid_t pid;

	EXPECT_EQ(3, write(host, "one", 3));
	close(host);
	/* What has come is read, also after the loss. */
	EXPECT_EQ(3, read(fd, buf, sizeof(buf)));
	ASSERT_EQ(0, wait_stream(&self->events, GCS_CMD_STREAM_LOST, id, WAIT_MS, &info));
	EXPECT_EQ(GCS_STATE_LOST, info.state);
	EXPECT_EQ(0, wait_fd(fd, POLLIN, 0));
	pid = fork();
	if (!pid)
		_exit(read(fd, buf, sizeof(buf)) != 3 || memcmp(buf, "two", 3) ||
		      read(fd, buf, sizeof(buf)) != 0);
	EXPECT_TRUE(still_waits(pid));
	host = again(self->dev, id, 0, 0);
	ASSERT_LE(0, host);
	EXPECT_EQ(-EINVAL, again(self->dev, id, GCS_ATTACH_REPLACE | GCS_ATTACH_OFFSET, 0));
	EXPECT_EQ(3, write(host, "two", 3));
	EXPECT_TRUE(still_waits(pid));
	/* An end in good order is one, also when a close follows. */
	EXPECT_EQ(0, shutdown(host, SHUT_WR));
	close(host);
	EXPECT_EQ(0, reap(pid));
	EXPECT_EQ(0, read(fd, buf, sizeof(buf)));
	close(fd);
	ASSERT_EQ(0, wait_finished(&self->events, id, WAIT_MS, &info));
	EXPECT_EQ(6, info.in);
	EXPECT_EQ(GCS_REASON_EOF, info.reason);
}

TEST_F(attach, a_blocked_reader_moves_to_a_socket_that_replaces_a_living_one)
{
	uint64_t id;
	int host[2], fd = keep_pair(self->dev, GCS_STREAM_READ, 0, &host[0], &id);
	char c = 0;
	pid_t pid = fork();

	if (!pid)
		_exit(read(fd, &c, 1) != 1 || c != 'n');
	EXPECT_TRUE(still_waits(pid));
	EXPECT_EQ(-EISCONN, again(self->dev, id, 0, 0));
	host[1] = again(self->dev, id, GCS_ATTACH_REPLACE, 0);
	ASSERT_LE(0, host[1]);
	/* The old peer learns of it. */
	EXPECT_EQ(0, read(host[0], &c, 1));
	EXPECT_TRUE(still_waits(pid));
	EXPECT_EQ(1, write(host[1], "n", 1));
	EXPECT_EQ(0, reap(pid));
}

TEST_F(attach, the_last_close_of_a_lost_stream_waits_for_a_socket)
{
	struct stream_info info;
	uint64_t id;
	int host, fd = keep_pair(self->dev, GCS_STREAM_WRITE, 0, &host, &id);

	ASSERT_TRUE(write_pattern(fd, 0, 1000));
	ASSERT_TRUE(read_pattern(host, 0, 1000));
	close(host);
	ASSERT_EQ(0, wait_stream(&self->events, GCS_CMD_STREAM_LOST, id, WAIT_MS, &info));
	ASSERT_TRUE(write_pattern(fd, 1000, 1000));
	close(fd);
	EXPECT_EQ(-1, wait_finished(&self->events, id, NOT_MS, &info));
	host = again(self->dev, id, GCS_ATTACH_OFFSET, 500);
	ASSERT_LE(0, host);
	EXPECT_EQ(1500, read_pattern_to_eof(host, 500));
	close(host);
	ASSERT_EQ(0, wait_finished(&self->events, id, WAIT_MS, &info));
	EXPECT_EQ(GCS_REASON_EOF, info.reason);
	EXPECT_EQ(2000, info.out);
}

TEST_F(attach, a_connection_lost_while_draining_is_waited_for)
{
	struct stream_info info;
	uint64_t id, total;
	int host, fd = keep_pair(self->dev, GCS_STREAM_WRITE, 0, &host, &id);

	total = fill(fd);
	close(fd);
	close(host);
	ASSERT_EQ(0, wait_stream(&self->events, GCS_CMD_STREAM_LOST, id, WAIT_MS, &info));
	EXPECT_LT(0, info.queued);
	host = again(self->dev, id, GCS_ATTACH_OFFSET, 0);
	ASSERT_LE(0, host);
	EXPECT_EQ(total, read_pattern_to_eof(host, 0));
	close(host);
	ASSERT_EQ(0, wait_finished(&self->events, id, WAIT_MS, &info));
	EXPECT_EQ(GCS_REASON_EOF, info.reason);
	EXPECT_EQ(total, info.out);
	EXPECT_EQ(0, info.lost);
}

TEST_F(attach, finish_of_a_lost_stream_delivers_or_gives_up)
{
	struct stream_info info;
	uint64_t id;

	for (int give_up = 0; give_up <= 1; give_up++) {
		int host, fd = keep_pair(self->dev, GCS_STREAM_WRITE, 0, &host, &id);

		close(host);
		ASSERT_EQ(0, wait_stream(&self->events, GCS_CMD_STREAM_LOST, id, WAIT_MS, &info));
		ASSERT_TRUE(write_pattern(fd, 0, 1000));
		EXPECT_EQ(0, stream_finish(self->dev, id, 0, 0, give_up ? 100 : 0));
		EXPECT_EQ(-1, write(fd, "late", 4));
		EXPECT_EQ(EPIPE, errno);
		if (!give_up) {
			EXPECT_EQ(-1, wait_finished(&self->events, id, NOT_MS, &info));
			host = again(self->dev, id, 0, 0);
			ASSERT_LE(0, host);
			EXPECT_EQ(1000, read_pattern_to_eof(host, 0));
			close(host);
		}
		ASSERT_EQ(0, wait_finished(&self->events, id, WAIT_MS, &info));
		EXPECT_EQ(give_up ? GCS_REASON_DEADLINE : GCS_REASON_EOF, info.reason);
		EXPECT_EQ(give_up ? 1000 : 0, info.lost);
		EXPECT_EQ(1000, info.in);
		EXPECT_EQ(1000, info.out + info.lost);
		close(fd);
	}
}

/* Also while a writer is at work: what each peer has read, and then all after it, is the whole, in order. */
TEST_F_TIMEOUT(attach, nothing_is_lost_or_doubled_over_many_connections, 120)
{
	enum { ROUNDS = 30 };
	struct stream_info info;
	uint64_t id, pos = 0;
	char *buf = malloc(1 << 20);
	int host, fd = keep_pair(self->dev, GCS_STREAM_WRITE, 0, &host, &id);
	pid_t pid = fork();

	if (!pid) {
		static const size_t sizes[] = { 100, 4096, 30, 20000, 1, 90000, 700 };

		close(host);
		for (uint64_t at = 0, i = 0;; i++) {
			ssize_t n;

			fill_pattern(buf, at, sizes[i % 7]);
			n = write(fd, buf, sizes[i % 7]);
			if (n <= 0)
				_exit(1);
			at += n;
		}
	}
	close(fd);
	for (int round = 0; round < ROUNDS; round++) {
		size_t n = read_full(host, buf, 1 + round * 40961 % 150000);

		ASSERT_LT(0, n);
		ASSERT_EQ(n, check_pattern(buf, pos, n));
		pos += n;
		/* Every other peer is gone, the rest are replaced. */
		if (round % 2) {
			close(host);
			host = -1;
		}
		int next = again(self->dev, id, GCS_ATTACH_REPLACE | GCS_ATTACH_OFFSET, pos);

		ASSERT_LE(0, next);
		close(host);
		host = next;
	}
	kill(pid, SIGKILL);
	EXPECT_EQ(SIGKILL, reap(pid));
	int64_t rest = read_pattern_to_eof(host, pos);

	ASSERT_LE(0, rest);
	close(host);
	ASSERT_EQ(0, wait_finished(&self->events, id, WAIT_MS, &info));
	EXPECT_EQ(GCS_REASON_EOF, info.reason);
	EXPECT_EQ(pos + rest, info.in);
	EXPECT_EQ(pos + rest, info.out);
	EXPECT_EQ(0, info.lost);
}

TEST_F(attach, all_was_sent_and_the_peer_is_silent_another_gets_it)
{
	struct stream_info info;
	uint64_t id;
	char c;
	int next, host, fd = keep_pair(self->dev, GCS_STREAM_WRITE, 0, &host, &id);

	ASSERT_TRUE(write_pattern(fd, 0, 20000));
	close(fd);
	ASSERT_TRUE(read_pattern(host, 0, 20000));
	EXPECT_EQ(0, read_full(host, &c, 1));
	next = again(self->dev, id, GCS_ATTACH_REPLACE | GCS_ATTACH_OFFSET, 15000);
	ASSERT_LE(0, next);
	EXPECT_EQ(5000, read_pattern_to_eof(next, 15000));
	close(next);
	ASSERT_EQ(0, wait_finished(&self->events, id, WAIT_MS, &info));
	EXPECT_EQ(GCS_REASON_EOF, info.reason);
	EXPECT_EQ(20000, info.out);
	close(host);
}

TEST_F_TIMEOUT(attach, writes_up_to_pipe_buf_stay_whole_over_many_connections, 120)
{
	enum { WRITERS = 4, RECORDS = 300, ROUNDS = 12 };
	struct head {
		uint32_t writer, seq, len;
	} head;
	static const size_t sizes[WRITERS] = { 20, PIPE_BUF, 700, 3000 };
	uint32_t seen[WRITERS] = { 0 };
	static char all[WRITERS * RECORDS * PIPE_BUF], rec[PIPE_BUF];
	size_t total = 0, got = 0;
	struct stream_info info;
	uint64_t id;
	int next, host, fd = keep_pair(self->dev, GCS_STREAM_WRITE, 0, &host, &id);

	for (uint32_t w = 0; w < WRITERS; w++) {
		total += sizes[w] * RECORDS;
		if (fork())
			continue;
		close(host);
		for (uint32_t i = 0; i < RECORDS; i++) {
			memset(rec, 'a' + w, sizeof(rec));
			head = (struct head) { w, i, sizes[w] };
			memcpy(rec, &head, sizeof(head));
			if (write(fd, rec, sizes[w]) != (ssize_t)sizes[w])
				_exit(1);
		}
		_exit(0);
	}
	close(fd);
	for (int round = 0; round < ROUNDS; round++) {
		got += read_full(host, all + got, total / (ROUNDS + 1));
		next = again(self->dev, id, GCS_ATTACH_REPLACE | GCS_ATTACH_OFFSET, got);
		ASSERT_LE(0, next);
		close(host);
		host = next;
	}
	got += read_full(host, all + got, sizeof(all) - got);
	close(host);
	EXPECT_EQ(total, got);
	for (size_t at = 0; at < got; at += head.len) {
		memcpy(&head, all + at, sizeof(head));
		ASSERT_GT(WRITERS, head.writer);
		ASSERT_EQ(seen[head.writer]++, head.seq);
		ASSERT_EQ(sizes[head.writer], head.len);
		for (size_t i = sizeof(head); i < head.len; i++)
			ASSERT_EQ('a' + (int)head.writer, all[at + i]);
	}
	for (int w = 0; w < WRITERS; w++)
		EXPECT_EQ(0, reap(-1));
	ASSERT_EQ(0, wait_finished(&self->events, id, WAIT_MS, &info));
	EXPECT_EQ(total, info.out);
}

static void find_cookie(const struct stream_info *info, void *data)
{
	struct stream_info *found = data;

	if (info->cookie == found->cookie)
		*found = *info;
}

/* What is sent to the old peer while the new one is on its way is kept for that, beyond what was asked for. */
TEST_F_TIMEOUT(attach, a_writer_goes_on_when_a_peer_that_reads_fast_is_replaced, 120)
{
	enum { ROUNDS = 60 };
	struct gcs_stream_open arg = {
		.size = sizeof(arg), .flags = GCS_STREAM_WRITE | GCS_STREAM_KEEP, .keep = RING_SIZE,
	};
	char *buf = calloc(1, 1 << 20);
	int host, fd;
	pid_t writer;

	arg.socket_fd = vsock_pair(&host);
	fd = ioctl(self->dev, GCS_STREAM_OPEN, &arg);
	ASSERT_LE(0, fd);
	close(arg.socket_fd);
	writer = fork();
	if (!writer) {
		close(host);
		while (write(fd, buf, 1 << 20) > 0)
			;
		_exit(1);
	}
	close(fd);
	for (int round = 0; round < ROUNDS; round++) {
		pid_t reader = fork();
		size_t got = 0;
		int next;

		if (!reader) {
			while (read(host, buf, 1 << 20) > 0)
				;
			_exit(0);
		}
		close(host);
		next = again(self->dev, arg.id, GCS_ATTACH_REPLACE, 0);
		ASSERT_LE(0, next);
		while (got < 2 << 20) {
			ASSERT_EQ(POLLIN, wait_fd(next, POLLIN, WAIT_MS));
			got += read(next, buf, 1 << 20);
		}
		EXPECT_EQ(0, reap(reader));
		host = next;
	}
	kill(writer, SIGKILL);
	EXPECT_EQ(SIGKILL, reap(writer));
	close(host);
}

TEST_F(attach, another_process_finds_the_stream_of_a_killed_one_by_its_cookie)
{
	struct stream_info found = { .cookie = 0x6b656570 }, info;
	int host = -1, ready[2], gate[2];
	pid_t agent;
	char c;

	ASSERT_EQ(0, pipe2(ready, O_CLOEXEC));
	ASSERT_EQ(0, pipe2(gate, O_CLOEXEC));
	agent = fork();
	if (!agent) {
		uint64_t id;
		int fd = keep_pair(self->dev, GCS_STREAM_WRITE, 0, &host, &id);

		/* The container: it has the file, and outlives both ends of the connection. */
		if (!fork()) {
			close(host);
			close(gate[1]);
			if (!write_pattern(fd, 0, 5000) || write(ready[1], "r", 1) != 1 ||
			    read(gate[0], &c, 1) != 0)
				_exit(1);
			_exit(!write_pattern(fd, 5000, 5000));
		}
		/* Agent and host die without a word to the module. */
		if (!read_pattern(host, 0, 3000))
			_exit(1);
		raise(SIGKILL);
	}
	EXPECT_EQ(SIGKILL, reap(agent));
	ASSERT_EQ(1, read(ready[0], &c, 1));
	EXPECT_LT(0, nl_dump(&self->nl, find_cookie, &found, NULL));
	ASSERT_NE(0, found.id);
	host = again(self->dev, found.id, GCS_ATTACH_REPLACE | GCS_ATTACH_OFFSET, 3000);
	ASSERT_LE(0, host);
	close(gate[1]);
	EXPECT_EQ(7000, read_pattern_to_eof(host, 3000));
	close(host);
	ASSERT_EQ(0, wait_finished(&self->events, found.id, WAIT_MS, &info));
	EXPECT_EQ(GCS_REASON_EOF, info.reason);
	EXPECT_EQ(10000, info.in);
	EXPECT_EQ(10000, info.out);
}

TEST_HARNESS_MAIN

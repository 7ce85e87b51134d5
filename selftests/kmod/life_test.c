// SPDX-License-Identifier: MIT
/*
 * The life of a stream: drain at the last close, attach, finish, and who may die when
 */
#include <linux/userfaultfd.h>
#include <sys/mman.h>

#include "gcs_test.h"

GCS_FIXTURE(life, finish_all)

TEST_F(life, the_last_close_drains_half_closes_and_waits_for_the_peer)
{
	struct stream_info info;
	uint64_t id;
	int host, fd = stream_pair(self->dev, GCS_STREAM_WRITE, &host, &id);

	ASSERT_TRUE(write_pattern(fd, 0, 100000));
	close(fd);
	EXPECT_EQ(100000, read_pattern_to_eof(host, 0));
	EXPECT_EQ(-1, wait_finished(&self->events, id, NOT_MS, &info));
	EXPECT_EQ(0, nl_get(&self->nl, id, &info));
	EXPECT_EQ(GCS_STATE_CLOSING, info.state);
	/* The peer's own direction is still open: its half-close is what is waited for. */
	EXPECT_EQ(0, shutdown(host, SHUT_WR));
	ASSERT_EQ(0, wait_finished(&self->events, id, WAIT_MS, &info));
	EXPECT_EQ(GCS_REASON_EOF, info.reason);
	EXPECT_EQ(GCS_STATE_FINISHED, info.state);
	EXPECT_EQ(100000, info.in);
	EXPECT_EQ(100000, info.out);
	EXPECT_EQ(0, info.lost);
	EXPECT_EQ(0, info.queued);
	EXPECT_EQ(-ENOENT, nl_get(&self->nl, id, &info));
}

TEST_F(life, what_the_peer_sends_meanwhile_is_thrown_away)
{
	struct stream_info info;
	uint64_t id;
	int host, fd = stream_pair(self->dev, GCS_STREAM_WRITE, &host, &id);

	EXPECT_EQ(5, write(host, "noise", 5));
	close(fd);
	EXPECT_EQ(0, read_pattern_to_eof(host, 0));
	EXPECT_EQ(5, write(host, "noise", 5));
	close(host);
	ASSERT_EQ(0, wait_finished(&self->events, id, WAIT_MS, &info));
	EXPECT_EQ(GCS_REASON_EOF, info.reason);
}

TEST_F(life, however_much_the_peer_sends_meanwhile_its_end_is_seen)
{
	struct stream_info info;
	uint64_t id;
	int host, fd = stream_pair(self->dev, GCS_STREAM_WRITE, &host, &id);
	char *buf = calloc(1, 5000);

	close(fd);
	EXPECT_EQ(0, read_pattern_to_eof(host, 0));
	for (int i = 0; i < 40; i++)
		ASSERT_EQ(5000, write(host, buf, 5000));
	close(host);
	ASSERT_EQ(0, wait_finished(&self->events, id, WAIT_MS, &info));
	EXPECT_EQ(GCS_REASON_EOF, info.reason);
}

TEST_F(life, a_slow_peer_gets_everything_after_the_last_close)
{
	struct stream_info info;
	uint64_t id, total;
	int host, fd = stream_pair(self->dev, GCS_STREAM_WRITE, &host, &id);

	total = fill(fd);
	EXPECT_LT(RING_SIZE, total);
	close(fd);
	EXPECT_EQ(-1, wait_finished(&self->events, id, NOT_MS, &info));
	EXPECT_EQ(0, nl_get(&self->nl, id, &info));
	EXPECT_EQ(GCS_STATE_DRAINING, info.state);
	EXPECT_LT(0, info.queued);
	EXPECT_EQ(total, read_pattern_to_eof(host, 0));
	close(host);
	ASSERT_EQ(0, wait_finished(&self->events, id, WAIT_MS, &info));
	EXPECT_EQ(GCS_REASON_EOF, info.reason);
	EXPECT_EQ(total, info.out);
}

TEST_F(life, a_peer_that_never_closes_is_given_up)
{
	struct stream_info info;
	uint64_t id, start;
	int host, fd = stream_pair(self->dev, GCS_STREAM_WRITE, &host, &id);

	EXPECT_EQ(4, write(fd, "last", 4));
	close(fd);
	start = now_ms();
	ASSERT_EQ(0, wait_finished(&self->events, id, GCS_PEER_EOF_MS + WAIT_MS, &info));
	EXPECT_LE(start + GCS_PEER_EOF_MS - 100, now_ms());
	EXPECT_EQ(GCS_REASON_DEADLINE, info.reason);
	EXPECT_EQ(0, info.lost);
	EXPECT_EQ(4, info.out);
	close(host);
}

TEST_F(life, the_peers_early_close_is_counted)
{
	struct stream_info info;
	uint64_t id, total;
	int host, fd = stream_pair(self->dev, GCS_STREAM_WRITE, &host, &id);

	total = fill(fd);
	close(fd);
	close(host);
	ASSERT_EQ(0, wait_finished(&self->events, id, WAIT_MS, &info));
	EXPECT_EQ(GCS_REASON_PEER, info.reason);
	EXPECT_EQ(total, info.in);
	EXPECT_LT(0, info.lost);
	EXPECT_EQ(info.in, info.out + info.lost);
}

TEST_F(life, what_the_peer_has_read_and_what_was_lost_is_what_was_written)
{
	struct stream_info info;
	uint64_t id, total;
	int64_t got;
	int host, fd = stream_pair(self->dev, GCS_STREAM_WRITE, &host, &id);

	total = fill(fd);
	/* No more is sent from here on, what was sent can be read. */
	EXPECT_EQ(0, stream_finish(self->dev, id, 0, 0, 1));
	ASSERT_EQ(0, wait_finished(&self->events, id, WAIT_MS, &info));
	EXPECT_EQ(GCS_REASON_DEADLINE, info.reason);
	got = read_pattern_to_eof(host, 0);
	EXPECT_EQ(info.out, got);
	EXPECT_EQ(total, info.in);
	EXPECT_EQ(total - got, info.lost);
	close(fd);
	close(host);
}

TEST_F(life, the_peers_close_before_the_writers_is_broken_until_the_last_close)
{
	struct stream_info info;
	uint64_t id;
	int host, fd = stream_pair(self->dev, GCS_STREAM_WRITE, &host, &id);

	EXPECT_EQ(4, write(fd, "once", 4));
	close(host);
	EXPECT_TRUE(wait_fd(fd, 0, WAIT_MS) & POLLERR);
	EXPECT_EQ(0, nl_get(&self->nl, id, &info));
	EXPECT_EQ(GCS_STATE_BROKEN, info.state);
	EXPECT_EQ(-1, write(fd, "more", 4));
	EXPECT_EQ(EPIPE, errno);
	close(fd);
	ASSERT_EQ(0, wait_finished(&self->events, id, WAIT_MS, &info));
	EXPECT_EQ(GCS_REASON_PEER, info.reason);
	EXPECT_EQ(4, info.in);
}

TEST_F(life, a_read_stream_finishes_at_its_last_close)
{
	struct stream_info info;
	uint64_t id;
	char c;
	int host, fd = stream_pair(self->dev, GCS_STREAM_READ, &host, &id);

	EXPECT_EQ(3, write(host, "abc", 3));
	EXPECT_TRUE(wait_fd(fd, POLLIN, WAIT_MS));
	EXPECT_EQ(1, read(fd, &c, 1));
	close(fd);
	ASSERT_EQ(0, wait_finished(&self->events, id, WAIT_MS, &info));
	EXPECT_EQ(GCS_REASON_EOF, info.reason);
	EXPECT_EQ(1, info.in);
	EXPECT_EQ(1, info.out);
	/* The peer learns that nobody reads. */
	EXPECT_EQ(0, read(host, &c, 1));
	EXPECT_EQ(-1, write(host, "d", 1));
}

TEST_F(life, a_duplicate_or_a_child_keeps_the_stream_open)
{
	struct stream_info info;
	int host, fd, copy, gate[2];
	uint64_t id;
	pid_t pid;

	ASSERT_EQ(0, pipe2(gate, O_CLOEXEC));
	fd = stream_pair(self->dev, GCS_STREAM_WRITE, &host, &id);
	pid = fork();
	if (!pid) {
		char c;

		close(gate[1]);
		close(host);
		_exit(read(gate[0], &c, 1) || write(fd, "bye", 3) != 3);
	}
	copy = dup(fd);
	close(fd);
	close(copy);
	EXPECT_EQ(-1, wait_finished(&self->events, id, NOT_MS, &info));
	close(gate[1]);
	EXPECT_EQ(0, reap(pid));
	close(host);
	ASSERT_EQ(0, wait_finished(&self->events, id, WAIT_MS, &info));
	EXPECT_EQ(3, info.in);
}

TEST_F(life, detached_writes_go_to_the_ring_and_are_sent_after_attach)
{
	struct stream_info info;
	uint64_t id, total;
	int host, sock, fd = stream_open(self->dev, GCS_STREAM_WRITE, -1, 77, &id);
	pid_t pid;

	ASSERT_LE(0, fd);
	total = fill(fd);
	EXPECT_EQ(RING_SIZE, total);
	EXPECT_EQ(0, nl_get(&self->nl, id, &info));
	EXPECT_EQ(GCS_STATE_DETACHED, info.state);
	EXPECT_EQ(RING_SIZE, info.queued);
	EXPECT_EQ(77, info.cookie);
	pid = fork();
	if (!pid)
		_exit(!write_pattern(fd, total, 50000));
	close(fd);
	EXPECT_TRUE(still_waits(pid));
	sock = vsock_pair(&host);
	EXPECT_EQ(0, stream_attach(self->dev, id, sock));
	close(sock);
	EXPECT_EQ(total + 50000, read_pattern_to_eof(host, 0));
	EXPECT_EQ(0, reap(pid));
	close(host);
	ASSERT_EQ(0, wait_finished(&self->events, id, WAIT_MS, &info));
	EXPECT_EQ(GCS_REASON_EOF, info.reason);
	EXPECT_EQ(total + 50000, info.out);
}

TEST_F(life, attach_after_the_last_close_delivers_what_was_written)
{
	struct stream_info info;
	uint64_t id;
	int host, sock, fd = stream_open(self->dev, GCS_STREAM_WRITE, -1, 0, &id);

	ASSERT_TRUE(write_pattern(fd, 0, 10000));
	close(fd);
	EXPECT_EQ(-1, wait_finished(&self->events, id, NOT_MS, &info));
	sock = vsock_pair(&host);
	EXPECT_EQ(0, stream_attach(self->dev, id, sock));
	close(sock);
	EXPECT_EQ(10000, read_pattern_to_eof(host, 0));
	close(host);
	ASSERT_EQ(0, wait_finished(&self->events, id, WAIT_MS, &info));
	EXPECT_EQ(GCS_REASON_EOF, info.reason);
}

TEST_F(life, a_detached_reader_waits_for_the_socket)
{
	uint64_t id;
	int host, sock, fd = stream_open(self->dev, GCS_STREAM_READ, -1, 0, &id);
	struct pollfd p = { .fd = fd, .events = POLLIN };
	char buf[8];
	pid_t pid;

	EXPECT_EQ(0, poll(&p, 1, 0));
	pid = fork();
	if (!pid)
		_exit(read(fd, buf, sizeof(buf)));
	EXPECT_TRUE(still_waits(pid));
	sock = vsock_pair(&host);
	EXPECT_EQ(0, stream_attach(self->dev, id, sock));
	EXPECT_TRUE(still_waits(pid));
	EXPECT_EQ(6, write(host, "so far", 6));
	EXPECT_EQ(6 << 8, reap(pid));
}

TEST_F(life, a_poller_from_before_attach_hears_of_what_comes_after)
{
	uint64_t id;
	int host, sock, fd = stream_open(self->dev, GCS_STREAM_READ, -1, 0, &id);
	pid_t pid = fork();

	if (!pid)
		_exit(wait_fd(fd, POLLIN, WAIT_MS) != POLLIN);
	EXPECT_TRUE(still_waits(pid));
	sock = vsock_pair(&host);
	EXPECT_EQ(0, stream_attach(self->dev, id, sock));
	EXPECT_EQ(1, write(host, "x", 1));
	EXPECT_EQ(0, reap(pid));
}

TEST_F(life, finish_without_a_socket_drops_the_ring_and_counts_it)
{
	struct stream_info info;
	uint64_t id;

	for (int discard = 0; discard <= 1; discard++) {
		int fd = stream_open(self->dev, GCS_STREAM_WRITE, -1, 0, &id);

		ASSERT_EQ(100, write(fd, malloc(100), 100));
		EXPECT_EQ(0, stream_finish(self->dev, id, discard ? GCS_FINISH_DISCARD : 0, 0, 0));
		ASSERT_EQ(0, wait_finished(&self->events, id, WAIT_MS, &info));
		EXPECT_EQ(GCS_REASON_DETACHED, info.reason);
		EXPECT_EQ(discard ? 0 : 100, info.lost);
		if (discard) {
			EXPECT_EQ(100000, write(fd, malloc(100000), 100000));
			EXPECT_EQ(POLLOUT, wait_fd(fd, POLLOUT, 0));
		} else {
			EXPECT_EQ(-1, write(fd, "x", 1));
			EXPECT_EQ(EPIPE, errno);
		}
		close(fd);
		EXPECT_EQ(-1, stream_finish(self->dev, id, 0, 0, 0));
		EXPECT_EQ(ENOENT, errno);
	}
}

TEST_F(life, finish_delivers_what_is_queued_and_refuses_later_writes)
{
	struct stream_info info;
	uint64_t id, total;
	int host, fd = stream_pair(self->dev, GCS_STREAM_WRITE, &host, &id);

	total = fill(fd);
	EXPECT_EQ(0, stream_finish(self->dev, id, 0, 0, 0));
	EXPECT_EQ(-1, write(fd, "late", 4));
	EXPECT_EQ(EPIPE, errno);
	EXPECT_EQ(total, read_pattern_to_eof(host, 0));
	close(host);
	ASSERT_EQ(0, wait_finished(&self->events, id, WAIT_MS, &info));
	EXPECT_EQ(GCS_REASON_EOF, info.reason);
	EXPECT_EQ(total, info.out);
	EXPECT_EQ(0, info.lost);
	close(fd);
}

TEST_F(life, finish_ends_blocked_writers)
{
	struct stream_info info;
	uint64_t id;
	int host, fd = stream_pair(self->dev, GCS_STREAM_WRITE, &host, &id);
	pid_t small, large;

	large = fork();
	if (!large) {
		close(host);
		_exit(write(fd, malloc(8 << 20), 8 << 20) < 8 << 20 ? 0 : 1);
	}
	EXPECT_TRUE(still_waits(large));
	fill(fd);
	small = fork();
	if (!small) {
		close(host);
		_exit(write(fd, malloc(PIPE_BUF), PIPE_BUF) < 0 ? errno : 0);
	}
	EXPECT_TRUE(still_waits(small));
	EXPECT_EQ(0, stream_finish(self->dev, id, 0, 0, 300));
	EXPECT_EQ(0, reap(large));
	EXPECT_EQ(EPIPE << 8, reap(small));
	ASSERT_EQ(0, wait_finished(&self->events, id, WAIT_MS, &info));
	EXPECT_EQ(GCS_REASON_DEADLINE, info.reason);
	EXPECT_EQ(info.in, info.out + info.lost);
	close(fd);
}

TEST_F(life, finish_with_a_deadline_counts_what_it_gave_up)
{
	struct stream_info info;
	uint64_t id, total, start;
	char c;
	int host, fd = stream_pair(self->dev, GCS_STREAM_WRITE, &host, &id);

	total = fill(fd);
	start = now_ms();
	EXPECT_EQ(0, stream_finish(self->dev, id, GCS_FINISH_DISCARD, 0, 300));
	EXPECT_EQ(4, write(fd, "late", 4));
	ASSERT_EQ(0, wait_finished(&self->events, id, WAIT_MS, &info));
	EXPECT_LE(start + 290, now_ms());
	EXPECT_EQ(GCS_REASON_DEADLINE, info.reason);
	EXPECT_EQ(total, info.in);
	EXPECT_LT(0, info.lost);
	EXPECT_EQ(total, info.out + info.lost);
	EXPECT_EQ(4, write(fd, "late", 4));
	/* The peer's connection has ended: what it had, and then the end. */
	while (read(host, &c, 1) == 1)
		;
	close(fd);
	close(host);
}

TEST_F(life, finish_when_idle_waits_for_the_last_write)
{
	struct stream_info info;
	uint64_t id, start = 0;
	int host, fd = stream_pair(self->dev, GCS_STREAM_WRITE, &host, &id);
	char buf[64];

	EXPECT_EQ(0, stream_finish(self->dev, id, GCS_FINISH_DISCARD, 400, 0));
	for (int i = 0; i < 3; i++) {
		/* The peer says nothing: this only lets time pass. */
		EXPECT_EQ(0, wait_fd(host, POLLIN, 150));
		start = now_ms();
		EXPECT_EQ(5, write(fd, "still", 5));
		EXPECT_EQ(5, read_full(host, buf, 5));
	}
	EXPECT_EQ(0, read_full(host, buf, 1));
	EXPECT_LE(start + 390, now_ms());
	EXPECT_EQ(4, write(fd, "late", 4));
	close(host);
	ASSERT_EQ(0, wait_finished(&self->events, id, WAIT_MS, &info));
	EXPECT_EQ(GCS_REASON_EOF, info.reason);
	EXPECT_EQ(15, info.in);
	EXPECT_EQ(15, info.out);
	close(fd);
}

TEST_F(life, finish_when_idle_ends_at_the_last_close_and_can_be_replaced)
{
	struct stream_info info;
	uint64_t id;
	int host, fd = stream_pair(self->dev, GCS_STREAM_WRITE, &host, &id);

	EXPECT_EQ(0, stream_finish(self->dev, id, 0, 3600000, 3600000));
	EXPECT_EQ(2, write(fd, "ok", 2));
	close(fd);
	EXPECT_EQ(0, stream_finish(self->dev, id, 0, 3600000, 100));
	ASSERT_EQ(0, wait_finished(&self->events, id, GCS_PEER_EOF_MS / 2, &info));
	EXPECT_EQ(GCS_REASON_DEADLINE, info.reason);
	close(host);
}

TEST_F(life, finish_gives_readers_end_of_file)
{
	struct stream_info info;
	uint64_t id[2];
	int host, fd[2];
	pid_t pid[2];
	char c;

	fd[0] = stream_pair(self->dev, GCS_STREAM_READ, &host, &id[0]);
	fd[1] = stream_open(self->dev, GCS_STREAM_READ, -1, 0, &id[1]);
	for (int i = 0; i < 2; i++) {
		pid[i] = fork();
		if (!pid[i])
			_exit(read(fd[i], &c, 1));
		EXPECT_TRUE(still_waits(pid[i]));
		EXPECT_EQ(0, stream_finish(self->dev, id[i], 0, 0, 0));
		EXPECT_EQ(0, reap(pid[i]));
		EXPECT_EQ(0, wait_finished(&self->events, id[i], WAIT_MS, &info));
		EXPECT_EQ(i ? GCS_REASON_DETACHED : GCS_REASON_EOF, info.reason);
		EXPECT_EQ(0, read(fd[i], &c, 1));
	}
}

TEST_F(life, attach_after_finish_is_refused)
{
	struct stream_info info;
	uint64_t id;
	int host, sock = vsock_pair(&host);
	int fd = stream_open(self->dev, GCS_STREAM_WRITE, -1, 0, &id);

	EXPECT_EQ(0, stream_finish(self->dev, id, 0, 0, 0));
	EXPECT_EQ(0, wait_finished(&self->events, id, WAIT_MS, &info));
	EXPECT_EQ(-1, stream_attach(self->dev, id, sock));
	EXPECT_EQ(ENOENT, errno);
	close(fd);
}

TEST_F_TIMEOUT(life, every_byte_whose_write_returned_arrives_writer_killed_at_any_point, 120)
{
	static const size_t sizes[] = { 1, 64, 700, 4096, 10000, 70000 };
	struct shared {
		volatile uint64_t returned;
	} *shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	char *buf = malloc(1 << 20);

	for (int round = 0; round < 60; round++) {
		size_t size = sizes[round % 6];
		struct stream_info info;
		int64_t arrived, before;
		int host, fd;
		uint64_t id;
		pid_t pid;

		fd = stream_pair(self->dev, GCS_STREAM_WRITE, &host, &id);
		ASSERT_LE(0, fd);
		shared->returned = 0;
		pid = fork();
		if (!pid) {
			close(host);
			for (uint64_t pos = 0;;) {
				ssize_t n;

				fill_pattern(buf, pos, size);
				n = write(fd, buf, size);
				if (n <= 0)
					_exit(1);
				pos += n;
				shared->returned = pos;
			}
		}
		close(fd);
		/* The point: after so many bytes have arrived; every third time the peer is slow. */
		before = read_full(host, buf, 1 + round * 4321 % (size < 64 ? 5000 : 200000));
		ASSERT_EQ(before, check_pattern(buf, 0, before));
		if (round % 3 == 0)
			EXPECT_TRUE(still_waits(pid));
		kill(pid, SIGKILL);
		EXPECT_EQ(SIGKILL, reap(pid));
		arrived = read_pattern_to_eof(host, before);
		ASSERT_LE(0, arrived);
		EXPECT_LE(shared->returned, before + arrived);
		EXPECT_GE(shared->returned + size, before + arrived);
		close(host);
		ASSERT_EQ(0, wait_finished(&self->events, id, WAIT_MS, &info));
		EXPECT_EQ(GCS_REASON_EOF, info.reason);
		EXPECT_EQ(before + arrived, info.out);
		EXPECT_EQ(info.in, info.out);
	}
}

/* The large writer finds the ring filled again and again. */
TEST_F_TIMEOUT(life, a_large_write_is_done_among_many_small_ones, 60)
{
	enum { SMALL = 3 };
	static char buf[1 << 16];
	pid_t small[SMALL], large;
	uint64_t id;
	int pidfd, host, fd = stream_pair(self->dev, GCS_STREAM_WRITE, &host, &id);

	for (int i = 0; i < SMALL; i++) {
		small[i] = fork();
		if (!small[i])
			while (write(fd, buf, 64) == 64)
				;
	}
	large = fork();
	if (!large)
		_exit(write(fd, malloc(1 << 20), 1 << 20) != 1 << 20);
	pidfd = syscall(SYS_pidfd_open, large, 0);
	while (!wait_fd(pidfd, POLLIN, 0))
		ASSERT_LT(0, read(host, buf, sizeof(buf)));
	EXPECT_EQ(0, reap(large));
	for (int i = 0; i < SMALL; i++) {
		kill(small[i], SIGKILL);
		reap(small[i]);
	}
	close(pidfd);
	close(fd);
	close(host);
}

TEST_F(life, streams_outlive_their_opener_and_a_new_one_finds_them)
{
	struct stream_info info = { 0 };
	int host, sock, link[2], gate[2];
	uint64_t id = 0;
	pid_t agent;

	ASSERT_EQ(0, pipe2(link, O_CLOEXEC));
	ASSERT_EQ(0, pipe2(gate, O_CLOEXEC));
	agent = fork();
	if (!agent) {
		int fd = stream_open(self->dev, GCS_STREAM_WRITE, -1, 4711, &id);

		/* The container: it has the file, and outlives the agent. */
		if (!fork()) {
			char c;

			close(gate[1]);
			if (write(link[1], &id, sizeof(id)) != sizeof(id))
				_exit(1);
			if (!write_pattern(fd, 0, 5000) || read(gate[0], &c, 1) != 0)
				_exit(1);
			write_pattern(fd, 5000, 5000);
			_exit(0);
		}
		/* Dies without a word to the module. */
		raise(SIGKILL);
	}
	EXPECT_EQ(SIGKILL, reap(agent));
	ASSERT_EQ((ssize_t)sizeof(id), read(link[0], &id, sizeof(id)));
	EXPECT_EQ(0, nl_get(&self->nl, id, &info));
	EXPECT_EQ(4711, info.cookie);
	sock = vsock_pair(&host);
	EXPECT_EQ(0, stream_attach(self->dev, id, sock));
	close(sock);
	close(gate[1]);
	EXPECT_EQ(10000, read_pattern_to_eof(host, 0));
	close(host);
	EXPECT_EQ(0, wait_finished(&self->events, id, WAIT_MS, &info));
	EXPECT_EQ(4711, info.cookie);
}

TEST_F(life, a_writer_whose_memory_faults_for_ever_holds_up_nobody_else)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = { .mode = UFFDIO_REGISTER_MODE_MISSING };
	int uffd = syscall(SYS_userfaultfd, O_CLOEXEC);
	uint64_t id, other_id;
	int host, other_host, fd, other;
	char c = 0;
	char *mem;
	pid_t pid;

	if (uffd < 0 || ioctl(uffd, UFFDIO_API, &api))
		SKIP(return, "no userfaultfd: %s", strerror(errno));
	mem = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	reg.range.start = (uintptr_t)mem;
	reg.range.len = 1 << 20;
	fd = stream_pair(self->dev, GCS_STREAM_WRITE, &host, &id);
	other = stream_pair(self->dev, GCS_STREAM_WRITE, &other_host, &other_id);
	pid = fork();
	if (!pid) {
		api = (struct uffdio_api) { .api = UFFD_API };
		uffd = syscall(SYS_userfaultfd, O_CLOEXEC);
		if (ioctl(uffd, UFFDIO_API, &api) || ioctl(uffd, UFFDIO_REGISTER, &reg))
			_exit(9);
		_exit(write(fd, mem, 1 << 20) < 0);
	}
	EXPECT_TRUE(still_waits(pid));
	/* Neither the same stream nor another connection waits for it. */
	EXPECT_EQ(2, write(fd, "ab", 2));
	EXPECT_EQ(1, read_full(host, &c, 1));
	EXPECT_EQ('a', c);
	EXPECT_EQ(2, write(other, "xy", 2));
	EXPECT_EQ(1, read_full(other_host, &c, 1));
	EXPECT_EQ('x', c);
	kill(pid, SIGKILL);
	EXPECT_TRUE(ends(pid));
	reap(pid);
}

TEST_F(life, hundreds_of_streams_finish_each_with_its_own_counters)
{
	enum { COUNT = 300 };
	static int host[COUNT], fd[COUNT];
	static uint64_t id[COUNT];
	struct stream_info info;
	char *buf = calloc(1, COUNT);

	for (int i = 0; i < COUNT; i++) {
		fd[i] = stream_pair(self->dev, GCS_STREAM_WRITE, &host[i], &id[i]);
		ASSERT_LE(0, fd[i]);
		ASSERT_EQ(i, write(fd[i], buf, i));
	}
	for (int i = 0; i < COUNT; i++) {
		close(fd[i]);
		ASSERT_EQ(i, read_full(host[i], buf, i));
		close(host[i]);
		ASSERT_EQ(0, wait_finished(&self->events, id[i], WAIT_MS, &info));
		ASSERT_EQ(i, info.in);
		ASSERT_EQ(i, info.out);
		ASSERT_EQ(GCS_REASON_EOF, info.reason);
	}
}

TEST_HARNESS_MAIN

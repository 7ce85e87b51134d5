// SPDX-License-Identifier: MIT
/*
 * A stream is to its users what a pipe is
 */
#include <sched.h>
#include <sys/epoll.h>
#include <sys/sendfile.h>

#include "gcs_test.h"

STREAMS_FIXTURE(pipe)

TEST_F(pipe, fstat_says_fifo)
{
	struct stat st;

	ASSERT_EQ(0, fstat(self->w, &st));
	EXPECT_TRUE(S_ISFIFO(st.st_mode));
	EXPECT_EQ(0600, st.st_mode & 07777);
	EXPECT_EQ(self->w_id, st.st_ino);
	EXPECT_EQ(-1, lseek(self->w, 0, SEEK_CUR));
	EXPECT_EQ(ESPIPE, errno);
	EXPECT_EQ(-1, pwrite(self->w, "x", 1, 0));
	EXPECT_EQ(ESPIPE, errno);
	EXPECT_EQ(0, isatty(self->w));
	EXPECT_EQ(ENOTTY, errno);
}

TEST_F(pipe, what_is_written_arrives_whatever_the_size)
{
	static const size_t sizes[] = { 1, 64, 512, 4095, 4096, 4097, 16384, 65536, 65537, 200000 };
	size_t total = 0, got = 0;
	char *buf = malloc(1 << 20), *in = malloc(1 << 20);
	pid_t pid;

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		total += sizes[i];
	pid = fork();
	if (!pid) {
		uint64_t pos = 0;

		for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
			fill_pattern(buf, pos, sizes[i]);
			if (write(self->w, buf, sizes[i]) != (ssize_t)sizes[i])
				_exit(1);
			pos += sizes[i];
		}
		_exit(0);
	}
	got = read_full(self->w_host, in, total);
	EXPECT_EQ(total, got);
	EXPECT_EQ(total, check_pattern(in, 0, got));
	EXPECT_EQ(0, reap(pid));
}

TEST_F(pipe, many_small_writes_arrive_in_order)
{
	const int count = 20000;
	char buf[64], *in = malloc(count * sizeof(buf));
	pid_t pid = fork();

	if (!pid) {
		for (int i = 0; i < count; i++) {
			fill_pattern(buf, i * sizeof(buf), sizeof(buf));
			if (write(self->w, buf, sizeof(buf)) != sizeof(buf))
				_exit(1);
		}
		_exit(0);
	}
	EXPECT_EQ(count * sizeof(buf), read_full(self->w_host, in, count * sizeof(buf)));
	EXPECT_EQ(count * sizeof(buf), check_pattern(in, 0, count * sizeof(buf)));
	EXPECT_EQ(0, reap(pid));
}

TEST_F(pipe, the_wrong_direction_is_ebadf_or_eacces)
{
	char path[64], c;

	EXPECT_EQ(-1, read(self->w, &c, 1));
	EXPECT_EQ(EBADF, errno);
	EXPECT_EQ(-1, write(self->r, &c, 1));
	EXPECT_EQ(EBADF, errno);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", self->w);
	EXPECT_EQ(-1, open(path, O_RDONLY));
	EXPECT_EQ(EACCES, errno);
}

TEST_F(pipe, reopen_by_proc_self_fd_and_dev_stdout)
{
	char path[64], buf[32] = "";
	int fd;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", self->w);
	fd = open(path, O_WRONLY | O_TRUNC | O_CREAT | O_APPEND, 0666);
	ASSERT_LE(0, fd);
	close(self->w);
	/* The second file keeps the stream open. */
	EXPECT_EQ(3, write(fd, "one", 3));
	EXPECT_EQ(3, read_full(self->w_host, buf, 3));
	EXPECT_STREQ("one", buf);

	/* What /dev/stdout is. */
	ASSERT_EQ(0, symlink("/proc/self/fd/1", "/tmp/stdout"));
	if (!fork()) {
		int out;

		dup2(fd, 1);
		close(fd);
		out = open("/tmp/stdout", O_WRONLY);
		_exit(out >= 0 && write(out, "two", 3) == 3 ? 0 : 1);
	}
	EXPECT_EQ(0, reap(-1));
	unlink("/tmp/stdout");
	EXPECT_EQ(3, read_full(self->w_host, buf, 3));
	EXPECT_STREQ("two", buf);
	self->w = fd;
}

TEST_F(pipe, reopen_by_another_user_after_fchown_only)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", self->w);
	if (!fork()) {
		if (setresgid(1000, 1000, 1000) || setresuid(1000, 1000, 1000))
			_exit(1);
		_exit(open(path, O_WRONLY) < 0 && errno == EACCES ? 0 : 2);
	}
	EXPECT_EQ(0, reap(-1));
	EXPECT_EQ(0, fchown(self->w, 1000, 1000));
	EXPECT_EQ(0, fchmod(self->w, 0200));
	if (!fork()) {
		int fd;

		if (setresgid(1000, 1000, 1000) || setresuid(1000, 1000, 1000))
			_exit(1);
		fd = open(path, O_WRONLY);
		_exit(fd >= 0 && write(fd, "x", 1) == 1 ? 0 : 2);
	}
	EXPECT_EQ(0, reap(-1));
	EXPECT_TRUE(wait_fd(self->w_host, POLLIN, WAIT_MS));
}

/* Some programs ask for more than they use. */
TEST_F(pipe, reopen_for_both_directions_serves_its_own)
{
	char path[64], c = 0;
	int fd;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", self->w);
	fd = open(path, O_RDWR);
	ASSERT_LE(0, fd);
	EXPECT_EQ(1, write(fd, "x", 1));
	EXPECT_EQ(1, read_full(self->w_host, &c, 1));
	EXPECT_EQ(-1, read(fd, &c, 1));
	EXPECT_EQ(EBADF, errno);
	close(fd);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", self->r);
	fd = open(path, O_RDWR | O_NONBLOCK);
	ASSERT_LE(0, fd);
	/* The new file has its own flags. */
	EXPECT_EQ(-1, read(fd, &c, 1));
	EXPECT_EQ(EAGAIN, errno);
	EXPECT_EQ(0, fcntl(self->r, F_GETFL) & O_NONBLOCK);
	EXPECT_EQ(-1, write(fd, &c, 1));
	EXPECT_EQ(EBADF, errno);
	close(fd);
}

TEST_F(pipe, reopen_after_the_last_close_fails)
{
	int path = -1;
	char name[64];

	snprintf(name, sizeof(name), "/proc/self/fd/%d", self->w);
	path = open(name, O_PATH);
	ASSERT_LE(0, path);
	close(self->w);
	snprintf(name, sizeof(name), "/proc/self/fd/%d", path);
	EXPECT_EQ(-1, open(name, O_WRONLY));
	EXPECT_EQ(ENXIO, errno);
	self->w = path;
}

TEST_F(pipe, a_full_stream_is_eagain_when_nonblocking_and_not_pollout)
{
	struct pollfd p = { .fd = self->w, .events = POLLOUT };
	uint64_t total;
	char c = 0;

	EXPECT_EQ(1, poll(&p, 1, 0));
	EXPECT_EQ(POLLOUT, p.revents);
	total = fill(self->w);
	EXPECT_LE(RING_SIZE - 4096, total);
	EXPECT_EQ(0, poll(&p, 1, 0));
	fcntl(self->w, F_SETFL, O_NONBLOCK);
	EXPECT_EQ(-1, write(self->w, &c, 1) == 1 ? write(self->w, malloc(PIPE_BUF), PIPE_BUF) : -1);
	EXPECT_EQ(EAGAIN, errno);
}

TEST_F(pipe, a_nonblocking_write_above_pipe_buf_takes_what_fits)
{
	size_t size = 4 << 20;
	char *buf = calloc(1, size);
	ssize_t n;

	fcntl(self->w, F_SETFL, O_NONBLOCK);
	n = write(self->w, buf, size);
	EXPECT_LT(0, n);
	EXPECT_GT((ssize_t)size, n);
}

TEST_F(pipe, a_full_stream_becomes_writable_when_the_peer_reads)
{
	struct epoll_event ev = { .events = EPOLLOUT | EPOLLET };
	int ep = epoll_create1(0);
	char *buf = malloc(1 << 20);
	uint64_t total;

	total = fill(self->w);
	EXPECT_EQ(0, epoll_ctl(ep, EPOLL_CTL_ADD, self->w, &ev));
	EXPECT_EQ(0, epoll_wait(ep, &ev, 1, NOT_MS));
	EXPECT_EQ(total, read_full(self->w_host, buf, total));
	EXPECT_EQ(1, epoll_wait(ep, &ev, 1, WAIT_MS));
	EXPECT_EQ(EPOLLOUT, ev.events);
	EXPECT_EQ(total, check_pattern(buf, 0, total));
}

TEST_F(pipe, read_waits_for_data_and_ends_at_the_peers_shutdown)
{
	char buf[16] = "";
	pid_t pid = fork();

	if (!pid) {
		if (read(self->r, buf, sizeof(buf)) != 5 || memcmp(buf, "hello", 5))
			_exit(1);
		if (read(self->r, buf, sizeof(buf)) != 0)
			_exit(2);
		_exit(read(self->r, buf, sizeof(buf)));
	}
	EXPECT_TRUE(still_waits(pid));
	EXPECT_EQ(5, write(self->r_host, "hello", 5));
	EXPECT_TRUE(still_waits(pid));
	EXPECT_EQ(0, shutdown(self->r_host, SHUT_WR));
	EXPECT_EQ(0, reap(pid));
}

TEST_F(pipe, read_ends_after_the_peers_close_and_all_its_data)
{
	char *buf = malloc(65536);

	fill_pattern(buf, 0, 65536);
	ASSERT_TRUE(write_all(self->r_host, buf, 65536));
	close(self->r_host);
	self->r_host = -1;
	EXPECT_EQ(65536, read_pattern_to_eof(self->r, 0));
}

TEST_F(pipe, reader_polls_and_reads_without_blocking)
{
	struct pollfd p = { .fd = self->r, .events = POLLIN };
	int n = -1;
	char buf[16];

	fcntl(self->r, F_SETFL, O_NONBLOCK);
	EXPECT_EQ(-1, read(self->r, buf, sizeof(buf)));
	EXPECT_EQ(EAGAIN, errno);
	EXPECT_EQ(0, poll(&p, 1, 0));
	EXPECT_EQ(0, ioctl(self->r, FIONREAD, &n));
	EXPECT_EQ(0, n);
	EXPECT_EQ(7, write(self->r_host, "1234567", 7));
	EXPECT_EQ(1, poll(&p, 1, WAIT_MS));
	EXPECT_EQ(POLLIN, p.revents);
	EXPECT_EQ(0, ioctl(self->r, FIONREAD, &n));
	EXPECT_EQ(7, n);
	EXPECT_EQ(7, read(self->r, buf, sizeof(buf)));
	EXPECT_EQ(0, memcmp(buf, "1234567", 7));
	shutdown(self->r_host, SHUT_WR);
	EXPECT_EQ(1, poll(&p, 1, WAIT_MS));
	EXPECT_TRUE(p.revents & POLLHUP);
	EXPECT_EQ(0, read(self->r, buf, sizeof(buf)));
}

TEST_F(pipe, epoll_edge_comes_with_each_arrival)
{
	struct epoll_event ev = { .events = EPOLLIN | EPOLLET };
	int ep = epoll_create1(0);
	char buf[16];

	EXPECT_EQ(0, epoll_ctl(ep, EPOLL_CTL_ADD, self->r, &ev));
	EXPECT_EQ(0, epoll_wait(ep, &ev, 1, 0));
	for (int i = 0; i < 3; i++) {
		EXPECT_EQ(1, write(self->r_host, "x", 1));
		EXPECT_EQ(1, epoll_wait(ep, &ev, 1, WAIT_MS));
		EXPECT_EQ(1, read(self->r, buf, sizeof(buf)));
	}
	shutdown(self->r_host, SHUT_WR);
	EXPECT_EQ(1, epoll_wait(ep, &ev, 1, WAIT_MS));
}

TEST_F(pipe, epoll_level_stays_as_long_as_there_is_something)
{
	struct epoll_event in = { .events = EPOLLIN, .data.u32 = 1 };
	struct epoll_event out = { .events = EPOLLOUT, .data.u32 = 2 };
	struct epoll_event ev;
	int ep = epoll_create1(0);
	char buf[16];

	EXPECT_EQ(0, epoll_ctl(ep, EPOLL_CTL_ADD, self->r, &in));
	EXPECT_EQ(2, write(self->r_host, "xy", 2));
	for (int i = 0; i < 2; i++) {
		EXPECT_EQ(1, epoll_wait(ep, &ev, 1, WAIT_MS));
		EXPECT_EQ(1, epoll_wait(ep, &ev, 1, 0));
		EXPECT_EQ(EPOLLIN, ev.events);
		EXPECT_EQ(1, read(self->r, buf, 1));
	}
	EXPECT_EQ(0, epoll_wait(ep, &ev, 1, 0));
	EXPECT_EQ(0, epoll_ctl(ep, EPOLL_CTL_ADD, self->w, &out));
	for (int i = 0; i < 3; i++) {
		EXPECT_EQ(1, epoll_wait(ep, &ev, 1, 0));
		EXPECT_EQ(EPOLLOUT, ev.events);
		EXPECT_EQ(2, ev.data.u32);
	}
	fill(self->w);
	EXPECT_EQ(0, epoll_wait(ep, &ev, 1, 0));
	close(self->w_host);
	self->w_host = -1;
	EXPECT_EQ(1, epoll_wait(ep, &ev, 1, WAIT_MS));
	EXPECT_TRUE(ev.events & EPOLLERR);
}

TEST_F(pipe, a_bad_buffer_is_efault_and_loses_nothing)
{
	void *volatile nowhere = (void *)16;
	char buf[16];

	EXPECT_EQ(-1, write(self->w, nowhere, 10));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(-1, write(self->w, nowhere, 100000));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(2, write(self->w, "ok", 2));
	EXPECT_EQ(2, read_full(self->w_host, buf, 2));
	EXPECT_EQ(0, memcmp(buf, "ok", 2));

	EXPECT_EQ(4, write(self->r_host, "data", 4));
	EXPECT_TRUE(wait_fd(self->r, POLLIN, WAIT_MS));
	EXPECT_EQ(-1, read(self->r, nowhere, 10));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(4, read(self->r, buf, sizeof(buf)));
	EXPECT_EQ(0, memcmp(buf, "data", 4));
}

TEST_F(pipe, writes_up_to_pipe_buf_of_many_writers_are_not_mixed)
{
	enum { WRITERS = 8, RECORDS = 300 };
	static const size_t sizes[] = { PIPE_BUF, 64, 1024, 3000, PIPE_BUF, 7, 512, 4000 };
	uint32_t seen[WRITERS] = { 0 };
	static char rec[PIPE_BUF];
	struct head {
		uint32_t writer, seq;
	} *head = (struct head *)rec;

	for (int w = 0; w < WRITERS; w++) {
		if (fork())
			continue;
		for (uint32_t i = 0; i < RECORDS; i++) {
			size_t len = sizeof(struct head) + sizes[w] * 7 / 8;

			memset(rec, 'a' + w, sizeof(rec));
			head->writer = w;
			head->seq = i;
			if (write(self->w, rec, len) != (ssize_t)len)
				_exit(1);
		}
		_exit(0);
	}
	for (int i = 0; i < WRITERS * RECORDS; i++) {
		size_t len;

		ASSERT_EQ(sizeof(*head), read_full(self->w_host, rec, sizeof(*head)));
		ASSERT_GT(WRITERS, head->writer);
		ASSERT_EQ(seen[head->writer]++, head->seq);
		len = sizes[head->writer] * 7 / 8;
		ASSERT_EQ(len, read_full(self->w_host, rec + sizeof(*head), len));
		for (size_t k = 0; k < len; k++)
			ASSERT_EQ('a' + (int)head->writer, rec[sizeof(*head) + k]);
	}
	for (int w = 0; w < WRITERS; w++)
		EXPECT_EQ(0, reap(-1));
}

TEST_F(pipe, the_peers_close_is_epipe_sigpipe_and_pollerr)
{
	struct pollfd p = { .fd = self->w, .events = 0 };

	close(self->w_host);
	self->w_host = -1;
	EXPECT_EQ(1, poll(&p, 1, WAIT_MS));
	EXPECT_EQ(POLLERR, p.revents);
	EXPECT_EQ(-1, write(self->w, "x", 1));
	EXPECT_EQ(EPIPE, errno);
	if (!fork()) {
		signal(SIGPIPE, SIG_DFL);
		_exit(write(self->w, "x", 1));
	}
	EXPECT_EQ(SIGPIPE, reap(-1));
}

TEST_F(pipe, the_peers_close_ends_a_blocked_write)
{
	pid_t small, large;

	fill(self->w);
	small = fork();
	if (!small) {
		close(self->w_host);
		_exit(write(self->w, malloc(PIPE_BUF), PIPE_BUF) < 0 ? errno : 0);
	}
	large = fork();
	if (!large) {
		close(self->w_host);
		_exit(write(self->w, malloc(1 << 20), 1 << 20) < 0 ? errno : 0);
	}
	EXPECT_TRUE(still_waits(small));
	EXPECT_TRUE(still_waits(large));
	close(self->w_host);
	self->w_host = -1;
	EXPECT_EQ(EPIPE << 8, reap(small));
	EXPECT_EQ(EPIPE << 8, reap(large));
}

TEST_F(pipe, the_peers_close_ends_a_blocked_write_from_the_writers_memory)
{
	pid_t pid = fork();

	if (!pid) {
		close(self->w_host);
		_exit(write(self->w, malloc(8 << 20), 8 << 20) < 8 << 20 ? 0 : 1);
	}
	EXPECT_TRUE(still_waits(pid));
	close(self->w_host);
	self->w_host = -1;
	EXPECT_EQ(0, reap(pid));
}

TEST_F(pipe, the_peers_shutdown_of_reading_is_epipe)
{
	EXPECT_EQ(0, shutdown(self->w_host, SHUT_RD));
	EXPECT_TRUE(wait_fd(self->w, 0, WAIT_MS) & POLLERR);
	EXPECT_EQ(-1, write(self->w, "x", 1));
	EXPECT_EQ(EPIPE, errno);
}

TEST_F(pipe, the_peers_half_close_does_not_end_writing)
{
	char buf[16];

	EXPECT_EQ(0, shutdown(self->w_host, SHUT_WR));
	EXPECT_EQ(4, write(self->w, "more", 4));
	EXPECT_EQ(4, read_full(self->w_host, buf, 4));
}

TEST_F(pipe, splice_from_a_pipe_and_from_a_file)
{
	char *buf = malloc(100000), *in = malloc(200000);
	char name[] = "/tmp/gcs-test-XXXXXX";
	off_t off = 0;
	int fds[2];
	pid_t pid;
	int file;

	fill_pattern(buf, 0, 100000);
	ASSERT_EQ(0, pipe(fds));
	file = mkstemp(name);
	ASSERT_LE(0, file);
	unlink(name);
	ASSERT_TRUE(write_all(file, buf, 100000));

	pid = fork();
	if (!pid) {
		size_t left = 100000;

		while (left) {
			ssize_t n = sendfile(self->w, file, &off, left);

			if (n <= 0)
				_exit(1);
			left -= n;
		}
		for (left = 40000; left;) {
			ssize_t n = write(fds[1], buf + 40000 - left, left);

			if (n <= 0)
				_exit(2);
			left -= n;
			while (n) {
				ssize_t k = splice(fds[0], NULL, self->w, NULL, n, 0);

				if (k <= 0)
					_exit(3);
				n -= k;
			}
		}
		_exit(0);
	}
	EXPECT_EQ(140000, read_full(self->w_host, in, 140000));
	EXPECT_EQ(100000, check_pattern(in, 0, 100000));
	EXPECT_EQ(40000, check_pattern(in + 100000, 0, 40000));
	EXPECT_EQ(0, reap(pid));
}

TEST_F(pipe, splice_from_a_read_stream_to_a_pipe)
{
	char buf[5000], in[5000];
	size_t got = 0;
	int fds[2];
	ssize_t n;

	ASSERT_EQ(0, pipe(fds));
	fill_pattern(buf, 0, sizeof(buf));
	ASSERT_TRUE(write_all(self->r_host, buf, sizeof(buf)));
	shutdown(self->r_host, SHUT_WR);
	while ((n = splice(self->r, NULL, fds[1], NULL, 65536, 0)) > 0)
		got += n;
	EXPECT_EQ(0, n);
	EXPECT_EQ(sizeof(buf), got);
	EXPECT_EQ(sizeof(buf), read_full(fds[0], in, sizeof(buf)));
	EXPECT_EQ(sizeof(buf), check_pattern(in, 0, sizeof(buf)));
}

TEST_F(pipe, splice_that_must_not_block_does_not)
{
	int fds[2];

	ASSERT_EQ(0, pipe(fds));
	EXPECT_EQ(-1, splice(self->r, NULL, fds[1], NULL, 100, SPLICE_F_NONBLOCK));
	EXPECT_EQ(EAGAIN, errno);
	EXPECT_EQ(4, write(self->r_host, "data", 4));
	EXPECT_TRUE(wait_fd(self->r, POLLIN, WAIT_MS));
	EXPECT_EQ(4, splice(self->r, NULL, fds[1], NULL, 100, SPLICE_F_NONBLOCK));
	fill(self->w);
	fcntl(self->w, F_SETFL, O_NONBLOCK);
	while (splice(fds[0], NULL, self->w, NULL, 4, 0) == 4)
		EXPECT_EQ(4, write(fds[1], "data", 4));
	EXPECT_EQ(EAGAIN, errno);
	close(self->w_host);
	self->w_host = -1;
	EXPECT_TRUE(wait_fd(self->w, 0, WAIT_MS) & POLLERR);
	EXPECT_EQ(-1, splice(fds[0], NULL, self->w, NULL, 4, 0));
	EXPECT_EQ(EPIPE, errno);
}

TEST_F(pipe, sendfile_from_a_read_stream_is_refused_and_loses_nothing)
{
	char name[] = "/tmp/gcs-test-XXXXXX", buf[8];
	int file = mkstemp(name);

	ASSERT_LE(0, file);
	unlink(name);
	EXPECT_EQ(4, write(self->r_host, "data", 4));
	EXPECT_TRUE(wait_fd(self->r, POLLIN, WAIT_MS));
	EXPECT_EQ(-1, sendfile(file, self->r, NULL, 4));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(4, read(self->r, buf, sizeof(buf)));
}

TEST_F(pipe, tee_and_vmsplice_are_refused_cleanly)
{
	struct iovec iov = { .iov_base = "x", .iov_len = 1 };
	int fds[2];

	ASSERT_EQ(0, pipe(fds));
	EXPECT_EQ(-1, tee(fds[0], self->w, 1, SPLICE_F_NONBLOCK));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(-1, vmsplice(self->w, &iov, 1, 0));
	EXPECT_EQ(EBADF, errno);
}

TEST_F(pipe, fionread_of_a_written_stream_is_what_is_queued)
{
	int n = -1, fd = stream_open(self->dev, GCS_STREAM_WRITE, -1, 0, NULL);

	EXPECT_EQ(100, write(fd, malloc(100), 100));
	EXPECT_EQ(0, ioctl(fd, FIONREAD, &n));
	EXPECT_EQ(100, n);
	close(fd);
}

TEST_HARNESS_MAIN

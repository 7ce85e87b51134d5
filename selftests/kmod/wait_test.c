// SPDX-License-Identifier: MIT
/*
 * Processes that wait for a stream: signals, kill, and the freezers of both cgroup versions
 */
#include <sys/mount.h>

#include "gcs_test.h"

STREAMS_FIXTURE(wait)

static void nothing(int sig)
{
}

static void catch_usr1(int flags)
{
	struct sigaction sa = { .sa_handler = nothing, .sa_flags = flags };

	sigaction(SIGUSR1, &sa, NULL);
}

TEST_F(wait, a_signal_interrupts_a_blocked_write_that_took_nothing)
{
	pid_t pid;
	int err;

	fill(self->w);
	catch_usr1(0);
	pid = fork();
	if (!pid) {
		err = write(self->w, malloc(PIPE_BUF), PIPE_BUF) < 0 ? errno : 0;
		_exit(err);
	}
	EXPECT_TRUE(still_waits(pid));
	EXPECT_TRUE(interrupt(pid));
	EXPECT_EQ(EINTR << 8, reap(pid));
}

TEST_F(wait, a_restarted_write_is_whole)
{
	uint64_t total = fill(self->w);
	char *buf = malloc(total + PIPE_BUF);
	pid_t pid;

	catch_usr1(SA_RESTART);
	pid = fork();
	if (!pid) {
		fill_pattern(buf, total, PIPE_BUF);
		_exit(write(self->w, buf, PIPE_BUF) == PIPE_BUF ? 0 : 1);
	}
	EXPECT_TRUE(still_waits(pid));
	kill(pid, SIGUSR1);
	EXPECT_TRUE(still_waits(pid));
	EXPECT_EQ(total + PIPE_BUF, read_full(self->w_host, buf, total + PIPE_BUF));
	EXPECT_EQ(total + PIPE_BUF, check_pattern(buf, 0, total + PIPE_BUF));
	EXPECT_EQ(0, reap(pid));
}

TEST_F(wait, an_interrupted_large_write_says_what_it_took)
{
	const size_t size = 4 << 20;
	char *buf = malloc(size);
	int report[2];
	ssize_t took = 0;
	pid_t pid;

	ASSERT_EQ(0, pipe(report));
	catch_usr1(0);
	pid = fork();
	if (!pid) {
		ssize_t n;

		fill_pattern(buf, 0, size);
		n = write(self->w, buf, size);
		_exit(write(report[1], &n, sizeof(n)) != sizeof(n));
	}
	close(self->w);
	self->w = -1;
	EXPECT_TRUE(wait_fd(self->w_host, POLLIN, WAIT_MS));
	EXPECT_TRUE(still_waits(pid));
	EXPECT_TRUE(interrupt(pid));
	EXPECT_EQ(0, reap(pid));
	ASSERT_EQ((ssize_t)sizeof(took), read(report[0], &took, sizeof(took)));
	EXPECT_LT(0, took);
	EXPECT_GT((ssize_t)size, took);
	EXPECT_EQ(took, read_pattern_to_eof(self->w_host, 0));
}

TEST_F(wait, a_signal_interrupts_or_restarts_a_blocked_read)
{
	char buf[16];
	pid_t pid;

	for (int restart = 0; restart <= 1; restart++) {
		catch_usr1(restart ? SA_RESTART : 0);
		pid = fork();
		if (!pid)
			_exit(read(self->r, buf, sizeof(buf)) < 0 ? errno : 0);
		EXPECT_TRUE(still_waits(pid));
		if (restart) {
			kill(pid, SIGUSR1);
			EXPECT_TRUE(still_waits(pid));
			EXPECT_EQ(1, write(self->r_host, "x", 1));
		} else {
			EXPECT_TRUE(interrupt(pid));
		}
		EXPECT_EQ(restart ? 0 : EINTR << 8, reap(pid));
	}
}

TEST_F(wait, a_receive_timeout_of_the_socket_is_none_of_the_reader)
{
	struct timeval tv = { .tv_usec = 20000 };
	int host, sock = vsock_pair(&host);
	int fd = stream_open(self->dev, GCS_STREAM_READ, sock, 0, NULL);
	char buf[16];
	pid_t pid;

	ASSERT_EQ(0, setsockopt(sock, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)));
	for (int restart = 0; restart <= 1; restart++) {
		catch_usr1(restart ? SA_RESTART : 0);
		pid = fork();
		if (!pid)
			_exit(read(fd, buf, sizeof(buf)) < 0 ? errno : 0);
		EXPECT_TRUE(still_waits(pid));
		if (restart) {
			kill(pid, SIGUSR1);
			EXPECT_TRUE(still_waits(pid));
			EXPECT_EQ(1, write(host, "x", 1));
		} else {
			EXPECT_TRUE(interrupt(pid));
		}
		EXPECT_EQ(restart ? 0 : EINTR << 8, reap(pid));
	}
	close(fd);
	close(sock);
	close(host);
}

TEST_F(wait, a_deadline_counts_what_a_waiting_writer_has_handed_over)
{
	enum { SIZE = 8 << 20, FIRST = 100001 };
	static char buf[SIZE];
	struct stream_info info;
	struct gcs_nl events;
	ssize_t took = 0;
	int report[2];
	uint64_t id;
	int host, fd;
	pid_t pid;

	ASSERT_EQ(0, nl_open(&events, true));
	ASSERT_EQ(0, pipe(report));
	fill_pattern(buf, 0, SIZE);
	fd = stream_pair(self->dev, GCS_STREAM_WRITE, &host, &id);
	pid = fork();
	if (!pid) {
		took = write(fd, buf, SIZE);
		_exit(write(report[1], &took, sizeof(took)) != sizeof(took));
	}
	/* After an odd number of bytes, the piece with which the connection is full is sent in part. */
	ASSERT_EQ(FIRST, read_full(host, buf, FIRST));
	EXPECT_TRUE(still_waits(pid));
	ASSERT_EQ(0, stream_finish(self->dev, id, 0, 10000, 1));
	ASSERT_EQ(0, wait_finished(&events, id, WAIT_MS, &info));
	EXPECT_EQ(GCS_REASON_DEADLINE, info.reason);
	EXPECT_EQ(0, reap(pid));
	ASSERT_EQ((ssize_t)sizeof(took), read(report[0], &took, sizeof(took)));
	EXPECT_EQ((uint64_t)took, info.in);
	EXPECT_EQ(info.in, info.out + info.lost);
	EXPECT_EQ((int64_t)info.out, FIRST + read_pattern_to_eof(host, FIRST));
	close(events.fd);
	close(host);
	close(fd);
}

TEST_F_TIMEOUT(wait, a_deadline_in_the_middle_of_writes_counts_exactly, 60)
{
	struct stream_info info;
	struct gcs_nl events;

	ASSERT_EQ(0, nl_open(&events, true));
	for (int i = 0; i < 40; i++) {
		const size_t size = i % 2 ? PIPE_BUF - 7 : 3 * PIPE_BUF * (1 + i);
		char *buf = malloc(size);
		uint64_t id, read_bytes = 0;
		int host, fd = stream_pair(self->dev, GCS_STREAM_WRITE, &host, &id), report[2];
		pid_t writer, reader;
		char c = 0;

		ASSERT_EQ(0, pipe(report));
		reader = fork();
		if (!reader) {
			static char sink[65536];
			ssize_t n;

			while ((n = read(host, sink, sizeof(sink))) > 0)
				read_bytes += n;
			_exit(write(report[1], &read_bytes, sizeof(read_bytes)) != sizeof(read_bytes));
		}
		writer = fork();
		if (!writer) {
			memset(buf, 'x', size);
			while (write(fd, buf, size) > 0)
				;
			_exit(0);
		}
		close(fd);
		EXPECT_EQ(1, recv(host, &c, 1, MSG_PEEK));
		ASSERT_EQ(0, stream_finish(self->dev, id, 0, 10000, 1));
		ASSERT_EQ(0, wait_finished(&events, id, WAIT_MS, &info));
		EXPECT_EQ(info.in, info.out + info.lost);
		reap(writer);
		reap(reader);
		ASSERT_EQ((ssize_t)sizeof(read_bytes), read(report[0], &read_bytes, sizeof(read_bytes)));
		EXPECT_EQ(info.out, read_bytes);
		free(buf);
		close(host);
		close(report[0]);
		close(report[1]);
	}
	close(events.fd);
}

/* A signal says that @fd can be read or written (@band), and it is so: @events. An earlier one may come late. */
static bool signalled(int fd, long band, short events)
{
	struct timespec limit = { .tv_sec = WAIT_MS / 1000 };
	siginfo_t si;
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGIO);
	do {
		if (sigtimedwait(&set, &si, &limit) != SIGIO || si.si_fd != fd || !(si.si_band & band))
			return false;
	} while (!(wait_fd(fd, events, 0) & events));
	return true;
}

static bool want_signal(int fd)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGIO);
	sigprocmask(SIG_BLOCK, &set, NULL);
	return !fcntl(fd, F_SETOWN, getpid()) && !fcntl(fd, F_SETSIG, SIGIO) &&
	       !fcntl(fd, F_SETFL, O_ASYNC | O_NONBLOCK);
}

static bool unwant_signal(int fd)
{
	const struct timespec now = { 0 };
	sigset_t set;

	if (fcntl(fd, F_SETFL, O_NONBLOCK))
		return false;
	sigemptyset(&set);
	sigaddset(&set, SIGIO);
	return sigtimedwait(&set, NULL, &now) == SIGIO || errno == EAGAIN;
}

TEST_F(wait, o_async_signals_as_a_pipe_does)
{
	static char buf[65536];
	pid_t peer;

	ASSERT_TRUE(want_signal(self->r));
	EXPECT_EQ(1, write(self->r_host, "x", 1));
	EXPECT_TRUE(signalled(self->r, POLLIN, POLLIN));
	EXPECT_EQ(1, read(self->r, buf, 1));
	close(self->r_host);
	self->r_host = -1;
	EXPECT_TRUE(signalled(self->r, POLLIN, POLLHUP));
	EXPECT_EQ(0, read(self->r, buf, 1));
	/* The end of a connection may be told more than once, and a signal that is pending hides the next. */
	ASSERT_TRUE(unwant_signal(self->r));

	fill(self->w);
	ASSERT_TRUE(want_signal(self->w));
	EXPECT_EQ(-1, write(self->w, buf, PIPE_BUF));
	peer = fork();
	if (!peer) {
		while (read(self->w_host, buf, sizeof(buf)) > 0)
			;
		_exit(0);
	}
	EXPECT_TRUE(signalled(self->w, POLLOUT, POLLOUT));
	EXPECT_EQ(PIPE_BUF, write(self->w, buf, PIPE_BUF));
	kill(peer, SIGKILL);
	reap(peer);
	close(self->w_host);
	self->w_host = -1;
	EXPECT_TRUE(signalled(self->w, POLLOUT, POLLERR));
	EXPECT_EQ(-1, write(self->w, buf, 1));
	EXPECT_EQ(EPIPE, errno);
}

TEST_F(wait, kill_ends_a_blocked_writer_and_a_blocked_reader)
{
	pid_t writer, reader, waiter;
	int detached;
	char c;

	fill(self->w);
	writer = fork();
	if (!writer)
		_exit(write(self->w, malloc(1 << 20), 1 << 20));
	reader = fork();
	if (!reader)
		_exit(read(self->r, &c, 1));
	detached = stream_open(self->dev, GCS_STREAM_READ, -1, 0, NULL);
	waiter = fork();
	if (!waiter)
		_exit(read(detached, &c, 1));
	EXPECT_TRUE(still_waits(writer));
	EXPECT_TRUE(still_waits(reader));
	EXPECT_TRUE(still_waits(waiter));
	kill(writer, SIGKILL);
	kill(reader, SIGKILL);
	kill(waiter, SIGKILL);
	EXPECT_EQ(SIGKILL, reap(writer));
	EXPECT_EQ(SIGKILL, reap(reader));
	EXPECT_EQ(SIGKILL, reap(waiter));
}

/* --- freezers -------------------------------------------------------------------------------- */

#define V2 "/sys/fs/cgroup/gcs-freeze"
#define V1_ROOT "/tmp/freezer"
#define V1 V1_ROOT "/gcs"

FIXTURE(freeze) {
	int dev;
	int w, w_host, r, r_host;
	bool v1;
};

FIXTURE_VARIANT(freeze) {
	bool v1;
};

FIXTURE_VARIANT_ADD(freeze, v2) { .v1 = false };
FIXTURE_VARIANT_ADD(freeze, v1) { .v1 = true };

FIXTURE_SETUP(freeze)
{
	self->dev = test_device(_metadata->name);
	ASSERT_LE(0, self->dev);
	self->v1 = variant->v1;
	if (self->v1) {
		mkdir(V1_ROOT, 0700);
		if (mount("freezer", V1_ROOT, "cgroup", 0, "freezer"))
			SKIP(_exit(255), "no cgroup v1 freezer: %s", strerror(errno));
	}
	if (mkdir(self->v1 ? V1 : V2, 0700) && errno != EEXIST)
		SKIP(_exit(255), "no cgroup: %s", strerror(errno));
	self->w = stream_pair(self->dev, GCS_STREAM_WRITE, &self->w_host, NULL);
	self->r = stream_pair(self->dev, GCS_STREAM_READ, &self->r_host, NULL);
	ASSERT_LE(0, self->w);
	ASSERT_LE(0, self->r);
}

FIXTURE_TEARDOWN(freeze)
{
	finish_all(self->dev);
	close(self->dev);
	rmdir(self->v1 ? V1 : V2);
	if (self->v1)
		umount(V1_ROOT);
}

static bool put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	bool ok = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);

	close(fd);
	return ok;
}

static bool says(int fd, const char *text)
{
	char buf[256];
	ssize_t n = pread(fd, buf, sizeof(buf) - 1, 0);

	buf[n > 0 ? n : 0] = '\0';
	return strstr(buf, text);
}

static bool add(bool v1, pid_t pid)
{
	char text[16];

	snprintf(text, sizeof(text), "%d", pid);
	return put(v1 ? V1 "/tasks" : V2 "/cgroup.procs", text);
}

/* Returns when all are frozen. Version 1 has no event for it. */
static bool freeze(bool v1)
{
	int fd = open(v1 ? V1 "/freezer.state" : V2 "/cgroup.events", O_RDONLY | O_CLOEXEC);
	uint64_t end = now_ms() + WAIT_MS;
	bool done;

	put(v1 ? V1 "/freezer.state" : V2 "/cgroup.freeze", v1 ? "FROZEN" : "1");
	while (!(done = says(fd, v1 ? "FROZEN" : "frozen 1")) && now_ms() < end)
		wait_fd(v1 ? -1 : fd, POLLPRI, v1 ? 10 : WAIT_MS);
	close(fd);
	return done;
}

static bool thaw(bool v1)
{
	return put(v1 ? V1 "/freezer.state" : V2 "/cgroup.freeze", v1 ? "THAWED" : "0");
}

TEST_F(freeze, waiting_processes_freeze_and_go_on)
{
	uint64_t total = fill(self->w);
	int detached = stream_open(self->dev, GCS_STREAM_READ, -1, 0, NULL);
	pid_t pid[3];
	char c;

	pid[0] = fork();
	if (!pid[0])
		_exit(!write_pattern(self->w, total, 100000));
	pid[1] = fork();
	if (!pid[1])
		_exit(read(self->r, &c, 1) != 1);
	pid[2] = fork();
	if (!pid[2])
		_exit(read(detached, &c, 1));
	for (int i = 0; i < 3; i++) {
		EXPECT_TRUE(still_waits(pid[i]));
		ASSERT_TRUE(add(self->v1, pid[i]));
	}
	EXPECT_TRUE(freeze(self->v1));
	EXPECT_EQ(1, write(self->r_host, "x", 1));
	for (int i = 0; i < 3; i++)
		EXPECT_TRUE(still_waits(pid[i]));
	/* A signal ends none of them before the thaw, in a cgroup of version 1. */
	kill(pid[2], SIGKILL);
	EXPECT_TRUE(thaw(self->v1));
	close(self->w);
	EXPECT_EQ(total + 100000, read_pattern_to_eof(self->w_host, 0));
	EXPECT_EQ(0, reap(pid[0]));
	EXPECT_EQ(0, reap(pid[1]));
	EXPECT_EQ(SIGKILL, reap(pid[2]));
}

TEST_F(freeze, a_frozen_writer_that_was_sending_holds_up_nobody)
{
	enum { LARGE = 8 << 20, SMALL = 2 << 20 };
	static char buf[65536];
	size_t got = 0;
	ssize_t n;
	pid_t large, small;

	large = fork();
	if (!large)
		_exit(!write_pattern(self->w, 0, LARGE));
	EXPECT_TRUE(still_waits(large));
	ASSERT_TRUE(add(self->v1, large));
	EXPECT_TRUE(freeze(self->v1));
	small = fork();
	if (!small) {
		for (int i = 0; i < SMALL / 512; i++)
			if (write(self->w, buf, 512) != 512)
				_exit(1);
		_exit(0);
	}
	close(self->w);
	while (got < SMALL && wait_fd(self->w_host, POLLIN, WAIT_MS)) {
		n = read(self->w_host, buf, sizeof(buf));
		ASSERT_LT(0, n);
		got += n;
	}
	EXPECT_LE(SMALL, got);
	EXPECT_TRUE(thaw(self->v1));
	while (wait_fd(self->w_host, POLLIN, WAIT_MS) && (n = read(self->w_host, buf, sizeof(buf))) > 0)
		got += n;
	EXPECT_EQ(LARGE + SMALL, got);
	EXPECT_EQ(0, reap(small));
	EXPECT_EQ(0, reap(large));
}

TEST_HARNESS_MAIN

// SPDX-License-Identifier: MIT
/*
 * The life of a terminal: sockets that come later, every way to end, what is lost then, and bad input
 */
#include <netinet/in.h>

#include "gcs_tty_test.h"

GCS_FIXTURE(tty_life, finish_all_ttys)

/* The other side receives no more: a writer learns it from the write that fails, and from nothing else. */
static bool shut_down(int fd)
{
	uint64_t end = now_ms() + WAIT_MS;

	fcntl(fd, F_SETFL, O_NONBLOCK);
	while (now_ms() < end)
		if (write(fd, "x", 1) < 0 && errno == EPIPE)
			return true;
	return false;
}

/* --- ends ---------------------------------------------------------------------------------- */

TEST_F(tty_life, the_last_slave_ends_both_ways_and_the_peer_is_awaited)
{
	struct tty_info info;
	struct term t;
	int slave = term_pty(self->dev, &t, true);
	char c;

	EXPECT_EQ(4, write(slave, "last", 4));
	close(slave);
	EXPECT_TRUE(read_full(t.out, (char[4]){ 0 }, 4) == 4);
	EXPECT_EQ(0, read(t.out, &c, 1));
	EXPECT_TRUE(shut_down(t.in));
	EXPECT_EQ(-1, wait_tty(&self->events, t.id, NOT_MS, &info));
	EXPECT_EQ(0, tty_get(&self->nl, t.id, &info));
	EXPECT_EQ(GCS_TTY_STATE_CLOSING, info.state);
	EXPECT_EQ(0, shutdown(t.out, SHUT_WR));
	ASSERT_EQ(0, wait_tty(&self->events, t.id, WAIT_MS, &info));
	EXPECT_EQ(GCS_REASON_EOF, info.reason);
	EXPECT_EQ(4, info.out);
	EXPECT_EQ(0, info.in_lost);
}

TEST_F(tty_life, a_peer_that_never_closes_is_given_up)
{
	uint64_t start = now_ms();
	struct tty_info info;
	struct term t;

	close(term_pty(self->dev, &t, true));
	ASSERT_EQ(0, wait_tty(&self->events, t.id, GCS_PEER_EOF_MS + WAIT_MS, &info));
	EXPECT_LE(start + GCS_PEER_EOF_MS - 100, now_ms());
	EXPECT_EQ(GCS_REASON_DEADLINE, info.reason);
	EXPECT_EQ(0, info.out_lost);
}

TEST_F(tty_life, the_peers_half_close_of_input_ends_nothing_at_a_pty)
{
	struct tty_info info;
	struct term t;
	int slave = term_pty(self->dev, &t, false);
	char buf[8];

	EXPECT_EQ(2, write(t.in, "a\r", 2));
	close(t.in);
	EXPECT_EQ(2, read_full(slave, buf, 2));
	/* Neither an end of file nor a hangup. */
	EXPECT_FALSE(wait_fd(slave, POLLIN | POLLHUP, NOT_MS));
	EXPECT_EQ(3, read_full(t.out, buf, 3));
	EXPECT_EQ(2, write(slave, "on", 2));
	EXPECT_EQ(2, read_full(t.out, buf, 2));
	EXPECT_EQ(0, tty_get(&self->nl, t.id, &info));
	EXPECT_EQ(GCS_TTY_STATE_OPEN, info.state);
	close(slave);
	EXPECT_EQ(0, read(t.out, buf, 1));
	close(t.out);
	ASSERT_EQ(0, wait_tty(&self->events, t.id, WAIT_MS, &info));
	EXPECT_EQ(GCS_REASON_EOF, info.reason);
	EXPECT_EQ(2, info.in);
}

TEST_F(tty_life, input_that_a_socket_takes_no_more_does_not_stall_the_peer)
{
	static char buf[65536];
	struct tty_info info;
	struct term t;
	size_t total = 0;
	ssize_t n;
	int pair[2];

	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair));
	ASSERT_EQ(0, term_start(self->dev, &t, pair[0], true));
	ASSERT_EQ(0, shutdown(pair[1], SHUT_RD));
	fcntl(t.in, F_SETFL, O_NONBLOCK);
	while (total < 16 * sizeof(buf)) {
		ASSERT_TRUE(wait_fd(t.in, POLLOUT, WAIT_MS));
		n = write(t.in, buf, sizeof(buf));
		ASSERT_LT(0, n);
		total += n;
	}
	/* The way out goes on. */
	EXPECT_EQ(3, write(pair[1], "out", 3));
	EXPECT_TRUE(wait_fd(t.in, POLLIN, WAIT_MS));
	EXPECT_EQ(3, read(t.in, buf, 3));
	close(pair[1]);
	EXPECT_TRUE(wait_fd(t.in, POLLIN, WAIT_MS));
	EXPECT_EQ(0, read(t.in, buf, 1));
	close(t.in);
	ASSERT_EQ(0, wait_tty(&self->events, t.id, WAIT_MS, &info));
	EXPECT_EQ(GCS_REASON_EOF, info.reason);
	EXPECT_EQ(3, info.out);
	EXPECT_EQ(total, info.in_lost);
}

TEST_F(tty_life, a_peer_that_is_gone_ends_an_idle_tty_at_once)
{
	struct tty_info info;
	struct term t;
	int slave = term_pty(self->dev, &t, true);

	EXPECT_EQ(-1, wait_tty(&self->events, t.id, NOT_MS, &info));
	close(t.out);
	ASSERT_EQ(0, wait_tty(&self->events, t.id, WAIT_MS, &info));
	EXPECT_EQ(GCS_REASON_PEER, info.reason);
	EXPECT_EQ(0, info.out_lost);
	/* The relay's was the only reference of the master. */
	EXPECT_TRUE(wait_fd(slave, POLLHUP, WAIT_MS));
	close(slave);
}

/* Writes to the slave, in small pieces, until nothing is taken. Returns the bytes. */
static uint64_t fill_slave(int slave)
{
	uint64_t total = 0;
	char buf[256] = "";
	ssize_t n;

	fcntl(slave, F_SETFL, O_NONBLOCK);
	do {
		while ((n = write(slave, buf, sizeof(buf))) > 0)
			total += n;
	} while (wait_fd(slave, POLLOUT, NOT_MS));
	return total;
}

TEST_F(tty_life, what_a_lost_peer_did_not_get_is_counted)
{
	struct tty_info before, info;
	struct term t;
	int slave = term_pty(self->dev, &t, true);

	fill_slave(slave);
	ASSERT_EQ(0, tty_get(&self->nl, t.id, &before));
	EXPECT_LT(0, before.queued);
	close(t.out);
	ASSERT_EQ(0, wait_tty(&self->events, t.id, WAIT_MS, &info));
	EXPECT_EQ(GCS_REASON_PEER, info.reason);
	EXPECT_EQ(before.out, info.out);
	EXPECT_EQ(before.queued, info.out_lost);
	EXPECT_EQ(0, info.queued);
	close(slave);
}

/* --- told to finish ------------------------------------------------------------------------ */

TEST_F(tty_life, finish_sends_what_is_there_although_a_child_keeps_the_slave)
{
	struct tty_info info;
	struct term t;
	int slave = term_pty(self->dev, &t, true);
	uint64_t total = fill_slave(slave);
	char part[16384];
	ssize_t n;

	EXPECT_EQ(0, tty_finish(self->dev, t.id, 0, 0));
	EXPECT_EQ(-1, wait_tty(&self->events, t.id, NOT_MS, &info));
	/* The way in has ended at once. */
	EXPECT_TRUE(shut_down(t.in));
	/* In large pieces: when all is sent, the end is waited for no longer than GCS_PEER_EOF_MS. */
	for (uint64_t i = 0; i < total; i += n) {
		n = read(t.out, part, sizeof(part));
		ASSERT_LT(0, n);
	}
	EXPECT_EQ(0, read(t.out, part, 1));
	close(t.out);
	ASSERT_EQ(0, wait_tty(&self->events, t.id, WAIT_MS, &info));
	EXPECT_EQ(GCS_REASON_EOF, info.reason);
	EXPECT_EQ(total, info.out);
	EXPECT_EQ(0, info.out_lost);
	EXPECT_EQ(-1, tty_finish(self->dev, t.id, 0, 0));
	EXPECT_EQ(ENOENT, errno);
	close(slave);
}

TEST_F(tty_life, finish_waits_for_silence)
{
	uint64_t start = now_ms();
	struct tty_info info;
	struct term t;
	int slave = term_pty(self->dev, &t, true);
	char c;

	EXPECT_EQ(0, tty_finish(self->dev, t.id, 400, 0));
	/* Each write begins the time anew; as long as this takes less, it has not ended. */
	EXPECT_EQ(1, write(slave, "1", 1));
	EXPECT_EQ(1, read_full(t.out, &c, 1));
	EXPECT_EQ(0, read(t.out, &c, 1));
	EXPECT_LE(start + 400, now_ms());
	close(t.out);
	ASSERT_EQ(0, wait_tty(&self->events, t.id, WAIT_MS, &info));
	EXPECT_EQ(GCS_REASON_EOF, info.reason);
	EXPECT_EQ(1, info.out);
	close(slave);
}

TEST_F(tty_life, the_deadline_ends_what_a_peer_does_not_take)
{
	struct tty_info before, info;
	struct term t;
	int slave = term_pty(self->dev, &t, true);

	fill_slave(slave);
	ASSERT_EQ(0, tty_get(&self->nl, t.id, &before));
	EXPECT_EQ(0, tty_finish(self->dev, t.id, 0, 100));
	ASSERT_EQ(0, wait_tty(&self->events, t.id, WAIT_MS, &info));
	EXPECT_EQ(GCS_REASON_DEADLINE, info.reason);
	EXPECT_EQ(before.out, info.out);
	EXPECT_EQ(before.queued, info.out_lost);
	close(slave);
}

TEST_F(tty_life, the_deadline_ends_who_never_stops_writing)
{
	struct tty_info info;
	char buf[65536];
	struct term t;
	int slave = term_pty(self->dev, &t, true);
	pid_t pid = pattern_writer(slave, SIZE_MAX / 2);

	ASSERT_EQ(0, tty_finish(self->dev, t.id, 10000, 300));
	while (read(t.out, buf, sizeof(buf)) > 0)
		;
	EXPECT_EQ(0, wait_tty(&self->events, t.id, WAIT_MS, &info));
	EXPECT_EQ(GCS_REASON_DEADLINE, info.reason);
	EXPECT_LT(0, info.out);
	kill(pid, SIGKILL);
	reap(pid);
	close(slave);
}

TEST_F(tty_life, finish_counts_the_input_that_nobody_took)
{
	struct tty_info before, info;
	struct term t;
	int slave = term_pty(self->dev, &t, true);
	char buf[4096] = "";

	fcntl(t.in, F_SETFL, O_NONBLOCK);
	do {
		while (write(t.in, buf, sizeof(buf)) > 0)
			;
	} while (wait_fd(t.in, POLLOUT, NOT_MS));
	ASSERT_EQ(0, tty_get(&self->nl, t.id, &before));
	EXPECT_LT(0, before.queued);
	close(t.out);
	ASSERT_EQ(0, wait_tty(&self->events, t.id, WAIT_MS, &info));
	EXPECT_EQ(before.in, info.in);
	EXPECT_EQ(before.queued, info.in_lost);
	close(slave);
}

/* --- sockets that come later --------------------------------------------------------------- */

TEST_F(tty_life, sockets_may_come_later_and_what_was_written_waits)
{
	int in, out, host_in, host_out, slave;
	int master = pty_pair(&slave, true);
	struct tty_info info;
	uint64_t id;
	char buf[8];

	ASSERT_EQ(0, tty_open(self->dev, master, -1, -1, 0, &id));
	close(master);
	EXPECT_EQ(5, write(slave, "early", 5));
	EXPECT_EQ(0, tty_get(&self->nl, id, &info));
	EXPECT_EQ(GCS_TTY_STATE_DETACHED, info.state);
	EXPECT_EQ(0, info.queued);

	in = vsock_pair(&host_in);
	out = vsock_pair(&host_out);
	EXPECT_EQ(0, tty_attach(self->dev, id, in, -1, 0));
	EXPECT_EQ(0, tty_get(&self->nl, id, &info));
	EXPECT_EQ(GCS_TTY_STATE_DETACHED, info.state);
	EXPECT_EQ(2, write(host_in, "in", 2));
	EXPECT_EQ(2, read_full(slave, buf, 2));
	EXPECT_EQ(-1, tty_attach(self->dev, id, in, out, 0));
	EXPECT_EQ(EISCONN, errno);
	EXPECT_EQ(0, tty_attach(self->dev, id, -1, out, 0));
	EXPECT_EQ(0, tty_get(&self->nl, id, &info));
	EXPECT_EQ(GCS_TTY_STATE_OPEN, info.state);
	EXPECT_EQ(5, read_full(host_out, buf, 5));
	EXPECT_EQ(-1, tty_attach(self->dev, id, -1, out, 0));
	EXPECT_EQ(EISCONN, errno);
	close(in);
	close(out);
	close(slave);
	EXPECT_EQ(0, read(host_out, buf, 1));
	close(host_out);
	ASSERT_EQ(0, wait_tty(&self->events, id, WAIT_MS, &info));
	EXPECT_EQ(GCS_REASON_EOF, info.reason);
	EXPECT_EQ(-1, tty_attach(self->dev, id, -1, -1, 0));
	EXPECT_EQ(ENOENT, errno);
}

TEST_F(tty_life, a_tty_that_never_had_a_socket_finishes_when_told)
{
	int slave, master = pty_pair(&slave, true);
	struct tty_info info;
	uint64_t id;

	ASSERT_EQ(0, tty_open(self->dev, master, -1, -1, 0, &id));
	close(master);
	EXPECT_EQ(5, write(slave, "early", 5));
	EXPECT_EQ(-1, wait_tty(&self->events, id, NOT_MS, &info));
	EXPECT_EQ(0, tty_finish(self->dev, id, 10000, 0));
	ASSERT_EQ(0, wait_tty(&self->events, id, WAIT_MS, &info));
	EXPECT_EQ(GCS_REASON_DETACHED, info.reason);
	EXPECT_EQ(0, info.out_lost);
	close(slave);
}

TEST_F(tty_life, output_that_nobody_wants_is_dropped_and_the_end_noticed)
{
	int slave, master = pty_pair(&slave, true);
	struct tty_info info;
	uint64_t id;
	pid_t pid;

	ASSERT_EQ(0, tty_open(self->dev, master, -1, -1, GCS_TTY_DISCARD, &id));
	close(master);
	pid = pattern_writer(slave, 300000);
	EXPECT_EQ(0, reap(pid));
	EXPECT_EQ(0, tty_get(&self->nl, id, &info));
	EXPECT_EQ(GCS_TTY_STATE_OPEN, info.state);
	close(slave);
	ASSERT_EQ(0, wait_tty(&self->events, id, WAIT_MS, &info));
	EXPECT_EQ(GCS_REASON_EOF, info.reason);
	EXPECT_EQ(0, info.out);
	EXPECT_EQ(0, info.out_lost);
}

/* --- other files in the place of the pty --------------------------------------------------- */

TEST_F(tty_life, a_pipe_that_is_read)
{
	struct tty_info info;
	int p[2], sock, host;
	uint64_t id;
	pid_t pid;

	ASSERT_EQ(0, pipe2(p, O_CLOEXEC));
	sock = vsock_pair(&host);
	EXPECT_EQ(-1, tty_open(self->dev, p[0], sock, sock, 0, &id));
	EXPECT_EQ(EBADF, errno);
	ASSERT_EQ(0, tty_open(self->dev, p[0], -1, sock, 0, &id));
	close(sock);
	close(p[0]);
	pid = pattern_writer(p[1], 1000000);
	close(p[1]);
	EXPECT_EQ(1000000, read_pattern_to_eof(host, 0));
	EXPECT_EQ(0, reap(pid));
	close(host);
	ASSERT_EQ(0, wait_tty(&self->events, id, WAIT_MS, &info));
	EXPECT_EQ(GCS_REASON_EOF, info.reason);
	EXPECT_EQ(1000000, info.out);
}

TEST_F(tty_life, a_pipe_that_is_written)
{
	struct tty_info info;
	int p[2], sock, host;
	uint64_t id;
	pid_t pid;

	ASSERT_EQ(0, pipe2(p, O_CLOEXEC));
	sock = vsock_pair(&host);
	EXPECT_EQ(-1, tty_open(self->dev, p[1], sock, sock, 0, &id));
	EXPECT_EQ(EBADF, errno);
	ASSERT_EQ(0, tty_open(self->dev, p[1], sock, -1, 0, &id));
	close(sock);
	close(p[1]);
	pid = pattern_writer(host, 1000000);
	close(host);
	EXPECT_EQ(1000000, read_pattern_to_eof(p[0], 0));
	EXPECT_EQ(0, reap(pid));
	ASSERT_EQ(0, wait_tty(&self->events, id, WAIT_MS, &info));
	EXPECT_EQ(GCS_REASON_EOF, info.reason);
	EXPECT_EQ(1000000, info.in);
	EXPECT_EQ(0, info.in_lost);
	close(p[0]);
}

TEST_F(tty_life, a_pipe_whose_reader_goes_ends_the_way_in)
{
	struct tty_info info;
	int p[2], sock, host;
	uint64_t id;
	char c;

	ASSERT_EQ(0, pipe2(p, O_CLOEXEC));
	sock = vsock_pair(&host);
	ASSERT_EQ(0, tty_open(self->dev, p[1], sock, -1, 0, &id));
	close(sock);
	close(p[1]);
	close(p[0]);
	EXPECT_EQ(4, write(host, "lost", 4));
	ASSERT_EQ(0, wait_tty(&self->events, id, WAIT_MS, &info));
	EXPECT_EQ(0, info.in);
	EXPECT_EQ(4, info.in_lost);
	EXPECT_EQ(0, read(host, &c, 1));
	close(host);
}

TEST_F(tty_life, a_socket_is_half_closed_either_way)
{
	for (int one = 0; one < 2; one++) {
		struct tty_info info;
		struct term t;
		int pair[2];
		char c;

		ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair));
		ASSERT_EQ(0, term_start(self->dev, &t, pair[0], one));
		EXPECT_EQ(1, write(pair[1], "a", 1));
		EXPECT_EQ(1, read_full(t.out, &c, 1));
		/* It has sent everything, and is sent more. */
		EXPECT_EQ(0, shutdown(pair[1], SHUT_WR));
		EXPECT_EQ(0, read(t.out, &c, 1));
		EXPECT_EQ(300, write(t.in, (char[300]){ 0 }, 300));
		EXPECT_EQ(300, read_full(pair[1], (char[300]){ 0 }, 300));
		EXPECT_EQ(-1, wait_tty(&self->events, t.id, NOT_MS, &info));
		EXPECT_EQ(0, shutdown(t.in, SHUT_WR));
		EXPECT_EQ(0, read(pair[1], &c, 1));
		if (!one)
			close(t.out);
		ASSERT_EQ(0, wait_tty(&self->events, t.id, WAIT_MS, &info));
		EXPECT_EQ(GCS_REASON_EOF, info.reason);
		EXPECT_EQ(300, info.in);
		EXPECT_EQ(1, info.out);

		/* And the other order. */
		ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair));
		ASSERT_EQ(0, term_start(self->dev, &t, pair[0], one));
		EXPECT_EQ(0, shutdown(t.in, SHUT_WR));
		EXPECT_EQ(0, read(pair[1], &c, 1));
		EXPECT_EQ(1, write(pair[1], "b", 1));
		EXPECT_EQ(1, read_full(t.out, &c, 1));
		close(pair[1]);
		EXPECT_EQ(0, read(t.out, &c, 1));
		if (!one)
			close(t.out);
		ASSERT_EQ(0, wait_tty(&self->events, t.id, WAIT_MS, &info));
		EXPECT_EQ(GCS_REASON_EOF, info.reason);
	}
}

/* --- who may go, and what is refused ------------------------------------------------------- */

TEST_F(tty_life, the_death_of_who_opened_it_ends_nothing)
{
	int slave, master = pty_pair(&slave, true);
	int in, out, gate[2];
	struct tty_info info;
	struct term t;
	pid_t pid;

	in = vsock_pair(&t.in);
	out = vsock_pair(&t.out);
	ASSERT_EQ(0, pipe2(gate, O_CLOEXEC));
	pid = fork();
	if (!pid) {
		int dev = gcs_device();

		if (tty_open(dev, master, in, out, 0, &t.id) ||
		    write(gate[1], &t.id, sizeof(t.id)) != sizeof(t.id))
			_exit(1);
		for (;;)
			pause();
	}
	close(master);
	close(in);
	close(out);
	ASSERT_EQ(sizeof(t.id), read_full(gate[0], &t.id, sizeof(t.id)));
	kill(pid, SIGKILL);
	reap(pid);
	pid = pattern_writer(slave, 100000);
	close(slave);
	EXPECT_EQ(100000, read_pattern_to_eof(t.out, 0));
	EXPECT_EQ(0, reap(pid));
	close(t.out);
	ASSERT_EQ(0, wait_tty(&self->events, t.id, WAIT_MS, &info));
	EXPECT_EQ(GCS_REASON_EOF, info.reason);
}

TEST_F(tty_life, rmmod_is_refused_while_there_is_one)
{
	struct tty_info info;
	struct term t;
	int slave = term_pty(self->dev, &t, true);

	close(self->dev);
	EXPECT_EQ(-1, syscall(SYS_delete_module, "gcs", O_NONBLOCK));
	EXPECT_EQ(EWOULDBLOCK, errno);
	close(slave);
	close(t.out);
	close(t.in);
	EXPECT_EQ(0, wait_tty(&self->events, t.id, WAIT_MS, &info));
	self->dev = gcs_device();
	ASSERT_LE(0, self->dev);
}

static int count_fds(void)
{
	int count = 0;

	for (int fd = 0; fd < 1024; fd++)
		count += fcntl(fd, F_GETFD) >= 0;
	return count;
}

TEST_F(tty_life, bad_input_is_refused_and_leaves_nothing)
{
	static uint64_t ids[8192];
	int slave, master, sock, host, file, dir, stream, unconnected, dgram[2], listener, p[2], pair[2];
	bool interrupted;
	unsigned int port;
	uint64_t id;
	int fds;

	master = pty_pair(&slave, true);
	sock = vsock_pair(&host);
	file = open("/dev/shm/file", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	dir = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	stream = stream_open(self->dev, GCS_STREAM_READ, -1, 0, &id);
	ASSERT_LE(0, stream);
	unconnected = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0);
	listener = vsock_listen(&port);
	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, dgram));
	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair));
	ASSERT_EQ(0, pipe2(p, O_CLOEXEC));
	fds = count_fds();

#define REFUSED(error, call) do { EXPECT_EQ(-1, call); EXPECT_EQ(error, errno); } while (0)
	/* What is relayed. */
	REFUSED(EINVAL, tty_open(self->dev, slave, sock, sock, 0, &id));
	REFUSED(EINVAL, tty_open(self->dev, file, sock, sock, 0, &id));
	REFUSED(EINVAL, tty_open(self->dev, dir, -1, sock, 0, &id));
	REFUSED(EINVAL, tty_open(self->dev, self->dev, -1, sock, 0, &id));
	REFUSED(EINVAL, tty_open(self->dev, stream, -1, sock, 0, &id));
	REFUSED(EINVAL, tty_open(self->dev, dgram[0], sock, sock, 0, &id));
	REFUSED(ENOTCONN, tty_open(self->dev, unconnected, sock, sock, 0, &id));
	REFUSED(ENOTCONN, tty_open(self->dev, listener, sock, sock, 0, &id));
	REFUSED(EBADF, tty_open(self->dev, -1, sock, sock, 0, &id));
	REFUSED(EBADF, tty_open(self->dev, p[0], sock, -1, 0, &id));
	REFUSED(EBADF, tty_open(self->dev, p[1], -1, sock, 0, &id));
	REFUSED(EBADF, tty_open(self->dev, p[1], -1, -1, GCS_TTY_DISCARD, &id));
	/* What it is relayed to. */
	REFUSED(ENOTSOCK, tty_open(self->dev, master, file, sock, 0, &id));
	REFUSED(ENOTSOCK, tty_open(self->dev, master, sock, file, 0, &id));
	REFUSED(EPROTOTYPE, tty_open(self->dev, master, pair[0], sock, 0, &id));
	REFUSED(ENOTCONN, tty_open(self->dev, master, sock, unconnected, 0, &id));
	REFUSED(EBADF, tty_open(self->dev, master, sock, 999, 0, &id));
	REFUSED(EBADF, tty_open(self->dev, master, -2, sock, 0, &id));
	/* How. */
	REFUSED(EINVAL, tty_open(self->dev, master, sock, sock, 2, &id));
	REFUSED(EINVAL, tty_open(self->dev, master, sock, sock, GCS_TTY_DISCARD, &id));
	REFUSED(ENOENT, tty_attach(self->dev, id, sock, sock, 0));
	REFUSED(ENOENT, tty_finish(self->dev, id, 0, 0));
	EXPECT_EQ(0, tty_dump(&self->nl, ids, &interrupted));
	EXPECT_EQ(fds, count_fds());
	EXPECT_EQ(0, fcntl(master, F_GETFL) & O_NONBLOCK);

	ASSERT_EQ(0, tty_open(self->dev, master, -1, -1, 0, &id));
	REFUSED(EINVAL, tty_attach(self->dev, id, sock, sock, 2));
	REFUSED(EINVAL, tty_attach(self->dev, id, sock, sock, GCS_TTY_DISCARD));
	REFUSED(ENOTSOCK, tty_attach(self->dev, id, sock, file, 0));
	REFUSED(EBADF, tty_attach(self->dev, id, 999, sock, 0));
	EXPECT_EQ(0, tty_attach(self->dev, id, -1, -1, 0));
#undef REFUSED
	unlink("/dev/shm/file");
}

TEST_F(tty_life, every_struct_is_versioned)
{
	struct gcs_tty_open open = { .size = sizeof(open) - 8, .fd = -1 };
	struct gcs_tty_finish finish = { .size = sizeof(finish), .flags = 1 };
	struct {
		struct gcs_tty_attach known;
		uint64_t more;
	} attach = { .known.size = sizeof(attach), .known.in_fd = -1, .known.out_fd = -1, .more = 1 };

	EXPECT_EQ(-1, ioctl(self->dev, GCS_TTY_OPEN, &open));
	EXPECT_EQ(EINVAL, errno);
	open.size = sizeof(open);
	open.reserved = 1;
	EXPECT_EQ(-1, ioctl(self->dev, GCS_TTY_OPEN, &open));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(-1, ioctl(self->dev, GCS_TTY_OPEN, NULL));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(-1, ioctl(self->dev, GCS_TTY_ATTACH, &attach));
	EXPECT_EQ(E2BIG, errno);
	attach.more = 0;
	EXPECT_EQ(-1, ioctl(self->dev, GCS_TTY_ATTACH, &attach));
	EXPECT_EQ(ENOENT, errno);
	EXPECT_EQ(-1, ioctl(self->dev, GCS_TTY_FINISH, &finish));
	EXPECT_EQ(EINVAL, errno);
}

TEST_F(tty_life, a_dump_says_when_it_was_overtaken)
{
	static uint64_t ids[8192];
	struct gcs_nl nl;
	bool interrupted = false;
	int slave[2], master = pty_pair(&slave[0], true);
	int rcvbuf = 2048, stop[2];
	uint64_t id;
	pid_t pid;

	/* Enough for several messages of a dump, while another process opens and ends some. */
	for (int i = 0; i < 300; i++)
		ASSERT_EQ(0, tty_open(self->dev, master, -1, -1, 0, &id));
	ASSERT_EQ(0, pipe2(stop, O_CLOEXEC));
	pid = fork();
	if (!pid) {
		close(stop[1]);
		while (!wait_fd(stop[0], POLLIN | POLLHUP, 0))
			if (tty_open(self->dev, master, -1, -1, 0, &id) || tty_finish(self->dev, id, 0, 0))
				_exit(1);
		_exit(0);
	}
	ASSERT_EQ(0, nl_open(&nl, false));
	setsockopt(nl.fd, SOL_SOCKET, SO_RCVBUF, &rcvbuf, sizeof(rcvbuf));
	for (uint64_t end = now_ms() + WAIT_MS; !interrupted && now_ms() < end;)
		EXPECT_LE(300, tty_dump(&nl, ids, &interrupted));
	EXPECT_TRUE(interrupted);
	close(stop[0]);
	close(stop[1]);
	EXPECT_EQ(0, reap(pid));
	close(nl.fd);
}

TEST_HARNESS_MAIN

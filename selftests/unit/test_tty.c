// SPDX-License-Identifier: MIT
/*
 * Terminals by the agent's engines: the user-space one, or with GCS_TEST_KMOD that of gcs.ko, over vsock loopback. What holds for one
 * holds for the other.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/vm_sockets.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <termios.h>
#include <unistd.h>

#include "event.h"
#include "kselftest_harness.h"
#include "stdio/stdio.h"

#define WAIT_MS 20000

FIXTURE(tty)
{
	struct gcs_error err;
	int slave, master;
	int host[3];	/* the host's ends of stdin, stdout, stderr */
	int sockets[3];
	int done[2];
	struct stdio *s;
};

/* The two ends of a connection. */
static int connection(int *host)
{
	struct sockaddr_vm addr = { .svm_family = AF_VSOCK, .svm_cid = VMADDR_CID_ANY, .svm_port = VMADDR_PORT_ANY };
	socklen_t len = sizeof(addr);
	int listener, fd, pair[2];

	if (!getenv("GCS_TEST_KMOD")) {
		if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
			return -1;
		*host = pair[1];
		return pair[0];
	}
	listener = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (bind(listener, (struct sockaddr *)&addr, len) < 0 || listen(listener, 1) < 0 ||
	    getsockname(listener, (struct sockaddr *)&addr, &len) < 0)
		return -1;
	addr.svm_cid = VMADDR_CID_LOCAL;
	fd = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (connect(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0)
		return -1;
	*host = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	close(listener);
	return fd;
}

FIXTURE_SETUP(tty)
{
	struct termios t;

	signal(SIGPIPE, SIG_IGN);
	ASSERT_EQ(0, event_start(&self->err)) TH_LOG("%s", self->err.text);
	ASSERT_EQ(0, stdio_init(!!getenv("GCS_TEST_KMOD"), &self->err)) TH_LOG("%s", self->err.text);
	ASSERT_EQ(0, pipe2(self->done, O_CLOEXEC));
	self->master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	ASSERT_LE(0, self->master);
	ASSERT_EQ(0, unlockpt(self->master));
	self->slave = open(ptsname(self->master), O_RDWR | O_NOCTTY | O_CLOEXEC);
	ASSERT_LE(0, self->slave);
	tcgetattr(self->slave, &t);
	cfmakeraw(&t);
	tcsetattr(self->slave, TCSANOW, &t);
	self->s = stdio_new_tty(self->master, &self->err);
	ASSERT_NE(NULL, self->s) TH_LOG("%s", self->err.text);
	for (int i = 0; i < 3; i++) {
		self->sockets[i] = connection(&self->host[i]);
		ASSERT_LE(0, self->sockets[i]);
	}
}

FIXTURE_TEARDOWN(tty)
{
	stdio_put(self->s);
}

static void on_done(void *arg)
{
	if (write(*(int *)arg, "", 1) != 1)
		abort();
}

static bool readable(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, WAIT_MS) == 1;
}

/* Reads so many bytes, or to the end. Returns them. */
static size_t take(int fd, char *buf, size_t len)
{
	size_t done = 0;
	ssize_t n;

	while (done < len && readable(fd) && (n = read(fd, buf + done, len - done)) > 0)
		done += n;
	return done;
}

TEST_F(tty, both_ways_and_resizing)
{
	struct winsize size = { .ws_row = 5, .ws_col = 9 }, seen;
	char buf[16];

	/* Before there is a connection, output waits. */
	ASSERT_EQ(5, write(self->slave, "early", 5));
	ASSERT_EQ(0, stdio_attach(self->s, self->sockets, &self->err));
	EXPECT_EQ(5, take(self->host[1], buf, 5));
	EXPECT_EQ(0, memcmp(buf, "early", 5));
	ASSERT_EQ(5, write(self->host[0], "input", 5));
	EXPECT_EQ(5, take(self->slave, buf, 5));
	EXPECT_EQ(0, memcmp(buf, "input", 5));
	EXPECT_EQ(0, ioctl(self->master, TIOCSWINSZ, &size));
	EXPECT_EQ(0, ioctl(self->slave, TIOCGWINSZ, &seen));
	EXPECT_EQ(9, seen.ws_col);
	/* The host's end of input is none of the terminal. */
	ASSERT_EQ(0, shutdown(self->host[0], SHUT_WR));
	ASSERT_EQ(2, write(self->slave, "on", 2));
	EXPECT_EQ(2, take(self->host[1], buf, 2));
}

TEST_F(tty, the_end_comes_after_the_output_and_the_hosts_end)
{
	char *buf = calloc(1, 300000);
	pid_t pid;

	ASSERT_EQ(0, stdio_attach(self->s, self->sockets, &self->err));
	pid = fork();
	if (!pid) {
		for (int n = 0; n < 300000; n += 1000)
			if (write(self->slave, buf, 1000) != 1000)
				_exit(1);
		_exit(0);
	}
	EXPECT_EQ(0, close(self->slave));
	EXPECT_EQ(300000, take(self->host[1], buf, 300000));
	EXPECT_EQ(0, take(self->host[1], buf, 1));
	stdio_finish(self->s, 0, on_done, &self->done[1]);
	EXPECT_EQ(0, poll(&(struct pollfd){ .fd = self->done[0], .events = POLLIN }, 1, 100));
	close(self->host[1]);
	EXPECT_TRUE(readable(self->done[0]));
	free(buf);
}

TEST_F(tty, a_process_that_ended_before_it_was_connected)
{
	char buf[16];

	ASSERT_EQ(4, write(self->slave, "last", 4));
	ASSERT_EQ(0, close(self->slave));
	ASSERT_EQ(0, stdio_attach(self->s, self->sockets, &self->err));
	EXPECT_EQ(4, take(self->host[1], buf, sizeof(buf)));
	close(self->host[1]);
	stdio_finish(self->s, 0, on_done, &self->done[1]);
	EXPECT_TRUE(readable(self->done[0]));
}

TEST_F(tty, a_child_that_keeps_the_slave_is_not_waited_for)
{
	char buf[8];

	ASSERT_EQ(0, stdio_attach(self->s, self->sockets, &self->err));
	ASSERT_EQ(4, write(self->slave, "last", 4));
	stdio_finish(self->s, 0, on_done, &self->done[1]);
	EXPECT_EQ(4, take(self->host[1], buf, 8));
	close(self->host[1]);
	EXPECT_TRUE(readable(self->done[0]));
	/* Its input has ended; its standard error said nothing. */
	EXPECT_EQ(0, take(self->host[2], buf, 1));
	/* With the last copy of the master the child is hung up. */
	stdio_put(self->s);
	self->s = NULL;
	close(self->master);
	EXPECT_TRUE(readable(self->slave));
	/* The kernel tells of the closed master first (EIO) and hangs up then (end of file). */
	EXPECT_TRUE(read(self->slave, buf, 1) == 0 || errno == EIO) TH_LOG("%m");
}

TEST_F(tty, the_process_does_not_notice_that_the_host_has_gone)
{
	char buf[1000] = "";

	ASSERT_EQ(0, stdio_attach(self->s, self->sockets, &self->err));
	for (int i = 0; i < 3; i++)
		close(self->host[i]);
	/* More than a pty holds. */
	for (int i = 0; i < 100; i++)
		ASSERT_EQ(1000, write(self->slave, buf, sizeof(buf)));
	stdio_finish(self->s, 0, on_done, &self->done[1]);
	EXPECT_TRUE(readable(self->done[0]));
}

TEST_F(tty, nobody_wants_the_output)
{
	char buf[1000] = "";

	close(self->sockets[1]);
	self->sockets[1] = -1;
	ASSERT_EQ(0, stdio_attach(self->s, self->sockets, &self->err));
	for (int i = 0; i < 100; i++)
		ASSERT_EQ(1000, write(self->slave, buf, sizeof(buf)));
	stdio_finish(self->s, 0, on_done, &self->done[1]);
	EXPECT_TRUE(readable(self->done[0]));
}

TEST_F(tty, a_host_that_reads_nothing_is_given_up)
{
	char buf[1000] = "";

	ASSERT_EQ(0, stdio_attach(self->s, self->sockets, &self->err));
	fcntl(self->slave, F_SETFL, O_NONBLOCK);
	do {
		while (write(self->slave, buf, sizeof(buf)) > 0)
			;
	} while (poll(&(struct pollfd){ .fd = self->slave, .events = POLLOUT }, 1, 200));
	stdio_finish(self->s, 200, on_done, &self->done[1]);
	EXPECT_TRUE(readable(self->done[0]));
}

TEST_HARNESS_MAIN

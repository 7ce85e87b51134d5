// SPDX-License-Identifier: MIT
/*
 * A socket has one user: a stream or a tty, from the call that gives it on until it is let go
 */
#include <pthread.h>

#include "gcs_tty_test.h"

FIXTURE(socket) {
	int dev;
	struct gcs_nl events;
};

FIXTURE_SETUP(socket)
{
	self->dev = test_device(_metadata->name);
	ASSERT_LE(0, self->dev);
	ASSERT_EQ(0, nl_open(&self->events, true));
}

FIXTURE_TEARDOWN(socket)
{
	finish_all(self->dev);
	finish_all_ttys(self->dev);
	close(self->dev);
}

/* Whether nobody may have @sock, neither a stream nor a tty. */
static bool taken(int dev, int sock)
{
	int slave, master = pty_pair(&slave, true);
	uint64_t stream, tty, id;
	int fd = stream_open(dev, GCS_STREAM_READ, -1, 0, &stream);
	bool all = true;

	tty_open(dev, master, -1, -1, 0, &tty);
#define BUSY(call) (all &= (call) == -1 && errno == EBUSY)
	BUSY(stream_open(dev, GCS_STREAM_READ, sock, 0, NULL));
	BUSY(stream_attach(dev, stream, sock));
	BUSY(tty_open(dev, master, sock, -1, 0, &id));
	BUSY(tty_open(dev, master, -1, sock, 0, &id));
	BUSY(tty_open(dev, sock, -1, -1, 0, &id));
	BUSY(tty_attach(dev, tty, sock, -1, 0));
	BUSY(tty_attach(dev, tty, -1, sock, 0));
#undef BUSY
	close(fd);
	close(slave);
	close(master);
	return all;
}

TEST_F(socket, that_of_a_stream_is_taken_until_it_has_finished)
{
	struct stream_info info;
	uint64_t id;
	int host, sock = vsock_pair(&host);
	int fd = stream_open(self->dev, GCS_STREAM_READ, sock, 0, &id);

	ASSERT_LE(0, fd);
	EXPECT_TRUE(taken(self->dev, sock));
	close(fd);
	ASSERT_EQ(0, wait_finished(&self->events, id, WAIT_MS, &info));
	fd = stream_open(self->dev, GCS_STREAM_READ, sock, 0, &id);
	EXPECT_LE(0, fd);
	close(fd);
}

TEST_F(socket, those_of_a_tty_are_taken_until_it_has_finished)
{
	int slave, master = pty_pair(&slave, true);
	int in_host, in = vsock_pair(&in_host), out_host, out = vsock_pair(&out_host);
	struct tty_info info;
	uint64_t id;

	ASSERT_EQ(0, tty_open(self->dev, master, in, -1, 0, &id));
	EXPECT_TRUE(taken(self->dev, in));
	ASSERT_EQ(0, tty_attach(self->dev, id, -1, out, 0));
	EXPECT_TRUE(taken(self->dev, out));
	ASSERT_EQ(0, tty_finish(self->dev, id, 0, 1));
	ASSERT_EQ(0, wait_tty(&self->events, id, WAIT_MS, &info));
	EXPECT_LE(0, stream_open(self->dev, GCS_STREAM_READ, in, 0, NULL));
	EXPECT_FALSE(taken(self->dev, out));
	close(slave);
	close(master);
}

TEST_F(socket, one_may_be_given_for_both_ways_of_one_tty_at_different_times)
{
	int slave, master = pty_pair(&slave, true);
	int host, sock = vsock_pair(&host), other_host, other = vsock_pair(&other_host);
	struct tty_info info;
	uint64_t id;

	ASSERT_EQ(0, tty_open(self->dev, master, sock, -1, 0, &id));
	ASSERT_EQ(0, tty_attach(self->dev, id, -1, sock, 0));
	EXPECT_TRUE(taken(self->dev, sock));
	ASSERT_EQ(0, tty_finish(self->dev, id, 0, 1));
	ASSERT_EQ(0, wait_tty(&self->events, id, WAIT_MS, &info));
	EXPECT_FALSE(taken(self->dev, sock));

	/* A call that fails has taken nothing. */
	ASSERT_LE(0, stream_open(self->dev, GCS_STREAM_READ, other, 0, NULL));
	sock = vsock_pair(&host);
	EXPECT_EQ(-1, tty_open(self->dev, master, sock, other, 0, &id));
	EXPECT_EQ(EBUSY, errno);
	EXPECT_LE(0, stream_open(self->dev, GCS_STREAM_READ, sock, 0, NULL));
	close(slave);
	close(master);
}

TEST_F(socket, that_in_a_masters_place_is_taken)
{
	int host, sock = vsock_pair(&host), out_host, out = vsock_pair(&out_host);
	struct tty_info info;
	uint64_t id;

	ASSERT_EQ(0, tty_open(self->dev, sock, -1, out, 0, &id));
	EXPECT_TRUE(taken(self->dev, sock));
	ASSERT_EQ(0, tty_finish(self->dev, id, 0, 1));
	ASSERT_EQ(0, wait_tty(&self->events, id, WAIT_MS, &info));
	EXPECT_FALSE(taken(self->dev, sock));
}

/* The new socket waits for the work item, which may be as fast as the test is. */
TEST_F(socket, one_that_waits_to_replace_another_is_taken)
{
	int host, next = -1, fd;
	struct stream_info info;
	uint64_t id;

	fd = stream_pair(self->dev, GCS_STREAM_WRITE | GCS_STREAM_KEEP, &host, &id);
	for (int i = 0; i < 100; i++) {
		close(next);
		close(host);
		next = vsock_pair(&host);
		ASSERT_EQ(0, stream_attach_at(self->dev, id, next, GCS_ATTACH_REPLACE, 0));
		ASSERT_EQ(-1, stream_open(self->dev, GCS_STREAM_READ, next, 0, NULL));
		ASSERT_EQ(EBUSY, errno);
	}
	ASSERT_EQ(0, stream_finish(self->dev, id, 0, 0, 1));
	ASSERT_EQ(0, wait_finished(&self->events, id, WAIT_MS, &info));
	EXPECT_LE(0, stream_open(self->dev, GCS_STREAM_READ, next, 0, NULL));
	close(next);
	close(host);
	close(fd);
}

struct at_once {
	int dev, sock;
	pthread_barrier_t go;
};

static void *open_at_once(void *arg)
{
	struct at_once *a = arg;

	pthread_barrier_wait(&a->go);
	return (void *)(intptr_t)stream_open(a->dev, GCS_STREAM_READ, a->sock, 0, NULL);
}

TEST_F(socket, of_two_calls_at_once_one_gets_it)
{
	struct at_once a = { .dev = self->dev };
	pthread_t thread;
	void *ret;

	ASSERT_EQ(0, pthread_barrier_init(&a.go, NULL, 2));
	for (int i = 0; i < 300; i++) {
		int host, fd, other;

		a.sock = vsock_pair(&host);
		ASSERT_EQ(0, pthread_create(&thread, NULL, open_at_once, &a));
		fd = (intptr_t)open_at_once(&a);
		pthread_join(thread, &ret);
		other = (intptr_t)ret;
		ASSERT_NE(fd >= 0, other >= 0);
		close(fd >= 0 ? fd : other);
		close(a.sock);
		close(host);
	}
}

TEST_HARNESS_MAIN

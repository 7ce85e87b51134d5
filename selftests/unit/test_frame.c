// SPDX-License-Identifier: MIT
/* Frames: the 16-byte header, limits, cuts. */
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "frame.h"
#include "kselftest_harness.h"

FIXTURE(frame)
{
	int fd[2];
	struct frame f;
	struct gcs_error err;
};

FIXTURE_SETUP(frame)
{
	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, self->fd));
	self->f = (struct frame){ 0 };
}

FIXTURE_TEARDOWN(frame)
{
	close(self->fd[0]);
	close(self->fd[1]);
	free(self->f.payload);
}

/* bridge.md section 16: the negotiation as the host sends it. */
static const char negotiate[] = "\x01\x0b\x10\x10\x7d\0\0\0\0\0\0\0\0\0\0\0"
				"{\"ContainerId\":\"\",\"ActivityId\":\"00000000-0000-0000-0000-000000000000\","
				"\"MinimumVersion\":4,\"MaximumVersion\":4}\n";

TEST_F(frame, a_recorded_frame_is_read)
{
	ASSERT_EQ(126, sizeof(negotiate));
	ASSERT_EQ(125, write(self->fd[0], negotiate, 125));
	ASSERT_EQ(1, frame_read(self->fd[1], FRAME_MAX_TO_GUEST, &self->f, &self->err));
	EXPECT_EQ(MSG_NEGOTIATE_PROTOCOL, self->f.type);
	EXPECT_EQ(0, self->f.id);
	EXPECT_EQ(109, self->f.length);
	EXPECT_EQ(0, memcmp(self->f.payload, negotiate + 16, 109));
	EXPECT_EQ('\0', self->f.payload[109]);
}

TEST_F(frame, what_is_written_has_the_recorded_layout)
{
	struct frame f = { .type = MSG_NEGOTIATE_PROTOCOL, .id = 0, .length = 109, .payload = (char *)negotiate + 16 };
	char buf[200];

	ASSERT_EQ(0, frame_write(self->fd[0], FRAME_MAX_TO_HOST, &f, &self->err));
	ASSERT_EQ(125, read(self->fd[1], buf, sizeof(buf)));
	EXPECT_EQ(0, memcmp(buf, negotiate, 125));
}

TEST_F(frame, every_cut_is_an_error_but_the_one_between_frames)
{
	for (int n = 0; n < 125; n++) {
		int fd[2];

		ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, fd));
		ASSERT_EQ(n, write(fd[0], negotiate, n));
		close(fd[0]);
		EXPECT_EQ(n ? -1 : 0, frame_read(fd[1], FRAME_MAX_TO_GUEST, &self->f, &self->err));
		close(fd[1]);
	}
}

static void *drip(void *arg)
{
	for (int i = 0; i < 125; i++)
		if (write(*(int *)arg, negotiate + i, 1) != 1)
			break;
	return NULL;
}

TEST_F(frame, a_frame_that_comes_byte_by_byte_is_read)
{
	pthread_t t;

	ASSERT_EQ(0, pthread_create(&t, NULL, drip, &self->fd[0]));
	EXPECT_EQ(1, frame_read(self->fd[1], FRAME_MAX_TO_GUEST, &self->f, &self->err));
	EXPECT_EQ(109, self->f.length);
	pthread_join(t, NULL);
}

static void put_header(int fd, uint32_t size)
{
	struct frame_header h = { htole32(MSG_START), htole32(size), htole64(0x1122334455667788) };

	if (write(fd, &h, sizeof(h)) != sizeof(h))
		abort();
}

TEST_F(frame, sizes_outside_the_limits_are_refused_at_the_header)
{
	static const uint32_t sizes[] = { 0, 1, 15, FRAME_MAX_TO_GUEST + 1, 0x80000000, UINT32_MAX };

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		put_header(self->fd[0], sizes[i]);
		EXPECT_EQ(-1, frame_read(self->fd[1], FRAME_MAX_TO_GUEST, &self->f, &self->err));
		EXPECT_NE(NULL, strstr(self->err.text, "size"));
	}
}

TEST_F(frame, a_frame_without_payload_is_one)
{
	put_header(self->fd[0], 16);
	ASSERT_EQ(1, frame_read(self->fd[1], FRAME_MAX_TO_GUEST, &self->f, &self->err));
	EXPECT_EQ(0, self->f.length);
	EXPECT_EQ(0x1122334455667788, self->f.id);
}

TEST_F(frame, nothing_of_a_frame_above_the_limit_is_written)
{
	char *big = calloc(1, FRAME_MAX_TO_HOST);
	struct frame f = { .type = MSG_RESPONSE_TO(MSG_START), .payload = big };
	char c;

	f.length = FRAME_MAX_TO_HOST - FRAME_HEADER_SIZE + 1;
	EXPECT_EQ(-1, frame_write(self->fd[0], FRAME_MAX_TO_HOST, &f, &self->err));
	EXPECT_EQ(-1, recv(self->fd[1], &c, 1, MSG_DONTWAIT));
	EXPECT_EQ(EAGAIN, errno);
	free(big);
}

static void *read_all(void *arg)
{
	struct gcs_error err;
	struct frame f;
	intptr_t n = 0;

	while (frame_read(*(int *)arg, FRAME_MAX_TO_GUEST, &f, &err) == 1) {
		n += f.length;
		free(f.payload);
	}
	return (void *)n;
}

TEST_F(frame, large_frames_pass_a_small_socket_buffer)
{
	size_t len = (16u << 20) - FRAME_HEADER_SIZE;
	char *big = calloc(1, len);
	struct frame f = { .type = MSG_CREATE, .payload = big, .length = len };
	int small = 4096;
	pthread_t t;
	void *n;

	setsockopt(self->fd[0], SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
	ASSERT_EQ(0, pthread_create(&t, NULL, read_all, &self->fd[1]));
	EXPECT_EQ(0, frame_write(self->fd[0], FRAME_MAX_TO_GUEST, &f, &self->err));
	shutdown(self->fd[0], SHUT_WR);
	pthread_join(t, &n);
	EXPECT_EQ(len, (size_t)(intptr_t)n);
	free(big);
}

TEST_F(frame, a_pipe_will_do)
{
	struct frame f = { .type = MSG_START, .id = 3, .length = 2, .payload = "{}" };
	int p[2];

	ASSERT_EQ(0, pipe(p));
	ASSERT_EQ(0, frame_write(p[1], FRAME_MAX_TO_HOST, &f, &self->err));
	ASSERT_EQ(1, frame_read(p[0], FRAME_MAX_TO_GUEST, &self->f, &self->err));
	EXPECT_EQ(3, self->f.id);
	close(p[0]);
	close(p[1]);
}

TEST_F(frame, a_peer_that_has_gone_is_an_error_and_no_signal)
{
	struct frame f = { .type = MSG_START, .length = 2, .payload = "{}" };

	close(self->fd[1]);
	self->fd[1] = -1;
	EXPECT_EQ(-1, frame_write(self->fd[0], FRAME_MAX_TO_HOST, &f, &self->err));
	EXPECT_EQ(EPIPE, self->err.err);
}

TEST(types_have_names)
{
	EXPECT_STREQ("WaitForProcess", frame_type_name(MSG_WAIT_FOR_PROCESS));
	EXPECT_STREQ("WaitForProcess", frame_type_name(MSG_RESPONSE_TO(MSG_WAIT_FOR_PROCESS)));
	EXPECT_STREQ("ContainerNotification", frame_type_name(MSG_NOTIFY_CONTAINER));
	EXPECT_STREQ("unknown", frame_type_name(0x10100E01));
	EXPECT_EQ(0x20100E01, MSG_RESPONSE_TO(0x10100E01));
}

TEST_HARNESS_MAIN

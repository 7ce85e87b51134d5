// SPDX-License-Identifier: MIT
/*
 * The ioctls' contract: sizes, flags, versions, permissions, and each bad argument's error
 */
#include "gcs_test.h"

FIXTURE(uapi) {
	int dev;
};

FIXTURE_SETUP(uapi)
{
	say(_metadata->name);
	self->dev = gcs_device();
	ASSERT_LE(0, self->dev);
}

FIXTURE_TEARDOWN(uapi)
{
	finish_all(self->dev);
	close(self->dev);
}

static int fails(int ret)
{
	return ret < 0 ? errno : 0;
}

TEST_F(uapi, device_is_for_root_only)
{
	struct stat st;

	ASSERT_EQ(0, stat("/dev/gcs", &st));
	EXPECT_TRUE(S_ISCHR(st.st_mode));
	EXPECT_EQ(0600, st.st_mode & 07777);
}

TEST_F(uapi, info_tells_size_version_and_features)
{
	struct gcs_info info = { .size = sizeof(info) };

	ASSERT_EQ(0, ioctl(self->dev, GCS_INFO, &info));
	EXPECT_EQ(sizeof(info), info.size);
	EXPECT_EQ(GCS_INTERFACE_VERSION, info.version);
	EXPECT_EQ(GCS_FEATURE_STREAM, info.features & GCS_FEATURE_STREAM);
}

TEST_F(uapi, newer_caller_is_served_if_what_it_adds_is_zero)
{
	struct {
		struct gcs_info info;
		uint64_t more[4];
	} arg = { .info.size = sizeof(arg) };

	EXPECT_EQ(0, ioctl(self->dev, GCS_INFO, &arg));
	EXPECT_EQ(sizeof(struct gcs_info), arg.info.size);
	arg.info.size = sizeof(arg);
	arg.more[3] = 1;
	EXPECT_EQ(E2BIG, fails(ioctl(self->dev, GCS_INFO, &arg)));
}

struct newer_open {
	struct gcs_stream_open open;
	uint64_t more;
};

TEST_F(uapi, newer_open_is_served_if_what_it_adds_is_zero)
{
	struct newer_open arg = {
		.open = { .size = sizeof(arg), .flags = GCS_STREAM_WRITE, .socket_fd = -1 },
	};
	int fd = ioctl(self->dev, GCS_STREAM_OPEN, &arg);

	EXPECT_LE(0, fd);
	EXPECT_EQ(0, stream_finish(self->dev, arg.open.id, 0, 0, 0));
	close(fd);
	arg.more = 1;
	EXPECT_EQ(E2BIG, fails(ioctl(self->dev, GCS_STREAM_OPEN, &arg)));
}

TEST_F(uapi, sizes_below_the_first_or_above_a_page_are_refused)
{
	char page[8192] = { 0 };
	uint32_t *size = (uint32_t *)page;
	static const struct {
		unsigned long cmd;
		uint32_t first;
	} cmds[] = {
		{ GCS_INFO, 16 }, { GCS_STREAM_OPEN, 32 }, { GCS_STREAM_ATTACH, 24 },
		{ GCS_STREAM_FINISH, 24 },
	};

	for (size_t i = 0; i < sizeof(cmds) / sizeof(cmds[0]); i++) {
		*size = 0;
		EXPECT_EQ(EINVAL, fails(ioctl(self->dev, cmds[i].cmd, page)));
		*size = cmds[i].first - 1;
		EXPECT_EQ(EINVAL, fails(ioctl(self->dev, cmds[i].cmd, page)));
		*size = 4097;
		EXPECT_EQ(E2BIG, fails(ioctl(self->dev, cmds[i].cmd, page)));
		*size = UINT32_MAX;
		EXPECT_EQ(E2BIG, fails(ioctl(self->dev, cmds[i].cmd, page)));
		EXPECT_EQ(EFAULT, fails(ioctl(self->dev, cmds[i].cmd, NULL)));
		EXPECT_EQ(EFAULT, fails(ioctl(self->dev, cmds[i].cmd, -4096L)));
	}
}

TEST_F(uapi, unknown_ioctl_is_enotty)
{
	EXPECT_EQ(ENOTTY, fails(ioctl(self->dev, _IO(GCS_IOC_MAGIC, 0xff), 0)));
	EXPECT_EQ(ENOTTY, fails(ioctl(self->dev, TCGETS, 0)));
}

TEST_F(uapi, open_refuses_flags_that_are_not_one_direction)
{
	static const uint32_t bad[] = {
		0, GCS_STREAM_NONBLOCK, GCS_STREAM_READ | GCS_STREAM_WRITE, GCS_STREAM_WRITE | 16,
		GCS_STREAM_READ | 0x80000000,
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		EXPECT_EQ(EINVAL, fails(stream_open(self->dev, bad[i], -1, 0, NULL)));
}

TEST_F(uapi, reserved_members_must_be_zero)
{
	struct gcs_stream_open open = {
		.size = sizeof(open), .flags = GCS_STREAM_WRITE, .socket_fd = -1, .reserved = 1,
	};
	struct gcs_stream_attach attach = { .size = sizeof(attach), .reserved = 1 };

	EXPECT_EQ(EINVAL, fails(ioctl(self->dev, GCS_STREAM_OPEN, &open)));
	EXPECT_EQ(EINVAL, fails(ioctl(self->dev, GCS_STREAM_ATTACH, &attach)));
	attach.reserved = 0;
	attach.flags = 4;
	EXPECT_EQ(EINVAL, fails(ioctl(self->dev, GCS_STREAM_ATTACH, &attach)));
}

TEST_F(uapi, only_a_connected_vsock_stream_is_taken)
{
	int host, sock = vsock_pair(&host);
	int pair[2], fd;
	uint64_t id;

	EXPECT_EQ(EBADF, fails(stream_open(self->dev, GCS_STREAM_WRITE, -2, 0, NULL)));
	EXPECT_EQ(EBADF, fails(stream_open(self->dev, GCS_STREAM_WRITE, 1000, 0, NULL)));
	EXPECT_EQ(ENOTSOCK, fails(stream_open(self->dev, GCS_STREAM_WRITE, self->dev, 0, NULL)));
	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
	EXPECT_EQ(EPROTOTYPE, fails(stream_open(self->dev, GCS_STREAM_WRITE, pair[0], 0, NULL)));
	fd = socket(AF_VSOCK, SOCK_STREAM, 0);
	EXPECT_EQ(ENOTCONN, fails(stream_open(self->dev, GCS_STREAM_WRITE, fd, 0, NULL)));
	close(fd);
	fd = socket(AF_VSOCK, SOCK_SEQPACKET, 0);
	EXPECT_EQ(EPROTOTYPE, fails(stream_open(self->dev, GCS_STREAM_WRITE, fd, 0, NULL)));
	close(fd);

	fd = stream_open(self->dev, GCS_STREAM_WRITE, -1, 0, &id);
	ASSERT_LE(0, fd);
	EXPECT_EQ(EBADF, fails(stream_attach(self->dev, id, -1)));
	EXPECT_EQ(EPROTOTYPE, fails(stream_attach(self->dev, id, pair[0])));
	EXPECT_EQ(ENOENT, fails(stream_attach(self->dev, id + 1000, sock)));
	EXPECT_EQ(ENOENT, fails(stream_attach(self->dev, 0, sock)));
	EXPECT_EQ(0, stream_attach(self->dev, id, sock));
	EXPECT_EQ(EBUSY, fails(stream_attach(self->dev, id, sock)));
	close(sock);
	sock = vsock_pair(&host);
	EXPECT_EQ(EISCONN, fails(stream_attach(self->dev, id, sock)));
	close(fd);
}

TEST_F(uapi, finish_refuses_unknown_flags_and_ids)
{
	uint64_t id;
	int fd = stream_open(self->dev, GCS_STREAM_WRITE, -1, 0, &id);

	ASSERT_LE(0, fd);
	EXPECT_EQ(EINVAL, fails(stream_finish(self->dev, id, 2, 0, 0)));
	EXPECT_EQ(ENOENT, fails(stream_finish(self->dev, id + 1000, 0, 0, 0)));
	EXPECT_EQ(0, stream_finish(self->dev, id, 0, 0, 0));
	close(fd);
}

TEST_F(uapi, without_cap_sys_admin_everything_is_eperm)
{
	static const unsigned long cmds[] = {
		GCS_INFO, GCS_STREAM_OPEN, GCS_STREAM_ATTACH, GCS_STREAM_FINISH, 0xdead,
	};
	struct gcs_stream_open arg = {
		.size = sizeof(arg), .flags = GCS_STREAM_WRITE, .socket_fd = -1,
	};

	if (!fork()) {
		int bad = setresuid(65534, 65534, 65534);

		for (size_t i = 0; i < sizeof(cmds) / sizeof(cmds[0]); i++)
			bad |= fails(ioctl(self->dev, cmds[i], &arg)) != EPERM;
		_exit(bad);
	}
	EXPECT_EQ(0, reap(-1));
}

TEST_F(uapi, the_returned_file_is_close_on_exec_and_as_asked)
{
	int fd = stream_open(self->dev, GCS_STREAM_WRITE, -1, 0, NULL);
	uint64_t id;

	ASSERT_LE(0, fd);
	EXPECT_EQ(FD_CLOEXEC, fcntl(fd, F_GETFD));
	EXPECT_EQ(O_WRONLY, fcntl(fd, F_GETFL) & (O_ACCMODE | O_NONBLOCK));
	close(fd);
	fd = stream_open(self->dev, GCS_STREAM_READ | GCS_STREAM_NONBLOCK, -1, 0, &id);
	ASSERT_LE(0, fd);
	EXPECT_EQ(O_RDONLY | O_NONBLOCK, fcntl(fd, F_GETFL) & (O_ACCMODE | O_NONBLOCK));
	close(fd);
}

TEST_F(uapi, ids_are_never_used_twice)
{
	uint64_t last = 0, id;

	for (int i = 0; i < 100; i++) {
		int fd = stream_open(self->dev, GCS_STREAM_READ, -1, 0, &id);

		ASSERT_LE(0, fd);
		EXPECT_LT(last, id);
		last = id;
		close(fd);
	}
}

TEST_F(uapi, an_open_that_fails_leaves_no_stream)
{
	struct gcs_stream_open *arg = (void *)-4096L;
	struct gcs_nl nl = { 0 };
	int before;

	ASSERT_EQ(0, nl_open(&nl, false));
	before = nl_dump(&nl, NULL, NULL, NULL);
	EXPECT_EQ(EFAULT, fails(ioctl(self->dev, GCS_STREAM_OPEN, arg)));
	EXPECT_EQ(EBADF, fails(stream_open(self->dev, GCS_STREAM_WRITE, 999, 0, NULL)));
	EXPECT_EQ(before, nl_dump(&nl, NULL, NULL, NULL));
}

TEST_HARNESS_MAIN

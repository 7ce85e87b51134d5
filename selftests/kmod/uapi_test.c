// SPDX-License-Identifier: MIT
/*
 * The ioctls' contract: sizes, flags, versions, permissions, and each bad argument's error
 */
#include <sched.h>
#include <stddef.h>
#include <sys/mman.h>

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

/*
 * Every ioctl, as a row: what it takes, and what it answers to a call without a fault of form. All rows get all of the
 * tests that are named after the table.
 */
struct cmd {
	const char *name;
	unsigned long nr;
	uint32_t size;		/* as this file knows the struct */
	uint32_t first;		/* as it was first published */
	uint32_t flags_at;	/* offset of a member for flags, or 0 */
	uint32_t flags;		/* those there are */
	uint32_t reserved_at;	/* offset of a member that must be 0, or 0 */
	uint32_t reserved_len;
	void (*fill)(void *arg);
	int answer;		/* the errno then */
	int readonly;		/* the errno when the struct cannot be written */
};

#define NOBODY	999		/* a descriptor that is not open */

static void fill_open(void *p)
{
	struct gcs_stream_open *arg = p;

	arg->flags = GCS_STREAM_WRITE;
	arg->socket_fd = NOBODY;
}

static void fill_tty_open(void *p)
{
	struct gcs_tty_open *arg = p;

	arg->fd = NOBODY;
	arg->in_fd = -1;
	arg->out_fd = -1;
}

static void fill_tty_attach(void *p)
{
	struct gcs_tty_attach *arg = p;

	arg->in_fd = -1;
	arg->out_fd = -1;
}

/* A SCSI host that is not there; looked for, not waited for. */
static void fill_dev_wait(void *p)
{
	struct gcs_dev_wait *arg = p;

	arg->addr.controller = NOBODY;
}

static void fill_dev_eject(void *p)
{
	struct gcs_dev_eject *arg = p;

	arg->addr.controller = NOBODY;
}

#define ROW(nr, type) #nr, nr, sizeof(struct type)
#define AT(type, member) offsetof(struct type, member)
#define RESERVED(type) AT(type, reserved), sizeof(((struct type *)0)->reserved)

/* Flags that go together with others only are tested below the table. */
static const struct cmd cmds[] = {
	{ ROW(GCS_INFO, gcs_info), 16, 0, 0, 0, 0, NULL, 0, EFAULT },
	{ ROW(GCS_STREAM_OPEN, gcs_stream_open), 40, AT(gcs_stream_open, flags), 0xf,
	  RESERVED(gcs_stream_open), fill_open, EBADF, EFAULT },
	{ ROW(GCS_STREAM_ATTACH, gcs_stream_attach), 32, AT(gcs_stream_attach, flags), 3,
	  RESERVED(gcs_stream_attach), NULL, ENOENT, ENOENT },
	{ ROW(GCS_STREAM_FINISH, gcs_stream_finish), 24, AT(gcs_stream_finish, flags), 1,
	  0, 0, NULL, ENOENT, ENOENT },
	{ ROW(GCS_TTY_OPEN, gcs_tty_open), 40, AT(gcs_tty_open, flags), 1,
	  RESERVED(gcs_tty_open), fill_tty_open, EBADF, EFAULT },
	{ ROW(GCS_TTY_ATTACH, gcs_tty_attach), 24, AT(gcs_tty_attach, flags), 1,
	  0, 0, fill_tty_attach, ENOENT, ENOENT },
	{ ROW(GCS_TTY_FINISH, gcs_tty_finish), 24, AT(gcs_tty_finish, flags), 0,
	  0, 0, NULL, ENOENT, ENOENT },
	{ ROW(GCS_DEV_WAIT, gcs_dev_wait), 176, AT(gcs_dev_wait, flags), GCS_WAIT_CONTROLLER,
	  RESERVED(gcs_dev_wait), fill_dev_wait, ENXIO, ENXIO },
	{ ROW(GCS_DEV_EJECT, gcs_dev_eject), 72, AT(gcs_dev_eject, flags), 0,
	  0, 0, fill_dev_eject, ENXIO, ENXIO },
};

#define for_each_cmd(c) \
	for (const struct cmd *c = cmds; c < cmds + sizeof(cmds) / sizeof(cmds[0]); c++)

enum { PAGE = 4096 };

/* A page that begins with a call without fault, and one that cannot be touched behind it. */
static char *argument(const struct cmd *c)
{
	static char *pages;

	if (!pages) {
		pages = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		munmap(pages + PAGE, PAGE);
	}
	memset(pages, 0, PAGE);
	if (c->fill)
		c->fill(pages);
	*(uint32_t *)pages = c->size;
	return pages;
}

#define EXPECT_ERRNO(c, expected, arg)								\
	EXPECT_EQ(expected, fails(ioctl(self->dev, (c)->nr, arg))) TH_LOG("%s", (c)->name)

TEST_F(uapi, each_struct_has_the_size_that_was_published_or_more)
{
	for_each_cmd(c) {
		EXPECT_LE(c->first, c->size);
		EXPECT_EQ(0, c->size % 8);
		EXPECT_ERRNO(c, c->answer, argument(c));
	}
}

TEST_F(uapi, a_size_below_the_first_is_einval)
{
	for_each_cmd(c) {
		char *arg = argument(c);

		for (uint32_t size = 0; size < c->first; size++) {
			*(uint32_t *)arg = size;
			EXPECT_ERRNO(c, EINVAL, arg);
		}
	}
}

/* What an older caller does not know is 0, and that is the old behaviour. */
TEST_F(uapi, an_older_caller_is_served)
{
	for_each_cmd(c) {
		char *arg = argument(c);

		for (uint32_t size = c->first; size <= c->size; size += 8) {
			*(uint32_t *)arg = size;
			EXPECT_ERRNO(c, c->answer, arg);
		}
	}
}

TEST_F(uapi, a_newer_caller_is_served_if_what_it_adds_is_zero)
{
	for_each_cmd(c) {
		static const uint32_t more[] = { 1, 8, 200 };
		char *arg = argument(c);

		for (int i = 0; i < 4; i++) {
			uint32_t size = i < 3 ? c->size + more[i] : PAGE;

			*(uint32_t *)arg = size;
			EXPECT_ERRNO(c, c->answer, arg);
			*(uint32_t *)arg = size;
			arg[size - 1] = 1;
			EXPECT_ERRNO(c, E2BIG, arg);
			arg[size - 1] = 0;
			arg[c->size] = 1;
			EXPECT_ERRNO(c, E2BIG, arg);
			arg[c->size] = 0;
		}
	}
}

TEST_F(uapi, a_size_above_a_page_is_e2big)
{
	for_each_cmd(c) {
		static const uint32_t sizes[] = { PAGE + 1, 0x7fffffff, UINT32_MAX };
		char *arg = argument(c);

		for (int i = 0; i < 3; i++) {
			*(uint32_t *)arg = sizes[i];
			EXPECT_ERRNO(c, E2BIG, arg);
		}
	}
}

TEST_F(uapi, each_unknown_flag_is_einval)
{
	for_each_cmd(c) {
		for (int bit = 0; c->flags_at && bit < 32; bit++) {
			char *arg = argument(c);

			if (c->flags & 1u << bit)
				continue;
			*(uint32_t *)(arg + c->flags_at) |= 1u << bit;
			EXPECT_ERRNO(c, EINVAL, arg);
		}
	}
}

TEST_F(uapi, each_reserved_byte_must_be_zero)
{
	for_each_cmd(c) {
		for (uint32_t i = 0; i < c->reserved_len; i++) {
			char *arg = argument(c);

			arg[c->reserved_at + i] = 1;
			EXPECT_ERRNO(c, EINVAL, arg);
		}
	}
}

TEST_F(uapi, a_bad_pointer_is_efault)
{
	for_each_cmd(c) {
		char *arg = argument(c);

		EXPECT_ERRNO(c, EFAULT, NULL);
		EXPECT_ERRNO(c, EFAULT, -4096L);
		EXPECT_ERRNO(c, EFAULT, 0xffff800000000000L);
		EXPECT_ERRNO(c, EFAULT, arg + PAGE);
		/* It begins where memory is, and ends where none is. */
		memcpy(arg + PAGE - 8, arg, 8);
		EXPECT_ERRNO(c, EFAULT, arg + PAGE - 8);
		EXPECT_ERRNO(c, EFAULT, arg + PAGE - 2);
		argument(c);
		mprotect(arg, PAGE, PROT_READ);
		EXPECT_ERRNO(c, c->readonly, arg);
		mprotect(arg, PAGE, PROT_READ | PROT_WRITE);
	}
}

/* Whatever else is wrong. */
TEST_F(uapi, without_cap_sys_admin_everything_is_eperm)
{
	if (!fork()) {
		int bad = setresuid(65534, 65534, 65534);

		for_each_cmd(c) {
			bad |= fails(ioctl(self->dev, c->nr, argument(c))) != EPERM;
			bad |= fails(ioctl(self->dev, c->nr, NULL)) != EPERM;
		}
		bad |= fails(ioctl(self->dev, 0xdead, NULL)) != EPERM;
		_exit(bad);
	}
	EXPECT_EQ(0, reap(-1));
}

TEST_F(uapi, root_of_a_user_namespace_is_nobody)
{
	if (!fork()) {
		int bad = 0;

		if (unshare(CLONE_NEWUSER))
			_exit(errno == EINVAL || errno == ENOSYS ? 77 : 2);
		for_each_cmd(c)
			bad |= fails(ioctl(self->dev, c->nr, argument(c))) != EPERM;
		_exit(bad);
	}
	int status = reap(-1);

	if (status == 77 << 8)
		SKIP(return, "no user namespaces");
	EXPECT_EQ(0, status);
}

TEST_F(uapi, keep_goes_with_what_it_is_for)
{
	static const struct gcs_stream_open bad[] = {
		{ .flags = GCS_STREAM_WRITE, .lost_ms = 1 },
		{ .flags = GCS_STREAM_WRITE, .keep = 1 },
		{ .flags = GCS_STREAM_READ | GCS_STREAM_KEEP, .keep = 1 },
		{ .flags = GCS_STREAM_WRITE | GCS_STREAM_KEEP, .keep = GCS_KEEP_MAX + 1 },
		{ .flags = GCS_STREAM_WRITE | GCS_STREAM_KEEP, .keep = UINT32_MAX },
	};
	struct gcs_stream_open arg;
	int fd;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		arg = bad[i];
		arg.size = sizeof(arg);
		arg.socket_fd = -1;
		EXPECT_EQ(EINVAL, fails(ioctl(self->dev, GCS_STREAM_OPEN, &arg)));
	}
	for (uint32_t keep = 0; keep <= GCS_KEEP_MAX; keep += GCS_KEEP_MAX) {
		arg = (struct gcs_stream_open) {
			.size = sizeof(arg), .flags = GCS_STREAM_WRITE | GCS_STREAM_KEEP,
			.socket_fd = -1, .keep = keep, .lost_ms = UINT32_MAX,
		};
		fd = ioctl(self->dev, GCS_STREAM_OPEN, &arg);
		EXPECT_LE(0, fd);
		EXPECT_EQ(1, write(fd, "x", 1));
		EXPECT_EQ(0, stream_finish(self->dev, arg.id, 0, UINT32_MAX, UINT32_MAX));
		close(fd);
	}
}

TEST_F(uapi, an_offset_goes_with_its_flag)
{
	int host, sock = vsock_pair(&host);
	uint64_t id;
	int fd = stream_open(self->dev, GCS_STREAM_WRITE, -1, 0, &id);

	ASSERT_LE(0, fd);
	EXPECT_EQ(EINVAL, fails(stream_attach_at(self->dev, id, sock, 0, 1)));
	EXPECT_EQ(ERANGE, fails(stream_attach_at(self->dev, id, sock, GCS_ATTACH_OFFSET, 1)));
	EXPECT_EQ(0, stream_attach_at(self->dev, id, sock, GCS_ATTACH_OFFSET, 0));
	close(fd);
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

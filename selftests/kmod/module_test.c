// SPDX-License-Identifier: MIT
/*
 * The module cannot go while it is needed, and goes when it is not
 *
 * Run last and alone: it unloads gcs.ko and loads it again.
 */
#include <sys/prctl.h>
#include <sys/utsname.h>

#include "gcs_tty_test.h"

static int load(void)
{
	struct utsname kernel;
	char path[128];
	int fd, ret;

	uname(&kernel);
	snprintf(path, sizeof(path), "/lib/modules/%s/extra/gcs.ko", kernel.release);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	ret = syscall(SYS_finit_module, fd, "", 0);
	close(fd);
	return ret;
}

static int unload(void)
{
	return syscall(SYS_delete_module, "gcs", O_NONBLOCK);
}

FIXTURE(module) {
	int dev;
	struct gcs_nl events;
};

FIXTURE_SETUP(module)
{
	self->dev = test_device(_metadata->name);
	ASSERT_LE(0, self->dev);
	finish_all(self->dev);
	ASSERT_EQ(0, nl_open(&self->events, true));
}

FIXTURE_TEARDOWN(module)
{
	finish_all(self->dev);
	finish_all_ttys(self->dev);
	close(self->dev);
}

TEST_F(module, rmmod_is_refused_while_anything_is_open)
{
	struct stream_info info;
	char path[64];
	uint64_t id;
	int host, fd, o_path;

	EXPECT_EQ(-1, unload());
	fd = stream_pair(self->dev, GCS_STREAM_WRITE, &host, &id);
	close(self->dev);
	EXPECT_EQ(-1, unload());
	EXPECT_EQ(EWOULDBLOCK, errno);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	o_path = open(path, O_PATH);
	ASSERT_LE(0, o_path);

	/* Closed, but not yet drained: the peer has not said goodbye. */
	close(fd);
	EXPECT_EQ(-1, wait_finished(&self->events, id, NOT_MS, &info));
	EXPECT_EQ(-1, unload());
	close(host);
	EXPECT_EQ(0, wait_finished(&self->events, id, WAIT_MS, &info));
	/* Finished, but a descriptor still names the inode. */
	EXPECT_EQ(-1, unload());
	EXPECT_EQ(EWOULDBLOCK, errno);
	close(o_path);
	self->dev = gcs_device();
}

TEST_F(module, rmmod_is_refused_while_a_detached_stream_waits)
{
	struct stream_info info;
	uint64_t id;
	int fd = stream_open(self->dev, GCS_STREAM_WRITE, -1, 0, &id);

	close(fd);
	close(self->dev);
	EXPECT_EQ(-1, unload());
	self->dev = gcs_device();
	EXPECT_EQ(0, stream_finish(self->dev, id, 0, 0, 0));
	EXPECT_EQ(0, wait_finished(&self->events, id, WAIT_MS, &info));
}

TEST_F(module, rmmod_works_when_nothing_is_open_again_and_again)
{
	struct stream_info info;

	for (int i = 0; i < 10; i++) {
		int host, fd;
		uint64_t id;

		fd = stream_pair(self->dev, GCS_STREAM_WRITE, &host, &id);
		ASSERT_LE(0, fd);
		EXPECT_EQ(5, write(fd, "hello", 5));
		close(fd);
		close(host);
		ASSERT_EQ(0, wait_finished(&self->events, id, WAIT_MS, &info));
		close(self->dev);
		close(self->events.fd);
		/* The event is the last that is heard of a stream: nothing of it is left. */
		ASSERT_EQ(0, unload()) TH_LOG("round %d: %s", i, strerror(errno));
		ASSERT_EQ(-1, access("/dev/gcs", F_OK));
		ASSERT_EQ(0, load());
		self->dev = gcs_device();
		ASSERT_LE(0, self->dev);
		ASSERT_EQ(0, nl_open(&self->events, true));
	}
}

/* The first who asks for the family loads the module; the kernel calls modprobe. */
TEST_F(module, the_family_s_name_loads_it)
{
	close(self->dev);
	close(self->events.fd);
	ASSERT_EQ(0, unload());
	ASSERT_EQ(-1, access("/dev/gcs", F_OK));
	EXPECT_EQ(0, nl_open(&self->events, true));
	self->dev = gcs_device();
	EXPECT_LE(0, self->dev);
	if (self->dev < 0) {
		load();
		self->dev = gcs_device();
	}
}

/* Uses all there is, whether it is there or not, and rests twice as long, so that there are moments without any use. */
static void use_module(void)
{
	static uint64_t ids[8192];
	struct gcs_nl nl;
	struct term t;
	bool interrupted;
	uint64_t start, id;
	int dev, fd, host;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (;;) {
		start = now_ms();
		dev = gcs_device();
		if (dev >= 0) {
			fd = stream_pair(dev, GCS_STREAM_WRITE, &host, &id);
			write(fd, "hello", 5);
			close(host);
			close(fd);
			fd = stream_pair(dev, GCS_STREAM_READ, &host, &id);
			close(fd);
			close(host);
			close(term_pty(dev, &t, true));
			close(t.in);
			close(t.out);
			close(dev);
		}
		if (!nl_open(&nl, true)) {
			nl_dump(&nl, NULL, NULL, NULL);
			tty_dump(&nl, ids, &interrupted);
		}
		close(nl.fd);
		poll(NULL, 0, 2 * (now_ms() - start) + 1);
	}
}

TEST_F_TIMEOUT(module, rmmod_works_a_hundred_times_under_load, 300)
{
	unsigned int refused = 0;
	pid_t users[3];

	close(self->dev);
	close(self->events.fd);
	for (int i = 0; i < 3; i++) {
		users[i] = fork();
		if (users[i] == 0)
			use_module();
	}
	for (int i = 0; i < 100; i++) {
		while (unload()) {
			/* Gone already is impossible: nobody else unloads. */
			ASSERT_EQ(EWOULDBLOCK, errno);
			refused++;
			poll(NULL, 0, 1);
		}
		/* A user may have asked for the family, which loads it too. */
		ASSERT_TRUE(load() == 0 || errno == EEXIST) TH_LOG("round %d: %s", i, strerror(errno));
	}
	for (int i = 0; i < 3; i++) {
		kill(users[i], SIGKILL);
		reap(users[i]);
	}
	TH_LOG("refused %u times", refused);
	self->dev = gcs_device();
	ASSERT_LE(0, self->dev);
	ASSERT_EQ(0, nl_open(&self->events, true));
}

TEST_HARNESS_MAIN

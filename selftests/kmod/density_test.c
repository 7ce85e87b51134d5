// SPDX-License-Identifier: MIT
/*
 * Thousands of streams in one VM, and what an idle one costs
 */
#include <sys/resource.h>

#include "gcs_test.h"

enum { MANY = 3000 };

FIXTURE(density) {
	int dev;
	struct gcs_nl events;
};

FIXTURE_SETUP(density)
{
	struct rlimit limit = { 4 * MANY, 4 * MANY };

	say(_metadata->name);
	signal(SIGPIPE, SIG_IGN);
	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &limit));
	self->dev = gcs_device();
	ASSERT_LE(0, self->dev);
	ASSERT_EQ(0, nl_open(&self->events, true));
}

FIXTURE_TEARDOWN(density)
{
	finish_all(self->dev);
	close(self->dev);
}

/* The number in @path after @key, or at the start. */
static long number_in(const char *path, const char *key)
{
	char buf[8192] = "", *at;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = read(fd, buf, sizeof(buf) - 1);

	close(fd);
	buf[n > 0 ? n : 0] = '\0';
	at = strstr(buf, key);
	return n > 0 && at ? strtol(at + strlen(key), NULL, 10) : -1;
}

#define CGROUP "/sys/fs/cgroup/gcs-density"

static bool put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	bool ok = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);

	close(fd);
	return ok;
}

/* What this process's cgroup is charged for by the kernel. */
static long charged(void)
{
	return number_in(CGROUP "/memory.stat", "\nkernel ");
}

/* The test runs in a child of its own: what it is charged for goes with it. */
static bool enter_cgroup(void)
{
	if (!put("/sys/fs/cgroup/cgroup.subtree_control", "+memory") ||
	    (mkdir(CGROUP, 0700) && errno != EEXIST))
		return false;
	return put(CGROUP "/cgroup.procs", "0") && charged() >= 0;
}

TEST_F(density, an_idle_stream_costs_the_module_at_most_a_kibibyte)
{
	long object = number_in("/sys/kernel/slab/gcs_stream/slab_size", "");
	long before, after;
	static int fd[MANY];

	if (object < 0)
		SKIP(return, "no /sys/kernel/slab");
	if (!access("/proc/lockdep_stats", F_OK))
		SKIP(return, "a kernel whose locks are not larger for lockdep");
	EXPECT_GE(1024, object);
	if (!enter_cgroup())
		SKIP(return, "no memory cgroup");
	before = charged();
	for (int i = 0; i < MANY; i++) {
		fd[i] = stream_open(self->dev, GCS_STREAM_WRITE, -1, 0, NULL);
		ASSERT_LE(0, fd[i]);
	}
	after = charged();
	dprintf(STDOUT_FILENO, "# a stream: %ld bytes, %ld of them the module's, the rest inode, dentry and file\n",
		(after - before) / MANY, object);
	/* The kernel's own part is not ours to bound; twice of what it is today would be news. */
	EXPECT_GE(1024 + 3072, (after - before) / MANY);
}

/* 3,000 connections, each used, idle and finished. */
TEST_F_TIMEOUT(density, thousands_of_streams_work_at_once, 240)
{
	static int fd[MANY], host[MANY];
	static uint64_t id[MANY];
	struct stream_info info;
	struct gcs_nl nl = { 0 };
	char buf[32];

	for (int i = 0; i < MANY; i++) {
		fd[i] = stream_pair(self->dev, GCS_STREAM_WRITE, &host[i], &id[i]);
		ASSERT_LE(0, fd[i]) TH_LOG("stream %d: %s", i, strerror(errno));
	}
	ASSERT_EQ(0, nl_open(&nl, false));
	EXPECT_LE(MANY, nl_dump(&nl, NULL, NULL, NULL));
	for (int i = 0; i < MANY; i++)
		ASSERT_EQ(5, write(fd[i], "first", 5));
	for (int i = 0; i < MANY; i++) {
		ASSERT_EQ(5, read_full(host[i], buf, 5));
		ASSERT_EQ(4, write(fd[i], "last", 4));
		close(fd[i]);
		ASSERT_EQ(4, read_full(host[i], buf, sizeof(buf)));
		close(host[i]);
		ASSERT_EQ(0, wait_finished(&self->events, id[i], WAIT_MS, &info));
		ASSERT_EQ(9, info.out);
		ASSERT_EQ(0, info.lost);
		ASSERT_EQ(GCS_REASON_EOF, info.reason);
	}
}

static bool fill_up(int fd, uint64_t *total)
{
	*total = fill(fd);
	return true;
}

/* Sent by its writer: nobody else has to do with it. */
static bool write_once(int fd, uint64_t *total)
{
	*total = 16384;
	return write_pattern(fd, 0, *total);
}

/* The ring is for bursts, and the memory that it takes not for ever. */
static void check_idle_ring(struct __test_metadata *_metadata, int dev, bool (*write_some)(int fd, uint64_t *total))
{
	enum { STREAMS = 8 };
	uint64_t total[STREAMS], end;
	int host[STREAMS], fd[STREAMS];
	long before, now;
	char *buf;

	if (!enter_cgroup())
		SKIP(return, "no memory cgroup");
	before = charged();
	for (int i = 0; i < STREAMS; i++) {
		fd[i] = stream_pair(dev, GCS_STREAM_WRITE, &host[i], NULL);
		ASSERT_LE(0, fd[i]);
		ASSERT_TRUE(write_some(fd[i], &total[i]));
	}
	EXPECT_LT(before + STREAMS * RING_SIZE / 2, charged());
	for (int i = 0; i < STREAMS; i++) {
		buf = malloc(total[i]);
		ASSERT_EQ(total[i], read_full(host[i], buf, total[i]));
		ASSERT_EQ(total[i], check_pattern(buf, 0, total[i]));
		free(buf);
	}
	/* It says nothing when it has happened: this looks now and then. */
	end = now_ms() + 4 * WAIT_MS;
	do {
		EXPECT_EQ(0, wait_fd(host[0], POLLIN, 100));
		now = charged();
	} while (now > before + STREAMS * RING_SIZE / 4 && now_ms() < end);
	EXPECT_GT(before + STREAMS * RING_SIZE / 4, now);
	/* And it works again. */
	buf = malloc(3000);
	ASSERT_TRUE(write_pattern(fd[0], 0, 3000));
	ASSERT_EQ(3000, read_full(host[0], buf, 3000));
	ASSERT_EQ(3000, check_pattern(buf, 0, 3000));
}

TEST_F_TIMEOUT(density, the_ring_of_an_idle_stream_is_given_back, 120)
{
	check_idle_ring(_metadata, self->dev, fill_up);
}

TEST_F_TIMEOUT(density, the_ring_of_a_lone_write_is_given_back, 120)
{
	check_idle_ring(_metadata, self->dev, write_once);
}

TEST_HARNESS_MAIN

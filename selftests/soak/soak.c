// SPDX-License-Identifier: MIT
/*
 * Soak (make soak): after many execs and after many containers the agent and the VM are as they were.
 *
 * Environment: SOAK_EXECS (2000), SOAK_CYCLES (300)
 */
#include <stdio.h>
#include <stdlib.h>

#include "oci.h"
#include "usage.h"
#include "kselftest_harness.h"

/* Before it counts: a tenth, and at least so many. */
#define WARM_UP_MIN 20

/*
 * Allocated bytes: of a request that is answered and just being freed. A lost block is 24 bytes or more each time, which is more in 300
 * containers.
 */
#define HEAP_IN_FLIGHT 4096

/* The first requests of a kind touch a worker's stack, and which worker has them is chance. */
#define STACKS (64 << 10)

/* The agent's: workers come and go with the load. */
#define THREADS_MAX 20

FIXTURE(soak)
{
	struct host h;
	int64_t fence; /* a process of the VM that goes on */
};

FIXTURE_SETUP(soak)
{
	host_start(&self->h, true, NULL);
	self->fence = host_external(&self->h, "[\"sleep\",\"1000000\"]", NULL, NULL, NULL);
	ASSERT_LT(0, self->fence);
}

FIXTURE_TEARDOWN(soak)
{
	host_stop(&self->h);
}

static int warm_up(int count)
{
	return count / 10 > WARM_UP_MIN ? count / 10 : WARM_UP_MIN;
}

/* A wait that times out is answered by the event thread: what that had to do before is done. */
static struct usage settle(FIXTURE_DATA(soak) *self, const char *when)
{
	host_call(&self->h, MSG_WAIT_FOR_PROCESS, Z, ",\"ProcessId\":%lld,\"TimeoutInMs\":1", (long long)self->fence);
	return usage_now(&self->h, when);
}

/* The slope of a line through the RSS after each step: least squares. */
struct line {
	double n, x, y, xx, xy;
};

static void line_add(struct line *l, double x, double y)
{
	l->n++;
	l->x += x;
	l->y += y;
	l->xx += x * x;
	l->xy += x * y;
}

static double line_slope(const struct line *l)
{
	double spread = l->n * l->xx - l->x * l->x;

	return spread ? (l->n * l->xy - l->x * l->y) / spread : 0;
}

#define EXPECT_SAME(a, b, member) EXPECT_EQ((a).member, (b).member)
#define EXPECT_UNCHANGED(a, b)                                              \
	do {                                                                \
		EXPECT_SAME(a, b, fds);                                     \
		EXPECT_SAME(a, b, mounts);                                  \
		EXPECT_SAME(a, b, cgroups);                                 \
		EXPECT_SAME(a, b, files);                                   \
		EXPECT_SAME(a, b, module);                                  \
		EXPECT_EQ(0, (b).zombies);                                  \
		EXPECT_GE(THREADS_MAX, (b).threads);                        \
		EXPECT_LT(0, (a).heap.bytes);                               \
		EXPECT_GE(HEAP_IN_FLIGHT, (b).heap.bytes - (a).heap.bytes); \
		EXPECT_GE(STACKS, (b).rss - (a).rss);                       \
	} while (0)

static void run_exec(struct __test_metadata *_metadata, struct host *h)
{
	struct host_stream out;
	int64_t pid = oci_exec(h, "s", "[\"echo\",\"x\"]", NULL, &out, NULL);
	char *text;

	ASSERT_LT(0, pid);
	text = host_stream_read(&out, NULL);
	EXPECT_STREQ("x\n", text);
	free(text);
	EXPECT_EQ(0, host_wait(h, "s", pid));
	host_forget_over(h);
}

/* From create to delete. */
static void run_container(struct __test_metadata *_metadata, struct host *h)
{
	struct host_stream out;
	int64_t pid;
	char *text;

	ASSERT_EQ(0, oci_create(h, "s", "[\"echo\",\"x\"]"));
	pid = oci_start(h, "s", NULL, &out, NULL);
	ASSERT_LT(0, pid);
	text = host_stream_read(&out, NULL);
	EXPECT_STREQ("x\n", text);
	free(text);
	EXPECT_EQ(0, host_wait(h, "s", pid));
	host_notified(h, "s", NULL);
	EXPECT_EQ(0, oci_delete(h, "s"));
	host_forget_over(h);
}

/* A container in which there are execs, at first many at once: every worker is there then. */
static int64_t start_container(struct __test_metadata *_metadata, struct host *h)
{
	int64_t pid;

	EXPECT_EQ(0, oci_create(h, "s", "[\"sleep\",\"1000000\"]"));
	pid = oci_start(h, "s", NULL, NULL, NULL);
	ASSERT_LT(0, pid);
	EXPECT_TRUE(exec_at_once(h, (char *[]){ "s" }, 1, "[\"echo\",\"x\"]", "x\n"));
	return pid;
}

static void end_container(struct __test_metadata *_metadata, struct host *h, int64_t pid)
{
	EXPECT_EQ(0, host_call(h, MSG_SHUTDOWN_FORCED, "s", "%s", ""));
	EXPECT_EQ(137, host_wait(h, "s", pid));
	host_notified(h, "s", NULL);
	EXPECT_EQ(0, oci_delete(h, "s"));
	host_forget_over(h);
}

TEST_F_TIMEOUT(soak, execs_leave_nothing, 14400)
{
	struct usage start, warm, after, end;
	int execs = setting("SOAK_EXECS", 2000);
	struct host *h = &self->h;
	struct line rss = { 0 };
	int64_t pid;

	end_container(_metadata, h, start_container(_metadata, h));
	start = settle(self, "at the start");
	pid = start_container(_metadata, h);
	for (int i = 0; i < warm_up(execs); i++)
		run_exec(_metadata, h);
	warm = settle(self, "warm");
	for (int i = 0; i < execs; i++) {
		run_exec(_metadata, h);
		line_add(&rss, i, usage_rss(h));
	}
	after = settle(self, "after the execs");
	end_container(_metadata, h, pid);
	end = settle(self, "after the container");
	printf("# %d execs, RSS: %.3f bytes an exec\n", execs, line_slope(&rss));
	EXPECT_UNCHANGED(warm, after);
	EXPECT_UNCHANGED(start, end);
	EXPECT_TRUE(line_slope(&rss) < 1);
}

TEST_F_TIMEOUT(soak, containers_leave_nothing, 14400)
{
	int cycles = setting("SOAK_CYCLES", 300);
	struct host *h = &self->h;
	struct usage warm, after;

	end_container(_metadata, h, start_container(_metadata, h));
	for (int i = 0; i < warm_up(cycles); i++)
		run_container(_metadata, h);
	warm = settle(self, "warm");
	for (int i = 0; i < cycles; i++)
		run_container(_metadata, h);
	after = settle(self, "after the containers");
	EXPECT_UNCHANGED(warm, after);
}

TEST_HARNESS_MAIN

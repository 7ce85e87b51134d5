// SPDX-License-Identifier: MIT
/*
 * Load (make load): many containers at once, many execs at a time; what the agent takes then, and that it sleeps when it is idle.
 *
 * Environment: LOAD_CONTAINERS (100)
 */
#include <stdio.h>
#include <stdlib.h>

#include "oci.h"
#include "usage.h"
#include "kselftest_harness.h"

#define CONTAINERS_MAX 120

/* Bars: the agent's memory. */
#define IDLE_RSS (3 << 20)
#define LOADED_RSS (8 << 20)

/* The time in which an idle agent must not run, and how often it is tried: the first may still see the end of what was before. */
#define IDLE_MS 60000
#define IDLE_WINDOWS 3

FIXTURE(load)
{
	struct host h;
};

FIXTURE_SETUP(load)
{
	host_start(&self->h, true, NULL);
	/* Refused, but not before everything is set up. */
	ASSERT_GT(0, host_call(&self->h, MSG_GET_PROPERTIES, "none", "%s", ""));
}

FIXTURE_TEARDOWN(load)
{
	host_stop(&self->h);
}

/* How often the agent's threads have run in the quietest window. */
static long idle_switches(struct host *h)
{
	long least = -1;

	for (int i = 0; i < IDLE_WINDOWS && least; i++) {
		long n = usage_switches(h);

		host_watch(h, IDLE_MS);
		n = usage_switches(h) - n;
		printf("# %d s idle: %ld context switches\n", IDLE_MS / 1000, n);
		least = least < 0 || n < least ? n : least;
	}
	return least;
}

TEST_F_TIMEOUT(load, an_idle_agent_is_small_and_sleeps, 600)
{
	struct usage idle = usage_now(&self->h, "idle");

	EXPECT_GE(IDLE_RSS, idle.rss);
	EXPECT_EQ(0, idle_switches(&self->h));
	EXPECT_GE(IDLE_RSS, usage_rss(&self->h));
}

TEST_F_TIMEOUT(load, a_hundred_containers_run_at_once, 3600)
{
	int count = setting("LOAD_CONTAINERS", 100);
	struct host_stream out[CONTAINERS_MAX], err[CONTAINERS_MAX];
	struct host *h = &self->h;
	char *cids[CONTAINERS_MAX];
	int64_t pid[CONTAINERS_MAX];
	struct usage before, loaded;

	ASSERT_GE(CONTAINERS_MAX, count);
	before = usage_now(h, "before");
	for (int i = 0; i < count; i++) {
		ASSERT_LT(0, asprintf(&cids[i], "c%d", i));
		ASSERT_EQ(0, oci_create(h, cids[i], "[\"sleep\",\"1000000\"]"));
		pid[i] = oci_start(h, cids[i], NULL, &out[i], &err[i]);
		ASSERT_LT(0, pid[i]);
	}
	host_forget_over(h);
	loaded = usage_now(h, "all containers run");
	EXPECT_GE(LOADED_RSS, loaded.rss);

	for (int i = 0; i + AT_ONCE <= count; i += AT_ONCE)
		EXPECT_TRUE(exec_at_once(h, cids + i, AT_ONCE, "[\"echo\",\"x\"]", "x\n"));
	/* All in one container. */
	EXPECT_TRUE(exec_at_once(h, cids, 1, "[\"echo\",\"x\"]", "x\n"));
	loaded = usage_now(h, "after execs in all");
	EXPECT_GE(LOADED_RSS, loaded.rss);
	EXPECT_EQ(0, idle_switches(h));

	for (int i = 0; i < count; i++)
		EXPECT_EQ(0, host_call(h, MSG_SHUTDOWN_FORCED, cids[i], "%s", ""));
	for (int i = 0; i < count; i++) {
		EXPECT_EQ(137, host_wait(h, cids[i], pid[i]));
		host_notified(h, cids[i], NULL);
		EXPECT_EQ(0, oci_delete(h, cids[i]));
		host_stream_close(&out[i]);
		host_stream_close(&err[i]);
		free(cids[i]);
	}
	loaded = usage_now(h, "after all containers");
	EXPECT_EQ(before.mounts, loaded.mounts);
	EXPECT_EQ(before.cgroups, loaded.cgroups);
	EXPECT_EQ(0, loaded.zombies);
}

TEST_HARNESS_MAIN

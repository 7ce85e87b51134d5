// SPDX-License-Identifier: MIT
/* The event thread: descriptors, timers, removal while a callback runs. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "event.h"

#include "kselftest_harness.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static char order[32];

static void note(char c)
{
	size_t n;

	pthread_mutex_lock(&lock);
	n = strlen(order);
	order[n] = c;
	pthread_cond_broadcast(&changed);
	pthread_mutex_unlock(&lock);
}

static bool wait_for(const char *what)
{
	struct timespec end;
	int ret = 0;

	clock_gettime(CLOCK_REALTIME, &end);
	end.tv_sec += 5;
	pthread_mutex_lock(&lock);
	while (strcmp(order, what) && !ret)
		ret = pthread_cond_timedwait(&changed, &lock, &end);
	pthread_mutex_unlock(&lock);
	return !ret;
}

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000LL + t.tv_nsec / 1000000;
}

static void on_timer(void *arg)
{
	note(*(const char *)arg);
}

TEST(timers_run_in_order_of_time_and_never_early)
{
	struct gcs_error err;
	int64_t start;

	ASSERT_EQ(0, event_start(&err));
	start = now_ms();
	ASSERT_NE(NULL, event_timer_add(60, on_timer, "c", &err));
	ASSERT_NE(NULL, event_timer_add(20, on_timer, "a", &err));
	ASSERT_NE(NULL, event_timer_add(40, on_timer, "b", &err));
	EXPECT_TRUE(wait_for("abc")) TH_LOG("%s", order);
	EXPECT_LE(60, now_ms() - start);
}

TEST(timers_for_the_same_moment_run_in_the_order_they_were_set)
{
	struct gcs_error err;
	static const char *const names[] = { "0", "1", "2", "3", "4", "5" };

	ASSERT_EQ(0, event_start(&err));
	for (int i = 0; i < 6; i++)
		ASSERT_NE(NULL, event_timer_add(0, on_timer, (void *)names[i], &err));
	EXPECT_TRUE(wait_for("012345")) TH_LOG("%s", order);
}

TEST(a_cancelled_timer_does_not_run)
{
	struct gcs_error err;
	struct event_timer *t;

	ASSERT_EQ(0, event_start(&err));
	t = event_timer_add(20, on_timer, "x", &err);
	ASSERT_NE(NULL, event_timer_add(40, on_timer, "y", &err));
	EXPECT_EQ(1, event_timer_cancel(t));
	EXPECT_TRUE(wait_for("y")) TH_LOG("%s", order);
}

static struct event_timer *self_timer;

static void on_self(void *arg)
{
	note('0' + event_timer_cancel(self_timer));
}

TEST(a_timer_that_has_begun_cannot_be_cancelled)
{
	struct gcs_error err;

	ASSERT_EQ(0, event_start(&err));
	self_timer = event_timer_add(20, on_self, NULL, &err);
	EXPECT_TRUE(wait_for("0")) TH_LOG("%s", order);
}

static void on_readable(struct event *ev, uint32_t events, void *arg)
{
	uint64_t n;

	if (read(*(int *)arg, &n, sizeof(n)) == sizeof(n))
		note('r');
}

TEST(a_removed_event_is_not_called_and_one_may_remove_itself)
{
	struct gcs_error err;
	struct event *ev;
	int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);

	ASSERT_EQ(0, event_start(&err));
	ev = event_add(fd, EPOLLIN, on_readable, &fd, &err);
	ASSERT_NE(NULL, ev);
	ASSERT_EQ(0, eventfd_write(fd, 1));
	EXPECT_TRUE(wait_for("r"));
	event_remove(ev);
	ASSERT_EQ(0, eventfd_write(fd, 1));
	ASSERT_NE(NULL, event_timer_add(20, on_timer, "t", &err));
	EXPECT_TRUE(wait_for("rt")) TH_LOG("%s", order);
}

static atomic_bool entered, left;
static pthread_barrier_t inside;

static void on_slow(struct event *ev, uint32_t events, void *arg)
{
	entered = true;
	pthread_barrier_wait(&inside);
	for (volatile int i = 0; i < 20000000; i++)
		;
	left = true;
	event_modify(ev, 0);
}

TEST(removal_on_another_thread_returns_when_the_callback_has)
{
	struct gcs_error err;
	struct event *ev;
	int fd = eventfd(1, EFD_NONBLOCK | EFD_CLOEXEC);

	pthread_barrier_init(&inside, NULL, 2);
	ASSERT_EQ(0, event_start(&err));
	ev = event_add(fd, EPOLLIN, on_slow, NULL, &err);
	pthread_barrier_wait(&inside);
	EXPECT_TRUE(entered);
	event_remove(ev);
	EXPECT_TRUE(left);
	close(fd);
}

TEST_HARNESS_MAIN

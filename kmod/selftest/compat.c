// SPDX-License-Identifier: GPL-2.0-only
/*
 * What compat.h makes up for older kernels does what newer ones' own does
 */
#include <linux/completion.h>
#include <linux/jiffies.h>

#include "../compat.h"
#include "selftest.h"

struct test_timer {
	struct hrtimer timer;
	struct completion done;
	bool irq;
};

static enum hrtimer_restart test_timer(struct hrtimer *timer)
{
	struct test_timer *t = container_of(timer, struct test_timer, timer);

	t->irq = in_hardirq();
	complete(&t->done);
	return HRTIMER_NORESTART;
}

/* The timer has ended when this returns. */
static bool timer_runs(struct test_timer *t)
{
	bool done;

	init_completion(&t->done);
	hrtimer_start(&t->timer, ns_to_ktime(1000), HRTIMER_MODE_REL_SOFT);
	done = wait_for_completion_timeout(&t->done, 10 * HZ);
	hrtimer_cancel(&t->timer);
	return done;
}

bool gcs_selftest_compat(void)
{
	static struct test_timer t;
	bool ok = true;

	hrtimer_setup(&t.timer, test_timer, CLOCK_MONOTONIC, HRTIMER_MODE_REL_SOFT);
	ok &= EXPECT(timer_runs(&t));
	/* The stream's timer queues work, which wants no hard interrupt. */
	ok &= EXPECT(!t.irq);
	return ok;
}

// SPDX-License-Identifier: MIT
/* Waiting for one thing while the VM may end and the user may lose patience. */
#include "watch.h"

#include <errno.h>
#include <poll.h>
#include <time.h>

static int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

int64_t watch_deadline(int64_t ms)
{
	return now_ms() + ms;
}

static int failed(struct gcs_error *err, int reason, const char *text, const char *what)
{
	gcs_fail(err, 0, HR_FAIL, "%s while waiting for %s", text, what);
	err->err = reason;
	return -1;
}

int watch_wait(const struct watch *w, int fd, short events, int64_t deadline, const char *what, struct gcs_error *err)
{
	for (;;) {
		struct pollfd p[] = { { .fd = fd, .events = events },
				      { .fd = w->signal_fd, .events = POLLIN },
				      { .fd = w->vm_fd, .events = POLLIN } };
		int64_t left = deadline < 0 ? -1 : deadline - now_ms();
		int n;

		n = poll(p, 3, deadline < 0 ? -1 : left < 0 ? 0 : (int)left);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return gcs_fail(err, errno, HR_FAIL, "wait for %s", what);
		/* What had come before the end is still there. */
		if (p[0].revents)
			return 0;
		if (p[1].revents)
			return failed(err, EINTR, "stopped by a signal", what);
		if (p[2].revents)
			return failed(err, ESHUTDOWN, "the VM ended", what);
		if (n == 0)
			return failed(err, ETIMEDOUT, "time ran out", what);
	}
}

// SPDX-License-Identifier: MIT
/* The host's time, by chronyd (boot-and-image.md section 6). */
#include <errno.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "cleanup.h"
#include "clock.h"
#include "event.h"
#include "fs.h"
#include "log.h"
#include "spawn.h"
#include "timesync.h"

#define CONF "/tmp/chronyd.conf"
/* Between the end of one chronyd and the start of the next; it grows by half, and is drawn from half to one and a half of that. */
#define DELAY_FIRST_MS 500u
#define DELAY_MAX_MS 600000u

/* Only the event thread uses these, once timesync_start() has returned. */
static struct child chronyd;
static int dev_watch = -1;
static uint64_t delay_ms = DELAY_FIRST_MS;
static int64_t started_ms;

static void run(void *arg);

static void run_later(void)
{
	uint64_t ms = delay_ms / 2 + (uint64_t)random() % delay_ms;
	struct gcs_error err;

	delay_ms = delay_ms * 3 / 2 < DELAY_MAX_MS ? delay_ms * 3 / 2 : DELAY_MAX_MS;
	if (!event_timer_add(ms, run, NULL, &err))
		log_warning("time sync: no further chronyd: %s", err.text);
}

static void on_end(struct event *ev, uint32_t events, void *arg)
{
	int code;

	event_remove(ev);
	code = child_reap(&chronyd);
	/* One that has served for long is no reason to be patient. */
	if (clock_now_ms() - started_ms >= DELAY_MAX_MS)
		delay_ms = DELAY_FIRST_MS;
	log_warning("time sync: chronyd ended with exit code %d and is started again", code);
	run_later();
}

static void run(void *arg)
{
	static char *const argv[] = { "chronyd", "-n", "-f", CONF, NULL };
	const struct spawn s = { .argv = argv, .fds = { SPAWN_NULL, SPAWN_NULL, SPAWN_NULL } };
	struct gcs_error err;

	if (spawn(&s, &chronyd, &err) < 0) {
		/* What an image does not have does not come either. */
		if (err.err == ENOENT) {
			log_info("time sync: none: %s", err.text);
		} else {
			log_warning("time sync: %s", err.text);
			run_later();
		}
		return;
	}
	started_ms = clock_now_ms();
	if (event_add(chronyd.pidfd, EPOLLIN, on_end, NULL, &err))
		return;
	log_warning("time sync: %s", err.text);
	child_kill(&chronyd);
}

/* The number of the PTP device that is the host's clock, or -1. */
static int host_clock(void)
{
	glob_t found = { 0 };
	int n = -1;

	glob("/sys/class/ptp/ptp*/clock_name", GLOB_NOSORT, NULL, &found);
	for (size_t i = 0; n < 0 && i < found.gl_pathc; i++) {
		_cleanup_free_ char *name = fs_read(found.gl_pathv[i], 64, NULL);

		if (name && (!strcmp(name, "hyperv\n") || !strcmp(name, "KVM virtual PTP\n")) &&
		    sscanf(found.gl_pathv[i], "/sys/class/ptp/ptp%d/", &n) != 1)
			n = -1;
	}
	globfree(&found);
	return n;
}

/* Returns 1 when chronyd is on its way, 0 while there is no clock. */
static int begin(struct gcs_error *err)
{
	int n = host_clock();
	char conf[160];

	if (n < 0)
		return 0;
	snprintf(conf, sizeof(conf), "refclock PHC /dev/ptp%d poll 3 dpoll -2 offset 0 stratum 2\nmakestep 0.1 -1\n", n);
	if (fs_write(CONF, conf, strlen(conf), 0644, err) < 0)
		return -1;
	log_info("time sync: the host's clock is /dev/ptp%d", n);
	run(NULL);
	return 1;
}

/* Something was made in /dev. */
static void on_device(struct event *ev, uint32_t events, void *arg)
{
	struct gcs_error err;
	char buf[4096];
	ssize_t n;
	int ret;

	do
		n = read(dev_watch, buf, sizeof(buf));
	while (n > 0);
	ret = begin(&err);
	if (ret == 0)
		return;
	if (ret < 0)
		log_warning("time sync: %s", err.text);
	event_remove(ev);
	close(dev_watch);
}

int timesync_start(struct gcs_error *err)
{
	_cleanup_close_ int watch = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	int ret;

	/* First, so that no device comes unseen between the look and the wait. */
	if (watch < 0 || inotify_add_watch(watch, "/dev", IN_CREATE) < 0)
		return gcs_fail(err, errno, HR_FAIL, "time sync: watch /dev");
	ret = begin(err);
	if (ret)
		return ret < 0 ? gcs_fail_prefix(err, "time sync") : 0;
	dev_watch = watch;
	if (!event_add(watch, EPOLLIN, on_device, NULL, err))
		return gcs_fail_prefix(err, "time sync");
	steal_fd(&watch);
	return 0;
}

// SPDX-License-Identifier: MIT
/* Memory events of cgroup v2: inotify tells of changes of memory.events, which counts what is below, a trigger of pressure. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "cgroup.h"
#include "cleanup.h"
#include "container/memory_events.h"
#include "log.h"

/* Somebody stalled for a tenth of the time: the kernel says so at most once in each such window. In us. */
#define PRESSURE_TRIGGER "some 1000000 10000000"

#define EVENTS "memory.events"
#define HIGH "memory.high"

static int inotify = -1;
static struct memory_group *groups;
static size_t group_count;

/*
 * Version 2 tells of no usage but that above memory.high, which is a limit as well: above it the kernel drops caches and slows processes
 * down, by up to 2 s, the more the further above it. So it is moved on as soon as it has told, and holds nobody back for long.
 */
static int arm(struct memory_group *g, uint64_t step, struct gcs_error *err)
{
	char text[24];

	snprintf(text, sizeof(text), "%" PRIu64, step);
	if (cgroup_set(g->path, HIGH, text, err) == 0)
		return 0;
	cgroup_set(g->path, HIGH, "max", NULL);
	return -1;
}

static void check(struct memory_group *g)
{
	_cleanup_free_ char *text = cgroup_get(g->path, EVENTS, NULL);
	uint64_t high;

	if (!text)
		return;
	if (stats_find(text, "oom_kill") > g->kills)
		memory_check_kills(g);
	high = stats_find(text, "high");
	if (g->step && high > g->high)
		memory_step_crossed(g);
	g->high = high;
}

static void on_events(struct event *ev, uint32_t events, void *arg)
{
	char buf[4096] __attribute__((aligned(__alignof__(struct inotify_event))));

	while (read(inotify, buf, sizeof(buf)) > 0)
		;
	/* Which file it was does not matter, nor does an overflow: the counters tell. */
	for (size_t i = 0; i < group_count; i++)
		check(&groups[i]);
}

static void on_pressure(struct event *ev, uint32_t events, void *arg)
{
	struct memory_group *g = arg;

	if (events & EPOLLPRI)
		memory_warn("memory pressure in cgroup", g, 0, ++g->pressed);
	if (events & EPOLLERR) {
		event_remove(ev);
		close(g->pressure);
		g->pressure = -1;
	}
}

static int watch_pressure(struct memory_group *g, struct gcs_error *err)
{
	char name[64];

	if (cgroup_file(name, sizeof(name), g->path, "memory.pressure", err) < 0)
		return -1;
	g->pressure = open(name, O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (g->pressure < 0)
		return gcs_fail(err, errno, HR_FAIL, "%s: open", name);
	/* With its NUL, as the kernel's documentation has it. */
	if (write(g->pressure, PRESSURE_TRIGGER, sizeof(PRESSURE_TRIGGER)) < 0)
		gcs_fail(err, errno, HR_FAIL, "%s: set a trigger", name);
	else if (event_add(g->pressure, EPOLLPRI, on_pressure, g, err))
		return 0;
	close(g->pressure);
	g->pressure = -1;
	return -1;
}

static int watch_counts(struct memory_group *g, struct gcs_error *err)
{
	_cleanup_free_ char *text = NULL;
	char name[64];

	if (cgroup_file(name, sizeof(name), g->path, EVENTS, err) < 0)
		return -1;
	if (inotify_add_watch(inotify, name, IN_MODIFY) < 0)
		return gcs_fail(err, errno, HR_FAIL, "%s: watch", name);
	/* After the watch: what comes now is seen as an event. */
	text = cgroup_get(g->path, EVENTS, err);
	if (!text)
		return -1;
	g->first_kills = g->kills = stats_find(text, "oom_kill");
	g->high = stats_find(text, "high");
	return memory_arm(g, err);
}

static void start(struct memory_group *all, size_t count)
{
	struct gcs_error err;

	groups = all;
	group_count = count;
	inotify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (inotify < 0) {
		log_warning("memory events: inotify: %s", strerror(errno));
		return;
	}
	for (size_t i = 0; i < count; i++) {
		if (watch_counts(&all[i], &err) < 0)
			log_warning("memory events: %s", err.text);
		if (watch_pressure(&all[i], &err) < 0)
			log_warning("memory events: %s", err.text);
	}
	if (!event_add(inotify, EPOLLIN, on_events, NULL, &err))
		log_warning("memory events: %s", err.text);
}

const struct memory_watch memory_watch_v2 = {
	.start = start,
	.arm = arm,
};

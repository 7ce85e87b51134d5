// SPDX-License-Identifier: MIT
/*
 * OOM kills, memory pressure and the agent's own use of memory, by the kernel's events (lifecycle.md 11.4). The host gets nothing
 * but log lines, one for each event.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <time.h>
#include <unistd.h>

#include "cgroup.h"
#include "cleanup.h"
#include "container/internal.h"
#include "log.h"

/* Somebody stalled for a tenth of the time: the kernel says so at most once in each such window. In us. */
#define PRESSURE_TRIGGER "some 1000000 10000000"

/* What memory.events counts; children are in it. */
struct counts {
	uint64_t oom_kill, high;
};

struct group {
	const char *path;
	bool agent;	 /* the agent's: warn when the usage passes a multiple of container_options.agent_threshold */
	uint64_t step;	 /* the next such multiple: memory.high */
	struct counts first, seen;
	uint64_t crossed, pressed;
	int pressure;	 /* its memory.pressure */
};

/* Touched by the event thread only, once it is started. */
static struct group groups[] = {
	{ .path = "/pods", .pressure = -1 },
	{ .path = "/gcs", .agent = true, .pressure = -1 },
};

#define GROUPS (sizeof(groups) / sizeof(groups[0]))

static int inotify = -1;
static char start_time[LOG_TIME_MAX];

static int64_t log_number(uint64_t n)
{
	return n > INT64_MAX ? INT64_MAX : n;
}

static void warn(const char *message, const struct group *g, uint64_t threshold, uint64_t count)
{
	_cleanup_close_ int dir = cgroup_open(g->path, NULL);
	struct cgroup_stats s = { 0 };
	struct gcs_error err;

	if (stats_read(dir, &s, &err) < 0)
		log_warning("cgroup %s: %s", g->path, err.text);

	const struct memory_stats *m = &s.memory;
	const struct log_field fields[] = {
		{ .key = "cgroup", .text = g->path },
		{ .key = "cgroup_version", .text = "v2" },
		{ .key = "gcsStartTime", .text = start_time },
		{ .key = "thresholdBytes", .number = log_number(threshold ? threshold : m->usage.limit) },
		{ .key = "count", .number = log_number(count) },
		{ .key = "memoryUsage", .number = log_number(m->usage.usage) },
		{ .key = "memoryUsageMax", .number = log_number(m->usage.max) },
		{ .key = "memoryUsageLimit", .number = log_number(m->usage.limit) },
		{ .key = "swapUsage", .number = log_number(m->swap.usage) },
		{ .key = "swapUsageMax", .number = log_number(m->swap.max) },
		{ .key = "swapUsageLimit", .number = log_number(m->swap.limit) },
		{ .key = "kernelUsage", .number = log_number(m->kernel.usage) },
		{ .key = "kernelUsageMax", .number = log_number(m->kernel.max) },
		{ .key = "kernelUsageLimit", .number = log_number(m->kernel.limit) },
		{ 0 },
	};

	log_line(LOG_WARNING, fields, "%s", message);
	stats_free(&s);
}

static int read_counts(const char *cgroup, struct counts *c, struct gcs_error *err)
{
	_cleanup_free_ char *text = cgroup_get(cgroup, "memory.events", err);

	*c = (struct counts){ 0 };
	if (!text)
		return -1;
	c->oom_kill = stats_find(text, "oom_kill");
	c->high = stats_find(text, "high");
	return 0;
}

/*
 * Version 2 has no event for a usage but that of memory.high. It is moved on as soon as it has told, so that it holds nobody
 * back for long: the kernel drops caches, and its brake, at most 2 s, grows with the distance above it.
 */
static int set_step(struct group *g, uint64_t step, struct gcs_error *err)
{
	char text[24];

	snprintf(text, sizeof(text), "%" PRIu64, step);
	if (cgroup_set(g->path, "memory.high", text, err) < 0)
		return -1;
	g->step = step;
	return 0;
}

static uint64_t usage(const struct group *g)
{
	_cleanup_free_ char *text = cgroup_get(g->path, "memory.current", NULL);

	return text ? strtoull(text, NULL, 10) : 0;
}

static void step_crossed(struct group *g)
{
	uint64_t crossed = g->step, now = usage(g), step = container_options.agent_threshold;
	struct gcs_error err;

	/* Always further up: the reclaim that comes with the event may have brought the usage back below. */
	if (set_step(g, ((now > crossed ? now : crossed) / step + 1) * step, &err) < 0) {
		log_warning("%s", err.text);
		cgroup_set(g->path, "memory.high", "max", NULL);
	}
	warn("memory usage for cgroup exceeded threshold", g, crossed, ++g->crossed);
}

static void warn_oom(const struct group *g, uint64_t kills)
{
	warn("OOM event occurred in cgroup", g, 0, kills - g->first.oom_kill);
}

/* One warning for each container that has lost a process. Returns the kills that were logged. */
static uint64_t tell_containers(const struct group *g, uint64_t told)
{
	_cleanup_free_ struct container **list = container_list();
	struct counts now;

	for (struct container **c = list; c && *c; c++) {
		if (read_counts((*c)->cgroup, &now, NULL) == 0 && now.oom_kill > (*c)->oom_kills) {
			const struct log_context context = { .cid = (*c)->id };

			told += now.oom_kill - (*c)->oom_kills;
			(*c)->oom_kills = now.oom_kill;
			log_context(&context);
			warn_oom(g, told);
			log_context(NULL);
		}
		container_put(*c);
	}
	return told;
}

static void check_oom(struct group *g, struct counts *now)
{
	uint64_t told = g->agent ? 0 : tell_containers(g, g->seen.oom_kill);

	/* Not in a container, or in a container that is gone. */
	if (told < now->oom_kill)
		warn_oom(g, now->oom_kill);
	else
		now->oom_kill = told;
}

static void check(struct group *g)
{
	struct counts now;

	if (read_counts(g->path, &now, NULL) < 0)
		return;
	if (now.oom_kill > g->seen.oom_kill)
		check_oom(g, &now);
	if (g->step && now.high > g->seen.high)
		step_crossed(g);
	g->seen = now;
}

static void on_events(struct event *ev, uint32_t events, void *arg)
{
	char buf[4096] __attribute__((aligned(__alignof__(struct inotify_event))));

	while (read(inotify, buf, sizeof(buf)) > 0)
		;
	/* Which file it was does not matter, nor does an overflow: the counters tell. */
	for (size_t i = 0; i < GROUPS; i++)
		check(&groups[i]);
}

static void on_pressure(struct event *ev, uint32_t events, void *arg)
{
	struct group *g = arg;

	if (events & EPOLLPRI)
		warn("memory pressure in cgroup", g, 0, ++g->pressed);
	if (events & EPOLLERR) {
		event_remove(ev);
		close(g->pressure);
		g->pressure = -1;
	}
}

static int watch_pressure(struct group *g, struct gcs_error *err)
{
	char name[64];

	snprintf(name, sizeof(name), CGROUP_ROOT "%s/memory.pressure", g->path);
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

static int watch_counts(struct group *g, struct gcs_error *err)
{
	uint64_t step = container_options.agent_threshold;
	char name[64];

	snprintf(name, sizeof(name), CGROUP_ROOT "%s/memory.events", g->path);
	if (inotify_add_watch(inotify, name, IN_MODIFY) < 0)
		return gcs_fail(err, errno, HR_FAIL, "%s: watch", name);
	/* After the watch: what comes now is seen as an event. */
	if (read_counts(g->path, &g->first, err) < 0)
		return -1;
	g->seen = g->first;
	return g->agent && step ? set_step(g, (usage(g) / step + 1) * step, err) : 0;
}

void memory_events_start(void)
{
	struct gcs_error err;
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	log_time(start_time, &now);
	inotify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (inotify < 0) {
		log_warning("memory events: inotify: %s", strerror(errno));
		return;
	}
	/* Each is as good as it can be had: containers run without them, too. */
	for (size_t i = 0; i < GROUPS; i++) {
		if (watch_counts(&groups[i], &err) < 0)
			log_warning("memory events: %s", err.text);
		if (watch_pressure(&groups[i], &err) < 0)
			log_warning("memory events: %s", err.text);
	}
	if (!event_add(inotify, EPOLLIN, on_events, NULL, &err))
		log_warning("memory events: %s", err.text);
}

// SPDX-License-Identifier: MIT
/*
 * Memory events of cgroup v1: eventfds that are registered in cgroup.event_control. That of memory.oom_control tells those below the
 * cgroup that is full, so every container has it; there is none for pressure that would come seldom enough to be logged.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "cgroup.h"
#include "cleanup.h"
#include "container/limits.h"
#include "container/memory_events.h"
#include "log.h"

/* The kernel tells that memory is short before it looks for a victim, and nothing when it has killed that. */
#define KILL_MS 1000

static int oom = -1; /* all containers' */
static int threshold = -1; /* the agent's */
static struct event_timer *kill_timer;
static struct memory_group *pods;

/* Until @fd is closed, or the cgroup is removed, which is told, too. */
static int subscribe(int fd, const char *cgroup, const char *file, const char *argument, struct gcs_error *err)
{
	_cleanup_close_ int of = -1;
	char name[PATH_MAX], text[64];

	if (cgroup_file(name, sizeof(name), cgroup, file, err) < 0)
		return -1;
	of = open(name, O_RDONLY | O_CLOEXEC);
	if (of < 0)
		return gcs_fail(err, errno, HR_FAIL, "%s: open", name);
	snprintf(text, sizeof(text), "%d %d %s", fd, of, argument);
	return cgroup_set(cgroup, "cgroup.event_control", text, err);
}

static void on_kill_timer(void *arg)
{
	kill_timer = NULL;
	memory_check_kills(pods);
}

static void on_oom(struct event *ev, uint32_t events, void *arg)
{
	eventfd_t n;

	if (eventfd_read(oom, &n) == 0 && !kill_timer)
		kill_timer = event_timer_add(KILL_MS, on_kill_timer, NULL, NULL);
}

static int made(const struct container *c, struct gcs_error *err)
{
	return oom < 0 ? 0 : subscribe(oom, c->cgroup, cgroup_files->oom_kills, "", err);
}

static void on_threshold(struct event *ev, uint32_t events, void *arg)
{
	event_remove(ev);
	close(threshold);
	threshold = -1;
	memory_step_crossed(arg);
}

/* Each has an eventfd of its own: a threshold goes with it. What was above it would tell of the way down, too. */
static int arm(struct memory_group *g, uint64_t step, struct gcs_error *err)
{
	char text[24];

	threshold = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (threshold < 0)
		return gcs_fail(err, errno, HR_FAIL, "cgroup %s: eventfd", g->path);
	snprintf(text, sizeof(text), "%" PRIu64, step);
	if (subscribe(threshold, g->path, cgroup_files->memory_usage, text, err) == 0 &&
	    event_add(threshold, EPOLLIN, on_threshold, g, err))
		return 0;
	close(threshold);
	threshold = -1;
	return -1;
}

static void start(struct memory_group *groups, size_t count)
{
	struct gcs_error err;

	pods = &groups[0];
	oom = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (oom < 0 || !event_add(oom, EPOLLIN, on_oom, NULL, &err))
		log_warning("memory events: %s", oom < 0 ? strerror(errno) : err.text);
	for (size_t i = 0; i < count; i++)
		if (memory_arm(&groups[i], &err) < 0)
			log_warning("memory events: %s", err.text);
}

const struct memory_watch memory_watch_v1 = {
	.start = start,
	.arm = arm,
	.made = made,
	.look_at_exits = true,
};

// SPDX-License-Identifier: MIT
/*
 * OOM kills, memory pressure and the agent's own use of memory, by the kernel's events (lifecycle.md 11.4). The host gets nothing
 * but log lines, one for each event.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cgroup.h"
#include "cleanup.h"
#include "container/limits.h"
#include "container/memory_events.h"
#include "log.h"

static struct memory_group groups[] = {
	{ .path = "/pods", .pressure = -1 },
	{ .path = "/gcs", .agent = true, .pressure = -1 },
};

#define GROUPS (sizeof(groups) / sizeof(groups[0]))

static char start_time[LOG_TIME_MAX];

static int64_t log_number(uint64_t n)
{
	return n > INT64_MAX ? INT64_MAX : n;
}

void memory_warn(const char *message, const struct memory_group *g, uint64_t threshold, uint64_t count)
{
	struct cgroup_stats s = { 0 };
	struct gcs_error err;

	if (cgroup_files->stats(g->path, &s, &err) < 0)
		log_warning("cgroup %s: %s", g->path, err.text);

	const struct memory_stats *m = &s.memory;
	const struct log_field fields[] = {
		{ .key = "cgroup", .text = g->path },
		{ .key = "cgroup_version", .text = cgroup_files->name },
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

static uint64_t kills_of(const char *cgroup)
{
	_cleanup_free_ char *text = cgroup_get(cgroup, cgroup_files->oom_kills, NULL);

	return text ? stats_find(text, "oom_kill") : 0;
}

static uint64_t usage_of(const struct memory_group *g)
{
	_cleanup_free_ char *text = cgroup_get(g->path, cgroup_files->memory_usage, NULL);

	return text ? strtoull(text, NULL, 10) : 0;
}

/* The first multiple above @above. */
static int arm(struct memory_group *g, uint64_t above, struct gcs_error *err)
{
	uint64_t step = (above / container_options.agent_threshold + 1) * container_options.agent_threshold;

	if (cgroup_files->watch->arm(g, step, err) < 0)
		return -1;
	g->step = step;
	return 0;
}

int memory_arm(struct memory_group *g, struct gcs_error *err)
{
	return g->agent && container_options.agent_threshold ? arm(g, usage_of(g), err) : 0;
}

void memory_step_crossed(struct memory_group *g)
{
	uint64_t crossed = g->step, now = usage_of(g);
	struct gcs_error err;

	/* Always further up: the usage may have come back below meanwhile. */
	if (arm(g, now > crossed ? now : crossed, &err) < 0) {
		log_warning("%s", err.text);
		g->step = 0;
	}
	memory_warn("memory usage for cgroup exceeded threshold", g, crossed, ++g->crossed);
}

static void warn_oom(const struct memory_group *g, uint64_t kills)
{
	memory_warn("OOM event occurred in cgroup", g, 0, kills - g->first_kills);
}

/* Returns the kills that are known then. */
static uint64_t tell_containers(const struct memory_group *g)
{
	_cleanup_free_ struct container **list = container_list();
	uint64_t told = g->kills;

	for (struct container **c = list; c && *c; c++) {
		uint64_t now = kills_of((*c)->cgroup);

		if (now > (*c)->oom_kills) {
			const struct log_context context = { .cid = (*c)->id };

			told += now - (*c)->oom_kills;
			(*c)->oom_kills = now;
			log_context(&context);
			warn_oom(g, told);
			log_context(NULL);
		}
		container_put(*c);
	}
	return told;
}

void memory_check_kills(struct memory_group *g)
{
	uint64_t now = kills_of(g->path), told = g->agent ? g->kills : tell_containers(g);

	/* Not in a container, or in a container that is gone. */
	if (told < now)
		warn_oom(g, now);
	g->kills = told < now ? now : told;
}

void memory_events_start(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	log_time(start_time, &now);
	cgroup_files->watch->start(groups, GROUPS);
}

void memory_events_made(const struct container *c)
{
	struct gcs_error err;

	if (cgroup_files->watch->made && cgroup_files->watch->made(c, &err) < 0)
		log_warning("container %s: memory events: %s", c->id, err.text);
}

void memory_events_exited(void)
{
	if (cgroup_files->watch->look_at_exits)
		memory_check_kills(&groups[0]);
}

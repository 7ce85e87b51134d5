// SPDX-License-Identifier: MIT
/* The files of cgroup v2: limits and numbers, the latter in the shape of version 1 (lifecycle.md 11.1 and 11.2). */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>

#include "cgroup.h"
#include "cleanup.h"
#include "container/limits.h"
#include "container/memory_events.h"
#include "container/stats_read.h"

/* A file that a kernel has not is passed over. */
static const char *const limit_files[] = {
	"memory.max", "memory.high", "memory.low", "memory.swap.max", "cpu.weight", "cpu.max", "cpuset.cpus", "cpuset.mems",
	"pids.max", "hugetlb.2MB.max", "hugetlb.1GB.max", NULL,
};

static int set_cpu(const char *cgroup, const struct limits *l, struct gcs_error *err)
{
	int64_t shares = l->shares > 262144 ? 262144 : l->shares, period = l->period > 0 ? l->period : 100000;
	char text[64];

	/* 2 to 262144 become 1 to 10000. */
	if (shares > 0 && limits_write(cgroup, "cpu.weight", 1 + (shares < 2 ? 0 : shares - 2) * 9999 / 262142, "", err) < 0)
		return -1;
	if (!l->quota)
		return 0;
	if (l->quota > 0)
		snprintf(text, sizeof(text), "%" PRId64 " %" PRId64, l->quota, period);
	else
		snprintf(text, sizeof(text), "max %" PRId64, period);
	return cgroup_set(cgroup, "cpu.max", text, err);
}

static int set(const char *cgroup, const struct limits *l, struct gcs_error *err)
{
	/* In the kernel swap is counted alone. "0": there is none beside the memory. */
	bool none = l->swap > 0 && l->swap == l->memory;
	int64_t swap = l->swap > 0 && l->memory > 0 ? l->swap - l->memory : l->swap;
	int ret = limits_write(cgroup, "memory.max", l->memory, "max", err);

	if (!ret && l->reservation > 0)
		ret = limits_write(cgroup, "memory.low", l->reservation, "", err);
	if (!ret)
		ret = limits_write_if_there(cgroup, "memory.swap.max", none ? -1 : swap, none ? "0" : "max", err);
	if (!ret)
		ret = set_cpu(cgroup, l, err);
	if (!ret && l->pids > 0)
		ret = limits_write(cgroup, "pids.max", l->pids, "", err);
	if (!ret)
		ret = limits_write(cgroup, "io.bfq.weight", l->block_weight, "max", err);
	return ret;
}

#define LINE(key_, member, factor_) { key_, offsetof(struct cgroup_stats, member), factor_ }

static const struct stats_line cpu_lines[] = {
	LINE("usage_usec", cpu.usage.total, 1000),
	LINE("system_usec", cpu.usage.kernel, 1000),
	LINE("user_usec", cpu.usage.user, 1000),
	LINE("nr_periods", cpu.throttling.periods, 1),
	LINE("nr_throttled", cpu.throttling.throttled_periods, 1),
	LINE("throttled_usec", cpu.throttling.throttled_time, 1000),
	{ 0 },
};

static const struct stats_line memory_lines[] = {
	LINE("file", memory.pages.cache, 1),
	LINE("anon", memory.pages.rss, 1),
	LINE("file_mapped", memory.pages.mapped_file, 1),
	LINE("file_dirty", memory.pages.dirty, 1),
	LINE("file_writeback", memory.pages.writeback, 1),
	LINE("pgfault", memory.pages.pg_fault, 1),
	LINE("pgmajfault", memory.pages.pg_maj_fault, 1),
	LINE("inactive_anon", memory.pages.inactive_anon, 1),
	LINE("active_anon", memory.pages.active_anon, 1),
	LINE("inactive_file", memory.pages.inactive_file, 1),
	LINE("active_file", memory.pages.active_file, 1),
	LINE("unevictable", memory.pages.unevictable, 1),
	LINE("kernel", memory.kernel.usage, 1),
	LINE("sock", memory.kernel_tcp.usage, 1),
	{ 0 },
};

static const struct stats_line numbers[] = {
	LINE("memory.current", memory.usage.usage, 1),
	LINE("memory.peak", memory.usage.max, 1),
	LINE("memory.max", memory.usage.limit, 1),
	LINE("memory.swap.current", memory.swap.usage, 1),
	LINE("memory.swap.peak", memory.swap.max, 1),
	LINE("memory.swap.max", memory.swap.limit, 1),
	LINE("pids.current", pids.current, 1),
	LINE("pids.max", pids.limit, 1),
	{ 0 },
};

int stats_read_v2(int dir, struct cgroup_stats *s, struct gcs_error *err)
{
	const struct stats_source from = { .dir = dir };
	char text[STATS_FILE_MAX];

	stats_lines(&from, "cpu.stat", cpu_lines, s);
	stats_lines(&from, "memory.stat", memory_lines, s);
	stats_numbers(&from, numbers, s);
	s->memory.hierarchical_memory_limit = s->memory.usage.limit;
	s->memory.hierarchical_swap_limit = s->memory.swap.limit;
	if (stats_hugetlb(&from, &(struct stats_hugetlb){ "current", "max", "events", "max" }, s, err) < 0)
		return -1;
	/* Optional ones: they are there if the controller has something to say. */
	stats_text(&from, "io.stat", text);
	if (*text && !(s->blkio = calloc(1, sizeof(*s->blkio))))
		return gcs_fail(err, ENOMEM, HR_FAIL, "statistics");
	return stats_oom(&from, "memory.events", s, err);
}

/* Through one descriptor: of a cgroup, not of the next one of this name. */
static int stats(const char *cgroup, struct cgroup_stats *s, struct gcs_error *err)
{
	_cleanup_close_ int dir = -1;
	char name[PATH_MAX];

	if (cgroup_file(name, sizeof(name), cgroup, "", err) < 0)
		return -1;
	dir = open(name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0 && errno != ENOENT)
		return gcs_fail(err, errno, HR_FAIL, "cgroup %s: open", cgroup);
	return stats_read_v2(dir, s, err);
}

const struct cgroup_files cgroup_files_v2 = {
	.name = "v2",
	.limits = limit_files,
	.memory_limit = "memory.max",
	.memory_usage = "memory.current",
	.oom_kills = "memory.events",
	.set = set,
	.stats = stats,
	.watch = &memory_watch_v2,
};

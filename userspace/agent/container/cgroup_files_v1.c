// SPDX-License-Identifier: MIT
/* The files of cgroup v1: limits and numbers (lifecycle.md 11.1 and 11.2). */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cgroup.h"
#include "cleanup.h"
#include "container/limits.h"
#include "container/memory_events.h"
#include "container/stats_read.h"

static const char *const limit_files[] = {
	"memory.limit_in_bytes", "memory.memsw.limit_in_bytes", "memory.soft_limit_in_bytes", "cpu.shares", "cpu.cfs_period_us",
	"cpu.cfs_quota_us", "cpuset.cpus", "cpuset.mems", "pids.max", "hugetlb.2MB.limit_in_bytes", "hugetlb.1GB.limit_in_bytes",
	NULL,
};

static int set(const char *cgroup, const struct limits *l, struct gcs_error *err)
{
	int ret = limits_write(cgroup, "memory.limit_in_bytes", l->memory, "-1", err);

	if (!ret && l->reservation > 0)
		ret = limits_write(cgroup, "memory.soft_limit_in_bytes", l->reservation, "", err);
	if (!ret)
		ret = limits_write_if_there(cgroup, "memory.memsw.limit_in_bytes", l->swap, "-1", err);
	if (!ret && l->shares > 0)
		ret = limits_write(cgroup, "cpu.shares", l->shares, "", err);
	if (!ret && l->period > 0)
		ret = limits_write(cgroup, "cpu.cfs_period_us", l->period, "", err);
	if (!ret)
		ret = limits_write(cgroup, "cpu.cfs_quota_us", l->quota, "-1", err);
	if (!ret && l->pids > 0)
		ret = limits_write(cgroup, "pids.max", l->pids, "", err);
	if (!ret && l->block_weight > 0)
		ret = limits_write(cgroup, "blkio.bfq.weight", l->block_weight, "", err);
	return ret;
}

#define LINE(key_, member, factor_) { key_, offsetof(struct cgroup_stats, member), factor_ }
#define PAGES(prefix, member) \
	LINE(prefix "cache", memory.member.cache, 1), \
	LINE(prefix "rss", memory.member.rss, 1), \
	LINE(prefix "rss_huge", memory.member.rss_huge, 1), \
	LINE(prefix "mapped_file", memory.member.mapped_file, 1), \
	LINE(prefix "dirty", memory.member.dirty, 1), \
	LINE(prefix "writeback", memory.member.writeback, 1), \
	LINE(prefix "pgpgin", memory.member.pg_pg_in, 1), \
	LINE(prefix "pgpgout", memory.member.pg_pg_out, 1), \
	LINE(prefix "pgfault", memory.member.pg_fault, 1), \
	LINE(prefix "pgmajfault", memory.member.pg_maj_fault, 1), \
	LINE(prefix "inactive_anon", memory.member.inactive_anon, 1), \
	LINE(prefix "active_anon", memory.member.active_anon, 1), \
	LINE(prefix "inactive_file", memory.member.inactive_file, 1), \
	LINE(prefix "active_file", memory.member.active_file, 1), \
	LINE(prefix "unevictable", memory.member.unevictable, 1)

static const struct stats_line memory_lines[] = {
	PAGES("", pages),
	PAGES("total_", total),
	LINE("hierarchical_memory_limit", memory.hierarchical_memory_limit, 1),
	LINE("hierarchical_memsw_limit", memory.hierarchical_swap_limit, 1),
	{ 0 },
};

static const struct stats_line throttling_lines[] = {
	LINE("nr_periods", cpu.throttling.periods, 1),
	LINE("nr_throttled", cpu.throttling.throttled_periods, 1),
	LINE("throttled_time", cpu.throttling.throttled_time, 1),
	{ 0 },
};

#define COUNTER(prefix, member) \
	LINE(prefix ".usage_in_bytes", memory.member.usage, 1), \
	LINE(prefix ".max_usage_in_bytes", memory.member.max, 1), \
	LINE(prefix ".failcnt", memory.member.failcnt, 1), \
	LINE(prefix ".limit_in_bytes", memory.member.limit, 1)

static const struct stats_line numbers[] = {
	LINE("cpuacct.usage", cpu.usage.total, 1),
	COUNTER("memory", usage),
	COUNTER("memory.memsw", swap),
	COUNTER("memory.kmem", kernel),
	COUNTER("memory.kmem.tcp", kernel_tcp),
	LINE("pids.current", pids.current, 1),
	LINE("pids.max", pids.limit, 1),
	{ 0 },
};

/* One number for each processor. */
static int read_per_cpu(const struct stats_source *from, struct json_numbers *n, struct gcs_error *err)
{
	char text[STATS_FILE_MAX], *save;

	stats_text(from, "cpuacct.usage_percpu", text);
	for (char *word = strtok_r(text, " \n", &save); word; word = strtok_r(NULL, " \n", &save)) {
		uint64_t *items = reallocarray(n->items, n->count + 1, sizeof(*items));

		if (!items)
			return gcs_fail(err, ENOMEM, HR_FAIL, "statistics");
		n->items = items;
		items[n->count++] = strtoull(word, NULL, 10);
	}
	return 0;
}

int stats_read_v1(int root, const char *path, struct cgroup_stats *s, struct gcs_error *err)
{
	const struct stats_source from = { .dir = root, .path = path };
	const uint64_t tick = 1000000000 / sysconf(_SC_CLK_TCK);
	const struct stats_line ticks[] = {
		LINE("system", cpu.usage.kernel, tick),
		LINE("user", cpu.usage.user, tick),
		{ 0 },
	};

	stats_lines(&from, "cpuacct.stat", ticks, s);
	stats_lines(&from, "cpu.stat", throttling_lines, s);
	stats_lines(&from, "memory.stat", memory_lines, s);
	stats_numbers(&from, numbers, s);
	/* Without a limit this number is 0, and in version 2 the largest. */
	if (s->pids.limit == UINT64_MAX)
		s->pids.limit = 0;
	if (read_per_cpu(&from, &s->cpu.usage.per_cpu, err) < 0 ||
	    stats_hugetlb(&from, &(struct stats_hugetlb){ "usage_in_bytes", "max_usage_in_bytes", "failcnt", NULL }, s, err) < 0)
		return -1;
	if (faccessat(root, "blkio", F_OK, 0) == 0 && !(s->blkio = calloc(1, sizeof(*s->blkio))))
		return gcs_fail(err, ENOMEM, HR_FAIL, "statistics");
	return stats_oom(&from, "memory.oom_control", s, err);
}

static int stats(const char *cgroup, struct cgroup_stats *s, struct gcs_error *err)
{
	_cleanup_close_ int root = open(CGROUP_ROOT, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (root < 0)
		return gcs_fail(err, errno, HR_FAIL, CGROUP_ROOT ": open");
	return stats_read_v1(root, cgroup, s, err);
}

const struct cgroup_files cgroup_files_v1 = {
	.name = "v1",
	.limits = limit_files,
	.memory_limit = "memory.limit_in_bytes",
	.memory_usage = "memory.usage_in_bytes",
	.oom_kills = "memory.oom_control",
	.set = set,
	.stats = stats,
	.watch = &memory_watch_v1,
};

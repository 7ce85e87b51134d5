/* SPDX-License-Identifier: MIT */
/*
 * The numbers of a cgroup in the shape that the host takes, which is that of version 1 (lifecycle.md 11.1). What version 2 has not is 0
 * there; no limit is the largest number: UINT64_MAX in version 2, the kernel's in version 1.
 */
#ifndef GCS_CONTAINER_STATS_H
#define GCS_CONTAINER_STATS_H

#include <stdint.h>

#include "error.h"
#include "json.h"

struct hugetlb_stats {
	uint64_t usage, max, failcnt;
	char *pagesize; /* such as "2MB" */
};

struct memory_counter {
	uint64_t limit, usage, max, failcnt;
};

/* What version 1 has of a cgroup alone and, as "total_...", together with those below; version 2 always means together. */
struct memory_pages {
	uint64_t cache, rss, rss_huge, mapped_file, dirty, writeback, pg_pg_in, pg_pg_out, pg_fault, pg_maj_fault;
	uint64_t inactive_anon, active_anon, inactive_file, active_file, unevictable;
};

struct memory_stats {
	struct memory_pages pages, total;
	uint64_t hierarchical_memory_limit, hierarchical_swap_limit;
	struct memory_counter usage, swap, kernel, kernel_tcp;
};

/* Sent as an empty object: the controller is there. */
struct empty_stats {
	char nothing;
};

struct cgroup_stats {
	struct json_objects hugetlb; /* struct hugetlb_stats */
	struct pids_stats {
		uint64_t current, limit;
	} pids;
	struct cpu_stats {
		struct cpu_usage {
			uint64_t total, kernel, user; /* ns */
			struct json_numbers per_cpu;
		} usage;
		struct cpu_throttling {
			uint64_t periods, throttled_periods, throttled_time;
		} throttling;
	} cpu;
	struct memory_stats memory;
	struct empty_stats *blkio; /* NULL: there was no I/O */
	struct empty_stats rdma;
	struct oom_stats {
		uint64_t oom_kill_disable, under_oom, oom_kill;
	} *oom; /* NULL: its file is missing or empty */
};

/* The number in the line of @text that begins with @key and a space; "max" is UINT64_MAX; 0 if there is none. */
uint64_t stats_find(const char *text, const char *key);

/* Read the cgroup directory open as @dir, which may be gone: what is missing counts as 0. @s has been zeroed. */
int stats_read_v2(int dir, struct cgroup_stats *s, struct gcs_error *err);

/* The same of the directories @path that the controllers have below @root. */
int stats_read_v1(int root, const char *path, struct cgroup_stats *s, struct gcs_error *err);

void stats_free(struct cgroup_stats *s);

#endif

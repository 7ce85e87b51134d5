/* SPDX-License-Identifier: MIT */
/* For cgroup_files_v1.c and cgroup_files_v2.c: files of numbers become members of struct cgroup_stats. What is missing counts as 0. */
#ifndef GCS_STATS_READ_H
#define GCS_STATS_READ_H

#include "container/stats.h"

/* The longest is memory.stat, with less than 4 KiB. io.stat may be longer: of it only the beginning matters. */
#define STATS_FILE_MAX 8192

/* Version 2: the cgroup's directory. Version 1: CGROUP_ROOT, where it has @path below each controller that begins a file's name. */
struct stats_source {
	int dir;
	const char *path; /* NULL: version 2 */
};

/* A line "key number" of a file, or a file, and the member where the number goes. */
struct stats_line {
	const char *key;
	size_t offset;
	uint64_t factor;
};

/* The ends of the names of the files "hugetlb.<size>.". @failcnt_key: the line of that file; NULL: it has only one number. */
struct stats_hugetlb {
	const char *usage, *max, *failcnt, *failcnt_key;
};

/* The beginning of a file; "" if there is none. */
void stats_text(const struct stats_source *from, const char *file, char text[STATS_FILE_MAX]);

/* Lines of one file; @lines ends with a key that is NULL. */
void stats_lines(const struct stats_source *from, const char *file, const struct stats_line *lines, struct cgroup_stats *s);

/* Files that hold one number each. */
void stats_numbers(const struct stats_source *from, const struct stats_line *files, struct cgroup_stats *s);

/* One item for each page size, which is the part of the file's name between the dots. */
int stats_hugetlb(const struct stats_source *from, const struct stats_hugetlb *names, struct cgroup_stats *s,
		  struct gcs_error *err);

/* If there is such a file. */
int stats_oom(const struct stats_source *from, const char *file, struct cgroup_stats *s, struct gcs_error *err);

#endif

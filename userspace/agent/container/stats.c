// SPDX-License-Identifier: MIT
/* The numbers of a cgroup v2 in the shape of version 1 (lifecycle.md 11.1). */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "container/stats.h"

/* The longest is memory.stat, with less than 4 KiB. io.stat may be longer: of it only the beginning matters. */
#define FILE_MAX 8192

/* A line "key number" of a file, and the member where the number goes. */
struct line {
	const char *key;
	size_t offset;
	uint64_t factor;
};

#define LINE(key_, member, factor_) { key_, offsetof(struct cgroup_stats, member), factor_ }

static const struct line cpu_lines[] = {
	LINE("usage_usec", cpu.usage.total, 1000),
	LINE("system_usec", cpu.usage.kernel, 1000),
	LINE("user_usec", cpu.usage.user, 1000),
	LINE("nr_periods", cpu.throttling.periods, 1),
	LINE("nr_throttled", cpu.throttling.throttled_periods, 1),
	LINE("throttled_usec", cpu.throttling.throttled_time, 1000),
	{ 0 },
};

static const struct line memory_lines[] = {
	LINE("file", memory.cache, 1),
	LINE("anon", memory.rss, 1),
	LINE("file_mapped", memory.mapped_file, 1),
	LINE("file_dirty", memory.dirty, 1),
	LINE("file_writeback", memory.writeback, 1),
	LINE("pgfault", memory.pg_fault, 1),
	LINE("pgmajfault", memory.pg_maj_fault, 1),
	LINE("inactive_anon", memory.inactive_anon, 1),
	LINE("active_anon", memory.active_anon, 1),
	LINE("inactive_file", memory.inactive_file, 1),
	LINE("active_file", memory.active_file, 1),
	LINE("unevictable", memory.unevictable, 1),
	LINE("kernel", memory.kernel.usage, 1),
	LINE("sock", memory.kernel_tcp.usage, 1),
	{ 0 },
};

/* A file that holds one number. */
static const struct line files[] = {
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

/* The beginning of a file; "" if there is none. */
static void read_file(int dir, const char *name, char text[FILE_MAX])
{
	_cleanup_close_ int fd = openat(dir, name, O_RDONLY | O_CLOEXEC);
	size_t len = 0;
	ssize_t n;

	while (fd >= 0 && len < FILE_MAX - 1 && (n = read(fd, text + len, FILE_MAX - 1 - len)) > 0)
		len += n;
	text[len] = '\0';
}

static uint64_t number(const char *text)
{
	return strncmp(text, "max", 3) == 0 ? UINT64_MAX : strtoull(text, NULL, 10);
}

static uint64_t read_number(int dir, const char *name)
{
	char text[FILE_MAX];

	read_file(dir, name, text);
	return number(text);
}

uint64_t stats_find(const char *text, const char *key)
{
	size_t len = strlen(key);

	for (const char *line = text; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (strncmp(line, key, len) == 0 && line[len] == ' ')
			return number(line + len + 1);
	}
	return 0;
}

static void read_lines(int dir, const char *name, const struct line *lines, struct cgroup_stats *s)
{
	char text[FILE_MAX];

	read_file(dir, name, text);
	for (; lines->key; lines++)
		*(uint64_t *)((char *)s + lines->offset) = stats_find(text, lines->key) * lines->factor;
}

static int add_hugetlb(int dir, const char *size, struct cgroup_stats *s, struct gcs_error *err)
{
	struct hugetlb_stats *items = reallocarray(s->hugetlb.items, s->hugetlb.count + 1, sizeof(*items)), *h;
	char name[64], text[FILE_MAX];

	if (!items)
		return gcs_fail(err, ENOMEM, HR_FAIL, "statistics");
	s->hugetlb.items = items;
	h = &items[s->hugetlb.count];
	h->pagesize = strdup(size);
	if (!h->pagesize)
		return gcs_fail(err, ENOMEM, HR_FAIL, "statistics");
	s->hugetlb.count++;
	snprintf(name, sizeof(name), "hugetlb.%s.current", size);
	h->usage = read_number(dir, name);
	snprintf(name, sizeof(name), "hugetlb.%s.max", size);
	h->max = read_number(dir, name);
	snprintf(name, sizeof(name), "hugetlb.%s.events", size);
	read_file(dir, name, text);
	h->failcnt = stats_find(text, "max");
	return 0;
}

/* One for each page size, which is the part of the file's name between the dots. */
static int read_hugetlb(int dir, struct cgroup_stats *s, struct gcs_error *err)
{
	int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_dir_ DIR *d = fd < 0 ? NULL : fdopendir(fd);
	char size[16], rest[16];
	struct dirent *e;

	if (!d && fd >= 0)
		close(fd);
	while (d && (e = readdir(d)))
		if (sscanf(e->d_name, "hugetlb.%15[0-9KMGB].%15s", size, rest) == 2 && strcmp(rest, "current") == 0 &&
		    add_hugetlb(dir, size, s, err) < 0)
			return -1;
	return 0;
}

/* Optional ones: they are there if the controller has something to say. */
static int read_blkio(int dir, struct cgroup_stats *s, struct gcs_error *err)
{
	char text[FILE_MAX];

	read_file(dir, "io.stat", text);
	if (!*text)
		return 0;
	s->blkio = calloc(1, sizeof(*s->blkio));
	return s->blkio ? 0 : gcs_fail(err, ENOMEM, HR_FAIL, "statistics");
}

static int read_oom(int dir, struct cgroup_stats *s, struct gcs_error *err)
{
	char text[FILE_MAX];

	read_file(dir, "memory.events", text);
	if (!*text)
		return 0;
	s->oom = calloc(1, sizeof(*s->oom));
	if (!s->oom)
		return gcs_fail(err, ENOMEM, HR_FAIL, "statistics");
	s->oom->oom_kill = stats_find(text, "oom_kill");
	return 0;
}

int stats_read(int dir, struct cgroup_stats *s, struct gcs_error *err)
{
	read_lines(dir, "cpu.stat", cpu_lines, s);
	read_lines(dir, "memory.stat", memory_lines, s);
	for (const struct line *f = files; f->key; f++)
		*(uint64_t *)((char *)s + f->offset) = read_number(dir, f->key);
	s->memory.hierarchical_memory_limit = s->memory.usage.limit;
	s->memory.hierarchical_swap_limit = s->memory.swap.limit;
	if (read_hugetlb(dir, s, err) < 0 || read_blkio(dir, s, err) < 0 || read_oom(dir, s, err) < 0)
		return -1;
	return 0;
}

void stats_free(struct cgroup_stats *s)
{
	struct hugetlb_stats *h = s->hugetlb.items;

	for (size_t i = 0; i < s->hugetlb.count; i++)
		free(h[i].pagesize);
	free(h);
	free(s->blkio);
	free(s->oom);
	*s = (struct cgroup_stats){ 0 };
}

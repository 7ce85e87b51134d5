// SPDX-License-Identifier: MIT
/* The numbers of a cgroup, whatever its version (lifecycle.md 11.1): how files are read. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "container/stats_read.h"

static int open_file(const struct stats_source *from, const char *file, int flags)
{
	char name[PATH_MAX];

	if (!from->path)
		return openat(from->dir, file, flags | O_CLOEXEC);
	if (snprintf(name, sizeof(name), "%.*s%s/%s", (int)strcspn(file, "."), file, from->path, strchr(file, '.') ? file : "") >=
	    (int)sizeof(name))
		return -1;
	return openat(from->dir, name, flags | O_CLOEXEC);
}

void stats_text(const struct stats_source *from, const char *file, char text[STATS_FILE_MAX])
{
	_cleanup_close_ int fd = open_file(from, file, O_RDONLY);
	size_t len = 0;
	ssize_t n;

	while (fd >= 0 && len < STATS_FILE_MAX - 1 && (n = read(fd, text + len, STATS_FILE_MAX - 1 - len)) > 0)
		len += n;
	text[len] = '\0';
}

static uint64_t number(const char *text)
{
	return strncmp(text, "max", 3) == 0 ? UINT64_MAX : strtoull(text, NULL, 10);
}

static uint64_t read_number(const struct stats_source *from, const char *file)
{
	char text[STATS_FILE_MAX];

	stats_text(from, file, text);
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

static void put(struct cgroup_stats *s, const struct stats_line *line, uint64_t n)
{
	*(uint64_t *)((char *)s + line->offset) = n * line->factor;
}

void stats_lines(const struct stats_source *from, const char *file, const struct stats_line *lines, struct cgroup_stats *s)
{
	char text[STATS_FILE_MAX];

	stats_text(from, file, text);
	for (; lines->key; lines++)
		put(s, lines, stats_find(text, lines->key));
}

void stats_numbers(const struct stats_source *from, const struct stats_line *files, struct cgroup_stats *s)
{
	for (; files->key; files++)
		put(s, files, read_number(from, files->key));
}

static int add_hugetlb(const struct stats_source *from, const char *size, const struct stats_hugetlb *names,
		       struct cgroup_stats *s, struct gcs_error *err)
{
	struct hugetlb_stats *items = reallocarray(s->hugetlb.items, s->hugetlb.count + 1, sizeof(*items)), *h;
	char name[64], text[STATS_FILE_MAX];

	if (!items)
		return gcs_fail(err, ENOMEM, HR_FAIL, "statistics");
	s->hugetlb.items = items;
	h = &items[s->hugetlb.count];
	h->pagesize = strdup(size);
	if (!h->pagesize)
		return gcs_fail(err, ENOMEM, HR_FAIL, "statistics");
	s->hugetlb.count++;
	snprintf(name, sizeof(name), "hugetlb.%s.%s", size, names->usage);
	h->usage = read_number(from, name);
	snprintf(name, sizeof(name), "hugetlb.%s.%s", size, names->max);
	h->max = read_number(from, name);
	snprintf(name, sizeof(name), "hugetlb.%s.%s", size, names->failcnt);
	stats_text(from, name, text);
	h->failcnt = names->failcnt_key ? stats_find(text, names->failcnt_key) : number(text);
	return 0;
}

int stats_hugetlb(const struct stats_source *from, const struct stats_hugetlb *names, struct cgroup_stats *s,
		  struct gcs_error *err)
{
	int fd = open_file(from, from->path ? "hugetlb" : ".", O_RDONLY | O_DIRECTORY);
	_cleanup_dir_ DIR *d = fd < 0 ? NULL : fdopendir(fd);
	char size[16], rest[32];
	struct dirent *e;

	if (!d && fd >= 0)
		close(fd);
	while (d && (e = readdir(d)))
		if (sscanf(e->d_name, "hugetlb.%15[0-9KMGB].%31s", size, rest) == 2 && strcmp(rest, names->usage) == 0 &&
		    add_hugetlb(from, size, names, s, err) < 0)
			return -1;
	return 0;
}

int stats_oom(const struct stats_source *from, const char *file, struct cgroup_stats *s, struct gcs_error *err)
{
	char text[STATS_FILE_MAX];

	stats_text(from, file, text);
	if (!*text)
		return 0;
	s->oom = calloc(1, sizeof(*s->oom));
	if (!s->oom)
		return gcs_fail(err, ENOMEM, HR_FAIL, "statistics");
	s->oom->oom_kill = stats_find(text, "oom_kill");
	s->oom->oom_kill_disable = stats_find(text, "oom_kill_disable");
	s->oom->under_oom = stats_find(text, "under_oom");
	return 0;
}

void stats_free(struct cgroup_stats *s)
{
	struct hugetlb_stats *h = s->hugetlb.items;

	for (size_t i = 0; i < s->hugetlb.count; i++)
		free(h[i].pagesize);
	free(h);
	free(s->cpu.usage.per_cpu.items);
	free(s->blkio);
	free(s->oom);
	*s = (struct cgroup_stats){ 0 };
}

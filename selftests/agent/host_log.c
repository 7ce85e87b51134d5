// SPDX-License-Identifier: MIT
/* The agent's log as a test sees it. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "host_io.h"

/* The @n-th line with both texts that is there by now, or NULL; *@count of them. */
static char *find(const struct host *h, const char *text, const char *text2, int n, int *count)
{
	FILE *f = fopen(h->log, "re");
	char *line = NULL, *found = NULL;
	size_t size = 0;

	if (!f)
		host_fail(h, "open the log: %s", strerror(errno));
	*count = 0;
	while (!found && getline(&line, &size, f) > 0)
		/* One that is being written does not count. */
		if (strstr(line, text) && strstr(line, text2) && strchr(line, '\n') && ++*count == n)
			found = strdup(line);
	free(line);
	fclose(f);
	return found;
}

struct json_object *host_log_line(const struct host *h, const char *text, const char *text2, int n)
{
	int64_t deadline = host_now_ms() + 2 * WAIT_MS;
	int watch = inotify_init1(IN_NONBLOCK | IN_CLOEXEC), count;
	struct json_object *o;
	char *line, buf[4096];

	if (watch < 0 || inotify_add_watch(watch, h->log, IN_MODIFY) < 0)
		host_fail(h, "watch the log: %s", strerror(errno));
	while (!(line = find(h, text, text2, n, &count))) {
		if (!host_readable(watch, deadline))
			host_fail(h, "%d lines with \"%s\" and \"%s\" in the log, not %d", count, text, text2, n);
		while (read(watch, buf, sizeof(buf)) > 0)
			;
	}
	o = json_tokener_parse(line);
	if (!o)
		host_fail(h, "not JSON: %s", line);
	free(line);
	close(watch);
	return o;
}

int host_log_count(const struct host *h, const char *text)
{
	int count;

	free(find(h, text, "", -1, &count));
	return count;
}

struct json_object *json_at(struct json_object *o, const char *path)
{
	char copy[128], *save, *key;

	snprintf(copy, sizeof(copy), "%s", path);
	for (key = strtok_r(copy, ".", &save); key; key = strtok_r(NULL, ".", &save))
		if (!json_object_object_get_ex(o, key, &o))
			return NULL;
	return o;
}

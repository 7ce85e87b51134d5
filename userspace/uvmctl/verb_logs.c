// SPDX-License-Identifier: MIT
/* `uvmctl logs`, `events`: files that the supervisor writes; to follow them, the kernel tells of every change. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "cleanup.h"
#include "client.h"
#include "jsonset.h"
#include "state.h"
#include "verbs.h"

#define LINE_MAX_LENGTH (1 << 20)

struct reader {
	int fd;
	void (*print)(const char *line);
	char *buf;
	size_t len, size;
	bool cut; /* the line's beginning is not there any more */
};

/* What a guest says is not for the terminal to obey. */
static void print_safe(const char *text)
{
	for (; *text; text++)
		putchar((unsigned char)*text >= ' ' && *text != 0x7F ? *text : *text == '\t' ? '\t' : '?');
}

static void print_raw(const char *line)
{
	puts(line);
}

static void print_members(struct json_object *o, const char *const *known)
{
	json_object_object_foreach(o, key, value) {
		bool shown = false;

		for (const char *const *k = known; *k; k++)
			shown |= !strcmp(*k, key);
		if (shown)
			continue;
		printf(" ");
		print_safe(key);
		printf("=");
		print_safe(json_object_is_type(value, json_type_string) ?
				   json_object_get_string(value) :
				   json_object_to_json_string_ext(value, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
	}
	printf("\n");
}

/* A line of the agent's log for a person at a terminal; what is not one of its lines is the console's. */
static void print_log(const char *line)
{
	static const struct {
		const char *level, *colour;
	} colours[] = { { "error", "\033[31m" }, { "warning", "\033[33m" }, { "info", "" }, { "debug", "\033[2m" } };
	static const char *const known[] = { "time", "level", "msg", NULL };
	_cleanup_json_ struct json_object *o = json_tokener_parse(line);
	const char *level, *colour = "", *time;
	char clock[13];

	if (!json_object_is_type(o, json_type_object)) {
		printf("\033[2m");
		print_safe(line);
		printf("\033[0m\n");
		return;
	}
	level = get_string(o, "level") ?: "info";
	time = get_string(o, "time") ?: "";
	for (size_t i = 0; i < sizeof(colours) / sizeof(colours[0]); i++)
		if (!strcmp(colours[i].level, level))
			colour = colours[i].colour;
	/* Of the time, what differs between lines: hours to milliseconds. */
	snprintf(clock, sizeof(clock), "%s", strchr(time, 'T') ? strchr(time, 'T') + 1 : "");
	printf("%s", colour);
	print_safe(clock);
	printf(" ");
	print_safe(level);
	printf("\033[0m ");
	print_safe(get_string(o, "msg") ?: "");
	print_members(o, known);
}

static void print_event(const char *line)
{
	static const char *const known[] = { "time", "event", "container", NULL };
	_cleanup_json_ struct json_object *o = json_tokener_parse(line);

	if (!json_object_is_type(o, json_type_object))
		return;
	printf("%-30s  %-10s %s", get_string(o, "time") ?: "", get_string(o, "event") ?: "", get_string(o, "container") ?: "");
	print_members(o, known);
}

/* What has come of a line is kept, in front. NULs are where the beginning was given back to the disk: they take no room. */
static void keep_rest(struct reader *r, char *rest)
{
	char *end = r->buf + r->len, *last = memrchr(rest, '\0', (size_t)(end - rest));

	if (last) {
		rest = last + 1;
		r->cut = true;
	}
	r->len = (size_t)(end - rest);
	memmove(r->buf, rest, r->len);
}

/* Whole lines only. */
static int print_lines(struct reader *r, struct gcs_error *err)
{
	char *end, *line;
	ssize_t n;

	for (;;) {
		if (r->len + 1 >= r->size) {
			char *buf = r->size < LINE_MAX_LENGTH ? realloc(r->buf, r->size + 65536) : NULL;

			if (!buf)
				return gcs_fail(err, ENOMEM, HR_FAIL, "the log: a line of %zu bytes", r->len);
			r->buf = buf;
			r->size += 65536;
		}
		n = read(r->fd, r->buf + r->len, r->size - r->len - 1);
		if (n < 0)
			return gcs_fail(err, errno, HR_FAIL, "read the log");
		if (n == 0)
			break;
		r->len += (size_t)n;
		for (line = r->buf; (end = memchr(line, '\n', r->len - (size_t)(line - r->buf))); line = end + 1) {
			*end = '\0';
			if (!r->cut && strlen(line) == (size_t)(end - line))
				r->print(line);
			r->cut = false;
		}
		keep_rest(r, line);
	}
	fflush(stdout);
	return 0;
}

/* Until the supervisor hangs up, which it does after its last line. */
static int follow(struct reader *r, int control, int notify, struct gcs_error *err)
{
	struct pollfd p[] = { { .fd = notify, .events = POLLIN }, { .fd = control, .events = POLLIN } };
	char events[4096];

	while (print_lines(r, err) == 0) {
		if (ferror(stdout))
			return 0;
		if (p[1].revents)
			return print_lines(r, err);
		if (poll(p, 2, -1) < 0 || !p[0].revents)
			continue;
		if (read(notify, events, sizeof(events)) < 0)
			return gcs_fail(err, errno, HR_FAIL, "follow the log");
	}
	return -1;
}

static int show(const struct options *o, const char *file, void (*print)(const char *line), struct gcs_error *err)
{
	_cleanup_close_ int dir_fd = -1, control = client_connect(o->in, &dir_fd, err), fd = -1, notify = -1;
	struct reader r = { .print = print };
	char path[64];
	int ret;

	if (control < 0)
		return -1;
	fd = openat(dir_fd, file, O_RDONLY | O_CLOEXEC);
	notify = inotify_init1(IN_CLOEXEC);
	snprintf(path, sizeof(path), "/proc/self/fd/%d/%s", dir_fd, file);
	if (fd < 0 || notify < 0 || inotify_add_watch(notify, path, IN_MODIFY) < 0)
		return gcs_fail(err, errno, HR_FAIL, "the UVM's %s", file);
	r.fd = fd;
	r.cut = lseek(fd, 0, SEEK_DATA) > 0;
	ret = o->follow ? follow(&r, control, notify, err) : print_lines(&r, err);
	free(r.buf);
	return ret;
}

static int logs(const struct options *o, const char *file, void (*print)(const char *line))
{
	struct gcs_error err = { 0 };

	return show(o, file, print, &err) < 0 ? verb_failed(&err, o->json) : 0;
}

int verb_logs(struct options *o)
{
	return logs(o, STATE_LOG, isatty(STDOUT_FILENO) ? print_log : print_raw);
}

int verb_events(struct options *o)
{
	return logs(o, STATE_EVENTS, o->json ? print_raw : print_event);
}

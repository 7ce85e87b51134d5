// SPDX-License-Identifier: MIT
/* Log lines: text or one JSON object a line, never blocking the program that logs. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "json.h"
#include "log.h"

static const char *const level_names[] = { "trace", "debug", "info", "warning", "error", "fatal", "panic" };

/* Protects what follows; held across a write that does not block. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int out_fd = STDERR_FILENO;
static bool out_is_socket;
static bool use_json;
static _Atomic bool discard;
static _Atomic enum log_level threshold = LOG_INFO;
static uint64_t dropped, dropped_told;
static char rest[LOG_LINE_MAX]; /* of a line that went into a socket in part */
static size_t rest_len;

static __thread const struct log_context *context;

int log_level_parse(const char *name, enum log_level *level)
{
	if (strcasecmp(name, "warn") == 0)
		name = "warning";
	for (size_t i = 0; i < sizeof(level_names) / sizeof(level_names[0]); i++) {
		if (strcasecmp(name, level_names[i]) == 0) {
			*level = i;
			return 0;
		}
	}
	return -1;
}

void log_setup(int fd, bool json, enum log_level level)
{
	static int opened = -1;
	char path[32];
	struct stat st;

	pthread_mutex_lock(&lock);
	/*
	 * O_NONBLOCK belongs to the open file, which the parent and children may share: a pipe or file is
	 * opened once more for ourselves, a socket has a flag for each send.
	 */
	if (opened >= 0)
		close(opened);
	opened = -1;
	out_is_socket = fstat(fd, &st) == 0 && S_ISSOCK(st.st_mode);
	if (!out_is_socket) {
		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		opened = open(path, O_WRONLY | O_APPEND | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
	}
	out_fd = opened >= 0 ? opened : fd;
	use_json = json;
	threshold = level;
	pthread_mutex_unlock(&lock);
}

void log_discard(bool on)
{
	pthread_mutex_lock(&lock);
	discard = on;
	pthread_mutex_unlock(&lock);
}

bool log_enabled(enum log_level level)
{
	return level >= threshold && !discard;
}

uint64_t log_dropped(void)
{
	uint64_t n;

	pthread_mutex_lock(&lock);
	n = dropped;
	pthread_mutex_unlock(&lock);
	return n;
}

void log_context(const struct log_context *c)
{
	context = c;
}

/* A line under construction; two bytes stay free for its end. */
struct line {
	char text[LOG_LINE_MAX];
	size_t len;
};

static void add(struct line *l, const char *text, size_t len)
{
	if (l->len + len <= sizeof(l->text) - 2) {
		memcpy(l->text + l->len, text, len);
		l->len += len;
	}
}

static void add_text(struct line *l, const char *text)
{
	add(l, text, strlen(text));
}

/* As the inside of a JSON string; @room bytes stay free. Text logs get it too: a line stays one line. */
static void add_escaped(struct line *l, const char *text, size_t room)
{
	size_t limit = sizeof(l->text) - 2 - room;

	if (l->len < limit)
		l->len += json_escape(l->text + l->len, limit - l->len, text, strlen(text), NULL);
}

void log_time(char text[LOG_TIME_MAX], const struct timespec *t)
{
	struct tm tm;
	size_t n;

	gmtime_r(&t->tv_sec, &tm);
	n = strftime(text, LOG_TIME_MAX, "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(text + n, LOG_TIME_MAX - n, ".%09ldZ", t->tv_nsec);
}

static void add_time(struct line *l)
{
	char text[LOG_TIME_MAX];
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	log_time(text, &now);
	add_text(l, text);
}

/* A field goes in whole or not at all. */
static void add_field(struct line *l, const struct log_field *f)
{
	char number[24];
	size_t need;

	snprintf(number, sizeof(number), "%" PRId64, f->number);
	need = strlen(f->key) + 6 + (f->text ? json_escape(NULL, 0, f->text, strlen(f->text), NULL) : strlen(number));
	if (l->len + need > sizeof(l->text) - 2)
		return;
	add_text(l, use_json ? ",\"" : " ");
	add_text(l, f->key);
	add_text(l, use_json ? "\":" : "=");
	if (!f->text) {
		add_text(l, number);
		return;
	}
	add_text(l, "\"");
	add_escaped(l, f->text, 1);
	add_text(l, "\"");
}

static void add_context(struct line *l)
{
	const struct log_context *c = context;
	const struct log_field fields[] = {
		{ .key = "activityID", .text = c->activity_id ? c->activity_id : "" },
		{ .key = "cid", .text = c->cid ? c->cid : "" },
		{ .key = "traceID", .text = c->trace_id },
		{ .key = "spanID", .text = c->span_id },
	};

	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		if (*fields[i].text)
			add_field(l, &fields[i]);
}

static void format(struct line *l, enum log_level level, const struct log_field *fields, const char *message)
{
	l->len = 0;
	add_text(l, use_json ? "{\"time\":\"" : "");
	add_time(l);
	add_text(l, use_json ? "\",\"level\":\"" : " ");
	add_text(l, level_names[level]);
	add_text(l, use_json ? "\",\"msg\":\"" : ": ");
	add_escaped(l, message, 512);
	if (use_json)
		add_text(l, "\"");
	if (context)
		add_context(l);
	for (; fields && fields->key; fields++)
		add_field(l, fields);
	if (use_json)
		l->text[l->len++] = '}';
	l->text[l->len++] = '\n';
}

/* As much as goes in without blocking. */
static ssize_t try_write(const char *text, size_t len)
{
	struct pollfd p = { .fd = out_fd, .events = POLLOUT };
	ssize_t n;

	do {
		if (out_is_socket) {
			n = send(out_fd, text, len, MSG_DONTWAIT | MSG_NOSIGNAL);
		} else {
			/* For what could not be opened again: room for PIPE_BUF means no wait. */
			if (poll(&p, 1, 0) == 0)
				return 0;
			n = write(out_fd, text, len);
		}
	} while (n < 0 && errno == EINTR);
	return n < 0 ? 0 : n;
}

/* Returns false if it was dropped. Only a socket can take a part: the rest goes before the next line. */
static bool emit(const char *text, size_t len)
{
	ssize_t n;

	if (rest_len) {
		n = try_write(rest, rest_len);
		rest_len -= n;
		memmove(rest, rest + n, rest_len);
		if (rest_len)
			return false;
	}
	n = try_write(text, len);
	if (n == 0)
		return false;
	rest_len = len - n;
	memcpy(rest, text + n, rest_len);
	return true;
}

void log_line(enum log_level level, const struct log_field *fields, const char *fmt, ...)
{
	char message[LOG_LINE_MAX];
	struct line l;
	va_list ap;

	if (!log_enabled(level))
		return;
	va_start(ap, fmt);
	vsnprintf(message, sizeof(message), fmt, ap);
	va_end(ap);
	pthread_mutex_lock(&lock);
	if (dropped > dropped_told) {
		const struct log_field count[] = { { .key = "dropped", .number = dropped - dropped_told }, { 0 } };
		uint64_t now = dropped;

		format(&l, LOG_WARNING, count, "log lines were dropped: the reader was too slow");
		if (emit(l.text, l.len))
			dropped_told = now;
	}
	format(&l, level, fields, message);
	if (!emit(l.text, l.len))
		dropped++;
	pthread_mutex_unlock(&lock);
}

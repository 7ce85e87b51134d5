/* SPDX-License-Identifier: MIT */
/* Log lines: text or one JSON object a line, never blocking the program that logs. */
#ifndef GCS_LOG_H
#define GCS_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "error.h"

enum log_level { LOG_TRACE, LOG_DEBUG, LOG_INFO, LOG_WARNING, LOG_ERROR, LOG_FATAL, LOG_PANIC };

/* Lines longer than this are cut; it is PIPE_BUF, so that a line enters a pipe whole or not at all. */
#define LOG_LINE_MAX 4096

/* Names as in boot-and-image.md section 5: trace ... panic, "warn" too. Returns 0, or -1 for another. */
int log_level_parse(const char *name, enum log_level *level);

/*
 * Log to @fd, which stays the caller's and must stay open. Before the call: text to stderr from LOG_INFO on.
 * A line that the reader has no room for is dropped and counted; the next one that fits says how many.
 */
void log_setup(int fd, bool json, enum log_level level);

/* Throw everything away from now on (-initial-policy-stance deny), or no longer. */
void log_discard(bool on);

bool log_enabled(enum log_level level);

/* Lines dropped since the start. */
uint64_t log_dropped(void);

/*
 * What the calling thread works on: added to each of its lines, members that are "" are not. The thread
 * must set it back to NULL before *@context goes away.
 */
struct log_context {
	const char *activity_id;
	const char *cid;
	char trace_id[33];
	char span_id[17];
};

void log_context(const struct log_context *context);

/* A time as the host's log reader takes it: RFC 3339, UTC. */
#define LOG_TIME_MAX 64
void log_time(char text[LOG_TIME_MAX], const struct timespec *t);

/* One more field of a line: a string, or a number if @text is NULL. */
struct log_field {
	const char *key;
	const char *text;
	int64_t number;
};

/* A line with fields of its own, ended by a field without key. @fields may be NULL. */
void log_line(enum log_level level, const struct log_field *fields, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

#define log_trace(...) log_line(LOG_TRACE, NULL, __VA_ARGS__)
#define log_debug(...) log_line(LOG_DEBUG, NULL, __VA_ARGS__)
#define log_info(...) log_line(LOG_INFO, NULL, __VA_ARGS__)
#define log_warning(...) log_line(LOG_WARNING, NULL, __VA_ARGS__)
#define log_error(...) log_line(LOG_ERROR, NULL, __VA_ARGS__)

#endif

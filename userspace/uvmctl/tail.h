/* SPDX-License-Identifier: MIT */
/* The end of what somebody says: a thread reads it, so that nobody blocks on us. */
#ifndef UVMCTL_TAIL_H
#define UVMCTL_TAIL_H

#include "error.h"

struct tail;

/* Somebody who gets every whole line, on the reader's thread; it may change the text. */
struct tail_listener {
	void (*line)(void *arg, char *text);
	void *arg;
};

/*
 * Read @fd, which is taken over, to its end; what comes is written to @echo (-1: nowhere) as well, and given to @listener (NULL: none) after
 * that. NULL with @err.
 */
struct tail *tail_start(int fd, int echo, const struct tail_listener *listener, struct gcs_error *err);

/* The last lines, at most @lines, a malloc'd string. "" if there is nothing or @t is NULL. */
char *tail_lines(struct tail *t, unsigned int lines);

/* Stop reading and free; @t may be NULL. */
void tail_stop(struct tail *t);

/* Wait until the end has been read. Only when the other side is known to be gone. */
void tail_finish(struct tail *t);

#endif

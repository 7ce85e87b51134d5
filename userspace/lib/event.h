/* SPDX-License-Identifier: MIT */
/* The event thread: file descriptors and timers, each with a callback. */
#ifndef GCS_EVENT_H
#define GCS_EVENT_H

#include <stdint.h>

#include "error.h"

struct event;

/* Called on the event thread, which nothing may block: hand longer work to a job. @events: EPOLL*. */
typedef void (*event_fn)(struct event *ev, uint32_t events, void *arg);
typedef void (*event_timer_fn)(void *arg);

/* Start the thread. Call once, before anything else here. Returns 0, or -1 with @err. */
int event_start(struct gcs_error *err);

/*
 * Watch @fd, which stays the caller's and is closed only after event_remove(). @events as for
 * epoll_ctl(2). Returns NULL with @err. event_remove() may be called on any thread, in the
 * callback too; on other threads it returns when the callback is not running and will not run.
 */
struct event *event_add(int fd, uint32_t events, event_fn fn, void *arg, struct gcs_error *err);
int event_modify(struct event *ev, uint32_t events);
void event_remove(struct event *ev);

/*
 * Call @fn once, @ms milliseconds from now, on the event thread. The timer is gone after the call.
 * event_timer_cancel() returns 1 if the call will not happen any more, 0 if it has begun (the
 * timer is gone in both cases: cancel at most once and never after the call has returned).
 */
struct event_timer;
struct event_timer *event_timer_add(uint64_t ms, event_timer_fn fn, void *arg, struct gcs_error *err);
int event_timer_cancel(struct event_timer *t);

/*
 * close.c: close @fd where the event thread may. The last close of a terminal's master hangs up its slave and waits for who is in a write
 * there, who may wait for a page for ever: that is left to a thread of its own. Anything else is closed at once.
 */
void close_aside(int fd);

#endif

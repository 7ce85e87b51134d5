/* SPDX-License-Identifier: MIT */
/* gcs.ko as its client sees it: ioctls on /dev/gcs, events of the netlink family. Any thread. */
#ifndef GCS_MODULE_H
#define GCS_MODULE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <linux/gcs.h>

#include "error.h"

/* A stream or a terminal; their ids are of one kind. */
struct module_finished {
	uint64_t id, cookie, bytes_in, bytes_out, lost;
	uint32_t reason; /* enum gcs_stream_reason */
};

/* On the event thread. */
typedef void (*module_finished_fn)(const struct module_finished *f);

/* A stream with GCS_STREAM_KEEP has lost its connection; the oldest byte that it still has is @kept. On the event thread. */
typedef void (*module_lost_fn)(uint64_t id, uint64_t kept);

/* Events were missed: ask with module_list() what there is. On the event thread. */
typedef void (*module_missed_fn)(void);

/*
 * Open /dev/gcs, check what it can do, and listen for what becomes of streams and terminals. Call once, after event_start(). An error
 * if there is no usable module.
 */
int module_init(module_finished_fn finished, module_lost_fn lost, module_missed_fn missed, struct gcs_error *err);

/* /dev/gcs, or -1: there is no module, or it does not have @feature (GCS_FEATURE_*). */
int module_device(uint64_t feature);

/* Make a stream; @flags: GCS_STREAM_*; @socket: -1 or a vsock connection, which stays the caller's. */
int module_stream_open(uint32_t flags, int socket, uint64_t cookie, int *file, uint64_t *id, struct gcs_error *err);
int module_stream_attach(uint64_t id, int socket, struct gcs_error *err);

/* Give one that was lost another connection, which gets what was sent from @offset on, too. */
int module_stream_attach_again(uint64_t id, int socket, uint64_t offset, struct gcs_error *err);

/* A stream or a terminal; @lost and @kept as module_lost_fn says it. */
struct module_stream {
	uint64_t id, kept;
	bool lost;
};

/* All of them; free *@streams. On the event thread only. */
int module_list(struct module_stream **streams, size_t *count, struct gcs_error *err);

/* Returns 1 if the stream has finished already. */
int module_stream_finish(uint64_t id, uint32_t flags, uint32_t idle_ms, uint32_t deadline_ms, struct gcs_error *err);

/*
 * Relay between a pty's master, which stays the caller's, and the connections that module_tty_attach() brings, -1 for none;
 * @flags: GCS_TTY_*. module_tty_finish() returns 1 if the terminal has finished already.
 */
int module_tty_open(uint32_t flags, int master, uint64_t *id, struct gcs_error *err);
int module_tty_attach(uint64_t id, uint32_t flags, int in, int out, struct gcs_error *err);
int module_tty_finish(uint64_t id, uint32_t idle_ms, uint32_t deadline_ms, struct gcs_error *err);

/* --- module_dump.c: a line for each stream and terminal; nothing without a module. ------------- */

void module_dump(FILE *out);

/* --- module_dev.c: the device map. Both return 0 or the errno of <linux/gcs.h>. ------------- */

bool module_has_devices(void);
/* @flags: GCS_WAIT_*. */
int module_dev_wait(const struct gcs_dev_addr *addr, uint32_t flags, uint32_t timeout_ms, struct gcs_dev_wait *w);
int module_dev_eject(const struct gcs_dev_addr *addr);

#endif

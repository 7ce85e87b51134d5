/* SPDX-License-Identifier: MIT */
/* What goes to the host: one queue, one thread for what has to wait, and the rules about what may follow a lost connection. */
#ifndef GCS_BRIDGE_WRITER_H
#define GCS_BRIDGE_WRITER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "error.h"

/*
 * Connections are known by a number that starts at 1 and is never used twice: a request remembers it, so that
 * its response can tell whether it is still the same one.
 */
typedef uint64_t connection_t;

struct outgoing {
	uint32_t type;
	uint64_t id;
	char *payload; /* malloc'd */
	size_t length;
	connection_t connection; /* that of the request; 0 for a notification */
	/*
	 * On a later connection it waits until that is negotiated and the host has named @cid on it, or
	 * HOLD_MS have passed (bridge.md 12.2). Without it, a response whose connection is gone is dropped.
	 */
	bool hold;
	bool negotiates; /* with it the connection is negotiated */
	char *cid;	 /* malloc'd; NULL if not @hold */
	/* Called once, on the writer's thread or by writer_put(), may be NULL: was it written to the end, or dropped? */
	void (*done)(void *arg, bool written);
	void *arg;
	size_t sent;
	struct outgoing *next;
};

#define HOLD_MS 10000

int writer_start(struct gcs_error *err);

/* Frames go to @fd from now on. */
connection_t writer_attach(int fd);

/* No more: returns when @fd is not in use, which may need a shutdown(2) of it. */
void writer_detach(void);

/* Is the connection negotiated? */
bool writer_negotiated(connection_t connection);

/* The host has sent a request that names @cid. */
void writer_named(connection_t connection, const char *cid);

/* Takes @o over, also if there is no connection. Never waits for the host. */
void writer_put(struct outgoing *o);

/* Wait until what can be sent has been sent. */
void writer_flush(void);

#endif

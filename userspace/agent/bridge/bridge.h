/* SPDX-License-Identifier: MIT */
/* The bridge: the agent's connection to the host (bridge.md). */
#ifndef GCS_BRIDGE_H
#define GCS_BRIDGE_H

#include <stdbool.h>

#include "container/container.h"
#include "error.h"

struct bridge_options {
	bool serve;	   /* -v4; otherwise nothing is implemented */
	bool deny;	   /* the closed door, until a security policy opens it */
	bool confidential; /* the order of requests is measured: one at a time, but waits */
	int in, out;	   /* >= 0: the only connection; -1: dial PORT_BRIDGE, again whenever it is lost */
};

/*
 * Start to connect and to answer. Requests other than the negotiation wait for bridge_ready(), so that
 * the host need not wait for what they use. Call after event_start().
 */
int bridge_start(const struct bridge_options *options, struct gcs_error *err);
void bridge_ready(void);

/* Returns when the only connection has ended and all its requests but waits are answered; otherwise never. */
void bridge_join(void);

/* For container_options.on_exit: notify the host. */
void bridge_container_exited(const char *id, const char *activity_id, enum container_exit_type type);

#endif

/* SPDX-License-Identifier: MIT */
/* The host's end of the bridge: requests and their answers. All of it may be called by several threads. */
#ifndef UVMCTL_BRIDGE_H
#define UVMCTL_BRIDGE_H

#include <stdbool.h>
#include <stdint.h>

#include <json-c/json_object.h>

#include "frame.h"
#include "watch.h"

struct bridge;
struct request;

/* Take over the connection @fd; a thread of its own reads it. NULL with @err. */
struct bridge *bridge_open(int fd, const struct watch *watch, struct gcs_error *err);
/* All requests must be over. NULL is fine. */
void bridge_close(struct bridge *b);

/* Readable when the guest has closed the bridge, or has broken its rules. */
int bridge_ended_fd(const struct bridge *b);

/* From now on every request fails, those that wait too. */
void bridge_end(struct bridge *b);

/*
 * Send a request for @container (a NULL GUID for the VM). @body (taken; NULL: empty) has what is not in every request.
 * It is over with request_take() or request_drop(). NULL with @err.
 */
struct request *bridge_send(struct bridge *b, enum message_type type, const char *container, struct json_object *body,
			    struct gcs_error *err);

/* Readable when request_take() does not wait. */
int request_fd(const struct request *r);

/* The answer is there, or will not come: 0 with *@answer (may be NULL), or -1 with @err: the guest's HRESULT and its words. */
int request_take(struct request *r, struct json_object **answer, struct gcs_error *err);

/* Nobody cares for the answer. NULL is fine. */
void request_drop(struct request *r);

/*
 * Send and wait for the answer. -1 with @err if it could not be sent, did not come, or says that it failed.
 * *@answer (may be NULL) is set on success only.
 */
int bridge_call(struct bridge *b, enum message_type type, const char *container, struct json_object *body,
		struct json_object **answer, struct gcs_error *err);

#endif

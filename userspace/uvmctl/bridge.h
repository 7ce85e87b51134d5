/* SPDX-License-Identifier: MIT */
/* The host's end of the bridge: requests, their answers, notifications. */
#ifndef UVMCTL_BRIDGE_H
#define UVMCTL_BRIDGE_H

#include <stdbool.h>
#include <stdint.h>

#include <json-c/json_object.h>

#include "frame.h"
#include "watch.h"

struct bridge;

/* Take over the connection @fd. NULL with @err. */
struct bridge *bridge_open(int fd, const struct watch *watch, struct gcs_error *err);
void bridge_close(struct bridge *b);

/* Readable when bridge_read() has something to do. */
int bridge_fd(const struct bridge *b);

/* Send a request for @container (a NULL GUID for the VM). @body (taken; NULL: empty) has what is not in every request. */
int bridge_send(struct bridge *b, enum message_type type, const char *container, struct json_object *body, uint64_t *id,
		struct gcs_error *err);

/* Read what has come, without waiting. -1 with @err: the bridge is broken. */
int bridge_read(struct bridge *b, struct gcs_error *err);

/* Take the answer to request @id: 1 with *@answer, 0 if it has not come. Either way nothing is read. */
int bridge_take(struct bridge *b, uint64_t id, struct json_object **answer);

/* What an answer says: 0, or -1 with @err: the guest's HRESULT and its words. */
int bridge_result(enum message_type type, struct json_object *answer, struct gcs_error *err);

/*
 * Send and wait for the answer. -1 with @err if it could not be sent, did not come, or says that it failed.
 * *@answer (may be NULL) is set on success only.
 */
int bridge_call(struct bridge *b, enum message_type type, const char *container, struct json_object *body,
		struct json_object **answer, struct gcs_error *err);

/* The "Type" of the exit notification of @container, NULL if none has come. */
const char *bridge_exit_type(const struct bridge *b, const char *container);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * A request, from the frame to its answer. It is owned by the worker that handles it, or by whoever a handler that
 * returns REQUEST_PENDING has given it to; request_answer() ends it.
 */
#ifndef GCS_BRIDGE_REQUEST_H
#define GCS_BRIDGE_REQUEST_H

#include <stdio.h>
#include <time.h>

#include "bridge.h"
#include "frame.h"
#include "log.h"
#include "messages.h"
#include "writer.h"

struct request {
	const struct message *row; /* NULL: no such message */
	connection_t connection;
	bool negotiated; /* when it was read */
	uint32_t type;
	uint64_t id;
	void *message; /* decoded; begins with struct message_base */
	char *payload;
	size_t length;
	struct log_context log;
	char parent_span[17]; /* "" = the request is the root of its trace */
	struct timespec received;
	struct request *prev, *next; /* of the open ones */
};

#define REQUEST_PENDING 1 /* will be answered elsewhere */
#define REQUEST_SILENT 2  /* is not answered at all */

/*
 * Handle @message, fill in @response (zeroed; what is put there must be malloc'd). Returns 0; -1 with @err;
 * or one of the above.
 */
typedef int (*handle_fn)(struct request *rq, void *message, void *response, struct gcs_error *err);

struct message {
	uint32_t type;
	const struct json_field *table;
	size_t size;
	const struct json_field *response_table;
	size_t response_size;
	handle_fn handle;
	bool unparsed; /* a payload that is not JSON does not matter */
	bool at_once;  /* on the reader's thread, before bridge_ready() */
	/* May be NULL: this one waits for nothing, and so may be handled on the reader's thread. */
	bool (*is_quick)(const void *message);
};

void request_init(const struct bridge_options *options);
void request_ready(void);

/* Takes over the payload. */
void request_submit(struct frame *f, connection_t connection);

/* What becomes of the response. */
struct delivery {
	bool hold; /* as struct outgoing */
	bool negotiates;
	void (*done)(void *arg, bool written);
	void *arg;
};

/* Answer and free: with @response, or with @err. @delivery may be NULL. */
void request_answer(struct request *rq, void *response, const struct gcs_error *err, const struct delivery *delivery);

static inline const struct message_base *request_base(const struct request *rq)
{
	return rq->message;
}

/* What the host can parse as a GUID; anything else it must not get back (bridge.md 5.3). */
bool request_is_guid(const char *s);

/* Is the bridge on descriptors that were given to it, and not that of a VM? */
bool bridge_is_given(void);

/* A line for each open request. */
void request_dump(FILE *out);

/* Since it was read. */
int64_t request_age_us(const struct request *rq);

/* span.c: after decoding; and when the answer is known. */
void span_begin(struct request *rq);
void span_end(const struct request *rq, const struct gcs_error *err);

/* Handlers, by the file that has them. handle_vm.c: */
int handle_negotiate(struct request *rq, void *message, void *response, struct gcs_error *err);
int handle_dump_stacks(struct request *rq, void *message, void *response, struct gcs_error *err);
int handle_shutdown(struct request *rq, void *message, void *response, struct gcs_error *err);

/* handle_container.c: */
int handle_create(struct request *rq, void *message, void *response, struct gcs_error *err);
int handle_start(struct request *rq, void *message, void *response, struct gcs_error *err);
int handle_get_properties(struct request *rq, void *message, void *response, struct gcs_error *err);
bool is_empty_query(const void *message);
int handle_delete(struct request *rq, void *message, void *response, struct gcs_error *err);

/* handle_process.c: */
int handle_execute(struct request *rq, void *message, void *response, struct gcs_error *err);
int handle_wait(struct request *rq, void *message, void *response, struct gcs_error *err);
int handle_signal(struct request *rq, void *message, void *response, struct gcs_error *err);
int handle_resize(struct request *rq, void *message, void *response, struct gcs_error *err);

/* handle_modify.c: */
int handle_modify(struct request *rq, void *message, void *response, struct gcs_error *err);

#endif

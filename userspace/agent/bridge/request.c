// SPDX-License-Identifier: MIT
/* A request, from the frame to its answer: the dispatch table, decoding, errors. */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "jobs.h"
#include "policy.h"
#include "request.h"

#define ROW(type_, name, response, handler, ...) \
	{ .type = type_, .table = name##_message_table, .size = sizeof(struct name##_message), \
	  .response_table = response##_response_table, .response_size = sizeof(struct response##_response), \
	  .handle = handler, ##__VA_ARGS__ }

static bool always(const void *message)
{
	return true;
}

static const struct message rows[] = {
	ROW(MSG_NEGOTIATE_PROTOCOL, negotiate, negotiate, handle_negotiate, .at_once = true),
	ROW(MSG_CREATE, create, create, handle_create),
	ROW(MSG_START, plain, plain, handle_start),
	ROW(MSG_EXECUTE_PROCESS, execute, execute, handle_execute),
	ROW(MSG_WAIT_FOR_PROCESS, wait, wait, handle_wait, .is_quick = always),
	ROW(MSG_SIGNAL_PROCESS, signal, plain, handle_signal),
	ROW(MSG_RESIZE_CONSOLE, resize, plain, handle_resize),
	ROW(MSG_GET_PROPERTIES, properties, properties, handle_get_properties, .is_quick = is_empty_query),
	ROW(MSG_MODIFY_SETTINGS, modify, plain, handle_modify),
	ROW(MSG_SHUTDOWN_GRACEFUL, plain, plain, handle_shutdown),
	ROW(MSG_SHUTDOWN_FORCED, plain, plain, handle_shutdown),
	ROW(MSG_DUMP_STACKS, plain, stacks, handle_dump_stacks, .unparsed = true),
	ROW(MSG_DELETE_CONTAINER_STATE, plain, plain, handle_delete),
};

static struct bridge_options options;

/* Protects the two below. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t became_ready = PTHREAD_COND_INITIALIZER;
static bool ready;
static struct request *open_requests;

void request_init(const struct bridge_options *o)
{
	options = *o;
	policy_init(o->deny, o->confidential);
}

void request_ready(void)
{
	pthread_mutex_lock(&lock);
	ready = true;
	pthread_cond_broadcast(&became_ready);
	pthread_mutex_unlock(&lock);
}

static const struct message *find_row(uint32_t type)
{
	for (size_t i = 0; options.serve && i < sizeof(rows) / sizeof(rows[0]); i++)
		if (rows[i].type == type)
			return &rows[i];
	return NULL;
}

bool request_is_guid(const char *s)
{
	static const char form[] = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";

	if (!s || strlen(s) != sizeof(form) - 1)
		return false;
	for (size_t i = 0; form[i]; i++)
		if (form[i] == '-' ? s[i] != '-' : !isxdigit((unsigned char)s[i]))
			return false;
	return true;
}

static void request_free(struct request *rq)
{
	pthread_mutex_lock(&lock);
	if (rq->prev)
		rq->prev->next = rq->next;
	else
		open_requests = rq->next;
	if (rq->next)
		rq->next->prev = rq->prev;
	pthread_mutex_unlock(&lock);
	if (rq->message)
		json_free(rq->row ? rq->row->table : plain_message_table, rq->message);
	free(rq->message);
	free(rq->payload);
	free(rq);
}

static int encode_error(char *activity, const struct gcs_error *err, char **text, size_t *len)
{
	struct gcs_error ignored;
	struct error_record record = { err->hr, (char *)err->text, "gcs", "", 0 };
	struct plain_response response = {
		.base = { err->hr, activity, (char *)err->text, { &record, 1 } },
	};

	return json_encode(plain_response_table, &response, text, len, &ignored);
}

static int encode_response(struct request *rq, char *activity, void *response, char **text, size_t *len,
			   struct gcs_error *err)
{
	struct response_base *base = response;
	int ret;

	base->activity_id = activity;
	ret = json_encode(rq->row->response_table, response, text, len, err);
	base->activity_id = NULL;
	if (ret < 0 || *len <= FRAME_MAX_TO_HOST - FRAME_HEADER_SIZE)
		return ret;
	free(*text);
	return gcs_fail(err, EMSGSIZE, HR_FAIL, "%s: a response of %zu bytes", frame_type_name(rq->type), *len);
}

void request_answer(struct request *rq, void *response, const struct gcs_error *err, const struct delivery *delivery)
{
	struct outgoing *o = calloc(1, sizeof(*o));
	const struct message_base *base = rq->message;
	char *activity = base && request_is_guid(base->activity_id) ? base->activity_id : NULL;
	struct gcs_error failed;
	int ret = -1;

	log_context(&rq->log);
	if (o) {
		o->type = MSG_RESPONSE_TO(rq->type);
		o->id = rq->id;
		o->connection = rq->connection;
		if (!err && encode_response(rq, activity, response, &o->payload, &o->length, &failed) < 0)
			err = &failed;
		ret = err ? encode_error(activity, err, &o->payload, &o->length) : 0;
	}
	if (o && ret == 0 && delivery) {
		o->cid = delivery->hold && base ? strdup(json_str(base->container_id)) : NULL;
		o->hold = o->cid != NULL;
		o->negotiates = delivery->negotiates && !err;
		o->done = delivery->done;
		o->arg = delivery->arg;
	}
	span_end(rq, err);
	if (ret == 0) {
		writer_put(o);
	} else {
		free(o);
		log_error("%s: no memory for the response", frame_type_name(rq->type));
		if (delivery && delivery->done)
			delivery->done(delivery->arg, false);
	}
	log_context(NULL);
	request_free(rq);
}

static int decode(struct request *rq, struct gcs_error *err)
{
	const struct message *row = rq->row;
	int ret;

	rq->message = calloc(1, row ? row->size : sizeof(struct plain_message));
	if (!rq->message)
		return gcs_fail(err, ENOMEM, HR_FAIL, "%s", frame_type_name(rq->type));
	ret = json_decode(row ? row->table : plain_message_table, rq->message, rq->payload, rq->length, err);
	free(rq->payload);
	rq->payload = NULL;
	span_begin(rq);
	if (ret == 0 || !row || row->unparsed)
		return 0;
	return gcs_fail_prefix(err, "%s", frame_type_name(rq->type));
}

static int refuse(const struct request *rq, struct gcs_error *err)
{
	bool negotiate = rq->type == MSG_NEGOTIATE_PROTOCOL;

	if (!rq->row)
		return gcs_fail(err, 0, HR_NOTIMPL, "bridge: message type 0x%08x (%s) is not supported", rq->type,
				frame_type_name(rq->type));
	if (negotiate == rq->negotiated)
		return gcs_fail(err, 0, HR_NOTIMPL, "bridge: %s is not supported %s the protocol is negotiated",
				frame_type_name(rq->type), negotiate ? "after" : "before");
	return 0;
}

/* A request that was decoded. */
static void handle(void *arg)
{
	struct request *rq = arg;
	const struct message *row = rq->row;
	struct gcs_error err = { .hr = HR_FAIL };
	_Alignas(16) char response[256] = { 0 };
	int ret;

	_Static_assert(sizeof(struct negotiate_response) <= sizeof(response), "the largest response fits");
	log_context(&rq->log);
	if (!row->at_once) {
		pthread_mutex_lock(&lock);
		while (!ready)
			pthread_cond_wait(&became_ready, &lock);
		pthread_mutex_unlock(&lock);
	}
	ret = policy_ask(rq->type, rq->message, &err);
	if (ret == 0)
		ret = row->handle(rq, rq->message, response, &err);
	/* The request may be gone if it is pending. */
	log_context(NULL);
	if (ret == REQUEST_PENDING)
		return;
	if (ret == REQUEST_SILENT)
		request_free(rq);
	else
		request_answer(rq, response, ret < 0 ? &err : NULL,
			       &(struct delivery){ .negotiates = row->type == MSG_NEGOTIATE_PROTOCOL });
	json_free(row->response_table, response);
}

/* Returns false if the request is answered with an error by now. */
static bool understand(struct request *rq)
{
	struct gcs_error err = { .hr = HR_FAIL }, ignored;

	if (refuse(rq, &err) < 0) {
		decode(rq, &ignored);
		request_answer(rq, NULL, &err, NULL);
		return false;
	}
	if (decode(rq, &err) < 0) {
		request_answer(rq, NULL, &err, NULL);
		return false;
	}
	if (*json_str(request_base(rq)->container_id))
		writer_named(rq->connection, request_base(rq)->container_id);
	return true;
}

static void run(void *arg)
{
	if (understand(arg))
		handle(arg);
}

static bool is_ready(void)
{
	bool yes;

	pthread_mutex_lock(&lock);
	yes = ready;
	pthread_mutex_unlock(&lock);
	return yes;
}

/* On the reader's thread, which must go on reading: there if it waits for nothing, else on a worker's. */
static void run_quick(struct request *rq)
{
	if (!understand(rq))
		return;
	if (rq->row->is_quick(rq->message) && is_ready())
		handle(rq);
	else
		job_submit(handle, rq);
}

void request_submit(struct frame *f, connection_t connection)
{
	struct request *rq = calloc(1, sizeof(*rq));

	if (!rq) {
		log_error("%s, id %" PRIu64 ": no memory", frame_type_name(f->type), f->id);
		free(f->payload);
		return;
	}
	rq->connection = connection;
	rq->negotiated = writer_negotiated(connection);
	rq->row = find_row(f->type);
	rq->type = f->type;
	rq->id = f->id;
	rq->payload = f->payload;
	rq->length = f->length;
	rq->log.activity_id = rq->log.cid = "";
	clock_gettime(CLOCK_MONOTONIC, &rq->received);
	pthread_mutex_lock(&lock);
	rq->next = open_requests;
	if (open_requests)
		open_requests->prev = rq;
	open_requests = rq;
	pthread_mutex_unlock(&lock);
	if (rq->row && rq->row->at_once)
		run(rq);
	else if (rq->row && rq->row->is_quick && !options.confidential)
		run_quick(rq);
	else
		job_submit(run, rq);
}

void request_dump(FILE *out)
{
	pthread_mutex_lock(&lock);
	for (const struct request *rq = open_requests; rq; rq = rq->next)
		fprintf(out, "request %s id %" PRIu64 " open for %" PRId64 " ms\n", frame_type_name(rq->type), rq->id,
			request_age_us(rq) / 1000);
	pthread_mutex_unlock(&lock);
}

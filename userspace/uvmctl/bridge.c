// SPDX-License-Identifier: MIT
/* The host's end of the bridge. */
#include "bridge.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <unistd.h>

#include <json-c/json.h>

#include "cleanup.h"
#include "jsonset.h"
#include "thread.h"
#include "timing.h"
#include "trace.h"

#define CALL_TIMEOUT_MS (5 * 60 * 1000) /* what the host's shim gives a request */

struct request {
	LIST_ENTRY(request) link; /* while the answer is waited for */
	struct bridge *bridge;
	enum message_type type;
	uint64_t id;
	double began;
	char name[96], trace_id[17]; /* for the timeline */
	int fd;
	bool dropped; /* the reader frees it */
	struct json_object *answer;
};

struct bridge {
	int fd, ended_fd;
	const struct watch *watch;
	pthread_t reader;
	/* One frame after the other. Only the guest can hold up who has it; the end of the VM frees him. */
	pthread_mutex_t wire;
	/* Protects what follows, and the requests in the list; nothing is taken inside. */
	pthread_mutex_t lock;
	uint64_t next_id;
	LIST_HEAD(, request) waiting;
	bool ended;
	struct gcs_error why;
};

static void request_free(struct request *r)
{
	close(r->fd);
	json_object_put(r->answer);
	free(r);
}

/* The answer has come, or will not: out of the list, and to who waits. With the lock. */
static void settle(struct request *r, struct json_object *answer)
{
	LIST_REMOVE(r, link);
	r->answer = answer;
	if (answer)
		trace_request(r->type == MSG_WAIT_FOR_PROCESS ? LANE_CONTAINER : LANE_HOST, r->name, r->trace_id, r->began);
	if (r->dropped)
		request_free(r);
	else
		eventfd_write(r->fd, 1);
}

static void end(struct bridge *b, const struct gcs_error *why)
{
	pthread_mutex_lock(&b->lock);
	if (!b->ended) {
		b->ended = true;
		b->why = *why;
	}
	while (!LIST_EMPTY(&b->waiting))
		settle(LIST_FIRST(&b->waiting), NULL);
	pthread_mutex_unlock(&b->lock);
	eventfd_write(b->ended_fd, 1);
}

/* Takes *@answer: who waits gets the only reference, since json-c counts them without regard to threads. */
static int got_answer(struct bridge *b, uint64_t id, struct json_object **answer, struct gcs_error *err)
{
	struct request *r;

	pthread_mutex_lock(&b->lock);
	LIST_FOREACH(r, &b->waiting, link)
		if (r->id == id)
			break;
	if (r)
		settle(r, steal_ptr(answer));
	pthread_mutex_unlock(&b->lock);
	if (r)
		return 0;
	return gcs_fail(err, 0, HR_FAIL, "bridge: the guest answered request %llu, which is not waited for", (unsigned long long)id);
}

static int got_frame(struct bridge *b, const struct frame *f, struct gcs_error *err)
{
	_cleanup_json_ struct json_object *o = json_tokener_parse(f->payload);

	if (!json_object_is_type(o, json_type_object))
		return gcs_fail(err, 0, HR_FAIL, "bridge: the guest sent a %s that is not JSON", frame_type_name(f->type));
	if ((f->type & MSG_TYPE_MASK) == MSG_RESPONSE)
		return got_answer(b, f->id, &o, err);
	/* That a container has ended is known from the wait for its first process. */
	if (f->type == MSG_NOTIFY_CONTAINER)
		return 0;
	return gcs_fail(err, 0, HR_FAIL, "bridge: the guest sent a message of type 0x%08x", f->type);
}

static void *reader(void *arg)
{
	struct bridge *b = arg;
	struct gcs_error err = { 0 };
	struct frame f = { 0 };
	int ret;

	do {
		ret = frame_read(b->fd, FRAME_MAX_TO_HOST, &f, &err);
		if (ret > 0 && got_frame(b, &f, &err) < 0)
			ret = -1;
		free(steal_ptr(&f.payload));
	} while (ret > 0);
	if (ret == 0 || err.err == ECONNRESET || err.err == EPIPE) {
		gcs_fail(&err, 0, HR_FAIL, "the guest closed the bridge");
		err.err = ESHUTDOWN;
	}
	end(b, &err);
	return NULL;
}

struct bridge *bridge_open(int fd, const struct watch *watch, struct gcs_error *err)
{
	struct bridge *b = calloc(1, sizeof(*b));
	int ret = ENOMEM;

	if (b) {
		*b = (struct bridge){ .fd = fd, .watch = watch, .ended_fd = eventfd(0, EFD_CLOEXEC) };
		pthread_mutex_init(&b->wire, NULL);
		pthread_mutex_init(&b->lock, NULL);
		ret = b->ended_fd < 0 ? errno : thread_start(&b->reader, reader, b);
		if (!ret)
			return b;
		if (b->ended_fd >= 0)
			close(b->ended_fd);
		free(b);
	}
	close(fd);
	gcs_fail(err, ret, HR_FAIL, "bridge");
	return NULL;
}

void bridge_end(struct bridge *b)
{
	shutdown(b->fd, SHUT_RDWR);
}

void bridge_close(struct bridge *b)
{
	if (!b)
		return;
	bridge_end(b);
	pthread_join(b->reader, NULL);
	close(b->fd);
	close(b->ended_fd);
	pthread_mutex_destroy(&b->wire);
	pthread_mutex_destroy(&b->lock);
	free(b);
}

int bridge_ended_fd(const struct bridge *b)
{
	return b->ended_fd;
}

/* The answer may come as soon as it is sent: it must be known before. */
static int enlist(struct bridge *b, struct request *r, struct gcs_error *err)
{
	int ret = 0;

	pthread_mutex_lock(&b->lock);
	if (b->ended) {
		if (err)
			*err = b->why;
		ret = -1;
	} else {
		r->id = b->next_id++;
		LIST_INSERT_HEAD(&b->waiting, r, link);
	}
	pthread_mutex_unlock(&b->lock);
	return ret;
}

/* How the timeline calls it: what a ModifySettings is about, and whose process is waited for. */
static void name_request(struct request *r, const char *container, struct json_object *body)
{
	struct json_object *request;

	if (r->type == MSG_WAIT_FOR_PROCESS)
		snprintf(r->name, sizeof(r->name), "process %lld of %.12s", (long long)get_number(body, "ProcessId"),
			 strcmp(container, NULL_GUID) ? container : "the UVM");
	else if (json_object_object_get_ex(body, "Request", &request))
		snprintf(r->name, sizeof(r->name), "%s %s", get_string(request, "ResourceType") ?: "",
			 get_string(request, "RequestType") ?: "");
	else
		snprintf(r->name, sizeof(r->name), "%s", frame_type_name(r->type));
}

/* As the host's tracing does: the agent logs a span of the request, below ours. */
static void add_trace(struct json_object *body, const char *span_id)
{
	struct json_object *headers = json_object_new_object();
	char parent[64];

	snprintf(parent, sizeof(parent), "00-%016x%s-%s-01", 1, span_id, span_id);
	set_string(headers, "traceparent", parent);
	json_object_object_add(body, "otsc", headers);
}

struct request *bridge_send(struct bridge *b, enum message_type type, const char *container, struct json_object *body,
			    struct gcs_error *err)
{
	_cleanup_json_ struct json_object *o = body ? body : json_object_new_object();
	struct request *r = calloc(1, sizeof(*r));
	struct frame f = { .type = type };
	_cleanup_free_ char *line = NULL;
	int n = -1, ret;

	json_object_object_add(o, "ContainerId", json_object_new_string(container));
	json_object_object_add(o, "ActivityId", json_object_new_string(NULL_GUID));
	if (r) {
		*r = (struct request){ .bridge = b, .type = type, .began = timing_now(), .fd = eventfd(0, EFD_CLOEXEC) };
		name_request(r, container, o);
		trace_new_id(r->trace_id);
		add_trace(o, r->trace_id);
		n = asprintf(&line, "%s\n", json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN));
	}
	if (n < 0)
		line = NULL;
	if (!line || !r || r->fd < 0) {
		free(r);
		gcs_fail(err, line && r ? errno : ENOMEM, HR_FAIL, "bridge: %s", frame_type_name(type));
		return NULL;
	}
	if (enlist(b, r, err) < 0) {
		request_free(r);
		return NULL;
	}
	f.id = r->id;
	f.payload = line;
	f.length = (size_t)n;
	pthread_mutex_lock(&b->wire);
	ret = frame_write(b->fd, FRAME_MAX_TO_GUEST, &f, err);
	pthread_mutex_unlock(&b->wire);
	if (ret == 0)
		return r;
	request_drop(r);
	return NULL;
}

int request_fd(const struct request *r)
{
	return r->fd;
}

/* What an answer says. */
static int result(enum message_type type, struct json_object *answer, struct gcs_error *err)
{
	struct json_object *result, *text;
	int32_t code;

	if (!json_object_object_get_ex(answer, "Result", &result))
		return gcs_fail(err, 0, HR_FAIL, "guest: the answer to %s has no Result", frame_type_name(type));
	code = json_object_get_int(result);
	if (!code)
		return 0;
	if (!json_object_object_get_ex(answer, "ErrorMessage", &text))
		text = NULL;
	return gcs_fail(err, 0, (uint32_t)code, "guest: %s: %s (0x%08x)", frame_type_name(type),
			text ? json_object_get_string(text) : "failed", (uint32_t)code);
}

int request_take(struct request *r, struct json_object **answer, struct gcs_error *err)
{
	struct bridge *b = r->bridge;
	int ret = -1;

	/* After this the reader does not touch it. */
	pthread_mutex_lock(&b->lock);
	if (!r->answer && err)
		*err = b->why;
	pthread_mutex_unlock(&b->lock);
	if (r->answer)
		ret = result(r->type, r->answer, err);
	if (ret == 0 && answer)
		*answer = steal_ptr(&r->answer);
	request_free(r);
	return ret;
}

void request_drop(struct request *r)
{
	struct bridge *b = r ? r->bridge : NULL;
	struct request *in_list = NULL;

	if (!r)
		return;
	pthread_mutex_lock(&b->lock);
	LIST_FOREACH(in_list, &b->waiting, link)
		if (in_list == r)
			break;
	r->dropped = true;
	pthread_mutex_unlock(&b->lock);
	if (!in_list)
		request_free(r);
}

int bridge_call(struct bridge *b, enum message_type type, const char *container, struct json_object *body,
		struct json_object **answer, struct gcs_error *err)
{
	struct request *r = bridge_send(b, type, container, body, err);
	char what[64];

	if (!r)
		return -1;
	snprintf(what, sizeof(what), "the answer to %s", frame_type_name(type));
	if (watch_wait(b->watch, r->fd, POLLIN, watch_deadline(CALL_TIMEOUT_MS), what, err) == 0)
		return request_take(r, answer, err);
	request_drop(r);
	return -1;
}

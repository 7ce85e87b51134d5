// SPDX-License-Identifier: MIT
/* The host's end of the bridge. */
#include "bridge.h"

#include <endian.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <json-c/json.h>

#include "cleanup.h"

#define CALL_TIMEOUT_MS (5 * 60 * 1000) /* what the host's shim gives a request */

struct bridge {
	int fd;
	const struct watch *watch;
	uint64_t next_id;
	struct json_object *answers; /* by id, in decimal */
	struct json_object *exits;   /* exit notifications: container to type */
	struct json_object *waiting; /* ids of requests without answer */
	size_t len;
	char buf[FRAME_MAX_TO_HOST + 1];
};

struct bridge *bridge_open(int fd, const struct watch *watch, struct gcs_error *err)
{
	struct bridge *b = calloc(1, sizeof(*b));

	if (!b) {
		close(fd);
		gcs_fail(err, ENOMEM, HR_FAIL, "bridge");
		return NULL;
	}
	b->fd = fd;
	b->watch = watch;
	b->answers = json_object_new_object();
	b->exits = json_object_new_object();
	b->waiting = json_object_new_object();
	return b;
}

void bridge_close(struct bridge *b)
{
	if (!b)
		return;
	close(b->fd);
	json_object_put(b->answers);
	json_object_put(b->exits);
	json_object_put(b->waiting);
	free(b);
}

int bridge_fd(const struct bridge *b)
{
	return b->fd;
}

static const char *key(uint64_t id, char text[24])
{
	snprintf(text, 24, "%llu", (unsigned long long)id);
	return text;
}

int bridge_send(struct bridge *b, enum message_type type, const char *container, struct json_object *body, uint64_t *id,
		struct gcs_error *err)
{
	_cleanup_json_ struct json_object *o = body ? body : json_object_new_object();
	struct frame f = { .type = type, .id = b->next_id };
	_cleanup_free_ char *line = NULL;
	char text[24];
	int n;

	json_object_object_add(o, "ContainerId", json_object_new_string(container));
	json_object_object_add(o, "ActivityId", json_object_new_string(NULL_GUID));
	n = asprintf(&line, "%s\n", json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN));
	if (n < 0) {
		line = NULL;
		return gcs_fail(err, ENOMEM, HR_FAIL, "bridge: %s", frame_type_name(type));
	}
	f.payload = line;
	f.length = (size_t)n;
	if (frame_write(b->fd, FRAME_MAX_TO_GUEST, &f, err) < 0)
		return -1;
	json_object_object_add(b->waiting, key(f.id, text), json_object_new_boolean(true));
	*id = b->next_id++;
	return 0;
}

static int got_frame(struct bridge *b, const struct frame_header *h, const char *payload, size_t len, struct gcs_error *err)
{
	struct json_tokener *tokener = json_tokener_new();
	_cleanup_json_ struct json_object *o = NULL;
	struct json_object *container, *type;
	uint32_t message = le32toh(h->type);
	char text[24];

	o = json_tokener_parse_ex(tokener, payload, (int)len);
	if (!o && json_tokener_get_error(tokener) == json_tokener_continue)
		o = json_tokener_parse_ex(tokener, "\n", 1);
	json_tokener_free(tokener);
	if (!json_object_is_type(o, json_type_object))
		return gcs_fail(err, 0, HR_FAIL, "bridge: the guest sent a %s that is not JSON", frame_type_name(message));
	switch (message & MSG_TYPE_MASK) {
	case MSG_RESPONSE:
		key(le64toh(h->id), text);
		if (!json_object_object_get_ex(b->waiting, text, NULL))
			return gcs_fail(err, 0, HR_FAIL, "bridge: the guest answered request %s, which is not waited for", text);
		json_object_object_del(b->waiting, text);
		json_object_object_add(b->answers, text, steal_ptr(&o));
		return 0;
	case MSG_NOTIFICATION:
		if (message == MSG_NOTIFY_CONTAINER && json_object_object_get_ex(o, "ContainerId", &container) &&
		    json_object_object_get_ex(o, "Type", &type)) {
			json_object_object_add(b->exits, json_object_get_string(container), json_object_get(type));
			return 0;
		}
		/* fall through */
	default:
		return gcs_fail(err, 0, HR_FAIL, "bridge: the guest sent a message of type 0x%08x", message);
	}
}

/* Take complete frames out of the buffer. */
static int take_frames(struct bridge *b, struct gcs_error *err)
{
	struct frame_header h;
	uint32_t size;

	while (b->len >= FRAME_HEADER_SIZE) {
		memcpy(&h, b->buf, sizeof(h));
		size = le32toh(h.size);
		if (size < FRAME_HEADER_SIZE || size > FRAME_MAX_TO_HOST)
			return gcs_fail(err, 0, HR_FAIL, "bridge: the guest sent a frame of %u bytes", size);
		if (b->len < size)
			return 0;
		if (got_frame(b, &h, b->buf + FRAME_HEADER_SIZE, size - FRAME_HEADER_SIZE, err) < 0)
			return -1;
		b->len -= size;
		memmove(b->buf, b->buf + size, b->len);
	}
	return 0;
}

int bridge_read(struct bridge *b, struct gcs_error *err)
{
	ssize_t n = recv(b->fd, b->buf + b->len, sizeof(b->buf) - b->len, MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n <= 0) {
		gcs_fail(err, n < 0 ? errno : 0, HR_FAIL, "the guest closed the bridge");
		err->err = ESHUTDOWN;
		return -1;
	}
	b->len += (size_t)n;
	return take_frames(b, err);
}

int bridge_take(struct bridge *b, uint64_t id, struct json_object **answer)
{
	char text[24];

	if (!json_object_object_get_ex(b->answers, key(id, text), answer))
		return 0;
	json_object_get(*answer);
	json_object_object_del(b->answers, text);
	return 1;
}

int bridge_result(enum message_type type, struct json_object *answer, struct gcs_error *err)
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

int bridge_call(struct bridge *b, enum message_type type, const char *container, struct json_object *body,
		struct json_object **answer, struct gcs_error *err)
{
	_cleanup_json_ struct json_object *got = NULL;
	int64_t deadline = watch_deadline(CALL_TIMEOUT_MS);
	char what[64];
	uint64_t id;

	snprintf(what, sizeof(what), "the answer to %s", frame_type_name(type));
	if (bridge_send(b, type, container, body, &id, err) < 0)
		return -1;
	while (!bridge_take(b, id, &got))
		if (watch_wait(b->watch, b->fd, POLLIN, deadline, what, err) < 0 || bridge_read(b, err) < 0)
			return -1;
	if (bridge_result(type, got, err) < 0)
		return -1;
	if (answer)
		*answer = steal_ptr(&got);
	return 0;
}

const char *bridge_exit_type(const struct bridge *b, const char *container)
{
	struct json_object *type;

	return json_object_object_get_ex(b->exits, container, &type) ? json_object_get_string(type) : NULL;
}

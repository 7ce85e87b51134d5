// SPDX-License-Identifier: MIT
/* QEMU's monitor protocol: a JSON object a line; answers come in order, events in between. */
#include "qmp.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <json-c/json.h>

#include "cleanup.h"
#include "fds.h"

#define QMP_TIMEOUT_MS 30000
#define QMP_LINE_MAX (1 << 20)

struct qmp {
	int fd;
	const struct watch *watch;
	struct json_tokener *tokener;
	char *buf;
	size_t len, size;
	int64_t next_id;
	struct json_object *deleted; /* ids of removed devices, an object as a set */
	int version;
	pthread_mutex_t lock; /* the monitor takes one command at a time: held until its answer, or an event, has come */
};

/* Take a line out of the buffer. NULL: none is complete. */
static struct json_object *next_line(struct qmp *q)
{
	char *end = memchr(q->buf, '\n', q->len);
	struct json_object *o;
	size_t line;

	if (!end)
		return NULL;
	line = (size_t)(end - q->buf);
	json_tokener_reset(q->tokener);
	o = json_tokener_parse_ex(q->tokener, q->buf, (int)line);
	q->len -= line + 1;
	memmove(q->buf, end + 1, q->len);
	return o ? o : json_object_new_object();
}

static int fill(struct qmp *q, int64_t deadline, const char *what, struct gcs_error *err)
{
	ssize_t n;

	if (q->len == q->size) {
		char *buf = q->size < QMP_LINE_MAX ? realloc(q->buf, q->size + 65536) : NULL;

		if (!buf)
			return gcs_fail(err, ENOMEM, HR_FAIL, "QMP: answer to %s", what);
		q->buf = buf;
		q->size += 65536;
	}
	if (watch_wait(q->watch, q->fd, POLLIN, deadline, what, err) < 0)
		return -1;
	n = recv(q->fd, q->buf + q->len, q->size - q->len, 0);
	if (n < 0 && errno == EINTR)
		return 0;
	if (n <= 0) {
		gcs_fail(err, n < 0 ? errno : 0, HR_FAIL, "QEMU closed its monitor while waiting for %s", what);
		err->err = ESHUTDOWN;
		return -1;
	}
	q->len += (size_t)n;
	return 0;
}

static void note_event(struct qmp *q, struct json_object *o)
{
	struct json_object *event, *data, *device;

	if (json_object_object_get_ex(o, "event", &event) && !strcmp(json_object_get_string(event), "DEVICE_DELETED") &&
	    json_object_object_get_ex(o, "data", &data) && json_object_object_get_ex(data, "device", &device))
		json_object_object_add(q->deleted, json_object_get_string(device), json_object_new_boolean(true));
}

/* Is it the answer to command @id? That to an earlier one may be late. */
static bool answers(struct json_object *o, int64_t id)
{
	struct json_object *v;

	return json_object_object_get_ex(o, "id", &v) && json_object_get_int64(v) == id;
}

/* Read on until a message has the member @key, or is the answer to command @id. */
static struct json_object *await(struct qmp *q, const char *key, int64_t id, const char *what, struct gcs_error *err)
{
	int64_t deadline = watch_deadline(QMP_TIMEOUT_MS);
	struct json_object *o;

	for (;;) {
		while ((o = next_line(q))) {
			note_event(q, o);
			if (key ? json_object_object_get_ex(o, key, NULL) : answers(o, id))
				return o;
			json_object_put(o);
		}
		if (fill(q, deadline, what, err) < 0)
			return NULL;
	}
}

static int send_line(struct qmp *q, const char *line, int fd, const char *what, struct gcs_error *err)
{
	size_t length = strlen(line);

	/* Commands are far smaller than the socket's buffer: they go at once or not at all. */
	if (fds_send(q->fd, line, length, &fd, fd >= 0, 0) != (ssize_t)length)
		return gcs_fail(err, errno, HR_FAIL, "QMP: send %s", what);
	return 0;
}

static int execute(struct qmp *q, const char *command, struct json_object *arguments, int fd, struct gcs_error *err)
{
	_cleanup_json_ struct json_object *request = json_object_new_object(), *answer = NULL;
	struct json_object *error, *text;
	int64_t id = q->next_id++;

	json_object_object_add(request, "id", json_object_new_int64(id));
	json_object_object_add(request, "execute", json_object_new_string(command));
	if (arguments)
		json_object_object_add(request, "arguments", arguments);
	if (send_line(q, json_object_to_json_string_ext(request, JSON_C_TO_STRING_PLAIN), fd, command, err) < 0)
		return -1;
	answer = await(q, NULL, id, command, err);
	if (!answer)
		return -1;
	if (!json_object_object_get_ex(answer, "error", &error))
		return 0;
	gcs_fail(err, 0, HR_FAIL, "QEMU: %s: %s", command,
		 json_object_object_get_ex(error, "desc", &text) ? json_object_get_string(text) : "failed");
	if (err && json_object_object_get_ex(error, "class", &text) && !strcmp(json_object_get_string(text), "DeviceNotFound"))
		err->err = ENODEV;
	return -1;
}

int qmp_execute(struct qmp *q, const char *command, struct json_object *arguments, int fd, struct gcs_error *err)
{
	int ret;

	pthread_mutex_lock(&q->lock);
	ret = execute(q, command, arguments, fd, err);
	pthread_mutex_unlock(&q->lock);
	return ret;
}

static int wait_deleted(struct qmp *q, const char *id, struct gcs_error *err)
{
	int64_t deadline = watch_deadline(QMP_TIMEOUT_MS);
	struct json_object *o;

	while (!json_object_object_get_ex(q->deleted, id, NULL)) {
		o = next_line(q);
		if (o) {
			note_event(q, o);
			json_object_put(o);
		} else if (fill(q, deadline, "the removal of a device", err) < 0) {
			return -1;
		}
	}
	json_object_object_del(q->deleted, id);
	return 0;
}

int qmp_remove_device(struct qmp *q, const char *id, struct gcs_error *err)
{
	struct json_object *arguments = json_object_new_object();
	struct gcs_error failed = { 0 };
	int ret;

	json_object_object_add(arguments, "id", json_object_new_string(id));
	pthread_mutex_lock(&q->lock);
	ret = execute(q, "device_del", arguments, -1, &failed) == 0 ? wait_deleted(q, id, &failed) : -1;
	pthread_mutex_unlock(&q->lock);
	if (ret == 0)
		return 0;
	/* It has gone after we had stopped waiting for that. */
	if (failed.err == ENODEV)
		return 0;
	if (err)
		*err = failed;
	return -1;
}

/* { "QMP": { "version": { "qemu": { "major": 8, "minor": 1, ... } } } } */
static int greeting_version(struct json_object *greeting)
{
	static const char *const path[] = { "QMP", "version", "qemu" };
	struct json_object *o = greeting, *major, *minor;

	for (size_t i = 0; i < sizeof(path) / sizeof(path[0]); i++)
		if (!json_object_object_get_ex(o, path[i], &o))
			return 0;
	if (!json_object_object_get_ex(o, "major", &major) || !json_object_object_get_ex(o, "minor", &minor))
		return 0;
	return json_object_get_int(major) * 100 + json_object_get_int(minor);
}

int qmp_version(const struct qmp *q)
{
	return q->version;
}

struct qmp *qmp_open(int fd, const struct watch *watch, struct gcs_error *err)
{
	struct qmp *q = calloc(1, sizeof(*q));
	_cleanup_json_ struct json_object *greeting = NULL;

	if (q)
		q->tokener = json_tokener_new();
	if (!q || !q->tokener) {
		free(q);
		close(fd);
		gcs_fail(err, ENOMEM, HR_FAIL, "QMP");
		return NULL;
	}
	pthread_mutex_init(&q->lock, NULL);
	q->fd = fd;
	q->watch = watch;
	q->deleted = json_object_new_object();
	q->buf = malloc(q->size = 65536);
	greeting = q->buf ? await(q, "QMP", 0, "QEMU's greeting", err) : NULL;
	q->version = greeting ? greeting_version(greeting) : 0;
	if (greeting && qmp_execute(q, "qmp_capabilities", NULL, -1, err) == 0)
		return q;
	qmp_close(q);
	return NULL;
}

void qmp_close(struct qmp *q)
{
	if (!q)
		return;
	close(q->fd);
	json_tokener_free(q->tokener);
	json_object_put(q->deleted);
	free(q->buf);
	free(q);
}

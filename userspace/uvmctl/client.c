// SPDX-License-Identifier: MIT
/* Requests to the supervisor. */
#include "client.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "cleanup.h"
#include "jsonset.h"
#include "state.h"

/* The only one, or NULL with @err. */
static char *only_one(int state_fd, struct gcs_error *err)
{
	char **names = state_names(state_fd, err), *name = NULL;

	if (!names)
		return NULL;
	if (!names[0])
		gcs_fail(err, 0, HR_FAIL, "no UVM runs; `uvmctl up` starts one");
	else if (names[1])
		gcs_fail(err, 0, HR_FAIL, "several UVMs run, %s and %s%s: say which with --in", names[0], names[1],
			 names[2] ? " among them" : "");
	else {
		name = names[0];
		names[0] = NULL;
	}
	state_free_names(names);
	return name;
}

static int ended(struct gcs_error *err, const char *name)
{
	gcs_fail(err, 0, HR_FAIL, "the supervisor of %s%s has ended", *name ? "UVM " : "the UVM", name);
	if (err)
		err->err = ESHUTDOWN;
	return -1;
}

int client_connect(const char *in, int *dir_fd, struct gcs_error *err)
{
	_cleanup_close_ int state_fd = state_open(err), dir = -1;
	_cleanup_free_ char *only = NULL;
	int fd;

	if (state_fd < 0)
		return -1;
	if (!in)
		in = only = only_one(state_fd, err);
	dir = in ? state_find(state_fd, in, err) : -1;
	if (dir < 0)
		return -1;
	fd = control_connect(dir, STATE_CONTROL, err);
	/* Between a look at the lock and this it may have gone. */
	if (fd < 0 && (err->err == ECONNREFUSED || err->err == ENOENT))
		return ended(err, in);
	if (fd < 0)
		return gcs_fail_prefix(err, "UVM %s", in);
	if (dir_fd)
		*dir_fd = steal_fd(&dir);
	return fd;
}

struct json_object *client_new(const char *verb, const char *container)
{
	struct json_object *o = json_object_new_object();

	set_string(o, "verb", verb);
	if (container)
		set_string(o, "container", container);
	return o;
}

int client_hear(int fd, struct control_fds *fds, struct json_object **answer, struct gcs_error *err)
{
	_cleanup_json_ struct json_object *message = NULL;
	const char *text;
	int ret = control_receive(fd, &message, fds, err);

	if (ret < 0)
		return -1;
	if (ret == 0)
		return ended(err, "");
	text = get_string(message, "error");
	if (text) {
		gcs_fail(err, 0, HR_FAIL, "%s", text);
		if (err)
			err->err = (int)get_number(message, "errno");
		return -1;
	}
	if (answer)
		*answer = steal_ptr(&message);
	return 0;
}

int client_ask(int fd, struct json_object *request, struct control_fds *fds, struct json_object **answer, struct gcs_error *err)
{
	struct gcs_error send_err = { 0 };
	int ret = control_send(fd, request, fds, &send_err);

	json_object_put(request);
	/* Who has hung up has said why. */
	if (ret == 0 || send_err.err == EPIPE)
		return client_hear(fd, fds, answer, err);
	if (err)
		*err = send_err;
	return -1;
}

int client_request(const char *in, struct json_object *request, struct json_object **answer, struct gcs_error *err)
{
	_cleanup_close_ int fd = client_connect(in, NULL, err);

	if (fd >= 0)
		return client_ask(fd, request, NULL, answer, err);
	json_object_put(request);
	return -1;
}

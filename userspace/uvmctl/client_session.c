// SPDX-License-Identifier: MIT
/* At the streams of a process that the supervisor has: it has the connections too, so that we may go at any time. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "cleanup.h"
#include "client.h"
#include "jsonset.h"
#include "session.h"
#include "verbs.h"

struct attached {
	struct session session;
	int control;
	int sockets[3], spools[3];
};

static int say(struct attached *a, struct json_object *message, struct gcs_error *err)
{
	/* A supervisor that has ended is noticed at its answer. */
	int ret = control_send(a->control, message, NULL, err);

	json_object_put(message);
	return ret < 0 && err->err != EPIPE ? -1 : 0;
}

static int pass_signal(void *arg, int signal, struct gcs_error *err)
{
	struct json_object *message = json_object_new_object();

	set_number(message, "signal", signal);
	return say(arg, message, err);
}

static int pass_size(void *arg, uint16_t rows, uint16_t columns, struct gcs_error *err)
{
	struct json_object *message = json_object_new_object(), *size = json_object_new_array();

	json_object_array_add(size, json_object_new_int(rows));
	json_object_array_add(size, json_object_new_int(columns));
	json_object_object_add(message, "resize", size);
	return say(arg, message, err);
}

/* Which descriptor is which: first those that are named in "streams", then those in "spooled". */
static void sort_fds(struct attached *a, struct json_object *message, struct control_fds *fds)
{
	static const char *const names[3] = { "stdin", "stdout", "stderr" };
	struct json_object *lists[] = { get_array(message, "streams"), get_array(message, "spooled") };
	int *const to[] = { a->sockets, a->spools };
	unsigned int next = 0;

	for (int list = 0; list < 2; list++)
		for (size_t i = 0; lists[list] && i < json_object_array_length(lists[list]); i++)
			for (int j = 0; j < 3; j++)
				if (next < fds->count &&
				    !strcmp(names[j], json_object_get_string(json_object_array_get_idx(lists[list], i)) ?: ""))
					to[list][j] = steal_fd(&fds->fds[next++]);
	control_close(fds);
}

/* Returns 0 with *@code, 1 if the user has detached, or -1 with @err. */
static int live(struct attached *a, struct json_object *message, struct control_fds *fds, uint32_t *code, struct gcs_error *err)
{
	_cleanup_json_ struct json_object *end = NULL;
	int ret;

	sort_fds(a, message, fds);
	a->session.tty = get_bool(message, "tty");
	/* A terminal whose keys come from a file or pipe has no keyboard to make raw. */
	a->session.interactive = get_bool(message, "interactive") && (!a->session.tty || isatty(STDIN_FILENO));
	/* From here on signals are the process's; before, one just ends us. */
	ret = session_signals(&a->session, err);
	if (ret == 0)
		ret = session_start(&a->session, a->sockets, a->spools, err);
	if (ret == 0)
		ret = session_wait(&a->session, a->control, -1, err);
	if (ret == 0)
		ret = client_hear(a->control, NULL, &end, err);
	if (ret == 0)
		ret = session_finish(&a->session, err);
	else if (ret > 0 && session_detach(&a->session, err) < 0)
		ret = -1;
	if (end)
		*code = (uint32_t)get_number(end, "exit_code");
	return ret;
}

static int finish(struct attached *a, const struct options *o, int ret, uint32_t code, const struct gcs_error *err)
{
	if (a->session.signal)
		return 128 + a->session.signal;
	if (ret < 0)
		return verb_failed(err, o->json);
	if (ret > 0)
		fprintf(stderr, "uvmctl: detached; `uvmctl attach` returns\n");
	else if (o->json)
		fprintf(stderr, "{\"exit_code\":%u}\n", code);
	return ret == 0 ? (int)(code & 0xFF) : 0;
}

int client_session(const struct options *o, struct json_object *request)
{
	static const struct session_ops ops = { .signal = pass_signal, .resize = pass_size };
	struct attached a = { .session = SESSION_INIT, .sockets = { -1, -1, -1 }, .spools = { -1, -1, -1 } };
	_cleanup_json_ struct json_object *message = NULL;
	struct control_fds fds = { .count = 0 };
	struct gcs_error err = { 0 };
	uint32_t code = 0;
	int ret;

	a.session.ops = &ops;
	a.session.arg = &a;
	a.session.detachable = true;
	a.control = client_connect(o->in, NULL, &err);
	if (a.control < 0) {
		json_object_put(request);
		return verb_failed(&err, o->json);
	}
	if (get_bool(request, "tty") && terminal_size(&a.session.rows, &a.session.columns)) {
		set_number(request, "rows", a.session.rows);
		set_number(request, "columns", a.session.columns);
	}
	ret = client_ask(a.control, request, &fds, &message, &err);
	if (ret == 0)
		ret = live(&a, message, &fds, &code, &err);
	session_end(&a.session);
	/* The supervisor hangs up when it has removed what was to be removed. */
	if (ret == 0)
		client_hear(a.control, NULL, NULL, NULL);
	close(a.control);
	ret = finish(&a, o, ret, code, &err);
	if (a.session.signal_fd >= 0)
		close(a.session.signal_fd);
	return ret;
}

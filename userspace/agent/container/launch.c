// SPDX-License-Identifier: MIT
/* A process of a container: what the runtime makes, joined with its streams or its terminal. */
#include <unistd.h>

#include "cgroup.h"
#include "container/internal.h"
#include "network/network.h"

/* Connect a new set of streams, if that is not for later, which fails with the set or without. */
static struct stdio *connect_now(struct stdio *stdio, int *sockets, struct gcs_error *err)
{
	if (!stdio || !sockets)
		return stdio;
	if (stdio_attach(stdio, sockets, err) == 0)
		return stdio;
	stdio_put(stdio);
	return NULL;
}

static int make(struct container *c, struct json_object *process, bool is_init, const int files[3], struct child *child,
		int *master, struct gcs_error *err)
{
	if (!is_init)
		return runtime_exec(c, process, files, child, master, err);
	if (runtime_create(c, files, child, master, err) < 0)
		return -1;
	/* Nobody else knows the process yet: its pid stays its own, whatever happens to it. */
	if (!c->netns || netns_attach(c->netns, child->pid, err) == 0)
		return 0;
	gcs_fail_prefix(err, "container %s", c->id);
	child_kill(child);
	if (*master >= 0)
		close(*master);
	runtime_remove(c);
	return -1;
}

/* The streams are there before the process, which gets their files. */
static struct stdio *make_with_streams(struct container *c, struct json_object *process, bool is_init, const bool want[3],
				       int *sockets, struct child *child, struct gcs_error *err)
{
	int files[3], no_master;
	bool logged = is_init && c->tee_log;
	struct stdio *stdio = logged ? stdio_new_logged(want, files, err) : stdio_new(want, is_init, files, err);

	stdio = connect_now(stdio, sockets, err);
	if (!stdio)
		gcs_fail_prefix(err, "container %s", c->id);
	if (stdio && make(c, process, is_init, files, child, &no_master, err) < 0) {
		stdio_put(stdio);
		stdio = NULL;
	}
	stdio_close(files);
	return stdio;
}

/* The terminal is the runtime's to make, in the container. */
static struct stdio *make_with_terminal(struct container *c, struct json_object *process, bool is_init, int *sockets,
					struct child *child, int *master, struct gcs_error *err)
{
	struct stdio *stdio;

	if (make(c, process, is_init, NULL, child, master, err) < 0)
		return NULL;
	stdio = is_init && c->tee_log ? stdio_new_tty_logged(*master, err) : stdio_new_tty(*master, err);
	stdio = connect_now(stdio, sockets, err);
	if (stdio)
		return stdio;
	gcs_fail_prefix(err, "container %s", c->id);
	child_kill(child);
	close(*master);
	if (is_init)
		runtime_remove(c);
	return NULL;
}

int process_launch(struct container *c, struct json_object *process, bool is_init, const bool want[3], int *sockets,
		   uint32_t *pid, struct gcs_error *err)
{
	struct stdio *stdio;
	struct child child;
	int master = -1;

	if (spec_has_terminal(process))
		stdio = make_with_terminal(c, process, is_init, sockets, &child, &master, err);
	else
		stdio = make_with_streams(c, process, is_init, want, sockets, &child, err);
	/* What was not handed over. */
	if (sockets)
		stdio_close(sockets);
	if (!stdio)
		return -1;
	/* Watched, it may end and be forgotten at any time. */
	*pid = child.pid;
	if (process_watch(c, &child, stdio, master, is_init, err))
		return 0;
	if (is_init)
		runtime_remove(c);
	return -1;
}

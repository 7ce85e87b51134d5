// SPDX-License-Identifier: MIT
/* A process's streams and exit. */
#include "process.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cleanup.h"
#include "event.h"
#include "jsonset.h"
#include "spool.h"

static const char *const stream_names[3] = { "stdin", "stdout", "stderr" };

static void on_exit_code(struct event *ev, uint32_t events, void *arg)
{
	struct process *p = arg;

	event_remove(ev);
	guest_exit_code(p->wait, &p->code, &p->failure);
	/* It takes over our reference. */
	p->on_end(p->arg, p);
}

struct process *process_new(const struct process *known, struct guest_process *g, struct gcs_error *err)
{
	struct process *p = malloc(sizeof(*p));
	struct request *wait;

	if (!p) {
		gcs_fail(err, ENOMEM, HR_FAIL, "process %u", g->pid);
		free(known->command);
		for (int i = 0; i < 3; i++)
			if (g->sockets[i] >= 0)
				close(g->sockets[i]);
		return NULL;
	}
	*p = *known;
	p->refs = 2; /* the caller's, and the event's, without whose end it is not freed */
	p->pid = g->pid;
	for (int i = 0; i < 3; i++) {
		p->sockets[i] = g->sockets[i];
		g->sockets[i] = -1;
	}
	p->ended_fd = eventfd(0, EFD_CLOEXEC);
	if (p->ended_fd < 0) {
		gcs_fail(err, errno, HR_FAIL, "process %u", p->pid);
		goto failed;
	}
	for (int i = 1; i < 3; i++) {
		p->spools[i] = p->sockets[i] < 0 ? NULL : spool_new(p->sockets[i], err);
		if (p->sockets[i] >= 0 && !p->spools[i])
			goto failed;
	}
	wait = guest_wait(p->guest, p->container, p->pid, err);
	if (!wait)
		goto failed;
	p->wait = wait;
	if (event_add(request_fd(wait), EPOLLIN, on_exit_code, p, err))
		return p;
	request_drop(wait);
failed:
	process_free(p);
	return NULL;
}

void process_free(struct process *p)
{
	for (int i = 0; i < 3; i++) {
		spool_free(p->spools[i]);
		if (p->sockets[i] >= 0) {
			/* Clients may have it still. */
			shutdown(p->sockets[i], SHUT_RDWR);
			close(p->sockets[i]);
		}
	}
	if (p->ended_fd >= 0)
		close(p->ended_fd);
	free(p->command);
	free(p);
}

bool process_ended(const struct process *p)
{
	struct pollfd f = { .fd = p->ended_fd, .events = POLLIN };

	return poll(&f, 1, 0) == 1;
}

void process_leave(struct process *p)
{
	/* If there is no memory to watch it, the process waits, and the next to attach gets all of it. */
	for (int i = 1; i < 3; i++) {
		if (!p->spools[i])
			continue;
		spool_settle(p->spools[i]);
		spool_start(p->spools[i], NULL);
	}
}

void process_take(struct process *p, struct json_object *message, struct control_fds *fds)
{
	struct json_object *streams = json_object_new_array(), *spooled = json_object_new_array();

	fds->count = 0;
	for (int i = 0; i < 3; i++) {
		if (p->sockets[i] < 0)
			continue;
		json_object_array_add(streams, json_object_new_string(stream_names[i]));
		fds->fds[fds->count++] = p->sockets[i];
	}
	for (int i = 1; i < 3; i++) {
		int file;

		if (!p->spools[i])
			continue;
		spool_stop(p->spools[i]);
		file = spool_file(p->spools[i]);
		if (file < 0)
			continue;
		json_object_array_add(spooled, json_object_new_string(stream_names[i]));
		fds->fds[fds->count++] = file;
	}
	json_object_object_add(message, "streams", streams);
	json_object_object_add(message, "spooled", spooled);
	set_number(message, "pid", p->pid);
	set_bool(message, "tty", p->tty);
	set_bool(message, "interactive", p->interactive);
}

void process_discard(struct process *p)
{
	for (int i = 1; i < 3; i++) {
		if (!p->spools[i])
			continue;
		/* It is stopped as long as somebody is attached, who sees the end of the stream. */
		if (!p->attached)
			spool_stop(p->spools[i]);
		shutdown(p->sockets[i], SHUT_RDWR);
	}
}

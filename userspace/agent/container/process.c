// SPDX-License-Identifier: MIT
/* Processes: their end, who waits for it, signals, and the container's exit notification. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cgroup.h"
#include "clock.h"
#include "container/internal.h"
#include "frame.h"
#include "log.h"

static void on_notify_timer(void *arg)
{
	struct container *c = arg;

	state_lock();
	c->notify_timer = NULL;
	state_unlock();
	container_notify(c, true);
	container_put(c);
}

void container_notify(struct container *c, bool force)
{
	bool send, cancelled = false;

	state_lock();
	send = c->init && c->init->done && !c->notified;
	/* Whoever waited hears it first, each of them. */
	if (send && !force && c->started && (!c->init->delivered || c->init->in_flight)) {
		send = false;
		/* Without memory for the timer the notification comes early, which is better than never. */
		if (!c->notify_timer) {
			c->notify_timer = event_timer_add(NOTIFY_FALLBACK_MS, on_notify_timer, c, NULL);
			if (c->notify_timer)
				c->refs++;
			else
				send = true;
		}
	}
	if (send) {
		c->notified = true;
		/* Under the lock, which on_notify_timer() takes: until that has run the timer is there. */
		cancelled = c->notify_timer && event_timer_cancel(c->notify_timer);
		c->notify_timer = NULL;
	}
	state_unlock();
	if (cancelled)
		container_put(c);
	if (send)
		container_options.on_exit(c->id, c->activity_id, c->exit_type);
}

/* With the lock held: forget a record that nobody will ask for. The init's stays until the container is deleted. */
static void drop_if_delivered(struct process *p)
{
	if (p->done && p->delivered && !p->in_flight && !p->is_init)
		process_drop(p);
}

/* What `uvmctl timeline` shows of a process's end. */
static void log_end(const struct process *p)
{
	const struct stdio_totals totals = p->stdio ? stdio_totals(p->stdio) : (struct stdio_totals){ 0 };
	const struct log_context context = { .activity_id = "", .cid = p->container ? p->container->id : "" };
	const struct log_field fields[] = {
		{ .key = "pid", .number = p->pid },
		{ .key = "exitCode", .number = (int32_t)p->code },
		{ .key = totals.known ? "bytesIn" : NULL, .number = (int64_t)totals.in },
		{ .key = "bytesOut", .number = (int64_t)totals.out },
		{ .key = "bytesLost", .number = (int64_t)totals.lost },
		{ 0 },
	};

	log_context(&context);
	log_line(LOG_INFO, fields, "Process ended");
	log_context(NULL);
}

/* The process has ended and its output is with the host. On the event thread. */
static void on_handed_over(void *arg)
{
	struct process *p = arg;
	struct container *c = p->container;
	struct stdio *stdio = p->stdio;
	struct waiter *w, *list;
	uint32_t code = p->code;
	int master;

	log_end(p);
	state_lock();
	p->done = true;
	master = p->master;
	p->master = -1;
	p->stdio = NULL;
	if (p->is_init && c->state != STATE_CREATING)
		c->state = STATE_TERMINATED;
	list = p->waiters;
	p->waiters = NULL;
	for (w = list; w; w = w->next) {
		p->in_flight++;
		w->process = NULL;
	}
	state_changed();
	state_unlock();
	/* From here on the record may go: the first delivery drops it. */
	stdio_put(stdio);
	if (master >= 0)
		close_aside(master);
	while ((w = list)) {
		process_wait_fn done = w->done;
		void *done_arg = w->arg;

		list = w->next;
		/* A timer that has begun finds the waiter gone and frees it. */
		if (!w->timer || event_timer_cancel(w->timer))
			free(w);
		done(done_arg, code, NULL);
	}
	if (c) {
		container_notify(c, false);
		container_put(c);
	}
}

static void on_exit_event(struct event *ev, uint32_t events, void *arg)
{
	struct process *p = arg;
	struct container *c = p->container;
	bool killed;
	int code;

	event_remove(ev);
	state_lock();
	p->exited = true;
	killed = p->killed;
	state_unlock();
	code = child_reap(&p->child);
	/* Not its parent any more, or never: nobody can know the code. */
	p->code = code < 0 ? UINT32_MAX : (uint32_t)code;
	if (c && (p->is_init || code == 128 + SIGKILL))
		memory_events_exited();
	/* With a pid namespace of its own the kernel has done this. */
	if (p->is_init && !c->own_pid_namespace)
		cgroup_kill(c->cgroup, NULL);
	if (p->stdio)
		stdio_finish(p->stdio, killed ? KILLED_OUTPUT_MS : 0, on_handed_over, p);
	else
		on_handed_over(p);
}

struct process *process_watch(struct container *c, struct child *child, struct stdio *stdio, int master, bool is_init,
			      struct gcs_error *err)
{
	struct process *p = calloc(1, sizeof(*p));

	if (!p) {
		gcs_fail(err, ENOMEM, HR_FAIL, "process %d: remember it", child->pid);
		goto fail;
	}
	p->container = c;
	p->pid = child->pid;
	p->child = *child;
	p->stdio = stdio;
	p->master = master;
	p->tty = master >= 0;
	p->is_init = is_init;
	/* It may end at once: known before it is watched. */
	state_lock();
	process_add(p);
	if (c)
		c->refs++;
	if (is_init)
		c->init = p;
	state_unlock();
	if (event_add(p->child.pidfd, EPOLLIN, on_exit_event, p, err))
		return p;
	state_lock();
	if (is_init)
		c->init = NULL;
	process_drop(p);
	state_unlock();
	if (c)
		container_put(c);
fail:
	child_kill(child);
	stdio_put(stdio);
	if (master >= 0)
		close(master);
	return NULL;
}

/* Look up a process for one of the functions below. Returns with the lock held, and *@c to put; or NULL with @err. */
static struct process *process_get(const char *id, uint32_t pid, struct container **c, struct gcs_error *err)
{
	struct process *p;

	*c = NULL;
	if (strcmp(id, NULL_GUID)) {
		*c = container_get(id, err);
		if (!*c)
			return NULL;
	}
	state_lock();
	p = process_find(*c, pid);
	if (p)
		return p;
	state_unlock();
	gcs_fail(err, 0, HR_NOT_FOUND, "%s%s: there is no process %u", *c ? "container " : "", *c ? id : "VM", pid);
	return NULL;
}

static void on_wait_timer(void *arg)
{
	struct waiter *w = arg, **at;
	struct gcs_error err;
	bool waiting;

	state_lock();
	waiting = w->process;
	if (waiting) {
		for (at = &w->process->waiters; *at != w;)
			at = &(*at)->next;
		*at = w->next;
		gcs_fail(&err, 0, HR_TIMEOUT, "process %u: has not ended in time", w->process->pid);
	}
	state_unlock();
	if (waiting)
		w->done(w->arg, 0, &err);
	free(w);
}

void process_wait(const char *id, uint32_t pid, uint32_t timeout_ms, process_wait_fn done, void *arg)
{
	_cleanup_container_ struct container *c = NULL;
	struct gcs_error err;
	struct process *p = process_get(id, pid, &c, &err);
	struct waiter *w = NULL;
	uint32_t code;

	if (!p) {
		done(arg, 0, &err);
		return;
	}
	if (p->done) {
		p->in_flight++;
		code = p->code;
		state_unlock();
		done(arg, code, NULL);
		return;
	}
	if (timeout_ms == 0) {
		gcs_fail(&err, 0, HR_TIMEOUT, "process %u: has not ended", pid);
		goto fail;
	}
	w = calloc(1, sizeof(*w));
	if (!w) {
		gcs_fail(&err, ENOMEM, HR_FAIL, "process %u: wait", pid);
		goto fail;
	}
	w->done = done;
	w->arg = arg;
	w->process = p;
	if (timeout_ms != UINT32_MAX) {
		w->timer = event_timer_add(timeout_ms, on_wait_timer, w, &err);
		if (!w->timer)
			goto fail;
	}
	w->next = p->waiters;
	p->waiters = w;
	state_unlock();
	return;
fail:
	state_unlock();
	free(w);
	done(arg, 0, &err);
}

static void wait_answered(const char *id, uint32_t pid, bool delivered)
{
	_cleanup_container_ struct container *c = NULL;
	struct process *p = process_get(id, pid, &c, NULL);
	bool init_told;

	/* Its container may have been deleted meanwhile. */
	if (!p)
		return;
	if (p->in_flight)
		p->in_flight--;
	p->delivered |= delivered;
	init_told = p->is_init && p->delivered;
	drop_if_delivered(p);
	state_unlock();
	if (init_told)
		container_notify(c, false);
}

void process_wait_delivered(const char *id, uint32_t pid)
{
	wait_answered(id, pid, true);
}

void process_wait_dropped(const char *id, uint32_t pid)
{
	wait_answered(id, pid, false);
}

/* With the lock held. Returns 0 or an errno; ESRCH when it has ended. */
static int send_signal(struct process *p, int sig)
{
	if (p->exited) {
		/* It ended by itself with output that nobody takes: from now on that may not take for ever. */
		if (sig == SIGKILL && !p->killed && p->stdio) {
			p->killed = true;
			stdio_limit(p->stdio, KILLED_OUTPUT_MS);
		}
		return ESRCH;
	}
	if (syscall(SYS_pidfd_send_signal, p->child.pidfd, sig, NULL, 0) < 0)
		return errno;
	if (sig == SIGKILL)
		p->killed = true;
	return 0;
}

/* With the lock held: what the notification will say, if the host has sent a signal that ends a process. */
static void set_exit_type(struct process *p, int sig)
{
	if (p->is_init && (sig == SIGTERM || sig == SIGKILL))
		p->container->exit_type = sig == SIGTERM ? EXIT_GRACEFUL : EXIT_FORCED;
}

int process_signal(const char *id, uint32_t pid, int sig, struct gcs_error *err)
{
	_cleanup_container_ struct container *c = NULL;
	struct process *p = process_get(id, pid, &c, err);
	int ret;

	if (!p)
		return -1;
	if (sig == 0)
		sig = SIGKILL;
	ret = send_signal(p, sig);
	if (!ret)
		set_exit_type(p, sig);
	state_unlock();
	if (ret)
		return gcs_fail(err, ret, ret == ESRCH ? HR_NOT_FOUND : HR_FAIL, "process %u: signal %d", pid, sig);
	return 0;
}

int process_resize(const char *id, uint32_t pid, uint16_t rows, uint16_t columns, struct gcs_error *err)
{
	_cleanup_container_ struct container *c = NULL;
	struct process *p = process_get(id, pid, &c, err);
	int e = 0, master;
	bool tty;

	if (!p)
		return -1;
	tty = p->tty;
	/*
	 * A process that is done has no terminal any more: that is success for the host. The size is set without the lock, because a
	 * process can keep the kernel from changing it for ever: it asks for the size and gives memory that never comes.
	 */
	master = p->master < 0 ? -1 : fcntl(p->master, F_DUPFD_CLOEXEC, 0);
	if (p->master >= 0 && master < 0)
		e = errno;
	state_unlock();
	if (master >= 0) {
		if (terminal_resize(master, rows, columns) < 0)
			e = errno;
		close_aside(master);
	}
	if (!tty)
		return gcs_fail(err, 0, HR_FAIL, "pid: %u, is not a tty and cannot be resized", pid);
	return e ? gcs_fail(err, e, HR_FAIL, "process %u: resize its terminal", pid) : 0;
}

int container_shutdown(const char *id, bool graceful, struct gcs_error *err)
{
	_cleanup_container_ struct container *c = container_get(id, err);
	int sig = graceful ? SIGTERM : SIGKILL, ret = 0;

	if (!c)
		return -1;
	state_lock();
	/* An init that has not started yet has no program that could end on a SIGTERM. */
	if (c->init)
		ret = send_signal(c->init, c->started ? sig : SIGKILL);
	if (c->init && !ret)
		set_exit_type(c->init, sig);
	state_unlock();
	if (ret && ret != ESRCH)
		return gcs_fail(err, ret, HR_FAIL, "container %s: signal %d to its init", id, sig);
	return 0;
}

int container_kill_init(struct container *c, struct gcs_error *err)
{
	/* Its output is part of its end. */
	struct timespec deadline = deadline_after_ms(KILLED_OUTPUT_MS + STDIO_PEER_EOF_MS);
	int ret = 0;

	state_lock();
	if (c->init && !c->init->done)
		send_signal(c->init, SIGKILL);
	while (c->init && !c->init->done && !ret)
		ret = state_wait(&deadline);
	state_unlock();
	if (ret)
		return gcs_fail(err, ret, HR_FAIL, "container %s: wait for the end of its killed init", c->id);
	return 0;
}

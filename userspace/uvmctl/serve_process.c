// SPDX-License-Identifier: MIT
/* Processes of containers in the supervisor: start, exec, attach, kill, wait. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "cleanup.h"
#include "jsonset.h"
#include "supervisor.h"

static struct process *process_ref(struct process *p)
{
	p->refs++;
	return p;
}

void process_unref(struct supervisor *s, struct process *p)
{
	unsigned int left;

	if (!p)
		return;
	pthread_mutex_lock(&s->lock);
	left = --p->refs;
	pthread_mutex_unlock(&s->lock);
	/* It waits for the event thread, which may wait for the lock. */
	if (!left)
		process_free(p);
}

/* An exec whose exit code somebody has is of no more interest. */
static void forget_exec(struct supervisor *s, struct process *p)
{
	struct process *other = NULL;
	struct container *c;

	pthread_mutex_lock(&s->lock);
	c = container_by_name(s, p->container);
	if (c && c->init != p)
		LIST_FOREACH(other, &c->execs, link)
			if (other == p)
				break;
	if (other)
		LIST_REMOVE(p, link);
	pthread_mutex_unlock(&s->lock);
	if (other)
		process_unref(s, p);
}

/* On the event thread. */
static void on_end(void *arg, struct process *p)
{
	struct supervisor *s = arg;
	struct container *c;
	char name[65] = "";
	bool init = false;

	pthread_mutex_lock(&s->lock);
	c = container_by_name(s, p->container);
	if (c) {
		snprintf(name, sizeof(name), "%s", c->name);
		init = c->init == p;
		if (init && c->state == CONTAINER_RUNNING)
			c->state = CONTAINER_EXITED;
	}
	eventfd_write(p->ended_fd, 1);
	pthread_mutex_unlock(&s->lock);
	if (init)
		supervisor_event(s, "exit", name, p->failure.hr == HR_OK ? "exit_code" : NULL, p->code);
	else if (c)
		supervisor_event(s, "exec-exit", name, "pid", p->pid);
	/* Nobody can attach to it, so nobody else forgets it. */
	if (p->sockets[1] < 0)
		forget_exec(s, p);
	process_unref(s, p);
}

/* A command line as `ps` shows it. */
static char *command_text(struct json_object *args)
{
	size_t n = args ? json_object_array_length(args) : 0, size = 0;
	char *text = NULL;
	FILE *f = open_memstream(&text, &size);

	for (size_t i = 0; f && i < n; i++)
		fprintf(f, "%s%s", i ? " " : "", json_object_get_string(json_object_array_get_idx(args, i)) ?: "");
	if (f)
		fclose(f);
	return text ? text : strdup("");
}

static struct process *keep(struct supervisor *s, const char *id, bool tty, bool interactive, char *command, struct guest_process *started,
			    struct gcs_error *err)
{
	struct process known = { .guest = &s->uvm.guest, .tty = tty, .interactive = interactive, .command = command, .on_end = on_end,
				 .arg = s };

	snprintf(known.container, sizeof(known.container), "%s", id);
	return process_new(&known, started, err);
}

/* One message of the client that is attached. Returns 0 when it has gone. */
static int hear(struct client *client, struct process *p)
{
	_cleanup_json_ struct json_object *message = NULL;
	struct json_object *size;
	int signal;

	if (control_receive(client->fd, &message, NULL, NULL) <= 0)
		return 0;
	signal = (int)get_number(message, "signal");
	size = get_array(message, "resize");
	if (signal)
		request_drop(guest_signal(p->guest, p->container, p->pid, signal, NULL));
	if (size)
		request_drop(guest_resize(p->guest, p->container, p->pid, (uint16_t)json_object_get_int(json_object_array_get_idx(size, 0)),
					  (uint16_t)json_object_get_int(json_object_array_get_idx(size, 1)), NULL));
	return 1;
}

/* The process has ended: 0 with its exit code in @answer, or -1 with @err. */
static int tell_end(struct supervisor *s, const struct process *p, struct json_object *answer, struct gcs_error *err)
{
	int ret = 0;

	/* The event thread had the lock after it had written this. */
	pthread_mutex_lock(&s->lock);
	if (p->failure.hr != HR_OK) {
		*err = p->failure;
		ret = -1;
	} else {
		set_number(answer, "exit_code", p->code);
	}
	pthread_mutex_unlock(&s->lock);
	return ret;
}

/* Pass on what the client says until the process has ended or the client has gone. Returns whether it has the exit code. */
static int serve_session(struct client *client, struct process *p, struct gcs_error *err)
{
	struct pollfd f[] = { { .fd = p->ended_fd, .events = POLLIN }, { .fd = client->fd, .events = POLLIN } };
	_cleanup_json_ struct json_object *answer = json_object_new_object();

	for (;;) {
		if (poll(f, 2, -1) < 0)
			continue;
		/* Its end is told before the client's: it may have closed only its writing side. */
		if (f[0].revents)
			break;
		if (f[1].revents && !hear(client, p))
			return gcs_fail(err, 0, HR_FAIL, "detached");
	}
	if (tell_end(client->s, p, answer, err) < 0)
		return -1;
	return control_send(client->fd, answer, NULL, err) < 0 ? -1 : 1;
}

static void leave(struct supervisor *s, struct process *p)
{
	process_leave(p);
	pthread_mutex_lock(&s->lock);
	p->attached = false;
	pthread_mutex_unlock(&s->lock);
}

/* With p->attached set by the caller, and @message what it has to tell. */
static int attached(struct client *client, struct process *p, struct json_object *message, struct gcs_error *err)
{
	struct supervisor *s = client->s;
	struct control_fds fds;
	int ret;

	process_take(p, message, &fds);
	ret = control_send(client->fd, message, &fds, err);
	if (ret == 0)
		ret = serve_session(client, p, err);
	leave(s, p);
	return ret;
}

static int start(struct supervisor *s, struct container *c, struct gcs_error *err)
{
	struct guest_process started = { .want = { c->interactive, true, !c->tty } };
	struct process *p;

	if (bridge_call(s->uvm.guest.bridge, MSG_START, c->parts.id, NULL, NULL, err) < 0 ||
	    guest_execute(&s->uvm.guest, c->parts.id, NULL, &started, err) < 0)
		return gcs_fail_prefix(err, "start container %s", c->name);
	p = keep(s, c->parts.id, c->tty, c->interactive, command_text(get_array(c->request, "args")), &started, err);
	if (!p) {
		/* Nobody could wait for it, nor tell its end. */
		request_drop(guest_signal(&s->uvm.guest, c->parts.id, started.pid, SIGKILL, NULL));
		return -1;
	}
	c->init = p;
	return 0;
}

int serve_start_container(struct client *client, struct json_object *request, struct json_object *answer, struct gcs_error *err)
{
	bool attach = get_bool(request, "attach");
	struct supervisor *s = client->s;
	struct process *p = NULL;
	struct container *c;
	char id[65];
	int ret;

	pthread_mutex_lock(&s->lock);
	c = container_find(s, request, err);
	if (c && s->going_down) {
		gcs_fail(err, 0, HR_FAIL, "UVM %s is going down", s->name);
		c = NULL;
	}
	if (c && c->state != CONTAINER_CREATED) {
		gcs_fail(err, 0, HR_FAIL, "container %s has been started already", c->name);
		c = NULL;
	}
	if (c)
		c->state = CONTAINER_STARTING;
	pthread_mutex_unlock(&s->lock);
	if (!c)
		return -1;
	ret = start(s, c, err);
	pthread_mutex_lock(&s->lock);
	/* One that could not be started is not what it was before: it may have begun to run. */
	c->state = CONTAINER_EXITED;
	if (ret == 0) {
		p = process_ref(c->init);
		p->attached = true; /* by us */
		c->state = process_ended(p) ? CONTAINER_EXITED : CONTAINER_RUNNING;
		supervisor_event(s, "start", c->name, "pid", p->pid);
	}
	memcpy(id, c->parts.id, sizeof(id));
	pthread_mutex_unlock(&s->lock);
	if (ret < 0) {
		container_reap(s, id);
		return -1;
	}
	set_number(answer, "pid", p->pid);
	if (attach)
		ret = attached(client, p, answer, err);
	else
		leave(s, p);
	process_unref(s, p);
	if (ret > 0)
		container_reap(s, id);
	return ret;
}

/* The process that a request means: the init of "container", or with "pid" an exec in it. A reference, or NULL with @err. */
static struct process *find_process(struct supervisor *s, struct json_object *request, struct gcs_error *err)
{
	int64_t pid = get_number(request, "pid");
	struct container *c = container_find(s, request, err);
	struct process *p = NULL;

	if (!c)
		return NULL;
	if (!c->init) {
		gcs_fail(err, 0, HR_FAIL, "container %s has not been started; `uvmctl start %s` does", c->name, c->name);
		return NULL;
	}
	if (!json_object_object_get_ex(request, "pid", NULL) || pid == c->init->pid)
		return process_ref(c->init);
	LIST_FOREACH(p, &c->execs, link)
		if (p->pid == pid)
			return process_ref(p);
	gcs_fail(err, 0, HR_FAIL, "container %s has no process %lld that `exec` started", c->name, (long long)pid);
	return NULL;
}

int serve_attach(struct client *client, struct json_object *request, struct json_object *answer, struct gcs_error *err)
{
	struct supervisor *s = client->s;
	struct process *p;
	char id[65];
	int ret;

	pthread_mutex_lock(&s->lock);
	p = find_process(s, request, err);
	if (p && p->attached) {
		gcs_fail(err, 0, HR_FAIL, "container %s: somebody else is attached", get_string(request, "container"));
		p->refs--;
		p = NULL;
	}
	if (p)
		p->attached = true;
	pthread_mutex_unlock(&s->lock);
	if (!p)
		return -1;
	memcpy(id, p->container, sizeof(id));
	ret = attached(client, p, answer, err);
	if (ret > 0)
		forget_exec(s, p);
	process_unref(s, p);
	if (ret > 0)
		container_reap(s, id);
	return ret;
}

/* With the lock: what `exec` asks for, in the container's directory and environment and as its user, where it says nothing else. */
static struct json_object *exec_parameters(struct container *c, struct json_object *request)
{
	struct json_object *parameters = json_object_new_object(), *lists[] = { get_array(c->request, "env"), get_array(request, "env") };
	_cleanup_free_ char **args = get_strings(request, "args");
	const char *env[2 * ENV_MAX + 1];
	size_t count = 0;
	struct spec_options spec = { .cwd = get_string(request, "cwd"), .user = get_string(request, "user"), .env = (char *const *)env,
				     .args = args, .terminal = get_bool(request, "tty"),
				     .rows = (uint16_t)get_number(request, "rows"), .columns = (uint16_t)get_number(request, "columns") };

	if (!spec.cwd)
		spec.cwd = get_string(c->request, "cwd");
	if (!spec.user)
		spec.user = get_string(c->request, "user");
	for (size_t l = 0; l < 2; l++)
		for (size_t i = 0; lists[l] && i < json_object_array_length(lists[l]) && count < 2 * ENV_MAX; i++)
			env[count++] = json_object_get_string(json_object_array_get_idx(lists[l], i));
	env[count] = NULL;
	if (args)
		json_object_object_add(parameters, "OciProcess", spec_process(&spec));
	return parameters;
}

int serve_exec(struct client *client, struct json_object *request, struct json_object *answer, struct gcs_error *err)
{
	bool tty = get_bool(request, "tty"), interactive = get_bool(request, "interactive"), detach = get_bool(request, "detach");
	struct guest_process started = { .want = { interactive && !detach, !detach, !detach && !tty } };
	struct json_object *parameters = NULL, *args = get_array(request, "args");
	struct supervisor *s = client->s;
	struct container *c;
	struct process *p;
	char id[65], name[65];
	int ret = 0;

	if (!args || !json_object_array_length(args))
		return gcs_fail(err, 0, HR_FAIL, "exec: the request is not complete");
	pthread_mutex_lock(&s->lock);
	c = container_find(s, request, err);
	if (c && c->state != CONTAINER_RUNNING)
		ret = gcs_fail(err, 0, HR_FAIL, "container %s is not running", c->name);
	if (c && ret == 0) {
		memcpy(id, c->parts.id, sizeof(id));
		memcpy(name, c->name, sizeof(name));
		parameters = exec_parameters(c, request);
	}
	pthread_mutex_unlock(&s->lock);
	if (!parameters)
		return -1;
	if (guest_execute(&s->uvm.guest, id, parameters, &started, err) < 0)
		return gcs_fail_prefix(err, "exec in container %s", name);
	p = keep(s, id, tty, interactive, command_text(args), &started, err);
	if (!p) {
		request_drop(guest_signal(&s->uvm.guest, id, started.pid, SIGKILL, NULL));
		return -1;
	}
	supervisor_event(s, "exec", name, "pid", p->pid);
	pthread_mutex_lock(&s->lock);
	p->attached = !detach;
	c = container_by_name(s, id);
	if (c && c->state != CONTAINER_REMOVING && !(detach && process_ended(p))) {
		LIST_INSERT_HEAD(&c->execs, p, link);
		process_ref(p);
	}
	pthread_mutex_unlock(&s->lock);
	set_number(answer, "pid", p->pid);
	if (!detach)
		ret = attached(client, p, answer, err);
	if (ret > 0)
		forget_exec(s, p);
	process_unref(s, p);
	return ret;
}

int serve_kill(struct client *client, struct json_object *request, struct json_object *answer, struct gcs_error *err)
{
	struct supervisor *s = client->s;
	struct request *signal;
	struct process *p;
	int ret = -1;

	pthread_mutex_lock(&s->lock);
	p = find_process(s, request, err);
	pthread_mutex_unlock(&s->lock);
	if (!p)
		return -1;
	if (process_ended(p)) {
		gcs_fail(err, 0, HR_FAIL, "container %s has exited", get_string(request, "container"));
	} else {
		signal = guest_signal(p->guest, p->container, p->pid, (int)get_number(request, "signal"), err);
		if (signal && watch_wait(&s->uvm.watch, request_fd(signal), POLLIN, watch_deadline(GUEST_MS), "the answer to a signal", err) == 0)
			ret = request_take(signal, NULL, err);
		else
			request_drop(signal);
	}
	process_unref(s, p);
	return ret;
}

static int wait_ended(struct supervisor *s, struct process *p, int64_t ms, struct gcs_error *err)
{
	return watch_wait(&s->uvm.watch, p->ended_fd, POLLIN, watch_deadline(ms), "the container's end", err);
}

/* Ask it to end, by the signal that its image wants, and kill it if it does not. It may have ended just now: that is what is wanted. */
int serve_stop(struct client *client, struct json_object *request, struct json_object *answer, struct gcs_error *err)
{
	struct supervisor *s = client->s;
	struct request *signal;
	struct process *p;
	int first = SIGTERM, ret = 0;

	pthread_mutex_lock(&s->lock);
	p = find_process(s, request, err);
	if (p)
		first = (int)get_number(container_by_name(s, p->container)->request, "stop_signal") ?: SIGTERM;
	pthread_mutex_unlock(&s->lock);
	if (!p)
		return -1;
	if (!process_ended(p)) {
		signal = guest_signal(p->guest, p->container, p->pid, first, err);
		request_drop(signal);
		ret = signal ? wait_ended(s, p, get_number(request, "seconds") * 1000, err) : -1;
		if (signal && ret < 0 && err->err == ETIMEDOUT) {
			signal = guest_signal(p->guest, p->container, p->pid, SIGKILL, err);
			request_drop(signal);
			ret = signal ? wait_ended(s, p, GUEST_MS, err) : -1;
		}
	}
	process_unref(s, p);
	return ret;
}

int serve_wait(struct client *client, struct json_object *request, struct json_object *answer, struct gcs_error *err)
{
	struct supervisor *s = client->s;
	struct pollfd f[2] = { { .events = POLLIN }, { .fd = client->fd, .events = POLLIN } };
	struct process *p;
	int ret = 0;

	pthread_mutex_lock(&s->lock);
	p = find_process(s, request, err);
	pthread_mutex_unlock(&s->lock);
	if (!p)
		return -1;
	f[0].fd = p->ended_fd;
	while (poll(f, 2, -1) < 0)
		;
	if (!f[0].revents)
		ret = gcs_fail(err, 0, HR_FAIL, "the client has gone");
	else
		ret = tell_end(s, p, answer, err);
	process_unref(s, p);
	return ret;
}

// SPDX-License-Identifier: MIT
/* Containers in the supervisor's table: create, remove, look at. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cleanup.h"
#include "image.h"
#include "jsonset.h"
#include "state.h"
#include "supervisor.h"
#include "volume.h"

static const char *const state_names_of[] = { "creating", "created", "starting", "running", "exited", "removing" };

struct container *container_by_name(struct supervisor *s, const char *name)
{
	struct container *c;

	LIST_FOREACH(c, &s->containers, link)
		if (!strcmp(c->name, name) || !strcmp(c->parts.id, name))
			return c;
	return NULL;
}

struct container *container_find(struct supervisor *s, struct json_object *request, struct gcs_error *err)
{
	const char *name = get_string(request, "container") ?: "";
	struct container *c = container_by_name(s, name);

	if (!c)
		gcs_fail(err, 0, HR_FAIL, "UVM %s has no container %s", s->name, name);
	else if (c->state == CONTAINER_CREATING || c->state == CONTAINER_STARTING || c->state == CONTAINER_REMOVING)
		gcs_fail(err, 0, HR_FAIL, "container %s: somebody else is %s it", name, state_names_of[c->state]);
	else
		return c;
	return NULL;
}

static void container_free(struct container *c)
{
	json_object_put(c->request);
	free(c);
}

/* With the lock: the pod that the request is about. */
static int find_pod(struct supervisor *s, struct container *c, struct gcs_error *err)
{
	const char *name = get_string(c->request, "pod");

	if (get_bool(c->request, "sandbox"))
		c->pod = c;
	if (!name)
		return 0;
	c->pod = container_by_name(s, name);
	if (!c->pod || c->pod->pod != c->pod)
		return gcs_fail(err, 0, HR_FAIL, "UVM %s has no pod %s; `uvmctl pod create %s` makes it", s->name, name, name);
	if (c->pod->state != CONTAINER_RUNNING)
		return gcs_fail(err, 0, HR_FAIL, "pod %s does not run: it is %s", name, state_names_of[c->pod->state]);
	return 0;
}

/* With the lock: one that is in the pod of which @sandbox is the sandbox container, or NULL. */
static struct container *in_pod(struct supervisor *s, struct container *sandbox)
{
	struct container *c;

	LIST_FOREACH(c, &s->containers, link)
		if (c->pod == sandbox && c != sandbox)
			return c;
	return NULL;
}

/* A name in the table, which nobody else can take any more. */
static struct container *reserve(struct supervisor *s, struct json_object *request, struct gcs_error *err)
{
	struct container *c = calloc(1, sizeof(*c));
	const char *name = get_string(request, "name");

	/* A copy: json-c counts references without regard to threads. */
	if (!c || json_object_deep_copy(request, &c->request, NULL) < 0) {
		gcs_fail(err, ENOMEM, HR_FAIL, "container");
		free(c);
		return NULL;
	}
	if (container_name(&c->parts, err) < 0 || (name && state_check_name("container", name, err) < 0)) {
		container_free(c);
		return NULL;
	}
	snprintf(c->name, sizeof(c->name), name ? "%s" : "%.12s", name ? name : c->parts.id);
	c->tty = get_bool(request, "tty");
	c->interactive = get_bool(request, "interactive");
	c->remove = get_bool(request, "remove");
	c->created = time(NULL);
	pthread_mutex_lock(&s->lock);
	if (container_by_name(s, c->name)) {
		gcs_fail(err, 0, HR_FAIL, "UVM %s has a container %s already; `uvmctl rm %s` removes it", s->name, c->name, c->name);
		container_free(c);
		c = NULL;
	} else if (find_pod(s, c, err) < 0) {
		container_free(c);
		c = NULL;
	} else {
		LIST_INSERT_HEAD(&s->containers, c, link);
	}
	pthread_mutex_unlock(&s->lock);
	return c;
}

static void drop(struct supervisor *s, struct container *c)
{
	pthread_mutex_lock(&s->lock);
	LIST_REMOVE(c, link);
	pthread_cond_broadcast(&s->changed);
	pthread_mutex_unlock(&s->lock);
	container_free(c);
}

static int make(struct supervisor *s, struct container *c, const struct control_fds *fds, struct gcs_error *err)
{
	_cleanup_free_ char **args = get_strings(c->request, "args"), **env = get_strings(c->request, "env");
	_cleanup_json_ struct json_object *figures = json_object_new_object();
	_cleanup_close_ int scratch = -1;
	struct spec_options spec = { .cwd = get_string(c->request, "cwd"), .user = get_string(c->request, "user"), .args = args,
				     .env = env, .terminal = c->tty, .rows = (uint16_t)get_number(c->request, "rows"),
				     .columns = (uint16_t)get_number(c->request, "columns") };
	_cleanup_json_ struct json_object *mounts = json_object_new_array();
	char network[37];

	spec.limits = (struct spec_limits){ .memory = (uint64_t)get_number(c->request, "memory_limit"),
					    .cpu_milli = (uint32_t)get_number(c->request, "cpu_limit_milli"),
					    .pids = (uint32_t)get_number(c->request, "pids_limit") };
	if (c->pod) {
		spec.pod = c->pod->parts.id;
		spec.sandbox_pid = c->pod == c ? 0 : c->pod->init->pid;
	}
	if (!args || !env || !args[0] || !spec.cwd || fds->count <= volumes_disks(c->request))
		return gcs_fail(err, 0, HR_FAIL, "create: the request is not complete");
	c->parts.pmem = get_string(c->request, "layers") ? !strcmp(get_string(c->request, "layers"), "pmem") : s->o->layers == LAYERS_PMEM;
	scratch = image_scratch((uint64_t)get_number(c->request, "scratch"), err);
	if (scratch < 0)
		return -1;
	spec.mounts = mounts;
	if (!spec.sandbox_pid) {
		nic_network(c->parts.id, network);
		spec.network = network;
	}
	if (volumes_plug(&s->devices, c->parts.id, c->request, fds, mounts, err) < 0)
		return -1;
	return container_make(&c->parts, &s->disks, fds->fds, fds->count - volumes_disks(c->request), scratch, &spec, figures, err);
}

/* What could not be undone keeps its owner. */
static int not_made(struct supervisor *s, struct container *c, struct gcs_error *err)
{
	size_t len = strlen(err->text);

	devices_leave(&s->devices, c->parts.id, NULL);
	if (!container_is_left(&c->parts) && !devices_has(&s->devices, c->parts.id)) {
		drop(s, c);
		return -1;
	}
	snprintf(err->text + len, sizeof(err->text) - len, "; `uvmctl rm %s` removes what is left of it", c->name);
	pthread_mutex_lock(&s->lock);
	c->state = CONTAINER_EXITED;
	pthread_mutex_unlock(&s->lock);
	return -1;
}

int serve_create(struct client *client, struct json_object *request, struct json_object *answer, struct gcs_error *err)
{
	struct supervisor *s = client->s;
	struct container *c = reserve(s, request, err);

	if (!c)
		return -1;
	if (make(s, c, &client->fds, err) < 0)
		return not_made(s, c, err);
	set_string(answer, "name", c->name);
	set_string(answer, "id", c->parts.id);
	supervisor_event(s, "create", c->name, NULL, 0);
	pthread_mutex_lock(&s->lock);
	c->state = CONTAINER_CREATED;
	pthread_mutex_unlock(&s->lock);
	return 0;
}

/* By who has put it into CONTAINER_REMOVING. */
static void release_processes(struct supervisor *s, struct container *c)
{
	struct process *p;

	do {
		pthread_mutex_lock(&s->lock);
		p = LIST_FIRST(&c->execs);
		if (p) {
			LIST_REMOVE(p, link);
			/* Its end is told only when its output has gone somewhere. */
			process_discard(p);
		}
		pthread_mutex_unlock(&s->lock);
		process_unref(s, p);
	} while (p);
	process_unref(s, c->init);
}

static int unmake(struct supervisor *s, struct container *c, struct gcs_error *err)
{
	if (container_unmake(&c->parts, &s->disks, err) < 0 || devices_leave(&s->devices, c->parts.id, err) < 0) {
		gcs_fail_prefix(err, "remove container %s", c->name);
		pthread_mutex_lock(&s->lock);
		c->state = CONTAINER_EXITED;
		pthread_mutex_unlock(&s->lock);
		return -1;
	}
	release_processes(s, c);
	supervisor_event(s, "remove", c->name, NULL, 0);
	drop(s, c);
	return 0;
}

/* Until its first process has ended, and with it all of them: what they still write goes nowhere. */
static int kill_all(struct supervisor *s, struct container *c, struct gcs_error *err)
{
	struct process *init = c->init, *p;
	struct request *request = guest_signal(&s->uvm.guest, c->parts.id, init->pid, SIGKILL, err);

	if (!request)
		return -1;
	request_drop(request); /* it may have ended just now */
	pthread_mutex_lock(&s->lock);
	LIST_FOREACH(p, &c->execs, link)
		process_discard(p);
	process_discard(init);
	pthread_mutex_unlock(&s->lock);
	return watch_wait(&s->uvm.watch, init->ended_fd, POLLIN, watch_deadline(GUEST_MS), "the container's end", err);
}

int serve_rm(struct client *client, struct json_object *request, struct json_object *answer, struct gcs_error *err)
{
	struct supervisor *s = client->s;
	struct container *c;
	bool running;

	pthread_mutex_lock(&s->lock);
	c = container_find(s, request, err);
	running = c && c->state == CONTAINER_RUNNING;
	if (c && c->pod == c && in_pod(s, c)) {
		gcs_fail(err, 0, HR_FAIL, "pod %s has containers, %s among them; `uvmctl pod rm -f %s` removes them too", c->name,
			 in_pod(s, c)->name, c->name);
		c = NULL;
		running = false;
	}
	if (running && !get_bool(request, "force")) {
		gcs_fail(err, 0, HR_FAIL, "container %s is running; `uvmctl rm -f %s` kills it first", c->name, c->name);
		c = NULL;
	}
	if (c)
		c->state = CONTAINER_REMOVING;
	pthread_mutex_unlock(&s->lock);
	if (!c)
		return -1;
	if (running && kill_all(s, c, err) < 0) {
		pthread_mutex_lock(&s->lock);
		c->state = process_ended(c->init) ? CONTAINER_EXITED : CONTAINER_RUNNING;
		pthread_mutex_unlock(&s->lock);
		return -1;
	}
	return unmake(s, c, err);
}

void container_reap(struct supervisor *s, const char *id)
{
	struct gcs_error err = { 0 };
	struct container *c;

	pthread_mutex_lock(&s->lock);
	c = container_by_name(s, id);
	if (c && c->remove && c->state == CONTAINER_EXITED)
		c->state = CONTAINER_REMOVING;
	else
		c = NULL;
	pthread_mutex_unlock(&s->lock);
	/* The exit code has been told; what goes wrong now is in the log, which stderr is. */
	if (c && unmake(s, c, &err) < 0)
		fprintf(stderr, "uvmctl: %s\n", err.text);
}

static struct json_object *describe_process(const struct process *p)
{
	struct json_object *o = json_object_new_object();

	set_number(o, "pid", p->pid);
	set_string(o, "state", process_ended(p) ? "exited" : "running");
	if (process_ended(p) && p->failure.hr == HR_OK)
		set_number(o, "exit_code", p->code);
	set_string(o, "command", p->command);
	set_bool(o, "attached", p->attached);
	return o;
}

static struct json_object *describe(struct container *c)
{
	struct json_object *o = json_object_new_object(), *execs = json_object_new_array(), *command = NULL;
	struct process *p;

	set_string(o, "name", c->name);
	set_string(o, "id", c->parts.id);
	set_string(o, "state", state_names_of[c->state]);
	if (c->pod)
		set_string(o, "pod", c->pod->name);
	set_string(o, "image", get_string(c->request, "image") ?: "");
	if (json_object_deep_copy(get_array(c->request, "args"), &command, NULL) == 0)
		json_object_object_add(o, "command", command);
	set_number(o, "created", c->created);
	if (c->init) {
		set_number(o, "pid", c->init->pid);
		if (process_ended(c->init) && c->init->failure.hr == HR_OK)
			set_number(o, "exit_code", c->init->code);
		set_bool(o, "attached", c->init->attached);
	}
	LIST_FOREACH(p, &c->execs, link)
		json_object_array_add(execs, describe_process(p));
	json_object_object_add(o, "execs", execs);
	return o;
}

int serve_ps(struct client *client, struct json_object *request, struct json_object *answer, struct gcs_error *err)
{
	struct supervisor *s = client->s;
	struct json_object *list = json_object_new_array();
	struct container *c;

	pthread_mutex_lock(&s->lock);
	LIST_FOREACH(c, &s->containers, link)
		json_object_array_add(list, describe(c));
	pthread_mutex_unlock(&s->lock);
	json_object_object_add(answer, "containers", list);
	return 0;
}

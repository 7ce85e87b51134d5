// SPDX-License-Identifier: MIT
/* The tables of containers and processes, and the lock of their states. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "container/pod.h"
#include "frame.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static struct container *containers;
static struct process *externals;

static void init_cond(void)
{
	pthread_condattr_t attr;

	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&changed, &attr);
	pthread_condattr_destroy(&attr);
}

void state_lock(void)
{
	pthread_once(&once, init_cond);
	pthread_mutex_lock(&lock);
}

void state_unlock(void)
{
	pthread_mutex_unlock(&lock);
}

void state_changed(void)
{
	pthread_cond_broadcast(&changed);
}

int state_wait(const struct timespec *deadline)
{
	return pthread_cond_timedwait(&changed, &lock, deadline);
}

bool id_is_valid(const char *id)
{
	size_t len = strspn(id, "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ._-");

	/* A dash in front would be an option of the runtime's. */
	return len > 0 && len <= 128 && !id[len] && *id != '-' && !strstr(id, "..") && strcmp(id, ".") && strcmp(id, NULL_GUID);
}

static void container_free(struct container *c)
{
	struct process *p;

	while ((p = c->processes)) {
		c->processes = p->next;
		stdio_put(p->stdio);
		free(p);
	}
	json_object_put(c->rlimits);
	json_object_put(c->user);
	fs_made_forget(&c->made);
	free(c->id);
	free(c->activity_id);
	free(c->bundle);
	free(c->scratch);
	free(c->rootfs);
	free(c->cgroup);
	free(c->tee_log);
	free(c->security_dir);
	pthread_rwlock_destroy(&c->use);
	free(c);
}

static struct container *find(const char *id)
{
	struct container *c;

	for (c = containers; c && strcmp(c->id, id);)
		c = c->next;
	return c;
}

struct container *container_new(const char *id, struct gcs_error *err)
{
	struct container *c = calloc(1, sizeof(*c));
	pthread_rwlockattr_t attr;
	bool exists;

	if (!c || !(c->id = strdup(id))) {
		free(c);
		gcs_fail(err, ENOMEM, HR_FAIL, "container %s", id);
		return NULL;
	}
	/* Execs that overlap must not keep a delete or an update waiting. */
	pthread_rwlockattr_init(&attr);
	pthread_rwlockattr_setkind_np(&attr, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
	pthread_rwlock_init(&c->use, &attr);
	pthread_rwlockattr_destroy(&attr);
	c->refs = 2;
	c->notified = true;
	state_lock();
	/* A pod may outlive its sandbox, and its files have the same places. */
	exists = find(id) || pod_exists(id);
	if (!exists) {
		c->next = containers;
		containers = c;
	}
	state_unlock();
	if (!exists)
		return c;
	container_free(c);
	gcs_fail(err, 0, HR_SYSTEM_EXISTS, "container %s: the id is in use", id);
	return NULL;
}

struct container *container_get(const char *id, struct gcs_error *err)
{
	struct container *c;

	state_lock();
	c = find(id);
	if (!c) {
		gcs_fail(err, 0, HR_SYSTEM_NOT_FOUND, "container %s: there is none", id);
	} else if (c->state == STATE_CREATING) {
		gcs_fail(err, 0, HR_INVALID_STATE, "container %s: is still being created", id);
		c = NULL;
	} else {
		c->refs++;
	}
	state_unlock();
	return c;
}

void container_put(struct container *c)
{
	bool last;

	state_lock();
	last = --c->refs == 0;
	state_unlock();
	if (last)
		container_free(c);
}

struct container **container_list(void)
{
	struct container **list;
	size_t n = 0;

	state_lock();
	for (struct container *c = containers; c; c = c->next)
		n++;
	list = calloc(n + 1, sizeof(*list));
	n = 0;
	for (struct container *c = containers; list && c; c = c->next) {
		if (c->state == STATE_CREATING)
			continue;
		c->refs++;
		list[n++] = c;
	}
	state_unlock();
	return list;
}

void container_forget(struct container *c)
{
	struct container **at;

	state_lock();
	for (at = &containers; *at && *at != c;)
		at = &(*at)->next;
	if (*at)
		*at = c->next;
	state_unlock();
	container_put(c);
}

struct process *process_find(struct container *c, uint32_t pid)
{
	struct process *p;

	for (p = c ? c->processes : externals; p && p->pid != pid;)
		p = p->next;
	return p;
}

void process_add(struct process *p)
{
	struct process **list = p->container ? &p->container->processes : &externals;

	/* The newest first: a pid whose exit was never asked for may have been used again. */
	p->next = *list;
	*list = p;
}

void process_drop(struct process *p)
{
	struct process **at;

	for (at = p->container ? &p->container->processes : &externals; *at && *at != p;)
		at = &(*at)->next;
	if (*at)
		*at = p->next;
	free(p);
}

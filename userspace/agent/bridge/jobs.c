// SPDX-License-Identifier: MIT
/* Worker threads: started on demand, up to a limit. */
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>

#include "jobs.h"
#include "log.h"

struct job {
	job_fn fn;
	void *arg;
	struct job *next;
};

/* On the stack of its thread while that is idle. */
struct worker {
	struct job *job; /* what it is woken for */
	pthread_cond_t wake;
	struct worker *next;
};

/* Protects what follows; no job runs while it is held. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t drained = PTHREAD_COND_INITIALIZER;
/*
 * The worker that has become idle last takes the next job. So few requests keep to few workers, and touch few stacks and what the allocator
 * keeps for each.
 */
static struct worker *idle;
static struct job *queue; /* only while nobody is idle */
static struct job **queue_end = &queue;
static unsigned int limit, threads, busy;

/* Called with the lock held. */
static struct job *next_job(void)
{
	struct worker self = { .wake = PTHREAD_COND_INITIALIZER, .next = idle };
	struct job *j = queue;

	if (j) {
		queue = j->next;
		if (!queue)
			queue_end = &queue;
		return j;
	}
	idle = &self;
	if (--busy == 0)
		pthread_cond_broadcast(&drained);
	while (!self.job)
		pthread_cond_wait(&self.wake, &lock);
	return self.job;
}

static void *work(void *arg)
{
	struct job *j = arg;

	for (;;) {
		j->fn(j->arg);
		free(j);
		pthread_mutex_lock(&lock);
		j = next_job();
		pthread_mutex_unlock(&lock);
	}
	return NULL;
}

/* Called with the lock held. */
static bool start_thread(struct job *j)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, work, j))
		return false;
	pthread_setname_np(thread, "worker");
	pthread_detach(thread);
	threads++;
	return true;
}

void jobs_init(unsigned int n)
{
	limit = n;
}

/* Called with the lock held. */
static bool give(struct job *j)
{
	struct worker *w = idle;

	if (w) {
		idle = w->next;
		w->job = j;
		busy++;
		pthread_cond_signal(&w->wake);
		return true;
	}
	if (threads < limit && start_thread(j)) {
		busy++;
		return true;
	}
	if (!threads)
		return false;
	*queue_end = j;
	queue_end = &j->next;
	return true;
}

void job_submit(job_fn fn, void *arg)
{
	struct job *j = malloc(sizeof(*j));
	bool ok = false;

	if (j) {
		*j = (struct job){ .fn = fn, .arg = arg };
		pthread_mutex_lock(&lock);
		ok = give(j);
		pthread_mutex_unlock(&lock);
	}
	if (!ok) {
		free(j);
		log_error("no worker thread could be started");
		fn(arg);
	}
}

void jobs_drain(void)
{
	pthread_mutex_lock(&lock);
	while (busy)
		pthread_cond_wait(&drained, &lock);
	pthread_mutex_unlock(&lock);
}

// SPDX-License-Identifier: MIT
/* Worker threads: started on demand, up to a limit. */
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>

#include "jobs.h"
#include "log.h"

/* For the deepest JSON that is accepted; what is not touched costs nothing. */
#define STACK_SIZE (1u << 20)

struct job {
	job_fn fn;
	void *arg;
	struct job *next;
};

/* Protects what follows; no job runs while it is held. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t more = PTHREAD_COND_INITIALIZER;
static pthread_cond_t drained = PTHREAD_COND_INITIALIZER;
static struct job *queue;
static struct job **queue_end = &queue;
static unsigned int limit, threads, idle, queued;

static void *work(void *arg)
{
	struct job *j;

	pthread_mutex_lock(&lock);
	for (;;) {
		while (!queue) {
			idle++;
			if (idle == threads)
				pthread_cond_broadcast(&drained);
			pthread_cond_wait(&more, &lock);
			idle--;
		}
		j = queue;
		queue = j->next;
		queued--;
		if (!queue)
			queue_end = &queue;
		pthread_mutex_unlock(&lock);
		j->fn(j->arg);
		free(j);
		pthread_mutex_lock(&lock);
	}
	return NULL;
}

/* Called with the lock held. */
static bool start_thread(void)
{
	pthread_attr_t attr;
	pthread_t thread;
	int ret;

	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&attr, STACK_SIZE);
	ret = pthread_create(&thread, &attr, work, NULL);
	pthread_attr_destroy(&attr);
	if (ret)
		return false;
	pthread_setname_np(thread, "worker");
	threads++;
	return true;
}

void jobs_init(unsigned int n)
{
	limit = n;
}

void job_submit(job_fn fn, void *arg)
{
	struct job *j = calloc(1, sizeof(*j));
	bool ok = j != NULL;

	pthread_mutex_lock(&lock);
	/* Woken threads count as idle until they run: compare with what is queued. */
	if (ok && idle <= queued && threads < limit)
		ok = start_thread() || threads;
	if (ok) {
		*j = (struct job){ .fn = fn, .arg = arg };
		*queue_end = j;
		queue_end = &j->next;
		queued++;
		pthread_cond_signal(&more);
	}
	pthread_mutex_unlock(&lock);
	if (!ok) {
		free(j);
		log_error("no worker thread could be started");
		fn(arg);
	}
}

void jobs_drain(void)
{
	pthread_mutex_lock(&lock);
	while (queue || idle < threads)
		pthread_cond_wait(&drained, &lock);
	pthread_mutex_unlock(&lock);
}

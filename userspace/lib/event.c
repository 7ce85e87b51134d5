// SPDX-License-Identifier: MIT
/* The event thread: file descriptors and timers, each with a callback. */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "clock.h"
#include "event.h"

#define BATCH 32

struct event {
	int fd;
	event_fn fn;
	void *arg;
	bool removed;
	struct event *next_removed;
};

struct event_timer {
	struct timespec when; /* CLOCK_MONOTONIC */
	event_timer_fn fn;
	void *arg;
	bool queued;
	struct event_timer *next;
};

static int epoll_fd = -1;
static int timer_fd = -1;
static pthread_t thread;

/* Protects everything below and struct event.removed; nothing is called while it is held. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t idle = PTHREAD_COND_INITIALIZER; /* @running has changed */
static struct event *running;			       /* its callback is being called */
static struct event *removed;	   /* freed after the batch that may still name them */
static struct event_timer *timers; /* by time */

static bool before(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec != b->tv_sec ? a->tv_sec < b->tv_sec : a->tv_nsec < b->tv_nsec;
}

/* Called with the lock held, after the head of the list has changed. */
static void arm(void)
{
	struct itimerspec it = { 0 };

	if (timers)
		it.it_value = timers->when;
	timerfd_settime(timer_fd, TFD_TIMER_ABSTIME, &it, NULL);
}

static void run_timers(void)
{
	struct timespec now;
	struct event_timer *t;
	uint64_t n;

	/* Fails when another timer was set since: the list tells. */
	if (read(timer_fd, &n, sizeof(n)) < 0 && errno != EAGAIN)
		return;
	clock_gettime(CLOCK_MONOTONIC, &now);
	pthread_mutex_lock(&lock);
	while (timers && !before(&now, &timers->when)) {
		t = timers;
		timers = t->next;
		t->queued = false;
		pthread_mutex_unlock(&lock);
		t->fn(t->arg);
		free(t);
		pthread_mutex_lock(&lock);
	}
	arm();
	pthread_mutex_unlock(&lock);
}

static void run_event(struct event *ev, uint32_t events)
{
	pthread_mutex_lock(&lock);
	if (ev->removed) {
		pthread_mutex_unlock(&lock);
		return;
	}
	running = ev;
	pthread_mutex_unlock(&lock);
	ev->fn(ev, events, ev->arg);
	pthread_mutex_lock(&lock);
	running = NULL;
	pthread_cond_broadcast(&idle);
	pthread_mutex_unlock(&lock);
}

static void free_removed(void)
{
	struct event *ev, *list;

	pthread_mutex_lock(&lock);
	list = removed;
	removed = NULL;
	pthread_mutex_unlock(&lock);
	while ((ev = list)) {
		list = ev->next_removed;
		free(ev);
	}
}

static void *loop(void *arg)
{
	struct epoll_event batch[BATCH];
	int n;

	for (;;) {
		n = epoll_wait(epoll_fd, batch, BATCH, -1);
		for (int i = 0; i < n; i++) {
			if (batch[i].data.ptr)
				run_event(batch[i].data.ptr, batch[i].events);
			else
				run_timers();
		}
		free_removed();
	}
	return NULL;
}

int event_start(struct gcs_error *err)
{
	struct epoll_event e = { .events = EPOLLIN };
	sigset_t set;
	int ret;

	/* A write to a closed pipe or socket is an error to handle where it happens. */
	signal(SIGPIPE, SIG_IGN);
	/* A signalfd sees SIGCHLD only if no thread takes it: threads inherit the mask from here. */
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	pthread_sigmask(SIG_BLOCK, &set, NULL);

	epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (epoll_fd < 0)
		return gcs_fail(err, errno, HR_FAIL, "event thread: epoll");
	timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (timer_fd < 0) {
		gcs_fail(err, errno, HR_FAIL, "event thread: timerfd");
		goto err_timer;
	}
	if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, timer_fd, &e) < 0) {
		gcs_fail(err, errno, HR_FAIL, "event thread: watch the timer");
		goto err_thread;
	}
	ret = pthread_create(&thread, NULL, loop, NULL);
	if (ret) {
		gcs_fail(err, ret, HR_FAIL, "event thread: start");
		goto err_thread;
	}
	pthread_setname_np(thread, "event");
	return 0;

err_thread:
	close(timer_fd);
err_timer:
	close(epoll_fd);
	return -1;
}

struct event *event_add(int fd, uint32_t events, event_fn fn, void *arg, struct gcs_error *err)
{
	struct event *ev = calloc(1, sizeof(*ev));
	struct epoll_event e = { .events = events, .data.ptr = ev };

	if (!ev) {
		gcs_fail(err, ENOMEM, HR_FAIL, "event thread: watch a descriptor");
		return NULL;
	}
	ev->fd = fd;
	ev->fn = fn;
	ev->arg = arg;
	if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &e) < 0) {
		gcs_fail(err, errno, HR_FAIL, "event thread: watch descriptor %d", fd);
		free(ev);
		return NULL;
	}
	return ev;
}

int event_modify(struct event *ev, uint32_t events)
{
	struct epoll_event e = { .events = events, .data.ptr = ev };

	return epoll_ctl(epoll_fd, EPOLL_CTL_MOD, ev->fd, &e);
}

void event_remove(struct event *ev)
{
	if (!ev)
		return;
	epoll_ctl(epoll_fd, EPOLL_CTL_DEL, ev->fd, NULL);
	pthread_mutex_lock(&lock);
	ev->removed = true;
	if (!pthread_equal(pthread_self(), thread))
		while (running == ev)
			pthread_cond_wait(&idle, &lock);
	ev->next_removed = removed;
	removed = ev;
	pthread_mutex_unlock(&lock);
}

struct event_timer *event_timer_add(uint64_t ms, event_timer_fn fn, void *arg, struct gcs_error *err)
{
	struct event_timer *t = calloc(1, sizeof(*t));
	struct event_timer **at;

	if (!t) {
		gcs_fail(err, ENOMEM, HR_FAIL, "event thread: set a timer");
		return NULL;
	}
	t->when = deadline_after_ms(ms);
	t->fn = fn;
	t->arg = arg;
	t->queued = true;
	pthread_mutex_lock(&lock);
	for (at = &timers; *at && !before(&t->when, &(*at)->when);)
		at = &(*at)->next;
	t->next = *at;
	*at = t;
	if (timers == t)
		arm();
	pthread_mutex_unlock(&lock);
	return t;
}

int event_timer_cancel(struct event_timer *t)
{
	struct event_timer **at;

	pthread_mutex_lock(&lock);
	if (!t->queued) {
		pthread_mutex_unlock(&lock);
		return 0;
	}
	for (at = &timers; *at != t;)
		at = &(*at)->next;
	*at = t->next;
	if (at == &timers)
		arm();
	pthread_mutex_unlock(&lock);
	free(t);
	return 1;
}

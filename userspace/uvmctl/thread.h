/* SPDX-License-Identifier: MIT */
/* Threads beside the one that signals are for. */
#ifndef UVMCTL_THREAD_H
#define UVMCTL_THREAD_H

#include <pthread.h>
#include <signal.h>

/* A thread that no signal is delivered to: one that is blocked elsewhere, to be read from a descriptor, would be. Returns 0 or an errno. */
static inline int thread_start(pthread_t *thread, void *(*run)(void *arg), void *arg)
{
	sigset_t all, old;
	int ret;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	ret = pthread_create(thread, NULL, run, arg);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return ret;
}

#endif

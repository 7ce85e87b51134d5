/* SPDX-License-Identifier: MIT */
/*
 * A stream of an init that has lost its connection, until it has another (bridge.md 11.7). Either the host is gone with its
 * bridge, as in a live migration: then the same port is dialled when it is back. Or it wants no more of this stream: it is given up.
 *
 * All of this is the event thread's but redial_arm() and stdio_host(), which is in stdio.h. The callbacks are called there, too, and
 * from none of these functions.
 */
#ifndef GCS_REDIAL_H
#define GCS_REDIAL_H

#include <stdbool.h>
#include <stdint.h>

struct redial {
	uint32_t port;	     /* 0: not armed */
	unsigned int bridge; /* the one beside which the connection was made */
	void (*connected)(void *arg, int socket); /* takes it over */
	void (*given_up)(void *arg);
	void *arg;
	bool lost;  /* in the list, and none of the callbacks was called yet */
	bool ended; /* the process has */
	int socket; /* that is being connected, or -1 */
	struct event *event;
	struct event_timer *retry, *limit;
	struct redial *next;
};

/* Before the connection can be lost. */
void redial_arm(struct redial *r, uint32_t port, void (*connected)(void *arg, int socket), void (*given_up)(void *arg), void *arg);

/* The connection is gone: one of the callbacks will be called. @ended: the process is gone, too. */
void redial_lost(struct redial *r, bool ended);

/* The process has ended: what it has written does not wait for ever. */
void redial_ended(struct redial *r);

/* None of the callbacks is called any more. Also if it was never armed. */
void redial_stop(struct redial *r);

#endif

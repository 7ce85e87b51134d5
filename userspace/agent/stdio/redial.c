// SPDX-License-Identifier: MIT
/* A stream of an init that has lost its connection, until it has another. */
#include <stdatomic.h>
#include <stddef.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "event.h"
#include "log.h"
#include "stdio/redial.h"
#include "stdio/stdio.h"
#include "vsock.h"

/* The connections of a host that goes do not all end at once: so long the bridge may live on. */
#define SUSPECT_MS 2000
/* A host that is back listens soon, and somebody who has ended does not wait longer for one that is not. */
#define RETURN_MS 10000
/* There is no event for "the host listens again" (bridge.md 11.7). */
#define RETRY_MS 100

/* The number of the bridge, which is that of the next one as soon as it is lost; written by the event thread. */
static atomic_uint bridge;
static bool host_is_there; /* the bridge is negotiated */
static struct redial *list;

static void cancel(struct event_timer **t)
{
	if (*t)
		event_timer_cancel(*t);
	*t = NULL;
}

static void hang_up(struct redial *r)
{
	cancel(&r->retry);
	event_remove(r->event);
	r->event = NULL;
	if (r->socket >= 0)
		close(r->socket);
	r->socket = -1;
}

void redial_stop(struct redial *r)
{
	struct redial **at;

	if (!r->lost)
		return;
	r->lost = false;
	hang_up(r);
	cancel(&r->limit);
	for (at = &list; *at != r;)
		at = &(*at)->next;
	*at = r->next;
}

static void on_limit(void *arg)
{
	struct redial *r = arg;

	r->limit = NULL;
	redial_stop(r);
	log_info("vsock port %u: the host does not take this stream any more", r->port);
	r->given_up(r->arg);
}

static void limit(struct redial *r, uint32_t ms)
{
	cancel(&r->limit);
	r->limit = ms ? event_timer_add(ms, on_limit, r, NULL) : NULL;
}

static void dial(void *arg);

static void on_connected(struct event *ev, uint32_t events, void *arg)
{
	struct redial *r = arg;
	int socket = r->socket;

	event_remove(ev);
	r->event = NULL;
	if (vsock_dial_error(socket)) {
		hang_up(r);
		r->retry = event_timer_add(RETRY_MS, dial, r, NULL);
		return;
	}
	r->socket = -1;
	r->bridge = bridge;
	redial_stop(r);
	log_info("vsock port %u: connected again", r->port);
	r->connected(r->arg, socket);
}

static void dial(void *arg)
{
	struct redial *r = arg;

	r->retry = NULL;
	r->socket = vsock_dial_start(r->port, NULL);
	if (r->socket >= 0)
		r->event = event_add(r->socket, EPOLLOUT, on_connected, r, NULL);
	if (r->event)
		return;
	hang_up(r);
	r->retry = event_timer_add(RETRY_MS, dial, r, NULL);
}

/* Begin with what is to be done while bridge and host are as they are. */
static void begin(struct redial *r)
{
	hang_up(r);
	if (r->bridge == bridge) {
		limit(r, SUSPECT_MS);
	} else if (host_is_there) {
		limit(r, RETURN_MS);
		dial(r);
	} else {
		limit(r, r->ended ? RETURN_MS : 0);
	}
}

void redial_arm(struct redial *r, uint32_t port, void (*connected)(void *arg, int socket), void (*given_up)(void *arg), void *arg)
{
	*r = (struct redial){
		.port = port,
		.bridge = bridge,
		.connected = connected,
		.given_up = given_up,
		.arg = arg,
		.socket = -1,
	};
}

void redial_lost(struct redial *r, bool ended)
{
	if (r->lost)
		return;
	log_info("vsock port %u: connection lost", r->port);
	r->lost = true;
	r->ended = ended;
	r->next = list;
	list = r;
	begin(r);
}

void redial_ended(struct redial *r)
{
	r->ended = true;
	if (r->lost && !r->limit)
		limit(r, RETURN_MS);
}

static void on_host(void *arg)
{
	bool there = arg;

	/* Somebody who accepts the bridge and hangs up is no host, and does not put off a limit. */
	if (there == host_is_there)
		return;
	if (!there)
		bridge++;
	host_is_there = there;
	for (struct redial *r = list; r; r = r->next)
		begin(r);
}

void stdio_host(bool there)
{
	static char yes;
	struct gcs_error err;

	/* Posted, in order: all else is the event thread's. */
	if (!event_timer_add(0, on_host, there ? &yes : NULL, &err))
		log_error("standard streams: %s", err.text);
}

// SPDX-License-Identifier: MIT
/* What goes to the host: one queue, one thread for what has to wait, and the rules about what may follow a lost connection. */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "event.h"
#include "frame.h"
#include "log.h"
#include "writer.h"

enum verdict { SEND, KEEP, DROP };

/* Protects everything below; nothing is written or called while it is held. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER; /* something of the below has: for the thread */
static pthread_cond_t settled = PTHREAD_COND_INITIALIZER; /* a write has ended, or the queue is shorter: for all others */
static struct outgoing *queue;
static struct outgoing **queue_end = &queue;
static bool writing;

/* The connection; @fd is -1 between two of them. */
static struct {
	connection_t number;
	int fd;
	bool negotiated;
	bool broken;   /* a write has failed: the reader will notice */
	bool released; /* held items need no name any more */
	char **named;  /* containers that the host has named, until @released */
	size_t named_count;
} current = { .fd = -1 };

static bool is_named(const char *cid)
{
	for (size_t i = 0; i < current.named_count; i++)
		if (strcmp(current.named[i], cid) == 0)
			return true;
	return false;
}

static enum verdict judge(const struct outgoing *o)
{
	bool usable = current.fd >= 0 && !current.broken;

	if (o->connection == current.number && usable)
		return SEND;
	if (!o->hold)
		return DROP;
	if (usable && current.negotiated && (current.released || is_named(o->cid)))
		return SEND;
	return KEEP;
}

/* Unlink the first that is not to be kept. */
static struct outgoing *take(enum verdict *verdict)
{
	struct outgoing **at, *o;

	for (at = &queue; (o = *at); at = &o->next) {
		*verdict = judge(o);
		if (*verdict == KEEP)
			continue;
		*at = o->next;
		if (queue_end == &o->next)
			queue_end = at;
		return o;
	}
	return NULL;
}

static void finish(struct outgoing *o, bool written)
{
	if (o->done)
		o->done(o->arg, written);
	free(o->payload);
	free(o->cid);
	free(o);
}

static struct frame to_frame(const struct outgoing *o)
{
	return (struct frame){ .type = o->type, .id = o->id, .length = o->length, .payload = o->payload, .sent = o->sent };
}

static void put_first(struct outgoing *o)
{
	o->next = queue;
	if (!queue)
		queue_end = &o->next;
	queue = o;
}

/* Called with the lock held, which it gives up meanwhile. */
static void send_one(struct outgoing *o)
{
	struct frame f = to_frame(o);
	struct gcs_error err;
	int fd = current.fd;
	bool ok;

	/* Before the write: the host's next request may be read before we get to run again. */
	if (o->negotiates)
		current.negotiated = true;
	writing = true;
	pthread_mutex_unlock(&lock);
	ok = frame_write(fd, FRAME_MAX_TO_HOST, &f, &err) == 0;
	if (!ok)
		log_warning("%s", err.text);
	if (ok || !o->hold) {
		finish(o, ok);
		o = NULL;
	}
	pthread_mutex_lock(&lock);
	writing = false;
	if (!ok) {
		current.broken = true;
		shutdown(fd, SHUT_RDWR); /* wakes the reader */
	}
	if (o) {
		o->sent = 0;
		put_first(o);
	}
	pthread_cond_broadcast(&settled);
}

/*
 * The same on the caller's thread, when nothing is queued before it and as far as the connection takes it without waiting: so no other
 * thread has to be woken between a request and its answer. What the connection does not take is left for the writer's thread.
 */
static void send_now(struct outgoing *o)
{
	struct frame f = to_frame(o);
	int fd = current.fd;
	bool all;

	if (o->negotiates)
		current.negotiated = true;
	writing = true;
	pthread_mutex_unlock(&lock);
	all = frame_write_now(fd, FRAME_MAX_TO_HOST, &f);
	if (all)
		finish(o, true);
	pthread_mutex_lock(&lock);
	writing = false;
	if (!all) {
		o->sent = f.sent;
		put_first(o);
	}
	/* What was put meanwhile waits as well. */
	if (queue)
		pthread_cond_signal(&changed);
	pthread_cond_broadcast(&settled);
}

static void *run(void *arg)
{
	enum verdict verdict;
	struct outgoing *o;

	pthread_mutex_lock(&lock);
	for (;;) {
		o = writing ? NULL : take(&verdict);
		if (!o) {
			pthread_cond_wait(&changed, &lock);
		} else if (verdict == SEND) {
			send_one(o);
		} else {
			pthread_mutex_unlock(&lock);
			log_info("dropped the response %s, id %llu: its connection is gone", frame_type_name(o->type),
				 (unsigned long long)o->id);
			finish(o, false);
			pthread_mutex_lock(&lock);
			pthread_cond_broadcast(&settled);
		}
	}
	return NULL;
}

int writer_start(struct gcs_error *err)
{
	pthread_t thread;
	int ret = pthread_create(&thread, NULL, run, NULL);

	if (ret)
		return gcs_fail(err, ret, HR_FAIL, "bridge: start the writer");
	pthread_setname_np(thread, "writer");
	pthread_detach(thread);
	return 0;
}

static void forget_names(void)
{
	while (current.named_count)
		free(current.named[--current.named_count]);
	free(current.named);
	current.named = NULL;
}

connection_t writer_attach(int fd)
{
	connection_t number;

	pthread_mutex_lock(&lock);
	forget_names();
	/* What was sent of it was sent to nobody. */
	for (struct outgoing *o = queue; o; o = o->next)
		o->sent = 0;
	number = ++current.number;
	current.fd = fd;
	current.negotiated = false;
	current.broken = false;
	current.released = number == 1; /* the host knows whatever it has created on its first connection */
	pthread_cond_broadcast(&changed);
	pthread_mutex_unlock(&lock);
	return number;
}

void writer_detach(void)
{
	pthread_mutex_lock(&lock);
	current.broken = true;
	while (writing)
		pthread_cond_wait(&settled, &lock);
	current.fd = -1;
	pthread_cond_broadcast(&changed);
	pthread_mutex_unlock(&lock);
}

bool writer_negotiated(connection_t connection)
{
	bool yes;

	pthread_mutex_lock(&lock);
	yes = connection == current.number && current.negotiated;
	pthread_mutex_unlock(&lock);
	return yes;
}

static void release(void *arg)
{
	pthread_mutex_lock(&lock);
	if (current.number == (connection_t)(uintptr_t)arg) {
		current.released = true;
		forget_names();
		pthread_cond_broadcast(&changed);
	}
	pthread_mutex_unlock(&lock);
}

void writer_named(connection_t connection, const char *cid)
{
	char **more;

	pthread_mutex_lock(&lock);
	if (connection == current.number && !current.released && !is_named(cid)) {
		more = reallocarray(current.named, current.named_count + 1, sizeof(*more));
		if (more) {
			current.named = more;
			more[current.named_count] = strdup(cid);
			if (more[current.named_count])
				current.named_count++;
			pthread_cond_broadcast(&changed);
		}
	}
	pthread_mutex_unlock(&lock);
}

void writer_put(struct outgoing *o)
{
	connection_t number;
	bool arm;

	pthread_mutex_lock(&lock);
	number = current.number;
	arm = o->negotiates && !current.released && o->connection == number;
	if (!queue && !writing && judge(o) == SEND) {
		send_now(o);
	} else {
		o->next = NULL;
		*queue_end = o;
		queue_end = &o->next;
		pthread_cond_signal(&changed);
	}
	pthread_mutex_unlock(&lock);
	if (arm) {
		struct gcs_error err;

		if (!event_timer_add(HOLD_MS, release, (void *)(uintptr_t)number, &err))
			log_error("%s", err.text);
	}
}

void writer_flush(void)
{
	enum verdict verdict = KEEP;
	struct outgoing *o;

	pthread_mutex_lock(&lock);
	for (;;) {
		for (o = queue; o && (verdict = judge(o)) == KEEP; o = o->next)
			;
		if (!o && !writing)
			break;
		pthread_cond_wait(&settled, &lock);
	}
	pthread_mutex_unlock(&lock);
}

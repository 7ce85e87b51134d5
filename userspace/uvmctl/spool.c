// SPDX-License-Identifier: MIT
/* Output that nobody reads yet. */
#include "spool.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "event.h"
#include "ext4.h"

#define SPOOL_MAX (64ll << 20)
#define CHUNK (64 << 10)

struct spool {
	int socket, file;
	off_t size;
	struct event *event;
	char buf[CHUNK];
};

struct spool *spool_new(int socket, struct gcs_error *err)
{
	struct spool *s = malloc(sizeof(*s));

	if (!s) {
		gcs_fail(err, ENOMEM, HR_FAIL, "spool");
		return NULL;
	}
	s->socket = socket;
	s->file = -1;
	s->size = 0;
	s->event = NULL;
	return s;
}

void spool_free(struct spool *s)
{
	if (!s)
		return;
	spool_stop(s);
	if (s->file >= 0)
		close(s->file);
	free(s);
}

/* What does not fit stays in the connection, and so with the process: it is taken out only after it has been written. */
static void on_output(struct event *ev, uint32_t events, void *arg)
{
	struct spool *s = arg;
	ssize_t n = recv(s->socket, s->buf, CHUNK, MSG_PEEK | MSG_DONTWAIT), written;

	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
		/* All of it has come: the guest waits for this before it reports the exit. */
		shutdown(s->socket, SHUT_RDWR);
		return;
	}
	if (n > SPOOL_MAX - s->size)
		n = (ssize_t)(SPOOL_MAX - s->size);
	if (n > 0 && s->file < 0)
		s->file = unnamed_file(NULL);
	written = n > 0 && s->file >= 0 ? pwrite(s->file, s->buf, (size_t)n, s->size) : 0;
	if (n > 0 && written <= 0)
		return; /* the disk is full: the process waits until somebody attaches */
	if (written > 0) {
		s->size += written;
		if (recv(s->socket, s->buf, (size_t)written, MSG_DONTWAIT) < 0)
			return;
	}
	if (s->size < SPOOL_MAX)
		event_modify(ev, EPOLLIN | EPOLLONESHOT);
}

int spool_start(struct spool *s, struct gcs_error *err)
{
	if (!s->event)
		s->event = event_add(s->socket, EPOLLIN | EPOLLONESHOT, on_output, s, err);
	return s->event ? 0 : -1;
}

void spool_stop(struct spool *s)
{
	event_remove(s->event);
	s->event = NULL;
}

int spool_file(const struct spool *s)
{
	return s->file;
}

void spool_settle(struct spool *s)
{
	if (s->file < 0 || lseek(s->file, 0, SEEK_CUR) < s->size)
		return;
	close(s->file);
	s->file = -1;
	s->size = 0;
}

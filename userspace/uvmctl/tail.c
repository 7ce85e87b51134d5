// SPDX-License-Identifier: MIT
/* Keep the end of what a descriptor says. */
#include "tail.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "cleanup.h"
#include "thread.h"

#define KEEP 16384
#define LINE_LIMIT 8192 /* of the agent's log it is half of that */

struct tail {
	int fd, stop_fd;
	int echo; /* -1: none */
	struct tail_listener listener;
	/* The reader's: what has come of a line, and whether it is longer than there is room for. */
	char line[LINE_LIMIT];
	size_t line_len;
	bool too_long;
	pthread_t thread;
	bool joined;
	pthread_mutex_t lock; /* protects the two below; nothing is taken inside */
	size_t len;
	char text[2 * KEEP + 1];
};

static void keep(struct tail *t, const char *data, size_t len)
{
	pthread_mutex_lock(&t->lock);
	if (t->len + len > sizeof(t->text) - 1) {
		size_t drop = t->len + len - KEEP;

		if (drop > t->len)
			drop = t->len;
		memmove(t->text, t->text + drop, t->len - drop);
		t->len -= drop;
	}
	memcpy(t->text + t->len, data, len);
	t->len += len;
	pthread_mutex_unlock(&t->lock);
}

/* A line that is too long is nobody's. */
static void tell(struct tail *t, const char *data, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (data[i] != '\n') {
			t->too_long |= t->line_len == sizeof(t->line) - 1;
			if (!t->too_long)
				t->line[t->line_len++] = data[i];
			continue;
		}
		t->line[t->line_len] = '\0';
		if (!t->too_long)
			t->listener.line(t->listener.arg, t->line);
		t->line_len = 0;
		t->too_long = false;
	}
}

static void *run(void *arg)
{
	struct tail *t = arg;
	struct pollfd p[] = { { .fd = t->fd, .events = POLLIN }, { .fd = t->stop_fd, .events = POLLIN } };
	char buf[4096];
	ssize_t n;

	for (;;) {
		if (poll(p, 2, -1) < 0)
			continue;
		if (p[1].revents)
			return NULL;
		n = read(t->fd, buf, sizeof(buf));
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return NULL;
		keep(t, buf, (size_t)n);
		/* What a full disk does not take is lost; what comes when there is room again is not. */
		if (t->echo >= 0 && write(t->echo, buf, (size_t)n) < 0 && errno != ENOSPC && errno != EDQUOT)
			t->echo = -1;
		if (t->listener.line)
			tell(t, buf, (size_t)n);
	}
}

struct tail *tail_start(int fd, int echo, const struct tail_listener *listener, struct gcs_error *err)
{
	struct tail *t = calloc(1, sizeof(*t));
	int ret;

	if (!t) {
		close(fd);
		gcs_fail(err, ENOMEM, HR_FAIL, "reader");
		return NULL;
	}
	t->fd = fd;
	t->echo = echo;
	if (listener)
		t->listener = *listener;
	pthread_mutex_init(&t->lock, NULL);
	t->stop_fd = eventfd(0, EFD_CLOEXEC);
	ret = t->stop_fd < 0 ? errno : thread_start(&t->thread, run, t);
	if (!ret)
		return t;
	gcs_fail(err, ret, HR_FAIL, "reader: thread");
	if (t->stop_fd >= 0)
		close(t->stop_fd);
	close(fd);
	free(t);
	return NULL;
}

char *tail_lines(struct tail *t, unsigned int lines)
{
	char *text;
	size_t at;

	if (!t)
		return strdup("");
	pthread_mutex_lock(&t->lock);
	while (t->len && t->text[t->len - 1] == '\n')
		t->len--;
	for (at = t->len; at; at--)
		if (t->text[at - 1] == '\n' && !--lines)
			break;
	text = strndup(t->text + at, t->len - at);
	pthread_mutex_unlock(&t->lock);
	return text;
}

void tail_finish(struct tail *t)
{
	if (t && !t->joined) {
		pthread_join(t->thread, NULL);
		t->joined = true;
	}
}

void tail_stop(struct tail *t)
{
	uint64_t one = 1;

	if (!t)
		return;
	if (write(t->stop_fd, &one, sizeof(one)) == sizeof(one))
		tail_finish(t);
	close(t->stop_fd);
	close(t->fd);
	pthread_mutex_destroy(&t->lock);
	free(t);
}

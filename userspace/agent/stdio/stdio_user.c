// SPDX-License-Identifier: MIT
/* Standard streams without gcs.ko: pipes or a pty, and a relay on the event thread that moves their data. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "event.h"
#include "stdio/redial.h"
#include "stdio/replay.h"
#include "stdio/stdio.h"

/* Work done for one stream before others get their turn. */
#define SLICE (256 * 1024)
#define CHUNK (64 * 1024)

enum state {
	MOVING,	  /* data is moved, or dropped if there is no socket */
	LOST,	  /* the connection is gone, and another may come: the process waits */
	CLOSING,  /* output: all sent and half-closed, the host's end of file is awaited */
	FINISHED, /* the connection is over; what is still written is dropped */
};

struct stream {
	struct stdio *set;
	bool output;
	bool tty;	  /* @pipe is a pty's master */
	int pipe, socket; /* -1 when closed */
	struct event *pipe_event, *socket_event;
	struct event_timer *timer; /* idle, then the host's end of file */
	enum state state;
	char *rest; /* what was read and what the other side had no room for, from @rest_at to @rest_end */
	size_t rest_at, rest_end;
	struct replay replay;
	struct redial redial;
	bool moved; /* data since the idle timer was set */
	bool ended; /* the process has ended: what others still write is sent, but not waited for longer than STDIO_IDLE_MS */
};

/*
 * After stdio_attach() a set is touched on the event thread only; calls from elsewhere are posted there, in order, as timers that
 * are due at once. So it needs no lock, and no callback can meet one that takes the set down.
 */
struct stdio {
	struct stdio_base base;
	struct stream streams[3];
	int log; /* a file that gets a copy of the output, or -1 */
	struct event_timer *deadline;
	uint32_t deadline_ms;
	uint32_t limit_ms;
	stdio_done_fn done;
	void *arg;
	bool put; /* the owner has let go: freed when the last writer has */
};

static void on_timer(void *arg);

/* Replace the stream's timer; 0 = none. */
static void set_timer(struct stream *st, uint64_t ms)
{
	if (st->timer)
		event_timer_cancel(st->timer);
	st->timer = ms ? event_timer_add(ms, on_timer, st, NULL) : NULL;
}

static void drop(int *fd, struct event **ev)
{
	event_remove(*ev);
	*ev = NULL;
	if (*fd >= 0)
		close_aside(*fd);
	*fd = -1;
}

static void drop_rest(struct stream *st)
{
	free(st->rest);
	st->rest = NULL;
	st->rest_at = st->rest_end = 0;
}

/* The stream's connection will not be made again. */
static void end_connection(struct stream *st)
{
	set_timer(st, 0);
	redial_stop(&st->redial);
	drop_rest(st);
	replay_drop(&st->replay);
}

static void drop_stream(struct stream *st)
{
	end_connection(st);
	drop(&st->pipe, &st->pipe_event);
	drop(&st->socket, &st->socket_event);
}

/* The connection is over. Output that others still write goes on being read and dropped. */
static void finish(struct stream *st)
{
	st->state = FINISHED;
	end_connection(st);
	drop(&st->socket, &st->socket_event);
}

/* The host does not want it, which the process must not notice. A terminal without a screen has no keys. */
static void give_up(struct stream *st)
{
	finish(st);
	if (st->tty)
		drop_stream(&st->set->streams[0]);
}

/* The host, or its end of this output, is gone. */
static void lose(struct stream *st)
{
	struct stream *in = &st->set->streams[0];

	if (!st->redial.port) {
		give_up(st);
		return;
	}
	st->state = LOST;
	set_timer(st, 0);
	drop(&st->socket, &st->socket_event);
	redial_lost(&st->redial, st->ended);
	if (st->tty && in->redial.port && !st->ended) {
		drop_stream(in);
		redial_lost(&in->redial, false);
	}
}

/* Everything was sent: half-close and await the host's end of file. */
static void close_output(struct stream *st)
{
	if (st->socket < 0) {
		finish(st);
		return;
	}
	st->state = CLOSING;
	shutdown(st->socket, SHUT_WR);
	set_timer(st, STDIO_PEER_EOF_MS);
}

/* Has the host closed its side? */
static bool peer_closed(struct stream *st)
{
	char byte;
	ssize_t n;

	while ((n = recv(st->socket, &byte, 1, MSG_DONTWAIT)) > 0)
		;
	return n == 0 || (errno != EAGAIN && errno != EINTR);
}

static char buffer[CHUNK]; /* what passes through; the event thread's */

/* What the file does not take, because its disk is full, the host still gets. */
static void copy_to_log(const struct stream *st, size_t len)
{
	size_t at = 0;
	ssize_t n;

	while (at < len && ((n = write(st->set->log, buffer + at, len - at)) > 0 || (n < 0 && errno == EINTR)))
		at += n > 0 ? n : 0;
}

static ssize_t read_some(struct stream *st)
{
	int from = st->output ? st->pipe : st->socket;
	ssize_t n = read(from, buffer, sizeof(buffer));
	bool closed = n < 0 && errno == EIO && st->tty;

	/* A master says so when the last slave was closed. What was written just before may have come after it looked: it looks again. */
	if (closed)
		n = read(from, buffer, sizeof(buffer));
	if (n > 0 && st->output && st->set->log >= 0)
		copy_to_log(st, n);
	return closed && n < 0 && errno == EIO ? 0 : n;
}

/* What the last connection took comes first, in front of the rest. Returns -1 without memory. */
static int send_again(struct stream *st)
{
	size_t len;
	char *all = replay_take(&st->replay, st->rest + st->rest_at, st->rest_end - st->rest_at, &len);

	if (!all)
		return -1;
	drop_rest(st);
	st->rest = all;
	st->rest_end = len;
	/* An empty one would look like an end. */
	if (!len)
		drop_rest(st);
	return 0;
}

static ssize_t write_some(struct stream *st, const char *data, size_t len)
{
	ssize_t n = st->output ? send(st->socket, data, len, MSG_NOSIGNAL) : write(st->pipe, data, len);

	if (n > 0 && st->output && st->redial.port && !st->tty)
		replay_add(&st->replay, data, n);
	return n;
}

/*
 * Move one chunk. Returns the bytes moved, 0 at the end of file, -1 with errno. Not by splice(2), which sends to a
 * vsock page by page (6.1).
 */
static ssize_t move_chunk(struct stream *st)
{
	ssize_t n, sent;
	bool gone;

	if (st->rest) {
		sent = write_some(st, st->rest + st->rest_at, st->rest_end - st->rest_at);
		if (sent > 0)
			st->rest_at += sent;
		if (st->rest_at == st->rest_end)
			drop_rest(st);
		return sent;
	}
	n = read_some(st);
	if (n <= 0)
		return n;
	do
		sent = write_some(st, buffer, n);
	while (sent < 0 && errno == EINTR);
	gone = sent < 0 && errno != EAGAIN;
	/* What was read is for the next connection, if one may come. */
	if (gone && !st->redial.port)
		return -1;
	if (sent < 0)
		sent = 0;
	if (sent == n)
		return n;
	st->rest = malloc(n - sent);
	/* The connection cannot go on with a hole in it. */
	if (!st->rest)
		return -1;
	memcpy(st->rest, buffer + sent, n - sent);
	st->rest_end = n - sent;
	errno = EPIPE;
	return gone ? -1 : n;
}

/* pipe -> socket. Returns true if there may be more to do at once. */
static bool move_output(struct stream *st)
{
	size_t done = 0;
	ssize_t n;

	while (st->pipe >= 0 && st->state != LOST && done < SLICE) {
		bool send = st->state == MOVING && st->socket >= 0;

		if (send)
			n = move_chunk(st);
		else
			n = read_some(st);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			break;
		if (n < 0 && send) {
			lose(st);
			continue;
		}
		if (n <= 0) {
			drop(&st->pipe, &st->pipe_event);
			if (st->state == MOVING)
				close_output(st);
			break;
		}
		done += n;
		st->moved = true;
	}
	if (st->state == CLOSING && peer_closed(st))
		finish(st);
	return done >= SLICE;
}

/* socket -> pipe; splice(2) wants a pipe. */
static bool move_input(struct stream *st)
{
	size_t done = 0;
	ssize_t n;

	while (st->pipe >= 0 && done < SLICE) {
		if (st->tty)
			n = move_chunk(st);
		else
			n = splice(st->socket, NULL, st->pipe, NULL, CHUNK, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			break;
		if (n <= 0) {
			/* End of file, or nobody reads any more. The connection stays until the process has ended. */
			drop_rest(st);
			drop(&st->pipe, &st->pipe_event);
			event_remove(st->socket_event);
			st->socket_event = NULL;
			break;
		}
		done += n;
	}
	return done >= SLICE;
}

/* Report what is due and free what nobody needs: the last thing done in every callback. */
static void settle(struct stdio *s)
{
	stdio_done_fn done = s->done;
	bool over = true;

	for (int i = 1; i < 3; i++)
		if (s->streams[i].state != FINISHED)
			done = NULL;
	if (done) {
		s->done = NULL;
		if (s->deadline)
			event_timer_cancel(s->deadline);
		s->deadline = NULL;
		done(s->arg);
	}
	for (int i = 0; i < 3; i++)
		if (s->streams[i].pipe >= 0 || s->streams[i].socket >= 0)
			over = false;
	/* The owner's stdio_put() is posted: @s is still there if it has come within done(). */
	if (!over || !s->put)
		return;
	if (s->log >= 0)
		close(s->log);
	free(s);
}

/*
 * Edge-triggered: both sides are watched all the time; moving goes on until one would block, and that one's
 * edge leads here again.
 */
static void move(struct stream *st)
{
	if ((st->output ? move_output(st) : move_input(st)) && st->pipe_event)
		/* Raises the edge again, behind those of the other streams. */
		event_modify(st->pipe_event, EPOLLET | (st->output ? EPOLLIN : EPOLLOUT));
}

/* No byte will ever be taken again, as sending none tells. */
static bool peer_gone(struct stream *st)
{
	return send(st->socket, "", 0, MSG_NOSIGNAL) < 0 && errno != EAGAIN && errno != EINTR;
}

static void on_ready(struct event *ev, uint32_t events, void *arg)
{
	struct stream *st = arg;

	move(st);
	/* An idle stream has nothing to send by which it would find out. */
	if (st->output && st->state == MOVING && ev == st->socket_event && events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR) &&
	    peer_gone(st)) {
		lose(st);
		move(st);
	}
	settle(st->set);
}

static int watch(struct stream *st)
{
	if (!st->pipe_event)
		st->pipe_event = event_add(st->pipe, EPOLLET | (st->output ? EPOLLIN : EPOLLOUT), on_ready, st, NULL);
	if (st->pipe_event && st->socket >= 0)
		st->socket_event = event_add(st->socket, EPOLLET | EPOLLIN | EPOLLOUT | EPOLLRDHUP, on_ready, st, NULL);
	return st->pipe_event && (st->socket < 0 || st->socket_event) ? 0 : -1;
}

static void on_timer(void *arg)
{
	struct stream *st = arg;
	int queued = 0;

	st->timer = NULL;
	if (st->state == CLOSING) {
		finish(st);
	} else if (st->state == MOVING) {
		/* What the host has not taken yet is not idle. */
		if (st->moved || st->rest || (ioctl(st->pipe, FIONREAD, &queued) == 0 && queued))
			set_timer(st, STDIO_IDLE_MS);
		else
			close_output(st);
		st->moved = false;
	}
	settle(st->set);
}

/* What was lost has a connection again. */
static void on_connected(void *arg, int socket)
{
	struct stream *st = arg;
	struct stdio *s = st->set;

	st->socket = socket;
	/* The way in was let go of. */
	if (!st->output && s->streams[1].pipe >= 0)
		st->pipe = fcntl(s->streams[1].pipe, F_DUPFD_CLOEXEC, 0);
	if (st->pipe < 0 || watch(st) < 0 || send_again(st) < 0) {
		if (st->output)
			give_up(st);
		else
			drop_stream(st);
	} else {
		st->state = MOVING;
		st->moved = false;
		set_timer(st, st->ended ? STDIO_IDLE_MS : 0);
	}
	move(st);
	settle(s);
}

static void on_given_up(void *arg)
{
	struct stream *st = arg;

	if (st->output)
		give_up(st);
	move(st);
	settle(st->set);
}

static void start(void *arg)
{
	struct stdio *s = arg;

	for (int i = 0; i < 3; i++) {
		struct stream *st = &s->streams[i];

		if (st->pipe < 0)
			continue;
		if (!st->output && st->socket < 0) {
			drop_stream(st);
			continue;
		}
		if (st->output ? st->socket >= 0 : st->tty)
			redial_arm(&st->redial, s->base.ports[i], on_connected, on_given_up, st);
		/* Out of memory: the process gets an error instead of waiting for ever. */
		if (watch(st) < 0) {
			drop_stream(st);
			st->state = FINISHED;
		}
	}
}

static void on_deadline(void *arg)
{
	struct stdio *s = arg;

	s->deadline = NULL;
	for (int i = 1; i < 3; i++) {
		if (s->streams[i].state == FINISHED)
			continue;
		finish(&s->streams[i]);
		move(&s->streams[i]);
	}
	settle(s);
}

static void end(void *arg)
{
	struct stdio *s = arg;

	if (s->streams[0].socket >= 0)
		shutdown(s->streams[0].socket, SHUT_RD);
	drop_stream(&s->streams[0]);
	if (s->streams[1].tty)
		drop_stream(&s->streams[2]);
	for (int i = 1; i < 3; i++) {
		struct stream *st = &s->streams[i];

		st->ended = true;
		redial_ended(&st->redial);
		if (st->state != MOVING)
			continue;
		st->moved = false;
		set_timer(st, STDIO_IDLE_MS);
		move(st);
	}
	/* A limit that came first stays. */
	if (s->deadline_ms && !s->deadline)
		s->deadline = event_timer_add(s->deadline_ms, on_deadline, s, NULL);
	settle(s);
}

static void limit(void *arg)
{
	struct stdio *s = arg;

	/* Reported already, and only not let go of yet. */
	if (!s->done)
		return;
	if (s->deadline)
		event_timer_cancel(s->deadline);
	s->deadline = event_timer_add(s->limit_ms, on_deadline, s, NULL);
}

static void let_go(void *arg)
{
	struct stdio *s = arg;

	s->put = true;
	if (s->deadline)
		event_timer_cancel(s->deadline);
	s->deadline = NULL;
	for (int i = 0; i < 3; i++)
		/* After stdio_finish(), others may still write to a pipe. A terminal is hung up. */
		if (s->streams[i].tty || !s->streams[i].ended || s->streams[i].state != FINISHED)
			drop_stream(&s->streams[i]);
	settle(s);
}

static void user_put(struct stdio *s)
{
	s->done = NULL;
	event_timer_add(0, let_go, s, NULL);
}

static struct stdio *new_set(const bool want[3], bool tty, struct gcs_error *err)
{
	struct stdio *s = calloc(1, sizeof(*s));

	if (!s) {
		gcs_fail(err, ENOMEM, HR_FAIL, "standard streams");
		return NULL;
	}
	s->log = -1;
	for (int i = 0; i < 3; i++) {
		struct stream *st = &s->streams[i];

		st->set = s;
		st->output = i > 0;
		st->tty = tty;
		st->pipe = st->socket = -1;
		st->state = want[i] ? MOVING : FINISHED;
	}
	return s;
}

static struct stdio *user_new_tty(int master, struct gcs_error *err)
{
	struct stdio *s = new_set((bool[3]){ true, true, false }, true, err);

	if (!s)
		return NULL;
	/* One each: the way in may be over before the way out. */
	for (int i = 0; i < 2; i++) {
		s->streams[i].pipe = fcntl(master, F_DUPFD_CLOEXEC, 0);
		if (s->streams[i].pipe < 0) {
			gcs_fail(err, errno, HR_FAIL, "terminal: duplicate its master");
			user_put(s);
			return NULL;
		}
	}
	fcntl(master, F_SETFL, fcntl(master, F_GETFL) | O_NONBLOCK);
	return s;
}

static struct stdio *user_new(const bool want[3], bool keep, int files[3], struct gcs_error *err)
{
	struct stdio *s = new_set(want, false, err);
	int p[2];

	files[0] = files[1] = files[2] = -1;
	if (!s)
		return NULL;
	for (int i = 0; i < 3; i++) {
		if (!want[i])
			continue;
		if (pipe2(p, O_CLOEXEC) < 0) {
			gcs_fail(err, errno, HR_FAIL, "standard streams: pipe");
			stdio_close(files);
			user_put(s);
			return NULL;
		}
		files[i] = p[i > 0];
		s->streams[i].pipe = p[i == 0];
		/* Only the relay's end: the process's is its own business. */
		fcntl(s->streams[i].pipe, F_SETFL, O_NONBLOCK);
	}
	return s;
}

static int user_attach(struct stdio *s, int sockets[3], struct gcs_error *err)
{
	for (int i = 0; i < 3; i++) {
		if (sockets[i] < 0)
			continue;
		fcntl(sockets[i], F_SETFL, O_NONBLOCK);
		s->streams[i].socket = sockets[i];
		sockets[i] = -1;
	}
	return event_timer_add(0, start, s, err) ? 0 : -1;
}

static void user_finish(struct stdio *s, uint32_t deadline_ms, stdio_done_fn done, void *arg)
{
	s->deadline_ms = deadline_ms;
	s->done = done;
	s->arg = arg;
	if (!event_timer_add(0, end, s, NULL))
		done(arg);
}

static void user_limit(struct stdio *s, uint32_t ms)
{
	s->limit_ms = ms;
	event_timer_add(0, limit, s, NULL);
}

/* Nothing is read before user_attach(). */
static void user_log(struct stdio *s, int log)
{
	s->log = log;
}

static const struct stdio_engine engine = {
	.new = user_new,
	.new_tty = user_new_tty,
	.attach = user_attach,
	.finish = user_finish,
	.limit = user_limit,
	.log = user_log,
	.put = user_put,
};

const struct stdio_engine *stdio_user_engine(void)
{
	return &engine;
}

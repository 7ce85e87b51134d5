// SPDX-License-Identifier: MIT
/* Standard streams and terminals by gcs.ko: the kernel moves the bytes, the agent hears when a stream has finished. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include "event.h"
#include "module.h"
#include "stdio/redial.h"
#include "stdio/stdio.h"

/* After a list of streams that could not be had: memory is short. */
#define LIST_AGAIN_MS 100

struct stream {
	struct stdio *set;
	uint64_t id;
	uint64_t kept; /* the oldest byte that it had when it was lost */
	bool waiting;  /* it is lost, and @redial has not called back yet */
	bool given_up; /* its end is a matter of a moment, which no other time may replace */
	struct redial redial;
	bool exists;   /* it was made */
	bool finished; /* the module has said so */
	bool suspect;  /* events were missed: finished if it is not in the list taken since */
};

struct stdio {
	struct stdio_base base;
	struct stream streams[3]; /* of a terminal, which is one thing to the module, the second */
	int master;		  /* of the terminal, or -1 */
	int stderr_socket;	  /* of a terminal: nothing is sent on it */
	bool finishing;
	uint32_t deadline_ms, limit_ms; /* 0 = none */
	stdio_done_fn done;
	void *arg;
	struct stdio *next;
};

/* Protects the list and what is in the sets. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct stdio *sets;

static bool delivered(const struct stdio *s)
{
	for (int i = 1; i < 3; i++)
		if (s->streams[i].exists && !s->streams[i].finished)
			return false;
	return true;
}

/* Call the done functions that are due; none under the lock. */
static void report(void)
{
	struct stdio *s;
	stdio_done_fn done;
	void *arg;

	for (;;) {
		pthread_mutex_lock(&lock);
		for (s = sets; s && !(s->done && delivered(s));)
			s = s->next;
		if (!s) {
			pthread_mutex_unlock(&lock);
			return;
		}
		done = s->done;
		arg = s->arg;
		s->done = NULL;
		pthread_mutex_unlock(&lock);
		done(arg);
	}
}

/* With the lock held. */
static void stream_lost(struct stream *st)
{
	st->waiting = true;
	redial_lost(&st->redial, st->set->finishing);
}

/*
 * With the lock held. If the host of a terminal has gone and its process has not, the process must not notice: the master gets another
 * relay, which waits for the host's return, or reads and drops what is written when the host will not return. Not if nobody has the
 * terminal open any more: that relay would end at once.
 */
static void stream_finished(struct stdio *s, struct stream *st, uint32_t reason)
{
	uint32_t flags = st->redial.port ? 0 : GCS_TTY_DISCARD;

	if (s->master < 0 || s->finishing || reason != GCS_REASON_PEER || module_tty_open(flags, s->master, &st->id, NULL) < 0) {
		st->finished = true;
		redial_stop(&st->redial);
		return;
	}
	if (st->redial.port)
		stream_lost(st);
	if (s->streams[0].redial.port)
		stream_lost(&s->streams[0]);
}

static void on_lost(uint64_t id, uint64_t kept)
{
	pthread_mutex_lock(&lock);
	for (struct stdio *s = sets; s; s = s->next) {
		for (int i = 1; i < 3; i++) {
			if (!s->streams[i].exists || s->streams[i].id != id)
				continue;
			s->streams[i].kept = kept;
			stream_lost(&s->streams[i]);
		}
	}
	pthread_mutex_unlock(&lock);
}

/* With the lock held. What has left a stream are the process's bytes on one side, the host's on the other; a terminal has both. */
static void count(struct stdio *s, int i, const struct module_finished *f)
{
	struct stdio_totals *totals = &s->base.totals;

	totals->known = true;
	totals->in += s->master >= 0 ? f->bytes_in : i == 0 ? f->bytes_out : 0;
	totals->out += i > 0 ? f->bytes_out : 0;
	totals->lost += f->lost;
}

static void on_finished(const struct module_finished *f)
{
	pthread_mutex_lock(&lock);
	for (struct stdio *s = sets; s; s = s->next) {
		for (int i = 0; i < 3; i++) {
			if (!s->streams[i].exists || s->streams[i].id != f->id)
				continue;
			count(s, i, f);
			stream_finished(s, &s->streams[i], f->reason);
		}
	}
	pthread_mutex_unlock(&lock);
	report();
}

static void on_missed(void);

static void on_list_timer(void *arg)
{
	on_missed();
}

static void on_missed(void)
{
	struct module_stream *list;
	size_t count;

	/* Streams made from here on need not be in the list. */
	pthread_mutex_lock(&lock);
	for (struct stdio *s = sets; s; s = s->next)
		for (int i = 0; i < 3; i++)
			s->streams[i].suspect = s->streams[i].exists;
	pthread_mutex_unlock(&lock);
	if (module_list(&list, &count, NULL) < 0) {
		event_timer_add(LIST_AGAIN_MS, on_list_timer, NULL, NULL);
		return;
	}
	for (size_t n = 0; n < count; n++)
		if (list[n].lost)
			on_lost(list[n].id, list[n].kept);
	pthread_mutex_lock(&lock);
	for (struct stdio *s = sets; s; s = s->next) {
		for (int i = 0; i < 3; i++) {
			size_t n = 0;

			while (n < count && list[n].id != s->streams[i].id)
				n++;
			/* Why, the event would have said: at worst it ends again, with another event. */
			if (n == count && s->streams[i].suspect)
				stream_finished(s, &s->streams[i], GCS_REASON_PEER);
		}
	}
	pthread_mutex_unlock(&lock);
	free(list);
	report();
}

/* The two kinds of stream, as the module ends them. Returns 1 if it has ended. */
static int end_stream(struct stdio *s, int i, uint32_t flags, uint32_t idle_ms, uint32_t deadline_ms, struct gcs_error *err)
{
	if (s->master >= 0)
		return module_tty_finish(s->streams[i].id, idle_ms, deadline_ms, err);
	return module_stream_finish(s->streams[i].id, flags, idle_ms, deadline_ms, err);
}

/* A terminal without a socket would end at once. */
static bool end_waits(const struct stdio *s)
{
	return s->master >= 0 && s->streams[1].waiting;
}

/* Connect what was lost once more. @socket is taken over. */
static int attach_again(struct stdio *s, struct stream *st, int socket)
{
	bool in = st == &s->streams[0];
	int ret;

	if (s->master >= 0)
		ret = module_tty_attach(s->streams[1].id, 0, in ? socket : -1, in ? -1 : socket, NULL);
	else
		ret = module_stream_attach_again(st->id, socket, st->kept, NULL);
	close(socket);
	return ret;
}

static void on_connected(void *arg, int socket)
{
	struct stream *st = arg;
	struct stdio *s = st->set;

	pthread_mutex_lock(&lock);
	st->waiting = false;
	/* It is gone again, or the stream has finished, which its event says. */
	if (attach_again(s, st, socket) < 0)
		stream_lost(st);
	else if (s->master >= 0 && s->finishing && end_stream(s, 1, 0, STDIO_IDLE_MS, s->deadline_ms, NULL) != 0)
		st->finished = true;
	pthread_mutex_unlock(&lock);
	report();
}

/* The host does not want it: from now on the stream is broken. A terminal's process must not notice: what it writes is dropped. */
static void on_given_up(void *arg)
{
	struct stream *st = arg;
	struct stdio *s = st->set;
	int i = st - s->streams, ret;

	pthread_mutex_lock(&lock);
	st->waiting = false;
	if (s->master >= 0 && !s->finishing)
		ret = i ? module_tty_attach(st->id, GCS_TTY_DISCARD, -1, -1, NULL) : 0;
	else
		ret = end_stream(s, i, s->finishing ? GCS_FINISH_DISCARD : 0, 0, 1, NULL);
	st->given_up = s->master < 0;
	if (ret != 0)
		st->finished = true;
	pthread_mutex_unlock(&lock);
	report();
}

static void kmod_put(struct stdio *s)
{
	struct stdio **at;

	pthread_mutex_lock(&lock);
	for (int i = 0; i < 3; i++)
		redial_stop(&s->streams[i].redial);
	for (at = &sets; *at && *at != s;)
		at = &(*at)->next;
	if (*at)
		*at = s->next;
	pthread_mutex_unlock(&lock);
	if (!s->finishing)
		for (int i = 0; i < 3; i++)
			if (s->streams[i].exists)
				end_stream(s, i, GCS_FINISH_DISCARD, 0, 1, NULL);
	if (s->master >= 0)
		close_aside(s->master);
	if (s->stderr_socket >= 0)
		close(s->stderr_socket);
	free(s);
}

static struct stdio *new_set(struct gcs_error *err)
{
	struct stdio *s = calloc(1, sizeof(*s));

	if (!s) {
		gcs_fail(err, ENOMEM, HR_FAIL, "standard streams");
		return NULL;
	}
	s->master = s->stderr_socket = -1;
	for (int i = 0; i < 3; i++)
		s->streams[i].set = s;
	/* Listed before there is a stream, so that no finished event finds nobody. */
	pthread_mutex_lock(&lock);
	s->next = sets;
	sets = s;
	pthread_mutex_unlock(&lock);
	return s;
}

static struct stdio *kmod_new_tty(int master, struct gcs_error *err)
{
	struct stdio *s = new_set(err);
	uint64_t id;

	if (!s)
		return NULL;
	s->master = fcntl(master, F_DUPFD_CLOEXEC, 0);
	if (s->master < 0)
		gcs_fail(err, errno, HR_FAIL, "terminal: duplicate its master");
	if (s->master < 0 || module_tty_open(0, s->master, &id, err) < 0) {
		kmod_put(s);
		return NULL;
	}
	/* Without a socket it cannot have finished yet. */
	pthread_mutex_lock(&lock);
	s->streams[1].id = id;
	s->streams[1].exists = true;
	pthread_mutex_unlock(&lock);
	return s;
}

static struct stdio *kmod_new(const bool want[3], bool keep, int files[3], struct gcs_error *err)
{
	const uint32_t output = GCS_STREAM_WRITE | (keep ? GCS_STREAM_KEEP : 0);
	struct stdio *s = new_set(err);

	files[0] = files[1] = files[2] = -1;
	if (!s)
		return NULL;
	for (int i = 0; i < 3; i++) {
		uint64_t id;

		if (!want[i])
			continue;
		if (module_stream_open(i ? output : GCS_STREAM_READ, -1, i, &files[i], &id, err) < 0) {
			stdio_close(files);
			kmod_put(s);
			return NULL;
		}
		/* The stream cannot finish before files[i] is closed. */
		pthread_mutex_lock(&lock);
		s->streams[i].id = id;
		s->streams[i].exists = true;
		pthread_mutex_unlock(&lock);
	}
	return s;
}

static int kmod_attach(struct stdio *s, int sockets[3], struct gcs_error *err)
{
	int ret = 0;

	pthread_mutex_lock(&lock);
	for (int i = s->master < 0; i < 3; i++)
		redial_arm(&s->streams[i].redial, sockets[i] < 0 ? 0 : s->base.ports[i], on_connected, on_given_up, &s->streams[i]);
	pthread_mutex_unlock(&lock);
	if (s->master >= 0) {
		ret = module_tty_attach(s->streams[1].id, sockets[1] < 0 ? GCS_TTY_DISCARD : 0, sockets[0], sockets[1], err);
		s->stderr_socket = sockets[2];
		sockets[2] = -1;
		stdio_close(sockets);
		return ret;
	}
	for (int i = 0; i < 3 && !ret; i++) {
		if (!s->streams[i].exists)
			continue;
		if (sockets[i] < 0)
			ret = module_stream_finish(s->streams[i].id, GCS_FINISH_DISCARD, 0, 0, err) < 0 ? -1 : 0;
		else
			ret = module_stream_attach(s->streams[i].id, sockets[i], err);
	}
	stdio_close(sockets);
	return ret;
}

/* With the lock held: the module replaces the times of a stream, so they are given to it in one order. */
static void finish_streams(struct stdio *s)
{
	for (int i = 0; i < 3; i++) {
		struct stream *st = &s->streams[i];

		if (!st->exists || st->finished)
			continue;
		redial_ended(&st->redial);
		if (end_waits(s) || st->given_up)
			continue;
		/* One that has finished already has its event on the way; one that cannot be told to is not waited for. */
		if (end_stream(s, i, i ? GCS_FINISH_DISCARD : 0, i ? STDIO_IDLE_MS : 0, s->deadline_ms, NULL) < 0)
			st->finished = true;
	}
}

static void kmod_finish(struct stdio *s, uint32_t deadline_ms, stdio_done_fn done, void *arg)
{
	pthread_mutex_lock(&lock);
	s->finishing = true;
	if (s->stderr_socket >= 0)
		close(s->stderr_socket);
	s->stderr_socket = -1;
	redial_stop(&s->streams[0].redial);
	s->deadline_ms = s->limit_ms ? s->limit_ms : deadline_ms;
	finish_streams(s);
	s->done = done;
	s->arg = arg;
	pthread_mutex_unlock(&lock);
	report();
}

static void kmod_limit(struct stdio *s, uint32_t ms)
{
	pthread_mutex_lock(&lock);
	s->limit_ms = s->deadline_ms = ms;
	/* A stream that has gone meanwhile is reported by its event, on the event thread. */
	for (int i = 1; s->finishing && !end_waits(s) && i < 3; i++)
		if (s->streams[i].exists && !s->streams[i].finished && !s->streams[i].given_up)
			end_stream(s, i, GCS_FINISH_DISCARD, STDIO_IDLE_MS, ms, NULL);
	pthread_mutex_unlock(&lock);
}

static const struct stdio_engine engine = {
	.new = kmod_new,
	.new_tty = kmod_new_tty,
	.attach = kmod_attach,
	.finish = kmod_finish,
	.limit = kmod_limit,
	.put = kmod_put,
};

const struct stdio_engine *stdio_kmod_engine(struct gcs_error *err)
{
	return module_init(on_finished, on_lost, on_missed, err) < 0 ? NULL : &engine;
}

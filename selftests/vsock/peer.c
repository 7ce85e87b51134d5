// SPDX-License-Identifier: MIT
/* The host's end of the vsock tests: listens on PREFIX_5000 and PREFIX_5001 and does what each connection asks for. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/un.h>

#include "stream.h"

#define JOBS 4096

static struct state {
	struct verdict verdict;
	int sent, go, done;
} states[JOBS];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;

static void set(int *flag)
{
	pthread_mutex_lock(&lock);
	*flag = 1;
	pthread_cond_broadcast(&changed);
	pthread_mutex_unlock(&lock);
}

static void wait_for(int *flag)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += DEADLINE_S;
	pthread_mutex_lock(&lock);
	while (!*flag && !pthread_cond_timedwait(&changed, &lock, &until))
		;
	pthread_mutex_unlock(&lock);
}

static void *start(void *(*fn)(void *), void *arg)
{
	pthread_attr_t attr;
	pthread_t t;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 1 << 20);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	if (pthread_create(&t, &attr, fn, arg)) {
		perror("peer: thread");
		exit(1);
	}
	return NULL;
}

struct sending {
	int fd;
	struct job job;
};

static void *send_part(void *arg)
{
	struct sending *s = arg;
	uint64_t seed = SEED(s->job.id, 1);

	states[s->job.id].verdict.sent = stream_send(s->fd, &seed, s->job.host_bytes);
	shutdown(s->fd, SHUT_WR);
	return NULL;
}

static void echo(int fd)
{
	uint8_t buf[4096];
	ssize_t n;

	while ((n = recv(fd, buf, sizeof(buf), 0)) > 0)
		for (ssize_t at = 0, m; at < n; at += m) {
			m = send(fd, buf + at, (size_t)(n - at), MSG_NOSIGNAL);
			if (m < 0)
				return;
		}
}

/* Read to the end and drop: what a throughput test measures is not this program. */
static void sink(int fd, struct verdict *v)
{
	static __thread uint8_t buf[256 << 10];
	ssize_t n;

	while ((n = recv(fd, buf, sizeof(buf), 0)) > 0)
		v->received += (uint64_t)n;
	v->end = n < 0 ? errno : 0;
}

static void *run_job(void *arg)
{
	int fd = (int)(intptr_t)arg;
	struct sending s = { .fd = fd };
	struct state *st;
	uint64_t to, from;
	pthread_t t;

	set_deadline(fd);
	if (read_all(fd, &s.job, sizeof(s.job)) || s.job.id >= JOBS) {
		close(fd);
		return NULL;
	}
	st = &states[s.job.id];
	to = SEED(s.job.id, 1);
	from = SEED(s.job.id, 0);
	switch (s.job.order) {
	case GUEST_FIRST:
		stream_check(fd, &from, &st->verdict);
		st->verdict.sent = stream_send(fd, &to, s.job.host_bytes);
		break;
	case HOST_FIRST:
		st->verdict.sent = stream_send(fd, &to, s.job.host_bytes);
		shutdown(fd, SHUT_WR);
		stream_check(fd, &from, &st->verdict);
		break;
	case BOTH:
		pthread_create(&t, NULL, send_part, &s);
		stream_check(fd, &from, &st->verdict);
		pthread_join(t, NULL);
		break;
	case GUEST_CLOSE:
	case HOST_HOLDS:
		wait_for(&st->go);
		stream_check(fd, &from, &st->verdict);
		st->verdict.sent = stream_send(fd, &to, s.job.host_bytes);
		break;
	case HOST_CLOSE:
		st->verdict.sent = stream_send(fd, &to, s.job.host_bytes);
		break;
	case ECHO:
		echo(fd);
		break;
	case SINK:
		sink(fd, &st->verdict);
		break;
	}
	close(fd);
	set(&st->sent);
	set(&st->done);
	return NULL;
}

static void *answer(void *arg)
{
	int fd = (int)(intptr_t)arg;
	struct question q;

	while (!read_all(fd, &q, sizeof(q)) && q.id < JOBS) {
		struct state *st = &states[q.id];

		if (q.ask == ASK_GO)
			set(&st->go);
		else
			wait_for(q.ask == ASK_SENT ? &st->sent : &st->done);
		if (send(fd, &st->verdict, sizeof(st->verdict), MSG_NOSIGNAL) < 0)
			break;
		if (q.ask == ASK_DONE)
			memset(st, 0, sizeof(*st));
	}
	close(fd);
	return NULL;
}

static int listen_on(const char *prefix, int port)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s_%d", prefix, port);
	unlink(addr.sun_path);
	if (bind(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0 || listen(fd, 4096) < 0) {
		perror(addr.sun_path);
		exit(1);
	}
	return fd;
}

int main(int argc, char **argv)
{
	struct rlimit limit;
	struct pollfd p[2];

	if (argc != 2) {
		fprintf(stderr, "usage: peer PREFIX\n");
		return 1;
	}
	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
	p[0].fd = listen_on(argv[1], PORT_JOB);
	p[1].fd = listen_on(argv[1], PORT_VERDICT);
	p[0].events = p[1].events = POLLIN;
	puts("listening");
	fflush(stdout);
	for (;;) {
		if (poll(p, 2, -1) < 0)
			continue;
		for (int i = 0; i < 2; i++) {
			int fd = p[i].revents ? accept4(p[i].fd, NULL, NULL, SOCK_CLOEXEC) : -1;

			if (fd >= 0)
				start(i ? answer : run_job, (void *)(intptr_t)fd);
		}
	}
}

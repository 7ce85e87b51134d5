// SPDX-License-Identifier: MIT
/*
 * host_peer PATH PORT: the host's end of the bench programs
 *
 * Listens at the unix sockets PATH_PORT and so on, which a vhost-user-vsock backend connects to for the guest, one for each
 * service of bench.h. Runs until it is killed.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "bench.h"

#define CHUNK (256 * 1024)

/* A service's connections so far: it begins when it has all that it needs. */
struct session {
	enum bench_service service;
	int count;
	int conn[3];
};

static void die(const char *what)
{
	fprintf(stderr, "host_peer: %s: %s\n", what, strerror(errno));
	exit(1);
}

static int listen_at(const char *path, int port)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (snprintf(addr.sun_path, sizeof(addr.sun_path), "%s_%d", path, port) >= (int)sizeof(addr.sun_path)) {
		errno = ENAMETOOLONG;
		die(path);
	}
	unlink(addr.sun_path);
	if (fd < 0 || bind(fd, (struct sockaddr *)&addr, sizeof(addr)) || listen(fd, 128))
		die(addr.sun_path);
	return fd;
}

static void sink(int conn)
{
	char *buf = malloc(CHUNK);

	while (buf && read(conn, buf, CHUNK) > 0)
		;
	free(buf);
}

static void source(int conn)
{
	char *buf = calloc(1, CHUNK);
	uint32_t left;

	while (buf && read(conn, &left, sizeof(left)) == sizeof(left)) {
		while (left) {
			ssize_t n = write(conn, buf, left < 65536 ? left : 65536);

			if (n <= 0)
				break;
			left -= n;
		}
	}
	free(buf);
}

static void echo(const int conn[3])
{
	struct bench_echo e = { 0 };
	double *trip = NULL, result = 0;
	char *buf = NULL;
	uint32_t i;

	if (read(conn[2], &e, sizeof(e)) == sizeof(e)) {
		trip = calloc(e.trips, sizeof(*trip));
		buf = calloc(1, e.size);
	}
	for (i = 0; trip && buf && i < e.trips; i++) {
		double start = bench_now();

		if (write(conn[0], buf, e.size) != e.size || recv(conn[1], buf, e.size, MSG_WAITALL) != e.size)
			break;
		trip[i] = (bench_now() - start) * 1e6;
	}
	if (trip && buf && i == e.trips)
		result = bench_median(trip, e.trips);
	free(trip);
	free(buf);
	if (write(conn[2], &result, sizeof(result)) != sizeof(result))
		fprintf(stderr, "host_peer: the guest did not wait for its echoes\n");
	shutdown(conn[0], SHUT_WR);
	sink(conn[1]);
}

static void *serve(void *arg)
{
	struct session *s = arg;

	switch (s->service) {
	case BENCH_SINK:
		sink(s->conn[0]);
		break;
	case BENCH_SOURCE:
		source(s->conn[0]);
		break;
	default:
		echo(s->conn);
		break;
	}
	for (int i = 0; i < s->count; i++)
		close(s->conn[i]);
	free(s);
	return NULL;
}

int main(int argc, char **argv)
{
	struct session *session[BENCH_SERVICES] = { NULL };
	struct pollfd listener[BENCH_SERVICES];

	if (argc != 3) {
		fprintf(stderr, "usage: host_peer PATH PORT\n");
		return 2;
	}
	signal(SIGPIPE, SIG_IGN);
	for (int i = 0; i < BENCH_SERVICES; i++)
		listener[i] = (struct pollfd) { .fd = listen_at(argv[1], atoi(argv[2]) + i), .events = POLLIN };
	for (;;) {
		if (poll(listener, BENCH_SERVICES, -1) < 0 && errno != EINTR)
			die("poll");
		for (int i = 0; i < BENCH_SERVICES; i++) {
			struct session *s = session[i];
			pthread_t thread;
			int fd;

			if (!(listener[i].revents & POLLIN))
				continue;
			fd = accept(listener[i].fd, NULL, NULL);
			if (fd < 0)
				continue;
			if (!s)
				s = calloc(1, sizeof(*s));
			if (!s)
				die("session");
			s->service = i;
			s->conn[s->count++] = fd;
			session[i] = s->count < (i == BENCH_ECHO ? 3 : 1) ? s : NULL;
			if (session[i])
				continue;
			errno = pthread_create(&thread, NULL, serve, s);
			if (errno)
				die("thread");
			pthread_detach(thread);
		}
	}
}

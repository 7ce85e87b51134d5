// SPDX-License-Identifier: MIT
/* `uvmctl vsock-backend SOCKET PREFIX`: the backend for a QEMU that somebody else starts. */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <poll.h>
#include <unistd.h>

#include "cleanup.h"
#include "vsock_backend.h"

/* The connection to port P goes to whoever listens on PREFIX_P. */
static int dial(void *arg, uint32_t port)
{
	const char *prefix = arg;
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	_cleanup_close_ int fd = -1;
	int n;

	n = snprintf(addr.sun_path, sizeof(addr.sun_path), "%s_%u", prefix, port);
	if (n < 0 || (size_t)n >= sizeof(addr.sun_path))
		return -1;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	/* A full backlog refuses (EAGAIN), as a full vsock listener does. */
	if (fd < 0 || connect(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0)
		return -1;
	return steal_fd(&fd);
}

static int listen_on(const char *path, struct gcs_error *err)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	_cleanup_close_ int fd = -1;

	if (strlen(path) >= sizeof(addr.sun_path))
		return gcs_fail(err, ENAMETOOLONG, HR_FAIL, "%s", path);
	memcpy(addr.sun_path, path, strlen(path));
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || bind(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0)
		return gcs_fail(err, errno, HR_FAIL, "%s: bind", path);
	if (listen(fd, 1) < 0) {
		gcs_fail(err, errno, HR_FAIL, "%s: listen", path);
		unlink(path);
		return -1;
	}
	return steal_fd(&fd);
}

static int accept_one(int listener, int stop_fd, struct gcs_error *err)
{
	struct pollfd p[] = { { .fd = listener, .events = POLLIN }, { .fd = stop_fd, .events = POLLIN } };
	int fd;

	while (poll(p, 2, -1) < 0)
		if (errno != EINTR)
			return gcs_fail(err, errno, HR_FAIL, "poll");
	if (p[1].revents)
		return gcs_fail(err, 0, HR_FAIL, "stopped before QEMU connected");
	fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	return fd < 0 ? gcs_fail(err, errno, HR_FAIL, "accept") : fd;
}

static int serve(const char *path, const struct vsock_backend *backend, int stop_fd, struct gcs_error *err)
{
	_cleanup_close_ int listener = listen_on(path, err), fd = -1;

	if (listener < 0)
		return -1;
	printf("listening on %s\n", path);
	fflush(stdout);
	fd = accept_one(listener, stop_fd, err);
	unlink(path);
	return fd < 0 ? -1 : vsock_backend_serve(backend, fd, stop_fd, err);
}

int vsock_backend_verb(int argc, char **argv)
{
	static const struct option options[] = { { "cid", required_argument, NULL, 'c' }, { 0 } };
	struct vsock_backend backend = { .guest_cid = VSOCK_GUEST_CID, .dial = dial };
	_cleanup_close_ int stop_fd = -1;
	struct gcs_error err = { 0 };
	sigset_t set;
	char *end;
	int opt;

	while ((opt = getopt_long(argc, argv, "+", options, NULL)) != -1) {
		if (opt != 'c')
			return 125;
		backend.guest_cid = strtoull(optarg, &end, 10);
		if (*end || backend.guest_cid <= 2 || backend.guest_cid >= UINT32_MAX) {
			fprintf(stderr, "uvmctl: --cid %s: not a guest's CID\n", optarg);
			return 125;
		}
	}
	if (argc - optind != 2) {
		fprintf(stderr, "usage: uvmctl vsock-backend [--cid CID] SOCKET PREFIX\n");
		return 125;
	}
	backend.arg = argv[optind + 1];

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	stop_fd = signalfd(-1, &set, SFD_CLOEXEC);
	if (stop_fd < 0 || serve(argv[optind], &backend, stop_fd, &err) < 0) {
		fprintf(stderr, "uvmctl: vsock-backend: %s\n", stop_fd < 0 ? strerror(errno) : err.text);
		return 1;
	}
	return 0;
}

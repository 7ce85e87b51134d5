// SPDX-License-Identifier: MIT
/* A directory of the host in the guest. */
#include "share.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <pwd.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cleanup.h"
#include "proc.h"
#include "thread.h"

#define MOUNT_MS 60000
#define SERVER_END_MS 5000 /* after its connection has ended */

struct share {
	struct guest *guest;
	char *source, *path, *user;
	int config_fd; /* the server's configuration, which it opens as @config */
	char config[48];
	bool mounted, serving;
	pthread_t thread;
	int connection; /* for the server */
	int pidfd, started_fd, ended_fd; /* the eventfds are the thread's to write */
	struct gcs_error failure; /* before started_fd: why there is no server */
};

/* A program dies with the thread that has started it: this one lives as long as the server, and no longer than we do. */
static void *server(void *arg)
{
	struct share *s = arg;
	/* To this machine all of the guest's users are the one who runs us; the guest's kernel tells them apart by the files' numbers and modes. */
	char *const argv[] = { "diod", "-f", "-r", "0", "-w", "0", "-n", "-S", "-U", s->user, "-c", s->config, "-L", "stderr", NULL };
	struct proc p = PROC_INIT;
	pid_t pid;
	int fd;

	p.argv = argv;
	p.fds[0] = s->connection;
	p.fds[2] = STDERR_FILENO;
	fd = proc_start(&p, &pid, &s->failure);
	if (fd < 0 && s->failure.err == ENOENT)
		gcs_fail(&s->failure, ENOENT, HR_FAIL, "no diod (Debian package diod) in PATH, which shares need");
	close(s->connection);
	s->pidfd = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, 0);
	eventfd_write(s->started_fd, 1);
	if (fd >= 0)
		proc_wait(fd);
	eventfd_write(s->ended_fd, 1);
	return NULL;
}

/*
 * The export in diod's configuration, which is Lua: each byte of the path as a number needs no other quoting. Read-only is the server's to
 * see to as well: the guest is not trusted with it.
 */
static int write_config(struct share *s, bool read_only)
{
	_cleanup_file_ FILE *f = NULL;
	int fd;

	s->config_fd = memfd_create("diod.conf", MFD_CLOEXEC);
	fd = s->config_fd < 0 ? -1 : fcntl(s->config_fd, F_DUPFD_CLOEXEC, 0);
	f = fd < 0 ? NULL : fdopen(fd, "w");
	if (!f) {
		if (fd >= 0)
			close(fd);
		return -1;
	}
	fputs("exports = { { path = \"", f);
	for (const char *c = s->source; *c; c++)
		fprintf(f, "\\%03u", (unsigned char)*c);
	fprintf(f, "\"%s } }\n", read_only ? ", opts = \"ro\"" : "");
	snprintf(s->config, sizeof(s->config), "/proc/%d/fd/%d", getpid(), s->config_fd);
	return fflush(f);
}

/* The mount in the guest, whose first words are for the server, is on its way. */
static int serve(struct share *s, int listener, struct request *mount, struct gcs_error *err)
{
	struct pollfd p[] = { { .fd = listener, .events = POLLIN }, { .fd = request_fd(mount), .events = POLLIN } };
	eventfd_t n;
	int ret;

	ret = poll(p, 2, MOUNT_MS);
	while (ret < 0 && errno == EINTR)
		ret = poll(p, 2, MOUNT_MS);
	if (ret <= 0 || !p[0].revents) {
		ports_unlisten(s->guest->ports, listener);
		/* Its answer says why. */
		return ret > 0 ? 0 : gcs_fail(err, ETIMEDOUT, HR_FAIL, "the guest does not connect");
	}
	s->connection = ports_accept(s->guest->ports, listener, err);
	if (s->connection < 0)
		return -1;
	ret = thread_start(&s->thread, server, s);
	if (ret) {
		close(s->connection);
		return gcs_fail(err, ret, HR_FAIL, "start a thread");
	}
	s->serving = true;
	while (eventfd_read(s->started_fd, &n) < 0)
		;
	if (s->pidfd >= 0)
		return 0;
	*err = s->failure;
	return -1;
}

static int mount_share(struct share *s, bool read_only, struct gcs_error *err)
{
	uint32_t port = atomic_fetch_add(&s->guest->next_port, 1);
	int listener = ports_listen(s->guest->ports, port, err), ret;
	struct request *mount;

	if (listener < 0)
		return -1;
	mount = guest_share_mount(s->guest, s->path, port, s->source, read_only, err);
	if (!mount) {
		ports_unlisten(s->guest->ports, listener);
		return -1;
	}
	ret = serve(s, listener, mount, err);
	/* Without a server the connection has ended, and so the guest's mount fails. */
	if (ret == 0 && watch_wait(s->guest->watch, request_fd(mount), POLLIN, watch_deadline(MOUNT_MS), "the mount of a share", err) == 0) {
		if (request_take(mount, NULL, err) < 0) {
			if (err && strstr(err->text, strerror(ENODEV)))
				gcs_fail(err, ENODEV, HR_FAIL, "the guest's kernel has no 9p: `make image KERNEL=lcow`, or KERNEL=6.1-generic, has one that does");
			return -1;
		}
		s->mounted = true;
		return 0;
	}
	request_drop(mount);
	return -1;
}

static void end_server(struct share *s)
{
	struct pollfd p = { .fd = s->ended_fd, .events = POLLIN };

	if (!s->serving)
		return;
	if (s->pidfd >= 0 && (!s->mounted || poll(&p, 1, SERVER_END_MS) != 1))
		syscall(SYS_pidfd_send_signal, s->pidfd, SIGKILL, NULL, 0);
	pthread_join(s->thread, NULL);
	if (s->pidfd >= 0)
		close(s->pidfd);
}

static void share_free(struct share *s)
{
	if (s->started_fd >= 0)
		close(s->started_fd);
	if (s->ended_fd >= 0)
		close(s->ended_fd);
	if (s->config_fd >= 0)
		close(s->config_fd);
	free(s->source);
	free(s->path);
	free(s->user);
	free(s);
}

struct share *share_add(struct guest *g, const char *source, const char *path, bool read_only, struct gcs_error *err)
{
	struct share *s = calloc(1, sizeof(*s));
	struct passwd *self = getpwuid(geteuid());

	if (!s) {
		gcs_fail(err, ENOMEM, HR_FAIL, "share %s", source);
		return NULL;
	}
	*s = (struct share){ .guest = g, .source = strdup(source), .path = strdup(path), .user = self ? strdup(self->pw_name) : NULL, .pidfd = -1, .config_fd = -1,
			     .started_fd = eventfd(0, EFD_CLOEXEC), .ended_fd = eventfd(0, EFD_CLOEXEC) };
	if (!self)
		gcs_fail(err, 0, HR_FAIL, "share %s: who runs this has no name in /etc/passwd", source);
	else if (!s->source || !s->user || !s->path || s->started_fd < 0 || s->ended_fd < 0 || write_config(s, read_only) < 0)
		gcs_fail(err, errno, HR_FAIL, "share %s", source);
	else if (mount_share(s, read_only, err) == 0)
		return s;
	else
		gcs_fail_prefix(err, "share %s", source);
	end_server(s);
	share_free(s);
	return NULL;
}

int share_remove(struct share *s, struct gcs_error *err)
{
	if (guest_share_unmount(s->guest, s->path, err) < 0)
		return -1;
	end_server(s);
	share_free(s);
	return 0;
}

// SPDX-License-Identifier: MIT
/* The host's end of the VM's vsock. */
#include "listen.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/vhost.h>
#include <linux/vm_sockets.h>

#include "cleanup.h"
#include "fds.h"
#include "thread.h"
#include "vsock_backend.h"

#define LISTEN_MAX 64
#define CID_TRIES 16
#define SOCKET_BUFFER (1 << 20)

struct ports {
	uint64_t cid; /* of the guest, if the kernel does the work; 0: the own backend */
	int vm_fd;

	/* The own backend. */
	struct vsock_backend backend;
	int backend_fd, stop_fd;
	bool running;
	pthread_t thread;
	/* Protects the table, which the backend's thread reads; nothing is taken inside. */
	pthread_mutex_t lock;
	struct entry {
		uint32_t port;
		int listener; /* ours, polled: connections come as messages with one descriptor */
		int give;     /* the backend's end */
	} table[LISTEN_MAX];
};

/* --- the kernel's ------------------------------------------------------------------------- */

static int vhost_open(struct ports *p, struct gcs_error *err)
{
	uint32_t random;

	p->vm_fd = open("/dev/vhost-vsock", O_RDWR | O_CLOEXEC);
	if (p->vm_fd < 0)
		return gcs_fail(err, errno, HR_FAIL, "/dev/vhost-vsock");
	for (int i = 0; i < CID_TRIES; i++) {
		if (getrandom(&random, sizeof(random), 0) != sizeof(random))
			break;
		p->cid = 3 + random % 0x7FFFFFFF;
		if (ioctl(p->vm_fd, VHOST_VSOCK_SET_GUEST_CID, &p->cid) == 0)
			return 0;
		if (errno != EADDRINUSE)
			break;
	}
	gcs_fail(err, errno, HR_FAIL, "/dev/vhost-vsock: set the guest's CID");
	p->cid = 0;
	close(p->vm_fd);
	p->vm_fd = -1;
	return -1;
}

static int vhost_listen(uint32_t port, struct gcs_error *err)
{
	struct sockaddr_vm addr = { .svm_family = AF_VSOCK, .svm_cid = VMADDR_CID_HOST, .svm_port = port };
	_cleanup_close_ int fd = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0 || listen(fd, 8) < 0)
		return gcs_fail(err, errno, HR_FAIL, "listen on vsock port %u", port);
	return steal_fd(&fd);
}

/* All guests of the machine share the ports: take what is ours, drop the rest. */
static int vhost_accept(const struct ports *p, int listener, struct gcs_error *err)
{
	for (;;) {
		struct sockaddr_vm addr = { 0 };
		socklen_t len = sizeof(addr);
		int fd = accept4(listener, (struct sockaddr *)&addr, &len, SOCK_CLOEXEC);

		if (fd < 0)
			return gcs_fail(err, errno, HR_FAIL, "accept the guest's connection");
		if (addr.svm_cid == p->cid)
			return fd;
		close(fd);
	}
}

/* --- the own backend ---------------------------------------------------------------------- */

static int take(int from, struct gcs_error *err)
{
	unsigned int count = 1;
	char byte;
	int fd;

	if (fds_receive(from, &byte, 1, &fd, &count, 0, NULL) != 1 || count != 1)
		return gcs_fail(err, errno, HR_FAIL, "accept the guest's connection");
	return fd;
}

/* Called on the backend's thread. */
static int dial(void *arg, uint32_t port)
{
	struct ports *p = arg;
	int fds[2], size = SOCKET_BUFFER, ret = -1;

	pthread_mutex_lock(&p->lock);
	for (int i = 0; i < LISTEN_MAX && ret < 0; i++) {
		if (p->table[i].port != port || p->table[i].give < 0)
			continue;
		if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
			break;
		for (int j = 0; j < 2; j++)
			if (setsockopt(fds[j], SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size)) < 0)
				setsockopt(fds[j], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
		if (fds_send(p->table[i].give, "", 1, &fds[0], 1, MSG_DONTWAIT) == 1)
			ret = fds[1];
		else
			close(fds[1]);
		close(fds[0]);
		/* One connection a port: the next one is refused. */
		close(p->table[i].give);
		p->table[i].give = -1;
	}
	pthread_mutex_unlock(&p->lock);
	return ret;
}

/* The backend has failed: nobody comes any more, which who waits at a listener sees as its end. */
static void refuse_all(struct ports *p)
{
	pthread_mutex_lock(&p->lock);
	for (int i = 0; i < LISTEN_MAX; i++) {
		if (p->table[i].give >= 0)
			close(p->table[i].give);
		p->table[i].give = -1;
	}
	pthread_mutex_unlock(&p->lock);
}

static void *backend_thread(void *arg)
{
	struct ports *p = arg;
	struct gcs_error err = { 0 };

	if (vsock_backend_serve(&p->backend, p->backend_fd, p->stop_fd, &err) < 0) {
		fprintf(stderr, "uvmctl: %s\n", err.text);
		refuse_all(p);
	}
	/* QEMU must not wait for answers that will not come. */
	shutdown(p->backend_fd, SHUT_RDWR);
	return NULL;
}

static int user_open(struct ports *p, struct gcs_error *err)
{
	int fds[2], ret;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
		return gcs_fail(err, errno, HR_FAIL, "vsock: socketpair");
	p->vm_fd = fds[0];
	p->backend_fd = fds[1];
	p->stop_fd = eventfd(0, EFD_CLOEXEC);
	if (p->stop_fd < 0)
		return gcs_fail(err, errno, HR_FAIL, "vsock: eventfd");
	p->backend = (struct vsock_backend){ .guest_cid = VSOCK_GUEST_CID, .dial = dial, .arg = p };
	ret = thread_start(&p->thread, backend_thread, p);
	if (ret)
		return gcs_fail(err, ret, HR_FAIL, "vsock: thread");
	p->running = true;
	return 0;
}

static int user_listen(struct ports *p, uint32_t port, struct gcs_error *err)
{
	struct entry *free_entry = NULL;
	int fds[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0)
		return gcs_fail(err, errno, HR_FAIL, "listen on vsock port %u", port);
	pthread_mutex_lock(&p->lock);
	for (int i = 0; i < LISTEN_MAX; i++)
		if (p->table[i].listener < 0)
			free_entry = &p->table[i];
	if (free_entry)
		*free_entry = (struct entry){ .port = port, .listener = fds[0], .give = fds[1] };
	pthread_mutex_unlock(&p->lock);
	if (free_entry)
		return fds[0];
	close(fds[0]);
	close(fds[1]);
	return gcs_fail(err, EMFILE, HR_FAIL, "listen on vsock port %u", port);
}

static void user_unlisten(struct ports *p, int listener)
{
	pthread_mutex_lock(&p->lock);
	for (int i = 0; i < LISTEN_MAX; i++) {
		if (p->table[i].listener != listener)
			continue;
		if (p->table[i].give >= 0)
			close(p->table[i].give);
		p->table[i] = (struct entry){ .listener = -1, .give = -1 };
	}
	pthread_mutex_unlock(&p->lock);
}

/* --- both --------------------------------------------------------------------------------- */

struct ports *ports_open(enum vsock_kind kind, struct gcs_error *err)
{
	struct ports *p = calloc(1, sizeof(*p));

	if (!p) {
		gcs_fail(err, ENOMEM, HR_FAIL, "vsock");
		return NULL;
	}
	p->vm_fd = p->backend_fd = p->stop_fd = -1;
	pthread_mutex_init(&p->lock, NULL);
	for (int i = 0; i < LISTEN_MAX; i++)
		p->table[i].listener = p->table[i].give = -1;
	if (kind != VSOCK_USER) {
		/* The kernel's ports are the whole machine's: a second uvmctl may find them taken. */
		int probe = vhost_open(p, err) < 0 ? -1 : vhost_listen(1, kind == VSOCK_VHOST ? err : NULL);

		if (probe >= 0) {
			close(probe);
			return p;
		}
		if (p->vm_fd >= 0)
			close(p->vm_fd);
		p->vm_fd = -1;
		p->cid = 0;
	}
	if (kind != VSOCK_VHOST && user_open(p, err) == 0)
		return p;
	ports_close(p);
	return NULL;
}

int ports_vm_fd(const struct ports *p, uint64_t *cid)
{
	*cid = p->cid;
	return p->vm_fd;
}

void ports_vm_started(struct ports *p)
{
	/* Or the backend would never see QEMU hang up. */
	close(p->vm_fd);
	p->vm_fd = -1;
}

int ports_listen(struct ports *p, uint32_t port, struct gcs_error *err)
{
	return p->cid ? vhost_listen(port, err) : user_listen(p, port, err);
}

int ports_accept(struct ports *p, int listener, struct gcs_error *err)
{
	int fd = p->cid ? vhost_accept(p, listener, err) : take(listener, err);

	ports_unlisten(p, listener);
	return fd;
}

void ports_unlisten(struct ports *p, int listener)
{
	if (listener < 0)
		return;
	if (!p->cid)
		user_unlisten(p, listener);
	close(listener);
}

void ports_close(struct ports *p)
{
	if (!p)
		return;
	if (p->vm_fd >= 0)
		close(p->vm_fd);
	if (p->running) {
		eventfd_write(p->stop_fd, 1);
		pthread_join(p->thread, NULL);
	}
	for (int i = 0; i < LISTEN_MAX; i++) {
		if (p->table[i].give >= 0)
			close(p->table[i].give);
		if (p->table[i].listener >= 0)
			close(p->table[i].listener);
	}
	if (p->backend_fd >= 0)
		close(p->backend_fd);
	if (p->stop_fd >= 0)
		close(p->stop_fd);
	pthread_mutex_destroy(&p->lock);
	free(p);
}

// SPDX-License-Identifier: MIT
/* Connections from the guest to the host over AF_VSOCK. */
#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/vm_sockets.h>

#include "cleanup.h"
#include "vsock.h"
#include "vsock_host.h"

#define DIAL_ATTEMPTS 10
/* There if and only if hv_sock is what connects to the host: it registers both or nothing. */
#define HV_SOCK "/sys/bus/vmbus/drivers/hv_sock"
/* The kernel doubles it: rings of 64 KiB each way, instead of 24. */
#define HV_SOCK_BUFFER 32768

int vsock_dial_error(int fd)
{
	socklen_t len = sizeof(int);
	int err;

	return getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len) < 0 ? errno : err;
}

/* A connect that a signal interrupted goes on by itself: wait for its end. Returns 0 or an errno. */
static int connect_wait(int fd, const struct sockaddr_vm *addr)
{
	struct pollfd p = { .fd = fd, .events = POLLOUT };

	if (connect(fd, (const struct sockaddr *)addr, sizeof(*addr)) == 0)
		return 0;
	if (errno != EINTR)
		return errno;
	while (poll(&p, 1, -1) < 0)
		if (errno != EINTR)
			return errno;
	return vsock_dial_error(fd);
}

/*
 * hv_sock's rings are as large as the socket's buffers, which it sets to its default when it becomes the socket's
 * transport, in the first connect. One to CID 0 does that and fails at once; what is set then stays.
 */
static void size_rings(int fd)
{
	struct sockaddr_vm nobody = { .svm_family = AF_VSOCK, .svm_cid = VMADDR_CID_HYPERVISOR, .svm_port = 1 };
	int size = HV_SOCK_BUFFER;

	if (access(HV_SOCK, F_OK) < 0)
		return;
	connect(fd, (const struct sockaddr *)&nobody, sizeof(nobody));
	setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
}

static int new_socket(uint32_t port, int flags, struct gcs_error *err)
{
	int fd = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC | flags, 0);

	if (fd < 0)
		return gcs_fail(err, errno, HR_FAIL, "vsock port %u: socket", port);
	size_rings(fd);
	return fd;
}

int vsock_dial(uint32_t port, struct gcs_error *err)
{
	struct sockaddr_vm addr = vsock_host(port);
	int e = 0;

	for (int i = 0; i < DIAL_ATTEMPTS; i++) {
		_cleanup_close_ int fd = new_socket(port, 0, err);

		if (fd < 0)
			return -1;
		e = connect_wait(fd, &addr);
		if (e == 0)
			return steal_fd(&fd);
		if (e != ETIMEDOUT)
			break;
	}
	return gcs_fail(err, e, HR_FAIL, "vsock port %u: connect to the host", port);
}

int vsock_dial_start(uint32_t port, struct gcs_error *err)
{
	struct sockaddr_vm addr = vsock_host(port);
	_cleanup_close_ int fd = new_socket(port, SOCK_NONBLOCK, err);

	if (fd < 0)
		return -1;
	if (connect(fd, (const struct sockaddr *)&addr, sizeof(addr)) < 0 && errno != EINPROGRESS)
		return gcs_fail(err, errno, HR_FAIL, "vsock port %u: connect to the host", port);
	return steal_fd(&fd);
}

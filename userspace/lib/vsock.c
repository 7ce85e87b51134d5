// SPDX-License-Identifier: MIT
/* Connections from the guest to the host over AF_VSOCK. */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>

#include <linux/vm_sockets.h>

#include "cleanup.h"
#include "vsock.h"

#define DIAL_ATTEMPTS 10

static unsigned int host_cid(void)
{
	const char *cid = getenv("GCS_VSOCK_CID");

	return cid ? strtoul(cid, NULL, 10) : VMADDR_CID_HOST;
}

/* A connect that a signal interrupted goes on by itself: wait for its end. Returns 0 or an errno. */
static int connect_wait(int fd, const struct sockaddr_vm *addr)
{
	struct pollfd p = { .fd = fd, .events = POLLOUT };
	socklen_t len = sizeof(int);
	int err;

	if (connect(fd, (const struct sockaddr *)addr, sizeof(*addr)) == 0)
		return 0;
	if (errno != EINTR)
		return errno;
	while (poll(&p, 1, -1) < 0)
		if (errno != EINTR)
			return errno;
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len) < 0)
		return errno;
	return err;
}

int vsock_dial(uint32_t port, struct gcs_error *err)
{
	struct sockaddr_vm addr = { .svm_family = AF_VSOCK, .svm_cid = host_cid(), .svm_port = port };
	int e = 0;

	for (int i = 0; i < DIAL_ATTEMPTS; i++) {
		_cleanup_close_ int fd = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0);

		if (fd < 0)
			return gcs_fail(err, errno, HR_FAIL, "vsock port %u: socket", port);
		e = connect_wait(fd, &addr);
		if (e == 0)
			return steal_fd(&fd);
		if (e != ETIMEDOUT)
			break;
	}
	return gcs_fail(err, e, HR_FAIL, "vsock port %u: connect to the host", port);
}

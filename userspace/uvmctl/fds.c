// SPDX-License-Identifier: MIT
/* Bytes over a unix socket, with descriptors beside them. */
#include "fds.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

ssize_t fds_send(int socket, const void *data, size_t length, const int *fds, unsigned int count, int flags)
{
	char control[CMSG_SPACE(sizeof(int) * FDS_MAX)] __attribute__((aligned(8))) = { 0 };
	struct iovec iov = { .iov_base = (void *)data, .iov_len = length };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct cmsghdr *c;
	ssize_t n;

	if (count) {
		msg.msg_control = control;
		msg.msg_controllen = CMSG_SPACE(sizeof(int) * count);
		c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int) * count);
		memcpy(CMSG_DATA(c), fds, sizeof(int) * count);
	}
	do
		n = sendmsg(socket, &msg, flags | MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	return n;
}

ssize_t fds_receive(int socket, void *data, size_t length, int *fds, unsigned int *count, int flags, bool *cut)
{
	char control[CMSG_SPACE(sizeof(int) * FDS_MAX)] __attribute__((aligned(8)));
	struct iovec iov = { .iov_base = data, .iov_len = length };
	/* Not CMSG_SPACE(): its padding may have room for one more. */
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = count ? control : NULL,
			      .msg_controllen = count ? CMSG_LEN(sizeof(int) * *count) : 0 };
	ssize_t n;

	if (count)
		*count = 0;
	do
		n = recvmsg(socket, &msg, flags | MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	if (cut)
		*cut = n >= 0 && msg.msg_flags & (MSG_TRUNC | MSG_CTRUNC);
	for (struct cmsghdr *c = n < 0 || !count ? NULL : CMSG_FIRSTHDR(&msg); c; c = CMSG_NXTHDR(&msg, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		*count = (unsigned int)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));
		memcpy(fds, CMSG_DATA(c), *count * sizeof(int));
	}
	return n;
}

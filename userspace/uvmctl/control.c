// SPDX-License-Identifier: MIT
/* Messages between uvmctl and the supervisor: SOCK_SEQPACKET keeps each one, and its descriptors, together. */
#include "control.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <json-c/json.h>

#include "cleanup.h"

/* Below what a socket's buffer takes at once; a command line with its environment fits. */
#define MESSAGE_MAX (160 << 10)

static int address(int dir_fd, const char *name, struct sockaddr_un *addr)
{
	int n;

	*addr = (struct sockaddr_un){ .sun_family = AF_UNIX };
	n = snprintf(addr->sun_path, sizeof(addr->sun_path), "/proc/self/fd/%d/%s", dir_fd, name);
	return n > 0 && (size_t)n < sizeof(addr->sun_path) ? 0 : -1;
}

int control_listen(int dir_fd, const char *name, struct gcs_error *err)
{
	/* Who connects and leaves at once must not be waited for. */
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct sockaddr_un addr;

	if (fd < 0 || address(dir_fd, name, &addr) < 0 || bind(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0 || listen(fd, 64) < 0)
		return gcs_fail(err, errno, HR_FAIL, "control socket");
	return steal_fd(&fd);
}

int control_connect(int dir_fd, const char *name, struct gcs_error *err)
{
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	struct sockaddr_un addr;

	if (fd < 0 || address(dir_fd, name, &addr) < 0 || connect(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0)
		return gcs_fail(err, errno, HR_FAIL, "control socket");
	return steal_fd(&fd);
}

int control_send(int fd, struct json_object *message, const struct control_fds *fds, struct gcs_error *err)
{
	char control[CMSG_SPACE(sizeof(int) * CONTROL_FDS_MAX)] __attribute__((aligned(8))) = { 0 };
	struct iovec iov;
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct cmsghdr *c;
	size_t length;
	ssize_t n;

	iov.iov_base = (char *)json_object_to_json_string_length(message, JSON_C_TO_STRING_PLAIN, &length);
	iov.iov_len = length;
	if (length > MESSAGE_MAX)
		return gcs_fail(err, E2BIG, HR_FAIL, "a message of %zu bytes, at most %d are allowed", length, MESSAGE_MAX);
	if (fds && fds->count) {
		msg.msg_control = control;
		msg.msg_controllen = CMSG_SPACE(sizeof(int) * fds->count);
		c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int) * fds->count);
		memcpy(CMSG_DATA(c), fds->fds, sizeof(int) * fds->count);
	}
	do
		n = sendmsg(fd, &msg, MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	return n < 0 ? gcs_fail(err, errno, HR_FAIL, "control socket: send") : 0;
}

static void take_fds(struct msghdr *msg, struct control_fds *fds)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		fds->count = (unsigned int)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));
		memcpy(fds->fds, CMSG_DATA(c), fds->count * sizeof(int));
	}
}

int control_receive(int fd, struct json_object **message, struct control_fds *fds, struct gcs_error *err)
{
	_cleanup_free_ char *text = malloc(MESSAGE_MAX + 1);
	char control[CMSG_SPACE(sizeof(int) * CONTROL_FDS_MAX)] __attribute__((aligned(8)));
	struct iovec iov = { .iov_base = text, .iov_len = MESSAGE_MAX };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = fds ? control : NULL,
			      .msg_controllen = fds ? sizeof(control) : 0 };
	ssize_t n;

	if (fds)
		fds->count = 0;
	if (!text)
		return gcs_fail(err, ENOMEM, HR_FAIL, "control socket");
	do
		n = recvmsg(fd, &msg, MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	if (n == 0 || (n < 0 && errno == ECONNRESET))
		return 0;
	if (n < 0)
		return gcs_fail(err, errno, HR_FAIL, "control socket: receive");
	if (fds)
		take_fds(&msg, fds);
	text[n] = '\0';
	*message = msg.msg_flags & (MSG_TRUNC | MSG_CTRUNC) ? NULL : json_tokener_parse(text);
	if (json_object_is_type(*message, json_type_object))
		return 1;
	json_object_put(*message);
	if (fds)
		control_close(fds);
	return gcs_fail(err, EPROTO, HR_FAIL, "control socket: not a message");
}

void control_close(struct control_fds *fds)
{
	for (unsigned int i = 0; i < fds->count; i++)
		if (fds->fds[i] >= 0)
			close(fds->fds[i]);
	fds->count = 0;
}

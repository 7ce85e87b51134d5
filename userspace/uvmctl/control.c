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
	const char *text;
	size_t length;

	text = json_object_to_json_string_length(message, JSON_C_TO_STRING_PLAIN, &length);
	if (length > MESSAGE_MAX)
		return gcs_fail(err, E2BIG, HR_FAIL, "a message of %zu bytes, at most %d are allowed", length, MESSAGE_MAX);
	if (fds_send(fd, text, length, fds ? fds->fds : NULL, fds ? fds->count : 0, 0) < 0)
		return gcs_fail(err, errno, HR_FAIL, "control socket: send");
	return 0;
}

int control_receive(int fd, struct json_object **message, struct control_fds *fds, struct gcs_error *err)
{
	_cleanup_free_ char *text = malloc(MESSAGE_MAX + 1);
	bool cut;
	ssize_t n;

	if (fds)
		fds->count = 0;
	if (!text)
		return gcs_fail(err, ENOMEM, HR_FAIL, "control socket");
	do {
		if (fds)
			fds->count = FDS_MAX;
		n = fds_receive(fd, text, MESSAGE_MAX, fds ? fds->fds : NULL, fds ? &fds->count : NULL, 0, &cut);
		/* Told once, by an end that has not read all that it was sent; what it has said itself, and its end, follow. */
	} while (n < 0 && errno == ECONNRESET);
	if (n == 0)
		return 0;
	if (n < 0)
		return gcs_fail(err, errno, HR_FAIL, "control socket: receive");
	text[n] = '\0';
	*message = cut ? NULL : json_tokener_parse(text);
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

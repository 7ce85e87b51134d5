// SPDX-License-Identifier: MIT
/* Bridge frames: message identifiers and the 16-byte header (bridge.md sections 3 and 4). */
#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "cleanup.h"
#include "frame.h"

/* Returns the bytes read, fewer than @len only at end of file; -1 with errno. */
static ssize_t read_full(int fd, void *buf, size_t len)
{
	size_t done = 0;
	ssize_t n;

	while (done < len) {
		n = read(fd, (char *)buf + done, len - done);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		if (n == 0)
			break;
		done += n;
	}
	return done;
}

int frame_read(int fd, uint32_t max, struct frame *f, struct gcs_error *err)
{
	_cleanup_free_ char *payload = NULL;
	struct frame_header h;
	uint32_t size;
	ssize_t n;

	n = read_full(fd, &h, sizeof(h));
	if (n < 0)
		return gcs_fail(err, errno, HR_FAIL, "bridge: read header");
	if (n == 0)
		return 0;
	if (n < (ssize_t)sizeof(h))
		return gcs_fail(err, 0, HR_FAIL, "bridge: end of file after %zd of %zu header bytes", n, sizeof(h));
	size = le32toh(h.size);
	if (size < FRAME_HEADER_SIZE || size > max)
		return gcs_fail(err, 0, HR_FAIL, "bridge: frame of type 0x%08x has size %u, allowed are %u to %u",
				le32toh(h.type), size, FRAME_HEADER_SIZE, max);
	size -= FRAME_HEADER_SIZE;
	payload = malloc(size + 1);
	if (!payload)
		return gcs_fail(err, ENOMEM, HR_FAIL, "bridge: frame of %u bytes", size);
	n = read_full(fd, payload, size);
	if (n < 0)
		return gcs_fail(err, errno, HR_FAIL, "bridge: read payload");
	if (n < (ssize_t)size)
		return gcs_fail(err, 0, HR_FAIL, "bridge: end of file after %zd of %u payload bytes", n, size);
	payload[size] = '\0';
	f->type = le32toh(h.type);
	f->id = le64toh(h.id);
	f->length = size;
	f->payload = steal_ptr(&payload);
	f->sent = 0;
	return 1;
}

/* Send what is left of it. Returns what sendmsg(2) or, for a pipe, writev(2) does. */
static ssize_t send_rest(int fd, const struct frame *f, int flags)
{
	struct frame_header h = { htole32(f->type), htole32(FRAME_HEADER_SIZE + f->length), htole64(f->id) };
	size_t of_header = f->sent < sizeof(h) ? sizeof(h) - f->sent : 0;
	size_t of_payload = sizeof(h) + f->length - f->sent - of_header;
	struct iovec iov[2] = {
		{ (char *)(&h + 1) - of_header, of_header },
		{ f->payload + f->length - of_payload, of_payload },
	};
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = 2 };
	ssize_t n = sendmsg(fd, &msg, MSG_NOSIGNAL | flags);

	/* In tests of programs that have the bridge on their standard output. */
	if (n < 0 && errno == ENOTSOCK && !flags)
		n = writev(fd, iov, 2);
	return n;
}

int frame_write(int fd, uint32_t max, struct frame *f, struct gcs_error *err)
{
	ssize_t n;

	if (f->length > max - FRAME_HEADER_SIZE)
		return gcs_fail(err, EMSGSIZE, HR_FAIL, "bridge: %s of %zu bytes, allowed are %u",
				frame_type_name(f->type), f->length, max);
	while (f->sent < FRAME_HEADER_SIZE + f->length) {
		n = send_rest(fd, f, 0);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return gcs_fail(err, errno, HR_FAIL, "bridge: write %s", frame_type_name(f->type));
		f->sent += n;
	}
	return 0;
}

bool frame_write_now(int fd, uint32_t max, struct frame *f)
{
	ssize_t n = f->length > max - FRAME_HEADER_SIZE ? -1 : send_rest(fd, f, MSG_DONTWAIT);

	if (n > 0)
		f->sent += n;
	return f->sent == FRAME_HEADER_SIZE + f->length;
}

const char *frame_type_name(uint32_t type)
{
	static const struct {
		uint32_t type;
		const char *name;
	} names[] = {
		{ MSG_CREATE, "Create" },
		{ MSG_START, "Start" },
		{ MSG_SHUTDOWN_GRACEFUL, "ShutdownGraceful" },
		{ MSG_SHUTDOWN_FORCED, "ShutdownForced" },
		{ MSG_EXECUTE_PROCESS, "ExecuteProcess" },
		{ MSG_WAIT_FOR_PROCESS, "WaitForProcess" },
		{ MSG_SIGNAL_PROCESS, "SignalProcess" },
		{ MSG_RESIZE_CONSOLE, "ResizeConsole" },
		{ MSG_GET_PROPERTIES, "GetProperties" },
		{ MSG_MODIFY_SETTINGS, "ModifySettings" },
		{ MSG_NEGOTIATE_PROTOCOL, "NegotiateProtocol" },
		{ MSG_DUMP_STACKS, "DumpStacks" },
		{ MSG_DELETE_CONTAINER_STATE, "DeleteContainerState" },
	};
	uint32_t request = MSG_REQUEST | (type & ~MSG_TYPE_MASK);

	if (type == MSG_NOTIFY_CONTAINER)
		return "ContainerNotification";
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (names[i].type == request)
			return names[i].name;
	return "unknown";
}

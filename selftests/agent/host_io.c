// SPDX-License-Identifier: MIT
/* A host for conformance tests: sockets, standard streams, processes of the VM. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <linux/vm_sockets.h>

#include "host.h"
#include "host_io.h"

int64_t host_now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000LL + t.tv_nsec / 1000000;
}

bool host_readable(int fd, int64_t deadline)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	int64_t left;
	int ret;

	do {
		left = deadline - host_now_ms();
		ret = poll(&p, 1, left > 0 ? left : 0);
	} while (ret < 0 && errno == EINTR);
	return ret > 0;
}

int host_listen(const struct host *h, uint32_t port)
{
	struct sockaddr_vm addr = { .svm_family = AF_VSOCK, .svm_cid = VMADDR_CID_ANY, .svm_port = port };
	int fd = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0 || listen(fd, 1) < 0)
		host_fail(h, "listen on vsock port %u: %s", port, strerror(errno));
	return fd;
}

/* --- stdio ------------------------------------------------------------------------------------ */

void host_stream_listen(struct host *h, struct host_stream *s)
{
	s->port = h->next_port++;
	s->listener = host_listen(h, s->port);
	s->fd = -1;
}

void host_stream_accept(struct host_stream *s)
{
	struct host h = { 0 };

	if (!host_readable(s->listener, host_now_ms() + WAIT_MS))
		host_fail(&h, "nobody connects to port %u", s->port);
	s->fd = accept4(s->listener, NULL, NULL, SOCK_CLOEXEC);
	/* One connection a port, as the host has it. */
	close(s->listener);
	s->listener = -1;
}

void host_stream_close(struct host_stream *s)
{
	if (s->fd >= 0)
		close(s->fd);
	if (s->listener >= 0)
		close(s->listener);
	s->fd = s->listener = -1;
}

void host_stream_again(struct host *h, struct host_stream *s)
{
	host_stream_close(s);
	s->listener = host_listen(h, s->port);
}

char *host_stream_read(struct host_stream *s, size_t *len)
{
	size_t n = 0, room = 4096;
	char *buf = malloc(room);
	struct host h = { 0 };
	ssize_t part;

	for (;;) {
		if (!host_readable(s->fd, host_now_ms() + WAIT_MS))
			host_fail(&h, "port %u: no end of file", s->port);
		if (room - n < 4096) {
			room *= 2;
			buf = realloc(buf, room);
		}
		part = read(s->fd, buf + n, room - n - 1);
		if (part < 0)
			host_fail(&h, "port %u: %s", s->port, strerror(errno));
		if (part == 0)
			break;
		n += part;
	}
	buf[n] = '\0';
	if (len)
		*len = n;
	host_stream_close(s);
	return buf;
}

/* --- helpers ---------------------------------------------------------------------------------- */

char *quoted(const char *text)
{
	struct json_object *o = json_object_new_string(text);
	char *s = strdup(json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));

	json_object_put(o);
	return s;
}

int64_t host_execute(struct host *h, const char *cid, const char *more, struct host_stream *in, struct host_stream *out,
		     struct host_stream *err)
{
	struct host_stream *streams[] = { in, out, err };
	char *parameters, *string;
	int64_t result;

	for (int i = 0; i < 3; i++)
		if (streams[i])
			host_stream_listen(h, streams[i]);
	if (asprintf(&parameters, "{\"CreateStdInPipe\":%s,\"CreateStdOutPipe\":%s,\"CreateStdErrPipe\":%s%s}",
		     in ? "true" : "false", out ? "true" : "false", err ? "true" : "false", more) < 0)
		host_fail(h, "no memory");
	string = quoted(parameters);
	free(parameters);
	result = host_call(h, MSG_EXECUTE_PROCESS, cid,
			   ",\"Settings\":{\"ProcessParameters\":%s,\"VsockStdioRelaySettings\":{\"StdIn\":%u,\"StdOut\":%u,"
			   "\"StdErr\":%u}}",
			   string, in ? in->port : 0, out ? out->port : 0, err ? err->port : 0);
	free(string);
	for (int i = 0; i < 3 && result == 0; i++)
		if (streams[i])
			host_stream_accept(streams[i]);
	return result ? result : answer_number(host_last(h), "ProcessId");
}

int64_t host_external(struct host *h, const char *args, struct host_stream *in, struct host_stream *out,
		      struct host_stream *err)
{
	int64_t pid;
	char *more;

	if (asprintf(&more, ",\"CommandArgs\":%s,\"WorkingDirectory\":\"/\",\"Environment\":{\"PATH\":"
			    "\"/usr/sbin:/usr/bin:/sbin:/bin\"}", args) < 0)
		host_fail(h, "no memory");
	pid = host_execute(h, Z, more, in, out, err);
	free(more);
	return pid;
}

int64_t host_wait(struct host *h, const char *cid, int64_t pid)
{
	int64_t result = host_call(h, MSG_WAIT_FOR_PROCESS, cid, ",\"ProcessId\":%lld,\"TimeoutInMs\":4294967295",
				   (long long)pid);

	return result ? result : answer_number(host_last(h), "ExitCode");
}

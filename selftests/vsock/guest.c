// SPDX-License-Identifier: MIT
/* The guest's end of the vsock tests: every close order, many connections, exhausted credit. KTAP on stdout. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/resource.h>
#include <time.h>

#include <linux/vm_sockets.h>

#include "stream.h"

#define MIB (1ull << 20)
#define MANY 1000

static unsigned int count, failed;
static uint32_t next_id;

static void result(int ok, const char *what)
{
	failed += !ok;
	printf("%s %u %s\n", ok ? "ok" : "not ok", ++count, what);
	fflush(stdout);
}

static uint64_t buffer_size; /* of the sockets to come; 0: the default */

static int dial(uint32_t port)
{
	struct sockaddr_vm addr = { .svm_family = AF_VSOCK, .svm_cid = VMADDR_CID_HOST, .svm_port = port };
	int fd = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -1;
	set_deadline(fd);
	if (buffer_size)
		setsockopt(fd, AF_VSOCK, SO_VM_SOCKETS_BUFFER_SIZE, &buffer_size, sizeof(buffer_size));
	if (connect(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0) {
		int err = errno;

		close(fd);
		errno = err;
		return -1;
	}
	return fd;
}

static int job(struct job *j, enum order order, uint64_t guest_bytes, uint64_t host_bytes)
{
	int fd = dial(PORT_JOB);

	*j = (struct job){ .id = next_id++ % 4096, .order = order, .guest_bytes = guest_bytes, .host_bytes = host_bytes };
	if (fd >= 0 && send(fd, j, sizeof(*j), MSG_NOSIGNAL) == sizeof(*j))
		return fd;
	printf("Bail out! connection to the peer: %s\n", strerror(errno));
	exit(1);
}

static struct verdict ask(const struct job *j, enum ask what)
{
	struct question q = { .id = j->id, .ask = what };
	struct verdict v = { .end = -1 };
	int fd = dial(PORT_VERDICT);

	if (fd < 0 || send(fd, &q, sizeof(q), MSG_NOSIGNAL) != sizeof(q) || read_all(fd, &v, sizeof(v)))
		v.end = -1;
	close(fd);
	return v;
}

/* Did @v get all of @bytes, unchanged, then an end of file? */
static int complete(const struct verdict *v, uint64_t bytes)
{
	if (v->received == bytes && v->intact && !v->end)
		return 1;
	printf("# %llu of %llu bytes, %s, end: %s\n", (unsigned long long)v->received, (unsigned long long)bytes,
	       v->intact ? "intact" : "CHANGED", v->end < 0 ? "no answer" : strerror(v->end));
	return 0;
}

static void guest_first(void)
{
	struct verdict got = { 0 }, v;
	struct job j;
	int fd = job(&j, GUEST_FIRST, 5 * MIB + 7, 3 * MIB + 5);
	uint64_t to = SEED(j.id, 0), from = SEED(j.id, 1);

	stream_send(fd, &to, j.guest_bytes);
	shutdown(fd, SHUT_WR);
	stream_check(fd, &from, &got);
	v = ask(&j, ASK_DONE);
	result(complete(&v, j.guest_bytes) & complete(&got, j.host_bytes), "guest shuts down first, then receives");
	close(fd);
}

static void host_first(void)
{
	struct verdict got = { 0 }, v;
	struct job j;
	int fd = job(&j, HOST_FIRST, 3 * MIB + 1, 5 * MIB + 3);
	uint64_t to = SEED(j.id, 0), from = SEED(j.id, 1);

	stream_check(fd, &from, &got);
	stream_send(fd, &to, j.guest_bytes);
	close(fd);
	v = ask(&j, ASK_DONE);
	result(complete(&v, j.guest_bytes) & complete(&got, j.host_bytes), "host shuts down first, then receives");
}

struct sending {
	int fd;
	struct job job;
};

static void *send_part(void *arg)
{
	struct sending *s = arg;
	uint64_t to = SEED(s->job.id, 0);

	stream_send(s->fd, &to, s->job.guest_bytes);
	shutdown(s->fd, SHUT_WR);
	return NULL;
}

static void both(const char *what)
{
	struct verdict got = { 0 }, v;
	struct sending s;
	pthread_t t;
	uint64_t from;

	s.fd = job(&s.job, BOTH, 8 * MIB + 11, 8 * MIB + 13);
	from = SEED(s.job.id, 1);
	pthread_create(&t, NULL, send_part, &s);
	stream_check(s.fd, &from, &got);
	pthread_join(t, NULL);
	close(s.fd);
	v = ask(&s.job, ASK_DONE);
	result(complete(&v, s.job.guest_bytes) & complete(&got, s.job.host_bytes), what);
}

/* The sizes: within a socket's buffer, and more than all buffers on the way hold. */
static void guest_close(uint64_t bytes)
{
	struct verdict v;
	struct job j;
	int fd = job(&j, GUEST_CLOSE, bytes, 0);
	uint64_t to = SEED(j.id, 0), sent;
	char text[128];

	/* What the host does not read yet must not keep the guest from sending: stop at what goes without waiting. */
	fcntl(fd, F_SETFL, O_NONBLOCK);
	sent = stream_send(fd, &to, bytes);
	close(fd);
	ask(&j, ASK_GO);
	v = ask(&j, ASK_DONE);
	snprintf(text, sizeof(text), "guest closes with %s in flight: the host gets all of it, then end of file",
		 bytes < MIB ? "a little" : "all that fits");
	result(sent > 0 && complete(&v, sent), text);
}

static void host_close(void)
{
	struct verdict got = { 0 }, v;
	struct job j;
	int fd = job(&j, HOST_CLOSE, 0, 100000);
	uint64_t from = SEED(j.id, 1);

	ask(&j, ASK_SENT);
	stream_check(fd, &from, &got);
	v = ask(&j, ASK_DONE);
	result(v.sent == j.host_bytes && complete(&got, j.host_bytes),
	       "host closes with data in flight: the guest gets all of it, then end of file");
	close(fd);
}

static void host_leaves(void)
{
	struct job j;
	int fd = job(&j, HOST_LEAVES, 0, 0);
	uint64_t to = SEED(j.id, 0), sent;
	int err;

	errno = 0;
	sent = stream_send(fd, &to, 64 * MIB);
	err = errno;
	ask(&j, ASK_DONE);
	result(sent < 64 * MIB && err == EPIPE, "host closes without reading: the guest's writer gets EPIPE");
	close(fd);
}

static void nobody(void)
{
	int fd = dial(PORT_NOBODY);

	result(fd < 0 && errno == ECONNRESET, "nobody listens: the connection is reset");
}

static int echo_once(int fd, uint32_t i)
{
	char out[64], in[64] = "";
	int len = snprintf(out, sizeof(out), "connection %u says hello", i);

	if (send(fd, out, (size_t)len, MSG_NOSIGNAL) != len)
		return 0;
	shutdown(fd, SHUT_WR);
	return recv(fd, in, sizeof(in), MSG_WAITALL) == len && !strcmp(in, out);
}

static void many_at_once(void)
{
	static int fds[MANY];
	struct job j;
	int ok = 0;

	for (int i = 0; i < MANY; i++)
		fds[i] = job(&j, ECHO, 0, 0);
	for (int i = MANY; i--;)
		ok += echo_once(fds[i], (uint32_t)i);
	for (int i = 0; i < MANY; i++)
		close(fds[i]);
	if (ok != MANY)
		printf("# %d of %d\n", ok, MANY);
	result(ok == MANY, "1000 connections at once");
}

static void many_in_sequence(void)
{
	struct job j;
	int ok = 0;

	for (int i = 0; i < MANY; i++) {
		int fd = job(&j, ECHO, 0, 0);

		ok += echo_once(fd, (uint32_t)i);
		close(fd);
	}
	if (ok != MANY)
		printf("# %d of %d\n", ok, MANY);
	result(ok == MANY, "1000 connections in sequence");
}

static int other_works(void)
{
	struct job j;
	int fd = job(&j, ECHO, 0, 0), ok = echo_once(fd, 7);

	close(fd);
	return ok;
}

/* The host does not read: the guest must be stopped, soon, and alone; then all goes on. */
static void credit_to_host(void)
{
	static uint8_t buf[1 << 16], mark[1 << 16];
	struct job j;
	int fd = job(&j, HOST_HOLDS, 16 * MIB, 0), ok;
	uint64_t to = SEED(j.id, 0), sent = 0;
	struct verdict v, got = { 0 };
	size_t at = 0, have = 0;

	memset(mark, 0, sizeof(mark));
	fcntl(fd, F_SETFL, O_NONBLOCK);
	for (;;) {
		struct pollfd p = { .fd = fd, .events = POLLOUT };
		ssize_t n;

		if (at == have) {
			stream_fill(&to, buf, sizeof(buf));
			at = 0;
			have = sizeof(buf);
		}
		n = send(fd, buf + at, have - at, MSG_NOSIGNAL);
		if (n > 0) {
			at += (size_t)n;
			sent += (uint64_t)n;
		} else if (poll(&p, 1, 1000) <= 0) {
			break; /* stopped for good */
		}
	}
	ok = sent >= 256 << 10 && sent < 4 * MIB && other_works();
	printf("# stopped after %llu bytes\n", (unsigned long long)sent);
	ask(&j, ASK_GO);
	fcntl(fd, F_SETFL, 0);
	while (at < have) {
		ssize_t n = send(fd, buf + at, have - at, MSG_NOSIGNAL);

		if (n < 0)
			break;
		at += (size_t)n;
		sent += (uint64_t)n;
	}
	sent += stream_send(fd, &to, j.guest_bytes - sent);
	shutdown(fd, SHUT_WR);
	recv(fd, &got, 1, 0);
	v = ask(&j, ASK_DONE);
	close(fd);
	result(ok && complete(&v, j.guest_bytes), "host does not read: the guest is stopped alone, then goes on");
}

/* The guest does not read: the host must be stopped, the others must not; then all goes on. */
static void credit_to_guest(void)
{
	struct verdict got = { 0 }, v;
	struct job j;
	int fd = job(&j, HOST_FIRST, 0, 16 * MIB), ok = 1;
	uint64_t from = SEED(j.id, 1);
	struct job bulk;
	int other = job(&bulk, HOST_FIRST, 0, 2 * MIB);
	struct verdict other_got = { 0 };
	uint64_t other_from = SEED(bulk.id, 1);

	/* More than all buffers of the guest's driver pass by the one that stands still. */
	stream_check(other, &other_from, &other_got);
	close(other);
	v = ask(&bulk, ASK_DONE);
	ok = complete(&other_got, bulk.host_bytes) && other_works();
	stream_check(fd, &from, &got);
	close(fd);
	v = ask(&j, ASK_DONE);
	result(ok && complete(&got, j.host_bytes) && v.sent == j.host_bytes,
	       "guest does not read: others go on, then it gets everything");
}

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static void throughput(size_t size, uint64_t bytes)
{
	static uint8_t buf[1 << 16];
	struct job j;
	int fd = job(&j, SINK, bytes, 0);
	double start = now();
	struct verdict v;

	for (uint64_t done = 0; done < bytes; done += size)
		if (send(fd, buf, size, MSG_NOSIGNAL) != (ssize_t)size)
			break;
	shutdown(fd, SHUT_WR);
	recv(fd, buf, 1, 0);
	printf("# %zu byte writes: %.0f MB/s\n", size, (double)bytes / (now() - start) / 1e6);
	close(fd);
	v = ask(&j, ASK_DONE);
	result(v.received == bytes && !v.end, "throughput: all bytes arrive");
}

static void read_throughput(uint64_t bytes)
{
	static uint8_t buf[1 << 18];
	struct job j;
	int fd = job(&j, HOST_FIRST, 0, bytes);
	double start = now();
	uint64_t got = 0;
	ssize_t n;

	while ((n = recv(fd, buf, sizeof(buf), 0)) > 0)
		got += (uint64_t)n;
	printf("# reads: %.0f MB/s\n", (double)bytes / (now() - start) / 1e6);
	close(fd);
	ask(&j, ASK_DONE);
	result(got == bytes, "throughput of reads: all bytes arrive");
}

int main(void)
{
	struct rlimit limit = { 4096, 4096 };

	setrlimit(RLIMIT_NOFILE, &limit);
	printf("TAP version 13\n1..17\n");
	guest_first();
	host_first();
	both("both send and shut down at the same time");
	buffer_size = 4096;
	both("the same with a guest that has small buffers");
	buffer_size = 0;
	guest_close(100000);
	guest_close(64 * MIB);
	host_close();
	host_leaves();
	nobody();
	many_at_once();
	many_in_sequence();
	credit_to_host();
	credit_to_guest();
	throughput(65536, 256 * MIB);
	throughput(4096, 32 * MIB);
	throughput(512, 4 * MIB);
	read_throughput(64 * MIB);
	return failed != 0;
}

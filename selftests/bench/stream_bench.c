// SPDX-License-Identifier: MIT
/*
 * stream_bench: what a process's stdout costs on its way to the host
 *
 * The same writer, with the same writes, to the same reader, over
 *   raw     the vsock connection itself
 *   stream  a stream of gcs.ko
 *   relay   a pipe, and the agent's own user-space engine (agent/stdio/stdio_user.c) in a process of its own
 * The clock stops when the reader has read everything and closed. Each round runs every combination once; the table shows
 * medians of the rounds. Without a port the reader is in the same VM, over vsock loopback.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <linux/vm_sockets.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <linux/gcs.h>

#include "event.h"
#include "stdio/stdio.h"

enum mode { RAW, STREAM, RELAY, MODES };

static const char *const mode_name[MODES] = { "raw", "stream", "relay" };
static const size_t sizes[] = { 65536, 4096, 512, 64 };

#define SIZES (sizeof(sizes) / sizeof(sizes[0]))
#define MAX_ROUNDS 99

struct result {
	double mb_s;
	double relay_cpu_ms; /* of the relay's process, for 256 MiB */
};

static unsigned int cid = VMADDR_CID_LOCAL, port;
static int rounds = 5;
static int millis = 500;
static int device = -1;

static void die(const char *what)
{
	printf("Bail out! stream_bench: %s: %s\n", what, strerror(errno));
	exit(1);
}

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

static int dial(void)
{
	struct sockaddr_vm addr = { .svm_family = AF_VSOCK, .svm_cid = cid, .svm_port = port };
	int fd = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || connect(fd, (struct sockaddr *)&addr, sizeof(addr)))
		die("connect to the reader");
	return fd;
}

/* The reader of a run over loopback. */
static void start_reader(void)
{
	struct sockaddr_vm addr = {
		.svm_family = AF_VSOCK, .svm_cid = VMADDR_CID_ANY, .svm_port = VMADDR_PORT_ANY,
	};
	static char buf[256 * 1024];
	socklen_t len = sizeof(addr);
	int fd = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&addr, sizeof(addr)) || listen(fd, 8) ||
	    getsockname(fd, (struct sockaddr *)&addr, &len))
		die("listen on loopback");
	port = addr.svm_port;
	if (fork()) {
		close(fd);
		return;
	}
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (;;) {
		int conn = accept(fd, NULL, NULL);

		while (read(conn, buf, sizeof(buf)) > 0)
			;
		close(conn);
	}
}

static volatile sig_atomic_t stop;

static void on_alarm(int sig)
{
	(void)sig;
	stop = 1;
}

/* The process whose stdout it is: writes for so long, and tells how much. Does not return. */
static void writer(int fd, size_t size, int report)
{
	static char buf[65536];
	struct itimerval t = { .it_value = { millis / 1000, millis % 1000 * 1000 } };
	struct sigaction sa = { .sa_handler = on_alarm, .sa_flags = SA_RESTART };
	uint64_t bytes = 0;

	sigaction(SIGALRM, &sa, NULL);
	setitimer(ITIMER_REAL, &t, NULL);
	while (!stop) {
		ssize_t n = write(fd, buf, size);

		if (n <= 0)
			_exit(1);
		bytes += n;
	}
	_exit(write(report, &bytes, sizeof(bytes)) != sizeof(bytes));
}

static pid_t start_writer(int fd, size_t size, int report)
{
	pid_t pid = fork();

	if (pid < 0)
		die("fork");
	if (!pid)
		writer(fd, size, report);
	return pid;
}

/* Until the reader has closed: it has everything. */
static void wait_for_reader(int sock)
{
	struct pollfd p = { .fd = sock, .events = POLLIN | POLLRDHUP };

	while (poll(&p, 1, -1) < 0 && errno == EINTR)
		;
}

static int relay_done[2];

static void on_relay_done(void *arg)
{
	(void)arg;
	if (write(relay_done[1], "", 1) != 1)
		_exit(1);
}

/* The user-space engine and its container, in a process of their own. Reports its CPU time. Does not return. */
static void relay(int sock, size_t size, int report, int cpu_report)
{
	const bool want[3] = { false, true, false };
	int sockets[3] = { -1, sock, -1 };
	struct gcs_error err;
	struct rusage ru;
	int files[3];
	struct stdio *set;
	double cpu;
	pid_t pid;
	char c;

	if (pipe(relay_done) || event_start(&err) || stdio_init(false, &err))
		_exit(1);
	set = stdio_new(want, files, &err);
	if (!set)
		_exit(1);
	pid = start_writer(files[1], size, report);
	stdio_close(files);
	if (stdio_attach(set, sockets, &err) || waitpid(pid, NULL, 0) != pid)
		_exit(1);
	stdio_finish(set, 0, on_relay_done, NULL);
	if (read(relay_done[0], &c, 1) != 1)
		_exit(1);
	getrusage(RUSAGE_SELF, &ru);
	cpu = ru.ru_utime.tv_sec * 1e3 + ru.ru_utime.tv_usec / 1e3 + ru.ru_stime.tv_sec * 1e3 + ru.ru_stime.tv_usec / 1e3;
	_exit(write(cpu_report, &cpu, sizeof(cpu)) != sizeof(cpu));
}

static struct result run(enum mode mode, size_t size)
{
	struct result result = { 0 };
	int report[2], cpu_report[2];
	int sock = dial();
	uint64_t bytes;
	double start, cpu = 0;
	int status;
	pid_t pid;

	if (pipe2(report, O_CLOEXEC) || pipe2(cpu_report, O_CLOEXEC))
		die("pipe");
	start = now();
	if (mode == RAW) {
		pid = start_writer(sock, size, report[1]);
	} else if (mode == STREAM) {
		struct gcs_stream_open arg = { .size = sizeof(arg), .flags = GCS_STREAM_WRITE, .socket_fd = sock };
		int fd = ioctl(device, GCS_STREAM_OPEN, &arg);

		if (fd < 0)
			die("GCS_STREAM_OPEN");
		pid = start_writer(fd, size, report[1]);
		close(fd);
	} else {
		pid = fork();
		if (!pid)
			relay(dup(sock), size, report[1], cpu_report[1]);
	}
	if (read(report[0], &bytes, sizeof(bytes)) != sizeof(bytes))
		die("the writer's report");
	if (mode == RAW)
		shutdown(sock, SHUT_WR);
	wait_for_reader(sock);
	result.mb_s = bytes / 1e6 / (now() - start);
	if (mode == RELAY && read(cpu_report[0], &cpu, sizeof(cpu)) != sizeof(cpu))
		die("the relay's report");
	result.relay_cpu_ms = cpu * (256 << 20) / bytes;
	if (waitpid(pid, &status, 0) != pid || status)
		die("the writer");
	close(sock);
	for (int i = 0; i < 2; i++) {
		close(report[i]);
		close(cpu_report[i]);
	}
	return result;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static double median(double *v, int n)
{
	qsort(v, n, sizeof(*v), by_value);
	return n % 2 ? v[n / 2] : (v[n / 2 - 1] + v[n / 2]) / 2;
}

static struct result results[SIZES][MODES][MAX_ROUNDS];

static double median_mb_s(size_t i, enum mode m)
{
	double v[MAX_ROUNDS];

	for (int r = 0; r < rounds; r++)
		v[r] = results[i][m][r].mb_s;
	return median(v, rounds);
}

static double median_cpu(size_t i)
{
	double v[MAX_ROUNDS];

	for (int r = 0; r < rounds; r++)
		v[r] = results[i][RELAY][r].relay_cpu_ms;
	return median(v, rounds);
}

/* Of each round's own ratio: what else runs on the machine hits both alike. */
static double median_ratio(size_t i, enum mode m)
{
	double v[MAX_ROUNDS];

	for (int r = 0; r < rounds; r++)
		v[r] = results[i][STREAM][r].mb_s / results[i][m][r].mb_s;
	return median(v, rounds);
}

static void print_results(void)
{
	printf("# MB/s, medians of %d rounds of %d ms; reader: %s\n", rounds, millis,
	       cid == VMADDR_CID_LOCAL ? "vsock loopback" : "host");
	printf("# %9s %8s %8s %8s %12s %14s %22s\n", "write", "raw", "relay", "stream", "stream/raw", "stream/relay",
	       "relay CPU ms/256 MiB");
	for (size_t i = 0; i < SIZES; i++)
		printf("# %9zu %8.1f %8.1f %8.1f %12.2f %14.2f %22.0f\n", sizes[i], median_mb_s(i, RAW),
		       median_mb_s(i, RELAY), median_mb_s(i, STREAM), median_ratio(i, RAW), median_ratio(i, RELAY),
		       median_cpu(i));
	for (size_t i = 0; i < SIZES; i++)
		for (int m = 0; m < MODES; m++)
			printf("# json {\"bench\":\"stream\",\"mode\":\"%s\",\"write\":%zu,\"mb_s\":%.2f,\"stream_ratio\":%.3f,"
			       "\"relay_cpu_ms_256mib\":%.1f,\"reader\":\"%s\",\"rounds\":%d}\n", mode_name[m], sizes[i],
			       median_mb_s(i, m), median_ratio(i, m), m == RELAY ? median_cpu(i) : 0.0,
			       cid == VMADDR_CID_LOCAL ? "loopback" : "host", rounds);
}

/* An argument, or else a variable, which is what a test VM passes on. */
static unsigned int setting(const char *arg, const char *name, unsigned int otherwise)
{
	const char *text = arg ? arg : getenv(name);

	return text && *text ? strtoul(text, NULL, 0) : otherwise;
}

int main(int argc, char **argv)
{
	const char *arg[4] = { NULL };
	int c;

	while ((c = getopt(argc, argv, "c:p:r:t:")) != -1) {
		if (c == '?') {
			fprintf(stderr, "usage: stream_bench [-c CID] [-p PORT] [-r ROUNDS] [-t MILLISECONDS]\n");
			return 2;
		}
		arg[c == 'c' ? 0 : c == 'p' ? 1 : c == 'r' ? 2 : 3] = optarg;
	}
	port = setting(arg[1], "BENCH_PORT", 0);
	cid = setting(arg[0], "BENCH_CID", port ? VMADDR_CID_HOST : VMADDR_CID_LOCAL);
	rounds = setting(arg[2], "BENCH_ROUNDS", rounds);
	millis = setting(arg[3], "BENCH_MS", millis);
	if (rounds < 1 || rounds > MAX_ROUNDS || millis < 1) {
		fprintf(stderr, "stream_bench: 1 to %d rounds of at least 1 ms\n", MAX_ROUNDS);
		return 2;
	}

	setvbuf(stdout, NULL, _IOLBF, 0);
	printf("TAP version 13\n1..1\n");
	device = open("/dev/gcs", O_RDWR | O_CLOEXEC);
	if (device < 0)
		die("/dev/gcs");
	if (!port)
		start_reader();
	/* The first run of each finds everything cold: it does not count. */
	for (int r = -1; r < rounds; r++)
		for (size_t i = 0; i < SIZES; i++)
			for (int m = 0; m < MODES; m++)
				results[i][m][r < 0 ? 0 : r] = run(m, sizes[i]);
	print_results();
	printf("ok 1 stream_bench\n");
	return 0;
}

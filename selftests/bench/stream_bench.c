// SPDX-License-Identifier: MIT
/*
 * stream_bench: what a process's stdout costs on its way to the host
 *
 * The same writer, with the same writes, to the same reader, over
 *   raw     the vsock connection itself
 *   stream  a stream of gcs.ko
 *   kept    one that outlives its connection (GCS_STREAM_KEEP), as an init's
 *   relay   a pipe, and the agent's own user-space engine (agent/stdio/stdio_user.c) in a process of its own
 * The clock stops when the reader has read everything and closed.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/gcs.h>

#include "bench.h"
#include "event.h"
#include "stdio/stdio.h"

enum mode { RAW, STREAM, KEPT, RELAY, MODES };

static const char *const mode_name[MODES] = { "raw", "stream", "kept", "relay" };

static const size_t sizes[] = { 65536, 16384, 4096, 1024, 512, 256, 64 };

#define SIZES (sizeof(sizes) / sizeof(sizes[0]))

struct result {
	double mb_s;
	double relay_cpu_ms; /* of the relay's process, for 256 MiB */
};

static pid_t start_writer(int fd, size_t size, int report)
{
	static char buf[65536];
	pid_t pid = fork();

	if (pid < 0)
		bench_die("fork");
	if (!pid)
		bench_write(fd, buf, size, report);
	return pid;
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
	set = stdio_new(want, false, files, &err);
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
	int sock = bench_dial(BENCH_SINK);
	uint64_t bytes;
	double start, cpu = 0;
	pid_t pid;

	if (pipe2(report, O_CLOEXEC) || pipe2(cpu_report, O_CLOEXEC))
		bench_die("pipe");
	start = bench_now();
	if (mode == RAW) {
		pid = start_writer(sock, size, report[1]);
	} else if (mode == STREAM || mode == KEPT) {
		int fd = bench_stream(sock, GCS_STREAM_WRITE | (mode == KEPT ? GCS_STREAM_KEEP : 0));

		pid = start_writer(fd, size, report[1]);
		close(fd);
	} else {
		pid = fork();
		if (!pid)
			relay(dup(sock), size, report[1], cpu_report[1]);
	}
	if (read(report[0], &bytes, sizeof(bytes)) != sizeof(bytes))
		bench_die("the writer's report");
	if (mode == RAW)
		shutdown(sock, SHUT_WR);
	bench_wait_eof(sock);
	result.mb_s = bytes / 1e6 / (bench_now() - start);
	if (mode == RELAY && read(cpu_report[0], &cpu, sizeof(cpu)) != sizeof(cpu))
		bench_die("the relay's report");
	result.relay_cpu_ms = cpu * (256 << 20) / bytes;
	bench_wait(pid);
	close(sock);
	for (int i = 0; i < 2; i++) {
		close(report[i]);
		close(cpu_report[i]);
	}
	return result;
}

static double mb_s[SIZES][MODES][BENCH_MAX_ROUNDS];
static double cpu_ms[SIZES][BENCH_MAX_ROUNDS];

static void print_size(size_t i)
{
	double raw = bench_ratio(mb_s[i][STREAM], mb_s[i][RAW], bench_rounds);
	double relay = bench_ratio(mb_s[i][STREAM], mb_s[i][RELAY], bench_rounds);
	double cpu = bench_median(cpu_ms[i], bench_rounds);
	double speed[MODES];
	char what[64];

	for (int m = 0; m < MODES; m++)
		speed[m] = bench_median(mb_s[i][m], bench_rounds);
	printf("# %9zu %8.1f %8.1f %8.1f %8.1f %12.2f %14.2f %12.2f %22.0f\n", sizes[i], speed[RAW], speed[RELAY], speed[STREAM],
	       speed[KEPT], raw, relay, bench_ratio(mb_s[i][KEPT], mb_s[i][RELAY], bench_rounds), cpu);
	for (int m = 0; m < MODES; m++)
		printf("# json {\"bench\":\"stream\",\"mode\":\"%s\",\"write\":%zu,\"mb_s\":%.2f}\n", mode_name[m],
		       sizes[i], speed[m]);
	snprintf(what, sizeof(what), "stdout, writes of %zu: stream / raw", sizes[i]);
	bench_figure(what, raw);
	snprintf(what, sizeof(what), "stdout, writes of %zu: stream / user-space engine", sizes[i]);
	bench_figure(what, relay);
}

int main(void)
{
	bench_start("stream_bench", 15, 200);
	/* The first run of each finds everything cold: it does not count. */
	for (int r = -1; r < bench_rounds; r++) {
		for (size_t i = 0; i < SIZES; i++) {
			for (int k = 0; k < MODES; k++) {
				/* None is always the one after the same other. */
				int m = (k + r + 1) % MODES;
				struct result result = run(m, sizes[i]);

				mb_s[i][m][r < 0 ? 0 : r] = result.mb_s;
				if (m == RELAY)
					cpu_ms[i][r < 0 ? 0 : r] = result.relay_cpu_ms;
			}
		}
	}
	printf("# stdout: MB/s to a reader on the host, medians of %d rounds of %d ms\n", bench_rounds, bench_ms);
	printf("# %9s %8s %8s %8s %8s %12s %14s %12s %22s\n", "write", "raw", "relay", "stream", "kept", "stream/raw",
	       "stream/relay", "kept/relay", "relay CPU ms/256 MiB");
	for (size_t i = 0; i < SIZES; i++)
		print_size(i);
	bench_end();
	return 0;
}

// SPDX-License-Identifier: MIT
/*
 * stdin_bench: what a process's stdin costs on its way from the host
 *
 * The same reader, with the same reads, from the same writer, over the vsock connection itself (raw) and over a stream of gcs.ko.
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <linux/gcs.h>

#include "bench.h"

enum mode { RAW, STREAM, MODES };

static const size_t sizes[] = { 65536, 4096 };

#define SIZES (sizeof(sizes) / sizeof(sizes[0]))

/* The process whose stdin it is. Does not return. */
static void reader(int fd, size_t size, int report)
{
	static char buf[65536];
	uint64_t bytes = 0;
	ssize_t n;

	while ((n = read(fd, buf, size)) > 0)
		bytes += n;
	_exit(n < 0 || write(report, &bytes, sizeof(bytes)) != sizeof(bytes));
}

/* Returns MB/s. */
static double run(enum mode mode, size_t size)
{
	int sock = bench_dial(BENCH_SOURCE);
	uint32_t ms = bench_ms;
	double start, elapsed;
	int report[2];
	uint64_t bytes;
	int fd = sock;
	pid_t pid;

	if (pipe(report))
		bench_die("pipe");
	if (mode == STREAM)
		fd = bench_stream(sock, GCS_STREAM_READ);
	pid = fork();
	if (pid < 0)
		bench_die("fork");
	if (!pid)
		reader(fd, size, report[1]);
	start = bench_now();
	if (write(sock, &ms, sizeof(ms)) != sizeof(ms))
		bench_die("start the host's writer");
	if (read(report[0], &bytes, sizeof(bytes)) != sizeof(bytes))
		bench_die("the reader's report");
	elapsed = bench_now() - start;
	bench_wait(pid);
	if (fd != sock)
		close(fd);
	close(sock);
	close(report[0]);
	close(report[1]);
	return bytes / 1e6 / elapsed;
}

int main(void)
{
	static double mb_s[SIZES][MODES][BENCH_MAX_ROUNDS];
	char what[64];

	bench_start("stdin_bench", 25, 200);
	for (int r = -1; r < bench_rounds; r++) {
		for (size_t i = 0; i < SIZES; i++) {
			for (int k = 0; k < MODES; k++) {
				int m = (k + r + 1) % MODES;

				mb_s[i][m][r < 0 ? 0 : r] = run(m, sizes[i]);
			}
		}
	}

	printf("# stdin: MB/s from a writer on the host, medians of %d rounds of %d ms\n", bench_rounds, bench_ms);
	printf("# %9s %8s %8s %12s\n", "read", "raw", "stream", "stream/raw");
	for (size_t i = 0; i < SIZES; i++) {
		double ratio = bench_ratio(mb_s[i][STREAM], mb_s[i][RAW], bench_rounds);
		double raw = bench_median(mb_s[i][RAW], bench_rounds);
		double stream = bench_median(mb_s[i][STREAM], bench_rounds);

		printf("# %9zu %8.1f %8.1f %12.2f\n", sizes[i], raw, stream, ratio);
		printf("# json {\"bench\":\"stdin\",\"read\":%zu,\"raw_mb_s\":%.2f,\"stream_mb_s\":%.2f}\n", sizes[i], raw, stream);
		snprintf(what, sizeof(what), "stdin, reads of %zu: stream / raw", sizes[i]);
		bench_bar(what, ratio, true, 0.95);
	}
	bench_end();
	return 0;
}

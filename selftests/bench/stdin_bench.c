// SPDX-License-Identifier: MIT
/*
 * stdin_bench: what a process's stdin costs on its way from the host
 *
 * The same reader, with the same reads, from the same writer, over the vsock connection itself (raw) and over a stream of gcs.ko.
 * A round is a burst over each, a few milliseconds: in rounds of a fifth of a second with connections of their own a second raw
 * connection was anything from 0.7 to 1.5 times as fast as the first. That one is here still, as the control.
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <linux/gcs.h>

#include "bench.h"

enum mode { RAW, STREAM, CONTROL, MODES };

#define BURST (2 << 20)

static const size_t sizes[] = { 65536, 4096 };

#define SIZES (sizeof(sizes) / sizeof(sizes[0]))

static int sock[MODES], fd[MODES];

/* Returns MB/s, from the first bytes to the last. */
static double burst(enum mode mode, size_t size)
{
	static char buf[65536];
	const uint32_t all = BURST;
	uint32_t left = all, first = 0;
	double start = 0;

	if (write(sock[mode], &all, sizeof(all)) != sizeof(all))
		bench_die("start the host's writer");
	while (left) {
		ssize_t n = read(fd[mode], buf, size < left ? size : left);

		if (n <= 0)
			bench_die("read");
		left -= n;
		if (!first) {
			first = n;
			start = bench_now();
		}
	}
	return (all - first) / 1e6 / (bench_now() - start);
}

int main(void)
{
	static double mb_s[SIZES][MODES][BENCH_MAX_ROUNDS];
	char what[64];

	bench_start("stdin_bench", 500, 1);
	for (int m = 0; m < MODES; m++) {
		sock[m] = bench_dial(BENCH_SOURCE);
		fd[m] = m == STREAM ? bench_stream(sock[m], GCS_STREAM_READ) : sock[m];
	}
	for (int r = -1; r < bench_rounds; r++) {
		for (size_t i = 0; i < SIZES; i++) {
			for (int k = 0; k < MODES; k++) {
				/* Each follows each of the others as often. */
				int m = (r % 2 ? MODES - 1 - k : k) + r / 2;

				m = (m + MODES) % MODES;
				mb_s[i][m][r < 0 ? 0 : r] = burst(m, sizes[i]);
			}
		}
	}

	printf("# stdin: MB/s from a writer on the host, medians of %d rounds of %d KiB\n", bench_rounds, BURST >> 10);
	printf("# %9s %8s %8s %12s %12s\n", "read", "raw", "stream", "stream/raw", "control/raw");
	for (size_t i = 0; i < SIZES; i++) {
		double ratio = bench_ratio(mb_s[i][STREAM], mb_s[i][RAW], bench_rounds);
		double control = bench_ratio(mb_s[i][CONTROL], mb_s[i][RAW], bench_rounds);
		double raw = bench_median(mb_s[i][RAW], bench_rounds);
		double stream = bench_median(mb_s[i][STREAM], bench_rounds);

		printf("# %9zu %8.1f %8.1f %12.2f %12.2f\n", sizes[i], raw, stream, ratio, control);
		printf("# json {\"bench\":\"stdin\",\"read\":%zu,\"raw_mb_s\":%.2f,\"stream_mb_s\":%.2f,\"control\":%.3f}\n", sizes[i], raw,
		       stream, control);
		snprintf(what, sizeof(what), "stdin, reads of %zu: stream / raw", sizes[i]);
		bench_figure(what, ratio);
	}
	bench_end();
	return 0;
}

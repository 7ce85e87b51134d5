// SPDX-License-Identifier: MIT
/*
 * echo_bench: how long some bytes take from the host through `cat` and back, with the vsock connections themselves as cat's stdin and
 * stdout (raw), with streams of gcs.ko, and with such that keep what they sent
 */
#include <stdio.h>
#include <unistd.h>

#include <linux/gcs.h>

#include "bench.h"

#define TRIPS 200

enum mode { RAW, STREAM, KEPT, MODES };
static const char *const mode_name[MODES] = { "raw", "stream", "kept" };

static const uint32_t sizes[] = { 1, 16384 };
#define SIZES (sizeof(sizes) / sizeof(*sizes))

static double us[SIZES][MODES][BENCH_MAX_ROUNDS];

/* Returns the median round trip of @size bytes in us. */
static double run(enum mode mode, uint32_t size)
{
	int sock[3], in, out;
	double us;
	pid_t pid;

	for (int i = 0; i < 3; i++)
		sock[i] = bench_dial(BENCH_ECHO);
	in = mode == RAW ? sock[0] : bench_stream(sock[0], GCS_STREAM_READ);
	out = mode == RAW ? sock[1] : bench_stream(sock[1], GCS_STREAM_WRITE | (mode == KEPT ? GCS_STREAM_KEEP : 0));
	pid = fork();
	if (pid < 0)
		bench_die("fork");
	if (!pid) {
		dup2(in, STDIN_FILENO);
		dup2(out, STDOUT_FILENO);
		execlp("cat", "cat", NULL);
		_exit(127);
	}
	close(out);
	if (out != sock[1])
		close(sock[1]);
	us = bench_echoes(sock[2], TRIPS, size);
	bench_wait(pid);
	/* The host is done as well. */
	bench_wait_eof(sock[2]);
	close(in);
	if (in != sock[0])
		close(sock[0]);
	close(sock[2]);
	return us;
}

int main(void)
{
	bench_start("echo_bench", 25, 200);
	for (int r = -1; r < bench_rounds; r++)
		for (size_t i = 0; i < SIZES; i++)
			for (int k = 0; k < MODES; k++) {
				int m = (k + r + 1) % MODES;

				us[i][m][r < 0 ? 0 : r] = run(m, sizes[i]);
			}

	printf("# echo through cat: us, medians of %d rounds of %d\n", bench_rounds, TRIPS);
	printf("# %8s %8s %8s %8s %12s %12s\n", "bytes", "raw", "stream", "kept", "stream/raw", "kept/raw");
	for (size_t i = 0; i < SIZES; i++) {
		double stream = bench_ratio(us[i][STREAM], us[i][RAW], bench_rounds);
		double kept = bench_ratio(us[i][KEPT], us[i][RAW], bench_rounds);
		char what[64];

		printf("# %8u %8.0f %8.0f %8.0f %12.2f %12.2f\n", sizes[i], bench_median(us[i][RAW], bench_rounds),
		       bench_median(us[i][STREAM], bench_rounds), bench_median(us[i][KEPT], bench_rounds), stream, kept);
		for (int m = 0; m < MODES; m++)
			printf("# json {\"bench\":\"echo\",\"mode\":\"%s\",\"bytes\":%u,\"us\":%.1f}\n", mode_name[m], sizes[i],
			       bench_median(us[i][m], bench_rounds));
		snprintf(what, sizeof(what), "echo through cat, %u B: stream / raw", sizes[i]);
		bench_figure(what, stream);
		snprintf(what, sizeof(what), "echo through cat, %u B: kept / raw", sizes[i]);
		bench_figure(what, kept);
	}
	bench_end();
	return 0;
}

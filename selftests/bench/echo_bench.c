// SPDX-License-Identifier: MIT
/*
 * echo_bench: how long a byte takes from the host through `cat` and back, with the vsock connections themselves as cat's stdin and
 * stdout (raw), and with streams of gcs.ko
 */
#include <stdio.h>
#include <unistd.h>

#include <linux/gcs.h>

#include "bench.h"

#define TRIPS 200

enum mode { RAW, STREAM, MODES };

/* Returns the median round trip in us. */
static double run(enum mode mode)
{
	int sock[3], in, out;
	uint32_t trips = TRIPS;
	double us = 0;
	pid_t pid;

	for (int i = 0; i < 3; i++)
		sock[i] = bench_dial(BENCH_ECHO);
	in = mode == STREAM ? bench_stream(sock[0], GCS_STREAM_READ) : sock[0];
	out = mode == STREAM ? bench_stream(sock[1], GCS_STREAM_WRITE) : sock[1];
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
	if (write(sock[2], &trips, sizeof(trips)) != sizeof(trips) || read(sock[2], &us, sizeof(us)) != sizeof(us) || us <= 0)
		bench_die("the host's echoes");
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
	static double us[MODES][BENCH_MAX_ROUNDS];
	double ratio, raw, stream;

	bench_start("echo_bench", 25, 200);
	for (int r = -1; r < bench_rounds; r++) {
		for (int k = 0; k < MODES; k++) {
			int m = (k + r + 1) % MODES;

			us[m][r < 0 ? 0 : r] = run(m);
		}
	}
	ratio = bench_ratio(us[STREAM], us[RAW], bench_rounds);
	raw = bench_median(us[RAW], bench_rounds);
	stream = bench_median(us[STREAM], bench_rounds);

	printf("# echo of a byte through cat: us, medians of %d rounds of %d\n", bench_rounds, TRIPS);
	printf("# %8s %8s %12s\n# %8.0f %8.0f %12.2f\n", "raw", "stream", "stream/raw", raw, stream, ratio);
	printf("# json {\"bench\":\"echo\",\"raw_us\":%.1f,\"stream_us\":%.1f}\n", raw, stream);
	bench_figure("echo of a byte through cat: stream / raw", ratio);
	bench_end();
	return 0;
}

// SPDX-License-Identifier: MIT
/*
 * many_bench: what one stream carries, and 100 at once, each with a process that writes as fast as it can
 *
 * The total is what all readers have got, until they have everything; the fairness is that of what each process could write
 * before the time was up. The same over the vsock connections themselves shows what is not the streams' doing.
 */
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <linux/gcs.h>

#include "bench.h"

#define MANY 100

enum mode { RAW, STREAM, MODES };

static const size_t sizes[] = { 65536, 4096 };

#define SIZES (sizeof(sizes) / sizeof(sizes[0]))

/* Shared with the writers. */
static struct {
	volatile bool stop;
	volatile uint64_t bytes[MANY];
} *shared;

struct result {
	double mb_s;
	double spread; /* most / least */
};

/* Does not return. */
static void writer(int fd, size_t size, int go, volatile uint64_t *bytes)
{
	static char buf[65536];
	char c;

	/* End of file, for all at once. */
	if (read(go, &c, 1))
		_exit(1);
	while (!shared->stop) {
		ssize_t n = write(fd, buf, size);

		if (n <= 0)
			_exit(1);
		*bytes += n;
	}
	_exit(0);
}

static struct result run(enum mode mode, int count, size_t size)
{
	/* A hundred take turns on few processors. */
	int ms = count > 1 ? 3 * bench_ms : bench_ms;
	struct timespec window = { ms / 1000, ms % 1000 * 1000000 };
	uint64_t least = UINT64_MAX, most = 0, total = 0;
	pid_t pid[MANY];
	int sock[MANY];
	int go[2];
	double start;
	sigset_t none;

	if (pipe(go))
		bench_die("pipe");
	shared->stop = false;
	for (int i = 0; i < count; i++) {
		int fd;

		sock[i] = bench_dial(BENCH_SINK);
		fd = mode == STREAM ? bench_stream(sock[i], GCS_STREAM_WRITE) : sock[i];
		shared->bytes[i] = 0;
		pid[i] = fork();
		if (pid[i] < 0)
			bench_die("fork");
		if (!pid[i]) {
			close(go[1]);
			writer(fd, size, go[0], &shared->bytes[i]);
		}
		if (mode == STREAM)
			close(fd);
	}
	close(go[0]);
	start = bench_now();
	close(go[1]);
	/* The window is what is measured: a signal that never comes, for so long. */
	sigfillset(&none);
	sigtimedwait(&none, NULL, &window);
	shared->stop = true;
	for (int i = 0; i < count; i++) {
		uint64_t bytes = shared->bytes[i];

		least = bytes < least ? bytes : least;
		most = bytes > most ? bytes : most;
	}
	for (int i = 0; i < count; i++) {
		bench_wait(pid[i]);
		if (mode == RAW)
			shutdown(sock[i], SHUT_WR);
	}
	for (int i = 0; i < count; i++) {
		bench_wait_eof(sock[i]);
		close(sock[i]);
		total += shared->bytes[i];
	}
	return (struct result) { total / 1e6 / (bench_now() - start), least ? (double)most / least : 1e9 };
}

int main(void)
{
	static double one[SIZES][MODES][BENCH_MAX_ROUNDS], many[SIZES][MODES][BENCH_MAX_ROUNDS];
	static double spread[SIZES][MODES][BENCH_MAX_ROUNDS];
	char what[64];

	bench_start("many_bench", 5, 1000);
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED)
		bench_die("mmap");
	for (int r = 0; r < bench_rounds; r++) {
		for (size_t i = 0; i < SIZES; i++) {
			for (int m = 0; m < MODES; m++) {
				struct result result = run(m, MANY, sizes[i]);

				many[i][m][r] = result.mb_s;
				spread[i][m][r] = result.spread;
				one[i][m][r] = run(m, 1, sizes[i]).mb_s;
			}
		}
	}

	printf("# %d at once: MB/s in total, medians of %d rounds of %d ms; fairness is most / least bytes\n", MANY,
	       bench_rounds, 3 * bench_ms);
	printf("# %9s %8s %8s %8s %10s %10s\n", "write", "", "one", "many", "many/one", "fairness");
	for (size_t i = 0; i < SIZES; i++) {
		for (int m = 0; m < MODES; m++) {
			double ratio = bench_ratio(many[i][m], one[i][m], bench_rounds);
			double fair = bench_median(spread[i][m], bench_rounds);
			double mb_s[2] = {
				bench_median(one[i][m], bench_rounds), bench_median(many[i][m], bench_rounds),
			};

			printf("# %9zu %8s %8.1f %8.1f %10.2f %10.2f\n", sizes[i], m == RAW ? "raw" : "stream", mb_s[0], mb_s[1],
			       ratio, fair);
			printf("# json {\"bench\":\"many\",\"mode\":\"%s\",\"write\":%zu,\"one_mb_s\":%.2f,\"many_mb_s\":%.2f,"
			       "\"fairness\":%.3f}\n", m == RAW ? "raw" : "stream", sizes[i], mb_s[0], mb_s[1], fair);
			if (m == RAW)
				continue;
			snprintf(what, sizeof(what), "%d streams, writes of %zu: all / one", MANY, sizes[i]);
			bench_figure(what, ratio);
			snprintf(what, sizeof(what), "%d streams, writes of %zu: most / least bytes", MANY, sizes[i]);
			bench_figure(what, fair);
		}
	}
	bench_end();
	return 0;
}

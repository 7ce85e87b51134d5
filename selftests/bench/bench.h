/* SPDX-License-Identifier: MIT */
/*
 * What the bench programs share, in the VM and on the host
 *
 * A program says in lines for people ("# ...") what it has measured, in lines for scripts the same ("# json {...}"), and with
 * bench_figure() what is held against a bar. Medians of rounds that run every way once: these machines are noisy, so what is compared
 * takes turns.
 */
#ifndef GCS_BENCH_H
#define GCS_BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define BENCH_MAX_ROUNDS 999

/* What the host serves, each at a port of its own: BENCH_PORT and the following. */
enum bench_service {
	BENCH_SINK,	/* reads to the end and closes */
	BENCH_SOURCE,	/* is sent a uint32_t, writes so many bytes, and so on */
	BENCH_ECHO,	/* takes three connections, is sent a struct bench_echo over the third, writes so much so often to the
			 * first and reads each from the second, sends the median of the round trips, a double in us, over the
			 * third, shuts down the first and reads the second to its end */
	BENCH_SERVICES
};

struct bench_echo {
	uint32_t trips, size;
};

/* Settings, from the environment: BENCH_ROUNDS, and BENCH_MS, for how long each run writes. */
extern int bench_rounds, bench_ms;

/* Settings, /dev/gcs, the beginning of the report; @rounds and @ms are used unless the environment says otherwise. */
void bench_start(const char *name, int rounds, int ms);
void bench_end(void);
void bench_die(const char *what) __attribute__((noreturn));

int bench_dial(enum bench_service service);
/* A stream over @sock; @way is GCS_STREAM_READ or GCS_STREAM_WRITE. */
int bench_stream(int sock, uint32_t way);
/* The other two of a BENCH_ECHO's connections are in place: the median of @trips round trips of @size bytes, in us. */
double bench_echoes(int sock, uint32_t trips, uint32_t size);
/* Wait until the peer has closed: it has everything. */
void bench_wait_eof(int sock);
/* Write @size bytes again and again for so long, tell @report how many in all, a uint64_t, and exit. */
void bench_write(int fd, const char *buf, size_t size, int report) __attribute__((noreturn));
/* Wait for a child, which must succeed. */
void bench_wait(pid_t pid);

double bench_now(void);
/* Sorts @v. */
double bench_median(double *v, int n);
/* The median of a[i] / b[i]: what else runs on the machine hits both of a round alike. */
double bench_ratio(const double *a, const double *b, int n);
/* A figure that has a bar: @what is the name of its row in Documentation/SPECIFICATION.md. */
void bench_figure(const char *what, double value);

#endif

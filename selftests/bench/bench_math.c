// SPDX-License-Identifier: MIT
/* The clock and the medians of the bench programs, in the VM and on the host. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bench.h"

double bench_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

double bench_median(double *v, int n)
{
	qsort(v, n, sizeof(*v), by_value);
	return n % 2 ? v[n / 2] : (v[n / 2 - 1] + v[n / 2]) / 2;
}

double bench_ratio(const double *a, const double *b, int n)
{
	double v[BENCH_MAX_ROUNDS];

	for (int i = 0; i < n; i++)
		v[i] = a[i] / b[i];
	return bench_median(v, n);
}

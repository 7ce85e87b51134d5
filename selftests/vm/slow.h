/* SPDX-License-Identifier: MIT */
/*
 * Times of tests on a kernel that is slow on purpose: scripts/vm says by how much, in GCS_SLOW
 *
 * Included before the harness, whose time-outs are alarms.
 */
#ifndef SELFTESTS_SLOW_H
#define SELFTESTS_SLOW_H

#include <stdlib.h>
#include <unistd.h>

static inline int scaled(int time)
{
	const char *factor = getenv("GCS_SLOW");

	return factor ? time * atoi(factor) : time;
}

#define alarm(seconds) alarm(scaled(seconds))

#endif /* SELFTESTS_SLOW_H */

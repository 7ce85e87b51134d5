/* SPDX-License-Identifier: MIT */
/* The monotonic clock, by which all deadlines are. */
#ifndef GCS_CLOCK_H
#define GCS_CLOCK_H

#include <stdint.h>
#include <time.h>

int64_t clock_now_ms(void);

struct timespec deadline_after_ms(uint64_t ms);

/* What is left until then, 0 if nothing is. */
uint32_t deadline_left_ms(const struct timespec *deadline);

#endif

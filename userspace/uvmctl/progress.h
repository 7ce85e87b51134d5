/* SPDX-License-Identifier: MIT */
/* How far long work has come: a line on stderr that is drawn again and again, if that is a terminal. */
#ifndef UVMCTL_PROGRESS_H
#define UVMCTL_PROGRESS_H

#include <stdint.h>

/* Never show any. */
void progress_quiet(void);

/* @what has begun, which is @total bytes of work; then each @bytes that are done; then the end, which leaves no trace. */
void progress_begin(const char *what, uint64_t total);
void progress_step(uint64_t bytes);
void progress_end(void);

#endif

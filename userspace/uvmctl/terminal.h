/* SPDX-License-Identifier: MIT */
/* The user's terminal: raw while the container has it. */
#ifndef UVMCTL_TERMINAL_H
#define UVMCTL_TERMINAL_H

#include <stdbool.h>
#include <stdint.h>
#include <termios.h>

#include "error.h"

struct terminal {
	bool raw;
	struct termios before;
};

/* Of the terminal at stdin, or else at stdout. False if there is none, or it has no size. */
bool terminal_size(uint16_t *rows, uint16_t *columns);

/* Every key to the container, nothing done to its output. terminal_restore() undoes it, and may be called in any case. */
int terminal_raw(struct terminal *t, struct gcs_error *err);
void terminal_restore(struct terminal *t);

#endif

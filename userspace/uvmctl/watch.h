/* SPDX-License-Identifier: MIT */
/* Waiting for one thing while the VM may end and the user may lose patience. */
#ifndef UVMCTL_WATCH_H
#define UVMCTL_WATCH_H

#include <stdint.h>

#include "error.h"

struct watch {
	int vm_fd;     /* readable when the VM has ended; -1: there is none */
	int signal_fd; /* readable when a signal ends what is going on; -1: none does */
};

/* Milliseconds from now as a deadline of watch_wait(). */
int64_t watch_deadline(int64_t ms);

/*
 * Wait until @fd has one of @events. Returns 0, or -1 with @err: err->err is ETIMEDOUT when the @deadline (-1: none)
 * has passed, EINTR for a signal, ESHUTDOWN for the end of the VM. @what is waited for.
 */
int watch_wait(const struct watch *w, int fd, short events, int64_t deadline, const char *what, struct gcs_error *err);

#endif

/* SPDX-License-Identifier: MIT */
/* Programs that uvmctl runs: they die with it, and may be given descriptors beyond 0, 1, 2. */
#ifndef UVMCTL_PROC_H
#define UVMCTL_PROC_H

#include <sys/types.h>

#include "error.h"

#define PROC_FDS_MAX 8

struct proc {
	char *const *argv; /* argv[0] is searched in PATH */
	int fds[3];	   /* become 0, 1, 2; -1: /dev/null */
	int keep[PROC_FDS_MAX]; /* stay open under their numbers; the list ends with -1 or full */
	int cwd_fd;		/* -1: the caller's */
};

#define PROC_INIT { .fds = { -1, -1, -1 }, .keep = { -1 }, .cwd_fd = -1 }

/*
 * Start @p in a session of its own (a terminal's ^C is not for it), killed when the calling thread ends.
 * Returns a pidfd, or -1 with @err: err->err is ENOENT if there is no such program.
 */
int proc_start(const struct proc *p, pid_t *pid, struct gcs_error *err);

/* Wait for its end. The exit code, or 128 + signal. Closes the pidfd. */
int proc_wait(int pidfd);

/* Run @p to its end, its fds[2] set here. -1 with @err, which has the last line of its stderr, unless it exits with 0. */
int proc_run(struct proc *p, struct gcs_error *err);

#endif

/* SPDX-License-Identifier: MIT */
/* A process at the user's standard streams: bytes, keys, signals, the window's size; until it ends or the user leaves it. */
#ifndef UVMCTL_SESSION_H
#define UVMCTL_SESSION_H

#include <stdbool.h>
#include <stdint.h>

#include "terminal.h"

struct relay;

/* How the process is told; neither waits for the guest, which may hang. */
struct session_ops {
	int (*signal)(void *arg, int signal, struct gcs_error *err);
	int (*resize)(void *arg, uint16_t rows, uint16_t columns, struct gcs_error *err);
};

struct session {
	const struct session_ops *ops;
	void *arg;
	bool interactive, tty;
	bool detachable; /* by Ctrl-P Ctrl-Q, if interactive with a terminal */
	int signal_fd;	 /* of session_signals(), the caller's to close */
	uint16_t rows, columns; /* of the process's terminal, as far as it was told */
	int signal;	 /* that has ended it; 0: none */
	struct relay *relays[3];
	struct terminal terminal;
	int detach_fd;
	unsigned int seen; /* signals passed on */
	uint64_t bytes[3];
};

#define SESSION_INIT { .signal_fd = -1, .detach_fd = -1 }

/* From now on signals are for session_wait(): s->signal_fd is readable when there is one. */
int session_signals(struct session *s, struct gcs_error *err);

/* Pass on the streams by @sockets, which are taken over as are files with what comes before it, @first; -1: there is none. */
int session_start(struct session *s, int sockets[3], int first[3], struct gcs_error *err);

/*
 * Wait until @exit_fd is readable: 0; 1: the user has detached; -1 with @err: err->err is EINTR and s->signal set if a signal has
 * ended it, ESHUTDOWN when @vm_fd (-1: none) became readable. The first SIGINT or SIGTERM goes to the process as it is, the
 * second as SIGKILL, the third ends us, as does the first that the terminal's settings would not survive.
 */
int session_wait(struct session *s, int exit_fd, int vm_fd, struct gcs_error *err);

/* The process has ended: whatever it has written is written before this returns; only a signal ends that. */
int session_finish(struct session *s, struct gcs_error *err);

/* Leave the process as it is, nothing that it has written in our hands; only a signal ends that: -1 with @err. */
int session_detach(struct session *s, struct gcs_error *err);

/* The terminal is as it was. In any case, the last thing; may be called twice. */
void session_end(struct session *s);

#endif

/* SPDX-License-Identifier: MIT */
/* The one place that reaps: children known by pidfd by those who wait for them, adopted orphans at once. */
#ifndef GCS_REAP_H
#define GCS_REAP_H

#include <sys/types.h>

#include "error.h"

/* A process that this one waits for. @pidfd is readable once it has ended. */
struct child {
	pid_t pid;
	int pidfd;
};

/* Become a child subreaper and reap unknown orphans. Call once, after event_start(). */
int reap_init(struct gcs_error *err);

/*
 * While held, no orphan is reaped: between the start of a program that leaves a process behind and
 * child_adopt(), that process can then end but its pid cannot be used again. May be held by many.
 */
void reap_hold(void);
void reap_release(void);

/* Make a process that will be, or is, this one's child known. Call with reap_hold(). */
int child_adopt(pid_t pid, struct child *child, struct gcs_error *err);

/* For spawn(): note a child whose pidfd is open already. Call with reap_hold(). */
int child_register(const struct child *child, struct gcs_error *err);

/*
 * Reap an ended child (waits if it has not), forget it and close its pidfd. Returns its exit code, 128 + S
 * for death by signal S; -1 if it was not this process's child.
 */
int child_reap(struct child *child);

/*
 * SIGKILL, and reap it if it ends within KILLED_MS. One that the kernel does not let end, while it waits for a disk that does not answer,
 * is an orphan from now on: nobody waits for it any more, and it is reaped when it ends.
 */
#define KILLED_MS 1000
void child_kill(struct child *child);

#endif

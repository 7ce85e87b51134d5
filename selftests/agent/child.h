/* SPDX-License-Identifier: MIT */
/* A program of the VM with pipes as its standard streams. */
#ifndef GCS_TEST_CHILD_H
#define GCS_TEST_CHILD_H

#include <sys/types.h>

struct child {
	pid_t pid;
	int in;	 /* what it reads */
	int out; /* what it writes, to standard error, too */
};

/* Start it; @prepare (may be NULL) runs in the new process, and its return value other than 0 is the status. */
void child_start(struct child *c, char *const argv[], int (*prepare)(void *arg), void *arg);

/* A line of what it writes, without its end; at most 4095 bytes, valid until the next call. The test ends if none comes. */
const char *child_line(struct child *c);

/* Close its input and wait for its end. Returns its status as a shell tells it. *@out, if not NULL: what it has written and was not read; malloc'd. */
int child_end(struct child *c, char **out);

#endif

/* SPDX-License-Identifier: MIT */
/* Start programs, known by pidfd. */
#ifndef GCS_SPAWN_H
#define GCS_SPAWN_H

#include <stdbool.h>
#include <stddef.h>

#include "error.h"
#include "reap.h"

#define SPAWN_NULL (-1)	   /* /dev/null */
#define SPAWN_CAPTURE (-2) /* spawn_run(): into struct spawn_result */

struct spawn {
	char *const *argv;  /* argv[0] without a slash is searched in PATH of @env, or else of the caller */
	char *const *env;   /* NULL = the caller's */
	const char *cwd;    /* NULL or "" = the caller's */
	int fds[3];	    /* the caller's descriptors that become 0, 1, 2; or SPAWN_* */
	const char *cgroup; /* to start in; NULL = the caller's */
	bool session;	    /* a new session; descriptor 0, if it is a terminal, becomes the controlling one */
};

/*
 * Start a program. The child has default signal handling, nothing blocked, and no descriptor but 0, 1, 2. Fails
 * if the program could not be executed. Reap it with child_reap().
 */
int spawn(const struct spawn *s, struct child *child, struct gcs_error *err);

/* Where a program is that is searched as argv[0] is. Returns its malloc'd path, or NULL with errno. */
char *spawn_find(const char *name, char *const *env);

#define SPAWN_OUTPUT_MAX 65536

struct spawn_result {
	int code;      /* exit code, 128 + S for death by signal S */
	char *output;  /* what was captured, NUL-terminated, cut at SPAWN_OUTPUT_MAX; free it */
	size_t length; /* of @output */
};

/*
 * Start a program and wait for its end, at most @deadline_ms: then it is killed, which is an error. Any exit code
 * is success. What the program's own children print later is not waited for.
 */
int spawn_run(const struct spawn *s, int deadline_ms, struct spawn_result *result, struct gcs_error *err);

#endif

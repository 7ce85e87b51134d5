/* SPDX-License-Identifier: MIT */
/*
 * The directory of the UVMs that run: $UVMCTL_STATE, $XDG_RUNTIME_DIR/uvmctl or /run/uvmctl. Each has a directory of its name in it, with
 *   lock     locked by its supervisor as long as that lives: how everybody knows whether it does
 *   control  the socket on which the supervisor answers
 *   log      what the guest says; events: what happens to containers, a JSON object a line
 * What a supervisor that was killed has left is removed by whoever comes across it.
 */
#ifndef UVMCTL_STATE_H
#define UVMCTL_STATE_H

#include <stdbool.h>

#include "error.h"

#define STATE_LOG "log"
#define STATE_EVENTS "events"
#define STATE_CONTROL "control"

/* May a UVM or a container have this name? Returns 0, or -1 with @err, which says what is one. */
int state_check_name(const char *what, const char *name, struct gcs_error *err);

/* Open the directory; make it if it is not there. -1 with @err. */
int state_open(struct gcs_error *err);

/* What a supervisor has of its directory. */
struct state_claim {
	int dir_fd, lock_fd, listener; /* the listener is the control socket's */
};

/* Make the directory of a new UVM and lock it. From then on who connects waits. -1 with @err, also if one of this name runs. */
int state_claim(int state_fd, const char *name, struct state_claim *claim, struct gcs_error *err);

/* The directory of UVM @name, which runs; -1 with @err: err->err is ENOENT if none does. */
int state_find(int state_fd, const char *name, struct gcs_error *err);

/* Remove the directory of a UVM, @dir_fd, whose lock the caller has. */
void state_remove(int state_fd, const char *name, int dir_fd);

/* Is it still there? The user's, or another one's, tidiness may have removed it. */
bool state_is_there(int dir_fd);

/* Wait until nobody holds the lock of the UVM with directory @dir_fd. */
void state_wait_gone(int dir_fd);

/* The names of all that run, sorted, malloc'd, ends with NULL. NULL with @err. state_free_names() frees them. */
char **state_names(int state_fd, struct gcs_error *err);
void state_free_names(char **names);

#endif

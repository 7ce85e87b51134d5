/* SPDX-License-Identifier: MIT */
/* Between uvmctl and the supervisor of a UVM: a JSON object a message, with descriptors. */
#ifndef UVMCTL_CONTROL_H
#define UVMCTL_CONTROL_H

#include <json-c/json_object.h>

#include "error.h"
#include "fds.h"

/* Descriptors that come with a message: the caller's, until they are taken. */
struct control_fds {
	int fds[FDS_MAX];
	unsigned int count;
};

/* In the directory @dir_fd; the socket's path may be longer than an address. Both return a descriptor, or -1 with @err. */
int control_listen(int dir_fd, const char *name, struct gcs_error *err);
int control_connect(int dir_fd, const char *name, struct gcs_error *err);

/* @fds (NULL: none) stay the caller's. Returns 0, or -1 with @err. */
int control_send(int fd, struct json_object *message, const struct control_fds *fds, struct gcs_error *err);

/*
 * Wait for a message. @fds gets its descriptors; with NULL there must be none. Returns 1 with *@message, 0 if the other side
 * has gone, or -1 with @err.
 */
int control_receive(int fd, struct json_object **message, struct control_fds *fds, struct gcs_error *err);

/* Close those that have not been taken (set to -1). */
void control_close(struct control_fds *fds);

#endif

/* SPDX-License-Identifier: MIT */
/* The verbs' way to the supervisor of a UVM. */
#ifndef UVMCTL_CLIENT_H
#define UVMCTL_CLIENT_H

#include <json-c/json_object.h>

#include "control.h"
#include "options.h"

/* Connect to the UVM @in, or to the one that runs if it is NULL. @dir_fd (may be NULL) gets its directory. -1 with @err. */
int client_connect(const char *in, int *dir_fd, struct gcs_error *err);

/* A request for @verb and, if it is not NULL, @container. */
struct json_object *client_new(const char *verb, const char *container);

/*
 * The answer to @request (taken) on the connection @fd, which goes on: 0 with *@answer (may be NULL), or -1 with @err: the supervisor's words. @fds
 * (may be NULL) go with it and come with the answer.
 */
int client_ask(int fd, struct json_object *request, struct control_fds *fds, struct json_object **answer, struct gcs_error *err);
/* The next message after that. */
int client_hear(int fd, struct control_fds *fds, struct json_object **answer, struct gcs_error *err);

/* All of it: connect, ask, hang up. *@answer may be NULL. */
int client_request(const char *in, struct json_object *request, struct json_object **answer, struct gcs_error *err);

/*
 * @request (taken) starts or attaches to a process, whose streams are ours until it ends. Returns the exit code, also of what went
 * wrong, which has been printed.
 */
int client_session(const struct options *o, struct json_object *request);

#endif

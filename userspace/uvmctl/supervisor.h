/* SPDX-License-Identifier: MIT */
/* The supervisor of a UVM: its state, and who may touch it. Private to supervisor.c, serve*.c and process.c. */
#ifndef UVMCTL_SUPERVISOR_H
#define UVMCTL_SUPERVISOR_H

#include <pthread.h>
#include <stdbool.h>
#include <sys/queue.h>
#include <time.h>

#include "boot.h"
#include "container.h"
#include "control.h"
#include "device.h"
#include "process.h"
#include "state.h"

#define GUEST_MS 60000 /* for the guest to answer, or to end a process */

enum container_state { CONTAINER_CREATING, CONTAINER_CREATED, CONTAINER_STARTING, CONTAINER_RUNNING, CONTAINER_EXITED, CONTAINER_REMOVING };

/*
 * One that somebody works on (creating, starting, removing) is that thread's; the others may look at it with the supervisor's
 * lock. Only who has put it into CONTAINER_REMOVING frees it.
 */
struct container {
	LIST_ENTRY(container) link;
	char name[65];
	enum container_state state;
	struct container_parts parts;
	struct json_object *request; /* as it was asked for */
	struct container *pod; /* its pod's sandbox container, maybe itself, which lives longer; NULL: it is no pod's */
	bool tty, interactive;
	bool remove; /* when somebody who is attached has its exit code */
	time_t created;
	struct process *init; /* from start on */
	struct process_list execs;
};

enum uvm_state { UVM_BOOTING, UVM_RUNNING, UVM_ENDED };

struct supervisor {
	const char *name;
	const struct options *o;
	struct uvm uvm;
	struct disks disks;
	struct devices devices;
	int state_fd, dir_fd, listener, events_fd;
	int down_fd; /* an eventfd: somebody wants it down */
	int spare_fd; /* to accept, and turn away, a client for whom there is no other */
	time_t started;
	/* Protects what follows. Never held while something waits for the guest, QEMU or a client. */
	pthread_mutex_t lock;
	pthread_cond_t changed; /* the UVM's state, the number of clients, a container's state */
	enum uvm_state state;
	bool going_down; /* nothing is started any more */
	char why[GCS_ERROR_TEXT_MAX]; /* it has ended */
	LIST_HEAD(, container) containers;
	LIST_HEAD(, client) clients;
};

/* Somebody who is connected: a thread each. */
struct client {
	LIST_ENTRY(client) link;
	struct supervisor *s;
	int fd;
	struct control_fds fds; /* of the request */
};

/*
 * Be the supervisor of UVM @name, whose directory is given and whose lock is held; in a process, and a session, of its own. What is
 * written to the pipe @report_fd begins with SUPERVISOR_UP when it has come up, else it says why not. Returns when the UVM has ended and
 * nothing is left of it but what ends with the process.
 */
void supervise(const char *name, const struct options *o, int state_fd, const struct state_claim *claim, int report_fd);

#define SUPERVISOR_UP "+"

/* serve.c: accept clients, on the event thread. */
int serve_start(struct supervisor *s, struct gcs_error *err);

/* supervisor_events.c: a line more in the file of events; @detail may be NULL. */
void supervisor_event(struct supervisor *s, const char *event, const char *container, const char *detail, int64_t number);
/* The same for devices, a device_told_fn of the supervisor @arg. */
void supervisor_device_event(void *arg, const char *event, const struct device *dev);
/* A line of the guest's log, for a struct tail_listener whose @arg is the supervisor: some are events. */
void supervisor_log_line(void *arg, char *text);

/*
 * The verbs, each on its client's thread: they fill in @answer and return 0, or return -1 with @err. One that has answered itself
 * returns 1.
 */
typedef int (*serve_fn)(struct client *c, struct json_object *request, struct json_object *answer, struct gcs_error *err);

/* serve_container.c */
int serve_create(struct client *c, struct json_object *request, struct json_object *answer, struct gcs_error *err);
int serve_rm(struct client *c, struct json_object *request, struct json_object *answer, struct gcs_error *err);
int serve_ps(struct client *c, struct json_object *request, struct json_object *answer, struct gcs_error *err);
/* The container of the request's "container", with the lock; NULL with @err. */
struct container *container_find(struct supervisor *s, struct json_object *request, struct gcs_error *err);
/* Who was attached has its exit code, or it could not be started: remove it, if that was asked for. */
void container_reap(struct supervisor *s, const char *id);
/* By its name or id, with the lock, or NULL. */
struct container *container_by_name(struct supervisor *s, const char *name);

/* serve_device.c */
int serve_device_add(struct client *c, struct json_object *request, struct json_object *answer, struct gcs_error *err);
int serve_device_rm(struct client *c, struct json_object *request, struct json_object *answer, struct gcs_error *err);
int serve_device_ls(struct client *c, struct json_object *request, struct json_object *answer, struct gcs_error *err);

/* serve_stats.c */
int serve_stats(struct client *c, struct json_object *request, struct json_object *answer, struct gcs_error *err);

/* verb_timeline.c */
int serve_timeline(struct client *c, struct json_object *request, struct json_object *answer, struct gcs_error *err);

/* serve_process.c */
void process_unref(struct supervisor *s, struct process *p); /* NULL is fine; without the lock */
int serve_start_container(struct client *c, struct json_object *request, struct json_object *answer, struct gcs_error *err);
int serve_attach(struct client *c, struct json_object *request, struct json_object *answer, struct gcs_error *err);
int serve_exec(struct client *c, struct json_object *request, struct json_object *answer, struct gcs_error *err);
int serve_kill(struct client *c, struct json_object *request, struct json_object *answer, struct gcs_error *err);
int serve_stop(struct client *c, struct json_object *request, struct json_object *answer, struct gcs_error *err);
int serve_wait(struct client *c, struct json_object *request, struct json_object *answer, struct gcs_error *err);

#endif

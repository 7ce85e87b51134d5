/* SPDX-License-Identifier: MIT */
/* A process in a container as the supervisor keeps it: its streams, while somebody is attached or nobody is, and its exit code. */
#ifndef UVMCTL_PROCESS_H
#define UVMCTL_PROCESS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "control.h"
#include "guest.h"

struct spool;
struct process;
LIST_HEAD(process_list, process);

struct process {
	LIST_ENTRY(process) link; /* execs of a container; with the supervisor's lock */
	unsigned int refs;	  /* with the supervisor's lock */
	bool attached;		  /* a client has the streams; with the supervisor's lock */
	struct guest *guest;
	char container[65]; /* its id */
	uint32_t pid;
	bool tty, interactive;
	char *command;
	int sockets[3];
	struct spool *spools[3]; /* of stdout and stderr */
	struct request *wait; /* the event thread's */
	int ended_fd; /* an eventfd, readable when it has ended; what follows is then set */
	uint32_t code;
	struct gcs_error failure; /* hr is HR_OK if there is a code */
	void (*on_end)(void *arg, struct process *p); /* on the event thread, with a reference that it drops */
	void *arg;
};

/*
 * Keep the process @g has started, whose sockets are taken over in any case; @p holds what a caller knows of it: guest, container,
 * tty, interactive, command (taken), on_end. One reference is the caller's. NULL with @err.
 */
struct process *process_new(const struct process *p, struct guest_process *g, struct gcs_error *err);
void process_free(struct process *p);

bool process_ended(const struct process *p);

/* Nobody is attached any more: from now on its output is spooled, behind what was not read yet. */
void process_leave(struct process *p);

/* Who attaches gets the streams: their names into @message, the descriptors into @fds, which stay ours. */
void process_take(struct process *p, struct json_object *message, struct control_fds *fds);

/* Whatever it still writes is of no interest, nor to who is attached. */
void process_discard(struct process *p);

#endif

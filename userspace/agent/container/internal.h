/* SPDX-License-Identifier: MIT */
/* What the files of this directory share: the objects, their states and their locks. */
#ifndef GCS_CONTAINER_INTERNAL_H
#define GCS_CONTAINER_INTERNAL_H

#include <pthread.h>
#include <stdlib.h>

#include "container/container.h"
#include "event.h"
#include "fs.h"
#include "reap.h"
#include "spawn.h"
#include "stdio/stdio.h"

/* Longest time that one call of the runtime may take; the host gives up a request after 5 minutes. */
#define RUNTIME_DEADLINE_MS 120000
/* A killed process's output that the host does not take is given up before the host gives up the VM (30 s after). */
#define KILLED_OUTPUT_MS 20000
/* The exit notification goes out so long after an init's exit that nobody asked for. */
#define NOTIFY_FALLBACK_MS 30000
#define INIT_KILL_MS 10000

#define RUNTIME_CGROUP "/runtime"

enum container_kind { KIND_STANDALONE, KIND_SANDBOX, KIND_WORKLOAD };

enum container_state { STATE_CREATING, STATE_CREATED, STATE_RUNNING, STATE_TERMINATED };

struct waiter {
	process_wait_fn done;
	void *arg;
	struct event_timer *timer;
	struct process *process; /* NULL once it is no longer waiting */
	struct waiter *next;
};

struct process {
	struct container *container; /* NULL: external */
	struct process *next;	     /* in the container's or the external list */
	uint32_t pid;
	struct child child;
	struct stdio *stdio; /* NULL: the process has the sockets themselves */
	int master; /* of its terminal; -1: none, or closed because the process is done */
	bool tty;
	bool is_init;
	bool killed;	/* SIGKILL was delivered, or came when only its output was left */
	bool exited;	/* about to be reaped: the pidfd must not be used */
	bool done;	/* its output was handed over, @code is valid */
	bool delivered; /* a waiter's connection got @code */
	uint32_t code;
	unsigned int in_flight; /* waiters that got @code and did not say yet what became of it */
	struct waiter *waiters;
};

struct container {
	struct container *next;
	int refs; /* the table's; callers'; one of each process that is not done; the timer's */
	char *id, *activity_id, *bundle, *scratch, *rootfs, *cgroup;
	enum container_kind kind;
	struct pod *pod;     /* of a sandbox or workload, from Create to the end of Delete */
	struct netns *netns; /* of a sandbox or standalone container, for as long */
	struct fs_made made; /* in the pod's directories, until the creation has succeeded */
	unsigned int pins;   /* mounts in the agent's place (shared.c), while it is created */
	char *tee_log; /* below the logs, with a slash in front: gets a copy of the init's output; or NULL */
	char *security_dir; /* a directory in its root, or NULL */
	struct json_object *rlimits, *user; /* of the init, for exec; or NULL */
	enum container_state state;
	bool own_pid_namespace;
	bool started;  /* ExecuteProcess of the init is under way or has succeeded */
	bool notified; /* the exit notification was sent, or must not be */
	bool made_bundle, made_netfiles, made_logs, made_config;
	bool deleted; /* under @use: only its callers still know it */
	enum container_exit_type exit_type;
	uint64_t oom_kills; /* that were logged; the event thread's */
	struct event_timer *notify_timer;
	struct process *init, *processes; /* the init is one of them */
	/* Held shared by exec, exclusively by start and delete, over calls of the runtime; taken before the state lock. */
	pthread_rwlock_t use;
};

extern struct container_options container_options;

/* --- table.c --------------------------------------------------------------------------------- */

/*
 * One lock for the lists and every state above, held for moments only: nothing that waits, no runtime, no
 * callback to the bridge is called under it.
 */
void state_lock(void);
void state_unlock(void);
void state_changed(void);

/* Wait, with the lock held, for the next state_changed(), until @deadline (CLOCK_MONOTONIC). Returns 0 or ETIMEDOUT. */
int state_wait(const struct timespec *deadline);

bool id_is_valid(const char *id);
struct container *container_new(const char *id, struct gcs_error *err);

/* Look up and take a reference; an error if unknown, or still in creation. */
struct container *container_get(const char *id, struct gcs_error *err);
void container_put(struct container *c);

/* All past their creation, with a reference each: malloc'd, NULL-terminated; NULL if there is no memory. */
struct container **container_list(void);

/* Take it from the table, which drops the table's reference. */
void container_forget(struct container *c);

/* With the lock held: the newest process with this pid; @c NULL: of the external ones. */
struct process *process_find(struct container *c, uint32_t pid);
void process_add(struct process *p);
void process_drop(struct process *p);

static inline void cleanup_container(struct container **c)
{
	if (*c)
		container_put(*c);
}
#define _cleanup_container_ __attribute__((cleanup(cleanup_container)))

/* --- container.c ----------------------------------------------------------------------------- */

/* Remove a bundle and a scratch ("" = none), except what is behind a mount. */
int container_remove_files(const char *bundle, const char *scratch, struct gcs_error *err);

/* --- process.c ------------------------------------------------------------------------------- */

/*
 * Watch a started process, which becomes known to waits and signals. Takes over @child, @stdio and @master, its terminal's or -1
 * (on failure the process is killed). @c NULL: external.
 */
struct process *process_watch(struct container *c, struct child *child, struct stdio *stdio, int master, bool is_init,
			      struct gcs_error *err);

/* Send the exit notification if it is due. @force: whoever would have waited for the exit will not. */
void container_notify(struct container *c, bool force);

/* SIGKILL a container's init and wait until it is done. */
int container_kill_init(struct container *c, struct gcs_error *err);

/* --- launch.c -------------------------------------------------------------------------------- */

/*
 * Make a process of a container by the runtime, with the streams that @want asks for or with the terminal that @process, its OCI process
 * object, asks for, and watch it. @sockets: what its streams are connected to from the start, taken over, on failure too; NULL: that is
 * done later. On failure nothing is left, of the runtime's container neither if it was the init.
 */
int process_launch(struct container *c, struct json_object *process, bool is_init, const bool want[3], int *sockets,
		   uint32_t *pid, struct gcs_error *err);

/* --- tee_log.c ------------------------------------------------------------------------------- */

/* The directory of the pod's logs, or of a standalone container's; malloc'd, or NULL. */
char *logs_path(const struct container *c);

/* Open c->tee_log for stdio_log(), which makes it and what leads there. */
int tee_log_open(const struct container *c, struct gcs_error *err);

/* --- security.c ------------------------------------------------------------------------------ */

/* Take back what spec_prepare() has made in the container's root. */
void security_context_remove(struct container *c);

/* --- terminal.c ------------------------------------------------------------------------------ */

/* A socket at @path on which the runtime hands over the master of a terminal that it has made. */
int terminal_listen(const char *path, struct gcs_error *err);

/* That master. Waits for it, but not for ever. */
int terminal_receive(int listener, struct gcs_error *err);

/* A new terminal: returns its master. */
int terminal_open(uint16_t rows, uint16_t columns, int *slave, struct gcs_error *err);

/* Returns -1 with errno. */
int terminal_resize(int master, uint16_t rows, uint16_t columns);

/* --- runtime.c ------------------------------------------------------------------------------- */

int runtime_init(struct gcs_error *err);

/*
 * Make the container with files as 0, 1, 2 of its init; NULL: with a terminal, of which *@master, else -1, is the caller's. The same
 * for a further process.
 */
int runtime_create(struct container *c, const int files[3], struct child *init, int *master, struct gcs_error *err);
int runtime_start(struct container *c, struct gcs_error *err);
int runtime_exec(struct container *c, struct json_object *process, const int files[3], struct child *child, int *master,
		 struct gcs_error *err);

/* Change its limits; some of them may be changed although it fails. */
int runtime_update(struct container *c, struct json_object *resources, struct gcs_error *err);

/* @force: also if its init still runs. A container that the runtime does not know is success. */
int runtime_delete(struct container *c, bool force, struct gcs_error *err);

/* Undo runtime_create(), as far as it goes, whatever state the init is in. */
void runtime_remove(struct container *c);

/* The HRESULT of a message of runc or crun. */
uint32_t runtime_error_code(const char *message);

/* --- spec.c ---------------------------------------------------------------------------------- */

/*
 * Check the OCI spec and rewrite it for its kind of container (lifecycle.md 3.1 to 3.3), make what it needs in the VM, and
 * fill in what the container keeps of it: with c->kind, c->pod, c->netns, c->made and c->security_dir the caller undoes a
 * failure.
 */
int spec_prepare(struct container *c, struct json_object *spec, struct gcs_error *err);

/* Of an OCI process object for exec: rlimits and user as lifecycle.md 7.1 says. */
int spec_prepare_process(struct container *c, struct json_object *process, struct gcs_error *err);

/* Does an OCI process object, which may be NULL, ask for a terminal? */
bool spec_has_terminal(struct json_object *process);

/* Write config.json. */
int spec_write(const char *path, struct json_object *spec, struct gcs_error *err);

/* --- shared.c -------------------------------------------------------------------------------- */

int shared_init(struct gcs_error *err);

/* The runtime has made the container, or will not. */
void shared_unpin(struct container *c);

/* --- min_free.c ------------------------------------------------------------------------------ */

/* In a VM with so much memory: what vm.min_free_kbytes is to be. */
uint64_t min_free_for(uint64_t total_kib);

/* Lower it to that, if the memory is not what it was at the last call. Best effort. */
void min_free_limit(uint64_t total_kib);

/* --- memory_events.c ------------------------------------------------------------------------- */

/* Log OOM kills and memory pressure from now on. */
void memory_events_start(void);

/* A container has been made; on the event thread: a process of one has ended that was killed, or an init. */
void memory_events_made(const struct container *c);
void memory_events_exited(void);

/* --- user.c ---------------------------------------------------------------------------------- */

/* Resolve "user" or "user:group" with /etc/passwd and /etc/group below @rootfs (lifecycle.md 5.1). */
int user_lookup(const char *rootfs, const char *name, uint32_t *uid, uint32_t *gid, struct gcs_error *err);

/* --- cmdline.c ------------------------------------------------------------------------------- */

/* Split into words like a shell, with quotes and backslashes, without expansion. Free with words_free(). */
char **words_split(const char *line, struct gcs_error *err);
void words_free(char **words);

#endif

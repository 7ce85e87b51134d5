/* SPDX-License-Identifier: MIT */
/*
 * Containers and processes, as the bridge sees them (lifecycle.md). Every function may be called
 * on any thread. Ids are checked (bridge.md pitfall 19); "unknown container" is
 * HR_SYSTEM_NOT_FOUND, "still being created" HR_INVALID_STATE, "unknown process" HR_NOT_FOUND.
 */
#ifndef GCS_CONTAINER_H
#define GCS_CONTAINER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <json-c/json_object.h>

#include "container/stats.h"
#include "error.h"

enum container_exit_type { EXIT_UNEXPECTED, EXIT_GRACEFUL, EXIT_FORCED };

/* Called once a created container, after its init has ended; bridge.md 10.4 says when. Not under a lock. */
typedef void (*container_exit_fn)(const char *id, const char *activity_id, enum container_exit_type type);

struct container_options {
	const char *runtime;	   /* "crun" or "runc", found in PATH */
	bool own_vm;		   /* the whole system is for containers: settings of its kernel may be changed */
	bool use_kmod;		   /* stdio by gcs.ko; otherwise by the user-space engine */
	uint64_t memory_reserve;   /* bytes that /pods may not have */
	uint64_t agent_threshold;  /* bytes in /gcs that are worth a warning; 0: none are */
	container_exit_fn on_exit;
};

/* Call once, after event_start(). With use_kmod and no usable /dev/gcs: an error, not a fallback. */
int container_init(const struct container_options *options, struct gcs_error *err);

/* The host has negotiated, or has gone with its bridge; the first call says that it is there. After event_start(). */
void container_host(bool there);

struct container_config {
	const char *activity_id;     /* "" if the request had none */
	const char *bundle;	     /* OciBundlePath, absolute */
	const char *scratch;	     /* ScratchDirPath, or "" */
	struct json_object *spec;    /* OciSpecification; changed by the call, NULL if it was missing */
};

int container_create(const char *id, const struct container_config *config, struct gcs_error *err);

/* Call once: what all containers that are created from then on find in their security context (lifecycle.md 13.3); "" = nothing. */
int container_set_references(const char *reference, const char *hash_envelope, struct gcs_error *err);

/* A port is dialled if its flag is set. */
struct process_stdio {
	bool use_stdin, use_stdout, use_stderr;
	uint32_t stdin_port, stdout_port, stderr_port;
};

/* Start the init of a created container. *@pid is a pid of the VM's own pid namespace. */
int container_start(const char *id, const struct process_stdio *stdio, uint32_t *pid, struct gcs_error *err);

/* Run a further process in a container; @process is the OCI process object. */
int container_exec(const char *id, struct json_object *process, const struct process_stdio *stdio, uint32_t *pid,
		   struct gcs_error *err);

/* A process of the VM itself (bridge.md 9.4, external). */
struct external_process {
	char *const *argv;	     /* CommandArgs, NULL-terminated; NULL or empty: @command_line */
	const char *command_line;    /* split into words like a shell's, without expansion; "" if absent */
	const char *cwd;	     /* "" = the agent's */
	char *const *env;	     /* "K=V", NULL-terminated; empty = empty environment */
	bool terminal;
	uint16_t rows, columns;
};

int external_exec(const struct external_process *process, const struct process_stdio *stdio, uint32_t *pid,
		  struct gcs_error *err);

/*
 * Wait for a process; @id may be the null GUID (external processes). Calls @done exactly once, on the
 * calling or on the event thread, not under a lock: @err is NULL and @exit_code set when the process has ended and its output
 * was handed over, otherwise @err says what is wrong (HR_TIMEOUT after @timeout_ms; UINT32_MAX = no
 * limit; 0 = do not wait). The waiter then calls process_wait_delivered() when the code was written to a live
 * connection, or process_wait_dropped() when it could not be; only after delivery may the record go.
 */
typedef void (*process_wait_fn)(void *arg, uint32_t exit_code, const struct gcs_error *err);
void process_wait(const char *id, uint32_t pid, uint32_t timeout_ms, process_wait_fn done, void *arg);
void process_wait_delivered(const char *id, uint32_t pid);
void process_wait_dropped(const char *id, uint32_t pid);

/* Signal 0 means SIGKILL. @id may be the null GUID. */
int process_signal(const char *id, uint32_t pid, int signal, struct gcs_error *err);
int process_resize(const char *id, uint32_t pid, uint16_t rows, uint16_t columns, struct gcs_error *err);

/* SIGTERM (graceful) or SIGKILL to the init. Success if it has ended already (bridge.md 9.10 REC). */
int container_shutdown(const char *id, bool graceful, struct gcs_error *err);

/* The pids of all processes in the container; free *@pids. */
int container_pids(const char *id, uint32_t **pids, size_t *count, struct gcs_error *err);

/* The numbers of its cgroup; zeros if that is gone. @stats has been zeroed; stats_free() in every case. */
int container_stats(const char *id, struct cgroup_stats *stats, struct gcs_error *err);

/* Change its limits: @resources is the linux.resources of an OCI spec, NULL changes nothing. All of it or nothing. */
int container_update(const char *id, struct json_object *resources, struct gcs_error *err);

/* Limit what all containers may have to the memory there is now, less container_options.memory_reserve; and what the kernel keeps free of it. */
int container_limit_pods(struct gcs_error *err);

/* Is there such a container, past its creation? */
int container_check(const char *id, struct gcs_error *err);

int container_delete(const char *id, struct gcs_error *err);

#endif

// SPDX-License-Identifier: MIT
/* Requests about processes: ExecuteProcess, WaitForProcess, SignalProcess, ResizeConsole. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "request.h"

static void free_env(char ***env)
{
	for (size_t i = 0; *env && (*env)[i]; i++)
		free((*env)[i]);
	free(*env);
}

/* "K=V", NULL-terminated. */
static char **make_env(const struct json_map *map)
{
	__attribute__((cleanup(free_env))) char **env = calloc(map->count + 1, sizeof(*env));

	for (size_t i = 0; env && i < map->count; i++)
		if (asprintf(&env[i], "%s=%s", map->items[i].key, map->items[i].value) < 0)
			return env[i] = NULL, NULL;
	return steal_ptr(&env);
}

static int run_external(const struct process_parameters *p, const struct process_stdio *stdio, uint32_t *pid,
			struct gcs_error *err)
{
	__attribute__((cleanup(free_env))) char **env = make_env(&p->environment);
	bool sized = p->console_size.count == 2;
	const struct external_process process = {
		.argv = p->command_args,
		.command_line = json_str(p->command_line),
		.cwd = json_str(p->cwd),
		.env = env,
		.terminal = p->console,
		.rows = sized ? p->console_size.items[0] : 0,
		.columns = sized ? p->console_size.items[1] : 0,
	};

	if (!env)
		return gcs_fail(err, ENOMEM, HR_FAIL, "ExecuteProcess: environment");
	if (!p->command_args && !*process.command_line)
		return gcs_fail(err, 0, HR_INVALID_ARG, "ExecuteProcess: neither CommandArgs nor CommandLine");
	if (sized && (p->console_size.items[0] > UINT16_MAX || p->console_size.items[1] > UINT16_MAX))
		return gcs_fail(err, 0, HR_INVALID_JSON, "ExecuteProcess: ConsoleSize: more than %d", UINT16_MAX);
	return external_exec(&process, stdio, pid, err);
}

int handle_execute(struct request *rq, void *message, void *response, struct gcs_error *err)
{
	const struct execute_message *m = message;
	const struct process_parameters *p = &m->settings.parameters;
	struct execute_response *r = response;
	const char *id = json_str(m->base.container_id);
	const struct process_stdio stdio = {
		.use_stdin = p->use_stdin,
		.use_stdout = p->use_stdout,
		.use_stderr = p->use_stderr,
		.stdin_port = m->settings.ports.in,
		.stdout_port = m->settings.ports.out,
		.stderr_port = m->settings.ports.err,
	};

	if (p->in_uvm || strcmp(id, NULL_GUID) == 0)
		return run_external(p, &stdio, &r->pid, err);
	if (p->oci_process)
		return container_exec(id, p->oci_process, &stdio, &r->pid, err);
	return container_start(id, &stdio, &r->pid, err);
}

/* A written or dropped exit code: whose it was. */
struct told {
	uint32_t pid;
	char id[];
};

static void wait_told(void *arg, bool written)
{
	struct told *t = arg;

	if (written)
		process_wait_delivered(t->id, t->pid);
	else
		process_wait_dropped(t->id, t->pid);
	free(t);
}

static void wait_over(void *arg, uint32_t exit_code, const struct gcs_error *err)
{
	struct request *rq = arg;
	const struct wait_message *m = rq->message;
	const char *id = json_str(m->base.container_id);
	struct wait_response r = { .exit_code = exit_code };
	/* The host adopts an endless wait over a live migration, and nothing else (bridge.md 12.1). */
	struct delivery d = { .hold = m->timeout_ms == UINT32_MAX };
	struct told *t = NULL;

	if (!err) {
		t = malloc(sizeof(*t) + strlen(id) + 1);
		if (t) {
			t->pid = m->pid;
			strcpy(t->id, id);
			d.done = wait_told;
			d.arg = t;
		} else {
			process_wait_dropped(id, m->pid);
		}
	}
	request_answer(rq, &r, err, &d);
}

int handle_wait(struct request *rq, void *message, void *response, struct gcs_error *err)
{
	const struct wait_message *m = message;

	/* The request may be answered and gone before process_wait() returns. */
	log_context(NULL);
	process_wait(json_str(m->base.container_id), m->pid, m->timeout_ms, wait_over, rq);
	return REQUEST_PENDING;
}

int handle_signal(struct request *rq, void *message, void *response, struct gcs_error *err)
{
	const struct signal_message *m = message;

	return process_signal(json_str(m->base.container_id), m->pid, m->options.signal, err);
}

int handle_resize(struct request *rq, void *message, void *response, struct gcs_error *err)
{
	const struct resize_message *m = message;

	return process_resize(json_str(m->base.container_id), m->pid, m->rows, m->columns, err);
}

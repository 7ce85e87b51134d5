// SPDX-License-Identifier: MIT
/* Calls of the OCI runtime, crun or runc, in its own cgroup (lifecycle.md section 6). */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <json-c/json.h>

#include "cgroup.h"
#include "cleanup.h"
#include "container/internal.h"
#include "fs.h"

#define WORK_DIR "/run/gcs/runtime"
#define LOG_MAX (1 << 20)

/* The VM runs from its initramfs, and its init did not see to that. */
static bool no_pivot;

/*
 * Each call has a directory of its own for its log, pid file and process.json: calls run at the same time, and a
 * created init keeps its log open, which must not hold a disk.
 */
struct call {
	char dir[64];
	char log[80], pid_file[80], process[80], resources[80], console[80];
};

static void call_end(struct call *c)
{
	const char *const files[] = { c->log, c->pid_file, c->process, c->resources, c->console };

	if (!c->dir[0])
		return;
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		unlink(files[i]);
	/* What else a runtime has left that was killed. */
	if (rmdir(c->dir) < 0)
		fs_remove_tree(c->dir, NULL);
}
#define _cleanup_call_ __attribute__((cleanup(call_end)))

static int call_begin(struct call *c, const struct container *container, const char *verb, struct gcs_error *err)
{
	strcpy(c->dir, WORK_DIR "/XXXXXX");
	if (!mkdtemp(c->dir)) {
		c->dir[0] = '\0';
		return gcs_fail(err, errno, HR_FAIL, "container %s: %s: make a directory in %s", container->id, verb,
				WORK_DIR);
	}
	snprintf(c->log, sizeof(c->log), "%s/log", c->dir);
	snprintf(c->pid_file, sizeof(c->pid_file), "%s/pid", c->dir);
	snprintf(c->process, sizeof(c->process), "%s/process.json", c->dir);
	snprintf(c->resources, sizeof(c->resources), "%s/resources.json", c->dir);
	snprintf(c->console, sizeof(c->console), "%s/console", c->dir);
	return 0;
}

int runtime_init(struct gcs_error *err)
{
	int pivot = fs_can_pivot(err);

	if (pivot < 0 || cgroup_make(RUNTIME_CGROUP, err) < 0)
		return -1;
	no_pivot = !pivot;
	/* A former agent's calls have ended with it. */
	if (fs_remove_tree(WORK_DIR, err) < 0)
		return -1;
	return fs_mkdir_p(WORK_DIR, 0700, NULL, err);
}

static bool has(const char *text, const char *what)
{
	return strstr(text, what);
}

uint32_t runtime_error_code(const char *m)
{
	static const struct {
		const char *first, *second;
		uint32_t code;
	} texts[] = {
		/* runc */
		{ "container with id exists", "", HR_SYSTEM_EXISTS },
		{ "container with given ID already exists", "", HR_SYSTEM_EXISTS },
		{ "invalid id format", "", HR_INVALID_ARG },
		{ "invalid container ID format", "", HR_INVALID_ARG },
		{ "container", "that is not stopped", HR_INVALID_STATE },
		{ "container still running", "", HR_INVALID_STATE },
		{ "container not running", "", HR_ALREADY_STOPPED },
		{ "container", "does not exist", HR_SYSTEM_NOT_FOUND },
		/* crun */
		{ "error opening file `", "/status`: No such file or directory", HR_SYSTEM_NOT_FOUND },
		{ "cannot open directory '", "': No such file or directory", HR_SYSTEM_NOT_FOUND },
		{ "container `", "` already exists", HR_SYSTEM_EXISTS },
		{ "cannot create state directory for `", "", HR_INVALID_ARG },
		{ "container `", "` is not in `created` or `stopped` state", HR_INVALID_STATE },
		{ "container `", "` is not running", HR_ALREADY_STOPPED },
		{ "kill container: No such process", "", HR_ALREADY_STOPPED },
	};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		if (has(m, texts[i].first) && has(m, texts[i].second))
			return texts[i].code;
	return HR_FAIL;
}

/* The message of the last entry of an error level in a log of JSON objects; malloc'd, or NULL. */
static char *last_error(const char *log)
{
	struct json_tokener *tok = json_tokener_new();
	struct json_object *o, *level, *msg;
	size_t left = strlen(log);
	char *found = NULL;

	while (tok && left) {
		json_tokener_reset(tok);
		o = json_tokener_parse_ex(tok, log, left);
		if (!o)
			break;
		log += json_tokener_get_parse_end(tok);
		left -= json_tokener_get_parse_end(tok);
		if (json_object_object_get_ex(o, "level", &level) && json_object_object_get_ex(o, "msg", &msg)) {
			const char *l = json_object_get_string(level), *m = json_object_get_string(msg);

			if (l && m && (!strcmp(l, "error") || !strcmp(l, "fatal") || !strcmp(l, "panic"))) {
				free(found);
				found = strdup(m);
			}
		}
		json_object_put(o);
	}
	if (tok)
		json_tokener_free(tok);
	return found;
}

/* Run the runtime; @args follow the log options. @files NULL: its output is captured for the error. */
static int call(struct container *c, const char *verb, const struct call *k, const char *const *args, const int files[3],
		struct gcs_error *err)
{
	_cleanup_free_ char *log = NULL, *message = NULL;
	struct spawn_result result;
	const char *argv[24] = { container_options.runtime, "--log", k->log, "--log-format", "json" };
	struct spawn s = { .argv = (char *const *)argv, .fds = { SPAWN_NULL, SPAWN_CAPTURE, SPAWN_CAPTURE },
			   .cgroup = RUNTIME_CGROUP };
	size_t n = 5;

	while (*args && n < sizeof(argv) / sizeof(argv[0]) - 1)
		argv[n++] = *args++;
	for (int i = 0; files && i < 3; i++)
		s.fds[i] = files[i];
	if (spawn_run(&s, RUNTIME_DEADLINE_MS, &result, err) < 0)
		return gcs_fail_prefix(err, "container %s: %s", c->id, verb);
	if (result.code == 0) {
		free(result.output);
		return 0;
	}
	log = fs_read(k->log, LOG_MAX, NULL);
	if (log)
		message = last_error(log);
	if (!message && result.length) {
		message = steal_ptr(&result.output);
		message[strcspn(message, "\n")] = '\0';
	}
	if (!message && asprintf(&message, "exit code %d", result.code) < 0)
		message = NULL;
	free(result.output);
	return gcs_fail(err, 0, message ? runtime_error_code(message) : HR_FAIL, "container %s: %s %s: %s", c->id,
			container_options.runtime, verb, message ? message : "failed");
}

static int read_pid(const struct container *c, const struct call *k, pid_t *pid, struct gcs_error *err)
{
	_cleanup_free_ char *text = fs_read(k->pid_file, 64, err);
	char *end;

	if (!text)
		return gcs_fail_prefix(err, "container %s: pid file", c->id);
	*pid = strtol(text, &end, 10);
	if (*pid <= 0 || end == text)
		return gcs_fail(err, 0, HR_FAIL, "container %s: pid file: not a pid: \"%s\"", c->id, text);
	return 0;
}

/*
 * A call that leaves a process behind: known before anybody else can reap it. @args: the verb and its own options. Without @files the
 * process gets a terminal.
 */
static int call_for_process(struct container *c, const struct call *k, const char *const *args, const int files[3],
			    struct child *child, int *master, struct gcs_error *err)
{
	_cleanup_close_ int listener = files ? -1 : terminal_listen(k->console, err);
	const char *all[16], *verb = args[0];
	pid_t pid = -1;
	size_t n = 0;
	int ret;

	*master = -1;
	if (!files && listener < 0)
		return gcs_fail_prefix(err, "container %s: %s", c->id, verb);
	while (*args)
		all[n++] = *args++;
	all[n++] = "--pid-file";
	all[n++] = k->pid_file;
	if (!files) {
		all[n++] = "--console-socket";
		all[n++] = k->console;
	}
	all[n++] = c->id;
	all[n] = NULL;

	reap_hold();
	ret = call(c, verb, k, all, files, err);
	if (!ret)
		ret = read_pid(c, k, &pid, err);
	else if (read_pid(c, k, &pid, NULL) == 0)
		/* A runtime that was given up may have made the process. */
		kill(pid, SIGKILL);
	if (!ret) {
		if (!files)
			*master = terminal_receive(listener, err);
		ret = !files && *master < 0 ? gcs_fail_prefix(err, "container %s: %s", c->id, verb) : child_adopt(pid, child, err);
		/* Nobody would ever end it. Not reaped yet: the pid is still its. */
		if (ret < 0)
			kill(pid, SIGKILL);
	}
	reap_release();
	if (ret < 0 && *master >= 0)
		close(steal_fd(master));
	return ret;
}

int runtime_create(struct container *c, const int files[3], struct child *init, int *master, struct gcs_error *err)
{
	_cleanup_call_ struct call k = { 0 };

	if (call_begin(&k, c, "create", err) < 0)
		return -1;
	const char *args[] = { "create", "-b", c->bundle, no_pivot ? "--no-pivot" : NULL, NULL };

	if (call_for_process(c, &k, args, files, init, master, err) == 0)
		return 0;
	if (err && err->hr != HR_SYSTEM_EXISTS)
		runtime_remove(c);
	return -1;
}

int runtime_start(struct container *c, struct gcs_error *err)
{
	const char *args[] = { "start", c->id, NULL };
	_cleanup_call_ struct call k = { 0 };

	if (call_begin(&k, c, "start", err) < 0)
		return -1;
	return call(c, "start", &k, args, NULL, err);
}

int runtime_exec(struct container *c, struct json_object *process, const int files[3], struct child *child, int *master,
		 struct gcs_error *err)
{
	_cleanup_call_ struct call k = { 0 };

	if (call_begin(&k, c, "exec", err) < 0 || spec_write(k.process, process, err) < 0)
		return -1;
	const char *args[] = { "exec", "-d", "--process", k.process, NULL };

	return call_for_process(c, &k, args, files, child, master, err);
}

int runtime_update(struct container *c, struct json_object *resources, struct gcs_error *err)
{
	_cleanup_call_ struct call k = { 0 };

	if (call_begin(&k, c, "update", err) < 0 || spec_write(k.resources, resources, err) < 0)
		return -1;
	const char *args[] = { "update", "--resources", k.resources, c->id, NULL };

	return call(c, "update", &k, args, NULL, err);
}

int runtime_delete(struct container *c, bool force, struct gcs_error *err)
{
	const char *args[] = { "delete", c->id, NULL, NULL };
	_cleanup_call_ struct call k = { 0 };
	struct gcs_error e;

	if (force) {
		args[1] = "--force";
		args[2] = c->id;
	}
	if (call_begin(&k, c, "delete", err) < 0)
		return -1;
	if (call(c, "delete", &k, args, NULL, &e) < 0 && e.hr != HR_SYSTEM_NOT_FOUND) {
		if (err)
			*err = e;
		return -1;
	}
	return 0;
}

void runtime_remove(struct container *c)
{
	struct gcs_error ignored;

	runtime_delete(c, true, &ignored);
	/* What a runtime that was killed has left. */
	cgroup_remove(c->cgroup, INIT_KILL_MS, NULL);
}

// SPDX-License-Identifier: MIT
/* `uvmctl up`, `down`, `ls`: UVMs in the background. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cleanup.h"
#include "client.h"
#include "jsonset.h"
#include "state.h"
#include "supervisor.h"
#include "table.h"
#include "verbs.h"

#define DEFAULT_NAME "default"

/* What our caller has open must not stay open as long as the UVM runs. */
static void close_others(const int *keep, size_t count)
{
	_cleanup_dir_ DIR *dir = opendir("/proc/self/fd");
	struct dirent *entry;

	while (dir && (entry = readdir(dir))) {
		int fd = atoi(entry->d_name);
		bool kept = fd <= STDERR_FILENO || fd == dirfd(dir);

		for (size_t i = 0; i < count; i++)
			kept |= fd == keep[i];
		if (!kept)
			close(fd);
	}
}

static void supervisor_process(const char *name, const struct options *o, int state_fd, const struct state_claim *claim,
			       int report_fd)
	__attribute__((noreturn));

static void supervisor_process(const char *name, const struct options *o, int state_fd, const struct state_claim *claim,
			       int report_fd)
{
	int keep[] = { state_fd, claim->dir_fd, claim->lock_fd, claim->listener, report_fd }, null = open("/dev/null", O_RDWR | O_CLOEXEC);

	setsid();
	if (chdir("/") == 0 && null >= 0) {
		for (int i = 0; i < 3; i++)
			dup2(null, i);
		close_others(keep, sizeof(keep) / sizeof(keep[0]));
		supervise(name, o, state_fd, claim, report_fd);
	}
	_exit(0);
}

/* What the supervisor has to say. Returns whether it is up; otherwise it has been printed. */
static bool is_up(int report_fd, const char *name)
{
	char text[4096];
	ssize_t n = read(report_fd, text, 1);

	if (n == 1 && text[0] == SUPERVISOR_UP[0])
		return true;
	if (n <= 0)
		fprintf(stderr, "uvmctl: the supervisor of UVM %s ended without a word\n", name);
	for (; n > 0; n = read(report_fd, text, sizeof(text)))
		fwrite(text, 1, (size_t)n, stderr);
	return false;
}

static void release(const struct state_claim *claim)
{
	close(claim->listener);
	close(claim->dir_fd);
	close(claim->lock_fd);
}

static int start(const struct options *o, const char *name, int state_fd, const struct state_claim *claim, struct gcs_error *err)
{
	_cleanup_close_ int from = -1;
	int pipe_fds[2];
	pid_t pid;

	if (pipe2(pipe_fds, O_CLOEXEC) < 0) {
		state_remove(state_fd, name, claim->dir_fd);
		release(claim);
		return gcs_fail(err, errno, HR_FAIL, "pipe");
	}
	from = pipe_fds[0];
	pid = fork();
	if (pid == 0) {
		close(from);
		supervisor_process(name, o, state_fd, claim, pipe_fds[1]);
	}
	if (pid < 0) {
		gcs_fail(err, errno, HR_FAIL, "fork");
		state_remove(state_fd, name, claim->dir_fd);
	}
	close(pipe_fds[1]);
	/* Only the supervisor has them now. */
	release(claim);
	if (pid < 0)
		return -1;
	if (is_up(from, name))
		return 0;
	waitpid(pid, NULL, 0);
	return 1;
}

/* Our working directory is not the supervisor's. */
static int absolute_tmpdir(struct gcs_error *err)
{
	const char *given = getenv("TMPDIR");
	_cleanup_free_ char *path = given && *given ? realpath(given, NULL) : NULL;

	if (given && *given && (!path || setenv("TMPDIR", path, 1) < 0))
		return gcs_fail(err, errno, HR_FAIL, "TMPDIR %s", given);
	return 0;
}

static int up(const struct options *o, const char *name, struct gcs_error *err)
{
	_cleanup_close_ int state_fd = state_open(err);
	struct state_claim claim;

	if (state_fd < 0 || absolute_tmpdir(err) < 0 || state_claim(state_fd, name, &claim, err) < 0)
		return -1;
	return start(o, name, state_fd, &claim, err);
}

int verb_up(struct options *o)
{
	const char *name = o->operand_count ? o->operands[0] : DEFAULT_NAME;
	struct gcs_error err = { 0 };
	int ret = up(o, name, &err);

	if (ret < 0)
		return verb_failed(&err, o->json);
	if (ret > 0)
		return EXIT_OWN;
	printf("%s\n", name);
	return 0;
}

int verb_down(struct options *o)
{
	_cleanup_close_ int fd = -1, dir_fd = -1;
	struct json_object *request;
	struct gcs_error err = { 0 };

	fd = client_connect(o->operand_count ? o->operands[0] : NULL, &dir_fd, &err);
	if (fd < 0)
		return verb_failed(&err, o->json);
	request = client_new("down", NULL);
	set_bool(request, "force", o->force);
	if (client_ask(fd, request, NULL, NULL, &err) < 0)
		return verb_failed(&err, o->json);
	close(steal_fd(&fd));
	state_wait_gone(dir_fd);
	return 0;
}

/* One that is stuck must not keep the others from being shown. */
static int ask_status(const char *name, struct json_object **status, struct gcs_error *err)
{
	const struct timeval limit = { .tv_sec = 5 };
	_cleanup_close_ int fd = client_connect(name, NULL, err);

	if (fd < 0)
		return -1;
	if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) < 0)
		return gcs_fail(err, errno, HR_FAIL, "UVM %s: set a time limit", name);
	return client_ask(fd, client_new("status", NULL), NULL, status, err);
}

int verb_ls(struct options *o)
{
	static const struct table_column columns[] = { { "NAME", "name" }, { "STATE", "state" }, { "PID", "pid" },
						       { "MEMORY", "memory_mib" }, { "CONTAINERS", "containers" },
						       { "RUNNING", "running" } };
	_cleanup_json_ struct json_object *list = json_object_new_array();
	_cleanup_close_ int state_fd = -1;
	struct gcs_error err = { 0 };
	char **names;

	state_fd = state_open(&err);
	names = state_fd < 0 ? NULL : state_names(state_fd, &err);
	if (!names)
		return verb_failed(&err, o->json);
	for (char **name = names; *name; name++) {
		struct json_object *status = NULL;

		/* One that ends just now is no more; one that does not answer is shown with its name alone. */
		if (ask_status(*name, &status, &err) == 0) {
			json_object_array_add(list, status);
		} else if (err.err != ENOENT && err.err != ESHUTDOWN) {
			status = json_object_new_object();
			set_string(status, "name", *name);
			set_string(status, "state", "no answer");
			json_object_array_add(list, status);
		}
	}
	state_free_names(names);
	table_print(stdout, list, columns, sizeof(columns) / sizeof(columns[0]), o->json);
	return 0;
}

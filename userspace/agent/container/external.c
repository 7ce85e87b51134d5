// SPDX-License-Identifier: MIT
/* Processes of the VM itself (bridge.md 9.4, external). */
#include <unistd.h>

#include "cgroup.h"
#include "cleanup.h"
#include "container/internal.h"

static int start(const struct external_process *process, char *const *argv, const struct process_stdio *ports,
		 struct child *child, struct gcs_error *err)
{
	static char *const no_env[] = { NULL };
	/* Not on the agent's own account. */
	_cleanup_close_ int cgroup = cgroup_open(RUNTIME_CGROUP, err);
	struct spawn s = { .argv = argv, .env = process->env ? process->env : no_env, .cwd = process->cwd };
	int ret;

	if (cgroup < 0 || stdio_dial(ports, s.fds, err) < 0)
		return gcs_fail_prefix(err, "%s", argv[0]);
	s.cgroup = cgroup;
	/* The sockets themselves are its streams; the kernel sends what is left when it has ended. */
	ret = spawn(&s, child, err);
	stdio_close(s.fds);
	return ret;
}

int external_exec(const struct external_process *process, const struct process_stdio *stdio, uint32_t *pid,
		  struct gcs_error *err)
{
	char *const *argv = process->argv;
	char **words = NULL;
	struct child child;
	int ret;

	if (process->terminal)
		return gcs_fail(err, 0, HR_FAIL, "EmulateConsole: terminals are not supported");
	if (!argv || !argv[0]) {
		words = words_split(process->command_line ? process->command_line : "", err);
		if (!words)
			return -1;
		argv = words;
	}
	ret = start(process, argv, stdio, &child, err);
	words_free(words);
	if (ret < 0)
		return -1;
	*pid = child.pid;
	return process_watch(NULL, &child, NULL, false, err) ? 0 : -1;
}

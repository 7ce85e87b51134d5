// SPDX-License-Identifier: MIT
/* Processes of the VM itself (bridge.md 9.4, external). */
#include <unistd.h>

#include "cleanup.h"
#include "container/internal.h"

/* What is left of a start that may still fail. */
struct started {
	struct child child;
	struct stdio *stdio; /* of its terminal; without one it has the sockets themselves */
	int master;	     /* of its terminal, or -1 */
};

static void drop(struct started *st)
{
	stdio_put(st->stdio);
	if (st->master >= 0)
		close(st->master);
}

/* Make the terminal between @sockets, which are taken over, and the process. */
static int make_terminal(struct started *st, const struct external_process *process, int sockets[3], int *slave,
			 struct gcs_error *err)
{
	st->master = terminal_open(process->rows, process->columns, slave, err);
	if (st->master < 0)
		return -1;
	st->stdio = stdio_new_tty(st->master, err);
	return st->stdio ? stdio_attach(st->stdio, sockets, err) : -1;
}

static int start(const struct external_process *process, char *const *argv, const struct process_stdio *ports,
		 struct started *st, struct gcs_error *err)
{
	static char *const no_env[] = { NULL };
	_cleanup_close_ int slave = -1;
	/* Not on the agent's own account. */
	struct spawn s = { .argv = argv, .env = process->env ? process->env : no_env, .cwd = process->cwd,
			   .cgroup = RUNTIME_CGROUP };
	int sockets[3], ret = 0;

	*st = (struct started){ .master = -1 };
	if (stdio_dial(ports, sockets, err) < 0)
		return gcs_fail_prefix(err, "%s", argv[0]);
	s.session = process->terminal;
	if (process->terminal)
		ret = make_terminal(st, process, sockets, &slave, err);
	/* Without a terminal the sockets themselves are its streams; the kernel sends what is left when it has ended. */
	for (int i = 0; i < 3; i++)
		s.fds[i] = process->terminal ? slave : sockets[i];
	ret = ret < 0 ? gcs_fail_prefix(err, "%s", argv[0]) : spawn(&s, &st->child, err);
	stdio_close(sockets);
	if (ret < 0)
		drop(st);
	return ret;
}

int external_exec(const struct external_process *process, const struct process_stdio *stdio, uint32_t *pid,
		  struct gcs_error *err)
{
	char *const *argv = process->argv;
	char **words = NULL;
	struct started st;
	int ret;

	if (!argv || !argv[0]) {
		words = words_split(process->command_line ? process->command_line : "", err);
		if (!words)
			return -1;
		argv = words;
	}
	ret = start(process, argv, stdio, &st, err);
	words_free(words);
	if (ret < 0)
		return -1;
	*pid = st.child.pid;
	return process_watch(NULL, &st.child, st.stdio, st.master, false, err) ? 0 : -1;
}

// SPDX-License-Identifier: MIT
/* A program of the VM with pipes as its standard streams. */
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "child.h"
#include "host_io.h"

#define OUT_MAX (64 << 10)

static const struct host nobody;

void child_start(struct child *c, char *const argv[], int (*prepare)(void *arg), void *arg)
{
	int in[2], out[2], status;

	if (pipe2(in, O_CLOEXEC) < 0 || pipe2(out, O_CLOEXEC) < 0)
		host_fail(&nobody, "pipe");
	c->pid = fork();
	if (c->pid < 0)
		host_fail(&nobody, "fork");
	if (c->pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		setenv("GCS_VSOCK_CID", "1", 1);
		dup2(in[0], 0);
		dup2(out[1], 1);
		dup2(out[1], 2);
		/* The other ends, which a process that waits for another would hold. */
		close_range(3, ~0u, 0);
		status = prepare ? prepare(arg) : 0;
		if (status == 0)
			execv(argv[0], argv);
		_exit(status ? status : 99);
	}
	close(in[0]);
	close(out[1]);
	c->in = in[1];
	c->out = out[0];
}

/* A byte that comes before the deadline; false at the end. */
static bool next(struct child *c, char *byte)
{
	if (!host_readable(c->out, host_now_ms() + WAIT_MS))
		host_fail(&nobody, "process %d writes nothing and does not end", c->pid);
	return read(c->out, byte, 1) == 1;
}

const char *child_line(struct child *c)
{
	static char line[4096];
	size_t n = 0;

	while (n < sizeof(line) - 1 && next(c, &line[n]) && line[n] != '\n')
		n++;
	if (line[n] != '\n')
		host_fail(&nobody, "no line, but \"%.*s\"", (int)n, line);
	line[n] = '\0';
	return line;
}

int child_end(struct child *c, char **out)
{
	char *text = calloc(1, OUT_MAX);
	size_t n = 0;
	int status;

	close(c->in);
	while (n < OUT_MAX - 1 && next(c, &text[n]))
		n++;
	text[n] = '\0';
	close(c->out);
	if (waitpid(c->pid, &status, 0) != c->pid)
		host_fail(&nobody, "wait for process %d", c->pid);
	if (out)
		*out = text;
	else
		free(text);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

// SPDX-License-Identifier: MIT
/* The standard streams of a process in a container: what both engines share. */
#include <unistd.h>

#include "stdio/stdio.h"
#include "vsock.h"

static const struct stdio_engine *engine;

int stdio_init(bool use_kmod, struct gcs_error *err)
{
	engine = use_kmod ? stdio_kmod_engine(err) : stdio_user_engine();
	return engine ? 0 : -1;
}

void stdio_close(int fds[3])
{
	for (int i = 0; i < 3; i++) {
		if (fds[i] >= 0)
			close(fds[i]);
		fds[i] = -1;
	}
}

int stdio_dial(const struct process_stdio *ports, int sockets[3], struct gcs_error *err)
{
	static const char *const names[3] = { "stdin", "stdout", "stderr" };
	const bool use[3] = { ports->use_stdin, ports->use_stdout, ports->use_stderr };
	const uint32_t port[3] = { ports->stdin_port, ports->stdout_port, ports->stderr_port };

	sockets[0] = sockets[1] = sockets[2] = -1;
	for (int i = 0; i < 3; i++) {
		if (!use[i])
			continue;
		sockets[i] = vsock_dial(port[i], err);
		if (sockets[i] < 0) {
			stdio_close(sockets);
			return gcs_fail_prefix(err, "%s", names[i]);
		}
	}
	return 0;
}

static const struct stdio_engine *engine_of(struct stdio *s)
{
	return ((struct stdio_base *)s)->engine;
}

static struct stdio *made_by(const struct stdio_engine *e, struct stdio *s)
{
	if (s)
		((struct stdio_base *)s)->engine = e;
	return s;
}

struct stdio *stdio_new(const bool want[3], bool keep, int files[3], struct gcs_error *err)
{
	return made_by(engine, engine->new(want, keep, files, err));
}

struct stdio *stdio_new_tty(int master, struct gcs_error *err)
{
	return made_by(engine, engine->new_tty(master, err));
}

struct stdio *stdio_new_logged(const bool want[3], int files[3], struct gcs_error *err)
{
	return made_by(stdio_user_engine(), stdio_user_engine()->new(want, true, files, err));
}

struct stdio *stdio_new_tty_logged(int master, struct gcs_error *err)
{
	return made_by(stdio_user_engine(), stdio_user_engine()->new_tty(master, err));
}

void stdio_log(struct stdio *s, int log)
{
	engine_of(s)->log(s, log);
}

void stdio_redial(struct stdio *s, const struct process_stdio *ports)
{
	struct stdio_base *base = (struct stdio_base *)s;

	base->ports[0] = ports->use_stdin ? ports->stdin_port : 0;
	base->ports[1] = ports->use_stdout ? ports->stdout_port : 0;
	base->ports[2] = ports->use_stderr ? ports->stderr_port : 0;
}

int stdio_attach(struct stdio *s, int sockets[3], struct gcs_error *err)
{
	return engine_of(s)->attach(s, sockets, err);
}

void stdio_finish(struct stdio *s, uint32_t deadline_ms, stdio_done_fn done, void *arg)
{
	engine_of(s)->finish(s, deadline_ms, done, arg);
}

void stdio_limit(struct stdio *s, uint32_t ms)
{
	engine_of(s)->limit(s, ms);
}

struct stdio_totals stdio_totals(const struct stdio *s)
{
	return ((const struct stdio_base *)s)->totals;
}

void stdio_put(struct stdio *s)
{
	if (s)
		engine_of(s)->put(s);
}

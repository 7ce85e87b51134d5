// SPDX-License-Identifier: MIT
/* Start programs, known by pidfd. */
#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <linux/sched.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cgroup.h"
#include "cleanup.h"
#include "clock.h"
#include "nofile.h"
#include "spawn.h"

extern char **environ;

/* What the child could not do; sent through a pipe that a successful exec closes. */
struct failure {
	int err;
	char step[32];
};

static const char *env_get(char *const *env, const char *name)
{
	size_t len = strlen(name);

	for (; env && *env; env++)
		if (!strncmp(*env, name, len) && (*env)[len] == '=')
			return *env + len + 1;
	return NULL;
}

char *spawn_find(const char *name, char *const *env)
{
	const char *path = env_get(env, "PATH");
	int e = ENOENT;

	if (strchr(name, '/'))
		return strdup(name);
	if (!path)
		path = getenv("PATH");
	if (!path)
		path = "/sbin:/usr/sbin:/bin:/usr/bin";
	while (*path) {
		_cleanup_free_ char *full = NULL;
		size_t len = strcspn(path, ":");

		if (len) {
			if (asprintf(&full, "%.*s/%s", (int)len, path, name) < 0) {
				errno = ENOMEM;
				return NULL;
			}
			if (access(full, X_OK) == 0)
				return steal_ptr(&full);
			if (errno == EACCES)
				e = EACCES;
		}
		path += len + (path[len] == ':');
	}
	errno = e;
	return NULL;
}

static __attribute__((noreturn)) void child_fail(int pipe_fd, const char *step)
{
	struct failure f = { .err = errno };

	strncpy(f.step, step, sizeof(f.step) - 1);
	if (write(pipe_fd, &f, sizeof(f)) < 0)
		_exit(126);
	_exit(127);
}

/* What the new process is told. */
struct start {
	const struct spawn *s;
	const char *program;
	const int *fds;
	bool join; /* its cgroup; else it is made there */
	int pipe_fd;
};

/* Only async-signal-safe calls, and nothing kept in memory, which may be the parent's: its other threads go on. */
static __attribute__((noreturn)) void child_main(const struct start *st)
{
	const struct spawn *s = st->s;
	int pipe_fd = st->pipe_fd;
	sigset_t none;
	int in[3];

	/* CLONE_CLEAR_SIGHAND leaves ignored signals ignored. */
	for (int i = 1; i < _NSIG; i++)
		signal(i, SIG_DFL);
	if (st->join && cgroup_join(s->cgroup) < 0)
		child_fail(pipe_fd, "join its cgroup");
	/* Copies above 2, so that no dup2() overwrites what a later one needs. */
	for (int i = 0; i < 3; i++) {
		in[i] = fcntl(st->fds[i], F_DUPFD_CLOEXEC, 3);
		if (in[i] < 0)
			child_fail(pipe_fd, "duplicate a descriptor");
	}
	for (int i = 0; i < 3; i++)
		if (dup2(in[i], i) < 0)
			child_fail(pipe_fd, "set a descriptor");
	/* Nothing of the parent's is inherited, whoever opened it. */
	if (close_range(3, ~0U, CLOSE_RANGE_CLOEXEC) < 0)
		child_fail(pipe_fd, "mark descriptors");
	if (s->session) {
		setsid();
		if (isatty(0) && ioctl(0, TIOCSCTTY, 0) < 0)
			child_fail(pipe_fd, "set the terminal");
	}
	if (s->cwd && *s->cwd && chdir(s->cwd) < 0)
		child_fail(pipe_fd, "change to its directory");
	nofile_restore();
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	execve(st->program, s->argv, s->env ? s->env : environ);
	child_fail(pipe_fd, "execute it");
}

#ifdef __SANITIZE_THREAD__
/* libtsan's, around a fork that it does not see: what is in the child is a copy, and no other thread is there. */
void __sanitizer_syscall_pre_impl_fork(void);
void __sanitizer_syscall_post_impl_fork(long pid);
#else
#define __sanitizer_syscall_pre_impl_fork() do { } while (0)
#define __sanitizer_syscall_post_impl_fork(pid) do { } while (0)
#endif

/*
 * clone3() of a child that runs child_main(). As with vfork() it borrows our memory, and this thread waits, until it executes its
 * program: copying the page tables, and then each page that is written, was half of what an exec costs the agent. It has a stack
 * of its own, so that ours is as it was.
 */
static long clone_child(struct clone_args *args, const struct start *st)
{
	long pid;
#if defined(__x86_64__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
	_Alignas(16) char stack[16384];

	args->flags |= CLONE_VM | CLONE_VFORK;
	args->stack = (uintptr_t)stack;
	args->stack_size = sizeof(stack);
	asm volatile("syscall\n\t"
		     "test %%rax, %%rax\n\t"
		     "jnz 1f\n\t"
		     "xor %%ebp, %%ebp\n\t"
		     "mov %[start], %%rdi\n\t"
		     "call *%[main]\n"
		     "1:"
		     : "=a"(pid)
		     : "0"((long)SYS_clone3), "D"(args), "S"(sizeof(*args)), [start] "r"(st), [main] "r"(child_main)
		     : "rcx", "r11", "memory", "cc");
	if (pid < 0) {
		errno = -pid;
		pid = -1;
	}
#else
	__sanitizer_syscall_pre_impl_fork();
	pid = syscall(SYS_clone3, args, sizeof(*args));
	__sanitizer_syscall_post_impl_fork(pid);
	if (pid == 0)
		child_main(st);
#endif
	return pid;
}

static int start(const struct spawn *s, const int fds[3], struct child *child, struct gcs_error *err)
{
	struct clone_args args = { .flags = CLONE_PIDFD | CLONE_CLEAR_SIGHAND, .exit_signal = SIGCHLD };
	_cleanup_close_ int rfd = -1, wfd = -1, cgroup = -1;
	_cleanup_free_ char *program = spawn_find(s->argv[0], s->env);
	sigset_t all, old;
	struct failure f;
	int p[2], e;
	ssize_t n;
	long pid;

	if (!program)
		return gcs_fail(err, errno, HR_FAIL, "%s: find it in PATH", s->argv[0]);
	/* The child's end must not be 0, 1 or 2, which it sets. */
	if (pipe2(p, O_CLOEXEC) < 0)
		return gcs_fail(err, errno, HR_FAIL, "%s: pipe", s->argv[0]);
	rfd = p[0];
	wfd = fcntl(p[1], F_DUPFD_CLOEXEC, 3);
	e = errno;
	close(p[1]);
	if (wfd < 0)
		return gcs_fail(err, e, HR_FAIL, "%s: pipe", s->argv[0]);

	args.pidfd = (uintptr_t)&child->pidfd;
	if (s->cgroup && cgroup_for_clone(s->cgroup, &cgroup, err) < 0)
		return gcs_fail_prefix(err, "%s", s->argv[0]);
	if (cgroup >= 0) {
		args.flags |= CLONE_INTO_CGROUP;
		args.cgroup = cgroup;
	}
	/* A handler of the parent must not run in the child. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	pid = clone_child(&args, &(struct start){ s, program, fds, s->cgroup && cgroup < 0, wfd });
	e = errno;
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (pid < 0)
		return gcs_fail(err, e, HR_FAIL, "%s: clone", s->argv[0]);
	child->pid = pid;
	if (child_register(child, err) < 0) {
		kill(pid, SIGKILL);
		child_reap(child);
		return -1;
	}
	close(steal_fd(&wfd));
	do
		n = read(rfd, &f, sizeof(f));
	while (n < 0 && errno == EINTR);
	if (n == 0)
		return 0;
	child_reap(child);
	if (n != sizeof(f))
		return gcs_fail(err, 0, HR_FAIL, "%s: the new process died before it ran it", s->argv[0]);
	f.step[sizeof(f.step) - 1] = '\0';
	return gcs_fail(err, f.err, HR_FAIL, "%s: %s%s%s", s->argv[0], f.step, s->cwd && *s->cwd ? " in " : "",
			s->cwd ? s->cwd : "");
}

int spawn(const struct spawn *s, struct child *child, struct gcs_error *err)
{
	_cleanup_close_ int null = -1;
	int fds[3], ret;

	for (int i = 0; i < 3; i++) {
		fds[i] = s->fds[i];
		if (fds[i] >= 0)
			continue;
		if (null < 0)
			null = open("/dev/null", O_RDWR | O_CLOEXEC);
		if (null < 0)
			return gcs_fail(err, errno, HR_FAIL, "%s: open /dev/null", s->argv[0]);
		fds[i] = null;
	}
	reap_hold();
	ret = start(s, fds, child, err);
	reap_release();
	return ret;
}

/* Read what is there. Returns 0 at end of file, 1 if more may come. What exceeds the maximum is dropped. */
static int read_some(int fd, struct spawn_result *r)
{
	char buf[4096];
	ssize_t n;

	while ((n = read(fd, buf, sizeof(buf))) > 0) {
		size_t room = SPAWN_OUTPUT_MAX - r->length;
		size_t len = (size_t)n < room ? (size_t)n : room;

		memcpy(r->output + r->length, buf, len);
		r->length += len;
	}
	return n < 0 && (errno == EAGAIN || errno == EINTR);
}

/* Returns 0 when the child has ended, -1 at the deadline. */
static int collect(struct child *child, int out, int deadline_ms, struct spawn_result *r)
{
	struct pollfd p[2] = { { .fd = child->pidfd, .events = POLLIN }, { .fd = out, .events = POLLIN } };
	int64_t end = clock_now_ms() + deadline_ms, left;

	for (;;) {
		left = end - clock_now_ms();
		if (poll(p, 2, left > 0 ? left : 0) == 0)
			return -1;
		if (p[1].fd >= 0 && p[1].revents && !read_some(out, r))
			p[1].fd = -1;
		if (p[0].revents)
			break;
	}
	if (p[1].fd >= 0)
		read_some(out, r);
	return 0;
}

int spawn_run(const struct spawn *s, int deadline_ms, struct spawn_result *result, struct gcs_error *err)
{
	_cleanup_close_ int rfd = -1, wfd = -1;
	struct spawn copy = *s;
	struct child child;
	bool late;
	int p[2];

	memset(result, 0, sizeof(*result));
	for (int i = 0; i < 3; i++) {
		if (s->fds[i] != SPAWN_CAPTURE)
			continue;
		if (rfd < 0) {
			if (pipe2(p, O_CLOEXEC) < 0)
				return gcs_fail(err, errno, HR_FAIL, "%s: pipe", s->argv[0]);
			rfd = p[0];
			wfd = p[1];
			fcntl(rfd, F_SETFL, O_NONBLOCK);
		}
		copy.fds[i] = wfd;
	}
	result->output = malloc(rfd >= 0 ? SPAWN_OUTPUT_MAX + 1 : 1);
	if (!result->output)
		return gcs_fail(err, ENOMEM, HR_FAIL, "%s: keep its output", s->argv[0]);
	if (spawn(&copy, &child, err) < 0)
		goto fail;
	if (wfd >= 0)
		close(steal_fd(&wfd));
	late = collect(&child, rfd, deadline_ms, result) < 0;
	result->output[result->length] = '\0';
	if (!late) {
		result->code = child_reap(&child);
		return 0;
	}
	child_kill(&child);
	gcs_fail(err, ETIMEDOUT, HR_FAIL, "%s: killed after %d ms", s->argv[0], deadline_ms);
fail:
	free(result->output);
	result->output = NULL;
	return -1;
}

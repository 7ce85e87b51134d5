/* SPDX-License-Identifier: MIT */
/* Runs test programs and turns what they print into one KTAP report with a subtest a program. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "ktap.h"
#include "slow.h"

#define EXIT_SKIP 4 /* KSFT_SKIP */

struct report {
	FILE *out;
	long planned;		     /* -1: no plan seen */
	unsigned int results, failed;
	bool bailed;
	char line[4096];	     /* what is gathered of the current line */
	size_t length;
};

/* The test's own results are the lines without indentation; its subtests are its own business. */
static void take_line(struct report *r)
{
	long plan;

	r->line[r->length] = '\0';
	r->length = 0;
	if (sscanf(r->line, "1..%ld", &plan) == 1)
		r->planned = plan;
	else if (!strncmp(r->line, "ok ", 3))
		r->results++;
	else if (!strncmp(r->line, "not ok ", 7))
		r->results++, r->failed += !strstr(r->line, "# SKIP");
	else if (!strncmp(r->line, "Bail out!", 9))
		r->bailed = true;
	fprintf(r->out, "    %s\n", r->line);
	fflush(r->out);
}

static void take(struct report *r, const char *data, size_t length)
{
	for (size_t i = 0; i < length; i++) {
		if (data[i] == '\n' || r->length == sizeof(r->line) - 1)
			take_line(r);
		if (data[i] != '\n' && data[i] != '\r')
			r->line[r->length++] = data[i];
	}
}

static int remaining_ms(const struct timespec *end)
{
	struct timespec now;
	long long ms;

	clock_gettime(CLOCK_MONOTONIC, &now);
	ms = (end->tv_sec - now.tv_sec) * 1000LL + (end->tv_nsec - now.tv_nsec) / 1000000;
	return ms > 0 ? (int)ms : 0;
}

/* A kernel report in the log then points at the test. */
static void tell_kernel(const char *name)
{
	int fd = open("/dev/kmsg", O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return;
	dprintf(fd, "<6>selftest: %s\n", name);
	close(fd);
}

static pid_t start(const char *program, int out)
{
	static const char default_action[64]; /* struct sigaction as the kernel has it: SIG_DFL is 0 */
	pid_t pid = fork();
	int null;

	if (pid)
		return pid;
	/* A group of its own: whatever it leaves behind can be ended with it. */
	setpgid(0, 0);
	null = open("/dev/null", O_RDONLY);
	dup2(null, STDIN_FILENO);
	dup2(out, STDOUT_FILENO);
	/* The harness says there why a test has failed. */
	dup2(out, STDERR_FILENO);
	/* What this program inherited is not the test's. */
	syscall(SYS_close_range, 3, ~0U, 0);
	/* make starts its commands by posix_spawn(3), which leaves the C library's own two signals ignored. */
	for (int sig = 1; sig < 65; sig++)
		syscall(SYS_rt_sigaction, sig, default_action, NULL, 8);
	execl(program, program, (char *)NULL);
	printf("Bail out! cannot run %s: %s\n", program, strerror(errno));
	fflush(stdout);
	_exit(127);
}

/* Read what @pid prints until it has ended; -1 when the deadline has passed. */
static int follow(struct report *r, int in, int pidfd, const struct timespec *end)
{
	struct pollfd fds[] = { { .fd = in, .events = POLLIN }, { .fd = pidfd, .events = POLLIN } };
	char buf[4096];
	ssize_t n;

	for (;;) {
		int ready = poll(fds, 2, remaining_ms(end));

		if (ready == 0)
			return -1;
		if (ready < 0)
			continue;
		while ((n = read(in, buf, sizeof(buf))) > 0)
			take(r, buf, n);
		if (n == 0)
			fds[0].fd = -1;
		/* A child of the test may hold the pipe on; the test itself is what counts. */
		if (fds[1].revents) {
			while ((n = read(in, buf, sizeof(buf))) > 0)
				take(r, buf, n);
			return 0;
		}
	}
}

static void judge(struct report *r, int status, bool late, char *why, size_t size)
{
	int code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;

	why[0] = '\0';
	if (late)
		snprintf(why, size, "deadline passed");
	else if (WIFSIGNALED(status))
		snprintf(why, size, "killed by signal %d", WTERMSIG(status));
	else if (r->bailed)
		snprintf(why, size, "bailed out");
	else if (r->planned < 0)
		snprintf(why, size, "no plan, exit status %d", code);
	else if (r->planned != (long)r->results)
		snprintf(why, size, "%ld results planned, %u given", r->planned, r->results);
	else if (r->failed)
		snprintf(why, size, "%u of %u failed", r->failed, r->results);
	else if (code != 0 && !(code == EXIT_SKIP && r->planned == 0))
		snprintf(why, size, "exit status %d", code);
}

/* Returns whether it passed. */
static bool run_one(const char *program, const char *name, unsigned int number, FILE *out)
{
	const char *limit = getenv("KTAP_DEADLINE");
	struct report r = { .out = out, .planned = -1 };
	struct timespec end;
	int pipefd[2], pidfd, status = 0;
	bool late;
	char why[80];
	pid_t pid;

	tell_kernel(name);
	fprintf(out, "# Subtest: %s\n", name);
	fflush(out);
	clock_gettime(CLOCK_MONOTONIC, &end);
	end.tv_sec += scaled(limit ? atoi(limit) : KTAP_DEADLINE_S);
	if (pipe2(pipefd, O_CLOEXEC) < 0)
		goto broken;
	fcntl(pipefd[0], F_SETFL, O_NONBLOCK);
	pid = start(program, pipefd[1]);
	close(pipefd[1]);
	pidfd = pid < 0 ? -1 : syscall(SYS_pidfd_open, pid, 0);
	if (pidfd < 0)
		goto broken;
	late = follow(&r, pipefd[0], pidfd, &end) < 0;
	if (r.length)
		take_line(&r);
	kill(-pid, SIGKILL);
	waitpid(pid, &status, 0);
	close(pidfd);
	close(pipefd[0]);
	judge(&r, status, late, why, sizeof(why));
	fprintf(out, "%s %u %s%s%s\n", why[0] ? "not ok" : "ok", number, name, why[0] ? " # " : "", why);
	fflush(out);
	return !why[0];

broken:
	fprintf(out, "not ok %u %s # runner: %s\n", number, name, strerror(errno));
	return false;
}

unsigned int ktap_run(char **programs, FILE *out)
{
	unsigned int count = 0, number = 0, failed = 0;
	char name[256], set[128] = "";

	for (char **p = programs; *p; p++)
		count += !strchr(*p, '=');
	fprintf(out, "KTAP version 1\n1..%u\n", count);
	for (char **p = programs; *p; p++) {
		const char *base = strrchr(*p, '/');

		if (strchr(*p, '=')) {
			putenv(*p);
			snprintf(set, sizeof(set), " (%s)", *p);
			continue;
		}
		snprintf(name, sizeof(name), "%s%s", base ? base + 1 : *p, set);
		failed += !run_one(*p, name, ++number, out);
	}
	fflush(out);
	return failed;
}

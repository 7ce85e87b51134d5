// SPDX-License-Identifier: MIT
/* Start programs that die with uvmctl. */
#include "proc.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cleanup.h"

static void child(const struct proc *p, pid_t parent, int report) __attribute__((noreturn));

static void child(const struct proc *p, pid_t parent, int report)
{
	char path[4096];
	sigset_t none;
	int null, err;

	/* The parent may have gone before the request was made. */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent)
		_exit(127);
	setsid();
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (null < 0 || (p->cwd_fd >= 0 && fchdir(p->cwd_fd) < 0))
		goto failed;
	for (int i = 0; i < PROC_FDS_MAX && p->keep[i] >= 0; i++)
		if (fcntl(p->keep[i], F_SETFD, 0) < 0)
			goto failed;
	for (int i = 0; i < 3; i++)
		if (dup2(p->fds[i] >= 0 ? p->fds[i] : null, i) < 0)
			goto failed;
	/* mke2fs is where the PATH of an ordinary user does not lead. */
	if (snprintf(path, sizeof(path), "%s:/usr/sbin:/sbin", getenv("PATH") ?: "/usr/bin:/bin") < (int)sizeof(path))
		setenv("PATH", path, 1);
	execvp(p->argv[0], p->argv);
failed:
	err = errno;
	if (write(report, &err, sizeof(err)) < 0)
		_exit(126);
	_exit(127);
}

int proc_start(const struct proc *p, pid_t *pid, struct gcs_error *err)
{
	_cleanup_close_ int pidfd = -1, from = -1, report = -1;
	int fds[2], failed = 0;
	pid_t self = getpid();
	ssize_t n;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return gcs_fail(err, errno, HR_FAIL, "start %s: pipe", p->argv[0]);
	from = fds[0];
	report = fds[1];
	*pid = fork();
	if (*pid < 0)
		return gcs_fail(err, errno, HR_FAIL, "start %s: fork", p->argv[0]);
	if (*pid == 0)
		child(p, self, report);
	pidfd = (int)syscall(SYS_pidfd_open, *pid, 0);
	close(steal_fd(&report));
	do
		n = read(from, &failed, sizeof(failed));
	while (n < 0 && errno == EINTR);
	if (pidfd >= 0 && n == 0)
		return steal_fd(&pidfd);
	kill(*pid, SIGKILL);
	waitpid(*pid, NULL, 0);
	return gcs_fail(err, n > 0 ? failed : ESRCH, HR_FAIL, "start %s", p->argv[0]);
}

int proc_wait(int pidfd)
{
	siginfo_t info = { 0 };

	while (waitid(P_PIDFD, (id_t)pidfd, &info, WEXITED) < 0)
		if (errno != EINTR)
			break;
	close(pidfd);
	return info.si_code == CLD_EXITED ? info.si_status : 128 + info.si_status;
}

/* The last line of what a program has said. */
static const char *last_line(char *text)
{
	size_t len = strlen(text);
	char *line;

	while (len && text[len - 1] == '\n')
		text[--len] = '\0';
	line = strrchr(text, '\n');
	return line ? line + 1 : text;
}

int proc_run(struct proc *p, struct gcs_error *err)
{
	_cleanup_close_ int said = memfd_create("stderr", MFD_CLOEXEC);
	char text[1024] = "";
	int pidfd, code;
	off_t size;
	pid_t pid;

	p->fds[2] = said;
	pidfd = proc_start(p, &pid, err);
	if (pidfd < 0)
		return -1;
	code = proc_wait(pidfd);
	if (code == 0)
		return 0;
	size = lseek(said, 0, SEEK_END);
	if (size > (off_t)sizeof(text) - 1)
		lseek(said, size - (off_t)sizeof(text) + 1, SEEK_SET);
	else
		lseek(said, 0, SEEK_SET);
	if (read(said, text, sizeof(text) - 1) < 0)
		text[0] = '\0';
	return gcs_fail(err, 0, HR_FAIL, "%s failed (%d): %s", p->argv[0], code, last_line(text));
}

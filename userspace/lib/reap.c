// SPDX-License-Identifier: MIT
/* The one place that reaps: children known by pidfd by those who wait for them, adopted orphans at once. */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "event.h"
#include "reap.h"

struct known {
	pid_t pid;
	struct known *next;
};

/* Protects what follows; only waitid(WNOHANG) is called while it is held. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct known *known;
static unsigned int holds;

/*
 * Reap ended children that nobody knows. Stops at a known one, which hides those behind it: who reaps
 * it calls this again.
 */
static void reap_orphans(void)
{
	struct known *k;
	siginfo_t info;

	while (!holds) {
		info.si_pid = 0;
		if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) < 0 || info.si_pid == 0)
			return;
		for (k = known; k && k->pid != info.si_pid;)
			k = k->next;
		if (k)
			return;
		waitid(P_PID, info.si_pid, &info, WEXITED | WNOHANG);
	}
}

static void on_sigchld(struct event *ev, uint32_t events, void *arg)
{
	struct signalfd_siginfo info;
	int fd = *(int *)arg;

	while (read(fd, &info, sizeof(info)) == sizeof(info))
		;
	pthread_mutex_lock(&lock);
	reap_orphans();
	pthread_mutex_unlock(&lock);
}

int reap_init(struct gcs_error *err)
{
	static int fd = -1;
	sigset_t set;

	if (prctl(PR_SET_CHILD_SUBREAPER, 1) < 0)
		return gcs_fail(err, errno, HR_FAIL, "reaper: become a child subreaper");
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (fd < 0)
		return gcs_fail(err, errno, HR_FAIL, "reaper: signalfd");
	if (!event_add(fd, EPOLLIN, on_sigchld, &fd, err)) {
		close(fd);
		return -1;
	}
	return 0;
}

void reap_hold(void)
{
	pthread_mutex_lock(&lock);
	holds++;
	pthread_mutex_unlock(&lock);
}

void reap_release(void)
{
	pthread_mutex_lock(&lock);
	holds--;
	reap_orphans();
	pthread_mutex_unlock(&lock);
}

int child_register(const struct child *child, struct gcs_error *err)
{
	struct known *k = calloc(1, sizeof(*k));

	if (!k)
		return gcs_fail(err, ENOMEM, HR_FAIL, "process %d: remember it", child->pid);
	k->pid = child->pid;
	pthread_mutex_lock(&lock);
	k->next = known;
	known = k;
	pthread_mutex_unlock(&lock);
	return 0;
}

int child_adopt(pid_t pid, struct child *child, struct gcs_error *err)
{
	child->pid = pid;
	child->pidfd = syscall(SYS_pidfd_open, pid, 0);
	if (child->pidfd < 0)
		return gcs_fail(err, errno, HR_FAIL, "process %d: pidfd_open", pid);
	if (child_register(child, err) < 0) {
		close(child->pidfd);
		child->pidfd = -1;
		return -1;
	}
	return 0;
}

/* What is known of it, but not what has become of it. */
static void forget(struct child *child)
{
	struct known **at, *k;

	pthread_mutex_lock(&lock);
	for (at = &known; (k = *at) && k->pid != child->pid;)
		at = &k->next;
	if (k) {
		*at = k->next;
		free(k);
	}
	reap_orphans();
	pthread_mutex_unlock(&lock);
	close(child->pidfd);
	child->pidfd = -1;
}

int child_reap(struct child *child)
{
	siginfo_t info = { 0 };
	int ret;

	do
		ret = waitid(P_PIDFD, child->pidfd, &info, WEXITED);
	while (ret < 0 && errno == EINTR);
	forget(child);
	if (ret < 0)
		return -1;
	return info.si_code == CLD_EXITED ? info.si_status : 128 + info.si_status;
}

void child_kill(struct child *child)
{
	struct pollfd p = { .fd = child->pidfd, .events = POLLIN };
	int ret;

	syscall(SYS_pidfd_send_signal, child->pidfd, SIGKILL, NULL, 0);
	do
		ret = poll(&p, 1, KILLED_MS);
	while (ret < 0 && errno == EINTR);
	if (ret)
		child_reap(child);
	else
		forget(child);
}

// SPDX-License-Identifier: MIT
/* A process at the user's standard streams. */
#include "session.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "relay.h"
#include "watch.h"

/* Signals that arrive as such, at a descriptor: always, while a terminal is raw, while its size is followed. */
enum taken { TAKE_ALWAYS = 2, TAKE_RAW = 4, TAKE_SIZE = 5 };

/* Take these and no others. */
static int take_signals(struct session *s, enum taken count, struct gcs_error *err)
{
	static const int signals[TAKE_SIZE] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGWINCH };
	sigset_t set, others;
	int fd;

	sigemptyset(&set);
	sigemptyset(&others);
	for (int i = 0; i < TAKE_SIZE; i++)
		sigaddset(i < (int)count ? &set : &others, signals[i]);
	sigprocmask(SIG_BLOCK, &set, NULL);
	sigprocmask(SIG_UNBLOCK, &others, NULL);
	fd = signalfd(s->signal_fd, &set, SFD_CLOEXEC);
	if (fd < 0)
		return gcs_fail(err, errno, HR_FAIL, "signalfd");
	s->signal_fd = fd;
	return 0;
}

int session_signals(struct session *s, struct gcs_error *err)
{
	/* A reader that has gone is an error of write(2). */
	signal(SIGPIPE, SIG_IGN);
	return take_signals(s, TAKE_ALWAYS, err);
}

int session_start(struct session *s, int sockets[3], int first[3], struct gcs_error *err)
{
	bool keys = s->tty && s->interactive;
	int ret = 0;

	if (keys && (take_signals(s, TAKE_RAW, err) < 0 || terminal_raw(&s->terminal, err) < 0))
		ret = -1;
	if (ret == 0 && keys && s->detachable) {
		s->detach_fd = eventfd(0, EFD_CLOEXEC);
		if (s->detach_fd < 0)
			ret = gcs_fail(err, errno, HR_FAIL, "eventfd");
	}
	for (int i = 0; i < 3; i++) {
		if (sockets[i] < 0)
			continue;
		if (ret < 0) {
			close(sockets[i]);
			if (first[i] >= 0)
				close(first[i]);
		} else if (i == 0) {
			s->relays[0] = relay_to_guest(STDIN_FILENO, sockets[0], s->detach_fd, err);
		} else {
			s->relays[i] = relay_from_guest(first[i], sockets[i], i, err);
		}
		sockets[i] = first[i] = -1;
		if (!s->relays[i])
			ret = -1;
	}
	return ret;
}

/* The process's terminal gets the size of ours, if that is another than before. */
static int resize(struct session *s, struct gcs_error *err)
{
	uint16_t rows, columns;

	if (!terminal_size(&rows, &columns) || (rows == s->rows && columns == s->columns))
		return 0;
	s->rows = rows;
	s->columns = columns;
	return s->ops->resize(s->arg, rows, columns, err);
}

static int stopped(struct session *s, int signal, struct gcs_error *err)
{
	s->signal = signal;
	gcs_fail(err, 0, HR_FAIL, "stopped by a signal");
	err->err = EINTR;
	return -1;
}

static int pass_on_signal(struct session *s, struct gcs_error *err)
{
	struct signalfd_siginfo info;

	if (read(s->signal_fd, &info, sizeof(info)) != sizeof(info))
		return 0;
	if (info.ssi_signo == SIGWINCH)
		return resize(s, err);
	if (info.ssi_signo == SIGHUP || info.ssi_signo == SIGQUIT || s->seen == 2)
		return stopped(s, (int)info.ssi_signo, err);
	return s->ops->signal(s->arg, s->seen++ ? SIGKILL : (int)info.ssi_signo, err);
}

int session_wait(struct session *s, int exit_fd, int vm_fd, struct gcs_error *err)
{
	struct pollfd p[] = { { .fd = exit_fd, .events = POLLIN }, { .events = POLLIN }, { .fd = s->detach_fd, .events = POLLIN },
			      { .fd = vm_fd, .events = POLLIN } };

	/* What has changed before the signal was taken is looked at once. */
	if (s->tty && (take_signals(s, TAKE_SIZE, err) < 0 || resize(s, err) < 0))
		return -1;
	p[1].fd = s->signal_fd;
	for (;;) {
		if (poll(p, 4, -1) < 0)
			continue;
		if (p[0].revents)
			break;
		if (p[1].revents && pass_on_signal(s, err) < 0)
			return -1;
		if (p[2].revents)
			return 1;
		if (p[3].revents) {
			gcs_fail(err, 0, HR_FAIL, "the VM ended while waiting for the container's end");
			err->err = ESHUTDOWN;
			return -1;
		}
	}
	return s->tty ? take_signals(s, TAKE_RAW, err) : 0;
}

/* Of stdin, from @first on, nothing is waited for: its reader may wait for a key. */
static int finish(struct session *s, int first, struct gcs_error *err)
{
	struct watch patience = { .vm_fd = -1, .signal_fd = s->signal_fd };
	struct signalfd_siginfo info;

	for (int i = 0; i < 3; i++) {
		if (!s->relays[i])
			continue;
		if (i >= first && watch_wait(&patience, relay_done_fd(s->relays[i]), POLLIN, -1, "the output to be taken", err) < 0) {
			if (err->err == EINTR && read(s->signal_fd, &info, sizeof(info)) == sizeof(info))
				s->signal = (int)info.ssi_signo;
			return -1;
		}
		s->bytes[i] = relay_finish(s->relays[i]);
		s->relays[i] = NULL;
	}
	return 0;
}

int session_finish(struct session *s, struct gcs_error *err)
{
	return finish(s, 1, err);
}

int session_detach(struct session *s, struct gcs_error *err)
{
	for (int i = 0; i < 3; i++)
		relay_stop(s->relays[i]);
	return finish(s, 0, err);
}

void session_end(struct session *s)
{
	terminal_restore(&s->terminal);
	if (s->detach_fd >= 0)
		close(s->detach_fd);
	s->detach_fd = -1;
}

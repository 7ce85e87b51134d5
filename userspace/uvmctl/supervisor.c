// SPDX-License-Identifier: MIT
/* The supervisor: one process per UVM, from before its boot until nothing of it is left. */
#include "supervisor.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cleanup.h"
#include "event.h"
#include "jsonset.h"
#include "state.h"

#define FILE_KEEP (8ll << 20)
#define CLIENTS_MS 10000 /* for clients to be told that the UVM has ended */

static int open_files(struct supervisor *s, struct options *o, struct gcs_error *err)
{
	int flags = O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC;

	o->log_fd = openat(s->dir_fd, STATE_LOG, flags, 0600);
	s->events_fd = openat(s->dir_fd, STATE_EVENTS, flags, 0600);
	s->down_fd = eventfd(0, EFD_CLOEXEC);
	if (o->log_fd < 0 || s->events_fd < 0 || s->down_fd < 0)
		return gcs_fail(err, errno, HR_FAIL, "UVM %s: open its log and events", s->name);
	/* What is said besides: the backend's complaints. */
	dup2(o->log_fd, STDERR_FILENO);
	return 0;
}

/* The end of who waits for us to come up, as a signal is for `run`, ends the boot: a pipe without a reader has POLLERR. */
static int boot(struct supervisor *s, int report_fd, struct gcs_error *err)
{
	_cleanup_json_ struct json_object *figures = json_object_new_object();

	s->uvm.watch = (struct watch){ .vm_fd = -1, .signal_fd = report_fd };
	s->uvm.listener = (struct tail_listener){ .line = supervisor_log_line, .arg = s };
	s->uvm.pci_ports = VM_PORTS;
	if (uvm_boot(&s->uvm, s->o, figures, err) < 0)
		return -1;
	s->uvm.watch.signal_fd = -1;
	disks_init(&s->disks, s->uvm.vm, &s->uvm.guest);
	devices_init(&s->devices, s->uvm.vm, &s->uvm.guest, &s->disks);
	s->devices.told = supervisor_device_event;
	s->devices.told_arg = s;
	pthread_mutex_lock(&s->lock);
	s->state = UVM_RUNNING;
	pthread_cond_broadcast(&s->changed);
	pthread_mutex_unlock(&s->lock);
	supervisor_event(s, "up", NULL, NULL, 0);
	return 0;
}

/* From now on every error that a client hears is this one. */
static void mark_ended(struct supervisor *s, const char *why)
{
	pthread_mutex_lock(&s->lock);
	s->state = UVM_ENDED;
	snprintf(s->why, sizeof(s->why), "%s", why);
	pthread_cond_broadcast(&s->changed);
	pthread_mutex_unlock(&s->lock);
}

/* Every request fails from now on, and every client hears why; who does not listen is not waited for any longer. */
static void end_clients(struct supervisor *s)
{
	struct timespec deadline;
	struct client *c;

	if (s->uvm.guest.bridge)
		bridge_end(s->uvm.guest.bridge);
	clock_gettime(CLOCK_REALTIME, &deadline);
	deadline.tv_sec += CLIENTS_MS / 1000;
	pthread_mutex_lock(&s->lock);
	LIST_FOREACH(c, &s->clients, link)
		shutdown(c->fd, SHUT_RD);
	while (!LIST_EMPTY(&s->clients) && pthread_cond_timedwait(&s->changed, &s->lock, &deadline) == 0)
		;
	pthread_mutex_unlock(&s->lock);
}

/* The state directory may be memory: of log and events the last part is kept. The offsets of who reads them stay. */
static void trim_files(struct supervisor *s, int notify)
{
	const int fds[] = { s->o->log_fd, s->events_fd };
	char events[4096];
	struct stat st;

	if (read(notify, events, sizeof(events)) < 0)
		return;
	for (int i = 0; i < 2; i++)
		if (fstat(fds[i], &st) == 0 && st.st_blocks * 512 > 2 * FILE_KEEP)
			fallocate(fds[i], FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, st.st_size - FILE_KEEP);
}

static int watch_files(struct supervisor *s)
{
	static const char *const names[] = { STATE_LOG, STATE_EVENTS };
	int notify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	char path[64];

	for (int i = 0; notify >= 0 && i < 2; i++) {
		snprintf(path, sizeof(path), "/proc/self/fd/%d/%s", s->dir_fd, names[i]);
		inotify_add_watch(notify, path, IN_MODIFY);
	}
	snprintf(path, sizeof(path), "/proc/self/fd/%d", s->dir_fd);
	if (notify >= 0)
		inotify_add_watch(notify, path, IN_DELETE);
	return notify;
}

/* Until it is told to end, or the VM has ended. */
static void run(struct supervisor *s, int signal_fd)
{
	struct pollfd p[] = { { .fd = s->uvm.watch.vm_fd, .events = POLLIN },
			      { .fd = bridge_ended_fd(s->uvm.guest.bridge), .events = POLLIN },
			      { .fd = s->down_fd, .events = POLLIN },
			      { .fd = signal_fd, .events = POLLIN },
			      { .fd = watch_files(s), .events = POLLIN } };
	_cleanup_free_ char *how = NULL;
	bool unreachable = false;

	for (;;) {
		if (poll(p, 5, -1) < 0)
			continue;
		if (p[4].revents)
			trim_files(s, p[4].fd);
		/* A session's end removes $XDG_RUNTIME_DIR: nobody could reach us any more. */
		unreachable = !state_is_there(s->dir_fd);
		if (unreachable || p[0].revents || p[1].revents || p[2].revents || p[3].revents)
			break;
	}
	if (unreachable || p[2].revents || p[3].revents) {
		mark_ended(s, "it was taken down");
		uvm_switch_off(&s->uvm);
		return;
	}
	how = vm_how_ended(s->uvm.vm, VM_DIED_MS);
	mark_ended(s, how ? how : "its agent closed the bridge");
}

static void explain(struct supervisor *s, const struct gcs_error *err, int report_fd)
{
	_cleanup_file_ FILE *to = fdopen(report_fd, "w");

	if (to)
		uvm_explain(&s->uvm, err, false, to);
}

void supervise(const char *name, const struct options *given, int state_fd, const struct state_claim *claim, int report_fd)
{
	struct options o = *given;
	struct supervisor s = { .name = name, .o = &o, .state_fd = state_fd, .dir_fd = claim->dir_fd, .listener = claim->listener, .started = time(NULL),
				.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER };
	struct gcs_error err = { 0 };
	sigset_t set;
	int signal_fd;
	bool up;

	/* Blocked in all threads; until the end of the boot they are not looked at. */
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal_fd = signalfd(-1, &set, SFD_CLOEXEC);
	up = signal_fd >= 0 && open_files(&s, &o, &err) == 0 && event_start(&err) == 0 && serve_start(&s, &err) == 0 &&
	     boot(&s, report_fd, &err) == 0;
	if (up) {
		if (write(report_fd, SUPERVISOR_UP, 1) == 1)
			close(report_fd);
		run(&s, signal_fd);
	} else {
		explain(&s, &err, report_fd);
		mark_ended(&s, err.text);
	}
	end_clients(&s);
	/* What is not freed here ends with us: threads may still look at it. */
	vm_kill(s.uvm.vm);
	state_remove(state_fd, name, claim->dir_fd);
}

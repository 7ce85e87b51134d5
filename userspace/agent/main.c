// SPDX-License-Identifier: MIT
/* gcs, the guest's agent: start-up. */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bridge/bridge.h"
#include "cleanup.h"
#include "container/container.h"
#include "event.h"
#include "fs.h"
#include "kmsg.h"
#include "nofile.h"
#include "options.h"
#include "storage/storage.h"
#include "timesync.h"

/* A program started without them would otherwise get its sockets as standard output. */
static void open_standard_fds(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd >= 0)
		close(fd);
}

/*
 * There are many threads, and each allocates little: one arena of the allocator is enough. Stacks are of 1 MiB, in which no huge page fits:
 * the kernel would give 2 MiB of memory for the first byte touched. That is enough for the deepest JSON that is accepted.
 */
static void keep_memory_small(void)
{
	pthread_attr_t attr;

	mallopt(M_ARENA_MAX, 1);
	mallopt(M_TRIM_THRESHOLD, 128 << 10);
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 1 << 20);
	pthread_setattr_default_np(&attr);
	pthread_attr_destroy(&attr);
}

/* A directory that is missing is made: /run is empty when init starts the agent. */
static int open_log(const char *path, struct gcs_error *err)
{
	_cleanup_free_ char *copy = strdup(path);
	int fd;

	if (!copy)
		return gcs_fail(err, ENOMEM, HR_FAIL, "log file %s", path);
	if (fs_mkdir_p(dirname(copy), 0700, NULL, err) < 0)
		return gcs_fail_prefix(err, "log file %s", path);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600);
	return fd < 0 ? gcs_fail(err, errno, HR_FAIL, "log file %s: open", path) : fd;
}

static int setup_log(const struct options *o, struct gcs_error *err)
{
	int fd = STDERR_FILENO;

	/* Also for what keeps the file from being opened. */
	log_setup(fd, o->log_json, o->log_level);
	if (*o->log_file) {
		fd = open_log(o->log_file, err);
		if (fd < 0)
			return -1;
		log_setup(fd, o->log_json, o->log_level);
	}
	log_discard(o->deny);
	for (const char **f = o->unknown; f && *f; f++)
		log_error("flag %s: refused: there is no such flag; gcs -help prints those that there are", *f);
	return 0;
}

/* The bridge on standard input and output: moved to where no child gets it. */
static int take_standard_fds(struct bridge_options *b, struct gcs_error *err)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	b->in = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3);
	b->out = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
	if (null < 0 || b->in < 0 || b->out < 0 || dup2(null, STDIN_FILENO) < 0 || dup2(null, STDOUT_FILENO) < 0)
		return gcs_fail(err, errno, HR_FAIL, "bridge: take standard input and output");
	close(null);
	return 0;
}

static int start(const struct options *o, struct gcs_error *err)
{
	const struct container_options container = {
		.runtime = o->runtime,
		.own_vm = !o->use_inouterr, /* which is for tests */
		.use_kmod = !o->no_kmod,
		.memory_reserve = o->root_mem_reserve,
		.agent_threshold = o->gcs_mem_limit,
		.on_exit = bridge_container_exited,
	};
	struct bridge_options bridge = {
		.serve = o->v4,
		.deny = o->deny,
		.confidential = access("/dev/sev-guest", F_OK) == 0 || access("/dev/sev", F_OK) == 0,
		.in = -1,
		.out = -1,
	};

	if (o->use_inouterr && take_standard_fds(&bridge, err) < 0)
		return -1;
	if (event_start(err) < 0)
		return -1;
	/* First of all: what follows is done while the host accepts and negotiates. */
	if (bridge_start(&bridge, err) < 0)
		return -1;
	if (*o->core_pattern && fs_poke("/proc/sys/kernel/core_pattern", o->core_pattern, err) < 0)
		return -1;
	if (container_init(&container, err) < 0)
		return -1;
	/* On standard input and output it is a test, perhaps without a VM of its own. */
	if (container_limit_pods(err) < 0) {
		if (!o->use_inouterr)
			return -1;
		log_warning("%s", err->text);
	}
	if (storage_init(err) < 0)
		return -1;
	bridge_ready();
	if (kmsg_start(o->kmsg_level, err) < 0)
		log_warning("%s", err->text);
	if (!o->disable_time_sync && timesync_start(err) < 0)
		log_warning("%s", err->text);
	return 0;
}

/* With the kernel's clock, which its own messages have: together with the line's time it tells one from the other. */
static void log_started(const struct options *o)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	log_line(LOG_INFO,
		 (const struct log_field[]){ { .key = "sincebootmicro", .number = now.tv_sec * 1000000LL + now.tv_nsec / 1000 }, { 0 } },
		 "gcs " GCS_VERSION " started, stdio by %s, runtime %s", o->no_kmod ? "user space" : "gcs.ko", o->runtime);
}

int main(int argc, char **argv)
{
	struct gcs_error err;
	struct options o;

	open_standard_fds();
	signal(SIGPIPE, SIG_IGN);
	keep_memory_small();
	nofile_raise();
	if (options_parse(&o, argv, &err) < 0) {
		/* In JSON if that flag was read before the mistake: the host's reader of the log takes nothing else. */
		log_setup(STDERR_FILENO, o.log_json, LOG_INFO);
		log_line(LOG_FATAL, NULL, "%s", err.text);
		return 2;
	}
	if (o.help) {
		options_help(stdout);
		return 0;
	}
	if (o.version) {
		puts("gcs " GCS_VERSION);
		return 0;
	}
	if (setup_log(&o, &err) < 0) {
		log_line(LOG_FATAL, NULL, "%s", err.text);
		return 2;
	}
	log_started(&o);
	if (start(&o, &err) < 0) {
		log_line(LOG_FATAL, NULL, "%s", err.text);
		return 1;
	}
	bridge_join();
	return 0;
}

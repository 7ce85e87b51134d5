// SPDX-License-Identifier: MIT
/* init: PID 1 of the UVM. Prepares the VM, starts the program it was given, reaps until that ends. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "init.h"

#define NOFILE_SOFT 1024
#define NOFILE_HARD 1048576

struct options {
	uint32_t entropy_port; /* 0 = none */
	bool writable;
	char *shell;
	char **program;
};

static char *default_program[] = { "/bin/gcs", "-loglevel", "debug", "-logfile=/run/gcs/gcs.log", NULL };

static void usage(void)
{
	init_log(3, "usage: init [-d SHELL] [-e PORT] [-w] [--] PROGRAM [ARG...]");
	exit(1);
}

static void parse(int argc, char **argv, struct options *o)
{
	unsigned long port;
	char *end;
	int opt;

	if (argc == 1) {
		o->program = default_program;
		o->shell = "/bin/sh";
		return;
	}
	while ((opt = getopt(argc, argv, "+d:e:w")) != -1) {
		switch (opt) {
		case 'd':
			o->shell = optarg;
			break;
		case 'e':
			errno = 0;
			port = strtoul(optarg, &end, 10);
			if (errno || *end || !port || port > UINT32_MAX || *optarg == '-') {
				init_log(3, "-e %s: not a vsock port", optarg);
				exit(1);
			}
			o->entropy_port = (uint32_t)port;
			break;
		case 'w':
			o->writable = true;
			break;
		default:
			usage();
		}
	}
	if (optind == argc)
		usage();
	o->program = argv + optind;
}

/* Without a console the kernel starts PID 1 with no descriptors: a socket must not become 0, 1 or 2. */
static void open_missing(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd <= 2);
	if (fd >= 0)
		close(fd);
}

static pid_t launch(char **argv, bool warn)
{
	pid_t pid = fork();
	sigset_t none;
	int e;

	if (pid < 0)
		init_die("fork");
	if (pid)
		return pid;
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	setsid();
	clearenv();
	setenv("PATH", "/sbin:/usr/sbin:/bin:/usr/bin", 1);
	execvp(argv[0], argv);
	e = errno;
	if (warn)
		init_log(3, "%s: %s", argv[0], strerror(e));
	_exit(e == ENOENT ? 127 : 126);
}

/* What the agent needs only when the host asks for it is loaded beside the agent's start. */
static void load_late_modules(void)
{
	pid_t pid = fork();

	if (pid < 0)
		init_die("fork");
	if (pid)
		return;
	modules_load("late");
	_exit(0);
}

static void launch_daemons(void)
{
	static char *const daemons[][4] = {
		{ "/bin/nvidia-persistenced" },
		{ "/bin/nv-fabricmanager", "-c", "/usr/share/nvidia/nvswitch/fabricmanager.cfg" },
	};

	for (size_t i = 0; i < sizeof(daemons) / sizeof(daemons[0]); i++)
		if (access(daemons[i][0], X_OK) == 0)
			launch((char **)daemons[i], false);
}

static int reap_until(pid_t watched)
{
	int status;
	pid_t pid;

	for (;;) {
		pid = wait(&status);
		if (pid < 0 && errno != EINTR)
			init_die("wait");
		if (pid != watched || !(WIFEXITED(status) || WIFSIGNALED(status)))
			continue;
		return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
	}
}

int main(int argc, char **argv)
{
	const struct rlimit nofile = { .rlim_cur = NOFILE_SOFT, .rlim_max = NOFILE_HARD };
	struct options o = { 0 };
	sigset_t all;
	pid_t watched;
	int status;

	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	/* Below the start script of a confidential VM it is not PID 1; orphans still come here. */
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	if (setrlimit(RLIMIT_NOFILE, &nofile) < 0)
		init_die("RLIMIT_NOFILE");
	mount_root();
	mount_dev();
	open_missing();
	parse(argc, argv, &o);
	mount_basic();
	init_log(5, "file systems are mounted");
	/* Early: the overlay of -w and everything that leads to the host. */
	modules_load("early");
	init_log(5, "early modules are loaded");
	if (o.writable)
		mount_writable_overlays();
	load_late_modules();
	cgroup_mount();
	loopback_up();
	if (o.entropy_port)
		entropy_read(o.entropy_port);
	launch_daemons();
	init_log(5, "starting %s", o.program[0]);
	watched = launch(o.program, true);
	if (o.shell)
		watched = launch((char *[]){ o.shell, NULL }, true);
	status = reap_until(watched);
	/* The end of PID 1 is the end of the VM (panic=-1). Say why on the way out. */
	init_log(3, "%s ended with status %d", o.shell ? o.shell : o.program[0], status);
	return status;
}

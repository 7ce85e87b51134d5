/* SPDX-License-Identifier: MIT */
/*
 * PID 1 of the test VM: brings the system up as the UVM's init does (with its code), runs the tests named after `--` on
 * the kernel's command line, or all in /tests, and reports through two virtio-serial ports:
 *
 *	gcs.ktap     the KTAP report: no kernel message can get between its lines
 *	gcs.success  "ok" as the very last act, if every test passed and the kernel's own checks found nothing
 *
 * A name without a slash is looked for in /tests; NAME=VALUE sets the environment of the tests after it.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/reboot.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <linux/netlink.h>

#include "../../userspace/init/init.h"
#include "debug.h"
#include "ktap.h"

#define PORT_DEADLINE_MS 20000

/* Before the drivers load: every port's arrival then is an event here. */
static int uevent_socket(void)
{
	struct sockaddr_nl addr = { .nl_family = AF_NETLINK, .nl_groups = 1 };
	int fd = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_KOBJECT_UEVENT);

	if (fd < 0 || bind(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0)
		init_die("uevents");
	return fd;
}

/* Returns a descriptor of the virtio-serial port @name, or -1 if it is not there. */
static int find_port(const char *name)
{
	DIR *dir = opendir("/sys/class/virtio-ports");
	struct dirent *entry;
	int fd = -1;

	while (dir && fd < 0 && (entry = readdir(dir))) {
		char path[300], text[64];
		FILE *f;

		snprintf(path, sizeof(path), "/sys/class/virtio-ports/%s/name", entry->d_name);
		f = fopen(path, "re");
		if (f && fgets(text, sizeof(text), f)) {
			text[strcspn(text, "\n")] = '\0';
			snprintf(path, sizeof(path), "/dev/%s", entry->d_name);
			if (!strcmp(text, name))
				fd = open(path, O_WRONLY | O_CLOEXEC);
		}
		if (f)
			fclose(f);
	}
	if (dir)
		closedir(dir);
	return fd;
}

static int wait_port(const char *name, int uevents)
{
	struct pollfd event = { .fd = uevents, .events = POLLIN };
	char buf[8192];
	int fd;

	while ((fd = find_port(name)) < 0) {
		if (poll(&event, 1, PORT_DEADLINE_MS) == 0) {
			errno = ETIMEDOUT;
			init_die(name);
		}
		while (recv(uevents, buf, sizeof(buf), MSG_DONTWAIT) > 0)
			;
	}
	return fd;
}

static int is_program(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

/* The programs to run, with their paths; NULL-terminated. @words, of which there may be none, are separated by commas. */
static char **select_tests(char *words)
{
	struct dirent **entries;
	int count = 1;
	char **list;

	for (const char *c = words; c && (c = strchr(c, ',')); c++)
		count++;
	if (!words) {
		count = scandir("/tests", &entries, is_program, alphasort);
		if (count < 0)
			init_die("/tests");
	}
	list = calloc(count + 1, sizeof(*list));
	if (!list)
		init_die("list of tests");
	for (int i = 0; i < count; i++) {
		const char *name = words ? strsep(&words, ",") : entries[i]->d_name;
		bool plain = !strchr(name, '/') && !strchr(name, '=');

		if (asprintf(&list[i], "%s%s", plain ? "/tests/" : "", name) < 0)
			init_die("list of tests");
	}
	return list;
}

/* In a process of its own, so that PID 1 is free to reap what the tests leave behind. */
static int run_tests(char **tests, int port)
{
	FILE *out = fdopen(port, "w");
	unsigned int failed;

	setenv("PATH", "/sbin:/usr/sbin:/bin:/usr/bin", 1);
	setenv("HOME", "/root", 1);
	if (!out)
		init_die("gcs.ktap");
	debug_begin();
	failed = ktap_run(tests, out);
	return !debug_clean(out) || failed;
}

int main(int argc, char *argv[])
{
	int uevents, ktap, success, status;
	pid_t pid, ended;

	mount_root();
	mount_dev();
	mount_basic();
	uevents = uevent_socket();
	modules_load("early");
	modules_load("late");
	cgroup_mount();
	loopback_up();
	ktap = wait_port("gcs.ktap", uevents);
	success = wait_port("gcs.success", uevents);
	close(uevents);

	pid = fork();
	if (pid < 0)
		init_die("fork");
	if (pid == 0)
		_exit(run_tests(select_tests(argc > 1 ? argv[1] : NULL), ktap));
	do
		ended = wait(&status);
	while (ended != pid);
	close(ktap);
	if (status == 0 && write(success, "ok\n", 3) != 3)
		init_log(3, "gcs.success: %s", strerror(errno));
	reboot(RB_POWER_OFF);
	return 1;
}

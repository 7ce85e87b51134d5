// SPDX-License-Identifier: MIT
/* cgroups (boot-and-image.md 2.5): version 2 where it can do everything the runtime needs, else version 1. */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/bpf.h>

#include "init.h"

#define ROOT "/sys/fs/cgroup"
#define SAFE (MS_NODEV | MS_NOSUID | MS_NOEXEC)

/* Read a small file into a string without its newline. Returns its length, or -1. */
static ssize_t read_text(const char *path, char *buf, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return -1;
	n = read(fd, buf, size - 1);
	close(fd);
	if (n < 0)
		return -1;
	if (n && buf[n - 1] == '\n')
		n--;
	buf[n] = '\0';
	return n;
}

static bool v1_asked(void)
{
	char line[4096], *save, *token;

	if (read_text("/proc/cmdline", line, sizeof(line)) < 0)
		return false;
	for (token = strtok_r(line, " ", &save); token; token = strtok_r(NULL, " ", &save))
		if (!strcmp(token, "hcsshim.cgroup=v1"))
			return true;
	return false;
}

/* Without eBPF for devices the runtime cannot restrict them in version 2. */
static bool devices_work(void)
{
	union bpf_attr attr = { 0 };
	int fd = open(ROOT, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	long ret;
	int e;

	if (fd < 0)
		return false;
	attr.query.target_fd = (uint32_t)fd;
	attr.query.attach_type = BPF_CGROUP_DEVICE;
	ret = syscall(SYS_bpf, BPF_PROG_QUERY, &attr, sizeof(attr));
	e = errno;
	close(fd);
	return ret == 0 || (e != ENOSYS && e != EINVAL);
}

/* One write a controller: one that cannot be enabled must not keep the others away. */
static void enable_controllers(char *controllers)
{
	char *save, *name, text[80];
	int fd = open(ROOT "/cgroup.subtree_control", O_WRONLY | O_CLOEXEC);

	if (fd < 0) {
		init_log(4, ROOT "/cgroup.subtree_control: %s", strerror(errno));
		return;
	}
	for (name = strtok_r(controllers, " ", &save); name; name = strtok_r(NULL, " ", &save)) {
		int n = snprintf(text, sizeof(text), "+%s", name);

		if (write(fd, text, (size_t)n) < 0)
			init_log(4, "cgroup controller %s: %s", name, strerror(errno));
	}
	close(fd);
}

static bool mount_v2(void)
{
	char controllers[1024];

	if (mount("cgroup2", ROOT, "cgroup2", SAFE, NULL) < 0 && errno != EBUSY)
		return false;
	if (read_text(ROOT "/cgroup.controllers", controllers, sizeof(controllers)) >= 0 && devices_work()) {
		enable_controllers(controllers);
		return true;
	}
	umount(ROOT);
	return false;
}

static void mount_v1(void)
{
	char line[256], name[65], path[128];
	FILE *f = fopen("/proc/cgroups", "re");
	int enabled, mounted = 0;

	if (!f)
		init_die("/proc/cgroups");
	if (mount("cgroup_root", ROOT, "tmpfs", SAFE, "mode=0755") < 0)
		init_die(ROOT);
	while (fgets(line, sizeof(line), f)) {
		/* "name hierarchy number enabled"; the heading does not scan. */
		if (sscanf(line, "%64s %*d %*d %d", name, &enabled) != 2 || name[0] == '#' || !enabled)
			continue;
		snprintf(path, sizeof(path), ROOT "/%s", name);
		if (mkdir(path, 0755) < 0 && errno != EEXIST)
			init_die(path);
		if (mount(name, path, "cgroup", SAFE, name) == 0) {
			mounted++;
			continue;
		}
		/* Newer kernels have controllers for version 2 only. */
		init_log(4, "cgroup controller %s: %s", name, strerror(errno));
		rmdir(path);
	}
	fclose(f);
	if (!mounted) {
		errno = ENODEV;
		init_die("no cgroup controller");
	}
}

void cgroup_mount(void)
{
	if (v1_asked() || !mount_v2())
		mount_v1();
}

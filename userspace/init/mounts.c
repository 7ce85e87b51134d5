// SPDX-License-Identifier: MIT
/* The UVM's file systems (boot-and-image.md 2.2 to 2.4). */
#include <errno.h>
#include <stdio.h>
#include <linux/magic.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "init.h"

#define SAFE (MS_NODEV | MS_NOSUID | MS_NOEXEC)

static void make_dir(const char *path)
{
	if (mkdir(path, 0755) < 0 && errno != EEXIST)
		init_die(path);
}

static void mount_on(const char *source, const char *target, const char *type, unsigned long flags, const char *data)
{
	/* EBUSY: a start script has done it. */
	if (mount(source, target, type, flags, data) < 0 && errno != EBUSY)
		init_die(target);
}

void mount_root(void)
{
	struct statfs fs;

	if (statfs("/", &fs) < 0)
		init_die("/");
	if (fs.f_type != RAMFS_MAGIC && fs.f_type != TMPFS_MAGIC)
		return;
	/* A copy of it on itself, as switch_root would do it with another file system. */
	if (mount("/", "/run", NULL, MS_BIND | MS_REC, NULL) < 0 || chdir("/run") < 0 ||
	    mount(".", "/", NULL, MS_MOVE, NULL) < 0 || chroot(".") < 0 || chdir("/") < 0)
		init_die("root file system");
}

void mount_dev(void)
{
	/* EBUSY: the kernel has mounted it (DEVTMPFS_MOUNT). */
	if (mount("dev", "/dev", "devtmpfs", MS_NOSUID | MS_NOEXEC, NULL) < 0 && errno != EBUSY)
		init_die("/dev");
}

void mount_basic(void)
{
	static const char *const links[][2] = {
		{ "/proc/self/fd", "/dev/fd" },
		{ "/proc/self/fd/0", "/dev/stdin" },
		{ "/proc/self/fd/1", "/dev/stdout" },
		{ "/proc/self/fd/2", "/dev/stderr" },
	};

	mount_on("proc", "/proc", "proc", SAFE, NULL);
	for (size_t i = 0; i < sizeof(links) / sizeof(links[0]); i++)
		if (symlink(links[i][0], links[i][1]) < 0 && errno != EEXIST)
			init_die(links[i][1]);
	mount_on("tmpfs", "/run", "tmpfs", SAFE, "mode=0755");
	mount_on("tmpfs", "/tmp", "tmpfs", SAFE, NULL);
	make_dir("/dev/shm");
	mount_on("shm", "/dev/shm", "tmpfs", SAFE, NULL);
	make_dir("/dev/pts");
	mount_on("devpts", "/dev/pts", "devpts", MS_NOSUID | MS_NOEXEC, NULL);
	mount_on("sysfs", "/sys", "sysfs", SAFE, NULL);
}

void mount_writable_overlays(void)
{
	static const struct {
		const char *name;
		unsigned long flags;
	} dirs[] = { { "etc", SAFE }, { "var", MS_NODEV | MS_NOSUID } };

	make_dir("/run/over");
	mount_on("tmpfs", "/run/over", "tmpfs", SAFE, "size=40%,mode=0755");
	for (size_t i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++) {
		char target[16], upper[48], work[48], base[32], data[160];

		snprintf(target, sizeof(target), "/%s", dirs[i].name);
		snprintf(base, sizeof(base), "/run/over/%s", dirs[i].name);
		snprintf(upper, sizeof(upper), "%s/upper", base);
		snprintf(work, sizeof(work), "%s/work", base);
		make_dir(base);
		make_dir(upper);
		make_dir(work);
		snprintf(data, sizeof(data), "lowerdir=%s,upperdir=%s,workdir=%s", target, upper, work);
		mount_on("overlay", target, "overlay", dirs[i].flags, data);
	}
}

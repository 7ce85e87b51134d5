// SPDX-License-Identifier: MIT
/*
 * Kernel modules. The image's builder has resolved what is needed and in which order, so that nothing is searched
 * here: /lib/modules/<release>/gcs.modules has a line for each,
 *
 *	STAGE PLATFORM PATH [PARAMETER...]
 *
 * STAGE is "early" (before the host can be reached) or "late" (loaded beside the start of the agent), PLATFORM is
 * "hyperv", "virtio" or "any", PATH is relative to the list. A missing list means that nothing is a module.
 */
#include <errno.h>
#include <cpuid.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "init.h"

/* Hyper-V's interface shows itself to those who ask the processor; drivers for it are useless elsewhere. */
static bool on_hyperv(void)
{
	unsigned int a, b, c, d;
	char vendor[12];

	if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & (1u << 31)))
		return false;
	__cpuid(0x40000000, a, b, c, d);
	memcpy(vendor, &b, 4);
	memcpy(vendor + 4, &c, 4);
	memcpy(vendor + 8, &d, 4);
	return !memcmp(vendor, "Microsoft Hv", sizeof(vendor));
}

static void load(const char *dir, const char *path, const char *parameters)
{
	char full[512];
	int fd;

	snprintf(full, sizeof(full), "%s/%s", dir, path);
	fd = open(full, O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		init_log(4, "module %s: %s", full, strerror(errno));
		return;
	}
	/* EEXIST: built in or loaded. ENODEV: its hardware is not there, as on another machine type. */
	if (syscall(SYS_finit_module, fd, parameters, 0) < 0 && errno != EEXIST && errno != ENODEV)
		init_log(4, "module %s: %s", full, strerror(errno));
	close(fd);
}

void modules_load(const char *stage)
{
	const char *platform = on_hyperv() ? "hyperv" : "virtio";
	char dir[256], list[288], line[512], in_stage[16], on_platform[16], path[256];
	struct utsname u;
	FILE *f;
	int used;

	uname(&u);
	snprintf(dir, sizeof(dir), "/lib/modules/%s", u.release);
	snprintf(list, sizeof(list), "%s/gcs.modules", dir);
	f = fopen(list, "re");
	if (!f) {
		if (errno != ENOENT)
			init_log(4, "%s: %s", list, strerror(errno));
		return;
	}
	while (fgets(line, sizeof(line), f)) {
		line[strcspn(line, "\n")] = '\0';
		if (sscanf(line, "%15s %15s %255s %n", in_stage, on_platform, path, &used) != 3)
			continue;
		if (!strcmp(in_stage, stage) && (!strcmp(on_platform, "any") || !strcmp(on_platform, platform)))
			load(dir, path, line + used);
	}
	fclose(f);
}

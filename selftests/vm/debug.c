/* SPDX-License-Identifier: MIT */
/* What a kernel with debug options found that is no panic: leaks, and that lockdep has switched itself off. */
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "debug.h"

#define KMEMLEAK "/sys/kernel/debug/kmemleak"
/* kmemleak tells nothing of what is younger than 5 s: a pointer to it may be anywhere. */
#define KMEMLEAK_AGE_MS 5500

static bool kmemleak(const char *command)
{
	int fd = open(KMEMLEAK, O_WRONLY | O_CLOEXEC);
	bool done = fd >= 0 && write(fd, command, strlen(command)) == (ssize_t)strlen(command);

	if (fd >= 0)
		close(fd);
	return done;
}

/* What the boot has left is not the tests'. */
void debug_begin(void)
{
	mount("debugfs", "/sys/kernel/debug", "debugfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL);
	if (!access(KMEMLEAK, F_OK)) {
		kmemleak("scan");
		kmemleak("clear");
	}
}

static bool no_leak(FILE *out)
{
	char line[512];
	bool clean = true;
	FILE *f;

	if (access(KMEMLEAK, F_OK))
		return true;
	poll(NULL, 0, KMEMLEAK_AGE_MS);
	/* What looked unused while a pointer moved is found to be used by the second. */
	f = kmemleak("scan") && kmemleak("scan") ? fopen(KMEMLEAK, "re") : NULL;
	if (!f) {
		fprintf(out, "# " KMEMLEAK " does not work\n");
		return false;
	}
	while (fgets(line, sizeof(line), f)) {
		fprintf(out, "# %s", line);
		clean = false;
	}
	fclose(f);
	return clean;
}

static bool lockdep_is_on(FILE *out)
{
	FILE *f = fopen("/proc/lockdep_stats", "re");
	char line[256];
	bool on = false;

	if (!f)
		return true;
	while (fgets(line, sizeof(line), f)) {
		const char *value = strstr(line, "debug_locks:");

		on = on || (value && atoi(value + strlen("debug_locks:")) == 1);
	}
	fclose(f);
	if (!on)
		fprintf(out, "# lockdep has switched itself off\n");
	return on;
}

bool debug_clean(FILE *out)
{
	bool clean = no_leak(out);

	return lockdep_is_on(out) && clean;
}

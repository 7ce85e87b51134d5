// SPDX-License-Identifier: MIT
/* The limit of open files: raised for this program, given back to the programs that it starts. */
#include <stdbool.h>
#include <sys/resource.h>

#include "nofile.h"

#define WANTED (1u << 20)

static struct rlimit before;
static bool raised;

void nofile_raise(void)
{
	struct rlimit r;

	if (getrlimit(RLIMIT_NOFILE, &before) < 0)
		return;
	/* The kernel starts PID 1 with 4096: with CAP_SYS_RESOURCE there is more. */
	r.rlim_cur = r.rlim_max = before.rlim_max > WANTED ? before.rlim_max : WANTED;
	raised = setrlimit(RLIMIT_NOFILE, &r) == 0;
	if (!raised) {
		r.rlim_cur = r.rlim_max = before.rlim_max;
		raised = setrlimit(RLIMIT_NOFILE, &r) == 0;
	}
}

void nofile_restore(void)
{
	if (raised)
		setrlimit(RLIMIT_NOFILE, &before);
}

// SPDX-License-Identifier: MIT
/* What the agent uses of the guest's time and memory: read in the guest, from /proc. */
#include <stdio.h>
#include <string.h>

#include "agent_usage.h"
#include "cleanup.h"
#include "timing.h"

int agent_usage(struct guest *g, struct agent_usage *u, struct gcs_error *err)
{
	/* smaps_rollup counts; VmRSS may lag by 64 pages a thread. */
	static const char *const argv[] = { "sh", "-c",
					    /* A kernel thread of gcs.ko may have the same name, but no program. */
					    "for p in /proc/[0-9]*; do [ -e $p/exe ] && read c 2>/dev/null < $p/comm || continue; "
					    "[ \"$c\" = gcs ] || continue; "
					    "cat $p/stat; cat $p/task/*/schedstat; grep Rss: $p/smaps_rollup; break; done",
					    NULL };
	_cleanup_free_ char *text = guest_run(g, argv, err);
	const char *at = text ? strrchr(text, ')') : NULL, *rss = text ? strstr(text, "Rss:") : NULL;
	unsigned long user, system;
	unsigned long long ns;

	if (!text)
		return -1;
	/* Fields 14 and 15 of stat; the name before them may hold anything. */
	if (!at || sscanf(at, ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &system) != 2 || !rss ||
	    sscanf(rss, "Rss: %lf", &u->rss_kib) != 1)
		return gcs_fail(err, 0, HR_FAIL, "CPU time and memory of the agent: not found");
	u->cpu_ms = (double)(user + system) * 10;
	u->threads_ms = 0;
	while ((at = strchr(at, '\n')) && sscanf(++at, "%llu", &ns) == 1)
		u->threads_ms += (double)ns / 1e6;
	return 0;
}

static double spent(double before, double after, double again)
{
	double ms = after - before - (again - after);

	return ms > 0 ? ms : 0;
}

int agent_note(struct guest *g, const struct agent_usage *before, struct json_object *figures, struct gcs_error *err)
{
	struct agent_usage after, again;

	if (agent_usage(g, &after, err) < 0 || agent_usage(g, &again, err) < 0)
		return -1;
	timing_value(figures, "agent_cpu_ms", spent(before->cpu_ms, after.cpu_ms, again.cpu_ms));
	timing_value(figures, "agent_threads_cpu_ms", spent(before->threads_ms, after.threads_ms, again.threads_ms));
	timing_value(figures, "agent_rss_kib", again.rss_kib);
	return 0;
}

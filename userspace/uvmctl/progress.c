// SPDX-License-Identifier: MIT
/* How far long work has come. One thing at a time: who makes disks is one thread. */
#include "progress.h"

#include <stdbool.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "clock.h"

#define DRAW_MS 100 /* not more often; and what is done before that is not shown */
#define BAR 24
#define WIDTH_MIN 60

static struct {
	bool quiet, drawn;
	char what[64];
	uint64_t done, total;
	int64_t last;
} progress;

void progress_quiet(void)
{
	progress.quiet = true;
}

void progress_begin(const char *what, uint64_t total)
{
	struct winsize size;

	progress.total = progress.quiet || ioctl(STDERR_FILENO, TIOCGWINSZ, &size) < 0 || (size.ws_col && size.ws_col < WIDTH_MIN) ?
				 0 : total;
	progress.done = 0;
	progress.last = clock_now_ms();
	snprintf(progress.what, sizeof(progress.what), "%.30s", what);
}

void progress_step(uint64_t bytes)
{
	char bar[BAR + 1];
	uint64_t filled;
	int64_t now;

	progress.done += bytes;
	if (!progress.total)
		return;
	now = clock_now_ms();
	if (now - progress.last < DRAW_MS)
		return;
	progress.last = now;
	progress.drawn = true;
	filled = progress.done >= progress.total ? BAR : progress.done * BAR / progress.total;
	for (unsigned int i = 0; i < BAR; i++)
		bar[i] = i < filled ? '#' : '.';
	bar[BAR] = '\0';
	fprintf(stderr, "\r%s [%s] %3u%%", progress.what, bar,
		progress.done >= progress.total ? 100 : (unsigned int)(progress.done * 100 / progress.total));
}

void progress_end(void)
{
	if (progress.drawn)
		fprintf(stderr, "\r\033[K");
	progress.drawn = false;
	progress.total = 0;
}

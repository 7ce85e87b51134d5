// SPDX-License-Identifier: MIT
/* `uvmctl stats`: what containers use, as the agent reads it from their cgroups. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "cleanup.h"
#include "client.h"
#include "jsonset.h"
#include "stats_plot.h"
#include "table.h"
#include "timing.h"
#include "verbs.h"

#define CLEAR "\033[H\033[2J"

/* The number at the end of the path @keys, which ends with NULL; 0 if it is not there, as the guest leaves out zeros. */
static uint64_t number(struct json_object *o, const char *const *keys)
{
	for (; *keys; keys++)
		if (!json_object_object_get_ex(o, *keys, &o))
			return 0;
	return json_object_get_uint64(o);
}

#define NUMBER(o, ...) number(o, (const char *const[]){ __VA_ARGS__, NULL })

static void set_size(struct json_object *row, const char *key, uint64_t bytes)
{
	static const char units[] = "KMGTP";
	double n = (double)bytes / 1024;
	char text[32];
	int u = 0;

	for (; n >= 1024 && units[u + 1]; u++)
		n /= 1024;
	/* No limit is 2^64-1, or with cgroup v1 the largest multiple of a page. */
	if (bytes > UINT64_MAX / 4)
		snprintf(text, sizeof(text), "-");
	else
		snprintf(text, sizeof(text), n < 10 ? "%.1f %ciB" : "%.0f %ciB", n, units[u]);
	set_string(row, key, text);
}

/* What was used in the milliseconds since @before, by container; NULL: nothing is known yet. */
static struct json_object *row_of(struct json_object *c, struct json_object *before, double ms)
{
	struct json_object *row = json_object_new_object(), *m = NULL, *old = NULL;
	const char *name = get_string(c, "name") ?: "";
	double percent = -1;
	uint64_t ns;
	char text[32];

	json_object_object_get_ex(c, "statistics", &m);
	ns = NUMBER(m, "cpu", "usage", "total");
	set_string(row, "name", name);
	if (before && json_object_object_get_ex(before, name, &old))
		percent = cpu_percent(json_object_get_uint64(old), ns, ms);
	if (percent >= 0) {
		snprintf(text, sizeof(text), "%.1f%%", percent);
		set_string(row, "cpu", text);
	}
	snprintf(text, sizeof(text), "%.2f s", (double)ns / 1e9);
	set_string(row, "time", text);
	set_size(row, "memory", NUMBER(m, "memory", "usage", "usage"));
	set_size(row, "peak", NUMBER(m, "memory", "usage", "max"));
	set_size(row, "limit", NUMBER(m, "memory", "usage", "limit"));
	set_number(row, "pids", (int64_t)NUMBER(m, "pids", "current"));
	set_number(row, "oom", (int64_t)NUMBER(m, "memory_oom_control", "oom_kill"));
	return row;
}

static void print_table(struct json_object *containers, struct json_object **before, double ms)
{
	static const struct table_column columns[] = { { "CONTAINER", "name" }, { "CPU", "cpu" }, { "CPU TIME", "time" },
						       { "MEMORY", "memory" }, { "PEAK", "peak" }, { "LIMIT", "limit" },
						       { "PIDS", "pids" }, { "OOM KILLS", "oom" } };
	_cleanup_json_ struct json_object *rows = json_object_new_array();
	struct json_object *now = json_object_new_object(), *m = NULL;

	for (size_t i = 0; i < json_object_array_length(containers); i++) {
		struct json_object *c = json_object_array_get_idx(containers, i);

		json_object_array_add(rows, row_of(c, *before, ms));
		json_object_object_get_ex(c, "statistics", &m);
		json_object_object_add(now, get_string(c, "name") ?: "", json_object_new_uint64(NUMBER(m, "cpu", "usage", "total")));
	}
	json_object_put(*before);
	*before = now;
	table_print(stdout, rows, columns, sizeof(columns) / sizeof(columns[0]), false);
	fflush(stdout);
}

static int ask(const struct options *o, struct json_object **answer, struct gcs_error *err)
{
	return client_request(o->in, client_new("stats", o->operand_count ? o->operands[0] : NULL), answer, err);
}

static int add_to_plot(struct plot *plot, struct json_object *containers, double ms, struct gcs_error *err)
{
	for (size_t i = 0; i < json_object_array_length(containers); i++) {
		struct json_object *c = json_object_array_get_idx(containers, i), *m = NULL;

		if (json_object_object_get_ex(c, "statistics", &m) &&
		    plot_add(plot, get_string(c, "name") ?: "", ms, NUMBER(m, "cpu", "usage", "total"),
			     NUMBER(m, "memory", "usage", "usage"), err) < 0)
			return -1;
	}
	return 0;
}

/* Wait for the next second. False when a signal has come, if @signals, which may be -1, is for that. */
static bool next_second(int timer, int signals)
{
	struct pollfd p[2] = { { .fd = signals, .events = POLLIN }, { .fd = timer, .events = POLLIN } };
	uint64_t ticks;

	while (poll(p, 2, -1) < 0)
		if (errno != EINTR)
			return false;
	return !p[0].revents && read(timer, &ticks, sizeof(ticks)) == sizeof(ticks);
}

/* Once a second, until a signal or the UVM ends it, or the time is over. */
static int live(const struct options *o, struct plot *plot, struct gcs_error *err)
{
	struct itimerspec second = { .it_interval.tv_sec = 1, .it_value.tv_nsec = 1 };
	_cleanup_json_ struct json_object *before = NULL;
	_cleanup_close_ int timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC), signals = -1;
	bool screen = isatty(STDOUT_FILENO);
	double last = timing_now();
	sigset_t set;

	/* A picture is drawn when they come. */
	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	if (o->plot) {
		sigprocmask(SIG_BLOCK, &set, NULL);
		signals = signalfd(-1, &set, SFD_CLOEXEC);
	}
	if (timer < 0 || timerfd_settime(timer, 0, &second, NULL) < 0 || (o->plot && signals < 0))
		return gcs_fail(err, errno, HR_FAIL, "timer");
	for (unsigned int n = 0; (!o->seconds || n <= o->seconds) && next_second(timer, signals); n++) {
		_cleanup_json_ struct json_object *answer = NULL;
		double now;

		if (ask(o, &answer, err) < 0)
			return -1;
		now = timing_now();
		if (o->plot && add_to_plot(plot, get_array(answer, "containers"), now, err) < 0)
			return -1;
		if (screen)
			fputs(CLEAR, stdout);
		if (screen || !o->plot)
			print_table(get_array(answer, "containers"), &before, now - last);
		last = now;
	}
	return 0;
}

/* What there is is drawn, also when the UVM has ended meanwhile. */
static int draw(const struct options *o, struct gcs_error *err)
{
	struct plot plot = { 0 };
	struct gcs_error failed;
	int ret = live(o, &plot, err);

	if (plot.count || ret == 0)
		ret |= plot_draw(&plot, o->plot, ret ? &failed : err);
	plot_free(&plot);
	return ret;
}

int verb_stats(struct options *o)
{
	_cleanup_json_ struct json_object *answer = NULL, *before = NULL;
	struct gcs_error err = { 0 };

	if (o->plot)
		return draw(o, &err) < 0 ? verb_failed(&err, false) : 0;
	if (!o->json && (o->seconds || isatty(STDOUT_FILENO)))
		return live(o, NULL, &err) < 0 ? verb_failed(&err, false) : 0;
	if (ask(o, &answer, &err) < 0)
		return verb_failed(&err, o->json);
	if (o->json)
		table_print(stdout, get_array(answer, "containers"), NULL, 0, true);
	else
		print_table(get_array(answer, "containers"), &before, 1);
	return 0;
}

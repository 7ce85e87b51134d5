// SPDX-License-Identifier: MIT
/* The file of events: what is done to containers and devices, and what the guest's log says of their memory. */
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cleanup.h"
#include "jsonset.h"
#include "log.h"
#include "supervisor.h"

static struct json_object *new_event(const char *event, const char *container)
{
	struct json_object *o = json_object_new_object();
	char text[LOG_TIME_MAX];
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	log_time(text, &now);
	set_string(o, "time", text);
	set_string(o, "event", event);
	if (container && *container)
		set_string(o, "container", container);
	return o;
}

/* One write, so that lines of several threads do not mix. What the disk does not take is lost; a part of a line ends before the next. */
static void write_event(struct supervisor *s, struct json_object *o)
{
	static atomic_bool cut;
	_cleanup_free_ char *line = NULL;
	ssize_t length = asprintf(&line, "\n%s\n", json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
	int skip = !atomic_exchange(&cut, false);
	ssize_t written;

	if (length < 0) {
		line = NULL;
		return;
	}
	written = write(s->events_fd, line + skip, (size_t)(length - skip));
	if (written != length - skip && (written > 0 || !skip))
		atomic_store(&cut, true);
}

void supervisor_event(struct supervisor *s, const char *event, const char *container, const char *detail, int64_t number)
{
	_cleanup_json_ struct json_object *o = new_event(event, container);

	if (detail)
		set_number(o, detail, number);
	write_event(s, o);
}

void supervisor_device_event(void *arg, const char *event, const struct device *dev)
{
	_cleanup_json_ struct json_object *o = new_event(event, NULL);

	set_string(o, "device", dev->name);
	set_string(o, "kind", device_kind_name(dev->kind));
	if (dev->source)
		set_string(o, "source", dev->source);
	write_event(arg, o);
}

/* The guest sends no message of these: its agent writes them into its log, and only there. */
static const char *event_of(const char *msg)
{
	static const struct {
		const char *msg, *event;
	} table[] = {
		{ "OOM event occurred in cgroup", "oom" },
		{ "memory pressure in cgroup", "memory-pressure" },
		{ "memory usage for cgroup exceeded threshold", "memory-threshold" },
	};

	for (size_t i = 0; msg && i < sizeof(table) / sizeof(table[0]); i++)
		if (!strcmp(table[i].msg, msg))
			return table[i].event;
	return NULL;
}

void supervisor_log_line(void *arg, char *text)
{
	struct supervisor *s = arg;
	_cleanup_json_ struct json_object *line = strstr(text, "\"thresholdBytes\":") ? json_tokener_parse(text) : NULL, *o = NULL;
	const char *event = event_of(get_string(line, "msg")), *id = get_string(line, "cid");
	struct container *c = NULL;
	char name[65] = "";

	if (!event)
		return;
	pthread_mutex_lock(&s->lock);
	if (id)
		c = container_by_name(s, id);
	if (c)
		snprintf(name, sizeof(name), "%s", c->name);
	pthread_mutex_unlock(&s->lock);
	o = new_event(event, name);
	/* Of the agent itself, of all containers together, or in one that is gone already. */
	if (!c)
		set_string(o, "cgroup", get_string(line, "cgroup") ?: "");
	set_number(o, "count", get_number(line, "count"));
	set_number(o, "usage", get_number(line, "memoryUsage"));
	write_event(s, o);
}

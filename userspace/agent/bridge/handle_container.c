// SPDX-License-Identifier: MIT
/* Requests about containers: Create, Start, GetProperties, DeleteContainerState; the exit notification. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "request.h"

/* As many as the frame has room for: 27 bytes each, escaped. */
#define PROCESSES_MAX 2000

int handle_create(struct request *rq, void *message, void *response, struct gcs_error *err)
{
	const struct create_message *m = message;
	const struct schema_version *schema = &m->config.schema;
	const struct container_config config = {
		.activity_id = json_str(m->base.activity_id),
		.bundle = json_str(m->config.bundle),
		.scratch = json_str(m->config.scratch),
		.spec = m->config.spec,
	};

	if (schema->major < 2 || (schema->major == 2 && schema->minor < 1))
		return gcs_fail(err, 0, HR_INVALID_JSON, "Create: SchemaVersion %u.%u, at least 2.1 is needed",
				schema->major, schema->minor);
	return container_create(json_str(m->base.container_id), &config, err);
}

int handle_start(struct request *rq, void *message, void *response, struct gcs_error *err)
{
	/* ExecuteProcess starts the init; a host gives up the container if this fails (bridge.md 9.3). */
	return 0;
}

static int list_processes(const char *id, struct json_objects *list, struct gcs_error *err)
{
	_cleanup_free_ uint32_t *pids = NULL;
	struct process_item *items;
	size_t count;

	if (container_pids(id, &pids, &count, err) < 0)
		return -1;
	if (count > PROCESSES_MAX) {
		log_warning("ProcessList: the first %d of %zu processes", PROCESSES_MAX, count);
		count = PROCESSES_MAX;
	}
	items = calloc(count + 1, sizeof(*items));
	if (!items)
		return gcs_fail(err, ENOMEM, HR_FAIL, "GetProperties: list of %zu processes", count);
	for (size_t i = 0; i < count; i++)
		items[i].pid = pids[i];
	free(list->items);
	*list = (struct json_objects){ items, count };
	return 0;
}

static int read_statistics(const char *id, struct cgroup_stats **s, struct gcs_error *err)
{
	/* Asked for twice: the later counts. */
	if (*s)
		stats_free(*s);
	else
		*s = calloc(1, sizeof(**s));
	if (!*s)
		return gcs_fail(err, ENOMEM, HR_FAIL, "GetProperties: statistics");
	return container_stats(id, *s, err);
}

bool is_empty_query(const void *message)
{
	const struct properties_message *m = message;

	return !m->query.types || !m->query.types[0];
}

int handle_get_properties(struct request *rq, void *message, void *response, struct gcs_error *err)
{
	const struct properties_message *m = message;
	struct properties_response *r = response;
	const char *id = json_str(m->base.container_id);

	if (strcmp(id, NULL_GUID) == 0)
		return gcs_fail(err, 0, HR_FAIL, "GetProperties: not supported for the VM itself");
	if (container_check(id, err) < 0)
		return -1;
	for (char **type = m->query.types; type && *type; type++) {
		int ret = 0;

		if (strcmp(*type, "ProcessList") == 0)
			ret = list_processes(id, &r->properties.processes, err);
		else if (strcmp(*type, "Statistics") == 0)
			ret = read_statistics(id, &r->properties.statistics, err);
		else
			log_info("GetProperties: skipped property type %s", *type);
		if (ret < 0)
			return -1;
	}
	return 0;
}

int handle_delete(struct request *rq, void *message, void *response, struct gcs_error *err)
{
	return container_delete(json_str(request_base(rq)->container_id), err);
}

void bridge_container_exited(const char *id, const char *activity_id, enum container_exit_type type)
{
	static const char *const types[] = {
		[EXIT_UNEXPECTED] = "UnexpectedExit",
		[EXIT_GRACEFUL] = "GracefulExit",
		[EXIT_FORCED] = "ForcedExit",
	};
	struct notification n = {
		.container_id = (char *)id,
		.activity_id = (char *)(request_is_guid(activity_id) ? activity_id : NULL_GUID),
		.type = (char *)types[type],
		.operation = "None",
	};
	struct outgoing *o = calloc(1, sizeof(*o));
	struct gcs_error err = { .text = "no memory" };

	if (o)
		o->cid = strdup(id);
	if (!o || !o->cid || json_encode(notification_table, &n, &o->payload, &o->length, &err) < 0) {
		log_error("container %s: exit notification: %s", id, err.text);
		if (o)
			free(o->cid);
		free(o);
		return;
	}
	o->type = MSG_NOTIFY_CONTAINER;
	o->hold = true;
	writer_put(o);
	log_info("container %s: %s notified", id, n.type);
}

// SPDX-License-Identifier: MIT
/* What the containers of a UVM use. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "jsonset.h"
#include "supervisor.h"

/* The running containers that are asked for: objects with name and id. NULL with @err. */
static struct json_object *chosen(struct supervisor *s, struct json_object *request, struct gcs_error *err)
{
	struct json_object *list = json_object_new_array(), *o;
	struct container *only = NULL, *c;
	bool failed = false;

	pthread_mutex_lock(&s->lock);
	if (get_string(request, "container")) {
		only = container_find(s, request, err);
		failed = !only;
		if (only && only->state != CONTAINER_RUNNING)
			failed = gcs_fail(err, 0, HR_FAIL, "container %s is not running", only->name) < 0;
	}
	LIST_FOREACH(c, &s->containers, link) {
		if (failed || (only && c != only) || c->state != CONTAINER_RUNNING)
			continue;
		o = json_object_new_object();
		set_string(o, "name", c->name);
		set_string(o, "id", c->parts.id);
		json_object_array_add(list, o);
	}
	pthread_mutex_unlock(&s->lock);
	if (!failed)
		return list;
	json_object_put(list);
	return NULL;
}

int serve_stats(struct client *client, struct json_object *request, struct json_object *answer, struct gcs_error *err)
{
	struct json_object *list = chosen(client->s, request, err), *statistics;

	if (!list)
		return -1;
	json_object_object_add(answer, "containers", list);
	for (size_t i = 0; i < json_object_array_length(list); i++) {
		struct json_object *o = json_object_array_get_idx(list, i);

		/* One that has been removed just now has none. */
		statistics = guest_statistics(&client->s->uvm.guest, get_string(o, "id"), err);
		if (statistics)
			json_object_object_add(o, "statistics", statistics);
		else if (err->hr != HR_SYSTEM_NOT_FOUND)
			return -1;
	}
	return 0;
}

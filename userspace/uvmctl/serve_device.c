// SPDX-License-Identifier: MIT
/* Devices of the UVM as its clients ask for them. */
#include <stdio.h>

#include "jsonset.h"
#include "supervisor.h"

/* The container whose network an interface is for: its pod's, if it is in one. */
static int network_owner(struct supervisor *s, struct json_object *request, char id[65], struct gcs_error *err)
{
	struct container *c;

	pthread_mutex_lock(&s->lock);
	c = container_find(s, request, err);
	if (c)
		snprintf(id, 65, "%s", (c->pod ?: c)->parts.id);
	pthread_mutex_unlock(&s->lock);
	return c ? 0 : -1;
}

int serve_device_add(struct client *client, struct json_object *request, struct json_object *answer, struct gcs_error *err)
{
	struct supervisor *s = client->s;
	struct device_request r = { .name = get_string(request, "name"), .source = get_string(request, "source"),
				    .path = get_string(request, "path"), .fd = client->fds.count ? client->fds.fds[0] : -1,
				    .read_only = get_bool(request, "read_only"), .raw = get_bool(request, "raw"),
				    .address = get_string(request, "address"), .publish = get_array(request, "publish") };
	int kind = device_kind_by_name(get_string(request, "kind") ?: "");
	char name[65], path[128], id[65];

	if (kind < 0 || device_kind_is_disk(kind) != (r.fd >= 0) || (kind != DEVICE_NIC && !r.source))
		return gcs_fail(err, 0, HR_FAIL, "device add: the request is not complete");
	r.kind = (enum device_kind)kind;
	if (kind == DEVICE_NIC) {
		if (network_owner(s, request, id, err) < 0)
			return -1;
		r.container = id;
	}
	if (device_add(&s->devices, &r, name, path, err) < 0)
		return -1;
	set_string(answer, "name", name);
	set_string(answer, "path", path);
	return 0;
}

int serve_device_rm(struct client *client, struct json_object *request, struct json_object *answer, struct gcs_error *err)
{
	const char *name = get_string(request, "name") ?: "";

	if (device_remove(&client->s->devices, name, err) < 0)
		return -1;
	return 0;
}

int serve_device_ls(struct client *client, struct json_object *request, struct json_object *answer, struct gcs_error *err)
{
	struct json_object *list = devices_describe(&client->s->devices);
	struct container *c;

	/* People know containers by their names. */
	pthread_mutex_lock(&client->s->lock);
	for (size_t i = 0; i < json_object_array_length(list); i++) {
		struct json_object *users = get_array(json_object_array_get_idx(list, i), "users");

		for (size_t j = 0; users && j < json_object_array_length(users); j++) {
			c = container_by_name(client->s, json_object_get_string(json_object_array_get_idx(users, j)));
			if (c)
				json_object_array_put_idx(users, j, json_object_new_string(c->name));
		}
	}
	pthread_mutex_unlock(&client->s->lock);
	json_object_object_add(answer, "devices", list);
	return 0;
}

// SPDX-License-Identifier: MIT
/* ModifySettings: one row a resource type (bridge.md 9.9, storage-and-network.md sections 1 and 2). */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "request.h"
#include "storage/storage.h"

union settings {
	struct mapped_disk_settings disk;
	struct scsi_device_settings scsi;
	struct combined_layers_settings layers;
	struct constraints_settings constraints;
};

typedef int (*modify_fn)(const union settings *s, struct gcs_error *err);
typedef int (*modify_container_fn)(const char *id, const union settings *s, struct gcs_error *err);

struct resource {
	const char *name;
	const struct json_field *table; /* NULL: known, but this guest has it not */
	modify_fn add, remove, update;	/* NULL: the RequestType is not supported */
	modify_container_fn container;	/* of a container, whatever the RequestType */
	bool no_settings;
};

static struct mapped_disk to_disk(const struct mapped_disk_settings *s)
{
	return (struct mapped_disk){
		.mount_path = json_str(s->mount_path),
		.controller = s->controller,
		.lun = s->lun,
		.partition = s->partition,
		.read_only = s->read_only,
		.block_dev = s->block_dev,
		.encrypted = s->encrypted,
		.ensure_filesystem = s->ensure_filesystem,
		.filesystem = json_str(s->filesystem),
		.options = s->options,
	};
}

static int add_disk(const union settings *s, struct gcs_error *err)
{
	struct mapped_disk disk = to_disk(&s->disk);

	return disk_map(&disk, err);
}

static int remove_disk(const union settings *s, struct gcs_error *err)
{
	struct mapped_disk disk = to_disk(&s->disk);

	return disk_unmap(&disk, err);
}

static int remove_scsi(const union settings *s, struct gcs_error *err)
{
	return disk_eject(s->scsi.controller, s->scsi.lun, err);
}

static int add_layers(const union settings *s, struct gcs_error *err)
{
	const struct json_objects *list = &s->layers.layers;
	const struct layer_item *items = list->items;
	_cleanup_free_ char **paths = calloc(list->count + 1, sizeof(*paths));
	struct combined_layers l = {
		.root = json_str(s->layers.root),
		.scratch = json_str(s->layers.scratch),
		.layers = paths,
	};

	if (!paths)
		return gcs_fail(err, ENOMEM, HR_FAIL, "CombinedLayers: %zu layers", list->count);
	for (size_t i = 0; i < list->count; i++) {
		if (!items[i].path)
			return gcs_fail(err, 0, HR_INVALID_ARG, "CombinedLayers: layer %zu has no Path", i);
		paths[i] = items[i].path;
	}
	return layers_combine(&l, err);
}

static int remove_layers(const union settings *s, struct gcs_error *err)
{
	return layers_remove(json_str(s->layers.root), err);
}

static int constrain(const char *id, const union settings *s, struct gcs_error *err)
{
	return container_update(id, s->constraints.linux_, err);
}

static int limit_pods(const union settings *s, struct gcs_error *err)
{
	return container_limit_pods(err);
}

static const struct resource resources[] = {
	{ .name = "MappedVirtualDisk", .table = mapped_disk_table, .add = add_disk, .remove = remove_disk },
	{ .name = "SCSIDevice", .table = scsi_device_table, .remove = remove_scsi },
	{ .name = "CombinedLayers", .table = combined_layers_table, .add = add_layers, .remove = remove_layers },
	{ .name = "MappedDirectory" },
	{ .name = "VPMemDevice" },
	{ .name = "Network" },
	{ .name = "VPCIDevice" },
	{ .name = "ContainerConstraints", .table = constraints_table, .container = constrain },
	{ .name = "SecurityPolicy" },
	{ .name = "SecurityPolicyFragment" },
	{ .name = "PodCgroupMemoryLimit", .no_settings = true, .update = limit_pods },
};

static const struct resource *find(const char *name)
{
	for (size_t i = 0; i < sizeof(resources) / sizeof(resources[0]); i++)
		if (strcmp(resources[i].name, name) == 0)
			return &resources[i];
	return NULL;
}

static int apply(const struct resource *r, const char *request, const char *id, const union settings *s,
		 struct gcs_error *err)
{
	modify_fn fn = NULL;

	if (strcmp(id, NULL_GUID) != 0) {
		if (container_check(id, err) < 0)
			return -1;
		if (!r->container)
			return gcs_fail(err, 0, HR_FAIL, "the ResourceType \"%s\" is not supported for containers",
					r->name);
	}
	if (r->container)
		return r->container(id, s, err);
	if (!r->table && !r->no_settings)
		return gcs_fail(err, 0, HR_FAIL, "the ResourceType \"%s\" is not supported by this guest", r->name);
	if (strcmp(request, "Add") == 0)
		fn = r->add;
	else if (strcmp(request, "Remove") == 0)
		fn = r->remove;
	else if (strcmp(request, "Update") == 0)
		fn = r->update;
	if (!fn)
		return gcs_fail(err, 0, HR_FAIL, "%s: the RequestType \"%.64s\" is not supported", r->name, request);
	return fn(s, err);
}

int handle_modify(struct request *rq, void *message, void *response, struct gcs_error *err)
{
	const struct modify_message *m = message;
	const char *request = json_str(m->request.request);
	const struct resource *r = find(json_str(m->request.resource));
	union settings s = { 0 };
	int ret;

	if (!r)
		return gcs_fail(err, 0, HR_FAIL, "invalid ResourceType '%.64s'", json_str(m->request.resource));
	if (!m->request.settings && !r->no_settings)
		return gcs_fail(err, 0, HR_INVALID_JSON, "ModifySettings: %s: Settings are missing", r->name);
	if (r->table && json_decode(r->table, &s, m->request.settings, strlen(m->request.settings), err) < 0)
		ret = gcs_fail_prefix(err, "ModifySettings: Settings of %s", r->name);
	else
		ret = apply(r, *request ? request : "Add", json_str(m->base.container_id), &s, err);
	if (r->table)
		json_free(r->table, &s);
	return ret;
}

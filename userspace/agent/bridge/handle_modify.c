// SPDX-License-Identifier: MIT
/* ModifySettings: one row a resource type (bridge.md 9.9, storage-and-network.md sections 1 and 2). */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "clock.h"
#include "network/network.h"
#include "pci/pci.h"
#include "policy.h"
#include "request.h"
#include "storage/storage.h"

union settings {
	struct mapped_disk_settings disk;
	struct vpmem_settings vpmem;
	struct scsi_device_settings scsi;
	struct mapped_directory_settings directory;
	struct vpci_device_settings vpci;
	struct combined_layers_settings layers;
	struct network_adapter_settings adapter;
	struct constraints_settings constraints;
	struct security_policy_settings policy;
	struct policy_fragment_settings fragment;
};

typedef int (*modify_fn)(const union settings *s, struct gcs_error *err);
typedef int (*modify_container_fn)(const char *id, const union settings *s, struct gcs_error *err);

struct resource {
	const char *name;
	const struct json_field *table; /* NULL: known, but this guest has it not */
	modify_fn add, remove, update;	/* NULL: the RequestType is not supported */
	modify_fn any;			/* whatever the RequestType */
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

static int add_vpmem(const union settings *s, struct gcs_error *err)
{
	const struct vpmem_mapping_settings *mapping = s->vpmem.mapping;
	struct vpmem v = { .mount_path = json_str(s->vpmem.mount_path), .device = s->vpmem.device };

	if (mapping) {
		v.is_part = true;
		v.offset = mapping->offset;
		v.size = mapping->size;
	}
	return vpmem_map(&v, err);
}

static int remove_vpmem(const union settings *s, struct gcs_error *err)
{
	return vpmem_unmap(json_str(s->vpmem.mount_path), err);
}

static int remove_scsi(const union settings *s, struct gcs_error *err)
{
	return disk_eject(s->scsi.controller, s->scsi.lun, err);
}

static int add_share(const union settings *s, struct gcs_error *err)
{
	struct mapped_directory dir = {
		.mount_path = json_str(s->directory.mount_path),
		.port = s->directory.port,
		.name = json_str(s->directory.name),
		.read_only = s->directory.read_only,
	};

	return share_map(&dir, err);
}

static int remove_share(const union settings *s, struct gcs_error *err)
{
	return share_unmap(json_str(s->directory.mount_path), err);
}

/* When one is removed, nobody is told. */
static int add_vpci(const union settings *s, struct gcs_error *err)
{
	return pci_wait(json_str(s->vpci.guid), clock_now_ms() + pci_deadline_ms, err);
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

/* Metrics where the host has chosen none: of a default route of an older host, and in a routing table of an adapter's own. */
#define OLD_METRIC 1
#define LOW_METRIC 500

/* An address of an older host's, and its default route. */
static void add_old(struct adapter_settings *a, struct ip_settings *ips, struct route_settings *routes, const struct old_ip *old,
		    const char *destination)
{
	if (!*json_str(old->address))
		return;
	ips[a->ip_count++] = (struct ip_settings){ old->address, old->prefix };
	if (*json_str(old->gateway))
		routes[a->route_count++] = (struct route_settings){ old->gateway, destination, OLD_METRIC, LOW_METRIC };
	/* It has said so of none, and meant all. */
	a->policy_routing = true;
}

static int add_adapter(const union settings *settings, struct gcs_error *err)
{
	const struct network_adapter_settings *s = &settings->adapter;
	const struct ip_item *ip_items = s->ips.items;
	const struct route_item *route_items = s->routes.items;
	_cleanup_free_ struct ip_settings *ips = calloc(s->ips.count + 2, sizeof(*ips));
	_cleanup_free_ struct route_settings *routes = calloc(s->routes.count + 2, sizeof(*routes));
	struct adapter_settings a = {
		.namespace = json_str(s->namespace),
		.id = json_str(s->id),
		.mac = json_str(s->mac),
		.dns_search = json_str(s->dns_search),
		.dns_servers = json_str(s->dns_servers),
		.encap_overhead = s->encap_overhead,
		.vpci = s->vpci,
		.policy_routing = s->policy_routing,
		.low_metric = s->low_metric,
		.ips = ips,
		.routes = routes,
	};

	if (!ips || !routes)
		return gcs_fail(err, ENOMEM, HR_FAIL, "adapter %.64s", a.id);
	for (size_t i = 0; i < s->ips.count; i++)
		ips[a.ip_count++] = (struct ip_settings){ json_str(ip_items[i].address), ip_items[i].prefix };
	for (size_t i = 0; i < s->routes.count; i++) {
		uint16_t metric = route_items[i].metric;

		routes[a.route_count++] = (struct route_settings){ json_str(route_items[i].next_hop),
								   json_str(route_items[i].destination), metric,
								   metric ? metric : LOW_METRIC };
	}
	if (!s->ips.count) {
		add_old(&a, ips, routes, &s->old4, "0.0.0.0/0");
		add_old(&a, ips, routes, &s->old6, "::/0");
	}
	return adapter_add(&a, err);
}

static int remove_adapter(const union settings *s, struct gcs_error *err)
{
	return adapter_remove(json_str(s->adapter.namespace), json_str(s->adapter.id), err);
}

static int constrain(const char *id, const union settings *s, struct gcs_error *err)
{
	return container_update(id, s->constraints.linux_, err);
}

static int limit_pods(const union settings *s, struct gcs_error *err)
{
	return container_limit_pods(err);
}

static int set_policy(const union settings *s, struct gcs_error *err)
{
	return policy_set(&s->policy, err);
}

static int add_fragment(const union settings *s, struct gcs_error *err)
{
	return policy_add_fragment(&s->fragment, err);
}

static const struct resource resources[] = {
	{ .name = "MappedVirtualDisk", .table = mapped_disk_table, .add = add_disk, .remove = remove_disk },
	{ .name = "SCSIDevice", .table = scsi_device_table, .remove = remove_scsi },
	{ .name = "CombinedLayers", .table = combined_layers_table, .add = add_layers, .remove = remove_layers },
	{ .name = "MappedDirectory", .table = mapped_directory_table, .add = add_share, .remove = remove_share },
	{ .name = "VPMemDevice", .table = vpmem_table, .add = add_vpmem, .remove = remove_vpmem },
	{ .name = "Network", .table = network_adapter_table, .add = add_adapter, .remove = remove_adapter },
	{ .name = "VPCIDevice", .table = vpci_device_table, .add = add_vpci },
	{ .name = "ContainerConstraints", .table = constraints_table, .container = constrain },
	{ .name = "SecurityPolicy", .table = security_policy_table, .any = set_policy },
	{ .name = "SecurityPolicyFragment", .table = policy_fragment_table, .any = add_fragment },
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
	if (r->any)
		return r->any(s, err);
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

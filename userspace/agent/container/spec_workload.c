// SPDX-License-Identifier: MIT
/* What a workload container's spec becomes (lifecycle.md 3.2): the pod's files and mounts, the VM's devices. */
#include "clock.h"
#include "container/netfiles.h"
#include "container/pod.h"
#include "container/spec_tree.h"
#include "log.h"
#include "pci/pci.h"

static int set_devices(struct spec *s, struct json_object *rules, struct gcs_error *err)
{
	const char *wrong = NULL;
	struct json_object *devices = member_or_new(s->linux_, "devices", json_type_array, &wrong), *all, *rule;

	if (wrong)
		return gcs_fail(err, 0, HR_INVALID_JSON, "linux.%s: wrong type", wrong);
	if (!s->a.privileged)
		return devices_resolve(devices, rules, err);
	rule = json_object_new_object();
	json_object_object_add(rule, "allow", json_object_new_boolean(true));
	set_string(rule, "access", "rwm");
	all = json_object_new_array();
	json_object_array_add(all, rule);
	json_object_object_add(s->resources, "devices", all);
	return devices_add_all(devices, "/dev", err);
}

/* Devices that the host has assigned to the container. */
static int add_assigned_devices(const struct container *c, struct spec *s, struct gcs_error *err)
{
	const char *wrong = NULL;
	struct json_object *assigned = member(s->windows, "devices", json_type_array, &wrong);
	/* Those of a privileged container are others than before. */
	struct json_object *rules = json_object_object_get(s->resources, "devices");
	struct json_object *devices = json_object_object_get(s->linux_, "devices");
	int64_t deadline = clock_now_ms() + pci_deadline_ms;

	for (size_t i = 0; assigned && i < json_object_array_length(assigned) && !wrong; i++) {
		struct json_object *device = json_object_array_get_idx(assigned, i);
		const char *type = string(device, "idType", &wrong), *id = string(device, "id", &wrong);

		if (!strcmp(type, "gpu"))
			continue;
		if (strcmp(type, "vpci") && strcmp(type, "vpci-instance-id"))
			log_warning("windows.devices[%zu]: ignored the unknown type \"%.64s\"", i, type);
		else if (devices_add_pci(devices, rules, id, deadline, err) < 0)
			return gcs_fail_prefix(err, "windows.devices[%zu]: %s", i, type);
	}
	return wrong ? gcs_fail(err, 0, HR_INVALID_JSON, "windows.%s: wrong type", wrong) : gpu_add(c, s, deadline, err);
}

static int set_mounts(struct container *c, struct spec *s, struct json_object *rules, struct gcs_error *err)
{
	if (mounts_expand(c, s->mounts, rules, err) < 0 || netfiles_mount(c->pod->root, s->read_only, s->mounts, err) < 0)
		return -1;
	if (s->a.shm_kb)
		mounts_set_shm(s->mounts, s->a.shm_kb);
	return 0;
}

int spec_workload(struct container *c, struct spec *s, struct gcs_error *err)
{
	const char *wrong = NULL;
	struct json_object *rules;

	if (*s->hostname)
		return gcs_fail(err, 0, HR_INVALID_ARG, "hostname \"%.64s\": a workload has its sandbox's", s->hostname);
	s->resources = member_or_new(s->linux_, "resources", json_type_object, &wrong);
	rules = wrong ? NULL : member_or_new(s->resources, "devices", json_type_array, &wrong);
	if (wrong)
		return gcs_fail(err, 0, HR_INVALID_JSON, "linux.%s: wrong type", wrong);
	if (pod_join(c, s->a.pod, err) < 0)
		return -1;
	s->a.host_network = c->pod->host_network;
	if (set_mounts(c, s, rules, err) < 0 || set_devices(s, rules, err) < 0 ||
	    add_assigned_devices(c, s, err) < 0)
		return -1;
	spec_set_core_limit(s);
	return spec_resolve_user(c, s->user, err);
}

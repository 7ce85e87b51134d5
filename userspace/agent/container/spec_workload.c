// SPDX-License-Identifier: MIT
/* What a workload container's spec becomes (lifecycle.md 3.2): the pod's files and mounts, the VM's devices. */
#include "container/netfiles.h"
#include "container/pod.h"
#include "container/spec_tree.h"
#include "log.h"

/* Assigned devices are not in this guest yet: a container that needs one must not run without it. */
static int check_assigned_devices(struct json_object *windows, struct gcs_error *err)
{
	static const char *const known[] = { "vpci", "vpci-instance-id", "gpu" };
	const char *wrong = NULL;
	struct json_object *devices = member(windows, "devices", json_type_array, &wrong);

	for (size_t i = 0; devices && i < json_object_array_length(devices); i++) {
		const char *type = string(json_object_array_get_idx(devices, i), "idType", &wrong);

		for (size_t k = 0; k < sizeof(known) / sizeof(known[0]); k++)
			if (!strcmp(type, known[k]))
				return gcs_fail(err, 0, HR_FAIL, "windows.devices[%zu]: devices of type %s are not supported", i,
						type);
		log_warning("windows.devices[%zu]: ignored the unknown type \"%.64s\"", i, type);
	}
	return wrong ? gcs_fail(err, 0, HR_INVALID_JSON, "windows.%s: wrong type", wrong) : 0;
}

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
	if (check_assigned_devices(s->windows, err) < 0 || pod_join(c, s->a.pod, err) < 0)
		return -1;
	s->a.host_network = c->pod->host_network;
	if (set_mounts(c, s, rules, err) < 0 || set_devices(s, rules, err) < 0)
		return -1;
	spec_set_core_limit(s);
	return spec_resolve_user(c, s->user, err);
}

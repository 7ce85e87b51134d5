// SPDX-License-Identifier: MIT
/* linux.resources of an OCI spec on a cgroup of the agent's own (lifecycle.md 11.2). */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "cgroup.h"
#include "container/limits.h"
#include "container/spec.h"
#include "container/spec_tree.h"

int limits_write(const char *cgroup, const char *file, int64_t value, const char *none, struct gcs_error *err)
{
	char text[24];

	if (!value)
		return 0;
	snprintf(text, sizeof(text), "%" PRId64, value);
	return cgroup_set(cgroup, file, value < 0 ? none : text, err);
}

int limits_write_if_there(const char *cgroup, const char *file, int64_t value, const char *none, struct gcs_error *err)
{
	struct gcs_error e;

	if (limits_write(cgroup, file, value, none, &e) == 0 || e.err == ENOENT)
		return 0;
	if (err)
		*err = e;
	return -1;
}

/* 0 if it is missing or null; that is what the host means, too. */
static int64_t number(struct json_object *o, const char *key, const char **wrong)
{
	return json_object_get_int64(member(o, key, json_type_int, wrong));
}

int resources_apply(const char *cgroup, struct json_object *resources, struct gcs_error *err)
{
	const char *wrong = NULL;
	struct json_object *memory = member(resources, "memory", json_type_object, &wrong);
	struct json_object *cpu = member(resources, "cpu", json_type_object, &wrong);
	struct json_object *pids = member(resources, "pids", json_type_object, &wrong);
	struct json_object *block = member(resources, "blockIO", json_type_object, &wrong);
	const struct limits l = {
		.memory = number(memory, "limit", &wrong),
		.reservation = number(memory, "reservation", &wrong),
		.swap = number(memory, "swap", &wrong),
		.shares = number(cpu, "shares", &wrong),
		.quota = number(cpu, "quota", &wrong),
		.period = number(cpu, "period", &wrong),
		.pids = number(pids, "limit", &wrong),
		.block_weight = number(block, "weight", &wrong),
	};

	if (wrong)
		return gcs_fail(err, 0, HR_INVALID_JSON, "linux.resources: %s: wrong type", wrong);
	if (l.swap > 0 && l.swap < l.memory)
		return gcs_fail(err, 0, HR_INVALID_ARG, "linux.resources.memory: swap %" PRId64 " is less than limit %" PRId64,
				l.swap, l.memory);
	return cgroup_files->set(cgroup, &l, err);
}

bool resources_take_no_quota(struct json_object *resources)
{
	const char *wrong = NULL;
	struct json_object *cpu = member(resources, "cpu", json_type_object, &wrong);

	if (number(cpu, "quota", &wrong) >= 0)
		return false;
	json_object_object_del(cpu, "quota");
	return true;
}

// SPDX-License-Identifier: MIT
/* linux.resources of an OCI spec on a cgroup of the agent's own (lifecycle.md 11.2). */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "cgroup.h"
#include "container/spec.h"
#include "container/spec_tree.h"

/* 0 if it is missing or null; that is what the host means, too. */
static int64_t number(struct json_object *o, const char *key, const char **wrong)
{
	return json_object_get_int64(member(o, key, json_type_int, wrong));
}

/* A limit in bytes. 0: leave it. */
static int set_bytes(const char *cgroup, const char *file, int64_t bytes, struct gcs_error *err)
{
	char text[24];

	if (!bytes)
		return 0;
	snprintf(text, sizeof(text), "%" PRId64, bytes);
	/* The host's word for no limit is any negative number. */
	return cgroup_set(cgroup, file, bytes < 0 ? "max" : text, err);
}

static int set_swap(const char *cgroup, int64_t swap, int64_t limit, struct gcs_error *err)
{
	struct gcs_error e;
	char text[24] = "max";

	if (!swap)
		return 0;
	/* In the spec it is the sum of memory and swap, in the kernel swap alone. */
	if (swap > 0 && limit > 0) {
		if (swap < limit)
			return gcs_fail(err, 0, HR_INVALID_ARG, "linux.resources.memory: swap %" PRId64 " is less than limit %"
					PRId64, swap, limit);
		swap -= limit;
	}
	if (swap >= 0)
		snprintf(text, sizeof(text), "%" PRId64, swap);
	/* A kernel without swap has no such file, and nothing to limit. */
	if (cgroup_set(cgroup, "memory.swap.max", text, &e) < 0 && e.err != ENOENT) {
		*err = e;
		return -1;
	}
	return 0;
}

static int set_memory(const char *cgroup, struct json_object *memory, const char **wrong, struct gcs_error *err)
{
	int64_t limit = number(memory, "limit", wrong), reservation = number(memory, "reservation", wrong);

	if (set_bytes(cgroup, "memory.max", limit, err) < 0 ||
	    (reservation > 0 && set_bytes(cgroup, "memory.low", reservation, err) < 0))
		return -1;
	return set_swap(cgroup, number(memory, "swap", wrong), limit, err);
}

static int set_cpu(const char *cgroup, struct json_object *cpu, const char **wrong, struct gcs_error *err)
{
	int64_t shares = number(cpu, "shares", wrong), quota = number(cpu, "quota", wrong);
	int64_t period = number(cpu, "period", wrong);
	char text[64];

	if (shares > 0) {
		/* 2 to 262144 become 1 to 10000. */
		shares = shares < 2 ? 2 : shares > 262144 ? 262144 : shares;
		snprintf(text, sizeof(text), "%" PRId64, 1 + (shares - 2) * 9999 / 262142);
		if (cgroup_set(cgroup, "cpu.weight", text, err) < 0)
			return -1;
	}
	if (!quota)
		return 0;
	period = period > 0 ? period : 100000;
	if (quota > 0)
		snprintf(text, sizeof(text), "%" PRId64 " %" PRId64, quota, period);
	else
		snprintf(text, sizeof(text), "max %" PRId64, period);
	return cgroup_set(cgroup, "cpu.max", text, err);
}

int resources_apply(const char *cgroup, struct json_object *resources, struct gcs_error *err)
{
	const char *wrong = NULL;
	struct json_object *memory = member(resources, "memory", json_type_object, &wrong);
	struct json_object *cpu = member(resources, "cpu", json_type_object, &wrong);
	struct json_object *pids = member(resources, "pids", json_type_object, &wrong);
	struct json_object *block = member(resources, "blockIO", json_type_object, &wrong);
	struct gcs_error e;
	int ret;

	ret = set_memory(cgroup, memory, &wrong, &e);
	if (!ret)
		ret = set_cpu(cgroup, cpu, &wrong, &e);
	if (!ret && number(pids, "limit", &wrong) > 0)
		ret = set_bytes(cgroup, "pids.max", number(pids, "limit", &wrong), &e);
	if (!ret)
		ret = set_bytes(cgroup, "io.bfq.weight", number(block, "weight", &wrong), &e);
	if (wrong)
		return gcs_fail(err, 0, HR_INVALID_JSON, "linux.resources: %s: wrong type", wrong);
	if (ret && err)
		*err = e;
	return ret;
}

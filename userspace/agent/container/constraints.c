// SPDX-License-Identifier: MIT
/* Limits that change while containers run (lifecycle.md 11.3). */
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/sysinfo.h>

#include "cgroup.h"
#include "cleanup.h"
#include "container/internal.h"
#include "container/limits.h"
#include "container/spec.h"
#include "log.h"

#define LIMITS_MAX 16

struct texts {
	char *text[LIMITS_MAX];
};

static void read_limits(const struct container *c, struct texts *l)
{
	for (size_t i = 0; cgroup_files->limits[i]; i++)
		l->text[i] = cgroup_get(c->cgroup, cgroup_files->limits[i], NULL);
}

static void free_limits(struct texts *l)
{
	for (size_t i = 0; i < LIMITS_MAX; i++)
		free(l->text[i]);
}
#define _cleanup_limits_ __attribute__((cleanup(free_limits)))

/* Returns how many the kernel has refused. */
static unsigned int write_limits(const struct container *c, const struct texts *before, bool tell)
{
	_cleanup_limits_ struct texts now = { 0 };
	unsigned int refused = 0;
	struct gcs_error err;

	read_limits(c, &now);
	for (size_t i = 0; cgroup_files->limits[i]; i++) {
		if (!before->text[i] || !now.text[i] || !strcmp(before->text[i], now.text[i]) ||
		    cgroup_set(c->cgroup, cgroup_files->limits[i], before->text[i], &err) == 0)
			continue;
		refused++;
		if (tell)
			log_warning("container %s: update: restore %s: %s", c->id, cgroup_files->limits[i], err.text);
	}
	return refused;
}

/*
 * The runtime writes one file after the other and stops at the first that the kernel refuses. Some limits are bounds of others (memory,
 * memory and swap): what was refused in the first pass is written in the second, when its bound is back.
 */
static void restore_limits(const struct container *c, const struct texts *before)
{
	if (write_limits(c, before, false))
		write_limits(c, before, true);
}

/* With c->use held exclusively: another update would be taken back with this one. */
static int update(struct container *c, struct json_object *resources, struct gcs_error *err)
{
	_cleanup_limits_ struct texts before = { 0 };
	bool no_quota = resources_take_no_quota(resources);

	if (c->deleted)
		return gcs_fail(err, 0, HR_SYSTEM_NOT_FOUND, "container %s: there is none", c->id);
	read_limits(c, &before);
	if (runtime_update(c, resources, err) == 0 &&
	    (!no_quota || cgroup_files->set(c->cgroup, &(struct limits){ .quota = -1 }, err) == 0))
		return 0;
	restore_limits(c, &before);
	return -1;
}

int container_update(const char *id, struct json_object *resources, struct gcs_error *err)
{
	_cleanup_container_ struct container *c = container_get(id, err);
	int ret;

	if (!c)
		return -1;
	if (!resources)
		return 0;
	pthread_rwlock_wrlock(&c->use);
	ret = update(c, resources, err);
	pthread_rwlock_unlock(&c->use);
	return ret;
}

int container_limit_pods(struct gcs_error *err)
{
	uint64_t reserve = container_options.memory_reserve, total;
	struct sysinfo info;

	if (sysinfo(&info) < 0)
		return gcs_fail(err, errno, HR_FAIL, "size of memory");
	total = (uint64_t)info.totalram * info.mem_unit;
	if (container_options.own_vm)
		min_free_limit(total / 1024);
	if (total <= reserve)
		return gcs_fail(err, 0, HR_FAIL, "-root-mem-reserve-bytes %" PRIu64 " leaves nothing of %" PRIu64, reserve, total);
	return cgroup_files->set("/pods", &(struct limits){ .memory = total - reserve }, err);
}

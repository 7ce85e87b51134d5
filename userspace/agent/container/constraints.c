// SPDX-License-Identifier: MIT
/* Limits that change while containers run (lifecycle.md 11.3). */
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/sysinfo.h>

#include "cgroup.h"
#include "cleanup.h"
#include "container/internal.h"
#include "log.h"

/* What an update can change; a file that a kernel has not is passed over. */
static const char *const limit_files[] = {
	"memory.max", "memory.high", "memory.low", "memory.swap.max", "cpu.weight", "cpu.max", "cpuset.cpus", "cpuset.mems",
	"pids.max", "hugetlb.2MB.max", "hugetlb.1GB.max",
};

#define LIMITS (sizeof(limit_files) / sizeof(limit_files[0]))

struct limits {
	char *text[LIMITS];
};

static void read_limits(const struct container *c, struct limits *l)
{
	for (size_t i = 0; i < LIMITS; i++)
		l->text[i] = cgroup_get(c->cgroup, limit_files[i], NULL);
}

static void free_limits(struct limits *l)
{
	for (size_t i = 0; i < LIMITS; i++)
		free(l->text[i]);
}
#define _cleanup_limits_ __attribute__((cleanup(free_limits)))

/* The runtime writes one file after the other and stops at the first that the kernel refuses. */
static void restore_limits(const struct container *c, const struct limits *before)
{
	_cleanup_limits_ struct limits now = { 0 };
	struct gcs_error err;

	read_limits(c, &now);
	for (size_t i = 0; i < LIMITS; i++)
		if (before->text[i] && now.text[i] && strcmp(before->text[i], now.text[i]) != 0 &&
		    cgroup_set(c->cgroup, limit_files[i], before->text[i], &err) < 0)
			log_warning("container %s: update: restore %s: %s", c->id, limit_files[i], err.text);
}

/* With c->use held exclusively: another update would be taken back with this one. */
static int update(struct container *c, struct json_object *resources, struct gcs_error *err)
{
	_cleanup_limits_ struct limits before = { 0 };

	if (c->deleted)
		return gcs_fail(err, 0, HR_SYSTEM_NOT_FOUND, "container %s: there is none", c->id);
	read_limits(c, &before);
	if (runtime_update(c, resources, err) == 0)
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
	char limit[24];

	if (sysinfo(&info) < 0)
		return gcs_fail(err, errno, HR_FAIL, "size of memory");
	total = (uint64_t)info.totalram * info.mem_unit;
	if (total <= reserve)
		return gcs_fail(err, 0, HR_FAIL, "-root-mem-reserve-bytes %" PRIu64 " leaves nothing of %" PRIu64, reserve, total);
	snprintf(limit, sizeof(limit), "%" PRIu64, total - reserve);
	return cgroup_set("/pods", "memory.max", limit, err);
}

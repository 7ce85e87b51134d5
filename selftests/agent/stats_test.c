// SPDX-License-Identifier: MIT
/* Conformance: properties, limits and memory events, against cgroupfs of either version (lifecycle.md section 11). */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cgroup.h"
#include "host_io.h"
#include "oci.h"
#include "kselftest_harness.h"

#define E_FAIL (-2147467259)
#define E_JSON (-1070137075)
#define E_NO_SYSTEM (-1070137074)

#define MIB (1ull << 20)

/* Names and values of version 1 and of version 2. */
static bool v1;
#define V(one, two) (v1 ? (one) : (two))
#define LIMIT V("memory.limit_in_bytes", "memory.max")
#define USAGE V("memory.usage_in_bytes", "memory.current")
/* No limit: the largest number of pages there can be. */
#define NO_LIMIT_V1 9223372036854771712ull

FIXTURE(stats)
{
	struct host h;
};

FIXTURE_SETUP(stats)
{
	if (!host_has_vsock())
		SKIP(_exit(255), "needs vsock");
	v1 = cgroup_init(NULL) == 1;
	host_start(&self->h, true, (char *[]){ "-gcs-mem-limit-bytes=33554432", NULL });
}

FIXTURE_TEARDOWN(stats)
{
	host_stop(&self->h);
}

/* --- files of a cgroup ------------------------------------------------------------------------ */

static const char *file_text(const char *cgroup, const char *file)
{
	static char text[16384];
	char path[256];
	ssize_t n;
	int fd;

	if (cgroup_file(path, sizeof(path), cgroup, file, NULL) < 0)
		abort();
	fd = open(path, O_RDONLY);
	n = fd < 0 ? 0 : read(fd, text, sizeof(text) - 1);
	close(fd);
	text[n > 0 ? n : 0] = '\0';
	return text;
}

static bool file_is(const char *cgroup, const char *file, const char *expect)
{
	const char *text = file_text(cgroup, file);
	bool same = strncmp(text, expect, strlen(expect)) == 0 && strcmp(text + strlen(expect), "\n") == 0;

	if (!same)
		fprintf(stderr, "# %s/%s: %s", cgroup, file, text);
	return same;
}

static void file_set(const struct host *h, const char *cgroup, const char *file, const char *value)
{
	struct gcs_error err;

	if (cgroup_set(cgroup, file, value, &err) < 0)
		host_fail(h, "%s", err.text);
}

static uint64_t to_number(const char *text)
{
	return strncmp(text, "max", 3) == 0 ? UINT64_MAX : strtoull(text, NULL, 10);
}

/* @key NULL: the file is one number. */
static uint64_t file_number(const char *cgroup, const char *file, const char *key)
{
	const char *text = file_text(cgroup, file);
	char line[64];

	if (!key)
		return to_number(text);
	snprintf(line, sizeof(line), "\n%s ", key);
	if (strncmp(text, line + 1, strlen(line + 1)) == 0)
		return to_number(text + strlen(line + 1));
	text = strstr(text, line);
	return text ? to_number(text + strlen(line)) : 0;
}

/* --- properties ------------------------------------------------------------------------------- */

#define STATISTICS ",\"Query\":\"{\\\"PropertyTypes\\\":[\\\"Statistics\\\"]}\""

static struct json_object *properties(struct host *h, const char *cid, const char *query)
{
	struct json_object *o;

	if (host_call(h, MSG_GET_PROPERTIES, cid, "%s", query) != 0)
		host_fail(h, "GetProperties: %s", answer_text(host_last(h), "ErrorMessage"));
	o = json_tokener_parse(answer_text(host_last(h), "Properties"));
	if (!o)
		host_fail(h, "Properties: not JSON");
	return o;
}

static uint64_t number_at(struct json_object *o, const char *path)
{
	return json_object_get_uint64(json_at(o, path));
}

struct source {
	const char *path, *file, *key;
	uint64_t factor;
};

static const struct source sources_v2[] = {
	{ "cpu.usage.total", "cpu.stat", "usage_usec", 1000 },
	{ "cpu.usage.kernel", "cpu.stat", "system_usec", 1000 },
	{ "cpu.usage.user", "cpu.stat", "user_usec", 1000 },
	{ "cpu.throttling.periods", "cpu.stat", "nr_periods", 1 },
	{ "cpu.throttling.throttled_periods", "cpu.stat", "nr_throttled", 1 },
	{ "cpu.throttling.throttled_time", "cpu.stat", "throttled_usec", 1000 },
	{ "memory.cache", "memory.stat", "file", 1 },
	{ "memory.rss", "memory.stat", "anon", 1 },
	{ "memory.mapped_file", "memory.stat", "file_mapped", 1 },
	{ "memory.dirty", "memory.stat", "file_dirty", 1 },
	{ "memory.writeback", "memory.stat", "file_writeback", 1 },
	{ "memory.pg_fault", "memory.stat", "pgfault", 1 },
	{ "memory.pg_maj_fault", "memory.stat", "pgmajfault", 1 },
	{ "memory.inactive_anon", "memory.stat", "inactive_anon", 1 },
	{ "memory.active_anon", "memory.stat", "active_anon", 1 },
	{ "memory.inactive_file", "memory.stat", "inactive_file", 1 },
	{ "memory.active_file", "memory.stat", "active_file", 1 },
	{ "memory.unevictable", "memory.stat", "unevictable", 1 },
	{ "memory.hierarchical_memory_limit", "memory.max", NULL, 1 },
	{ "memory.hierarchical_swap_limit", "memory.swap.max", NULL, 1 },
	{ "memory.usage.usage", "memory.current", NULL, 1 },
	{ "memory.usage.max", "memory.peak", NULL, 1 },
	{ "memory.usage.limit", "memory.max", NULL, 1 },
	{ "memory.swap.usage", "memory.swap.current", NULL, 1 },
	{ "memory.swap.max", "memory.swap.peak", NULL, 1 },
	{ "memory.swap.limit", "memory.swap.max", NULL, 1 },
	{ "memory.kernel.usage", "memory.stat", "kernel", 1 },
	{ "memory.kernel_tcp.usage", "memory.stat", "sock", 1 },
	{ "memory_oom_control.oom_kill", "memory.events", "oom_kill", 1 },
	{ "pids.current", "pids.current", NULL, 1 },
	{ "pids.limit", "pids.max", NULL, 1 },
	{ 0 },
};

#define PAGES(key, name) \
	{ "memory." name, "memory.stat", key, 1 }, { "memory.total_" name, "memory.stat", "total_" key, 1 }
#define COUNTER(name, prefix) \
	{ "memory." name ".usage", prefix ".usage_in_bytes", NULL, 1 }, { "memory." name ".max", prefix ".max_usage_in_bytes", NULL, 1 }, \
	{ "memory." name ".failcnt", prefix ".failcnt", NULL, 1 }, { "memory." name ".limit", prefix ".limit_in_bytes", NULL, 1 }

static const struct source sources_v1[] = {
	{ "cpu.usage.total", "cpuacct.usage", NULL, 1 },
	{ "cpu.usage.kernel", "cpuacct.stat", "system", 10000000 },
	{ "cpu.usage.user", "cpuacct.stat", "user", 10000000 },
	{ "cpu.throttling.periods", "cpu.stat", "nr_periods", 1 },
	{ "cpu.throttling.throttled_periods", "cpu.stat", "nr_throttled", 1 },
	{ "cpu.throttling.throttled_time", "cpu.stat", "throttled_time", 1 },
	PAGES("cache", "cache"),
	PAGES("rss", "rss"),
	PAGES("rss_huge", "rss_huge"),
	PAGES("mapped_file", "mapped_file"),
	PAGES("dirty", "dirty"),
	PAGES("writeback", "writeback"),
	PAGES("pgpgin", "pg_pg_in"),
	PAGES("pgpgout", "pg_pg_out"),
	PAGES("pgfault", "pg_fault"),
	PAGES("pgmajfault", "pg_maj_fault"),
	PAGES("inactive_anon", "inactive_anon"),
	PAGES("active_anon", "active_anon"),
	PAGES("inactive_file", "inactive_file"),
	PAGES("active_file", "active_file"),
	PAGES("unevictable", "unevictable"),
	{ "memory.hierarchical_memory_limit", "memory.stat", "hierarchical_memory_limit", 1 },
	{ "memory.hierarchical_swap_limit", "memory.stat", "hierarchical_memsw_limit", 1 },
	COUNTER("usage", "memory"),
	COUNTER("swap", "memory.memsw"),
	COUNTER("kernel", "memory.kmem"),
	COUNTER("kernel_tcp", "memory.kmem.tcp"),
	{ "memory_oom_control.oom_kill", "memory.oom_control", "oom_kill", 1 },
	{ "memory_oom_control.oom_kill_disable", "memory.oom_control", "oom_kill_disable", 1 },
	{ "memory_oom_control.under_oom", "memory.oom_control", "under_oom", 1 },
	{ "pids.current", "pids.current", NULL, 1 },
	{ "pids.limit", "pids.max", NULL, 1 },
	{ 0 },
};

#define SOURCES 80

static void read_sources(const char *cgroup, uint64_t *values)
{
	const struct source *sources = V(sources_v1, sources_v2);

	memset(values, 0, SOURCES * sizeof(*values));
	for (size_t i = 0; sources[i].path; i++)
		values[i] = file_number(cgroup, sources[i].file, sources[i].key) * sources[i].factor;
}

/* The statistics of a moment in which nothing changed in the cgroup, which has nothing to do. */
static struct json_object *still(struct host *h, const char *cid, const char *cgroup, uint64_t *values)
{
	uint64_t before[SOURCES];

	for (int64_t deadline = host_now_ms() + WAIT_MS; host_now_ms() < deadline;) {
		struct json_object *o;

		read_sources(cgroup, before);
		o = properties(h, cid, STATISTICS);
		read_sources(cgroup, values);
		if (memcmp(before, values, sizeof(before)) == 0)
			return o;
		json_object_put(o);
	}
	host_fail(h, "cgroup %s never rests", cgroup);
}

/* A specification with these limits instead of its own. */
static char *limited_spec(const struct host *h, const char *cid, const char *args, const char *resources)
{
	char *spec = oci_spec(cid, args), *resources_at = strstr(spec, "\"resources\":"), *limited;

	if (!resources_at || asprintf(&limited, "%.*s\"resources\":%s}}", (int)(resources_at - spec), spec, resources) < 0)
		host_fail(h, "no memory");
	free(spec);
	return limited;
}

/* Create and start it, and wait for its first line. Returns the init's pid. */
static int64_t run(struct host *h, const char *cid, const char *args, const char *resources)
{
	char *spec = limited_spec(h, cid, args, resources), byte;
	struct host_stream out;
	int64_t pid;

	if (oci_combine(h, cid) != 0 || oci_create_spec(h, cid, spec) != 0)
		host_fail(h, "create: %s", answer_text(host_last(h), "ErrorMessage"));
	free(spec);
	pid = oci_start(h, cid, NULL, &out, NULL);
	if (pid <= 0)
		host_fail(h, "start: %s", answer_text(host_last(h), "ErrorMessage"));
	if (!host_readable(out.fd, host_now_ms() + WAIT_MS) || read(out.fd, &byte, 1) != 1)
		host_fail(h, "%s said nothing", cid);
	host_stream_close(&out);
	return pid;
}

TEST_F_TIMEOUT(stats, statistics_are_what_the_files_of_the_cgroup_say, 180)
{
	const struct source *sources = V(sources_v1, sources_v2);
	struct host *h = &self->h;
	uint64_t values[SOURCES], cpus = 0;
	struct json_object *o;
	int64_t pid;
	bool io;

	/* Some work of each kind first: files, anonymous memory, more than its share of the processor. */
	pid = run(h, "s1", "[\"sh\",\"-c\",\"head -c 3000000 /dev/zero >/tmp/x; dd if=/dev/zero of=/dev/null bs=1M count=50 2>/dev/null; "
		  "echo ready; exec sleep 1000\"]",
		  "{\"memory\":{\"limit\":67108864},\"pids\":{\"limit\":20},\"cpu\":{\"quota\":20000,\"period\":100000}}");
	if (!v1)
		file_set(h, "/pods/s1", "hugetlb.2MB.max", "4194304");
	o = still(h, "s1", "/pods/s1", values);
	for (size_t i = 0; sources[i].path; i++) {
		char path[128];

		snprintf(path, sizeof(path), "LCOWMetrics.%s", sources[i].path);
		EXPECT_EQ(values[i], number_at(o, path))
			TH_LOG("%s", path);
		/* 0 is left out. */
		EXPECT_EQ(values[i] != 0, json_at(o, path) != NULL)
			TH_LOG("%s", path);
	}
	EXPECT_EQ(67108864, number_at(o, "LCOWMetrics.memory.usage.limit"));
	EXPECT_EQ(20, number_at(o, "LCOWMetrics.pids.limit"));
	EXPECT_EQ(1, number_at(o, "LCOWMetrics.pids.current"));
	EXPECT_EQ(V(NO_LIMIT_V1, UINT64_MAX), number_at(o, "LCOWMetrics.memory.swap.limit"));
	EXPECT_LE(3000000, number_at(o, "LCOWMetrics.memory.cache"));
	EXPECT_LT(0, number_at(o, "LCOWMetrics.memory.kernel.usage"));
	EXPECT_LT(0, number_at(o, "LCOWMetrics.cpu.throttling.throttled_time"));
	/* Empty objects stay. */
	EXPECT_STREQ("{ }", json_object_to_json_string(json_at(o, "LCOWMetrics.rdma")));
	if (!v1)
		EXPECT_STREQ("{ }", json_object_to_json_string(json_at(o, "LCOWMetrics.memory.kernel_tcp")));
	EXPECT_STREQ("{ }", json_object_to_json_string(json_at(o, "LCOWMetrics.memory_oom_control")));
	/* Each processor has its share of the whole. */
	for (size_t i = 0; v1 && i < json_object_array_length(json_at(o, "LCOWMetrics.cpu.usage.per_cpu")); i++)
		cpus += json_object_get_uint64(json_object_array_get_idx(json_at(o, "LCOWMetrics.cpu.usage.per_cpu"), i));
	EXPECT_EQ(V(number_at(o, "LCOWMetrics.cpu.usage.total"), 0), cpus);
	io = v1 || *file_text("/pods/s1", "io.stat");
	EXPECT_EQ(io, json_at(o, "LCOWMetrics.blkio") != NULL);
	ASSERT_LT(0, json_object_array_length(json_at(o, "LCOWMetrics.hugetlb")));
	for (size_t i = 0; i < json_object_array_length(json_at(o, "LCOWMetrics.hugetlb")); i++) {
		struct json_object *item = json_object_array_get_idx(json_at(o, "LCOWMetrics.hugetlb"), i);
		bool small = strcmp(json_object_get_string(json_at(item, "pagesize")), "2MB") == 0;

		EXPECT_EQ(V(0, small ? 4194304 : UINT64_MAX), number_at(item, "max"));
		EXPECT_EQ(0, number_at(item, "usage"));
	}
	json_object_put(o);
	oci_end(h, "s1", pid);
}

TEST_F_TIMEOUT(stats, several_properties_at_once_and_of_the_dead, 180)
{
	struct host *h = &self->h;
	int64_t pid = run(h, "s2", "[\"sh\",\"-c\",\"echo ready; exec sleep 1000\"]", "{}");
	struct json_object *o;

	o = properties(h, "s2", ",\"Query\":\"{\\\"PropertyTypes\\\":[\\\"Statistics\\\",\\\"Foo\\\",\\\"ProcessList\\\",\\\"Statistics\\\"]}\"");
	EXPECT_EQ(1, json_object_array_length(json_at(o, "ProcessList")));
	EXPECT_EQ(1, number_at(o, "LCOWMetrics.pids.current"));
	EXPECT_EQ(2, json_object_object_length(o));
	json_object_put(o);
	o = properties(h, "s2", ",\"Query\":\"{\\\"propertytypes\\\":[\\\"statistics\\\"]}\"");
	/* Keys in any case; the names of types are exact. */
	EXPECT_EQ(0, json_object_object_length(o));
	json_object_put(o);
	EXPECT_EQ(E_NO_SYSTEM, host_call(h, MSG_GET_PROPERTIES, "nope", STATISTICS));
	EXPECT_EQ(E_FAIL, host_call(h, MSG_GET_PROPERTIES, Z, STATISTICS));
	EXPECT_EQ(0, host_call(h, MSG_SHUTDOWN_FORCED, "s2", "%s", ""));
	EXPECT_EQ(137, host_wait(h, "s2", pid));
	host_notified(h, "s2", NULL);
	o = properties(h, "s2", STATISTICS);
	EXPECT_EQ(0, number_at(o, "LCOWMetrics.pids.current"));
	EXPECT_NE(NULL, json_at(o, "LCOWMetrics.cpu.usage"));
	json_object_put(o);
	/* With its cgroup gone, too. */
	EXPECT_EQ(0, cgroup_remove("/pods/s2", WAIT_MS, NULL));
	o = properties(h, "s2", STATISTICS);
	EXPECT_STREQ("{ }", json_object_to_json_string(json_at(o, "LCOWMetrics.memory.usage")));
	EXPECT_EQ(NULL, json_at(o, "LCOWMetrics.memory_oom_control"));
	json_object_put(o);
	EXPECT_EQ(0, oci_delete(h, "s2"));
}

/* --- constraints ------------------------------------------------------------------------------ */

static int64_t update(struct host *h, const char *cid, const char *settings)
{
	return host_call(h, MSG_MODIFY_SETTINGS, cid,
			 ",\"Request\":{\"RequestType\":\"Update\",\"ResourceType\":\"ContainerConstraints\",\"Settings\":%s}",
			 settings);
}

TEST_F_TIMEOUT(stats, an_update_changes_the_files_of_the_cgroup_or_none, 180)
{
	struct host *h = &self->h;
	int64_t pid = run(h, "u1", "[\"sh\",\"-c\",\"echo ready; exec sleep 1000\"]", "{\"memory\":{\"limit\":67108864}}");
	struct json_object *o;

	EXPECT_EQ(0, update(h, "u1", "{\"Windows\":{},\"Linux\":{\"memory\":{\"limit\":52428800},\"cpu\":{\"shares\":512,\"quota\":50000,"
			    "\"period\":100000},\"pids\":{\"limit\":33}}}"));
	EXPECT_TRUE(file_is("/pods/u1", LIMIT, "52428800"));
	EXPECT_TRUE(file_is("/pods/u1", V("cpu.cfs_quota_us", "cpu.max"), V("50000", "50000 100000")));
	EXPECT_TRUE(file_is("/pods/u1", V("cpu.shares", "cpu.weight"), V("512", "20")));
	EXPECT_TRUE(file_is("/pods/u1", "pids.max", "33"));
	o = properties(h, "u1", STATISTICS);
	EXPECT_EQ(52428800, number_at(o, "LCOWMetrics.memory.usage.limit"));
	json_object_put(o);

	/* The kernel takes no quota below 1 ms, and no processor that is not there. Nothing of such an update stays. */
	EXPECT_EQ(E_FAIL, update(h, "u1", "{\"Linux\":{\"memory\":{\"limit\":41943040},\"pids\":{\"limit\":44},\"cpu\":{\"quota\":10,"
				 "\"period\":100000}}}"));
	EXPECT_EQ(E_FAIL, update(h, "u1", "{\"Linux\":{\"cpu\":{\"cpus\":\"999\"},\"memory\":{\"limit\":41943040},\"pids\":{\"limit\":44}}}"));
	EXPECT_TRUE(file_is("/pods/u1", LIMIT, "52428800"));
	EXPECT_TRUE(file_is("/pods/u1", V("cpu.cfs_quota_us", "cpu.max"), V("50000", "50000 100000")));
	EXPECT_TRUE(file_is("/pods/u1", "pids.max", "33"));

	/* No limit is a negative number. Nothing asked for is nothing done. */
	EXPECT_EQ(0, update(h, "u1", "{\"Linux\":{\"memory\":{\"limit\":-1}}}"));
	EXPECT_TRUE(file_is("/pods/u1", LIMIT, V("9223372036854771712", "max")));
	EXPECT_EQ(0, host_call(h, MSG_MODIFY_SETTINGS, "u1", ",\"Request\":{\"RequestType\":\"Any\",\"ResourceType\":"
			       "\"ContainerConstraints\",\"Settings\":{\"Linux\":{\"pids\":{\"limit\":34}}}}"));
	EXPECT_TRUE(file_is("/pods/u1", "pids.max", "34"));
	EXPECT_EQ(0, update(h, "u1", "{\"Linux\":{\"cpu\":{\"quota\":-1,\"period\":100000}}}"));
	EXPECT_TRUE(file_is("/pods/u1", V("cpu.cfs_quota_us", "cpu.max"), V("-1", "max 100000")));
	EXPECT_EQ(0, update(h, "u1", "{\"Linux\":{\"cpu\":{\"quota\":50000,\"period\":100000}}}"));
	EXPECT_EQ(0, update(h, "u1", "{\"Linux\":null}"));
	EXPECT_EQ(0, update(h, "u1", "{}"));
	EXPECT_TRUE(file_is("/pods/u1", V("cpu.cfs_quota_us", "cpu.max"), V("50000", "50000 100000")));
	EXPECT_EQ(E_JSON, update(h, "u1", "{\"Linux\":[]}"));
	EXPECT_EQ(E_JSON, update(h, "u1", "null"));
	EXPECT_EQ(E_NO_SYSTEM, update(h, Z, "{\"Linux\":{\"memory\":{\"limit\":52428800}}}"));
	EXPECT_EQ(E_NO_SYSTEM, update(h, "nope", "{\"Linux\":{}}"));
	oci_end(h, "u1", pid);
}

TEST_F_TIMEOUT(stats, the_limit_of_all_pods_follows_the_memory_of_the_vm, 180)
{
	struct host *h = &self->h;
	uint64_t limit;
	int64_t pid;
#define POD_LIMIT(id, more) host_call(h, MSG_MODIFY_SETTINGS, id, ",\"Request\":{\"ResourceType\":\"PodCgroupMemoryLimit\"%s}", more)

	/* An agent that answers has set up its cgroups. */
	EXPECT_EQ(E_FAIL, POD_LIMIT(Z, ""));
	limit = file_number("/pods", LIMIT, NULL);
	EXPECT_EQ((uint64_t)sysconf(_SC_PHYS_PAGES) * sysconf(_SC_PAGESIZE) - 75 * MIB, limit);
	file_set(h, "/pods", LIMIT, "300000000");
	EXPECT_EQ(E_FAIL, POD_LIMIT(Z, ",\"RequestType\":\"Add\""));
	EXPECT_EQ(E_NO_SYSTEM, POD_LIMIT("nope", ",\"RequestType\":\"Update\""));
	EXPECT_NE(limit, file_number("/pods", LIMIT, NULL));
	EXPECT_EQ(0, POD_LIMIT(Z, ",\"RequestType\":\"Update\""));
	EXPECT_EQ(limit, file_number("/pods", LIMIT, NULL));
	/* A new container has what there is, without a request. */
	file_set(h, "/pods", LIMIT, "300000000");
	pid = run(h, "u2", "[\"sh\",\"-c\",\"echo ready; exec sleep 1000\"]", "{}");
	EXPECT_EQ(limit, file_number("/pods", LIMIT, NULL));
	EXPECT_EQ(E_FAIL, POD_LIMIT("u2", ",\"RequestType\":\"Update\""));
	oci_end(h, "u2", pid);
}

/* --- events ----------------------------------------------------------------------------------- */

#define OOM "OOM event occurred in cgroup"
#define HUNGRY "[\"dd\",\"if=/dev/zero\",\"of=/dev/null\",\"bs=64M\",\"count=1\"]"

TEST_F_TIMEOUT(stats, an_oom_kill_is_exit_code_137_and_one_warning, 180)
{
	struct host *h = &self->h;
	int64_t init = run(h, "m1", "[\"sh\",\"-c\",\"echo ready; exec sleep 1000\"]", "{\"memory\":{\"limit\":33554432}}"), pid;
	struct json_object *o;

	for (int n = 1; n <= 2; n++) {
		pid = oci_exec(h, "m1", HUNGRY, NULL, NULL, NULL);
		ASSERT_LT(0, pid);
		EXPECT_EQ(137, host_wait(h, "m1", pid));
		o = host_log_line(h, OOM, "/pods", n);
		EXPECT_STREQ("warning", json_object_get_string(json_at(o, "level")));
		EXPECT_STREQ("/pods", json_object_get_string(json_at(o, "cgroup")));
		EXPECT_STREQ("m1", json_object_get_string(json_at(o, "cid")));
		EXPECT_STREQ(V("v1", "v2"), json_object_get_string(json_at(o, "cgroup_version")));
		EXPECT_EQ('2', *json_object_get_string(json_at(o, "gcsStartTime")));
		EXPECT_EQ(n, number_at(o, "count"));
		EXPECT_EQ(file_number("/pods", LIMIT, NULL), number_at(o, "thresholdBytes"));
		EXPECT_EQ(file_number("/pods", LIMIT, NULL), number_at(o, "memoryUsageLimit"));
		EXPECT_LT(0, number_at(o, "memoryUsage"));
		EXPECT_LE(number_at(o, "memoryUsage"), number_at(o, "memoryUsageMax"));
		EXPECT_LT(0, number_at(o, "kernelUsage"));
		EXPECT_EQ(V(NO_LIMIT_V1, INT64_MAX), number_at(o, "swapUsageLimit"));
		json_object_put(o);
		o = properties(h, "m1", STATISTICS);
		EXPECT_EQ(n, number_at(o, "LCOWMetrics.memory_oom_control.oom_kill"));
		json_object_put(o);
	}
	/* The second came after the first, and there is no third. */
	EXPECT_EQ(2, host_log_count(h, OOM));
	/* What the kernel said about it. */
	o = host_log_line(h, "kmsg read", "Killed process", 1);
	EXPECT_STREQ("info", json_object_get_string(json_at(o, "level")));
	EXPECT_STREQ("Err", json_object_get_string(json_at(o, "priority")));
	EXPECT_STREQ("-", json_object_get_string(json_at(o, "flags")));
	EXPECT_EQ(0, number_at(o, "facility"));
	EXPECT_LT(0, number_at(o, "seq"));
	EXPECT_LT(0, number_at(o, "timesincebootmicro"));
	EXPECT_NE(NULL, strstr(json_object_get_string(json_at(o, "message")), "Memory cgroup out of memory"));
	json_object_put(o);
	/* That is Info for the kernel, and no warning. */
	EXPECT_EQ(0, host_log_count(h, "\"priority\":\"Info\""));
	oci_end(h, "m1", init);
}

TEST_F_TIMEOUT(stats, pressure_on_a_container_is_a_warning, 180)
{
	struct host *h = &self->h;
	int64_t init = run(h, "m2", "[\"sh\",\"-c\",\"echo ready; exec sleep 1000\"]", "{}"), pid;
	struct json_object *o;

	if (v1) {
		oci_end(h, "m2", init);
		SKIP(return, "cgroup v1 has no event for pressure");
	}
	/* Whoever is over this is made to wait for memory. */
	file_set(h, "/pods/m2", "memory.high", "8388608");
	pid = oci_exec(h, "m2", HUNGRY, NULL, NULL, NULL);
	ASSERT_LT(0, pid);
	o = host_log_line(h, "memory pressure in cgroup", "/pods", 1);
	EXPECT_STREQ("warning", json_object_get_string(json_at(o, "level")));
	EXPECT_EQ(1, number_at(o, "count"));
	EXPECT_LT(0, number_at(o, "memoryUsage"));
	json_object_put(o);
	file_set(h, "/pods/m2", "memory.high", "max");
	EXPECT_EQ(0, host_wait(h, "m2", pid));
	oci_end(h, "m2", init);
}

#define THRESHOLD "memory usage for cgroup exceeded threshold"

/* That of the agent's cgroup: the next multiple above its usage; version 2 has it in a file. */
static uint64_t next_threshold(void)
{
	return v1 ? (file_number("/gcs", USAGE, NULL) / (32 * MIB) + 1) * 32 * MIB : file_number("/gcs", "memory.high", NULL);
}

/* Bring the agent's cgroup a little above its next threshold, with memory that cannot be reclaimed. */
static void cross(void)
{
	size_t size = next_threshold() - file_number("/gcs", USAGE, NULL) + 8 * MIB;
	volatile char *memory = malloc(size);

	for (size_t i = 0; memory && i < size; i += 4096)
		memory[i] = 1;
}

/* Join it, and cross; once more when there is something to read. */
static void grow(const struct host *h, int go)
{
	char byte;

	if (cgroup_join("/gcs") < 0)
		host_fail(h, "join the agent's cgroup: %s", strerror(errno));
	cross();
	if (read(go, &byte, 1) != 1)
		_exit(1);
	cross();
	_exit(0);
}

TEST_F_TIMEOUT(stats, the_agent_s_cgroup_above_its_threshold_is_a_warning_and_no_limit, 180)
{
	struct host *h = &self->h;
	struct json_object *o;
	uint64_t threshold;
	int status, go[2];
	pid_t pid;

	/* An agent that answers has its threshold: the next multiple above what former agents have left. */
	ASSERT_EQ(0, host_call(h, MSG_START, "x", "%s", ""));
	threshold = next_threshold();
	EXPECT_EQ(0, threshold % (32 * MIB));
	ASSERT_LT(file_number("/gcs", USAGE, NULL), threshold);
	ASSERT_EQ(0, pipe(go));
	pid = fork();
	if (pid == 0)
		grow(h, go[0]);
	ASSERT_LT(0, pid);
	for (int n = 1; n <= 2; n++) {
		o = host_log_line(h, THRESHOLD, "/gcs", n);
		EXPECT_STREQ("warning", json_object_get_string(json_at(o, "level")));
		EXPECT_EQ(n, number_at(o, "count"));
		EXPECT_LE(threshold + (n - 1) * 32 * MIB, number_at(o, "thresholdBytes"));
		EXPECT_EQ(0, number_at(o, "thresholdBytes") % (32 * MIB));
		EXPECT_LT(0, number_at(o, "memoryUsage"));
		json_object_put(o);
		if (n == 1)
			ASSERT_EQ(1, write(go[1], "", 1));
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
	/* What is cached may cross one more; the next multiple is always waited for. */
	EXPECT_LE(2, host_log_count(h, THRESHOLD));
	if (!v1) {
		EXPECT_LE(threshold + 64 * MIB, file_number("/gcs", "memory.high", NULL));
		EXPECT_EQ(0, file_number("/gcs", "memory.high", NULL) % (32 * MIB));
	}
}

TEST_HARNESS_MAIN

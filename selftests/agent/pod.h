/* SPDX-License-Identifier: MIT */
/*
 * What tests of pods share: an agent that must leave nothing behind, OCI specifications as trees, and the requests of a container's life,
 * which end the test when they fail.
 */
#ifndef GCS_TEST_POD_H
#define GCS_TEST_POD_H

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cgroup.h"
#include "oci.h"
#include "kselftest_harness.h"

#define E_FAIL (-2147467259)
#define E_NO_SYSTEM (-1070137074)

#define TYPE "io.kubernetes.cri.container-type"
#define SANDBOX_ID "io.kubernetes.cri.sandbox-id"
#define SKIP_NET "io.microsoft.cri.skip-pod-networking"

#define FOREVER "[\"sleep\",\"1000\"]"
#define TRACES_MAX (1 << 17)

static bool cgroup_v1;

/*
 * Everything in the VM that a container may leave behind: mounts, files, cgroups and who is in them, the agent's children, and its open
 * files, which are named by what they are of.
 */
static inline char *traces(struct host *h)
{
	char *command, *text = calloc(1, TRACES_MAX);
	size_t len;
	FILE *f;

	/* Streams that nobody needs are closed on the thread that tells the end of a process, in order. */
	if (host_wait(h, Z, host_external(h, "[\"true\"]", NULL, NULL, NULL)) != 0 || !text)
		host_fail(h, "run a process of the VM");
	if (asprintf(&command, "mkdir -p /run/gcs/c /run/test/scratch /run/crun /run/runc; "
		     "{ cat /proc/mounts; find /run/gcs /run/crun /run/runc /run/test/scratch; "
		     "p=$(find " CGROUP_ROOT " \\( -path '*/pods*' -o -path '*/runtime*' -o -path '*/gcs*' \\) -name cgroup.procs); "
		     "echo \"$p\"; grep . $p; grep -l '^PPid:.%1$d$' /proc/[0-9]*/status 2>/dev/null; "
		     "ls -l /proc/%1$d/fd | sed 's/.* -> //; s/[0-9]//g'; } | sort", h->agent) < 0)
		host_fail(h, "no memory");
	f = popen(command, "re");
	if (!f)
		host_fail(h, "list traces");
	len = fread(text, 1, TRACES_MAX - 1, f);
	if (pclose(f) != 0 || !len || len == TRACES_MAX - 1)
		host_fail(h, "list traces: %zu bytes", len);
	free(command);
	return text;
}

FIXTURE(pod)
{
	struct host h;
	char *before;
};

FIXTURE_SETUP(pod)
{
	if (!host_has_vsock())
		SKIP(_exit(255), "needs vsock");
	cgroup_v1 = cgroup_init(NULL) == 1;
	host_start(&self->h, true, NULL);
	self->before = traces(&self->h);
}

FIXTURE_TEARDOWN(pod)
{
	if (self->before) {
		EXPECT_STREQ(self->before, traces(&self->h));
	}
	host_stop(&self->h);
}

static inline char *read_text(const char *path)
{
	char *text = calloc(1, 1024);
	FILE *f = fopen(path, "re");

	if (f) {
		text[fread(text, 1, 1023, f)] = '\0';
		fclose(f);
	}
	return text;
}

static inline int write_text(const char *path, const char *text)
{
	FILE *f = fopen(path, "we");

	if (!f)
		return -1;
	fputs(text, f);
	return fclose(f);
}

/* --- specifications as trees ------------------------------------------------------------------ */

static inline struct json_object *spec_new(const char *cid, const char *args)
{
	char *text = oci_spec(cid, args);
	struct json_object *spec = json_tokener_parse(text);

	json_object_object_add(spec, "annotations", json_object_new_object());
	free(text);
	return spec;
}

static inline void annotate(struct json_object *spec, const char *key, const char *value)
{
	json_object_object_add(json_object_object_get(spec, "annotations"), key, json_object_new_string(value));
}

/* Set a member of the object at @path, which is one or two names with a slash between them. */
static inline void set(struct json_object *spec, const char *path, const char *json)
{
	char name[64];
	const char *slash = strchr(path, '/');

	snprintf(name, sizeof(name), "%.*s", slash ? (int)(slash - path) : 0, path);
	json_object_object_add(slash ? json_object_object_get(spec, name) : spec, slash ? slash + 1 : path,
			       json_tokener_parse(json));
}

static inline void add_mount(struct json_object *spec, const char *source, const char *destination, const char *options)
{
	struct json_object *m = json_object_new_object();

	json_object_object_add(m, "source", json_object_new_string(source));
	json_object_object_add(m, "destination", json_object_new_string(destination));
	json_object_object_add(m, "type", json_object_new_string("bind"));
	json_object_object_add(m, "options", json_tokener_parse(options));
	json_object_array_add(json_object_object_get(spec, "mounts"), m);
}

static inline struct json_object *sandbox_spec(const char *cid, const char *args)
{
	struct json_object *spec = spec_new(cid, args);

	annotate(spec, TYPE, "sandbox");
	annotate(spec, SKIP_NET, "true");
	json_object_object_add(spec, "hostname", json_object_new_string(cid));
	return spec;
}

/* In the namespaces of the sandbox's init, as containerd has it. */
static inline struct json_object *workload_spec(const char *cid, const char *pod, int64_t init, bool share_pid, const char *args)
{
	struct json_object *spec = spec_new(cid, args);
	char namespaces[512], pid[64] = "";

	annotate(spec, TYPE, "container");
	annotate(spec, SANDBOX_ID, pod);
	json_object_object_del(spec, "hostname");
	if (share_pid)
		snprintf(pid, sizeof(pid), ",\"path\":\"/proc/%d/ns/pid\"", (int)init);
	snprintf(namespaces, sizeof(namespaces),
		 "[{\"type\":\"mount\"},{\"type\":\"pid\"%2$s},{\"type\":\"network\",\"path\":\"/proc/%1$d/ns/net\"},"
		 "{\"type\":\"ipc\",\"path\":\"/proc/%1$d/ns/ipc\"},{\"type\":\"uts\",\"path\":\"/proc/%1$d/ns/uts\"}]", (int)init, pid);
	set(spec, "linux/namespaces", namespaces);
	return spec;
}

/* --- requests -------------------------------------------------------------------------------- */

/* Create with a specification, which is freed. The layers are there, or are made. */
static inline int64_t create(struct host *h, const char *cid, struct json_object *spec)
{
	int64_t result;
	char root[160];

	snprintf(root, sizeof(root), "/run/gcs/c/%s/rootfs/bin", cid);
	if (access(root, F_OK) != 0 && oci_combine(h, cid) != 0)
		host_fail(h, "layers of %s: %s", cid, answer_text(host_last(h), "ErrorMessage"));
	result = oci_create_spec(h, cid, json_object_to_json_string_ext(spec, JSON_C_TO_STRING_PLAIN));
	json_object_put(spec);
	return result;
}

static inline const char *error(struct host *h)
{
	const char *text = answer_text(host_last(h), "ErrorMessage");

	return text ? text : "";
}

/* Create and start; returns the init's pid. */
static inline int64_t run(struct host *h, const char *cid, struct json_object *spec, struct host_stream *out)
{
	int64_t pid;

	if (create(h, cid, spec) != 0)
		host_fail(h, "create %s: %s", cid, error(h));
	pid = oci_start(h, cid, NULL, out, NULL);
	if (pid <= 0)
		host_fail(h, "start %s: %s", cid, error(h));
	return pid;
}

/* Run to the end; what it has printed, malloc'd. */
static inline char *output(struct host *h, const char *cid, struct json_object *spec)
{
	struct host_stream out;
	int64_t pid = run(h, cid, spec, &out), code;
	char *text = host_stream_read(&out, NULL);

	code = host_wait(h, cid, pid);
	if (code != 0)
		host_fail(h, "%s ended with %d: %s", cid, (int)code, text);
	host_notified(h, cid, NULL);
	return text;
}

static inline void stop(struct host *h, const char *cid, int64_t pid)
{
	if (host_call(h, MSG_SHUTDOWN_FORCED, cid, "%s", "") != 0 || host_wait(h, cid, pid) != 137)
		host_fail(h, "stop %s: %s", cid, error(h));
	host_notified(h, cid, NULL);
}

#endif

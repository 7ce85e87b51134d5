/* SPDX-License-Identifier: MIT */
/* What tests of pods share: OCI specifications as trees, and the requests of a container's life, which end the test when they fail. */
#ifndef GCS_TEST_POD_H
#define GCS_TEST_POD_H

#include <string.h>
#include <unistd.h>

#include "oci.h"

#define TYPE "io.kubernetes.cri.container-type"
#define SANDBOX_ID "io.kubernetes.cri.sandbox-id"
#define SKIP_NET "io.microsoft.cri.skip-pod-networking"

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

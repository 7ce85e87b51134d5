// SPDX-License-Identifier: MIT
/* The OCI spec of a container: checked, and rewritten for the VM (lifecycle.md sections 3 and 4). */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <json-c/json.h>

#include "cleanup.h"
#include "container/internal.h"
#include "container/netfiles.h"
#include "fs.h"

#define ANNOTATION_TYPE "io.kubernetes.cri.container-type"
#define ANNOTATION_VIRTUAL_POD "io.microsoft.cri.virtual-pod-id"
#define ANNOTATION_HOST_NETWORK "io.microsoft.virtualmachine.lcow.hostnetwork"
#define ANNOTATION_TEE_LOG "io.microsoft.container.lcow.tee-log-path"
#define ANNOTATION_TEE_LOG_DIR "io.microsoft.container.lcow.tee-log-dir-mount"

/*
 * The member @key of @o if it has @type; NULL if it is missing or null. Any other type sets *@wrong to @key: one check at the
 * end covers a whole group.
 */
static struct json_object *member(struct json_object *o, const char *key, enum json_type type, const char **wrong)
{
	struct json_object *v;

	if (!o || !json_object_object_get_ex(o, key, &v) || !v)
		return NULL;
	if (json_object_is_type(v, type))
		return v;
	*wrong = key;
	return NULL;
}

static const char *string(struct json_object *o, const char *key, const char **wrong)
{
	struct json_object *v = member(o, key, json_type_string, wrong);

	return v ? json_object_get_string(v) : "";
}

/* The member @key, made if it is missing. */
static struct json_object *member_or_new(struct json_object *o, const char *key, enum json_type type, const char **wrong)
{
	struct json_object *v = member(o, key, type, wrong);

	if (v || *wrong)
		return v;
	v = type == json_type_array ? json_object_new_array() : json_object_new_object();
	json_object_object_add(o, key, v);
	return v;
}

static bool is_true(const char *s)
{
	static const char *const words[] = { "1", "t", "T", "TRUE", "true", "True" };

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (!strcmp(s, words[i]))
			return true;
	return false;
}

/* The kind of container that this agent makes is the standalone one. */
static int check_annotations(const struct container *c, struct json_object *annotations, struct gcs_error *err)
{
	static const char *const unsupported[] = { ANNOTATION_VIRTUAL_POD, ANNOTATION_TEE_LOG, ANNOTATION_TEE_LOG_DIR };
	const char *wrong = NULL, *type = string(annotations, ANNOTATION_TYPE, &wrong);

	if (wrong)
		return gcs_fail(err, 0, HR_INVALID_JSON, "container %s: annotation %s: not a string", c->id, wrong);
	if (*type && strcmp(type, "sandbox") && strcmp(type, "container"))
		return gcs_fail(err, 0, HR_FAIL, "container %s: annotation %s: \"%s\" is not a kind of container", c->id,
				ANNOTATION_TYPE, type);
	if (*type)
		return gcs_fail(err, 0, HR_FAIL, "container %s: annotation %s: \"%s\": pods are not supported", c->id,
				ANNOTATION_TYPE, type);
	for (size_t i = 0; i < sizeof(unsupported) / sizeof(unsupported[0]); i++)
		if (*string(annotations, unsupported[i], &wrong))
			return gcs_fail(err, 0, HR_FAIL, "container %s: annotation %s: not supported", c->id,
					unsupported[i]);
	return 0;
}

static int check_process(const struct container *c, struct json_object *process, struct gcs_error *err)
{
	const char *wrong = NULL;
	struct json_object *args = member(process, "args", json_type_array, &wrong);

	member(process, "terminal", json_type_boolean, &wrong);
	string(process, "cwd", &wrong);
	member(process, "env", json_type_array, &wrong);
	member(process, "rlimits", json_type_array, &wrong);
	member(process, "user", json_type_object, &wrong);
	if (wrong)
		return gcs_fail(err, 0, HR_INVALID_JSON, "container %s: process.%s: wrong type", c->id, wrong);
	if (!args || !json_object_array_length(args))
		return gcs_fail(err, 0, HR_INVALID_JSON, "container %s: process.args: missing or empty", c->id);
	for (size_t i = 0; i < json_object_array_length(args); i++)
		if (!json_object_is_type(json_object_array_get_idx(args, i), json_type_string))
			return gcs_fail(err, 0, HR_INVALID_JSON, "container %s: process.args: not all are strings", c->id);
	return 0;
}

bool spec_has_terminal(struct json_object *process)
{
	const char *wrong = NULL;

	return json_object_get_boolean(member(process, "terminal", json_type_boolean, &wrong));
}

static bool is_type(struct json_object *namespace, const char *type)
{
	const char *wrong = NULL;

	return json_object_is_type(namespace, json_type_object) && !strcmp(string(namespace, "type", &wrong), type);
}

static void prepare_namespaces(struct container *c, struct json_object *namespaces, bool host_network)
{
	const char *wrong = NULL;

	for (size_t i = json_object_array_length(namespaces); i-- > 0;) {
		struct json_object *n = json_object_array_get_idx(namespaces, i);

		/* With a path it is another's, whose init does not end with this one. */
		if (is_type(n, "pid"))
			c->own_pid_namespace = !*string(n, "path", &wrong);
		if (host_network && is_type(n, "network"))
			json_object_array_del_idx(namespaces, i, 1);
	}
}

/* The working directory may be missing in the image. What cannot be made is the runtime's to complain about. */
static void make_cwd(const struct container *c, struct json_object *process)
{
	const char *wrong = NULL, *cwd = string(process, "cwd", &wrong);

	if (*cwd && strcmp(cwd, "/"))
		fs_mkdir_in_root(c->rootfs, cwd, 0755, NULL, NULL, NULL);
}

/* json-c counts references without a lock: trees of different requests must not share a part. NULL gives NULL. */
static int copy_tree(struct json_object *from, struct json_object **to, const struct container *c, struct gcs_error *err)
{
	*to = NULL;
	if (from && json_object_deep_copy(from, to, NULL) < 0)
		return gcs_fail(err, ENOMEM, HR_FAIL, "container %s", c->id);
	return 0;
}

int spec_prepare(struct container *c, struct json_object *spec, struct gcs_error *err)
{
	struct json_object *process, *root, *linux_, *mounts, *namespaces, *annotations, *user;
	const char *wrong = NULL, *hostname, *root_path;
	char own_name[256] = "";

	if (!spec || !json_object_is_type(spec, json_type_object))
		return gcs_fail(err, 0, HR_INVALID_JSON, "container %s: OciSpecification: missing or not an object", c->id);
	process = member(spec, "process", json_type_object, &wrong);
	root = member(spec, "root", json_type_object, &wrong);
	annotations = member(spec, "annotations", json_type_object, &wrong);
	hostname = string(spec, "hostname", &wrong);
	linux_ = member_or_new(spec, "linux", json_type_object, &wrong);
	mounts = member_or_new(spec, "mounts", json_type_array, &wrong);
	namespaces = linux_ ? member_or_new(linux_, "namespaces", json_type_array, &wrong) : NULL;
	if (wrong)
		return gcs_fail(err, 0, HR_INVALID_JSON, "container %s: OciSpecification: %s: wrong type", c->id, wrong);
	if (!process || !root)
		return gcs_fail(err, 0, HR_INVALID_JSON, "container %s: OciSpecification: %s: missing", c->id,
				process ? "root" : "process");
	root_path = string(root, "path", &wrong);
	if (wrong || !path_is_plain(root_path))
		return gcs_fail(err, 0, HR_INVALID_JSON, "container %s: root.path \"%s\": not an absolute path without . "
				"and ..", c->id, root_path);
	if (check_annotations(c, annotations, err) < 0 || check_process(c, process, err) < 0)
		return -1;
	if (!hostname_is_valid(hostname))
		return gcs_fail(err, 0, HR_INVALID_ARG, "container %s: hostname \"%s\": not a host name", c->id, hostname);
	if (!*hostname) {
		gethostname(own_name, sizeof(own_name) - 1);
		hostname = own_name;
	}

	if (asprintf(&c->cgroup, "/pods/%s", c->id) < 0) {
		c->cgroup = NULL;
		return gcs_fail(err, ENOMEM, HR_FAIL, "container %s", c->id);
	}
	c->rootfs = strdup(root_path);
	user = member(process, "user", json_type_object, &wrong);
	if (copy_tree(member(process, "rlimits", json_type_array, &wrong), &c->rlimits, c, err) < 0 ||
	    (*string(user, "username", &wrong) && copy_tree(user, &c->user, c, err) < 0))
		return -1;
	json_object_object_add(linux_, "cgroupsPath", json_object_new_string(c->cgroup));
	json_object_object_del(spec, "windows");
	prepare_namespaces(c, namespaces, is_true(string(annotations, ANNOTATION_HOST_NETWORK, &wrong)));
	make_cwd(c, process);
	return netfiles_add(c->id, c->bundle, hostname,
			    json_object_get_boolean(member(root, "readonly", json_type_boolean, &wrong)), mounts, err);
}

int spec_prepare_process(struct container *c, struct json_object *process, struct gcs_error *err)
{
	const char *wrong = NULL, *name;
	struct json_object *user, *copy;
	uint32_t uid, gid;

	if (!process || !json_object_is_type(process, json_type_object))
		return gcs_fail(err, 0, HR_INVALID_JSON, "container %s: OciProcess: not an object", c->id);
	if (check_process(c, process, err) < 0)
		return -1;
	json_object_object_del(process, "rlimits");
	if (copy_tree(c->rlimits, &copy, c, err) < 0)
		return -1;
	if (copy)
		json_object_object_add(process, "rlimits", copy);
	user = member(process, "user", json_type_object, &wrong);
	name = string(user, "username", &wrong);
	if (*name) {
		if (user_lookup(c->rootfs, name, &uid, &gid, err) < 0)
			return gcs_fail_prefix(err, "container %s: exec", c->id);
		json_object_object_add(user, "uid", json_object_new_int64(uid));
		json_object_object_add(user, "gid", json_object_new_int64(gid));
		json_object_object_del(user, "username");
	} else if (c->user) {
		if (copy_tree(c->user, &copy, c, err) < 0)
			return -1;
		json_object_object_add(process, "user", copy);
	}
	return 0;
}

int spec_write(const char *path, struct json_object *spec, struct gcs_error *err)
{
	const char *text = json_object_to_json_string_ext(spec, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);

	if (!text)
		return gcs_fail(err, ENOMEM, HR_FAIL, "%s: print", path);
	return fs_write(path, text, strlen(text), 0600, err);
}

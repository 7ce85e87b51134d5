// SPDX-License-Identifier: MIT
/* The OCI spec of a container: checked, and rewritten for the VM (lifecycle.md sections 3 and 4). */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cleanup.h"
#include "container/netfiles.h"
#include "container/pod.h"
#include "container/spec_tree.h"
#include "fs.h"
#include "network/network.h"

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
	_cleanup_close_ int root = -1, fd = -1;

	if (!*cwd || !strcmp(cwd, "/"))
		return;
	root = open(c->rootfs, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root >= 0)
		fd = fs_mkdir_in(root, cwd, 0755, NULL, NULL);
}

/* json-c counts references without a lock: trees of different requests must not share a part. NULL gives NULL. */
static int copy_tree(struct json_object *from, struct json_object **to, const struct container *c, struct gcs_error *err)
{
	*to = NULL;
	if (from && json_object_deep_copy(from, to, NULL) < 0)
		return gcs_fail(err, ENOMEM, HR_FAIL, "container %s", c->id);
	return 0;
}

int spec_hostname(const struct container *c, const struct spec *s, char name[256], struct gcs_error *err)
{
	if (!hostname_is_valid(s->hostname))
		return gcs_fail(err, 0, HR_INVALID_ARG, "hostname \"%s\": not a host name", s->hostname);
	strcpy(name, s->hostname);
	if (!*name && gethostname(name, 255) < 0)
		return gcs_fail(err, errno, HR_FAIL, "the VM's host name");
	return 0;
}

int spec_resolve_user(const struct container *c, struct json_object *user, struct gcs_error *err)
{
	const char *wrong = NULL, *name = string(user, "username", &wrong);
	uint32_t uid, gid;

	if (wrong)
		return gcs_fail(err, 0, HR_INVALID_JSON, "process.user.%s: wrong type", wrong);
	if (!*name)
		return 0;
	if (user_lookup(c->rootfs, name, &uid, &gid, err) < 0)
		return -1;
	set_number(user, "uid", uid);
	set_number(user, "gid", gid);
	return 0;
}

void spec_set_core_limit(struct spec *s)
{
	const char *wrong = NULL;
	struct json_object *limits, *core;
	ssize_t at;

	if (!s->a.has_core)
		return;
	limits = member_or_new(s->process, "rlimits", json_type_array, &wrong);
	/* Runtimes refuse a list with two of a kind. */
	while ((at = find_by(limits, "type", "RLIMIT_CORE")) >= 0)
		json_object_array_del_idx(limits, at, 1);
	core = json_object_new_object();
	set_string(core, "type", "RLIMIT_CORE");
	json_object_object_add(core, "soft", json_object_new_uint64(s->a.core_soft));
	json_object_object_add(core, "hard", json_object_new_uint64(s->a.core_hard));
	json_object_array_add(limits, core);
}

const char *spec_network_namespace(const struct spec *s)
{
	const char *wrong = NULL;

	return string(member(s->windows, "network", json_type_object, &wrong), "networkNamespace", &wrong);
}

/* A container that is a pod of its own, without a pod's directories (lifecycle.md 3.3). */
static int spec_standalone(struct container *c, struct spec *s, struct gcs_error *err)
{
	char hostname[256];

	if (spec_hostname(c, s, hostname, err) < 0 ||
	    netns_claim(spec_network_namespace(s), true, &c->netns, err) < 0)
		return -1;
	c->made_netfiles = true;
	if (netfiles_write(c->bundle, hostname, c->netns, s->mounts, err) < 0)
		return -1;
	return netfiles_mount(c->bundle, s->read_only, s->mounts, err);
}

/* The logs are the pod's; a standalone container has them in its bundle. */
static int prepare_logs(struct container *c, struct spec *s, struct gcs_error *err)
{
	_cleanup_free_ char *path = NULL;

	if (!*s->a.tee_dir && !*s->a.tee_log)
		return 0;
	if (*s->a.tee_log) {
		c->tee_log = path_clean(s->a.tee_log);
		if (!c->tee_log || !*c->tee_log)
			return gcs_fail(err, 0, HR_INVALID_ARG, "tee log file \"%s\": not below the logs", s->a.tee_log);
	}
	path = logs_path(c);
	if (!path)
		return gcs_fail(err, ENOMEM, HR_FAIL, "logs");
	if (!c->pod && fs_mkdir_p(path, 0777, &c->made_logs, err) < 0)
		return -1;
	/* Whatever the umask is. */
	if (!c->pod && chmod(path, 0777) < 0)
		return gcs_fail(err, errno, HR_FAIL, "%s: set its mode", path);
	if (*s->a.tee_dir)
		mounts_add_bind(s->mounts, s->a.tee_dir, path, false);
	return 0;
}

/* Find the parts of the spec and check their types. */
static int read_spec(struct container *c, struct json_object *spec, struct spec *s, struct gcs_error *err)
{
	struct json_object *root, *annotations;
	const char *wrong = NULL, *root_path;

	if (!spec || !json_object_is_type(spec, json_type_object))
		return gcs_fail(err, 0, HR_INVALID_JSON, "container %s: OciSpecification: missing or not an object", c->id);
	s->tree = spec;
	s->process = member(spec, "process", json_type_object, &wrong);
	root = member(spec, "root", json_type_object, &wrong);
	annotations = member(spec, "annotations", json_type_object, &wrong);
	s->windows = member(spec, "windows", json_type_object, &wrong);
	s->hostname = string(spec, "hostname", &wrong);
	s->linux_ = member_or_new(spec, "linux", json_type_object, &wrong);
	s->mounts = member_or_new(spec, "mounts", json_type_array, &wrong);
	s->namespaces = s->linux_ ? member_or_new(s->linux_, "namespaces", json_type_array, &wrong) : NULL;
	s->resources = member(s->linux_, "resources", json_type_object, &wrong);
	s->user = member(s->process, "user", json_type_object, &wrong);
	root_path = string(root, "path", &wrong);
	s->read_only = json_object_get_boolean(member(root, "readonly", json_type_boolean, &wrong));
	if (wrong)
		return gcs_fail(err, 0, HR_INVALID_JSON, "container %s: OciSpecification: %s: wrong type", c->id, wrong);
	if (!s->process || !root)
		return gcs_fail(err, 0, HR_INVALID_JSON, "container %s: OciSpecification: %s: missing", c->id,
				s->process ? "root" : "process");
	if (!path_is_plain(root_path))
		return gcs_fail(err, 0, HR_INVALID_JSON, "container %s: root.path \"%s\": not an absolute path without . "
				"and ..", c->id, root_path);
	c->rootfs = strdup(root_path);
	if (!c->rootfs)
		return gcs_fail(err, ENOMEM, HR_FAIL, "container %s", c->id);
	if (annotations_read(c->id, annotations, &s->a, err) < 0)
		return -1;
	return check_process(c, s->process, err);
}

int spec_prepare(struct container *c, struct json_object *tree, struct gcs_error *err)
{
	static int (*const by_kind[])(struct container *c, struct spec *s, struct gcs_error *err) = {
		[KIND_STANDALONE] = spec_standalone,
		[KIND_SANDBOX] = spec_sandbox,
		[KIND_WORKLOAD] = spec_workload,
	};
	const char *wrong = NULL;
	struct spec s;

	if (read_spec(c, tree, &s, err) < 0)
		return -1;
	c->kind = s.a.kind;
	if (by_kind[c->kind](c, &s, err) < 0 || prepare_logs(c, &s, err) < 0)
		return gcs_fail_prefix(err, "container %s", c->id);
	if (asprintf(&c->cgroup, "%s/%s", c->pod ? c->pod->cgroup : "/pods", c->id) < 0) {
		c->cgroup = NULL;
		return gcs_fail(err, ENOMEM, HR_FAIL, "container %s", c->id);
	}
	if (copy_tree(member(s.process, "rlimits", json_type_array, &wrong), &c->rlimits, c, err) < 0 ||
	    (*string(s.user, "username", &wrong) && copy_tree(s.user, &c->user, c, err) < 0))
		return -1;
	set_string(s.linux_, "cgroupsPath", c->cgroup);
	resources_take_no_quota(s.resources);
	prepare_namespaces(c, s.namespaces, s.a.host_network);
	json_object_object_del(tree, "windows");
	make_cwd(c, s.process);
	if (security_context_make(c, &s, err) < 0)
		return gcs_fail_prefix(err, "container %s", c->id);
	return 0;
}

/* The container's limits (taken over) are those of the process, unless it has one of the same type itself. */
static void add_limits(struct json_object *process, struct json_object *limits)
{
	const char *wrong = NULL;
	struct json_object *own = member_or_new(process, "rlimits", json_type_array, &wrong);

	for (size_t i = 0; limits && i < json_object_array_length(limits); i++) {
		struct json_object *limit = json_object_array_get_idx(limits, i);

		if (find_by(own, "type", string(limit, "type", &wrong)) < 0)
			json_object_array_add(own, json_object_get(limit));
	}
	json_object_put(limits);
}

/* Does a user have ids that somebody has chosen? Root's are also what is written when nobody has. */
static bool names_ids(struct json_object *user)
{
	const char *wrong = NULL;

	return json_object_get_int64(member(user, "uid", json_type_int, &wrong)) ||
	       json_object_get_int64(member(user, "gid", json_type_int, &wrong));
}

int spec_prepare_process(struct container *c, struct json_object *process, struct gcs_error *err)
{
	const char *wrong = NULL, *name;
	struct json_object *user, *copy;

	if (!process || !json_object_is_type(process, json_type_object))
		return gcs_fail(err, 0, HR_INVALID_JSON, "container %s: OciProcess: not an object", c->id);
	if (check_process(c, process, err) < 0)
		return -1;
	if (copy_tree(c->rlimits, &copy, c, err) < 0)
		return -1;
	add_limits(process, copy);
	user = member(process, "user", json_type_object, &wrong);
	name = string(user, "username", &wrong);
	if (*name) {
		if (spec_resolve_user(c, user, err) < 0)
			return gcs_fail_prefix(err, "container %s: exec", c->id);
		json_object_object_del(user, "username");
	} else if (c->user && !names_ids(user)) {
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

// SPDX-License-Identifier: MIT
/* GPUs in a container, by NVIDIA's tool in a hook of the runtime (lifecycle.md section 12). The tool is the image's, if it is there. */
#include <errno.h>
#include <unistd.h>

#include "cleanup.h"
#include "container/spec.h"
#include "container/spec_tree.h"
#include "pci/pci.h"

#define TOOL "nvidia-container-cli"
/* Puts what only the runtime knows, as the pid, into the tool's arguments. */
#define HOOK "generichook"

extern char **environ;

static int log_path(const char *bundle, char **path)
{
	if (asprintf(path, "%s/nvidia-container.log", bundle) >= 0)
		return 0;
	*path = NULL;
	return -1;
}

void gpu_remove_log(const char *bundle)
{
	_cleanup_free_ char *path = NULL;

	if (log_path(bundle, &path) == 0)
		unlink(path);
}

static void add(struct json_object *list, const char *text)
{
	json_object_array_add(list, json_object_new_string(text));
}

static int add_option(struct json_object *list, const char *name, const char *value, size_t len)
{
	_cleanup_free_ char *text = NULL;

	if (asprintf(&text, "--%s%s%.*s", name, *name && *value ? "=" : "", (int)len, value) < 0) {
		text = NULL;
		return -1;
	}
	add(list, text);
	return 0;
}

/* "compute,utility" */
static int add_capabilities(struct json_object *args, const char *list)
{
	while (*list) {
		size_t len = strcspn(list, ",");

		if (len && add_option(args, "", list, len) < 0)
			return -1;
		list += len + (list[len] == ',');
	}
	return 0;
}

/* --device for each GPU. Returns how many there are, or -1. */
static int add_devices(struct json_object *args, struct json_object *assigned, int64_t deadline, struct gcs_error *err)
{
	const char *wrong = NULL;
	int count = 0;

	for (size_t i = 0; assigned && i < json_object_array_length(assigned); i++) {
		struct json_object *device = json_object_array_get_idx(assigned, i);
		struct pci_list gpus;
		int ret = 0;

		if (strcmp(string(device, "idType", &wrong), "gpu"))
			continue;
		if (pci_wait_gpus(string(device, "id", &wrong), deadline, &gpus, err) < 0)
			return gcs_fail_prefix(err, "windows.devices[%zu]: gpu", i);
		for (size_t k = 0; k < gpus.count && ret == 0; k++)
			ret = add_option(args, "device", gpus.items[k], strlen(gpus.items[k]));
		pci_list_free(&gpus);
		if (ret < 0)
			return gcs_fail(err, ENOMEM, HR_FAIL, "windows.devices[%zu]: gpu", i);
		count++;
	}
	return count;
}

static int add_args(const struct container *c, const struct spec *s, struct json_object *args, struct json_object *assigned,
		    int64_t deadline, struct gcs_error *err)
{
	_cleanup_free_ char *log = NULL;

	add(args, HOOK);
	add(args, TOOL);
	if (log_path(c->bundle, &log) < 0 || add_option(args, "debug", log, strlen(log)) < 0)
		return gcs_fail(err, ENOMEM, HR_FAIL, "hook of a GPU");
	add(args, "--no-pivot");
	add(args, "configure");
	add(args, "--ldconfig=@/sbin/ldconfig");
	if (add_capabilities(args, s->a.gpu_capabilities) < 0)
		return gcs_fail(err, ENOMEM, HR_FAIL, "hook of a GPU");
	if (add_devices(args, assigned, deadline, err) < 0)
		return -1;
	add(args, "--pid={{pid}}");
	add(args, c->rootfs);
	return 0;
}

/* The agent's, and that the tool does without its sandbox. */
static struct json_object *environment(void)
{
	struct json_object *env = json_object_new_array();

	for (char **e = environ; *e; e++)
		add(env, *e);
	add(env, "NVC_INSECURE_MODE=1");
	return env;
}

/* Every character device: which of them are the GPUs' only the tool knows. */
static void allow(struct spec *s)
{
	struct json_object *rule = json_object_new_object();

	json_object_object_add(rule, "allow", json_object_new_boolean(true));
	set_string(rule, "type", "c");
	set_string(rule, "access", "rwm");
	json_object_array_add(json_object_object_get(s->resources, "devices"), rule);
}

int gpu_add(const struct container *c, struct spec *s, int64_t deadline, struct gcs_error *err)
{
	const char *wrong = NULL;
	struct json_object *assigned = member(s->windows, "devices", json_type_array, &wrong);
	_cleanup_free_ char *tool = NULL, *path = NULL;
	struct json_object *hooks, *list, *hook, *args;

	if (!assigned || find_by(assigned, "idType", "gpu") < 0)
		return 0;
	tool = spawn_find(TOOL, NULL);
	if (!tool)
		return gcs_fail(err, errno, HR_FAIL, "windows.devices: gpu: " TOOL ": find it in PATH");
	path = spawn_find(HOOK, NULL);
	if (!path)
		return gcs_fail(err, errno, HR_FAIL, "windows.devices: gpu: " HOOK ": find it in PATH");
	hooks = member_or_new(s->tree, "hooks", json_type_object, &wrong);
	list = wrong ? NULL : member_or_new(hooks, "createRuntime", json_type_array, &wrong);
	if (wrong)
		return gcs_fail(err, 0, HR_INVALID_JSON, "%s: wrong type", wrong);
	hook = json_object_new_object();
	args = json_object_new_array();
	set_string(hook, "path", path);
	json_object_object_add(hook, "args", args);
	json_object_object_add(hook, "env", environment());
	json_object_array_add(list, hook);
	allow(s);
	return add_args(c, s, args, assigned, deadline, err);
}

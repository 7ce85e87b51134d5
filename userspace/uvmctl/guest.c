// SPDX-License-Identifier: MIT
/* What the host asks of the guest, as messages. */
#include "guest.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <json-c/json.h>

#include "cleanup.h"

#define OUTPUT_MAX 65536
#define COMMAND_TIMEOUT_MS 60000

static void set_string(struct json_object *o, const char *key, const char *value)
{
	json_object_object_add(o, key, json_object_new_string(value));
}

static void set_number(struct json_object *o, const char *key, int64_t value)
{
	json_object_object_add(o, key, json_object_new_int64(value));
}

static void set_true(struct json_object *o, const char *key)
{
	json_object_object_add(o, key, json_object_new_boolean(true));
}

/* A JSON document inside a string. */
static void set_nested(struct json_object *o, const char *key, struct json_object *document)
{
	set_string(o, key, json_object_to_json_string_ext(document, JSON_C_TO_STRING_PLAIN));
	json_object_put(document);
}

int guest_negotiate(struct guest *g, struct gcs_error *err)
{
	_cleanup_json_ struct json_object *answer = NULL;
	struct json_object *body = json_object_new_object(), *version;

	set_number(body, "MinimumVersion", 4);
	set_number(body, "MaximumVersion", 4);
	if (bridge_call(g->bridge, MSG_NEGOTIATE_PROTOCOL, NULL_GUID, body, &answer, err) < 0)
		return -1;
	if (!json_object_object_get_ex(answer, "Version", &version) || json_object_get_int(version) != 4)
		return gcs_fail(err, 0, HR_FAIL, "guest: NegotiateProtocol: it does not speak version 4");
	return 0;
}

static int modify(struct guest *g, const char *resource, const char *request, struct json_object *settings,
		  struct gcs_error *err)
{
	struct json_object *body = json_object_new_object(), *r = json_object_new_object();

	set_string(r, "ResourceType", resource);
	set_string(r, "RequestType", request);
	json_object_object_add(r, "Settings", settings);
	json_object_object_add(body, "Request", r);
	if (bridge_call(g->bridge, MSG_MODIFY_SETTINGS, NULL_GUID, body, NULL, err) < 0)
		return gcs_fail_prefix(err, "%s %s", resource, request);
	return 0;
}

static struct json_object *disk_settings(const struct guest_disk *d)
{
	struct json_object *s = json_object_new_object(), *options;

	set_string(s, "MountPath", d->mount_path);
	set_number(s, "Lun", d->lun);
	set_number(s, "Controller", d->controller);
	if (d->scratch) {
		set_true(s, "EnsureFilesystem");
		set_string(s, "Filesystem", "ext4");
		return s;
	}
	set_true(s, "ReadOnly");
	options = json_object_new_array();
	json_object_array_add(options, json_object_new_string("ro"));
	json_object_object_add(s, "Options", options);
	return s;
}

int guest_mount(struct guest *g, const struct guest_disk *d, struct gcs_error *err)
{
	return modify(g, "MappedVirtualDisk", "Add", disk_settings(d), err);
}

int guest_unmount(struct guest *g, const struct guest_disk *d, struct gcs_error *err)
{
	return modify(g, "MappedVirtualDisk", "Remove", disk_settings(d), err);
}

int guest_eject(struct guest *g, const struct guest_disk *d, struct gcs_error *err)
{
	struct json_object *s = json_object_new_object();

	set_number(s, "Controller", d->controller);
	set_number(s, "Lun", d->lun);
	return modify(g, "SCSIDevice", "Remove", s, err);
}

int guest_combine(struct guest *g, const char *container, const char *root, const char *layer, const char *scratch,
		  struct gcs_error *err)
{
	struct json_object *s = json_object_new_object(), *layers = json_object_new_array(), *l = json_object_new_object();

	set_string(l, "Path", layer);
	json_object_array_add(layers, l);
	set_string(s, "ContainerID", container);
	set_string(s, "ContainerRootPath", root);
	json_object_object_add(s, "Layers", layers);
	set_string(s, "ScratchPath", scratch);
	return modify(g, "CombinedLayers", "Add", s, err);
}

int guest_separate(struct guest *g, const char *container, const char *root, struct gcs_error *err)
{
	struct json_object *s = json_object_new_object();

	set_string(s, "ContainerID", container);
	set_string(s, "ContainerRootPath", root);
	return modify(g, "CombinedLayers", "Remove", s, err);
}

int guest_create(struct guest *g, const char *container, const char *bundle, const char *scratch, struct json_object *spec,
		 struct gcs_error *err)
{
	struct json_object *body = json_object_new_object(), *config = json_object_new_object(),
			   *version = json_object_new_object();

	set_number(version, "Major", 2);
	set_number(version, "Minor", 1);
	json_object_object_add(config, "SchemaVersion", version);
	set_string(config, "OciBundlePath", bundle);
	json_object_object_add(config, "OciSpecification", spec);
	set_string(config, "ScratchDirPath", scratch);
	set_nested(body, "ContainerConfig", config);
	return bridge_call(g->bridge, MSG_CREATE, container, body, NULL, err);
}

static void close_sockets(struct guest_process *p)
{
	for (int i = 0; i < 3; i++) {
		if (p->sockets[i] >= 0)
			close(p->sockets[i]);
		p->sockets[i] = -1;
	}
}

int guest_execute(struct guest *g, const char *container, struct json_object *parameters, struct guest_process *p,
		  struct gcs_error *err)
{
	static const char *const pipes[] = { "CreateStdInPipe", "CreateStdOutPipe", "CreateStdErrPipe" };
	static const char *const names[] = { "StdIn", "StdOut", "StdErr" };
	struct json_object *body = json_object_new_object(), *settings = json_object_new_object(),
			   *vsock = json_object_new_object(), *pid;
	_cleanup_json_ struct json_object *answer = NULL;
	int listeners[3] = { -1, -1, -1 }, ret = 0;

	if (!parameters)
		parameters = json_object_new_object();
	for (int i = 0; i < 3; i++) {
		p->sockets[i] = -1;
		if (!p->want[i])
			continue;
		/* All are there before the request: the guest connects before it answers. */
		listeners[i] = ports_listen(g->ports, g->next_port, err);
		if (listeners[i] < 0)
			ret = -1;
		set_true(parameters, pipes[i]);
		set_number(vsock, names[i], g->next_port++);
	}
	set_nested(settings, "ProcessParameters", parameters);
	json_object_object_add(settings, "VsockStdioRelaySettings", vsock);
	json_object_object_add(body, "Settings", settings);
	if (ret < 0)
		json_object_put(body);
	else
		ret = bridge_call(g->bridge, MSG_EXECUTE_PROCESS, container, body, &answer, err);
	for (int i = 0; i < 3; i++) {
		if (ret == 0 && listeners[i] >= 0) {
			p->sockets[i] = ports_accept(g->ports, listeners[i], err);
			if (p->sockets[i] < 0)
				ret = -1;
		} else {
			ports_unlisten(g->ports, listeners[i]);
		}
	}
	if (ret < 0) {
		close_sockets(p);
		return -1;
	}
	p->pid = json_object_object_get_ex(answer, "ProcessId", &pid) ? (uint32_t)json_object_get_int64(pid) : 0;
	return 0;
}

int guest_wait_send(struct guest *g, const char *container, uint32_t pid, uint64_t *id, struct gcs_error *err)
{
	struct json_object *body = json_object_new_object();

	set_number(body, "ProcessId", pid);
	set_number(body, "TimeoutInMs", UINT32_MAX);
	return bridge_send(g->bridge, MSG_WAIT_FOR_PROCESS, container, body, id, err);
}

int guest_exit_code(struct json_object *answer, uint32_t *code, struct gcs_error *err)
{
	struct json_object *o;

	if (bridge_result(MSG_WAIT_FOR_PROCESS, answer, err) < 0)
		return -1;
	if (!json_object_object_get_ex(answer, "ExitCode", &o))
		return gcs_fail(err, 0, HR_FAIL, "guest: the answer to WaitForProcess has no ExitCode");
	*code = (uint32_t)json_object_get_int64(o);
	return 0;
}

int guest_signal_send(struct guest *g, const char *container, uint32_t pid, int signal, uint64_t *id, struct gcs_error *err)
{
	struct json_object *body = json_object_new_object(), *options = json_object_new_object();

	set_number(body, "ProcessId", pid);
	set_number(options, "Signal", signal);
	json_object_object_add(body, "Options", options);
	return bridge_send(g->bridge, MSG_SIGNAL_PROCESS, container, body, id, err);
}

int guest_resize(struct guest *g, const char *container, uint32_t pid, uint16_t rows, uint16_t columns, struct gcs_error *err)
{
	struct json_object *body = json_object_new_object();

	set_number(body, "ProcessId", pid);
	set_number(body, "Height", rows);
	set_number(body, "Width", columns);
	return bridge_call(g->bridge, MSG_RESIZE_CONSOLE, container, body, NULL, err);
}

/* Read to the end of file. */
static char *read_output(struct guest *g, int fd, struct gcs_error *err)
{
	int64_t deadline = watch_deadline(COMMAND_TIMEOUT_MS);
	_cleanup_free_ char *text = malloc(OUTPUT_MAX);
	size_t len = 0;
	ssize_t n;

	while (text && len < OUTPUT_MAX - 1) {
		if (watch_wait(g->watch, fd, POLLIN, deadline, "a command's output", err) < 0)
			return NULL;
		n = read(fd, text + len, OUTPUT_MAX - 1 - len);
		if (n < 0 && errno != EINTR) {
			gcs_fail(err, errno, HR_FAIL, "a command's output");
			return NULL;
		}
		if (n == 0)
			break;
		len += n > 0 ? (size_t)n : 0;
	}
	if (text)
		text[len] = '\0';
	return steal_ptr(&text);
}

char *guest_run(struct guest *g, const char *const *argv, struct gcs_error *err)
{
	struct json_object *parameters = json_object_new_object(), *args = json_object_new_array(),
			   *env = json_object_new_object();
	_cleanup_json_ struct json_object *answer = NULL;
	_cleanup_free_ char *output = NULL;
	struct guest_process p = { .want = { false, true, false } };
	uint64_t id;

	for (; *argv; argv++)
		json_object_array_add(args, json_object_new_string(*argv));
	set_string(env, "PATH", "/sbin:/usr/sbin:/bin:/usr/bin");
	json_object_object_add(parameters, "CommandArgs", args);
	set_string(parameters, "WorkingDirectory", "/");
	json_object_object_add(parameters, "Environment", env);
	if (guest_execute(g, NULL_GUID, parameters, &p, err) < 0)
		return NULL;
	output = read_output(g, p.sockets[1], err);
	close_sockets(&p);
	if (!output || guest_wait_send(g, NULL_GUID, p.pid, &id, err) < 0)
		return NULL;
	while (!bridge_take(g->bridge, id, &answer))
		if (watch_wait(g->watch, bridge_fd(g->bridge), POLLIN, watch_deadline(COMMAND_TIMEOUT_MS), "a command's end",
			       err) < 0 ||
		    bridge_read(g->bridge, err) < 0)
			return NULL;
	return steal_ptr(&output);
}

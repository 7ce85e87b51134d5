// SPDX-License-Identifier: MIT
/* What the host asks of the guest, as messages. */
#include "guest.h"

#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cleanup.h"
#include "jsonset.h"

#define OUTPUT_MAX 65536
#define COMMAND_TIMEOUT_MS 60000

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

static struct json_object *modification(const char *resource, const char *request, struct json_object *settings)
{
	struct json_object *body = json_object_new_object(), *r = json_object_new_object();

	set_string(r, "ResourceType", resource);
	set_string(r, "RequestType", request);
	json_object_object_add(r, "Settings", settings);
	json_object_object_add(body, "Request", r);
	return body;
}

static int modify(struct guest *g, const char *resource, const char *request, struct json_object *settings,
		  struct gcs_error *err)
{
	if (bridge_call(g->bridge, MSG_MODIFY_SETTINGS, NULL_GUID, modification(resource, request, settings), NULL, err) < 0)
		return gcs_fail_prefix(err, "%s %s", resource, request);
	return 0;
}

static struct json_object *disk_settings(const struct guest_disk *d)
{
	struct json_object *s = json_object_new_object(), *options;

	set_string(s, "MountPath", d->mount_path);
	if (d->pmem) {
		set_number(s, "DeviceNumber", d->lun);
		return s;
	}
	set_number(s, "Lun", d->lun);
	set_number(s, "Controller", d->controller);
	if (d->format) {
		set_bool(s, "EnsureFilesystem", true);
		set_string(s, "Filesystem", "ext4");
	}
	if (!d->read_only)
		return s;
	set_bool(s, "ReadOnly", true);
	options = json_object_new_array();
	json_object_array_add(options, json_object_new_string("ro"));
	json_object_object_add(s, "Options", options);
	return s;
}

static const char *resource_of(const struct guest_disk *d)
{
	return d->pmem ? "VPMemDevice" : "MappedVirtualDisk";
}

int guest_mount(struct guest *g, const struct guest_disk *d, struct gcs_error *err)
{
	return modify(g, resource_of(d), "Add", disk_settings(d), err);
}

int guest_unmount(struct guest *g, const struct guest_disk *d, struct gcs_error *err)
{
	return modify(g, resource_of(d), "Remove", disk_settings(d), err);
}

int guest_eject(struct guest *g, const struct guest_disk *d, struct gcs_error *err)
{
	struct json_object *s = json_object_new_object();

	set_number(s, "Controller", d->controller);
	set_number(s, "Lun", d->lun);
	return modify(g, "SCSIDevice", "Remove", s, err);
}

struct request *guest_share_mount(struct guest *g, const char *mount_path, uint32_t port, const char *name, bool read_only, struct gcs_error *err)
{
	struct json_object *s = json_object_new_object();

	set_string(s, "MountPath", mount_path);
	set_number(s, "Port", port);
	set_string(s, "ShareName", name);
	set_bool(s, "ReadOnly", read_only);
	return bridge_send(g->bridge, MSG_MODIFY_SETTINGS, NULL_GUID, modification("MappedDirectory", "Add", s), err);
}

int guest_share_unmount(struct guest *g, const char *mount_path, struct gcs_error *err)
{
	struct json_object *s = json_object_new_object();

	set_string(s, "MountPath", mount_path);
	return modify(g, "MappedDirectory", "Remove", s, err);
}

int guest_network_add(struct guest *g, const char *network, const char *id, struct json_object *settings, struct gcs_error *err)
{
	set_string(settings, "NamespaceID", network);
	set_string(settings, "ID", id);
	return modify(g, "Network", "Add", settings, err);
}

int guest_network_remove(struct guest *g, const char *network, const char *id, struct gcs_error *err)
{
	struct json_object *s = json_object_new_object();

	set_string(s, "NamespaceID", network);
	set_string(s, "ID", id);
	return modify(g, "Network", "Remove", s, err);
}

int guest_combine(struct guest *g, const char *container, const char *root, const char *const *layers, const char *scratch,
		  struct gcs_error *err)
{
	struct json_object *s = json_object_new_object(), *list = json_object_new_array();

	for (; *layers; layers++) {
		struct json_object *l = json_object_new_object();

		set_string(l, "Path", *layers);
		json_object_array_add(list, l);
	}
	set_string(s, "ContainerID", container);
	set_string(s, "ContainerRootPath", root);
	json_object_object_add(s, "Layers", list);
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
	uint32_t port;

	if (!parameters)
		parameters = json_object_new_object();
	for (int i = 0; i < 3; i++) {
		p->sockets[i] = -1;
		if (!p->want[i])
			continue;
		/* All are there before the request: the guest connects before it answers. */
		port = atomic_fetch_add(&g->next_port, 1);
		listeners[i] = ports_listen(g->ports, port, err);
		if (listeners[i] < 0)
			ret = -1;
		set_bool(parameters, pipes[i], true);
		set_number(vsock, names[i], port);
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

struct request *guest_wait(struct guest *g, const char *container, uint32_t pid, struct gcs_error *err)
{
	struct json_object *body = json_object_new_object();

	set_number(body, "ProcessId", pid);
	set_number(body, "TimeoutInMs", UINT32_MAX);
	return bridge_send(g->bridge, MSG_WAIT_FOR_PROCESS, container, body, err);
}

int guest_exit_code(struct request *wait, uint32_t *code, struct gcs_error *err)
{
	_cleanup_json_ struct json_object *answer = NULL;
	struct json_object *o;

	if (request_take(wait, &answer, err) < 0)
		return -1;
	if (!json_object_object_get_ex(answer, "ExitCode", &o))
		return gcs_fail(err, 0, HR_FAIL, "guest: the answer to WaitForProcess has no ExitCode");
	*code = (uint32_t)json_object_get_int64(o);
	return 0;
}

struct request *guest_signal(struct guest *g, const char *container, uint32_t pid, int signal, struct gcs_error *err)
{
	struct json_object *body = json_object_new_object(), *options = json_object_new_object();

	set_number(body, "ProcessId", pid);
	set_number(options, "Signal", signal);
	json_object_object_add(body, "Options", options);
	return bridge_send(g->bridge, MSG_SIGNAL_PROCESS, container, body, err);
}

struct request *guest_resize(struct guest *g, const char *container, uint32_t pid, uint16_t rows, uint16_t columns,
			     struct gcs_error *err)
{
	struct json_object *body = json_object_new_object();

	set_number(body, "ProcessId", pid);
	set_number(body, "Height", rows);
	set_number(body, "Width", columns);
	return bridge_send(g->bridge, MSG_RESIZE_CONSOLE, container, body, err);
}

struct json_object *guest_statistics(struct guest *g, const char *container, struct gcs_error *err)
{
	_cleanup_json_ struct json_object *answer = NULL, *properties = NULL;
	struct json_object *body = json_object_new_object(), *query = json_object_new_object(), *metrics;

	json_object_object_add(query, "PropertyTypes", strings((const char *const[]){ "Statistics", NULL }));
	set_nested(body, "Query", query);
	if (bridge_call(g->bridge, MSG_GET_PROPERTIES, container, body, &answer, err) < 0)
		return NULL;
	properties = json_tokener_parse(get_string(answer, "Properties") ?: "");
	if (json_object_object_get_ex(properties, "LCOWMetrics", &metrics))
		return json_object_get(metrics);
	gcs_fail(err, 0, HR_FAIL, "guest: the answer to GetProperties has no LCOWMetrics");
	return NULL;
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
	_cleanup_free_ char *output = NULL;
	struct guest_process p = { .want = { false, true, false } };
	struct request *wait;
	uint32_t code;

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
	wait = output ? guest_wait(g, NULL_GUID, p.pid, err) : NULL;
	if (!wait)
		return NULL;
	if (watch_wait(g->watch, request_fd(wait), POLLIN, watch_deadline(COMMAND_TIMEOUT_MS), "a command's end", err) < 0) {
		request_drop(wait);
		return NULL;
	}
	return guest_exit_code(wait, &code, err) < 0 ? NULL : steal_ptr(&output);
}

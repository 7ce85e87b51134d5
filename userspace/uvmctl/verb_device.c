// SPDX-License-Identifier: MIT
/* `uvmctl device add`, `rm`, `ls`: what is plugged into a UVM that runs. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "cleanup.h"
#include "client.h"
#include "fs.h"
#include "jsonset.h"
#include "table.h"
#include "verbs.h"
#include "volume.h"

/* Its source as the supervisor needs it, which has another working directory. *@disk is set to a disk's descriptor. */
static int describe(const struct options *o, int kind, struct json_object *request, int *disk, struct gcs_error *err)
{
	const char *source = o->operands[1], *path = o->operand_count > 2 ? o->operands[2] : NULL;
	_cleanup_free_ char *absolute = NULL;

	if (kind != DEVICE_DISK && o->raw)
		return gcs_fail(err, EINVAL, HR_FAIL, "--raw: only for a disk");
	if (kind != DEVICE_NIC && o->address)
		return gcs_fail(err, EINVAL, HR_FAIL, "--ip: only for a nic");
	if (kind != DEVICE_NIC && *o->publish)
		return gcs_fail(err, EINVAL, HR_FAIL, "-p: only for a nic");
	if (path && (kind == DEVICE_NIC || o->raw))
		return gcs_fail(err, EINVAL, HR_FAIL, "%s: no PATH, it is not mounted", path);
	if (path && !path_is_plain(path))
		return gcs_fail(err, EINVAL, HR_FAIL, "PATH %s: not absolute, or with '..'", path);
	if (path)
		set_string(request, "path", path);
	if (kind == DEVICE_NIC) {
		set_string(request, "container", source);
		if (o->address)
			set_string(request, "address", o->address);
		json_object_object_add(request, "publish", strings(o->publish));
		return 0;
	}
	if (device_kind_is_disk(kind)) {
		*disk = volume_open_disk(source, o->read_only || kind == DEVICE_PMEM, &absolute, err);
		if (*disk < 0)
			return -1;
	} else {
		absolute = realpath(source, NULL);
		if (!absolute)
			return gcs_fail(err, errno, HR_FAIL, "share %s", source);
	}
	set_string(request, "source", absolute);
	return 0;
}

static int add(const struct options *o, struct json_object **answer, struct gcs_error *err)
{
	int kind = device_kind_by_name(o->operands[0]);
	_cleanup_close_ int fd = -1, disk = -1;
	struct control_fds fds = { .count = 0 };
	struct json_object *request;

	if (kind < 0)
		return gcs_fail(err, EINVAL, HR_FAIL, "KIND '%s': not disk, pmem, share or nic", o->operands[0]);
	request = client_new("device add", NULL);
	set_string(request, "kind", o->operands[0]);
	if (o->name)
		set_string(request, "name", o->name);
	set_bool(request, "read_only", o->read_only);
	set_bool(request, "raw", o->raw);
	fd = describe(o, kind, request, &disk, err) < 0 ? -1 : client_connect(o->in, NULL, err);
	if (fd < 0) {
		json_object_put(request);
		return -1;
	}
	if (disk >= 0)
		fds.fds[fds.count++] = disk;
	return client_ask(fd, request, &fds, answer, err);
}

int verb_device_add(struct options *o)
{
	_cleanup_json_ struct json_object *answer = NULL;
	struct gcs_error err = { 0 };

	if (add(o, &answer, &err) < 0)
		return verb_failed(&err, o->json);
	printf("%s\n", get_string(answer, "name"));
	return 0;
}

int verb_device_rm(struct options *o)
{
	struct json_object *request = client_new("device rm", NULL);
	struct gcs_error err = { 0 };

	set_string(request, "name", o->operands[0]);
	return client_request(o->in, request, NULL, &err) < 0 ? verb_failed(&err, o->json) : 0;
}

int verb_device_ls(struct options *o)
{
	static const struct table_column columns[] = { { "DEVICE", "name" }, { "KIND", "kind" }, { "STATE", "state" }, { "USERS", "users" },
						       { "ADDRESS", "address" }, { "PATH", "path" }, { "SOURCE", "source" } };
	_cleanup_json_ struct json_object *answer = NULL;
	struct gcs_error err = { 0 };

	if (client_request(o->in, client_new("device ls", NULL), &answer, &err) < 0)
		return verb_failed(&err, o->json);
	table_print(stdout, get_array(answer, "devices"), columns, sizeof(columns) / sizeof(columns[0]), o->json);
	return 0;
}

// SPDX-License-Identifier: MIT
/* What a container is given. */
#include "volume.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cleanup.h"
#include "fs.h"
#include "jsonset.h"

#define SYNTAX "SOURCE:PATH[:ro]"

int volume_open_disk(const char *name, bool read_only, char **path, struct gcs_error *err)
{
	_cleanup_close_ int fd = open(name, (read_only ? O_RDONLY : O_RDWR) | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return gcs_fail(err, errno, HR_FAIL, "disk %s", name);
	if (!S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode))
		return gcs_fail(err, 0, HR_FAIL, "disk %s: neither a file nor a block device", name);
	*path = realpath(name, NULL);
	return *path ? steal_fd(&fd) : gcs_fail(err, errno, HR_FAIL, "disk %s", name);
}

/* @source of the volume @o. */
static int resolve(const char *source, bool read_only, struct volumes *v, struct json_object *o, struct gcs_error *err)
{
	_cleanup_free_ char *path = NULL;
	struct stat st;
	int fd;

	if (!strchr(source, '/')) {
		set_string(o, "device", source);
		return 0;
	}
	if (stat(source, &st) < 0)
		return gcs_fail(err, errno, HR_FAIL, "%s", source);
	if (S_ISDIR(st.st_mode)) {
		path = realpath(source, NULL);
		if (!path)
			return gcs_fail(err, errno, HR_FAIL, "%s", source);
		set_string(o, "kind", device_kind_name(DEVICE_SHARE));
	} else {
		fd = volume_open_disk(source, read_only, &path, err);
		if (fd < 0)
			return -1;
		v->fds[v->count++] = fd;
		set_string(o, "kind", device_kind_name(DEVICE_DISK));
	}
	set_string(o, "source", path);
	return 0;
}

/* The source may have colons; what is behind them is a path, and maybe a word. */
static int parse(const char *text, struct volumes *v, struct json_object *list, struct gcs_error *err)
{
	_cleanup_free_ char *source = strdup(text);
	char *path = source ? strrchr(source, ':') : NULL;
	bool read_only = path && !strcmp(path, ":ro");
	struct json_object *o;

	if (read_only) {
		*path = '\0';
		path = strrchr(source, ':');
	}
	if (!path || path == source || !path_is_plain(path + 1))
		return gcs_fail(err, EINVAL, HR_FAIL, "-v %s: not " SYNTAX ", PATH absolute and without '..'", text);
	*path++ = '\0';
	o = json_object_new_object();
	json_object_array_add(list, o);
	set_string(o, "path", path);
	set_bool(o, "read_only", read_only);
	return resolve(source, read_only, v, o, err) < 0 ? gcs_fail_prefix(err, "-v %s", text) : 0;
}

int volumes_open(const struct options *o, struct volumes *v, struct json_object *request, struct gcs_error *err)
{
	struct json_object *list = json_object_new_array();

	json_object_object_add(request, "volumes", list);
	set_bool(request, "net", o->net);
	if (o->address)
		set_string(request, "address", o->address);
	json_object_object_add(request, "publish", strings(o->publish));
	if (o->net && o->pod)
		return gcs_fail(err, EINVAL, HR_FAIL, "--net, --ip, -p: the network is the pod's, which `uvmctl pod create --net` makes with one");
	for (const char *const *text = o->volumes; *text; text++)
		if (parse(*text, v, list, err) < 0)
			return -1;
	return 0;
}

void volumes_close(struct volumes *v)
{
	while (v->count)
		close(v->fds[--v->count]);
}

static bool is_disk(struct json_object *volume)
{
	return !strcmp(get_string(volume, "kind") ?: "", device_kind_name(DEVICE_DISK));
}

unsigned int volumes_disks(struct json_object *request)
{
	struct json_object *list = get_array(request, "volumes");
	unsigned int n = 0;

	for (size_t i = 0; list && i < json_object_array_length(list); i++)
		n += is_disk(json_object_array_get_idx(list, i));
	return n;
}

static void add_mount(struct json_object *mounts, const char *from, const char *to, bool read_only)
{
	struct json_object *m = json_object_new_object();

	set_string(m, "destination", to);
	set_string(m, "type", "bind");
	set_string(m, "source", from);
	json_object_object_add(m, "options", strings((const char *const[]){ "rbind", "rprivate", read_only ? "ro" : "rw", NULL }));
	json_object_array_add(mounts, m);
}

/* @fd is its disk, if it is one. */
static int plug(struct devices *d, const char *container, struct json_object *volume, int fd, struct json_object *mounts, struct gcs_error *err)
{
	struct device_request r = { .source = get_string(volume, "source"), .fd = fd, .read_only = get_bool(volume, "read_only"),
				    .container = container, .kind = is_disk(volume) ? DEVICE_DISK : DEVICE_SHARE };
	const char *device = get_string(volume, "device"), *to = get_string(volume, "path");
	bool read_only = r.read_only;
	char path[128];

	if (!to || (!device && !r.source))
		return gcs_fail(err, 0, HR_FAIL, "create: the request is not complete");
	if (device ? device_use(d, device, container, path, &read_only, err) : device_share(d, &r, path, err))
		return -1;
	add_mount(mounts, path, to, read_only || r.read_only);
	return 0;
}

int volumes_plug(struct devices *d, const char *container, struct json_object *request, const struct control_fds *fds,
		 struct json_object *mounts, struct gcs_error *err)
{
	const struct device_request nic = { .kind = DEVICE_NIC, .container = container,
					    .address = get_string(request, "address"), .publish = get_array(request, "publish") };
	struct json_object *list = get_array(request, "volumes");
	unsigned int at = fds->count - volumes_disks(request);

	for (size_t i = 0; list && i < json_object_array_length(list); i++) {
		struct json_object *volume = json_object_array_get_idx(list, i);

		if (plug(d, container, volume, is_disk(volume) ? fds->fds[at++] : -1, mounts, err) < 0)
			return -1;
	}
	return get_bool(request, "net") ? device_add(d, &nic, NULL, NULL, err) : 0;
}

// SPDX-License-Identifier: MIT
/* The VM's device nodes in a container, and the rules that allow them (lifecycle.md 5.3). */
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "cleanup.h"
#include "container/spec.h"
#include "container/spec_tree.h"
#include "fs.h"
#include "pci/pci.h"

void devices_allow(struct json_object *rules, char type, unsigned int major, unsigned int minor, const char *access)
{
	struct json_object *rule = json_object_new_object();

	json_object_object_add(rule, "allow", json_object_new_boolean(true));
	set_string(rule, "type", (char[2]){ type });
	set_number(rule, "major", major);
	set_number(rule, "minor", minor);
	set_string(rule, "access", access);
	json_object_array_add(rules, rule);
}

static bool is_device(const struct stat *st)
{
	return S_ISBLK(st->st_mode) || S_ISCHR(st->st_mode);
}

static char type_of(const struct stat *st)
{
	return S_ISBLK(st->st_mode) ? 'b' : 'c';
}

/* What the runtime makes the node from; the mode stays as the spec says. */
static void describe(struct json_object *device, const struct stat *st)
{
	set_string(device, "type", (char[2]){ type_of(st) });
	set_number(device, "major", major(st->st_rdev));
	set_number(device, "minor", minor(st->st_rdev));
	set_number(device, "uid", st->st_uid);
	set_number(device, "gid", st->st_gid);
}

int devices_resolve(struct json_object *devices, struct json_object *rules, struct gcs_error *err)
{
	for (size_t i = 0; i < json_object_array_length(devices); i++) {
		struct json_object *device = json_object_array_get_idx(devices, i);
		const char *wrong = NULL, *path;
		struct stat st;

		if (!json_object_is_type(device, json_type_object))
			return gcs_fail(err, 0, HR_INVALID_JSON, "linux.devices[%zu]: not an object", i);
		path = string(device, "path", &wrong);
		if (!path_is_plain(path))
			return gcs_fail(err, 0, HR_INVALID_JSON, "linux.devices[%zu]: path \"%s\": not an absolute path "
					"without . and ..", i, path);
		if (lstat(path, &st) < 0)
			return gcs_fail(err, errno, HR_FAIL, "device %s: look it up", path);
		if (!is_device(&st))
			return gcs_fail(err, 0, HR_FAIL, "device %s: not a device", path);
		describe(device, &st);
		devices_allow(rules, type_of(&st), major(st.st_rdev), minor(st.st_rdev), "rwm");
	}
	return 0;
}

static bool is_skipped(const char *name, const struct stat *st)
{
	static const char *const dirs[] = { "pts", "shm", "fd", "mqueue", ".lxc", ".lxd-mounts", ".udev" };

	if (!S_ISDIR(st->st_mode))
		return !is_device(st) || !st->st_rdev || !strcmp(name, "console");
	for (size_t i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++)
		if (!strcmp(name, dirs[i]))
			return true;
	return false;
}

static void replace(struct json_object *devices, const char *path, const struct stat *st)
{
	ssize_t at = find_by(devices, "path", path);
	struct json_object *device = json_object_new_object();

	set_string(device, "path", path);
	describe(device, st);
	if (at < 0)
		json_object_array_add(devices, device);
	else
		json_object_array_put_idx(devices, at, device);
}

int devices_add_all(struct json_object *devices, const char *dir, struct gcs_error *err)
{
	_cleanup_dir_ DIR *d = opendir(dir);
	struct dirent *e;

	/* As below. */
	if (!d && errno == ENOENT)
		return 0;
	if (!d)
		return gcs_fail(err, errno, HR_FAIL, "%s: open", dir);
	while ((e = readdir(d))) {
		char path[PATH_MAX];
		struct stat st;

		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, "..") ||
		    snprintf(path, sizeof(path), "%s/%s", dir, e->d_name) >= (int)sizeof(path))
			continue;
		/* It may have gone: disks do. */
		if (lstat(path, &st) < 0 || is_skipped(e->d_name, &st))
			continue;
		if (!S_ISDIR(st.st_mode))
			replace(devices, path, &st);
		else if (devices_add_all(devices, path, err) < 0)
			return -1;
	}
	return 0;
}

int devices_add_pci(struct json_object *devices, struct json_object *rules, const char *id, int64_t deadline, struct gcs_error *err)
{
	struct pci_list nodes;
	int ret = 0;

	if (pci_wait_nodes(id, deadline, &nodes, err) < 0)
		return -1;
	for (size_t i = 0; i < nodes.count && ret == 0; i++) {
		struct stat st;

		if (lstat(nodes.items[i], &st) < 0) {
			ret = gcs_fail(err, errno, HR_FAIL, "PCI device %s: look up %s", id, nodes.items[i]);
		} else {
			replace(devices, nodes.items[i], &st);
			devices_allow(rules, type_of(&st), major(st.st_rdev), minor(st.st_rdev), "rwm");
		}
	}
	pci_list_free(&nodes);
	return ret;
}

// SPDX-License-Identifier: MIT
/* The mounts of a workload: prefixes that stand for something in the VM (lifecycle.md 3.2), /dev/shm, binds. */
#include <errno.h>
#include <limits.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "cleanup.h"
#include "container/spec.h"
#include "container/spec_tree.h"
#include "fs.h"

void mounts_add_bind(struct json_object *mounts, const char *destination, const char *source, bool read_only)
{
	struct json_object *mount = json_object_new_object(), *options = json_object_new_array();

	json_object_array_add(options, json_object_new_string("bind"));
	if (read_only)
		json_object_array_add(options, json_object_new_string("ro"));
	set_string(mount, "destination", destination);
	set_string(mount, "type", "bind");
	set_string(mount, "source", source);
	json_object_object_add(mount, "options", options);
	json_object_array_add(mounts, mount);
}

void mounts_set_shm(struct json_object *mounts, uint64_t kb)
{
	static const char *const words[] = { "nosuid", "noexec", "nodev", "mode=1777" };
	struct json_object *mount = json_object_new_object(), *options = json_object_new_array();
	char size[32];
	ssize_t at;

	while ((at = find_by(mounts, "destination", "/dev/shm")) >= 0)
		json_object_array_del_idx(mounts, at, 1);
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		json_object_array_add(options, json_object_new_string(words[i]));
	snprintf(size, sizeof(size), "size=%lluk", (unsigned long long)kb);
	json_object_array_add(options, json_object_new_string(size));
	set_string(mount, "destination", "/dev/shm");
	set_string(mount, "type", "tmpfs");
	set_string(mount, "source", "shm");
	json_object_object_add(mount, "options", options);
	json_object_array_add(mounts, mount);
}

static int share(struct container *c, const char *dir, const char *rest, char **source, struct gcs_error *err)
{
	_cleanup_free_ char *path = path_clean(rest);

	if (!path)
		return gcs_fail(err, 0, HR_INVALID_ARG, "\"%s\": leads out of the pod's %s", rest, dir);
	return shared_dir(c, dir, path, source, err);
}

static int share_hugepages(struct container *c, const char *rest, char **source, struct gcs_error *err)
{
	size_t digits = strspn(rest, "0123456789"), len = strcspn(rest, "/");
	_cleanup_free_ char *path = NULL;
	char size[16];

	if (asprintf(&path, "/%s", rest) < 0) {
		path = NULL;
		return gcs_fail(err, ENOMEM, HR_FAIL, "%s", rest);
	}
	if (!digits || digits > 10 || len != digits + 1 || !strchr("KMG", rest[digits]) || !rest[len] || !rest[len + 1] ||
	    !path_is_plain(path))
		return gcs_fail(err, 0, HR_INVALID_ARG, "\"%s\": not <size>/<name>", rest);
	snprintf(size, sizeof(size), "%.*s", (int)len, rest);
	return shared_hugepages(c, path, size, source, err);
}

/* The SCSI handler has made a link to the node. */
static int allow_block_device(const char *source, struct json_object *options, struct json_object *rules,
			      struct gcs_error *err)
{
	char node[PATH_MAX];
	struct stat st;
	ssize_t n = readlink(source, node, sizeof(node) - 1);

	if (n < 0)
		return gcs_fail(err, errno, HR_FAIL, "%s: read the link to a block device", source);
	node[n] = '\0';
	if (lstat(node, &st) < 0)
		return gcs_fail(err, errno, HR_FAIL, "%s: look up %s", source, node);
	if (!S_ISBLK(st.st_mode))
		return gcs_fail(err, 0, HR_FAIL, "%s: %s is not a block device", source, node);
	devices_allow(rules, 'b', major(st.st_rdev), minor(st.st_rdev), has_word(options, "ro") ? "r" : "rwm");
	return 0;
}

static const char *after(const char *s, const char *prefix)
{
	size_t len = strlen(prefix);

	return strncmp(s, prefix, len) ? NULL : s + len;
}

static int expand(struct container *c, struct json_object *mount, struct json_object *rules, struct gcs_error *err)
{
	const char *wrong = NULL, *source = string(mount, "source", &wrong), *rest;
	const char *destination = string(mount, "destination", &wrong);
	struct json_object *options = member(mount, "options", json_type_array, &wrong);
	_cleanup_free_ char *real = NULL, *target = NULL;
	int ret = 0;

	if (wrong)
		return gcs_fail(err, 0, HR_INVALID_JSON, "%s: wrong type", wrong);
	if ((rest = after(source, "sandbox://"))) {
		ret = share(c, "sandboxMounts", rest, &real, err);
	} else if ((rest = after(source, "sandbox-tmp://"))) {
		ret = share(c, "sandboxTmpfsMounts", rest, &real, err);
	} else if ((rest = after(source, "hugepages://"))) {
		ret = share_hugepages(c, rest, &real, err);
	} else if ((rest = after(source, "uvm://"))) {
		real = path_clean(rest);
		if (!real || !*real || access(real, F_OK) < 0)
			ret = gcs_fail(err, real ? errno : 0, HR_FAIL, "there is no such path in the VM");
	} else if ((rest = after(destination, "blockdev://"))) {
		target = path_clean(rest);
		if (!target || !*target)
			return gcs_fail(err, 0, HR_INVALID_ARG, "destination: not a path");
		ret = allow_block_device(source, options, rules, err);
	}
	if (ret < 0)
		return -1;
	if (real)
		set_string(mount, "source", real);
	if (target)
		set_string(mount, "destination", target);
	return 0;
}

int mounts_expand(struct container *c, struct json_object *mounts, struct json_object *rules, struct gcs_error *err)
{
	for (size_t i = 0; i < json_object_array_length(mounts); i++) {
		struct json_object *mount = json_object_array_get_idx(mounts, i);
		const char *wrong = NULL;

		if (!json_object_is_type(mount, json_type_object))
			return gcs_fail(err, 0, HR_INVALID_JSON, "mounts[%zu]: not an object", i);
		if (expand(c, mount, rules, err) < 0)
			return gcs_fail_prefix(err, "mount %s on %s", string(mount, "source", &wrong),
					       string(mount, "destination", &wrong));
	}
	return 0;
}

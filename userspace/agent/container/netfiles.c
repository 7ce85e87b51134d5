// SPDX-License-Identifier: MIT
/* /etc/hostname, /etc/hosts and /etc/resolv.conf of a container (lifecycle.md 3.1). */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cleanup.h"
#include "container/internal.h"
#include "container/netfiles.h"
#include "fs.h"

bool hostname_is_valid(const char *name)
{
	size_t len = strspn(name, "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_-.");

	return len <= 255 && !name[len];
}

/* The content of the file bound on @destination; malloc'd, or NULL. */
static char *content(const char *destination, const char *hostname)
{
	char *text = NULL;
	int n;

	if (!strcmp(destination, "/etc/hostname"))
		n = asprintf(&text, "%s\n", hostname);
	else if (!strcmp(destination, "/etc/hosts"))
		n = asprintf(&text,
			     "127.0.0.1 localhost\n"
			     "127.0.0.1 %s%s%.*s\n"
			     "\n"
			     "# The following lines are desirable for IPv6 capable hosts\n"
			     "::1     ip6-localhost ip6-loopback\n"
			     "fe00::0 ip6-localnet\n"
			     "ff00::0 ip6-mcastprefix\n"
			     "ff02::1 ip6-allnodes\n"
			     "ff02::2 ip6-allrouters\n",
			     hostname, strchr(hostname, '.') ? " " : "",
			     strchr(hostname, '.') ? (int)strcspn(hostname, ".") : 0, hostname);
	else
		/* Name servers come with network interfaces; there are none in the container's namespace. */
		n = asprintf(&text, "%s", "");
	return n < 0 ? NULL : text;
}

static bool is_mounted(struct json_object *mounts, const char *destination)
{
	struct json_object *d;

	for (size_t i = 0; i < json_object_array_length(mounts); i++)
		if (json_object_object_get_ex(json_object_array_get_idx(mounts, i), "destination", &d) &&
		    json_object_is_type(d, json_type_string) && !strcmp(json_object_get_string(d), destination))
			return true;
	return false;
}

int netfiles_add(const char *id, const char *dir, const char *hostname, bool read_only, struct json_object *mounts,
		 struct gcs_error *err)
{
	static const char *const destinations[] = { "/etc/hostname", "/etc/hosts", "/etc/resolv.conf" };

	for (size_t i = 0; i < 3; i++) {
		_cleanup_free_ char *path = NULL, *text = NULL;
		struct json_object *mount, *options;

		if (is_mounted(mounts, destinations[i]))
			continue;
		text = content(destinations[i], hostname);
		if (!text || asprintf(&path, "%s%s", dir, strrchr(destinations[i], '/')) < 0)
			return gcs_fail(err, ENOMEM, HR_FAIL, "container %s: %s", id, destinations[i]);
		if (fs_write(path, text, strlen(text), 0644, err) < 0)
			return gcs_fail_prefix(err, "container %s", id);
		mount = json_object_new_object();
		options = json_object_new_array();
		json_object_array_add(options, json_object_new_string("bind"));
		if (read_only)
			json_object_array_add(options, json_object_new_string("ro"));
		json_object_object_add(mount, "destination", json_object_new_string(destinations[i]));
		json_object_object_add(mount, "type", json_object_new_string("bind"));
		json_object_object_add(mount, "source", json_object_new_string(path));
		json_object_object_add(mount, "options", options);
		json_object_array_add(mounts, mount);
	}
	return 0;
}

void netfiles_remove(const char *dir)
{
	static const char *const names[] = { "hostname", "hosts", "resolv.conf" };
	char path[PATH_MAX];

	for (size_t i = 0; i < 3; i++)
		if (snprintf(path, sizeof(path), "%s/%s", dir, names[i]) < (int)sizeof(path))
			unlink(path);
}

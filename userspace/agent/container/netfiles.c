// SPDX-License-Identifier: MIT
/* /etc/hostname, /etc/hosts and /etc/resolv.conf of a container (lifecycle.md 3.1). */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cleanup.h"
#include "container/netfiles.h"
#include "container/spec.h"
#include "container/spec_tree.h"
#include "fs.h"

bool hostname_is_valid(const char *name)
{
	size_t len = strspn(name, "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_-.");

	return len <= 255 && !name[len];
}

/* The content of the file bound on @destination; malloc'd, or NULL with @err. */
static char *content(const char *destination, const char *hostname, struct netns *netns, struct gcs_error *err)
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
		return netns_resolv_conf(netns, err);
	if (n >= 0)
		return text;
	gcs_fail(err, ENOMEM, HR_FAIL, "%s", destination);
	return NULL;
}

static const char *const destinations[] = { "/etc/hostname", "/etc/hosts", "/etc/resolv.conf" };

#define FILES (sizeof(destinations) / sizeof(destinations[0]))

static int file_path(const char *dir, size_t i, char **path, struct gcs_error *err)
{
	if (asprintf(path, "%s%s", dir, strrchr(destinations[i], '/')) >= 0)
		return 0;
	*path = NULL;
	return gcs_fail(err, ENOMEM, HR_FAIL, "%s", destinations[i]);
}

int netfiles_write(const char *dir, const char *hostname, struct netns *n, struct json_object *unless, struct gcs_error *err)
{
	for (size_t i = 0; i < FILES; i++) {
		_cleanup_free_ char *path = NULL, *text = NULL;

		if (unless && find_by(unless, "destination", destinations[i]) >= 0)
			continue;
		text = content(destinations[i], hostname, n, err);
		if (!text)
			return -1;
		if (file_path(dir, i, &path, err) < 0 || fs_write(path, text, strlen(text), 0644, err) < 0)
			return -1;
	}
	return 0;
}

int netfiles_mount(const char *dir, bool read_only, struct json_object *mounts, struct gcs_error *err)
{
	for (size_t i = 0; i < FILES; i++) {
		_cleanup_free_ char *path = NULL;

		if (find_by(mounts, "destination", destinations[i]) >= 0)
			continue;
		if (file_path(dir, i, &path, err) < 0)
			return -1;
		mounts_add_bind(mounts, destinations[i], path, read_only);
	}
	return 0;
}

void netfiles_remove(const char *dir)
{
	for (size_t i = 0; i < FILES; i++) {
		_cleanup_free_ char *path = NULL;

		if (file_path(dir, i, &path, NULL) == 0)
			unlink(path);
	}
}

// SPDX-License-Identifier: MIT
/* Network interfaces that come and go, by QEMU's monitor. */
#include <glob.h>
#include <sys/socket.h>

#include <linux/rtnetlink.h>

#include "../kmod/hotplug.h"
#include "nic.h"

static struct qmp qmp_port;

bool nic_init(void)
{
	struct qmp *q = &qmp_port;

	if (!qmp_open(q))
		return false;
	/* The first test of this VM makes them. */
	qmp_do(q, true, "netdev_add", "\"type\": \"user\", \"id\": \"outside\", "
	       "\"guestfwd\": [{\"str\": \"tcp:10.0.2.100:7-cmd:echo far\"}]");
	qmp_do(q, true, "netdev_add", "\"type\": \"hubport\", \"id\": \"hub\", \"hubid\": 1, \"netdev\": \"outside\"");
	return true;
}

void nic_plug(const struct host *h, int n)
{
	struct qmp *q = &qmp_port;

	if (qmp(q, "netdev_add", "\"type\": \"hubport\", \"id\": \"hub%d\", \"hubid\": 1", n) ||
	    qmp(q, "device_add", "\"driver\": \"virtio-net-pci\", \"id\": \"nic%d\", \"bus\": \"port%d\", \"netdev\": \"hub%d\", "
		"\"mac\": \"52:54:00:12:35:0%d\"", n, n, n, n))
		host_fail(h, "plug interface %d", n);
}

void nic_unplug(const struct host *h, int n)
{
	char id[16];

	snprintf(id, sizeof(id), "nic%d", n);
	if (qmp_remove(&qmp_port, id) || qmp(&qmp_port, "netdev_del", "\"id\": \"hub%d\"", n))
		host_fail(h, "unplug interface %d", n);
}

static const char *find(int n)
{
	static char name[32];
	char expected[32], text[32];
	bool found = false;
	glob_t all;

	snprintf(expected, sizeof(expected), "52:54:00:12:35:0%d", n);
	if (glob("/sys/class/net/*/address", 0, NULL, &all) != 0)
		return NULL;
	for (size_t i = 0; i < all.gl_pathc && !found; i++) {
		FILE *f = fopen(all.gl_pathv[i], "re");

		if (!f)
			continue;
		if (fgets(text, sizeof(text), f) && !strncmp(text, expected, strlen(expected)))
			found = sscanf(all.gl_pathv[i], "/sys/class/net/%31[^/]", name) == 1;
		fclose(f);
	}
	globfree(&all);
	return found ? name : NULL;
}

const char *nic_name(const struct host *h, int n)
{
	struct sockaddr_nl addr = { .nl_family = AF_NETLINK, .nl_groups = RTMGRP_LINK };
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	const char *name;
	char message[8192];

	if (fd < 0 || bind(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0)
		host_fail(h, "listen for interfaces");
	while (!(name = find(n))) {
		struct pollfd p = { .fd = fd, .events = POLLIN };

		if (poll(&p, 1, QMP_WAIT_MS) != 1 || recv(fd, message, sizeof(message), 0) < 0)
			host_fail(h, "interface %d does not come", n);
	}
	close(fd);
	return name;
}

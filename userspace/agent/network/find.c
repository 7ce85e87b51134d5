// SPDX-License-Identifier: MIT
/*
 * From the host's address of a network interface to its number: the GUID of its VMBus instance; in a VM without VMBus the
 * hardware address.
 */
#include <errno.h>
#include <glob.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include "cleanup.h"
#include "clock.h"
#include "fs.h"
#include "module.h"
#include "network/internal.h"
#include "vmbus.h"

/* The host has added it before it tells, but not every driver's probe is over then. */
#define NIC_DEADLINE_MS 10000

const char *network_sysfs = "/sys";

/* --- with gcs.ko, which knows when an interface can be used ------------------------------------ */

/* Returns 0 with @ifindex, or an errno. */
static int module_wait(const struct adapter_config *c, unsigned int *ifindex)
{
	struct gcs_dev_addr a = { .bus = GCS_BUS_NET };
	struct gcs_dev_wait w;
	int ret;

	if (vmbus_present(network_sysfs)) {
		a.flags = GCS_ADDR_GUID;
		memcpy(a.guid, c->guid, sizeof(a.guid));
	} else {
		memcpy(a.mac, c->mac, sizeof(c->mac));
	}
	do
		ret = module_dev_wait(&a, 0, NIC_DEADLINE_MS, &w);
	while (ret == EINTR);
	*ifindex = w.ifindex;
	return ret == ETIME ? ETIMEDOUT : ret;
}

/* --- without: look, and look again when the kernel tells of a new interface -------------------- */

/* Those without a device are made by software. */
static bool has_mac(const char *dir, const uint8_t mac[6])
{
	_cleanup_free_ char *path = NULL, *text = NULL, *device = NULL;
	char expected[20];

	snprintf(expected, sizeof(expected), "%02x:%02x:%02x:%02x:%02x:%02x\n", mac[0], mac[1], mac[2], mac[3], mac[4], mac[5]);
	if (asprintf(&device, "%s/device", dir) < 0 || access(device, F_OK) < 0 || asprintf(&path, "%s/address", dir) < 0)
		return false;
	text = fs_read(path, 64, NULL);
	return text && !strcmp(text, expected);
}

/* The directories of interfaces that may be it. */
static void pattern(const char *id, const struct adapter_config *c, char text[PATH_MAX])
{
	if (!vmbus_present(network_sysfs))
		snprintf(text, PATH_MAX, "%s/class/net/*", network_sysfs);
	else if (c->vpci)
		snprintf(text, PATH_MAX, "%s/bus/vmbus/devices/%s/pci*/*:*/net/*", network_sysfs, id);
	else
		snprintf(text, PATH_MAX, "%s/bus/vmbus/devices/%s/net/*", network_sysfs, id);
}

/* Returns 1 with @ifindex, 0 if it is not there yet, -1 with @err if more than one is. */
static int look(const char *id, const struct adapter_config *c, unsigned int *ifindex, struct gcs_error *err)
{
	char text[PATH_MAX];
	glob_t found;
	int count = 0;

	pattern(id, c, text);
	if (glob(text, 0, NULL, &found) != 0)
		return 0;
	for (size_t i = 0; i < found.gl_pathc; i++) {
		unsigned int index;

		if (!vmbus_present(network_sysfs) && !has_mac(found.gl_pathv[i], c->mac))
			continue;
		index = if_nametoindex(strrchr(found.gl_pathv[i], '/') + 1);
		if (!index)
			continue;
		*ifindex = index;
		count++;
	}
	globfree(&found);
	return count > 1 ? gcs_fail(err, 0, HR_FAIL, "%s: more than one interface", text) : count;
}

static int link_events(struct gcs_error *err)
{
	struct sockaddr_nl addr = { .nl_family = AF_NETLINK, .nl_groups = RTMGRP_LINK };
	_cleanup_close_ int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);

	if (fd < 0 || bind(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0)
		return gcs_fail(err, errno, HR_FAIL, "listen for new interfaces");
	return steal_fd(&fd);
}

static int user_wait(const char *id, const struct adapter_config *c, unsigned int *ifindex, struct gcs_error *err)
{
	_cleanup_close_ int fd = link_events(err);
	int64_t end = clock_now_ms() + NIC_DEADLINE_MS, left;
	char message[8192];
	int ret;

	if (fd < 0)
		return -1;
	while (!(ret = look(id, c, ifindex, err))) {
		struct pollfd p = { .fd = fd, .events = POLLIN };

		left = end - clock_now_ms();
		if (left <= 0 || (poll(&p, 1, left) < 0 && errno != EINTR))
			return gcs_fail(err, ETIMEDOUT, HR_FAIL, "wait for the interface");
		/* That something has happened is all that matters, also if it was too much to be told. */
		while (recv(fd, message, sizeof(message), 0) >= 0 || errno == ENOBUFS)
			;
	}
	return ret < 0 ? -1 : 0;
}

/* --- both -------------------------------------------------------------------------------------- */

int nic_wait(const char *id, const struct adapter_config *c, unsigned int *ifindex, struct gcs_error *err)
{
	int ret;

	if (!c->has_mac && !vmbus_present(network_sysfs))
		return gcs_fail(err, 0, HR_INVALID_ARG, "MacAddress: missing, and the VM has no VMBus to find the interface by its ID");
	if (!module_has_devices())
		return user_wait(id, c, ifindex, err);
	ret = module_wait(c, ifindex);
	return ret ? gcs_fail(err, ret, HR_FAIL, "wait for the interface") : 0;
}

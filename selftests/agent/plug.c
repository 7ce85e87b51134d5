// SPDX-License-Identifier: MIT
/* Disks that QEMU plugs. */
#include <glob.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/socket.h>

#include <linux/netlink.h>

#include "../kmod/hotplug.h"
#include "plug.h"
#include "shell.h"

static struct qmp monitor;

bool plug_init(void)
{
	return qmp_open(&monitor);
}

void plug_qmp(const struct host *h, const char *command, const char *format, ...)
{
	char arguments[512];
	va_list ap;

	va_start(ap, format);
	vsnprintf(arguments, sizeof(arguments), format, ap);
	va_end(ap);
	if (qmp(&monitor, command, "%s", arguments))
		host_fail(h, "QEMU: %s(%s)", command, arguments);
}

/* Events of block devices, from now on. */
static int block_events(const struct host *h)
{
	struct sockaddr_nl addr = { .nl_family = AF_NETLINK, .nl_groups = 1 };
	int fd = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_KOBJECT_UEVENT);

	if (fd < 0 || bind(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0)
		host_fail(h, "listen for disks");
	return fd;
}

static const char *find(int lun)
{
	static char node[64];
	char pattern[64];
	glob_t found;

	snprintf(pattern, sizeof(pattern), "/sys/bus/scsi/devices/*:0:0:%d/block/*", lun);
	if (glob(pattern, 0, NULL, &found) != 0)
		return NULL;
	snprintf(node, sizeof(node), "/dev/%.32s", strrchr(found.gl_pathv[0], '/') + 1);
	globfree(&found);
	return node;
}

/* Wait until LUN @lun is there, or not. */
static const char *await(const struct host *h, int events, int lun, bool there)
{
	const char *node;
	char message[8192];

	while (!!(node = find(lun)) != there) {
		struct pollfd p = { .fd = events, .events = POLLIN };

		if (poll(&p, 1, WAIT_MS) != 1 || recv(events, message, sizeof(message), 0) < 0)
			host_fail(h, "LUN %d does not %s", lun, there ? "come" : "go");
	}
	close(events);
	return node;
}

const char *plug_node(const struct host *h, int lun)
{
	return await(h, block_events(h), lun, true);
}

void plug_in(const struct host *h, int lun, const char *node)
{
	char id[16];

	snprintf(id, sizeof(id), "lun%d", lun);
	if (qmp_add_disk(&monitor, id, "scsi0", lun, node))
		host_fail(h, "plug LUN %d", lun);
}

void plug_out(const struct host *h, int lun)
{
	int events = block_events(h);
	char id[16];

	snprintf(id, sizeof(id), "lun%d", lun);
	if (qmp_remove(&monitor, id))
		host_fail(h, "unplug LUN %d", lun);
	await(h, events, lun, false);
}

char *vm_traces(const struct host *h)
{
	return vm_shell(h, "cut -d' ' -f5- /proc/self/mountinfo; ls /sys/block | grep dm-; ls /dev/mapper; "
			"ls -A /run/mounts/scsi 2>/dev/null; pidof mkfs.ext4 mkfs.xfs gcscrypt");
}

// SPDX-License-Identifier: MIT
/* Disks that QEMU plugs and that the agent maps. */
#include <glob.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/socket.h>

#include <linux/netlink.h>

#include "../kmod/hotplug.h"
#include "plug.h"

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

int64_t map_disk(struct host *h, const char *format, ...)
{
	char settings[512];
	va_list ap;

	va_start(ap, format);
	vsnprintf(settings, sizeof(settings), format, ap);
	va_end(ap);
	return host_call(h, MSG_MODIFY_SETTINGS, Z, ",\"Request\":{\"ResourceType\":\"MappedVirtualDisk\",\"Settings\":%s}",
			 settings);
}

int64_t unmap_disk(struct host *h, const char *path, int lun)
{
	return host_call(h, MSG_MODIFY_SETTINGS, Z, ",\"Request\":{\"RequestType\":\"Remove\",\"ResourceType\":\"MappedVirtualDisk\","
			 "\"Settings\":{\"MountPath\":\"%s\",\"Lun\":%d}}", path, lun);
}

int64_t eject_disk(struct host *h, int lun)
{
	return host_call(h, MSG_MODIFY_SETTINGS, Z, ",\"Request\":{\"RequestType\":\"Remove\",\"ResourceType\":\"SCSIDevice\","
			 "\"Settings\":{\"Lun\":%d}}", lun);
}

int64_t combine_layers(struct host *h, const char *request, const char *root, const char *layers, const char *scratch)
{
	return host_call(h, MSG_MODIFY_SETTINGS, Z, ",\"Request\":{\"RequestType\":\"%s\",\"ResourceType\":\"CombinedLayers\","
			 "\"Settings\":{\"ContainerRootPath\":\"%s\",\"Layers\":[{\"Path\":\"%s\"}],\"ScratchPath\":\"%s\"}}",
			 request, root, layers, scratch);
}

const char *answer_error(const struct host *h)
{
	const char *text = answer_text(host_last(h), "ErrorMessage");

	return text ? text : "";
}

char *vm_shell(const struct host *h, const char *format, ...)
{
	char *command, *text = calloc(1, 1 << 14);
	va_list ap;
	FILE *f;

	va_start(ap, format);
	if (vasprintf(&command, format, ap) < 0)
		host_fail(h, "no memory");
	va_end(ap);
	f = popen(command, "re");
	if (!f || !text)
		host_fail(h, "%s", command);
	text[fread(text, 1, (1 << 14) - 1, f)] = '\0';
	pclose(f);
	free(command);
	return text;
}

char *vm_traces(const struct host *h)
{
	return vm_shell(h, "cut -d' ' -f5- /proc/self/mountinfo; ls /sys/block | grep dm-; ls /dev/mapper; "
			"ls -A /run/mounts/scsi 2>/dev/null; pidof mkfs.ext4 mkfs.xfs gcscrypt");
}

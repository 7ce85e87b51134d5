// SPDX-License-Identifier: MIT
/* Disks that come and go, by QEMU's monitor. */
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <linux/gcs.h>
#include <linux/netlink.h>

#include "../kmod/hotplug.h"
#include "disks.h"

#define TRACES_MAX (1 << 17)

static struct qmp qmp_port;
static int uevents = -1, module = -1;

bool disks_init(void)
{
	struct sockaddr_nl addr = { .nl_family = AF_NETLINK, .nl_groups = 1 };
	int size = 4 << 20;

	uevents = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_KOBJECT_UEVENT);
	setsockopt(uevents, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
	module = open("/dev/" GCS_DEVICE_NAME, O_RDWR | O_CLOEXEC);
	return module >= 0 && uevents >= 0 && bind(uevents, (struct sockaddr *)&addr, sizeof(addr)) == 0 && qmp_open(&qmp_port);
}

static const char *device_id(unsigned int controller, unsigned int lun)
{
	static char id[24];

	snprintf(id, sizeof(id), "disk%u-%u", controller, lun);
	return id;
}

void disk_plug(const struct host *h, unsigned int controller, unsigned int lun, const char *node)
{
	char bus[16];

	snprintf(bus, sizeof(bus), "scsi%u", controller);
	/* One of a test that has failed may be there. */
	if (qmp_do(&qmp_port, true, "device_del", "\"id\": \"%s\"", device_id(controller, lun)) == 0)
		qmp_deleted(&qmp_port, device_id(controller, lun));
	if (qmp_add_disk(&qmp_port, device_id(controller, lun), bus, lun, node))
		host_fail(h, "plug disk %u:%u", controller, lun);
}

void disk_pull(const struct host *h, unsigned int controller, unsigned int lun)
{
	if (qmp_remove(&qmp_port, device_id(controller, lun)))
		host_fail(h, "pull disk %u:%u", controller, lun);
}

void disk_plug_slow(const struct host *h, unsigned int controller, unsigned int lun, unsigned long long size, unsigned int bytes)
{
	if (qmp_null_node(&qmp_port, "slow", size, false))
		host_fail(h, "make a disk");
	disk_plug(h, controller, lun, "slow");
	if (qmp_throttle(&qmp_port, device_id(controller, lun), bytes))
		host_fail(h, "make disk %u:%u slow", controller, lun);
}

void disk_pull_slow(const struct host *h, unsigned int controller, unsigned int lun)
{
	disk_pull(h, controller, lun);
	if (qmp(&qmp_port, "blockdev-del", "\"node-name\": \"slow\""))
		host_fail(h, "drop a disk");
}

/* The name of the disk's node, or NULL if it does not come within @ms. */
static const char *find(unsigned int controller, unsigned int lun, unsigned int ms)
{
	static struct gcs_dev_wait w;

	w = (struct gcs_dev_wait){
		.size = sizeof(w), .flags = ms ? GCS_WAIT_CONTROLLER : 0, .timeout_ms = ms, .addr = { .bus = GCS_BUS_SCSI, .controller = controller, .lun = lun },
	};
	return ioctl(module, GCS_DEV_WAIT, &w) == 0 ? w.name : NULL;
}

const char *disk_wait(const struct host *h, unsigned int controller, unsigned int lun)
{
	const char *name = find(controller, lun, WAIT_MS);

	if (!name)
		host_fail(h, "disk %u:%u does not come", controller, lun);
	return name;
}

void disk_wait_gone(const struct host *h, unsigned int controller, unsigned int lun)
{
	struct pollfd p = { .fd = uevents, .events = POLLIN };
	char message[8192];

	while (find(controller, lun, 0))
		if (poll(&p, 1, WAIT_MS) != 1 || (recv(uevents, message, sizeof(message), 0) < 0 && errno != ENOBUFS))
			host_fail(h, "disk %u:%u does not go", controller, lun);
}

/* --- requests ---------------------------------------------------------------------------------- */

uint64_t modify_ask(struct host *h, const char *request, const char *resource, const char *settings)
{
	return host_ask(h, MSG_MODIFY_SETTINGS, Z, ",\"Request\":{\"RequestType\":\"%s\",\"ResourceType\":\"%s\",\"Settings\":%s}", request,
			resource, settings);
}

int64_t modify(struct host *h, const char *request, const char *resource, const char *settings)
{
	return host_call(h, MSG_MODIFY_SETTINGS, Z, ",\"Request\":{\"RequestType\":\"%s\",\"ResourceType\":\"%s\",\"Settings\":%s}", request,
			 resource, settings);
}

static char *next_buffer(void)
{
	static char buffers[10][1024];
	static unsigned int last;

	return buffers[last++ % 10];
}

const char *disk_settings(const char *path, unsigned int controller, unsigned int lun, const char *more)
{
	char *text = next_buffer();

	snprintf(text, 1024, "{\"MountPath\":\"%s\",\"Controller\":%u,\"Lun\":%u%s}", path, controller, lun, more);
	return text;
}

const char *scsi_settings(unsigned int controller, unsigned int lun)
{
	char *text = next_buffer();

	snprintf(text, 1024, "{\"Controller\":%u,\"Lun\":%u}", controller, lun);
	return text;
}

int64_t request_map(struct host *h, const char *path, unsigned int controller, unsigned int lun)
{
	return modify(h, "Add", "MappedVirtualDisk", disk_settings(path, controller, lun, ",\"ReadOnly\":true,\"Options\":[\"ro\"]"));
}

int64_t request_map_as(struct host *h, const char *format, ...)
{
	char *text = next_buffer();
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, 1024, format, ap);
	va_end(ap);
	return modify(h, "Add", "MappedVirtualDisk", text);
}

int64_t request_unmap(struct host *h, const char *path, unsigned int controller, unsigned int lun)
{
	return modify(h, "Remove", "MappedVirtualDisk", disk_settings(path, controller, lun, ""));
}

int64_t request_eject(struct host *h, unsigned int controller, unsigned int lun)
{
	return modify(h, "Remove", "SCSIDevice", scsi_settings(controller, lun));
}

int64_t request_layers(struct host *h, const char *request, const char *root, const char *layer, const char *scratch)
{
	char *text = next_buffer();

	snprintf(text, 1024, "{\"ContainerRootPath\":\"%s\",\"Layers\":[{\"Path\":\"%s\"}],\"ScratchPath\":\"%s\"}", root, layer, scratch);
	return modify(h, request, "CombinedLayers", text);
}

const char *request_error(struct host *h)
{
	const char *text = answer_text(host_last(h), "ErrorMessage");

	return text ? text : "";
}

/* --- what is left ------------------------------------------------------------------------------- */

/* What DumpStacks says about the table of owned resources; network namespaces and requests come after it. */
static char *owned(struct host *h)
{
	const char *text, *at;
	char *out = calloc(1, 4096), *end = out;

	if (host_call(h, MSG_DUMP_STACKS, Z, "%s", "") != 0)
		host_fail(h, "DumpStacks");
	text = answer_text(host_last(h), "GuestStacks");
	for (at = text; at && *at; at += strcspn(at, "\n") + !!at[strcspn(at, "\n")])
		if (!strncmp(at, "disk ", 5) || !strncmp(at, "layers ", 7) || !strncmp(at, "bundle ", 7))
			end += snprintf(end, out + 4000 - end, "%.*s\n", (int)strcspn(at, "\n"), at);
	return out;
}

char *disk_traces(struct host *h)
{
	char *command, *text = calloc(1, TRACES_MAX), *remembered = owned(h);
	size_t len;
	FILE *f;

	if (!text ||
	    asprintf(&command, "{ cat /proc/mounts; find /run; ls /sys/class/block /sys/bus/scsi/devices /dev/mapper; "
		     "cat /proc/%1$d/task/*/comm | grep -v worker; ls -l /proc/%1$d/fd | sed 's/.* -> //; s/[0-9]//g'; } 2>&1 | sort",
		     h->agent) < 0)
		host_fail(h, "no memory");
	f = popen(command, "re");
	if (!f)
		host_fail(h, "list traces");
	strcpy(text, remembered);
	len = strlen(text) + fread(text + strlen(remembered), 1, TRACES_MAX - 1 - strlen(remembered), f);
	if (pclose(f) != 0 || len == TRACES_MAX - 1)
		host_fail(h, "list traces: %zu bytes", len);
	free(command);
	free(remembered);
	return text;
}

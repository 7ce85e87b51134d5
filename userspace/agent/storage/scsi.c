// SPDX-License-Identifier: MIT
/* SCSI disks: from the host's controller index and LUN to a device node that can be opened; unplugging. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cleanup.h"
#include "fs.h"
#include "module.h"
#include "storage/internal.h"
#include "vmbus.h"

#define CONTROLLERS 4
#define LUNS 64

const char *storage_sysfs = "/sys", *storage_dev = "/dev";

/* storage-and-network.md 4.1: VMBus instances of the controllers, in the host's order. */
static const char *const vmbus_guids[CONTROLLERS] = {
	"df6d0690-79e5-55b6-a5ec-c1e2f77f580a",
	"0110f83b-de10-5172-a266-78bca56bf50a",
	"b5d2d8d4-3a75-51bf-945b-3444dc6b8579",
	"305891a9-b251-5dfe-91a2-c25d9212275b",
};

/*
 * The kernel scans a whole bus when it has missed what the bus had to tell, and on Hyper-V at whatever it tells. The scan shall give each
 * disk as soon as it has found it; by default it gives all of them when it is over.
 */
void scsi_init(void)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/module/scsi_mod/parameters/scan", storage_sysfs);
	/* Without it disks are there a little later. */
	fs_poke(path, "sync", NULL);
}

static bool host_number(const char *name, unsigned int *number)
{
	char *end;

	if (strncmp(name, "host", 4) || name[4] < '0' || name[4] > '9')
		return false;
	*number = strtoul(name + 4, &end, 10);
	return !*end;
}

/* The host<N> directory below the VMBus device @guid. Returns 1 if found, 0 if there is no such controller. */
static int find_vmbus(const char *guid, unsigned int *number)
{
	_cleanup_dir_ DIR *d = NULL;
	char path[PATH_MAX];
	struct dirent *e;

	snprintf(path, sizeof(path), "%s/bus/vmbus/devices/%s", storage_sysfs, guid);
	d = opendir(path);
	while (d && (e = readdir(d)))
		if (host_number(e->d_name, number))
			return 1;
	return 0;
}

struct host {
	char *path; /* resolved: the order of buses and slots, whatever order they were probed in */
	unsigned int number;
};

static int by_path(const void *a, const void *b)
{
	return strcmp(((const struct host *)a)->path, ((const struct host *)b)->path);
}

/* The n-th SCSI host in bus order, not counting those that are no SCSI controller (SATA, USB). */
static int find_nth(uint8_t n, unsigned int *number)
{
	_cleanup_dir_ DIR *d = NULL;
	struct host hosts[64];
	char path[PATH_MAX];
	struct dirent *e;
	size_t count = 0;
	int found;

	snprintf(path, sizeof(path), "%s/class/scsi_host", storage_sysfs);
	d = opendir(path);
	while (d && (e = readdir(d)) && count < sizeof(hosts) / sizeof(hosts[0])) {
		struct host *h = &hosts[count];

		if (!host_number(e->d_name, &h->number))
			continue;
		snprintf(path, sizeof(path), "%s/class/scsi_host/%s", storage_sysfs, e->d_name);
		h->path = realpath(path, NULL);
		if (h->path && (strstr(h->path, "/ata") || strstr(h->path, "/usb"))) {
			free(h->path);
			continue;
		}
		if (h->path)
			count++;
	}
	qsort(hosts, count, sizeof(hosts[0]), by_path);
	found = n < count;
	if (found)
		*number = hosts[n].number;
	while (count)
		free(hosts[--count].path);
	return found;
}

void scsi_name(uint8_t controller, uint8_t lun, char name[SCSI_NAME_MAX])
{
	snprintf(name, SCSI_NAME_MAX, "SCSI controller %u LUN %u", controller, lun);
}

int scsi_host_number(uint8_t controller, unsigned int *number, struct gcs_error *err)
{
	int found;

	if (controller >= CONTROLLERS)
		return gcs_fail(err, 0, HR_INVALID_ARG, "SCSI controller %u: allowed are 0 to %u", controller,
				CONTROLLERS - 1);
	found = vmbus_present(storage_sysfs) ? find_vmbus(vmbus_guids[controller], number) : find_nth(controller, number);
	if (!found)
		return gcs_fail(err, ENXIO, HR_FAIL, "SCSI controller %u: the VM has none", controller);
	return 0;
}

static void device_dir(char path[PATH_MAX], unsigned int host, uint8_t lun, const char *rest)
{
	snprintf(path, PATH_MAX, "%s/bus/scsi/devices/%u:0:0:%u%s", storage_sysfs, host, lun, rest);
}

/* The name of the disk, such as "sda". Returns 1 if there is one, 0 if not yet, -1 with @err. */
static int disk_name(unsigned int host, uint8_t lun, char name[NAME_MAX + 1], struct gcs_error *err)
{
	_cleanup_dir_ DIR *d = NULL;
	char path[PATH_MAX];
	struct dirent *e;
	int found = 0;

	device_dir(path, host, lun, "/block");
	d = opendir(path);
	if (!d)
		return errno == ENOENT ? 0 : gcs_fail(err, errno, HR_FAIL, "%s: read directory", path);
	while ((e = readdir(d))) {
		if (e->d_name[0] == '.')
			continue;
		if (found++)
			return gcs_fail(err, 0, HR_FAIL, "%s: more than one disk", path);
		strcpy(name, e->d_name);
	}
	return found;
}

/* Returns 1 with @node if it can be opened now, 0 if not yet, -1 with @err. */
static int look(unsigned int host, uint8_t lun, uint64_t partition, char node[PATH_MAX], struct gcs_error *err)
{
	_cleanup_close_ int fd = -1;
	char name[NAME_MAX + 1];
	int ret = disk_name(host, lun, name, err);

	if (ret <= 0)
		return ret;
	if (partition)
		snprintf(node, PATH_MAX, "%s/%s%llu", storage_dev, name, (unsigned long long)partition);
	else
		snprintf(node, PATH_MAX, "%s/%s", storage_dev, name);
	/* Opened, not just looked at: the node can be there while opening it still gives ENXIO. */
	fd = open(node, O_RDONLY | O_CLOEXEC);
	if (fd >= 0)
		return 1;
	if (errno == ENOENT || errno == ENXIO)
		return 0;
	return gcs_fail(err, errno, HR_FAIL, "%s: open", node);
}

/* Ask for that one LUN: returns when it has been probed, however late the bus would tell. */
static void probe(unsigned int host, uint8_t lun)
{
	char path[PATH_MAX], address[32];

	snprintf(path, sizeof(path), "%s/class/scsi_host/host%u/scan", storage_sysfs, host);
	snprintf(address, sizeof(address), "0 0 %u", lun);
	/* The wait that follows is what tells whether it was of use. */
	fs_poke(path, address, NULL);
}

/* --- with gcs.ko, which knows when a disk can be used ------------------------------------------ */

static struct gcs_dev_addr module_address(uint8_t controller, uint8_t lun, uint64_t partition)
{
	struct gcs_dev_addr a = { .bus = GCS_BUS_SCSI, .lun = lun, .partition = partition };

	if (!vmbus_present(storage_sysfs)) {
		a.controller = controller;
		return a;
	}
	a.flags = GCS_ADDR_GUID;
	vmbus_guid_parse(vmbus_guids[controller], a.guid);
	return a;
}

/* Returns 0 with @node, or an errno. */
static int module_wait(uint8_t controller, uint8_t lun, uint64_t partition, const struct timespec *deadline,
		       char node[PATH_MAX])
{
	struct gcs_dev_addr a = module_address(controller, lun, partition);
	struct gcs_dev_wait w;
	int ret;

	if (partition > UINT32_MAX)
		return ENOENT;
	/* As below, the controller may yet come. */
	do
		ret = module_dev_wait(&a, GCS_WAIT_CONTROLLER, deadline_left_ms(deadline), &w);
	while (ret == EINTR);
	snprintf(node, PATH_MAX, "%s/%s", storage_dev, w.name);
	return ret;
}

static int wait_failed(int errnum, uint8_t controller, uint8_t lun, uint64_t partition, struct gcs_error *err)
{
	if (errnum == ENXIO)
		return gcs_fail(err, ENXIO, HR_FAIL, "SCSI controller %u: the VM has none", controller);
	if (errnum == ETIME)
		errnum = ETIMEDOUT;
	if (partition)
		return gcs_fail(err, errnum, HR_FAIL, "SCSI controller %u LUN %u partition %llu: wait for the disk",
				controller, lun, (unsigned long long)partition);
	return gcs_fail(err, errnum, HR_FAIL, "SCSI controller %u LUN %u: wait for the disk", controller, lun);
}

/* --- both ----------------------------------------------------------------------------------- */

static int check_address(uint8_t controller, uint8_t lun, struct gcs_error *err)
{
	if (controller >= CONTROLLERS)
		return gcs_fail(err, 0, HR_INVALID_ARG, "SCSI controller %u: allowed are 0 to %u", controller,
				CONTROLLERS - 1);
	if (lun >= LUNS)
		return gcs_fail(err, 0, HR_INVALID_ARG, "SCSI controller %u LUN %u: allowed are 0 to %u", controller, lun,
				LUNS - 1);
	return 0;
}

int scsi_wait_node(uint8_t controller, uint8_t lun, uint64_t partition, char node[PATH_MAX], struct gcs_error *err)
{
	unsigned int host = 0;
	struct timespec deadline;
	bool probed = false;
	char path[PATH_MAX];
	uint64_t seen;
	int ret;

	if (check_address(controller, lun, err) < 0)
		return -1;
	deadline = deadline_after_ms(DISK_DEADLINE_MS);
	if (module_has_devices()) {
		ret = module_wait(controller, lun, partition, &deadline, node);
		return ret ? wait_failed(ret, controller, lun, partition, err) : 0;
	}
	for (;;) {
		seen = uevent_count();
		/* init loads the controllers' driver beside the start of the agent: the host may be faster. */
		if (scsi_host_number(controller, &host, err) < 0) {
			if (!uevent_wait(seen, &deadline))
				continue;
			return -1;
		}
		ret = look(host, lun, partition, node, err);
		if (ret < 0)
			return gcs_fail_prefix(err, "SCSI controller %u LUN %u", controller, lun);
		if (ret)
			return 0;
		device_dir(path, host, lun, "");
		if (!probed && access(path, F_OK) < 0) {
			probed = true;
			probe(host, lun);
			continue;
		}
		if (uevent_wait(seen, &deadline))
			break;
	}
	return wait_failed(ETIMEDOUT, controller, lun, partition, err);
}

/* As gcs.ko does before it ejects: nobody may use the disk, and what is cached is written. */
static int flush(unsigned int host, uint8_t lun, struct gcs_error *err)
{
	char name[NAME_MAX + 1], node[PATH_MAX];
	_cleanup_close_ int fd = -1;
	int ret = disk_name(host, lun, name, err);

	if (ret <= 0)
		return ret;
	snprintf(node, sizeof(node), "%s/%s", storage_dev, name);
	fd = open(node, O_RDONLY | O_EXCL | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT || errno == ENXIO ? 0 : gcs_fail(err, errno, HR_FAIL, "%s: open", node);
	return fsync(fd) < 0 ? gcs_fail(err, errno, HR_FAIL, "%s: flush", node) : 0;
}

static int eject(uint8_t controller, uint8_t lun, struct gcs_error *err)
{
	_cleanup_close_ int fd = -1;
	struct timespec deadline;
	char path[PATH_MAX];
	unsigned int host = 0;
	uint64_t seen;

	if (module_has_devices()) {
		struct gcs_dev_addr a = module_address(controller, lun, 0);
		int ret = module_dev_eject(&a);

		if (ret && ret != ENODEV)
			return gcs_fail(err, ret, HR_FAIL, "SCSI controller %u LUN %u: unplug", controller, lun);
		return 0;
	}
	if (scsi_host_number(controller, &host, err) < 0)
		return -1;
	device_dir(path, host, lun, "/delete");
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? 0 : gcs_fail(err, errno, HR_FAIL, "%s: open", path);
	if (flush(host, lun, err) < 0)
		return gcs_fail_prefix(err, "SCSI controller %u LUN %u: unplug", controller, lun);
	if (write(fd, "1\n", 2) < 0 && errno != ENODEV)
		return gcs_fail(err, errno, HR_FAIL, "SCSI controller %u LUN %u: unplug", controller, lun);
	/* The slot may be given to another disk at once: the old one must not be found there. */
	deadline = deadline_after_ms(DISK_DEADLINE_MS);
	device_dir(path, host, lun, "/block");
	do {
		seen = uevent_count();
		if (access(path, F_OK) < 0)
			return 0;
	} while (!uevent_wait(seen, &deadline));
	return gcs_fail(err, ETIMEDOUT, HR_FAIL, "SCSI controller %u LUN %u: wait until the disk is gone", controller, lun);
}

int disk_eject(uint8_t controller, uint8_t lun, struct gcs_error *err)
{
	char name[SCSI_NAME_MAX];
	struct owned *o;
	int ret;

	if (check_address(controller, lun, err) < 0)
		return -1;
	scsi_name(controller, lun, name);
	/* Who begins to use it meanwhile is told so. */
	o = owned_claim(name, "unplugging of", err);
	if (!o)
		return -1;
	ret = owned_unused(name, err) < 0 ? gcs_fail_prefix(err, "unplug") : eject(controller, lun, err);
	owned_forget(o);
	return ret;
}

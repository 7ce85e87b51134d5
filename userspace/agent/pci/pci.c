// SPDX-License-Identifier: MIT
/* Assigned PCI functions: from the host's name to what their drivers have made. */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <linux/netlink.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cleanup.h"
#include "clock.h"
#include "fs.h"
#include "module.h"
#include "pci/pci.h"
#include "vmbus.h"

/*
 * A driver may go on making device nodes when its probe is over, and nothing tells of the last one: it has made all when none has come for
 * QUIET_MS. That of a disk controller has to ask the controller first which disks there are, and gets DISK_MS for the first one.
 */
#define QUIET_MS 100
#define DISK_MS 10000

const char *pci_sysfs = "/sys", *pci_dev = "/dev";
int pci_deadline_ms = 60000;

/* --- names ------------------------------------------------------------------------------------- */

/* "8a3f:00:00.0". A domain may have more than four digits. */
static bool is_function(const char *name, unsigned int *domain, unsigned int *devfn)
{
	unsigned int bus, slot, function;
	int end = 0;

	if (strspn(name, "0123456789abcdef") < 4 || sscanf(name, "%8x:%2x:%2x.%1x%n", domain, &bus, &slot, &function, &end) != 4 ||
	    name[end] || slot > 31 || function > 7)
		return false;
	*devfn = bus << 8 | slot << 3 | function;
	return true;
}

struct name {
	bool on_vmbus;
	struct gcs_dev_addr addr;
	char text[40]; /* as sysfs has it */
};

static int parse(const char *id, struct name *n, struct gcs_error *err)
{
	*n = (struct name){ .on_vmbus = vmbus_present(pci_sysfs), .addr.bus = GCS_BUS_PCI };
	if (n->on_vmbus) {
		if (!vmbus_guid_parse(id, n->addr.guid))
			return gcs_fail(err, 0, HR_INVALID_ARG, "PCI device \"%.64s\": not a GUID", id);
		n->addr.flags = GCS_ADDR_GUID;
	} else if (!is_function(id, &n->addr.domain, &n->addr.devfn)) {
		return gcs_fail(err, 0, HR_INVALID_ARG, "PCI device \"%.64s\": not a PCI address, and the VM has no VMBus to find it by "
				"a GUID", id);
	}
	for (size_t i = 0; id[i]; i++)
		n->text[i] = tolower((unsigned char)id[i]);
	return 0;
}

/* --- looking ----------------------------------------------------------------------------------- */

static int push(struct pci_list *list, const char *text)
{
	char *copy = strdup(text), **paths = copy ? reallocarray(list->items, list->count + 1, sizeof(*paths)) : NULL;

	if (!paths) {
		free(copy);
		return -1;
	}
	list->items = paths;
	paths[list->count++] = copy;
	return 0;
}

void pci_list_free(struct pci_list *nodes)
{
	while (nodes->count)
		free(nodes->items[--nodes->count]);
	free(nodes->items);
	nodes->items = NULL;
}
#define _cleanup_list_ __attribute__((cleanup(pci_list_free)))

static int push_function(struct pci_list *functions, const char *dir, const char *name)
{
	char path[PATH_MAX], real[PATH_MAX];

	/* What has gone meanwhile is not there. */
	if (snprintf(path, sizeof(path), "%s/%s", dir, name) >= (int)sizeof(path) || !realpath(path, real))
		return 0;
	return push(functions, real);
}

/* The functions on the bus that is @dir. */
static int find_on_bus(const char *dir, struct pci_list *functions)
{
	_cleanup_dir_ DIR *d = opendir(dir);
	unsigned int domain, devfn;
	struct dirent *e;

	while (d && (e = readdir(d)))
		if (is_function(e->d_name, &domain, &devfn) && push_function(functions, dir, e->d_name) < 0)
			return -1;
	return 0;
}

/* Their directories. Returns -1 if there is no memory. */
static int find_functions(const struct name *n, struct pci_list *functions)
{
	_cleanup_dir_ DIR *d = NULL;
	char dir[PATH_MAX], bus[PATH_MAX];
	struct dirent *e;

	snprintf(dir, sizeof(dir), n->on_vmbus ? "%s/bus/vmbus/devices/%s" : "%s/bus/pci/devices", pci_sysfs, n->text);
	if (!n->on_vmbus)
		return push_function(functions, dir, n->text);
	d = opendir(dir);
	while (d && (e = readdir(d))) {
		if (strncmp(e->d_name, "pci", 3) || snprintf(bus, sizeof(bus), "%s/%s", dir, e->d_name) >= (int)sizeof(bus))
			continue;
		if (find_on_bus(bus, functions) < 0)
			return -1;
	}
	return 0;
}

struct found {
	struct pci_list functions, nodes;
	bool has_disk; /* any of this function's nodes */
	bool lacks_disk; /* any of the functions should have one */
};

static void found_free(struct found *f)
{
	pci_list_free(&f->functions);
	pci_list_free(&f->nodes);
}
#define _cleanup_found_ __attribute__((cleanup(found_free)))

/* The node of the device @dir, which has one or will have it in a moment. */
static int find_node(const char *dir, struct found *f)
{
	static const char key[] = "DEVNAME=";
	char path[PATH_MAX], *rest, *line;
	_cleanup_free_ char *text = NULL;
	int ret = 0;

	if (snprintf(path, sizeof(path), "%s/uevent", dir) >= (int)sizeof(path))
		return 0;
	rest = text = fs_read(path, 16384, NULL);
	while (ret == 0 && (line = strsep(&rest, "\n"))) {
		f->has_disk |= !strcmp(line, "DEVTYPE=disk");
		/* Its uevent comes when it is there. */
		if (!strncmp(line, key, strlen(key)) &&
		    snprintf(path, sizeof(path), "%s/%s", pci_dev, line + strlen(key)) < (int)sizeof(path) && access(path, F_OK) == 0)
			ret = push(&f->nodes, path);
	}
	return ret;
}

/*
 * "nvme0c1n2" is a path to the disk nvme0n2, which others may lead to: it is below no function. Returns whether @name is one, with the
 * disk's directory if it is there.
 */
static bool is_nvme_path(const char *name, char real[PATH_MAX])
{
	unsigned int subsystem, controller, head;
	char path[PATH_MAX];
	int end = 0;

	if (sscanf(name, "nvme%9uc%9un%9u%n", &subsystem, &controller, &head, &end) != 3 || name[end])
		return false;
	snprintf(path, sizeof(path), "%s/block/nvme%un%u", pci_sysfs, subsystem, head);
	if (!realpath(path, real))
		*real = '\0';
	return true;
}

/* Those of @dir and of all devices below it. Returns -1 if there is no memory. */
static int find_nodes(const char *dir, struct found *f)
{
	_cleanup_dir_ DIR *d = opendir(dir);
	char path[PATH_MAX];
	struct dirent *e;
	int ret = 0;

	while (d && ret == 0 && (e = readdir(d))) {
		if (e->d_type == DT_REG && !strcmp(e->d_name, "dev"))
			ret = find_node(dir, f);
		if (e->d_type != DT_DIR || e->d_name[0] == '.')
			continue;
		if (is_nvme_path(e->d_name, path) || snprintf(path, sizeof(path), "%s/%s", dir, e->d_name) < (int)sizeof(path))
			ret = *path ? find_nodes(path, f) : 0;
	}
	return ret;
}

#define CLASS_STORAGE "0x01"
#define CLASS_DISPLAY "0x03"

/* Is the function of this base class? */
static bool is_class(const char *dir, const char *base)
{
	_cleanup_free_ char *path = NULL, *class = NULL;

	if (asprintf(&path, "%s/class", dir) < 0) {
		path = NULL;
		return false;
	}
	class = fs_read(path, 64, NULL);
	return class && !strncmp(class, base, strlen(base));
}

/* Everything that there is now. Returns -1 if there is no memory. */
static int find(const struct name *n, struct found *f)
{
	if (find_functions(n, &f->functions) < 0)
		return -1;
	for (size_t i = 0; i < f->functions.count; i++) {
		f->has_disk = false;
		if (find_nodes(f->functions.items[i], f) < 0)
			return -1;
		f->lacks_disk |= !f->has_disk && is_class(f->functions.items[i], CLASS_STORAGE);
	}
	return 0;
}

/* --- waiting ----------------------------------------------------------------------------------- */

static int listen_uevents(struct gcs_error *err)
{
	struct sockaddr_nl addr = { .nl_family = AF_NETLINK, .nl_groups = 1 };
	_cleanup_close_ int fd = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_KOBJECT_UEVENT);

	if (fd < 0 || bind(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0)
		return gcs_fail(err, errno, HR_FAIL, "listen for devices");
	return steal_fd(&fd);
}

/* Wait until @end for anything that has happened to a device. Returns 0 or ETIMEDOUT. */
static int wait_news(int fd, int64_t end)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	int64_t left = end - clock_now_ms();
	char message[8192];

	if (left <= 0 || poll(&p, 1, left) == 0)
		return ETIMEDOUT;
	/* What it was is looked up, also if it was too much to be told. */
	while (recv(fd, message, sizeof(message), 0) >= 0 || errno == ENOBUFS)
		;
	return 0;
}

static int user_wait(const struct name *n, int64_t deadline, struct gcs_error *err)
{
	_cleanup_close_ int fd = listen_uevents(err);

	if (fd < 0)
		return -1;
	for (;;) {
		_cleanup_list_ struct pci_list functions = { 0 };

		if (find_functions(n, &functions) < 0)
			return gcs_fail(err, ENOMEM, HR_FAIL, "wait for it");
		if (functions.count)
			return 0;
		if (wait_news(fd, deadline))
			return gcs_fail(err, ETIMEDOUT, HR_FAIL, "wait for it");
	}
}

int pci_wait(const char *id, int64_t deadline, struct gcs_error *err)
{
	struct gcs_dev_wait w;
	struct name n;
	int ret;

	if (parse(id, &n, err) < 0)
		return -1;
	if (!module_has_devices()) {
		ret = user_wait(&n, deadline, err);
	} else {
		do {
			int64_t left = deadline - clock_now_ms();

			ret = module_dev_wait(&n.addr, 0, left > 0 ? left : 0, &w);
		} while (ret == EINTR);
		if (ret)
			ret = gcs_fail(err, ret == ETIME ? ETIMEDOUT : ret, HR_FAIL, "wait for it");
	}
	return ret ? gcs_fail_prefix(err, "PCI device %s", n.text) : 0;
}

static int wait_nodes(const struct name *n, int64_t deadline, struct pci_list *nodes, struct gcs_error *err)
{
	_cleanup_close_ int fd = listen_uevents(err);
	int64_t changed = clock_now_ms();
	size_t count = 0;

	if (fd < 0)
		return -1;
	for (;;) {
		_cleanup_found_ struct found f = { 0 };
		int64_t quiet;

		if (find(n, &f) < 0)
			return gcs_fail(err, ENOMEM, HR_FAIL, "list its device nodes");
		if (f.nodes.count != count)
			changed = clock_now_ms();
		count = f.nodes.count;
		quiet = changed + (f.lacks_disk ? DISK_MS : QUIET_MS);
		if (!wait_news(fd, count && quiet < deadline ? quiet : deadline))
			continue;
		if (!count)
			return gcs_fail(err, ETIMEDOUT, HR_FAIL, f.functions.count ? "wait for its device nodes" : "wait for it");
		*nodes = f.nodes;
		f.nodes = (struct pci_list){ 0 };
		return 0;
	}
}

int pci_wait_nodes(const char *id, int64_t deadline, struct pci_list *nodes, struct gcs_error *err)
{
	struct name n;

	*nodes = (struct pci_list){ 0 };
	if (parse(id, &n, err) < 0)
		return -1;
	return wait_nodes(&n, deadline, nodes, err) < 0 ? gcs_fail_prefix(err, "PCI device %s", n.text) : 0;
}

int pci_wait_gpus(const char *id, int64_t deadline, struct pci_list *gpus, struct gcs_error *err)
{
	_cleanup_list_ struct pci_list functions = { 0 };
	struct name n;

	*gpus = (struct pci_list){ 0 };
	if (pci_wait(id, deadline, err) < 0 || parse(id, &n, err) < 0)
		return -1;
	if (find_functions(&n, &functions) < 0)
		goto err_memory;
	for (size_t i = 0; i < functions.count; i++)
		if (is_class(functions.items[i], CLASS_DISPLAY) && push(gpus, strrchr(functions.items[i], '/') + 1) < 0)
			goto err_memory;
	return gpus->count ? 0 : gcs_fail(err, 0, HR_FAIL, "PCI device %s: not a display controller", n.text);

err_memory:
	pci_list_free(gpus);
	return gcs_fail(err, ENOMEM, HR_FAIL, "PCI device %s: list its functions", n.text);
}

// SPDX-License-Identifier: MIT
/*
 * The device map: NVDIMMs, SCSI controllers, network interfaces, PCI functions, and all of them in a dump
 */
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sched.h>
#include <sys/prctl.h>

#include "dev_test.h"

DEV_FIXTURE(bus)

/* They cannot be removed: QEMU has no such thing. */
TEST_F_TIMEOUT(bus, nvdimms_are_found_when_they_come, 100)
{
	struct gcs_dev_addr addr = { .bus = GCS_BUS_PMEM };
	struct gcs_dev_wait out;
	struct dev_info info;
	struct waiter w;
	int fd;

	while (!dev_wait(self->dev, addr, 0, &out))
		addr.index++;
	for (int i = 0; i < 2; i++, addr.index++) {
		char name[16];

		w = waiter_start(self->dev, addr);
		EXPECT_TRUE(still_waits(w.pid));
		ASSERT_EQ(0, qmp(self->qmp, "object-add", "\"qom-type\": \"memory-backend-ram\", \"id\": \"nvm%d\", "
				 "\"size\": 134217728", i));
		ASSERT_EQ(0, qmp(self->qmp, "device_add", "\"driver\": \"nvdimm\", \"id\": \"nvdimm%d\", \"memdev\": \"nvm%d\"",
				 i, i));
		EXPECT_EQ(0, waiter_result(w));
		snprintf(name, sizeof(name), "pmem%u", addr.index);
		EXPECT_STREQ(name, w.out->name);
		EXPECT_EQ(128 * MIB, w.out->bytes);
		EXPECT_EQ(sysfs_number("/sys/block/%s/queue/dax", name) ? GCS_DEV_DAX : 0, w.out->dev_flags);
		fd = open_node(name, O_RDONLY);
		EXPECT_LE(0, fd);
		close(fd);
		ASSERT_TRUE(dev_expect(&self->events, GCS_CMD_DEV_ADDED, GCS_BUS_PMEM, &info));
		EXPECT_EQ(addr.index, info.index);
		EXPECT_EQ(128 * MIB, info.bytes);
	}
	addr.index = 0;
	EXPECT_EQ(0, dev_wait(self->dev, addr, 0, &out));
}

enum { LUNS = 64 };

TEST_F_TIMEOUT(bus, a_controller_comes_with_64_disks_and_goes_under_its_waiters, 250)
{
	static struct dev_info list[2 * LUNS];
	int count, seen[LUNS] = { 0 }, gone = 0;
	struct gcs_dev_wait out;
	struct waiter w[LUNS], late[3];
	struct dev_info info;
	char name[16];

	EXPECT_EQ(ENXIO, dev_wait(self->dev, scsi_addr(2, 0), DEV_MS, &out));
	EXPECT_EQ(ENXIO, dev_wait_with(self->dev, scsi_addr(2, 0), GCS_WAIT_CONTROLLER, NOT_MS, &out));
	EXPECT_EQ(ENXIO, dev_wait_with(self->dev, scsi_addr(2, 0), GCS_WAIT_CONTROLLER, 0, &out));
	/* They are there before the controller. */
	w[0] = waiter_start_with(self->dev, scsi_addr(2, 0), GCS_WAIT_CONTROLLER);
	late[0] = waiter_start_with(self->dev, scsi_addr(2, 100), GCS_WAIT_CONTROLLER);
	EXPECT_TRUE(still_waits(w[0].pid));
	ASSERT_EQ(0, qmp(self->qmp, "device_add", "\"driver\": \"virtio-scsi-pci\", \"id\": \"scsi2\", \"bus\": \"port0\""));
	/* The end of the probe of the PCI function is that of the controller in it. */
	ASSERT_TRUE(dev_expect(&self->events, GCS_CMD_DEV_ADDED, GCS_BUS_PCI, &info));
	EXPECT_STREQ("virtio-pci", info.driver);
	for (int i = 1; i < LUNS; i++)
		w[i] = waiter_start(self->dev, scsi_addr(2, i));
	for (int i = 0; i < LUNS; i++) {
		snprintf(name, sizeof(name), "c%d", i);
		ASSERT_EQ(0, qmp_null_node(self->qmp, name, (i + 1) * MIB, false));
		ASSERT_EQ(0, qmp_add_disk(self->qmp, name, "scsi2", i, name));
		/* One by one: of more than 8 at once the driver is told only that it has missed some, and scans the bus. */
		EXPECT_EQ(0, waiter_result(w[i]));
		EXPECT_EQ((i + 1) * MIB, w[i].out->bytes);
		EXPECT_EQ(0, dev_wait(self->dev, scsi_addr(2, i), 0, &out));
		EXPECT_STREQ(w[i].out->name, out.name);
	}
	for (int i = 0; i < LUNS; i++)
		ASSERT_TRUE(dev_expect(&self->events, GCS_CMD_DEV_ADDED, GCS_BUS_SCSI, &info));
	count = dev_dump(&self->nl, list, 2 * LUNS);
	for (int i = 0; i < count; i++)
		if (list[i].bus == GCS_BUS_SCSI && list[i].controller == 2) {
			EXPECT_EQ((list[i].lun + 1) * MIB, list[i].bytes);
			seen[list[i].lun % LUNS]++;
		}
	for (int i = 0; i < LUNS; i++)
		EXPECT_EQ(1, seen[i]);

	for (int i = 1; i < 3; i++)
		late[i] = waiter_start(self->dev, scsi_addr(2, 100 + i));
	EXPECT_TRUE(still_waits(late[2].pid));
	ASSERT_EQ(0, qmp_remove(self->qmp, "scsi2"));
	for (int i = 0; i < 3; i++)
		EXPECT_EQ(ENODEV, waiter_result(late[i]));
	EXPECT_EQ(ENXIO, dev_wait(self->dev, scsi_addr(2, 0), DEV_MS, &out));
	while (gone < LUNS && dev_expect(&self->events, GCS_CMD_DEV_REMOVED, GCS_BUS_SCSI, &info))
		gone++;
	EXPECT_EQ(LUNS, gone);
	for (int i = 0; i < LUNS; i++)
		EXPECT_EQ(0, qmp(self->qmp, "blockdev-del", "\"node-name\": \"c%d\"", i));
}

static const struct gcs_dev_addr nic = {
	.bus = GCS_BUS_NET, .mac = { 0x52, 0x54, 0x00, 0x12, 0x34, 0x99 },
};

static int add_nic(struct qmp *q)
{
	return qmp(q, "device_add", "\"driver\": \"virtio-net-pci\", \"id\": \"nic\", \"bus\": \"port1\", "
		   "\"mac\": \"52:54:00:12:34:99\"");
}

/* Changes the name of an interface, or moves it to the network namespace of @pid. */
static int set_link(unsigned int ifindex, uint16_t attr, const void *data, size_t len)
{
	struct {
		struct nlmsghdr n;
		struct ifinfomsg i;
		char attrs[64];
	} req = {
		.n = { .nlmsg_type = RTM_NEWLINK, .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK },
		.i = { .ifi_index = ifindex },
	};
	struct rtattr *a = (struct rtattr *)req.attrs;
	char buf[1024];
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	int err = -1;

	a->rta_type = attr;
	a->rta_len = RTA_LENGTH(len);
	memcpy(RTA_DATA(a), data, len);
	req.n.nlmsg_len = NLMSG_LENGTH(sizeof(req.i)) + RTA_ALIGN(a->rta_len);
	if (send(fd, &req, req.n.nlmsg_len, 0) > 0 && recv(fd, buf, sizeof(buf), 0) > 0)
		err = *(int *)NLMSG_DATA((struct nlmsghdr *)buf);
	close(fd);
	return err;
}

/* A process in a network namespace of its own, which ends with the test. */
static pid_t other_namespace(void)
{
	int ready[2];
	pid_t pid;
	char c;

	if (pipe(ready))
		return -1;
	pid = fork();
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (unshare(CLONE_NEWNET) || write(ready[1], "", 1) != 1)
			_exit(1);
		pause();
		_exit(0);
	}
	close(ready[1]);
	if (read(ready[0], &c, 1) != 1)
		return -1;
	close(ready[0]);
	return pid;
}

TEST_F_TIMEOUT(bus, a_nic_is_found_by_its_address_while_it_is_here, 100)
{
	struct gcs_dev_wait out;
	struct dev_info info;
	struct waiter w;
	pid_t pid;

	w = waiter_start(self->dev, nic);
	EXPECT_TRUE(still_waits(w.pid));
	ASSERT_EQ(0, add_nic(self->qmp));
	EXPECT_EQ(0, waiter_result(w));
	EXPECT_NE(0, w.out->ifindex);
	EXPECT_EQ(if_nametoindex(w.out->name), w.out->ifindex);
	ASSERT_TRUE(dev_expect(&self->events, GCS_CMD_DEV_ADDED, GCS_BUS_NET, &info));
	EXPECT_EQ(w.out->ifindex, info.ifindex);
	EXPECT_EQ(0, memcmp(nic.mac, info.mac, 6));
	EXPECT_STREQ(w.out->name, info.name);

	ASSERT_EQ(0, set_link(info.ifindex, IFLA_IFNAME, "newname", 8));
	EXPECT_EQ(0, dev_wait(self->dev, nic, 0, &out));
	EXPECT_STREQ("newname", out.name);
	EXPECT_EQ(info.ifindex, out.ifindex);

	/* In another namespace it is not at its address, and when that ends it is again. */
	pid = other_namespace();
	ASSERT_LT(0, pid);
	ASSERT_EQ(0, set_link(info.ifindex, IFLA_NET_NS_PID, &pid, sizeof(pid)));
	EXPECT_EQ(ETIME, dev_wait(self->dev, nic, 0, &out));
	ASSERT_TRUE(dev_expect(&self->events, GCS_CMD_DEV_REMOVED, GCS_BUS_NET, &info));
	EXPECT_STREQ("newname", info.name);
	kill(pid, SIGKILL);
	reap(pid);
	EXPECT_EQ(0, dev_wait(self->dev, nic, DEV_MS, &out));
	ASSERT_TRUE(dev_expect(&self->events, GCS_CMD_DEV_ADDED, GCS_BUS_NET, &info));
	EXPECT_EQ(if_nametoindex(out.name), out.ifindex);

	ASSERT_EQ(0, qmp_remove(self->qmp, "nic"));
	ASSERT_TRUE(dev_expect(&self->events, GCS_CMD_DEV_REMOVED, GCS_BUS_NET, &info));
	EXPECT_EQ(ETIME, dev_wait(self->dev, nic, 0, &out));
}

TEST_F_TIMEOUT(bus, a_pci_function_is_found_with_its_driver_or_without, 100)
{
	static const char *const drivers[][2] = {
		{ "virtio-rng-pci", "virtio-pci" },
		{ "pci-testdev", "" },
	};
	struct gcs_dev_addr addr = { .bus = GCS_BUS_PCI };
	struct gcs_dev_wait out;
	struct dev_info info;
	struct waiter w = { 0 };

	for (int i = 0; i < 2; i++) {
		/* The second comes to the place where the first was. */
		if (i) {
			w = waiter_start(self->dev, addr);
			EXPECT_TRUE(still_waits(w.pid));
		}
		ASSERT_EQ(0, qmp(self->qmp, "device_add", "\"driver\": \"%s\", \"id\": \"fn\", \"bus\": \"port2\"",
				 drivers[i][0]));
		ASSERT_TRUE(dev_expect(&self->events, GCS_CMD_DEV_ADDED, GCS_BUS_PCI, &info));
		EXPECT_STREQ(drivers[i][1], info.driver);
		if (i) {
			EXPECT_EQ(addr.devfn, info.devfn);
			EXPECT_EQ(0, waiter_result(w));
			EXPECT_STREQ(drivers[i][1], w.out->driver);
		}
		addr.devfn = info.devfn;
		EXPECT_EQ(0, dev_wait(self->dev, addr, 0, &out));
		EXPECT_STREQ(info.name, out.name);
		EXPECT_STREQ(drivers[i][1], out.driver);
		EXPECT_EQ(info.devfn, out.devfn);
		ASSERT_EQ(0, qmp_remove(self->qmp, "fn"));
		ASSERT_TRUE(dev_expect(&self->events, GCS_CMD_DEV_REMOVED, GCS_BUS_PCI, &info));
		EXPECT_EQ(ETIME, dev_wait(self->dev, addr, 0, &out));
	}
}

TEST_F_TIMEOUT(bus, a_driver_that_comes_or_goes_is_noted, 100)
{
	struct gcs_dev_addr addr = { .bus = GCS_BUS_PCI };
	struct gcs_dev_wait out;
	struct dev_info info;
	int fd;

	ASSERT_EQ(0, qmp(self->qmp, "device_add", "\"driver\": \"virtio-rng-pci\", \"id\": \"fn\", \"bus\": \"port2\""));
	ASSERT_TRUE(dev_expect(&self->events, GCS_CMD_DEV_ADDED, GCS_BUS_PCI, &info));
	addr.devfn = info.devfn;
	fd = open("/sys/bus/pci/drivers/virtio-pci/unbind", O_WRONLY);
	ASSERT_LT(0, write(fd, info.name, strlen(info.name)));
	close(fd);
	EXPECT_EQ(0, dev_wait(self->dev, addr, 0, &out));
	EXPECT_STREQ("", out.driver);
	fd = open("/sys/bus/pci/drivers/virtio-pci/bind", O_WRONLY);
	ASSERT_LT(0, write(fd, info.name, strlen(info.name)));
	close(fd);
	EXPECT_EQ(0, dev_wait(self->dev, addr, 0, &out));
	EXPECT_STREQ("virtio-pci", out.driver);
	ASSERT_EQ(0, qmp_remove(self->qmp, "fn"));
}

/* Is there exactly one of this bus and name? */
static bool has(const struct dev_info *list, int count, enum gcs_bus bus, const char *name)
{
	int found = 0;

	for (int i = 0; i < count; i++)
		found += list[i].bus == bus && !strcmp(list[i].name, name);
	if (found != 1)
		fprintf(stderr, "%s is in the dump %d times\n", name, found);
	return found == 1;
}

TEST_F_TIMEOUT(bus, a_dump_is_what_sysfs_has, 100)
{
	static struct dev_info list[256];
	int count = dev_dump(&self->nl, list, 256), known = 0;
	struct dirent *e;
	char path[300];
	DIR *dir;

	ASSERT_LE(1, count);
	ASSERT_GE(256, count);
	dir = opendir("/sys/bus/pci/devices");
	while ((e = readdir(dir)))
		if (e->d_name[0] != '.') {
			EXPECT_TRUE(has(list, count, GCS_BUS_PCI, e->d_name));
			known++;
		}
	closedir(dir);
	dir = opendir("/sys/class/net");
	while ((e = readdir(dir))) {
		snprintf(path, sizeof(path), "/sys/class/net/%s/device", e->d_name);
		if (e->d_name[0] == '.' || access(path, F_OK))
			continue;
		EXPECT_TRUE(has(list, count, GCS_BUS_NET, e->d_name));
		known++;
	}
	closedir(dir);
	dir = opendir("/sys/block");
	while ((e = readdir(dir))) {
		bool pmem = !strncmp(e->d_name, "pmem", 4);

		if (!pmem && strncmp(e->d_name, "sd", 2))
			continue;
		EXPECT_TRUE(has(list, count, pmem ? GCS_BUS_PMEM : GCS_BUS_SCSI, e->d_name));
		known++;
	}
	closedir(dir);
	EXPECT_EQ(known, count);
}

TEST_F_TIMEOUT(bus, only_an_administrator_asks_for_devices, 100)
{
	struct gcs_dev_wait out;

	ASSERT_EQ(0, seteuid(65534));
	EXPECT_EQ(EPERM, dev_wait(self->dev, nic, 0, &out));
	EXPECT_EQ(EPERM, dev_eject(self->dev, scsi_addr(0, 0)));
	EXPECT_EQ(-EPERM, dev_dump(&self->nl, NULL, 0));
	EXPECT_EQ(0, seteuid(0));
}

TEST_HARNESS_MAIN

// SPDX-License-Identifier: MIT
/*
 * The device map: SCSI disks that come, go, are waited for and ejected
 */
#include <sys/mount.h>

#include "dev_test.h"

DEV_FIXTURE(dev)

TEST_F_TIMEOUT(dev, a_disk_is_found_before_during_and_after_its_arrival, 100)
{
	struct gcs_dev_addr addr = scsi_addr(0, 10);
	struct gcs_dev_wait out;
	struct dev_info info;
	struct waiter w[4];

	EXPECT_EQ(ETIME, dev_wait(self->dev, addr, 0, &out));
	for (int i = 0; i < 4; i++)
		w[i] = waiter_start(self->dev, addr);
	EXPECT_TRUE(still_waits(w[3].pid));
	ASSERT_EQ(0, qmp_add_disk(self->qmp, "d10", "scsi0", 10, "hot0"));
	for (int i = 0; i < 4; i++) {
		EXPECT_EQ(0, waiter_result(w[i]));
		EXPECT_TRUE(is_disk(w[i].out, 8 * MIB));
	}
	ASSERT_TRUE(dev_expect(&self->events, GCS_CMD_DEV_ADDED, GCS_BUS_SCSI, &info));
	EXPECT_EQ(0, dev_wait(self->dev, addr, 0, &out));
	EXPECT_TRUE(is_disk(&out, 8 * MIB));
	EXPECT_EQ(0, out.dev_flags);

	EXPECT_STREQ(out.name, info.name);
	EXPECT_TRUE(HAS(&info, CONTROLLER));
	EXPECT_FALSE(HAS(&info, GUID));
	EXPECT_EQ(0, info.controller);
	EXPECT_EQ(0, info.target);
	EXPECT_EQ(10, info.lun);
	EXPECT_EQ(out.major, info.major);
	EXPECT_EQ(out.minor, info.minor);
	EXPECT_EQ(8 * MIB, info.bytes);

	ASSERT_EQ(0, qmp_remove(self->qmp, "d10"));
	ASSERT_TRUE(dev_expect(&self->events, GCS_CMD_DEV_REMOVED, GCS_BUS_SCSI, &info));
	EXPECT_STREQ(out.name, info.name);
	EXPECT_FALSE(HAS(&info, BYTES));
	EXPECT_EQ(ETIME, dev_wait(self->dev, addr, 0, &out));
}

/* Two partitions of 1 and 2 MiB. */
static bool write_partitions(const char *name)
{
	static const struct {
		uint8_t status, chs[3], type, chs_end[3];
		uint32_t start, sectors;
	} __attribute__((packed)) entries[4] = {
		{ .type = 0x83, .start = 2048, .sectors = 2048 },
		{ .type = 0x83, .start = 4096, .sectors = 4096 },
	};
	uint8_t sector[512] = { [510] = 0x55, 0xaa };
	int fd = open_node(name, O_RDWR);
	bool good;

	memcpy(sector + 446, entries, sizeof(entries));
	good = fd >= 0 && pwrite(fd, sector, 512, 0) == 512 && !fsync(fd);
	close(fd);
	return good;
}

TEST_F_TIMEOUT(dev, partitions_are_there_when_their_disk_is, 100)
{
	struct gcs_dev_addr addr = scsi_addr(0, 11);
	struct gcs_dev_wait out;
	struct dev_info info;
	struct waiter w;
	char clear[512] = "";
	int fd;

	ASSERT_EQ(0, qmp_add_disk(self->qmp, "d11", "scsi0", 11, "hot0"));
	ASSERT_EQ(0, dev_wait(self->dev, addr, DEV_MS, &out));
	ASSERT_TRUE(write_partitions(out.name));
	addr.partition = 1;
	EXPECT_EQ(ENOENT, dev_wait(self->dev, addr, DEV_MS, &out));
	ASSERT_EQ(0, qmp_remove(self->qmp, "d11"));
	ASSERT_TRUE(dev_expect(&self->events, GCS_CMD_DEV_ADDED, GCS_BUS_SCSI, &info));
	ASSERT_TRUE(dev_expect(&self->events, GCS_CMD_DEV_REMOVED, GCS_BUS_SCSI, &info));

	addr.partition = 2;
	w = waiter_start(self->dev, addr);
	EXPECT_TRUE(still_waits(w.pid));
	ASSERT_EQ(0, qmp_add_disk(self->qmp, "d11", "scsi0", 11, "hot0"));
	EXPECT_EQ(0, waiter_result(w));
	EXPECT_TRUE(is_disk(w.out, 2 * MIB));
	addr.partition = 1;
	EXPECT_EQ(0, dev_wait(self->dev, addr, 0, &out));
	EXPECT_TRUE(is_disk(&out, 1 * MIB));
	addr.partition = 3;
	EXPECT_EQ(ENOENT, dev_wait(self->dev, addr, DEV_MS, &out));
	addr.partition = 0;
	EXPECT_EQ(0, dev_wait(self->dev, addr, 0, &out));
	EXPECT_TRUE(is_disk(&out, 8 * MIB));

	/* One event for the disk, none for its partitions. */
	ASSERT_TRUE(dev_expect(&self->events, GCS_CMD_DEV_ADDED, GCS_BUS_SCSI, &info));
	EXPECT_STREQ(out.name, info.name);
	fd = open_node(out.name, O_RDWR);
	EXPECT_EQ(512, write(fd, clear, 512));
	close(fd);
	ASSERT_EQ(0, qmp_remove(self->qmp, "d11"));
	ASSERT_TRUE(dev_expect(&self->events, GCS_CMD_DEV_REMOVED, GCS_BUS_SCSI, &info));
	EXPECT_STREQ(out.name, info.name);
}

TEST_F_TIMEOUT(dev, a_unit_that_nobody_tells_of_is_asked_for, 100)
{
	struct gcs_dev_addr first = scsi_addr(1, 0), other = scsi_addr(1, 9), absent = scsi_addr(1, 10);
	struct gcs_dev_wait out;
	struct dev_info info;
	struct waiter w[3];

	ASSERT_EQ(0, qmp_null_node(self->qmp, "n0", 1 * MIB, false));
	ASSERT_EQ(0, qmp_null_node(self->qmp, "n9", 9 * MIB, true));
	ASSERT_EQ(0, qmp_add_disk(self->qmp, "u0", "scsi1", 0, "n0"));
	ASSERT_EQ(0, qmp_add_disk(self->qmp, "u9", "scsi1", 9, "n9"));
	/* To look is not to ask. */
	EXPECT_EQ(ETIME, dev_wait(self->dev, first, 0, &out));
	for (int i = 0; i < 3; i++)
		w[i] = waiter_start(self->dev, other);
	for (int i = 0; i < 3; i++) {
		EXPECT_EQ(0, waiter_result(w[i]));
		EXPECT_TRUE(is_disk(w[i].out, 9 * MIB));
		EXPECT_EQ(GCS_DEV_READONLY, w[i].out->dev_flags);
	}
	EXPECT_EQ(ETIME, dev_wait(self->dev, first, 0, &out));
	EXPECT_EQ(0, dev_wait(self->dev, first, DEV_MS, &out));
	EXPECT_TRUE(is_disk(&out, 1 * MIB));
	/* The same unit of another controller is another disk. */
	EXPECT_EQ(ETIME, dev_wait(self->dev, scsi_addr(0, 9), 0, &out));

	EXPECT_EQ(ETIME, dev_wait(self->dev, absent, NOT_MS, &out));
	EXPECT_EQ(-1, sysfs_number("/sys/bus/scsi/devices/1:0:0:10/type"));
	EXPECT_EQ(0, sysfs_number("/sys/bus/scsi/devices/1:0:0:9/type"));

	/* Nobody tells of the removal either. */
	EXPECT_EQ(0, dev_eject(self->dev, first));
	EXPECT_EQ(0, dev_eject(self->dev, other));
	for (int i = 0; i < 2; i++)
		ASSERT_TRUE(dev_expect(&self->events, GCS_CMD_DEV_ADDED, GCS_BUS_SCSI, &info));
	EXPECT_EQ(1, info.controller);
	for (int i = 0; i < 2; i++)
		ASSERT_TRUE(dev_expect(&self->events, GCS_CMD_DEV_REMOVED, GCS_BUS_SCSI, &info));
	EXPECT_EQ(0, qmp_remove(self->qmp, "u0"));
	EXPECT_EQ(0, qmp_remove(self->qmp, "u9"));
	EXPECT_EQ(0, qmp(self->qmp, "blockdev-del", "\"node-name\": \"n0\""));
	EXPECT_EQ(0, qmp(self->qmp, "blockdev-del", "\"node-name\": \"n9\""));
}

/* Unbinding waits for nothing of ours, and binding only for the release of the disk before. */
TEST_F_TIMEOUT(dev, a_disk_whose_driver_goes_and_comes_back, 100)
{
	static const char *const files[] = { "/sys/bus/scsi/drivers/sd/unbind", "/sys/bus/scsi/drivers/sd/bind" };
	struct gcs_dev_addr addr = scsi_addr(0, 12);
	int cmd, want = GCS_CMD_DEV_ADDED, count = 0;
	struct gcs_dev_wait out;
	struct dev_info info;
	int fd;

	ASSERT_EQ(0, qmp_add_disk(self->qmp, "d12", "scsi0", 12, "hot0"));
	ASSERT_EQ(0, dev_wait(self->dev, addr, DEV_MS, &out));
	for (int i = 0; i < 100; i++) {
		fd = open(files[i % 2], O_WRONLY | O_CLOEXEC);
		ASSERT_EQ(8, write(fd, "0:0:0:12", 8));
		close(fd);
	}
	EXPECT_EQ(0, dev_wait(self->dev, addr, DEV_MS, &out));
	EXPECT_TRUE(is_disk(&out, 8 * MIB));
	EXPECT_EQ(0, dev_eject(self->dev, addr));
	/* All have been sent by now. Those in between may have been too short for an event. */
	while ((cmd = dev_event(&self->events, 0, &info)) >= 0) {
		EXPECT_EQ(want, cmd);
		want = cmd == GCS_CMD_DEV_ADDED ? GCS_CMD_DEV_REMOVED : GCS_CMD_DEV_ADDED;
		count++;
	}
	EXPECT_EQ(GCS_CMD_DEV_ADDED, want);
	EXPECT_LE(2, count);
	ASSERT_EQ(0, qmp_remove(self->qmp, "d12"));
}

TEST_F_TIMEOUT(dev, a_disk_without_a_medium_is_told_from_none, 100)
{
	struct gcs_dev_wait out;
	struct dev_info info;
	struct waiter w;

	ASSERT_EQ(0, qmp_null_node(self->qmp, "none", 0, false));
	w = waiter_start(self->dev, scsi_addr(0, 12));
	ASSERT_EQ(0, qmp_add_disk(self->qmp, "d12", "scsi0", 12, "none"));
	EXPECT_EQ(ENOMEDIUM, waiter_result(w));
	EXPECT_EQ(ENOMEDIUM, dev_wait(self->dev, scsi_addr(0, 12), DEV_MS, &out));
	ASSERT_TRUE(dev_expect(&self->events, GCS_CMD_DEV_ADDED, GCS_BUS_SCSI, &info));
	EXPECT_EQ(0, info.bytes);
	EXPECT_EQ(0, dev_eject(self->dev, scsi_addr(0, 12)));
	EXPECT_EQ(0, qmp_remove(self->qmp, "d12"));
	EXPECT_EQ(0, qmp(self->qmp, "blockdev-del", "\"node-name\": \"none\""));
}

TEST_F_TIMEOUT(dev, each_error_is_its_own, 100)
{
	struct gcs_dev_addr addr = scsi_addr(0, 13);
	struct gcs_dev_wait out;

	EXPECT_EQ(ENXIO, dev_wait(self->dev, scsi_addr(9, 0), DEV_MS, &out));
	EXPECT_EQ(ENXIO, dev_eject(self->dev, scsi_addr(9, 0)));
	/* A unit of whose address the controller would take a part for the whole. */
	EXPECT_EQ(ENXIO, dev_wait(self->dev, scsi_addr(0, 0x100000), DEV_MS, &out));
	addr.target = 256;
	EXPECT_EQ(ENXIO, dev_wait(self->dev, addr, DEV_MS, &out));
	addr.target = 0;
	addr.flags = GCS_ADDR_GUID;
	EXPECT_EQ(ENXIO, dev_wait(self->dev, addr, DEV_MS, &out));
	addr.flags = 0;
	EXPECT_EQ(ETIME, dev_wait(self->dev, addr, 1, &out));
	EXPECT_EQ(ENODEV, dev_eject(self->dev, addr));

	addr.partition = 1;
	EXPECT_EQ(EINVAL, dev_eject(self->dev, addr));
	addr = (struct gcs_dev_addr){ .bus = GCS_BUS_PMEM };
	EXPECT_EQ(EOPNOTSUPP, dev_eject(self->dev, addr));
	EXPECT_EQ(ETIME, dev_wait(self->dev, (struct gcs_dev_addr){ .bus = GCS_BUS_PMEM, .index = 77 }, 1, &out));
	addr.bus = GCS_BUS_NET;
	EXPECT_EQ(ETIME, dev_wait(self->dev, addr, 1, &out));
	addr.bus = GCS_BUS_PCI;
	addr.devfn = 0xffff;
	EXPECT_EQ(ETIME, dev_wait(self->dev, addr, 1, &out));

	/* Members that are no part of the address. */
	for (unsigned int bus = 0; bus <= GCS_BUS_PCI + 1; bus++) {
		addr = (struct gcs_dev_addr){ .bus = bus, .reserved = { 1 } };
		EXPECT_EQ(EINVAL, dev_wait(self->dev, addr, 0, &out));
		addr = (struct gcs_dev_addr){ .bus = bus, .flags = 2 };
		EXPECT_EQ(EINVAL, dev_wait(self->dev, addr, 0, &out));
		addr = (struct gcs_dev_addr){ .bus = bus, .guid = { 1 } };
		EXPECT_EQ(EINVAL, dev_wait(self->dev, addr, 0, &out));
		addr = (struct gcs_dev_addr){ .bus = bus, .flags = GCS_ADDR_GUID, .controller = 1, .devfn = 1, .mac = { 1 } };
		EXPECT_EQ(EINVAL, dev_wait(self->dev, addr, 0, &out));
	}
	addr = scsi_addr(0, 0);
	addr.index = 1;
	EXPECT_EQ(EINVAL, dev_wait(self->dev, addr, 0, &out));
	EXPECT_EQ(EINVAL, dev_wait_with(self->dev, scsi_addr(0, 0), GCS_WAIT_CONTROLLER << 1, 0, &out));
	addr = (struct gcs_dev_addr){ .bus = GCS_BUS_PMEM };
	EXPECT_EQ(EINVAL, dev_wait_with(self->dev, addr, GCS_WAIT_CONTROLLER, 0, &out));
	out = (struct gcs_dev_wait){ .size = sizeof(out), .addr = scsi_addr(0, 0), .reserved = 1 };
	EXPECT_EQ(-1, ioctl(self->dev, GCS_DEV_WAIT, &out));
	EXPECT_EQ(EINVAL, errno);
}

static void ignore(int sig)
{
}

TEST_F_TIMEOUT(dev, a_signal_ends_a_wait_and_a_killed_waiter_is_no_more, 100)
{
	struct gcs_dev_addr addr = scsi_addr(0, 14);
	struct sigaction action = { .sa_handler = ignore };
	struct waiter w[3];

	sigaction(SIGUSR1, &action, NULL);
	for (int i = 0; i < 3; i++)
		w[i] = waiter_start(self->dev, addr);
	EXPECT_TRUE(interrupt(w[0].pid));
	EXPECT_EQ(EINTR, waiter_result(w[0]));
	EXPECT_TRUE(still_waits(w[1].pid));
	kill(w[1].pid, SIGKILL);
	EXPECT_EQ(-1, waiter_result(w[1]));
	ASSERT_EQ(0, qmp_add_disk(self->qmp, "d14", "scsi0", 14, "hot0"));
	EXPECT_EQ(0, waiter_result(w[2]));
	EXPECT_EQ(0, dev_eject(self->dev, addr));
	EXPECT_EQ(0, qmp_remove(self->qmp, "d14"));
}

TEST_F_TIMEOUT(dev, what_is_in_use_is_not_ejected_and_what_was_written_is_not_lost, 100)
{
	struct gcs_dev_addr addr = scsi_addr(0, 15), part = addr;
	static char buf[64 * 1024];
	struct gcs_dev_wait out;
	struct dev_info info;
	int fd;

	part.partition = 1;
	ASSERT_EQ(0, qmp_add_disk(self->qmp, "d15", "scsi0", 15, "hot0"));
	ASSERT_EQ(0, dev_wait(self->dev, addr, DEV_MS, &out));
	ASSERT_TRUE(write_partitions(out.name));
	EXPECT_EQ(0, dev_eject(self->dev, addr));
	ASSERT_TRUE(dev_expect(&self->events, GCS_CMD_DEV_ADDED, GCS_BUS_SCSI, &info));
	ASSERT_TRUE(dev_expect(&self->events, GCS_CMD_DEV_REMOVED, GCS_BUS_SCSI, &info));
	EXPECT_EQ(ENODEV, dev_eject(self->dev, addr));
	/* It is QEMU's still: who waits for it gets it back. */
	ASSERT_EQ(0, dev_wait(self->dev, part, DEV_MS, &out));

	fd = open_node(out.name, O_RDWR);
	ASSERT_LE(0, fd);
	fill_pattern(buf, 0, sizeof(buf));
	ASSERT_EQ(sizeof(buf), write(fd, buf, sizeof(buf)));
	EXPECT_EQ(EBUSY, dev_eject(self->dev, addr));
	ASSERT_EQ(0, close(fd));
	EXPECT_EQ(0, dev_eject(self->dev, addr));
	EXPECT_EQ(ETIME, dev_wait(self->dev, addr, 0, &out));
	ASSERT_EQ(0, qmp_remove(self->qmp, "d15"));

	ASSERT_EQ(0, qmp_add_disk(self->qmp, "d15", "scsi0", 15, "hot0"));
	ASSERT_EQ(0, dev_wait(self->dev, part, DEV_MS, &out));
	fd = open_node(out.name, O_RDONLY);
	ASSERT_EQ(sizeof(buf), read(fd, buf, sizeof(buf)));
	EXPECT_EQ(sizeof(buf), check_pattern(buf, 0, sizeof(buf)));
	close(fd);
	EXPECT_EQ(0, dev_eject(self->dev, addr));
	ASSERT_EQ(0, qmp_remove(self->qmp, "d15"));
}

/* Newer kernels close late what their partition scan has opened: of all disks together, whoever is to be ejected. */
TEST_F_TIMEOUT(dev, a_disk_that_has_just_come_is_not_in_use, 100)
{
	enum { DISKS = 8, TIMES = 50 };
	pid_t pid[DISKS];
	char id[8], node[8];

	for (int i = 0; i < DISKS; i++) {
		snprintf(id, sizeof(id), "e%d", i);
		snprintf(node, sizeof(node), "en%d", i);
		ASSERT_EQ(0, qmp_null_node(self->qmp, node, MIB, false));
		ASSERT_EQ(0, qmp_add_disk(self->qmp, id, "scsi1", 20 + i, node));
	}
	for (int i = 0; i < DISKS; i++) {
		pid[i] = fork();
		if (!pid[i]) {
			struct gcs_dev_addr addr = scsi_addr(1, 20 + i);
			struct gcs_dev_wait out;
			int err = 0;

			for (int n = 0; n < TIMES && !err; n++)
				err = dev_wait(self->dev, addr, DEV_MS, &out) ?: dev_eject(self->dev, addr);
			_exit(err);
		}
	}
	for (int i = 0; i < DISKS; i++) {
		EXPECT_EQ(0, reap(pid[i]));
		snprintf(id, sizeof(id), "e%d", i);
		snprintf(node, sizeof(node), "en%d", i);
		EXPECT_EQ(0, qmp_remove(self->qmp, id));
		EXPECT_EQ(0, qmp(self->qmp, "blockdev-del", "\"node-name\": \"%s\"", node));
	}
}

static bool make_ext4(const char *name)
{
	char node[64];
	pid_t pid;

	snprintf(node, sizeof(node), "/dev/%s", name);
	pid = fork();
	if (!pid) {
		execl("/sbin/mke2fs", "mke2fs", "-q", "-F", "-t", "ext4", node, NULL);
		_exit(127);
	}
	return reap(pid) == 0;
}

TEST_F_TIMEOUT(dev, a_mounted_disk_is_not_ejected_and_may_be_torn_off, 100)
{
	struct gcs_dev_addr addr = scsi_addr(0, 16);
	char dir[] = "/tmp/dev.XXXXXX", node[64];
	struct gcs_dev_wait out;
	struct dev_info info;

	ASSERT_NE(NULL, mkdtemp(dir));
	ASSERT_EQ(0, qmp_add_disk(self->qmp, "d16", "scsi0", 16, "hot1"));
	ASSERT_EQ(0, dev_wait(self->dev, addr, DEV_MS, &out));
	ASSERT_TRUE(dev_expect(&self->events, GCS_CMD_DEV_ADDED, GCS_BUS_SCSI, &info));
	ASSERT_TRUE(make_ext4(out.name));
	snprintf(node, sizeof(node), "/dev/%s", out.name);
	ASSERT_EQ(0, mount(node, dir, "ext4", 0, NULL));
	EXPECT_EQ(EBUSY, dev_eject(self->dev, addr));

	ASSERT_EQ(0, qmp_remove(self->qmp, "d16"));
	ASSERT_TRUE(dev_expect(&self->events, GCS_CMD_DEV_REMOVED, GCS_BUS_SCSI, &info));
	EXPECT_STREQ(out.name, info.name);
	EXPECT_EQ(ETIME, dev_wait(self->dev, addr, 0, &out));
	/* Another disk in its place is not mistaken for it, although it is mounted still. */
	ASSERT_EQ(0, qmp_add_disk(self->qmp, "d16", "scsi0", 16, "hot0"));
	EXPECT_EQ(0, dev_wait(self->dev, addr, DEV_MS, &out));
	EXPECT_STRNE(info.name, out.name);
	EXPECT_EQ(0, umount(dir));
	EXPECT_EQ(0, dev_eject(self->dev, addr));
	EXPECT_EQ(0, qmp_remove(self->qmp, "d16"));
	rmdir(dir);
}

TEST_F_TIMEOUT(dev, one_unit_comes_and_goes_200_times, 250)
{
	struct gcs_dev_addr addr = scsi_addr(0, 17);
	static struct dev_info list[64];
	struct gcs_dev_wait out;
	struct dev_info info;
	int others = dev_dump(&self->nl, list, 64);

	ASSERT_EQ(0, qmp_null_node(self->qmp, "even", 2 * MIB, false));
	ASSERT_EQ(0, qmp_null_node(self->qmp, "odd", 3 * MIB, true));
	for (int i = 0; i < 200; i++) {
		ASSERT_EQ(0, qmp_add_disk(self->qmp, "d17", "scsi0", 17, i % 2 ? "odd" : "even"));
		ASSERT_EQ(0, dev_wait(self->dev, addr, DEV_MS, &out));
		ASSERT_EQ((i % 2 ? 3 : 2) * MIB, out.bytes);
		ASSERT_EQ(i % 2 ? GCS_DEV_READONLY : 0, out.dev_flags);
		if (i % 20 == 3)
			ASSERT_EQ(others + 1, dev_dump(&self->nl, list, 64));
		ASSERT_EQ(0, qmp_remove(self->qmp, "d17"));
		/* Exactly these two events. */
		ASSERT_TRUE(dev_expect(&self->events, GCS_CMD_DEV_ADDED, GCS_BUS_SCSI, &info));
		ASSERT_EQ(17, info.lun);
		ASSERT_TRUE(dev_expect(&self->events, GCS_CMD_DEV_REMOVED, GCS_BUS_SCSI, &info));
		ASSERT_EQ(17, info.lun);
	}
	EXPECT_EQ(-1, dev_event(&self->events, NOT_MS, &info));
	EXPECT_EQ(others, dev_dump(&self->nl, list, 64));
	EXPECT_EQ(0, qmp(self->qmp, "blockdev-del", "\"node-name\": \"even\""));
	EXPECT_EQ(0, qmp(self->qmp, "blockdev-del", "\"node-name\": \"odd\""));
}

TEST_HARNESS_MAIN

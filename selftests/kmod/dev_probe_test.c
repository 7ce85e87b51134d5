// SPDX-License-Identifier: MIT
/*
 * The device map: disks whose probe does not end, and who waits for that
 */
#include <dirent.h>

#include "dev_test.h"

DEV_FIXTURE(probe)

static bool put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	bool ok = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);

	close(fd);
	return ok;
}

/*
 * The unit @lun of the second controller in the middle of its probe, which ends when QEMU lets the disk be read again.
 * Returns the process that has begun that, or -1. A disk that is added or removed in QEMU ends that, too.
 */
static pid_t hold(struct qmp *qmp, int dev, struct gcs_nl *events, int lun)
{
	static char page[4096] __attribute__((aligned(4096)));
	struct gcs_dev_wait out;
	struct dev_info info;
	char unit[16];
	pid_t binder;
	int fd;

	if (qmp_null_node(qmp, "held", MIB, false) || qmp_add_disk(qmp, "held", "scsi1", lun, "held") ||
	    dev_wait(dev, scsi_addr(1, lun), DEV_MS, &out) || !dev_expect(events, GCS_CMD_DEV_ADDED, GCS_BUS_SCSI, &info) ||
	    qmp_throttle(qmp, "held", 1))
		return -1;
	fd = open_node(out.name, O_RDONLY | O_DIRECT);
	if (fd < 0 || read(fd, page, sizeof(page)) != sizeof(page) || close(fd))
		return -1;
	snprintf(unit, sizeof(unit), "1:0:0:%d", lun);
	if (!put("/sys/bus/scsi/drivers/sd/unbind", unit) || !dev_expect(events, GCS_CMD_DEV_REMOVED, GCS_BUS_SCSI, &info))
		return -1;
	binder = fork();
	if (!binder)
		_exit(!put("/sys/bus/scsi/drivers/sd/bind", unit));
	return still_waits(binder) ? binder : -1;
}

/* How many of the kernel's threads are at work, or wait, for the device map. */
static int workers(void)
{
	DIR *dir = opendir("/proc");
	struct dirent *e;
	int count = 0;

	while (dir && (e = readdir(dir))) {
		char path[300], name[64] = "";
		FILE *f;

		snprintf(path, sizeof(path), "/proc/%s/comm", e->d_name);
		f = fopen(path, "re");
		if (f && fgets(name, sizeof(name), f) && strstr(name, "+gcs_dev"))
			count++;
		if (f)
			fclose(f);
	}
	if (dir)
		closedir(dir);
	return count;
}

TEST_F_TIMEOUT(probe, units_that_a_controller_is_asked_for_wait_in_one_place, 100)
{
	enum { LUN = 30, UNITS = 8 };
	struct gcs_dev_wait out;
	struct waiter w[UNITS];
	struct dev_info info;
	pid_t binder, remover;

	ASSERT_EQ(0, qmp_null_node(self->qmp, "n31", 1 * MIB, false));
	ASSERT_EQ(0, qmp_add_disk(self->qmp, "u31", "scsi1", LUN + 1, "n31"));
	/* One that the other controller is to be asked for. */
	ASSERT_EQ(0, qmp_add_disk(self->qmp, "d30", "scsi0", LUN, "hot0"));
	ASSERT_EQ(0, dev_wait(self->dev, scsi_addr(0, LUN), DEV_MS, &out));
	ASSERT_EQ(0, dev_eject(self->dev, scsi_addr(0, LUN)));
	ASSERT_TRUE(dev_expect(&self->events, GCS_CMD_DEV_ADDED, GCS_BUS_SCSI, &info));
	ASSERT_TRUE(dev_expect(&self->events, GCS_CMD_DEV_REMOVED, GCS_BUS_SCSI, &info));
	binder = hold(self->qmp, self->dev, &self->events, LUN);
	ASSERT_LE(0, binder);
	/* Who removes a unit keeps others from being asked for, and waits for the end of its probe. */
	remover = fork();
	if (!remover)
		_exit(!put("/sys/bus/scsi/devices/1:0:0:30/delete", "1"));
	EXPECT_TRUE(still_waits(remover));
	for (int i = 0; i < UNITS; i++)
		w[i] = waiter_start(self->dev, scsi_addr(1, LUN + UNITS - i));
	for (int i = 0; i < UNITS; i++)
		EXPECT_TRUE(still_waits(w[i].pid));
	/* One for the end of that probe, and one for all that are waited for. */
	EXPECT_EQ(2, workers());
	/* Another controller has nothing to do with it. */
	EXPECT_EQ(0, dev_wait(self->dev, scsi_addr(0, LUN), DEV_MS, &out));
	EXPECT_EQ(0, dev_eject(self->dev, scsi_addr(0, LUN)));
	EXPECT_TRUE(still_waits(remover));

	ASSERT_EQ(0, qmp_throttle(self->qmp, "held", 0));
	EXPECT_EQ(0, reap(remover));
	reap(binder);
	/* All of them were asked for: the last of the units is there. */
	EXPECT_EQ(0, waiter_result(w[UNITS - 1]));
	EXPECT_TRUE(is_disk(w[UNITS - 1].out, 1 * MIB));
	for (int i = 0; i < UNITS - 1; i++) {
		kill(w[i].pid, SIGKILL);
		EXPECT_EQ(-1, waiter_result(w[i]));
	}
	EXPECT_EQ(0, dev_eject(self->dev, scsi_addr(1, LUN + 1)));
	EXPECT_EQ(0, qmp_remove(self->qmp, "u31"));
	EXPECT_EQ(0, qmp_remove(self->qmp, "d30"));
	EXPECT_EQ(0, qmp_remove(self->qmp, "held"));
	EXPECT_EQ(0, qmp(self->qmp, "blockdev-del", "\"node-name\": \"n31\""));
	EXPECT_EQ(0, qmp(self->qmp, "blockdev-del", "\"node-name\": \"held\""));
}

static void ignore(int sig)
{
}

TEST_F_TIMEOUT(probe, a_signal_ends_an_eject_that_waits_for_a_probe, 100)
{
	struct gcs_dev_addr addr = scsi_addr(1, 18);
	struct sigaction action = { .sa_handler = ignore };
	struct gcs_dev_wait out;
	struct dev_info info;
	pid_t binder, pid[3];

	sigaction(SIGUSR1, &action, NULL);
	binder = hold(self->qmp, self->dev, &self->events, 18);
	ASSERT_LE(0, binder);
	for (int i = 0; i < 3; i++) {
		pid[i] = fork();
		if (!pid[i])
			_exit(dev_eject(self->dev, addr));
	}
	EXPECT_TRUE(still_waits(pid[0]));
	EXPECT_TRUE(interrupt(pid[0]));
	EXPECT_EQ(EINTR << 8, reap(pid[0]));
	EXPECT_TRUE(still_waits(pid[1]));
	kill(pid[1], SIGKILL);
	EXPECT_EQ(SIGKILL, reap(pid[1]));
	/* Its partitions are not known yet, so it cannot be used. */
	EXPECT_EQ(ETIME, dev_wait(self->dev, addr, 0, &out));

	ASSERT_EQ(0, qmp_throttle(self->qmp, "held", 0));
	EXPECT_EQ(0, reap(binder));
	/* Who goes on waiting ejects what others have been told of, and no sooner. */
	EXPECT_EQ(0, reap(pid[2]));
	EXPECT_TRUE(dev_expect(&self->events, GCS_CMD_DEV_ADDED, GCS_BUS_SCSI, &info));
	EXPECT_TRUE(dev_expect(&self->events, GCS_CMD_DEV_REMOVED, GCS_BUS_SCSI, &info));
	EXPECT_EQ(0, dev_wait(self->dev, addr, DEV_MS, &out));
	EXPECT_TRUE(is_disk(&out, MIB));
	EXPECT_EQ(0, dev_eject(self->dev, addr));
	EXPECT_EQ(0, qmp_remove(self->qmp, "held"));
	EXPECT_EQ(0, qmp(self->qmp, "blockdev-del", "\"node-name\": \"held\""));
}

TEST_HARNESS_MAIN

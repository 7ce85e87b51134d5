// SPDX-License-Identifier: MIT
/* Assigned PCI devices, in a tree as sysfs has it where there is VMBus. */
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "fs.h"
#include "clock.h"
#include "pci/pci.h"

#include "kselftest_harness.h"

#define GUID "0110f83b-de10-5172-a266-78bca56bf50a"

FIXTURE(pci)
{
	char dir[64], dev[80];
	struct gcs_error err;
};

FIXTURE_SETUP(pci)
{
	strcpy(self->dir, "/tmp/test_pci.XXXXXX");
	ASSERT_NE(NULL, mkdtemp(self->dir));
	ASSERT_EQ(0, chdir(self->dir));
	pci_sysfs = self->dir;
	snprintf(self->dev, sizeof(self->dev), "%s/dev", self->dir);
	pci_dev = self->dev;
	/* Buses are links to where they are; a disk that several paths may lead to is elsewhere. */
	ASSERT_EQ(0, system("mkdir -p dev/dri bus/vmbus/devices block devices/virtual/nvme-subsys0/nvme0n1/nvme0n1p1 && "
			    "touch dev/nvme0 dev/nvme0n1 dev/nvme0n1p1 dev/dri/card0 && "
			    "mkdir -p devices/vmbus/a/pci8a3f:00/8a3f:00:00.0/nvme/nvme0/nvme0c0n1 "
			    "devices/vmbus/a/pci8a3f:00/8a3f:00:00.1/net/eth0 devices/vmbus/a/pci8a3f:00/pci_bus && "
			    "ln -s ../../../devices/vmbus/a bus/vmbus/devices/" GUID " && "
			    "ln -s ../devices/virtual/nvme-subsys0/nvme0n1 block && cd block/nvme0n1/ && "
			    "echo 259:0 > dev && printf 'DEVNAME=nvme0n1\nDEVTYPE=disk\n' > uevent && "
			    "echo 259:1 > nvme0n1p1/dev && echo DEVNAME=nvme0n1p1 > nvme0n1p1/uevent && "
			    "cd \"$OLDPWD\" && cd devices/vmbus/a/pci8a3f:00/8a3f:00:00.0 && echo 0x010802 > class && "
			    "echo 246:0 > nvme/nvme0/dev && printf 'MAJOR=246\nMINOR=0\nDEVNAME=nvme0\n' > nvme/nvme0/uevent && "
			    "ln -s .. nvme/nvme0/device"));
}

FIXTURE_TEARDOWN(pci)
{
	EXPECT_EQ(0, chdir("/"));
	EXPECT_EQ(0, fs_remove_tree(self->dir, &self->err)) TH_LOG("%s", self->err.text);
}

/* @path: as it is where devtmpfs is. */
static bool has(const struct pci_list *nodes, const char *path)
{
	for (size_t i = 0; i < nodes->count; i++)
		if (!strcmp(nodes->items[i] + strlen(pci_dev), path + strlen("/dev")))
			return true;
	return false;
}

TEST_F(pci, all_functions_of_a_bus_are_found_by_its_guid)
{
	struct pci_list nodes;

	/* However the host writes it. */
	ASSERT_EQ(0, pci_wait("0110F83B-DE10-5172-A266-78BCA56BF50A", clock_now_ms() + 5000, &self->err)) TH_LOG("%s", self->err.text);
	ASSERT_EQ(0, pci_wait_nodes(GUID, clock_now_ms() + 5000, &nodes, &self->err)) TH_LOG("%s", self->err.text);
	EXPECT_EQ(3, nodes.count);
	EXPECT_TRUE(has(&nodes, "/dev/nvme0"));
	EXPECT_TRUE(has(&nodes, "/dev/nvme0n1"));
	EXPECT_TRUE(has(&nodes, "/dev/nvme0n1p1"));
	pci_list_free(&nodes);
	/* One that comes later. */
	ASSERT_EQ(0, system("cd devices/vmbus/a/pci8a3f:00/8a3f:00:00.1 && mkdir -p misc/x && echo 10:1 > misc/x/dev && "
			    "echo DEVNAME=dri/card0 > misc/x/uevent"));
	ASSERT_EQ(0, pci_wait_nodes(GUID, clock_now_ms() + 5000, &nodes, &self->err)) TH_LOG("%s", self->err.text);
	EXPECT_EQ(4, nodes.count);
	EXPECT_TRUE(has(&nodes, "/dev/dri/card0"));
	pci_list_free(&nodes);
}

TEST_F(pci, gpus_are_the_display_controllers_among_the_functions)
{
	struct pci_list gpus;

	EXPECT_EQ(-1, pci_wait_gpus(GUID, clock_now_ms() + 5000, &gpus, &self->err));
	EXPECT_NE(NULL, strstr(self->err.text, "not a display controller")) TH_LOG("%s", self->err.text);
	ASSERT_EQ(0, system("echo 0x030200 > devices/vmbus/a/pci8a3f:00/8a3f:00:00.1/class"));
	ASSERT_EQ(0, pci_wait_gpus(GUID, clock_now_ms() + 5000, &gpus, &self->err)) TH_LOG("%s", self->err.text);
	ASSERT_EQ(1, gpus.count);
	EXPECT_STREQ("8a3f:00:00.1", gpus.items[0]);
	pci_list_free(&gpus);
}

TEST_F(pci, a_disk_is_waited_for)
{
	struct pci_list nodes;
	int64_t deadline;

	/* The control device alone is not what a disk controller is for. */
	ASSERT_EQ(0, rename("block/nvme0n1", "late"));
	deadline = clock_now_ms() + 700;
	ASSERT_EQ(0, pci_wait_nodes(GUID, deadline, &nodes, &self->err)) TH_LOG("%s", self->err.text);
	EXPECT_LE(deadline, clock_now_ms());
	EXPECT_EQ(1, nodes.count);
	pci_list_free(&nodes);
}

TEST_F(pci, what_is_missing_is_told_when_time_is_over)
{
	static const char other[] = "0110f83b-0000-0000-0000-000000000000";
	struct pci_list nodes;

	EXPECT_EQ(-1, pci_wait(other, clock_now_ms() + 50, &self->err));
	EXPECT_EQ(ETIMEDOUT, self->err.err);
	EXPECT_NE(NULL, strstr(self->err.text, other)) TH_LOG("%s", self->err.text);
	ASSERT_EQ(0, system("find . -type f -name dev -delete"));
	EXPECT_EQ(-1, pci_wait_nodes(GUID, clock_now_ms() + 50, &nodes, &self->err));
	EXPECT_NE(NULL, strstr(self->err.text, "PCI device " GUID ": wait for its device nodes")) TH_LOG("%s", self->err.text);
}

TEST_F(pci, a_name_is_no_pattern_and_no_path)
{
	static const char *const vmbus[] = { "", "*", "0110f83b-*", "../" GUID, GUID "/..", "0000:00:03.0",
					     "0110f83b-de10-5172-a266-78bca56bf50?" };
	static const char *const pci[] = { "", "*", "0000:00:03", "0000:00:03.8", "0000:00:20.0", "00:03.0", "0000:00:03.0/..", GUID };

	for (size_t i = 0; i < sizeof(vmbus) / sizeof(vmbus[0]); i++) {
		EXPECT_EQ(-1, pci_wait(vmbus[i], clock_now_ms() + 50, &self->err));
		EXPECT_EQ(HR_INVALID_ARG, self->err.hr) TH_LOG("%s", vmbus[i]);
	}
	/* By address, where there is no VMBus. */
	ASSERT_EQ(0, system("rm -r bus/vmbus && mkdir -p bus/pci/devices && ln -s ../../../devices/vmbus/a/pci8a3f:00/8a3f:00:00.0 "
			    "bus/pci/devices/8a3f:00:00.0"));
	EXPECT_EQ(0, pci_wait("8a3f:00:00.0", clock_now_ms() + 5000, &self->err)) TH_LOG("%s", self->err.text);
	for (size_t i = 0; i < sizeof(pci) / sizeof(pci[0]); i++) {
		EXPECT_EQ(-1, pci_wait(pci[i], clock_now_ms() + 50, &self->err));
		EXPECT_EQ(HR_INVALID_ARG, self->err.hr) TH_LOG("%s", pci[i]);
	}
}

TEST_HARNESS_MAIN

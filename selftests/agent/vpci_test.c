// SPDX-License-Identifier: MIT
/* Conformance: assigned devices (storage-and-network.md section 11), which QEMU plugs: what a container gets of them. */
#include <glob.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../kmod/hotplug.h"
#include "pod.h"
#include "kselftest_harness.h"

#define E_ARG (-2147024809)

FIXTURE(vpci)
{
	struct host h;
	struct qmp *qmp;
	char *before;
};

FIXTURE_SETUP(vpci)
{
	self->qmp = malloc(sizeof(*self->qmp));
	if (!host_has_vsock() || !qmp_open(self->qmp))
		SKIP(_exit(255), "needs vsock and QEMU's monitor (scripts/vm --hotplug)");
	host_start(&self->h, true, NULL);
	self->before = traces(&self->h);
}

FIXTURE_TEARDOWN(vpci)
{
	if (!self->before)
		return;
	EXPECT_STREQ(self->before, traces(&self->h));
	host_stop(&self->h);
}

static int64_t vpci(struct host *h, const char *request, const char *id)
{
	return host_call(h, MSG_MODIFY_SETTINGS, Z,
			 ",\"Request\":{\"RequestType\":\"%s\",\"ResourceType\":\"VPCIDevice\",\"Settings\":{\"VMBusGUID\":\"%s\"}}",
			 request, id);
}

/* The address that a device has, or will have, in the slot port0, which is the first of the VM's bridges. */
static bool first_slot(char address[32])
{
	bool found = false;
	glob_t all;

	if (glob("/sys/bus/pci/devices/*/secondary_bus_number", 0, NULL, &all) != 0)
		return false;
	if (all.gl_pathc) {
		char *text = read_text(all.gl_pathv[0]);

		found = snprintf(address, 32, "0000:%02x:00.0", atoi(text)) > 0;
		free(text);
	}
	globfree(&all);
	return found;
}

static int plug_nvme(struct qmp *q)
{
	return qmp(q, "device_add", "\"driver\": \"nvme\", \"id\": \"nvme\", \"serial\": \"gcs\", \"bus\": \"port0\", \"drive\": \"hot0\"");
}

/* A workload that may use nothing but what it is assigned. */
static struct json_object *workload(const char *cid, int64_t init, const char *device, const char *type, const char *args)
{
	struct json_object *spec = workload_spec(cid, "p", init, false, args);
	char text[256];

	snprintf(text, sizeof(text), "{\"devices\":[{\"id\":\"%s\",\"idType\":\"%s\"},{\"id\":\"x\",\"idType\":\"other\"}]}", device, type);
	set(spec, "windows", text);
	set(spec, "linux/resources", "{\"devices\":[{\"allow\":false,\"access\":\"rwm\"}]}");
	return spec;
}

TEST_F_TIMEOUT(vpci, a_container_uses_the_disk_that_it_is_assigned_and_no_other, 240)
{
	struct host *h = &self->h;
	struct host_stream out;
	char address[32], *text;
	uint64_t asked;
	int64_t init, pid;

	if (access("/sys/bus/pci/drivers/nvme", F_OK) != 0)
		SKIP(return, "needs a kernel with nvme");
	init = run(h, "p", sandbox_spec("p", FOREVER), NULL);
	ASSERT_TRUE(first_slot(address));
	asked = host_ask(h, MSG_MODIFY_SETTINGS, Z, ",\"Request\":{\"ResourceType\":\"VPCIDevice\",\"Settings\":{\"VMBusGUID\":"
			 "\"%s\"}}", address);
	EXPECT_FALSE(host_answered(h, asked, 0));
	ASSERT_EQ(0, plug_nvme(self->qmp));
	ASSERT_EQ(0, answer_result(host_answer(h, asked))) TH_LOG("%s", answer_text(host_answer(h, asked), "ErrorMessage"));
	ASSERT_EQ(0, qmp_remove(self->qmp, "nvme"));
	/* It comes while the container is made. */
	ASSERT_EQ(0, oci_combine(h, "w"));
	text = oci_config("w", json_object_to_json_string(workload("w", init, address, "vpci-instance-id",
		"[\"sh\",\"-c\",\"echo is there > /dev/nvme0n1; dd if=/dev/nvme0n1 bs=9 count=1 2> /dev/null; ls /dev/nvme*; "
		"ls /dev/sd* 2> /dev/null; exit 0\"]")));
	asked = host_ask(h, MSG_CREATE, "w", ",\"ContainerConfig\":%s", text);
	free(text);
	host_register(h, "w");
	EXPECT_FALSE(host_answered(h, asked, 0));
	ASSERT_EQ(0, plug_nvme(self->qmp));
	ASSERT_EQ(0, answer_result(host_answer(h, asked))) TH_LOG("%s", answer_text(host_answer(h, asked), "ErrorMessage"));
	pid = oci_start(h, "w", NULL, &out, NULL);
	ASSERT_LT(0, pid) TH_LOG("%s", error(h));
	text = host_stream_read(&out, NULL);
	EXPECT_STREQ("is there\n/dev/nvme0\n/dev/nvme0n1\n", text);
	EXPECT_EQ(0, host_wait(h, "w", pid));
	host_notified(h, "w", NULL);
	EXPECT_EQ(0, system("head -c 9 /dev/nvme0n1 | grep -q '^is there$'"));
	EXPECT_EQ(0, oci_delete(h, "w")) TH_LOG("%s", error(h));
	ASSERT_EQ(0, qmp_remove(self->qmp, "nvme"));
	stop(h, "p", init);
	EXPECT_EQ(0, oci_delete(h, "p")) TH_LOG("%s", error(h));
}

TEST_F_TIMEOUT(vpci, what_its_driver_makes_later_comes_with_it, 240)
{
	struct host *h = &self->h;
	struct qmp *q = self->qmp;
	struct host_stream out;
	char address[32], *text;
	uint64_t asked;
	int64_t init, pid;

	init = run(h, "p", sandbox_spec("p", FOREVER), NULL);
	ASSERT_TRUE(first_slot(address));
	ASSERT_EQ(0, qmp(q, "chardev-add", "\"id\": \"nowhere\", \"backend\": {\"type\": \"null\", \"data\": {}}"));
	/* Its driver has it, and there is nothing to use yet. */
	ASSERT_EQ(0, qmp(q, "device_add", "\"driver\": \"virtio-serial-pci\", \"id\": \"ports\", \"bus\": \"port0\""));
	ASSERT_EQ(0, vpci(h, "Add", address)) TH_LOG("%s", error(h));
	ASSERT_EQ(0, oci_combine(h, "w"));
	text = oci_config("w", json_object_to_json_string(workload("w", init, address, "vpci",
		"[\"sh\",\"-c\",\"ls /dev/vport* | wc -l; echo x > /dev/vport*p7 && echo written; ls /dev/nvme* 2> /dev/null; exit 0\"]")));
	asked = host_ask(h, MSG_CREATE, "w", ",\"ContainerConfig\":%s", text);
	free(text);
	host_register(h, "w");
	EXPECT_FALSE(host_answered(h, asked, 300));
	ASSERT_EQ(0, qmp(q, "device_add", "\"driver\": \"virtserialport\", \"id\": \"port\", \"bus\": \"ports.0\", \"nr\": 7, "
			    "\"chardev\": \"nowhere\""));
	ASSERT_EQ(0, answer_result(host_answer(h, asked))) TH_LOG("%s", answer_text(host_answer(h, asked), "ErrorMessage"));
	pid = oci_start(h, "w", NULL, &out, NULL);
	ASSERT_LT(0, pid) TH_LOG("%s", error(h));
	text = host_stream_read(&out, NULL);
	EXPECT_STREQ("1\nwritten\n", text);
	EXPECT_EQ(0, host_wait(h, "w", pid));
	host_notified(h, "w", NULL);
	EXPECT_EQ(0, oci_delete(h, "w")) TH_LOG("%s", error(h));
	ASSERT_EQ(0, qmp_remove(q, "ports"));
	EXPECT_EQ(0, qmp(q, "chardev-remove", "\"id\": \"nowhere\""));
	stop(h, "p", init);
	EXPECT_EQ(0, oci_delete(h, "p")) TH_LOG("%s", error(h));
}

TEST_F_TIMEOUT(vpci, a_gpu_is_the_tools_to_set_up_before_the_init_runs, 240)
{
	/* Says how it was called where its log is; that of NVIDIA does nothing without a GPU of theirs. */
	static const char tool[] = "#!/bin/sh\nlog=${1#--debug=}\n"
				   "echo \"$@\" $NVC_INSECURE_MODE > $log\necho ready > $9/gpu\n";
	char address[32], expected[512], *text;
	struct host *h = &self->h;
	struct json_object *spec;
	int64_t init, pid;

	ASSERT_TRUE(first_slot(address));
	ASSERT_EQ(0, qmp(self->qmp, "device_add", "\"driver\": \"secondary-vga\", \"id\": \"gpu\", \"bus\": \"port0\""));
	ASSERT_EQ(0, write_text("/usr/bin/nvidia-container-cli", tool) || chmod("/usr/bin/nvidia-container-cli", 0755));
	init = run(h, "p", sandbox_spec("p", FOREVER), NULL);
	spec = workload("w", init, address, "gpu", "[\"sh\",\"-c\",\"cat /gpu; exec sleep 1000\"]");
	annotate(spec, "io.microsoft.container.gpu.capabilities", "compute,utility");
	ASSERT_EQ(0, create(h, "w", spec)) TH_LOG("%s", error(h));
	text = read_text("/run/gcs/c/w/rootfs/gpu");
	EXPECT_STREQ("ready\n", text);
	free(text);
	pid = oci_start(h, "w", NULL, NULL, NULL);
	ASSERT_LT(0, pid) TH_LOG("%s", error(h));
	text = read_text("/run/gcs/c/w/nvidia-container.log");
	snprintf(expected, sizeof(expected), "--debug=/run/gcs/c/w/nvidia-container.log --no-pivot configure --ldconfig=@/sbin/ldconfig "
		 "--compute --utility --device=%s --pid=%d /run/gcs/c/w/rootfs 1\n", address, (int)pid);
	EXPECT_STREQ(expected, text);
	free(text);
	stop(h, "w", pid);
	EXPECT_EQ(0, oci_delete(h, "w")) TH_LOG("%s", error(h));
	/* What the tool cannot do the container cannot run without. */
	ASSERT_EQ(0, write_text("/usr/bin/nvidia-container-cli", "#!/bin/sh\necho > ${1#--debug=}\nexit 3\n"));
	EXPECT_NE(0, create(h, "w", workload("w", init, address, "gpu", FOREVER)));
	EXPECT_EQ(0, oci_uncombine(h, "w"));
	EXPECT_EQ(0, system("rm -r /run/test/scratch/w"));
	EXPECT_EQ(0, unlink("/usr/bin/nvidia-container-cli"));
	ASSERT_EQ(0, qmp_remove(self->qmp, "gpu"));
	stop(h, "p", init);
	EXPECT_EQ(0, oci_delete(h, "p")) TH_LOG("%s", error(h));
}

TEST_F_TIMEOUT(vpci, names_are_checked_and_types_known, 120)
{
	struct host *h = &self->h;
	int64_t init;

	EXPECT_EQ(E_ARG, vpci(h, "Add", ""));
	EXPECT_EQ(E_ARG, vpci(h, "Add", "*"));
	EXPECT_NE(NULL, strstr(error(h), "\"*\"")) TH_LOG("%s", error(h));
	EXPECT_EQ(E_FAIL, vpci(h, "Remove", "0000:00:00.0"));
	/* Whatever has an address is there. */
	EXPECT_EQ(0, vpci(h, "Add", "0000:00:00.0")) TH_LOG("%s", error(h));
	init = run(h, "p", sandbox_spec("p", FOREVER), NULL);
	ASSERT_EQ(0, oci_combine(h, "w"));
	EXPECT_EQ(E_ARG, create(h, "w", workload("w", init, "../..", "vpci", FOREVER)));
	EXPECT_NE(NULL, strstr(error(h), "windows.devices[0]: vpci: PCI device \"../..\"")) TH_LOG("%s", error(h));
	EXPECT_EQ(E_FAIL, create(h, "w", workload("w", init, "0000:00:00.0", "gpu", FOREVER)));
	EXPECT_NE(NULL, strstr(error(h), "gpu: nvidia-container-cli: find it")) TH_LOG("%s", error(h));
	EXPECT_EQ(0, oci_uncombine(h, "w"));
	EXPECT_EQ(0, system("rm -r /run/test/scratch/w"));
	stop(h, "p", init);
	EXPECT_EQ(0, oci_delete(h, "p")) TH_LOG("%s", error(h));
}

TEST_HARNESS_MAIN

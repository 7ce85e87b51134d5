// SPDX-License-Identifier: MIT
/*
 * Conformance: disks and layers by ModifySettings (bridge.md 9.9), a container on them. Needs the test VM's disks
 * (scripts/disks): LUN 0 a layer, LUN 1 a scratch without content, LUN 2 no file system.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/statfs.h>
#include <unistd.h>

#include "oci.h"
#include "kselftest_harness.h"

#define E_FAIL (-2147467259)
#define E_JSON (-1070137075)

FIXTURE(storage)
{
	struct host h;
};

FIXTURE_SETUP(storage)
{
	if (!host_has_vsock() || !getenv("GCS_TEST_DISKS"))
		SKIP(_exit(255), "needs the test VM's disks (GCS_TEST_DISKS=1)");
	host_start(&self->h, true, NULL);
}

FIXTURE_TEARDOWN(storage)
{
	host_stop(&self->h);
}

static int64_t disk(struct host *h, const char *request, const char *settings)
{
	return host_call(h, MSG_MODIFY_SETTINGS, Z,
			 ",\"Request\":{\"RequestType\":\"%s\",\"ResourceType\":\"MappedVirtualDisk\",\"Settings\":%s}", request,
			 settings);
}

#define LAYER0 "{\"MountPath\":\"/run/mounts/scsi/m0\",\"ReadOnly\":true,\"Options\":[\"ro\"]}"
#define SCRATCH1 "{\"MountPath\":\"/run/mounts/scsi/s1\",\"Lun\":1,\"EnsureFilesystem\":true,\"Filesystem\":\"ext4\"}"

static const char *error(struct host *h)
{
	const char *text = answer_text(host_last(h), "ErrorMessage");

	return text ? text : "";
}

static int64_t unplug(struct host *h, unsigned int lun)
{
	char settings[32];

	snprintf(settings, sizeof(settings), "{\"Lun\":%u}", lun);
	return host_call(h, MSG_MODIFY_SETTINGS, Z,
			 ",\"Request\":{\"RequestType\":\"Remove\",\"ResourceType\":\"SCSIDevice\",\"Settings\":%s}", settings);
}

TEST_F_TIMEOUT(storage, a_disk_is_unplugged_when_it_is_unmounted_and_found_again, 60)
{
	struct host *h = &self->h;

	ASSERT_EQ(0, disk(h, "Add", LAYER0)) TH_LOG("%s", error(h));
	EXPECT_EQ(E_FAIL, unplug(h, 0));
	EXPECT_NE(NULL, strstr(error(h), "busy")) TH_LOG("%s", error(h));
	EXPECT_EQ(0, access("/run/mounts/scsi/m0/bin/busybox", X_OK));
	ASSERT_EQ(0, disk(h, "Remove", LAYER0)) TH_LOG("%s", error(h));
	ASSERT_EQ(0, unplug(h, 0)) TH_LOG("%s", error(h));
	/* There is none, which is what was asked for. */
	EXPECT_EQ(0, unplug(h, 0)) TH_LOG("%s", error(h));
	/* The host has it still, and says so. */
	ASSERT_EQ(0, disk(h, "Add", LAYER0)) TH_LOG("%s", error(h));
	EXPECT_EQ(0, access("/run/mounts/scsi/m0/bin/busybox", X_OK));
	ASSERT_EQ(0, disk(h, "Remove", LAYER0)) TH_LOG("%s", error(h));
}

TEST_F_TIMEOUT(storage, a_layer_is_mounted_read_only_and_unmounted, 60)
{
	struct host *h = &self->h;

	for (int i = 0; i < 2; i++) {
		ASSERT_EQ(0, disk(h, "Add", LAYER0)) TH_LOG("%s", error(h));
		EXPECT_EQ(0, access("/run/mounts/scsi/m0/bin/busybox", X_OK));
		EXPECT_EQ(-1, open("/run/mounts/scsi/m0/new", O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
		EXPECT_EQ(0, disk(h, "Remove", LAYER0)) TH_LOG("%s", error(h));
		EXPECT_NE(0, access("/run/mounts/scsi/m0/bin/busybox", F_OK));
	}
}

TEST_F_TIMEOUT(storage, what_was_mounted_on_a_disk_since_goes_with_it, 60)
{
	struct host *h = &self->h;

	ASSERT_EQ(0, disk(h, "Add", LAYER0)) TH_LOG("%s", error(h));
	for (int i = 0; i < 2; i++)
		ASSERT_EQ(0, mount("none", "/run/mounts/scsi/m0", "tmpfs", 0, NULL));
	ASSERT_EQ(0, disk(h, "Remove", LAYER0)) TH_LOG("%s", error(h));
	EXPECT_NE(0, access("/run/mounts/scsi/m0", F_OK));
	EXPECT_EQ(0, unplug(h, 0)) TH_LOG("%s", error(h));
}

TEST_F_TIMEOUT(storage, a_disk_that_is_not_there_is_named, 60)
{
	struct host *h = &self->h;
	uint64_t other;

	other = host_ask(h, MSG_MODIFY_SETTINGS, Z,
			 ",\"Request\":{\"ResourceType\":\"MappedVirtualDisk\",\"Settings\":{\"MountPath\":"
			 "\"/run/mounts/scsi/none\",\"Lun\":63}}");
	/* Nobody waits for a slow request. */
	EXPECT_EQ(0, host_call(h, MSG_START, "x", "%s", ""));
	EXPECT_FALSE(host_answered(h, other, 0));
	EXPECT_EQ(E_FAIL, answer_result(host_answer(h, other)));
	EXPECT_NE(NULL, strstr(json_object_to_json_string(host_answer(h, other)->json), "63"));
	EXPECT_NE(0, access("/run/mounts/scsi/none", F_OK));
}

TEST_F_TIMEOUT(storage, what_is_no_file_system_is_refused_and_left_alone, 60)
{
	struct host *h = &self->h;

	EXPECT_EQ(E_FAIL, disk(h, "Add", "{\"MountPath\":\"/run/mounts/scsi/m2\",\"Lun\":2}"));
	EXPECT_NE(NULL, strstr(error(h), "2"));
	EXPECT_NE(0, access("/run/mounts/scsi/m2", F_OK));
	/* A block device of it shows that its content is what it was. */
	ASSERT_EQ(0, disk(h, "Add", "{\"MountPath\":\"/run/mounts/scsi/b2\",\"Lun\":2,\"BlockDev\":true}"))
		TH_LOG("%s", error(h));
	EXPECT_EQ(0, system("head -c 26 /run/mounts/scsi/b2 | grep -q '^this is not a file system$'"));
	EXPECT_EQ(0, disk(h, "Remove", "{\"MountPath\":\"/run/mounts/scsi/b2\",\"Lun\":2,\"BlockDev\":true}"));
	EXPECT_NE(0, access("/run/mounts/scsi/b2", F_OK));
}

TEST_F_TIMEOUT(storage, bad_settings_change_nothing, 60)
{
	struct host *h = &self->h;

	EXPECT_EQ(E_JSON, disk(h, "Add", "{\"Lun\":256}"));
	EXPECT_EQ(E_JSON, disk(h, "Add", "{\"Controller\":-1}"));
	EXPECT_EQ(E_JSON, disk(h, "Add", "{\"MountPath\":\"/run/a\\u0000b\"}"));
	EXPECT_EQ(E_FAIL, disk(h, "Update", LAYER0));
	EXPECT_NE(0, disk(h, "Add", "{\"MountPath\":\"relative\",\"ReadOnly\":true}"));
	EXPECT_NE(0, disk(h, "Add", "{\"MountPath\":\"/run/../etc\",\"ReadOnly\":true}"));
	EXPECT_NE(0, access("/run/mounts/scsi/m0/bin", F_OK));
}

static int64_t layers(struct host *h, const char *request)
{
	return host_call(h, MSG_MODIFY_SETTINGS, Z,
			 ",\"Request\":{\"RequestType\":\"%s\",\"ResourceType\":\"CombinedLayers\",\"Settings\":{"
			 "\"ContainerRootPath\":\"/run/gcs/c/s1/rootfs\",\"Layers\":[{\"Path\":\"/run/mounts/scsi/m0\"}],"
			 "\"ScratchPath\":\"/run/mounts/scsi/s1/scratch/s1\"}}", request);
}

static void stop(struct host *h, const char *cid, int64_t pid)
{
	if (host_call(h, MSG_SHUTDOWN_FORCED, cid, "%s", "") != 0 || host_wait(h, cid, pid) != 137)
		host_fail(h, "stop %s: %s", cid, error(h));
	host_notified(h, cid, NULL);
}

TEST_F_TIMEOUT(storage, a_container_runs_on_a_layer_and_a_scratch_that_is_formatted, 180)
{
	struct host *h = &self->h;
	struct host_stream out;
	int64_t pid;
	char *spec = oci_spec("s1", "[\"sh\",\"-c\",\"echo kept > /kept; ls /bin/busybox; cat /kept\"]");

	ASSERT_EQ(0, disk(h, "Add", LAYER0)) TH_LOG("%s", error(h));
	ASSERT_EQ(0, disk(h, "Add", SCRATCH1)) TH_LOG("%s", error(h));
	ASSERT_EQ(0, layers(h, "Add")) TH_LOG("%s", error(h));
	ASSERT_EQ(0, oci_create_spec(h, "s1", spec)) TH_LOG("%s", error(h));
	pid = oci_start(h, "s1", NULL, &out, NULL);
	ASSERT_LT(0, pid);
	EXPECT_STREQ("/bin/busybox\nkept\n", host_stream_read(&out, NULL));
	EXPECT_EQ(0, host_wait(h, "s1", pid));
	host_notified(h, "s1", NULL);
	/* What the container wrote is on the scratch, the layer is untouched. */
	EXPECT_EQ(0, system("grep -rq '^kept$' /run/mounts/scsi/s1/scratch"));
	EXPECT_NE(0, access("/run/mounts/scsi/m0/kept", F_OK));
	EXPECT_EQ(0, layers(h, "Remove")) TH_LOG("%s", error(h));
	EXPECT_EQ(0, host_call(h, MSG_DELETE_CONTAINER_STATE, "s1", "%s", ""));
	EXPECT_EQ(0, disk(h, "Remove", SCRATCH1)) TH_LOG("%s", error(h));
	EXPECT_EQ(0, disk(h, "Remove", LAYER0)) TH_LOG("%s", error(h));
	free(spec);
}

/* What a container was made beside is not its own: it must not keep a disk from being unplugged. */
TEST_F_TIMEOUT(storage, a_disk_is_unplugged_while_a_container_runs_that_was_made_when_it_was_mounted, 180)
{
	struct host *h = &self->h;
	char *spec = oci_spec("s1", "[\"sleep\",\"1000\"]");
	int64_t one, other;

	/* A mount point that is removed is no more for anybody; this one stays. */
	ASSERT_EQ(0, system("mkdir -p /run/mounts/scsi/m0/kept"));
	ASSERT_EQ(0, disk(h, "Add", LAYER0)) TH_LOG("%s", error(h));
	ASSERT_EQ(0, disk(h, "Add", SCRATCH1)) TH_LOG("%s", error(h));
	ASSERT_EQ(0, layers(h, "Add")) TH_LOG("%s", error(h));
	ASSERT_EQ(0, oci_create_spec(h, "s1", spec)) TH_LOG("%s", error(h));
	one = oci_start(h, "s1", NULL, NULL, NULL);
	ASSERT_LT(0, one) TH_LOG("%s", error(h));
	ASSERT_EQ(0, oci_create(h, "other", "[\"sleep\",\"1000\"]")) TH_LOG("%s", error(h));
	other = oci_start(h, "other", NULL, NULL, NULL);
	ASSERT_LT(0, other) TH_LOG("%s", error(h));

	stop(h, "s1", one);
	EXPECT_EQ(0, layers(h, "Remove")) TH_LOG("%s", error(h));
	EXPECT_EQ(0, host_call(h, MSG_DELETE_CONTAINER_STATE, "s1", "%s", "")) TH_LOG("%s", error(h));
	EXPECT_EQ(0, disk(h, "Remove", SCRATCH1)) TH_LOG("%s", error(h));
	EXPECT_EQ(0, disk(h, "Remove", LAYER0)) TH_LOG("%s", error(h));
	EXPECT_EQ(0, unplug(h, 1)) TH_LOG("%s", error(h));
	EXPECT_EQ(0, unplug(h, 0)) TH_LOG("%s", error(h));
	stop(h, "other", other);
	EXPECT_EQ(0, oci_delete(h, "other")) TH_LOG("%s", error(h));
	EXPECT_EQ(0, system("rmdir /run/mounts/scsi/m0/kept /run/mounts/scsi/m0"));
	/* The host has them still, for the tests to come. */
	EXPECT_EQ(0, disk(h, "Add", "{}")) TH_LOG("%s", error(h));
	EXPECT_EQ(0, disk(h, "Add", "{\"Lun\":1}")) TH_LOG("%s", error(h));
	free(spec);
}

TEST_HARNESS_MAIN

// SPDX-License-Identifier: MIT
/*
 * Conformance: every field of the requests for disks and layers (storage-and-network.md sections 1, 4, 8 and 20), wrong in every way: an
 * error that names it, and nothing is left; and what hosts of all times may send.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "disks.h"
#include "kselftest_harness.h"

#define M "/run/mounts/scsi/f"
#define R "/run/gcs/c/f/rootfs"

FIXTURE(fields)
{
	struct host h;
	char *before;
};

FIXTURE_SETUP(fields)
{
	if (!host_has_vsock() || !getenv("GCS_TEST_DISKS") || !disks_init())
		SKIP(_exit(255), "needs vsock, gcs.ko, and a VM with disks (GCS_TEST_DISKS=1) and --hotplug");
	host_start(&self->h, true, NULL);
	ASSERT_EQ(0, system("mkdir -p /run/mounts/scsi /run/gcs/c /run/fields/a /run/fields/b && ln -sfn a /run/fields/link && "
			    "echo x > /run/fields/file"));
	for (int lun = 0; lun < 3; lun++) {
		ASSERT_EQ(0, modify(&self->h, "Add", "MappedVirtualDisk", scsi_settings(0, lun))) TH_LOG("%s", request_error(&self->h));
	}
	self->before = disk_traces(&self->h);
}

FIXTURE_TEARDOWN(fields)
{
	if (self->before) {
		EXPECT_STREQ(self->before, disk_traces(&self->h));
		host_stop(&self->h);
		EXPECT_EQ(0, system("rm -r /run/fields"));
	}
}

#define EXPECT_OK(call) EXPECT_EQ(0, call) TH_LOG("%s: %s", #call, request_error(h))
#define ASSERT_OK(call) ASSERT_EQ(0, call) TH_LOG("%s: %s", #call, request_error(h))

struct wrong {
	const char *settings;
	int64_t result;
	const char *text; /* in the error's message */
};

static int count_wrong(struct host *h, const char *request, const char *resource, const struct wrong *cases, size_t count)
{
	int failed = 0;

	for (size_t i = 0; i < count; i++) {
		int64_t result = modify(h, request, resource, cases[i].settings);

		if (result == cases[i].result && strstr(request_error(h), cases[i].text))
			continue;
		printf("# %s %s %s: %d: %s\n", request, resource, cases[i].settings, (int)result, request_error(h));
		failed++;
	}
	return failed;
}
#define EXPECT_WRONG(request, resource, cases) EXPECT_EQ(0, count_wrong(h, request, resource, cases, ARRAY_SIZE(cases)))

#define AT(rest) "{\"MountPath\":\"" M "\"" rest "}"

TEST_F_TIMEOUT(fields, of_a_disk, 120)
{
	static const struct wrong cases[] = {
		{ "{\"MountPath\":5}", E_JSON, "MountPath" },
		{ "{\"MountPath\":\"relative\"}", E_ARG, "MountPath \"relative\": not an absolute path" },
		{ "{\"MountPath\":\"/\"}", E_ARG, "MountPath \"/\"" },
		{ "{\"MountPath\":\"/run/mounts/../f\"}", E_ARG, "MountPath \"/run/mounts/../f\"" },
		{ "{\"MountPath\":\"/run//f\"}", E_ARG, "MountPath" },
		{ "{\"MountPath\":\"/run/fields/link\"}", E_ARG, "MountPath \"/run/fields/link\": there is a symbolic link" },
		{ "{\"MountPath\":\"/run/fields/link/f\"}", E_ARG, "MountPath \"/run/fields/link/f\": there is a symbolic link" },
		{ "{\"MountPath\":\"/run/fields/link/f\",\"BlockDev\":true}", E_ARG, "MountPath \"/run/fields/link/f\"" },
		{ "{\"MountPath\":\"/run/fields/file\"}", E_FAIL, "/run/fields/file" },
		{ "{\"MountPath\":\"/run/fields/file/f\"}", E_FAIL, "/run/fields/file/f" },
		{ "{\"MountPath\":\"/run/fields/file\",\"BlockDev\":true}", E_FAIL, "/run/fields/file: link to /dev/" },
		{ "{\"MountPath\":\"/proc/none/f\"}", E_FAIL, "/proc/none" },
		{ AT(",\"Lun\":64"), E_ARG, "LUN 64: allowed are 0 to 63" },
		{ AT(",\"Lun\":256"), E_JSON, "Lun" },
		{ AT(",\"Lun\":-1"), E_JSON, "Lun" },
		{ AT(",\"Lun\":0.5"), E_JSON, "Lun" },
		{ AT(",\"Lun\":\"0\""), E_JSON, "Lun" },
		{ AT(",\"Controller\":4"), E_ARG, "SCSI controller 4: allowed are 0 to 3" },
		{ AT(",\"Controller\":255"), E_ARG, "SCSI controller 255" },
		{ AT(",\"Controller\":256"), E_JSON, "Controller" },
		{ AT(",\"Controller\":true"), E_JSON, "Controller" },
		{ AT(",\"Partition\":-1"), E_JSON, "Partition" },
		{ AT(",\"Partition\":18446744073709551616"), E_JSON, "Partition" },
		{ AT(",\"Partition\":\"1\""), E_JSON, "Partition" },
		{ AT(",\"ReadOnly\":1"), E_JSON, "ReadOnly" },
		{ AT(",\"ReadOnly\":\"true\""), E_JSON, "ReadOnly" },
		{ AT(",\"BlockDev\":0"), E_JSON, "BlockDev" },
		{ AT(",\"Encrypted\":\"yes\""), E_JSON, "Encrypted" },
		{ AT(",\"EnsureFilesystem\":[]"), E_JSON, "EnsureFilesystem" },
		{ AT(",\"EnsureFilesystem\":true"), E_ARG, "EnsureFilesystem without a file system type" },
		{ AT(",\"Filesystem\":5"), E_JSON, "Filesystem" },
		{ AT(",\"Filesystem\":\"btrfs\""), E_ARG, "file system \"btrfs\": known are ext4 and xfs" },
		{ AT(",\"Filesystem\":\"EXT4\""), E_ARG, "file system \"EXT4\"" },
		{ AT(",\"Filesystem\":\"xfs\",\"ReadOnly\":true"), E_FAIL, "the file system on the disk is ext4, not xfs" },
		{ AT(",\"Filesystem\":\"xfs\",\"EnsureFilesystem\":true,\"ReadOnly\":true"), E_FAIL, "it is read-only: not formatted" },
		{ AT(",\"Lun\":2,\"Filesystem\":\"ext4\""), E_FAIL, "there is no file system on the disk" },
		{ AT(",\"Lun\":2,\"Filesystem\":\"ext4\",\"EnsureFilesystem\":true,\"ReadOnly\":true"), E_FAIL, "not formatted" },
		{ AT(",\"Options\":\"ro\""), E_JSON, "Options" },
		{ AT(",\"Options\":[1]"), E_JSON, "Options" },
		{ AT(",\"ReadOnly\":true,\"Options\":[\"shared\",\"shared\",\"shared\",\"shared\",\"shared\",\"shared\",\"shared\",\"shared\","
		     "\"shared\",\"shared\",\"shared\",\"shared\",\"shared\",\"shared\",\"shared\",\"shared\"]"), E_ARG, "mount options: more than" },
		/* A disk that the host has attached read-only is no place for writing. */
		{ AT(""), E_FAIL, M ": mount /dev/" },
	};
	static const struct wrong removals[] = {
		{ "{\"MountPath\":\"relative\"}", E_ARG, "MountPath \"relative\"" },
		{ "{\"MountPath\":\"/run/../etc\"}", E_ARG, "MountPath \"/run/../etc\"" },
		{ "{\"MountPath\":[]}", E_JSON, "MountPath" },
	};
	struct host *h = &self->h;

	EXPECT_WRONG("Add", "MappedVirtualDisk", cases);
	EXPECT_WRONG("Remove", "MappedVirtualDisk", removals);
	/* What is not there needs not be removed; what is there and nobody's mount, neither. */
	EXPECT_OK(modify(h, "Remove", "MappedVirtualDisk", "{}"));
	EXPECT_OK(modify(h, "Remove", "MappedVirtualDisk", AT(",\"Lun\":63,\"Controller\":3")));
	EXPECT_EQ(E_FAIL, modify(h, "Update", "MappedVirtualDisk", AT("")));
	EXPECT_NE(NULL, strstr(request_error(h), "MappedVirtualDisk: the RequestType \"Update\" is not supported"));
	EXPECT_EQ(E_FAIL, modify(h, "PreAdd", "MappedVirtualDisk", AT("")));
}

TEST_F_TIMEOUT(fields, of_an_unplugged_disk, 60)
{
	static const struct wrong cases[] = {
		{ "{\"Lun\":64}", E_ARG, "LUN 64: allowed are 0 to 63" },
		{ "{\"Lun\":256}", E_JSON, "Lun" },
		{ "{\"Lun\":\"\"}", E_JSON, "Lun" },
		{ "{\"Lun\":9,\"Controller\":4}", E_ARG, "SCSI controller 4: allowed are 0 to 3" },
		{ "{\"Lun\":9,\"Controller\":3}", E_FAIL, "SCSI controller 3" },
		{ "{\"Controller\":-1}", E_JSON, "Controller" },
		{ "{\"Controller\":{}}", E_JSON, "Controller" },
	};
	struct host *h = &self->h;

	EXPECT_WRONG("Remove", "SCSIDevice", cases);
	EXPECT_OK(request_eject(h, 0, 63));
	EXPECT_EQ(E_FAIL, modify(h, "Add", "SCSIDevice", "{\"Lun\":63}"));
	EXPECT_NE(NULL, strstr(request_error(h), "RequestType \"Add\""));
}

#define LAYERS(root, layers, more) "{\"ContainerRootPath\":\"" root "\",\"Layers\":" layers more "}"
#define ONE "[{\"Path\":\"" M "\"}]"

TEST_F_TIMEOUT(fields, of_layers, 60)
{
	static const struct wrong cases[] = {
		{ "{\"Layers\":" ONE "}", E_ARG, "ContainerRootPath \"\"" },
		{ "{\"ContainerRootPath\":5,\"Layers\":" ONE "}", E_JSON, "ContainerRootPath" },
		{ LAYERS("rootfs", ONE, ""), E_ARG, "ContainerRootPath \"rootfs\"" },
		{ LAYERS("/rootfs", ONE, ""), E_ARG, "ContainerRootPath \"/rootfs\": not a path below a bundle" },
		{ LAYERS("/run/gcs/c/../f/rootfs", ONE, ""), E_ARG, "ContainerRootPath" },
		{ LAYERS("/run/fields/link/rootfs", ONE, ""), E_ARG, "ContainerRootPath \"/run/fields/link/rootfs\": there is a symbolic link" },
		{ LAYERS("/run/fields/file/rootfs", ONE, ""), E_FAIL, "/run/fields/file/rootfs" },
		{ "{\"ContainerRootPath\":\"" R "\"}", E_ARG, "Layers: there are none" },
		{ LAYERS(R, "[]", ""), E_ARG, "Layers: there are none" },
		{ LAYERS(R, "{}", ""), E_JSON, "Layers" },
		{ LAYERS(R, "[5]", ""), E_JSON, "Layers" },
		{ LAYERS(R, "[{}]", ""), E_ARG, "layer 0 has no Path" },
		{ LAYERS(R, "[{\"Path\":\"\"}]", ""), E_ARG, "Layers[0]: Path \"\"" },
		{ LAYERS(R, "[{\"Path\":5}]", ""), E_JSON, "Path" },
		{ LAYERS(R, "[{\"Path\":\"" M "\"},{\"Path\":\"relative\"}]", ""), E_ARG, "Layers[1]: Path \"relative\"" },
		{ LAYERS(R, "[{\"Path\":\"/run/../f\"}]", ""), E_ARG, "Layers[0]: Path \"/run/../f\"" },
		{ LAYERS(R, "[{\"Path\":\"/run/a:b\"}]", ""), E_ARG, "Layers[0]: Path \"/run/a:b\": has one of" },
		{ LAYERS(R, "[{\"Path\":\"/run/a,b\"}]", ""), E_ARG, "Layers[0]: Path \"/run/a,b\"" },
		{ LAYERS(R, "[{\"Path\":\"/run/fields/none\"}]", ""), E_FAIL, "/run/fields/none" },
		{ LAYERS(R, "[{\"Path\":\"/run/fields/file\"},{\"Path\":\"" M "\"}]", ""), E_FAIL, R },
		{ LAYERS(R, ONE, ",\"ScratchPath\":true"), E_JSON, "ScratchPath" },
		{ LAYERS(R, ONE, ",\"ScratchPath\":\"scratch\""), E_ARG, "ScratchPath \"scratch\"" },
		{ LAYERS(R, ONE, ",\"ScratchPath\":\"/run/../scratch\""), E_ARG, "ScratchPath \"/run/../scratch\"" },
		{ LAYERS(R, ONE, ",\"ScratchPath\":\"/run/a:b\""), E_ARG, "ScratchPath \"/run/a:b\": has one of" },
		{ LAYERS(R, ONE, ",\"ScratchPath\":\"/run/fields/link/s\""), E_ARG, "ScratchPath \"/run/fields/link/s\": there is a symbolic link" },
		{ LAYERS(R, ONE, ",\"ScratchPath\":\"/run/fields/file/s\""), E_FAIL, "/run/fields/file/s" },
		/* A scratch on what is read-only. */
		{ LAYERS(R, ONE, ",\"ScratchPath\":\"" M "/s\""), E_FAIL, M "/s: make directory" },
	};
	static const struct wrong removals[] = {
		{ "{}", E_ARG, "ContainerRootPath \"\"" },
		{ "{\"ContainerRootPath\":\"rootfs\"}", E_ARG, "ContainerRootPath \"rootfs\"" },
		{ "{\"ContainerRootPath\":false}", E_JSON, "ContainerRootPath" },
	};
	struct host *h = &self->h;

	ASSERT_OK(request_map(h, M, 0, 0));
	EXPECT_WRONG("Add", "CombinedLayers", cases);
	EXPECT_WRONG("Remove", "CombinedLayers", removals);
	EXPECT_OK(modify(h, "Remove", "CombinedLayers", "{\"ContainerRootPath\":\"" R "\"}"));
	EXPECT_EQ(E_FAIL, modify(h, "Update", "CombinedLayers", LAYERS(R, ONE, "")));
	/* One layer, and twice the same. */
	ASSERT_OK(modify(h, "Add", "CombinedLayers", LAYERS(R, ONE, ",\"ContainerID\":\"f\"")));
	EXPECT_EQ(E_FAIL, modify(h, "Add", "CombinedLayers", LAYERS(R, ONE, "")));
	EXPECT_NE(NULL, strstr(request_error(h), R ": there is layers already")) TH_LOG("%s", request_error(h));
	EXPECT_EQ(-1, mkdir(R "/new", 0755));
	EXPECT_EQ(EROFS, errno);
	EXPECT_OK(modify(h, "Remove", "CombinedLayers", "{\"ContainerRootPath\":\"" R "\"}"));
	EXPECT_OK(request_unmap(h, M, 0, 0));
	EXPECT_EQ(0, rmdir("/run/gcs/c/f"));
}

static bool has(const char *file, const char *text)
{
	char line[1024];
	bool found = false;
	FILE *f = fopen(file, "re");

	while (f && !found && fgets(line, sizeof(line), f))
		found = strstr(line, M " ") && strstr(line, text);
	if (f)
		fclose(f);
	return found;
}

TEST_F_TIMEOUT(fields, as_hosts_of_all_times_write_them, 60)
{
	static const char *const good[] = {
		AT(",\"ReadOnly\":true"),
		AT(",\"ReadOnly\":true,\"Options\":[\"ro\"],\"Filesystem\":\"ext4\""),
		AT(",\"ReadOnly\":true,\"Filesystem\":\"ext4\",\"EnsureFilesystem\":true"),
		/* From June 2021 to September 2023: what is not read. */
		AT(",\"ReadOnly\":true,\"VerityInfo\":{\"Ext4SizeInBytes\":1024,\"Version\":1,\"Algorithm\":\"sha256\",\"SuperBlock\":true,"
		   "\"RootDigest\":\"00\",\"Salt\":\"00\",\"BlockSize\":4096}"),
		/* Any case, nothing, twice, and what nobody knows. */
		"{\"mountpath\":\"" M "\",\"READONLY\":true,\"lun\":0}",
		AT(",\"ReadOnly\":true,\"Lun\":null,\"Options\":null,\"Filesystem\":null"),
		AT(",\"Lun\":63,\"Lun\":0,\"ReadOnly\":true"),
		AT(",\"ReadOnly\":true,\"Future\":{\"Lun\":[1,2,{}]}"),
	};
	struct host *h = &self->h;

	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		EXPECT_EQ(0, modify(h, i ? "" : "Add", "MappedVirtualDisk", good[i])) TH_LOG("%s: %s", good[i], request_error(h));
		EXPECT_EQ(0, access(M "/bin/busybox", X_OK));
		EXPECT_TRUE(has("/proc/mounts", " ext4 ro,"));
		/* Version 1's Remove has neither ReadOnly nor Options. */
		EXPECT_OK(request_unmap(h, M, 0, 0));
		EXPECT_NE(0, access(M, F_OK));
	}
	/* Words of options that are not of propagation count for nothing. */
	ASSERT_OK(modify(h, "Add", "MappedVirtualDisk", AT(",\"ReadOnly\":true,\"Options\":[\"rw\",\"noexec\",\"rshared\",\"data=x\"]")));
	EXPECT_TRUE(has("/proc/self/mountinfo", " shared:"));
	EXPECT_TRUE(has("/proc/mounts", " ext4 ro,"));
	EXPECT_EQ(0, access(M "/bin/busybox", X_OK));
	EXPECT_OK(request_unmap(h, M, 0, 0));
	/* Without a path it is only waited for; a slash at the end is none. */
	EXPECT_OK(modify(h, "Add", "MappedVirtualDisk", "{\"MountPath\":\"\",\"ReadOnly\":true}"));
	EXPECT_OK(modify(h, "Add", "MappedVirtualDisk", "{\"MountPath\":\"" M "/\",\"ReadOnly\":true}"));
	EXPECT_OK(request_unmap(h, M, 0, 0));
	EXPECT_NE(0, access(M, F_OK));
}

TEST_F_TIMEOUT(fields, types_that_are_not_of_this_guest, 60)
{
	static const char *const types[] = { "NetworkNamespace", "HvSocket", "MappedVirtualDiskForContainerScratch", "WCOWBlockCims",
					     "CWCOWCombinedLayers", "mappedvirtualdisk", "" };
	struct host *h = &self->h;
	char text[128];

	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		EXPECT_EQ(E_FAIL, modify(h, "Add", types[i], "{}"));
		snprintf(text, sizeof(text), "invalid ResourceType '%s'", types[i]);
		EXPECT_NE(NULL, strstr(request_error(h), text)) TH_LOG("%s", request_error(h));
	}
}

/* --- partitions --------------------------------------------------------------------------------- */

#define PARTITION(number, more) \
	"{\"MountPath\":\"" M "\",\"Lun\":57,\"Partition\":" #number more "}"
#define ENSURE ",\"EnsureFilesystem\":true,\"Filesystem\":\"ext4\""

TEST_F_TIMEOUT(fields, a_partition_is_a_disk_of_its_own, 120)
{
	struct host *h = &self->h;

	disk_plug(h, 0, 57, "hot1");
	ASSERT_OK(modify(h, "Add", "MappedVirtualDisk", PARTITION(0, ",\"BlockDev\":true")));
	/* Two of type Linux: 4096 sectors from 2048, and 8192 from 6144. */
	ASSERT_EQ(0, system("{ head -c 450 /dev/zero; printf '\\203\\0\\0\\0\\0\\010\\0\\0\\0\\020\\0\\0'; "
			    "printf '\\0\\0\\0\\0\\203\\0\\0\\0\\0\\030\\0\\0\\0\\040\\0\\0'; head -c 32 /dev/zero; printf '\\125\\252'; } "
			    "> /run/table && test $(wc -c < /run/table) = 512 && dd if=/run/table of=" M " conv=notrunc,fsync 2>/dev/null"));
	ASSERT_OK(request_unmap(h, M, 0, 57));
	ASSERT_OK(request_eject(h, 0, 57));
	/* The host has it still: the kernel looks at it anew, its table included. */
	ASSERT_OK(modify(h, "Add", "MappedVirtualDisk", PARTITION(1, ENSURE)));
	EXPECT_EQ(0, system("df -k " M " | awk 'END { exit !($2 > 1000 && $2 < 2048) }' && echo one > " M "/name"));
	ASSERT_OK(modify(h, "Add", "MappedVirtualDisk", "{\"MountPath\":\"" M "2\",\"Lun\":57,\"Partition\":2" ENSURE "}"));
	EXPECT_EQ(0, system("df -k " M "2 | awk 'END { exit !($2 > 3000 && $2 < 4096) }' && test ! -e " M "2/name"));
	EXPECT_EQ(E_FAIL, request_eject(h, 0, 57));
	EXPECT_OK(request_unmap(h, M, 0, 57));
	EXPECT_EQ(E_FAIL, request_eject(h, 0, 57));
	EXPECT_NE(NULL, strstr(request_error(h), M "2")) TH_LOG("%s", request_error(h));
	EXPECT_OK(request_unmap(h, M "2", 0, 57));
	EXPECT_OK(modify(h, "Add", "MappedVirtualDisk", PARTITION(1, ",\"ReadOnly\":true")));
	EXPECT_EQ(0, system("grep -q one " M "/name"));
	EXPECT_OK(request_unmap(h, M, 0, 57));
	/* Without its table, for those who come after. */
	ASSERT_OK(modify(h, "Add", "MappedVirtualDisk", PARTITION(0, ",\"BlockDev\":true")));
	EXPECT_EQ(0, system("dd if=/dev/zero of=" M " bs=4k count=1 conv=notrunc,fsync 2>/dev/null && rm /run/table"));
	EXPECT_OK(request_unmap(h, M, 0, 57));
	EXPECT_OK(request_eject(h, 0, 57));
	disk_pull(h, 0, 57);
}

TEST_HARNESS_MAIN

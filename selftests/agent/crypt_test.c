// SPDX-License-Identifier: MIT
/*
 * Conformance: encrypted disks (storage-and-network.md 4.7). LUN 1 is the test VM's disk of 64 MiB (scripts/disks), LUN 40 and up
 * are plugged by QEMU.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/dm-ioctl.h>

#include "disks.h"
#include "plug.h"
#include "shell.h"
#include "oci.h"
#include "kselftest_harness.h"

#define MIB (1 << 20)
#define BLOCK 4096
#define PATH "/run/mounts/scsi/secret"
#define NAME "dm-crypt-scsi-contr0-lun1-p0"
#define ENCRYPTED "\"Encrypted\":true,\"EnsureFilesystem\":true,\"Filesystem\":\"%s\"}"

FIXTURE(crypt)
{
	struct host h;
	char *before;
};

FIXTURE_SETUP(crypt)
{
	if (!host_has_vsock() || !getenv("GCS_TEST_DISKS") || !plug_init())
		SKIP(_exit(255), "needs the test VM's disks (GCS_TEST_DISKS=1) and --hotplug");
	host_start(&self->h, true, NULL);
	/* An answer tells that the agent has set itself up. */
	host_call(&self->h, MSG_START, "none", "%s", "");
	self->before = vm_traces(&self->h);
}

FIXTURE_TEARDOWN(crypt)
{
	if (!self->before)
		return;
	EXPECT_STREQ(self->before, vm_traces(&self->h));
	host_stop(&self->h);
}

static int64_t encrypt(struct host *h, const char *path, int lun, const char *type)
{
	return request_map_as(h, "{\"MountPath\":\"%s\",\"Lun\":%d," ENCRYPTED, path, lun, type);
}

static char *read_disk(const struct host *h, const char *node, size_t size)
{
	char *data = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	/* Past the cache, which knows nothing of what the device mapper writes. */
	int fd = open(node, O_RDONLY | O_DIRECT | O_CLOEXEC);

	for (size_t at = 0; at < size; at += MIB)
		if (data == MAP_FAILED || pread(fd, data + at, MIB, at) != MIB)
			host_fail(h, "read %s at %zu", node, at);
	close(fd);
	return data;
}

/* The longest run of blocks that differ; its first block, and how many. */
static size_t changed(const char *a, const char *b, size_t size, size_t *count)
{
	size_t best = 0, run = 0;

	*count = 0;
	for (size_t i = 0; i < size / BLOCK; i++) {
		run = memcmp(a + i * BLOCK, b + i * BLOCK, BLOCK) ? run + 1 : 0;
		if (run > *count) {
			*count = run;
			best = i + 1 - run;
		}
	}
	return best;
}

static void flip(const struct host *h, const char *node, off_t at)
{
	char *block = aligned_alloc(BLOCK, BLOCK);
	int fd = open(node, O_RDWR | O_DIRECT | O_CLOEXEC);

	if (pread(fd, block, BLOCK, at) != BLOCK)
		host_fail(h, "read %s", node);
	block[100] ^= 4;
	if (pwrite(fd, block, BLOCK, at) != BLOCK)
		host_fail(h, "write %s", node);
	close(fd);
	free(block);
}

/* The table of a device mapper device, as root may see it. */
static char *table(const struct host *h, const char *name)
{
	static struct {
		struct dm_ioctl head;
		char rest[4096];
	} t;
	int fd = open("/dev/mapper/control", O_RDWR | O_CLOEXEC);

	memset(&t, 0, sizeof(t));
	t.head.version[0] = 4;
	t.head.data_size = sizeof(t);
	t.head.data_start = sizeof(t.head);
	t.head.flags = DM_STATUS_TABLE_FLAG;
	strcpy(t.head.name, name);
	if (ioctl(fd, DM_TABLE_STATUS, &t) < 0)
		host_fail(h, "table of %s", name);
	close(fd);
	return t.rest + sizeof(struct dm_target_spec);
}

TEST_F_TIMEOUT(crypt, the_disk_shows_nothing_of_what_is_written_and_a_bit_that_flips_is_an_error, 120)
{
	enum { SIZE = 64 * MIB, FILE_SIZE = MIB };
	static char pattern[FILE_SIZE], block[BLOCK];
	const char text[] = "what a container has written, in plain text\n";
	struct host *h = &self->h;
	char *node = strdup(plug_node(h, 1)), *before, *after, *files;
	size_t first, count;
	int fd, wrong = 0;

	ASSERT_EQ(0, system("touch /run/marker"));
	ASSERT_EQ(0, encrypt(h, PATH, 1, "ext4")) TH_LOG("%s", request_error(h));
	/* The key is the kernel's: not in a keyslot, not in the table, and nothing was written anywhere but to the log. */
	files = vm_shell(h, "find / /run /tmp -xdev -newer /run/marker -type f ! -path '/proc/*' ! -path '/sys/*' ! -path '%s*'",
			   self->h.log);
	EXPECT_STREQ("", files);
	EXPECT_NE(NULL, strstr(vm_shell(h, "head -c 16384 %s | strings", node), "\"keyslots\":{}"));
	EXPECT_NE(NULL, strstr(table(h, NAME), " :96:logon:cryptsetup:")) TH_LOG("%s", table(h, NAME));

	sync();
	before = read_disk(h, node, SIZE);
	for (size_t i = 0; i < FILE_SIZE; i++)
		pattern[i] = text[i % (sizeof(text) - 1)];
	fd = open(PATH "/file", O_CREAT | O_RDWR | O_CLOEXEC, 0600);
	ASSERT_EQ(FILE_SIZE, write(fd, pattern, FILE_SIZE));
	ASSERT_EQ(0, fsync(fd));
	after = read_disk(h, node, SIZE);
	EXPECT_EQ(NULL, memmem(after, SIZE, text, sizeof(text) - 1));
	first = changed(before, after, SIZE, &count);
	EXPECT_LE(FILE_SIZE / BLOCK, count);

	flip(h, node, (first + count / 2) * BLOCK);
	ASSERT_EQ(0, posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED));
	for (off_t at = 0; at < FILE_SIZE; at += BLOCK) {
		ssize_t n = pread(fd, block, BLOCK, at);

		if (n == BLOCK) {
			EXPECT_EQ(0, memcmp(block, pattern + at, BLOCK));
			continue;
		}
		EXPECT_TRUE(errno == EIO || errno == EILSEQ) TH_LOG("%s", strerror(errno));
		wrong++;
	}
	EXPECT_EQ(1, wrong);
	close(fd);

	/* A V1 host's Remove does not say that it is encrypted. */
	ASSERT_EQ(0, request_unmap(h, PATH, 0, 1)) TH_LOG("%s", request_error(h));
	munmap(before, SIZE);
	munmap(after, SIZE);
	unlink("/run/marker");
}

TEST_F_TIMEOUT(crypt, a_container_has_its_scratch_on_an_encrypted_disk_with_xfs, 180)
{
	struct host *h = &self->h;
	struct host_stream out;
	int64_t pid;
	char *spec = oci_spec("e", "[\"sh\",\"-c\",\"echo kept > /kept; sync; cat /kept\"]");

	oci_make_layer(h);
	plug_in(h, 40, "big");
	/* Twice: of what was there nothing is found again. */
	for (int i = 0; i < 2; i++) {
		ASSERT_EQ(0, encrypt(h, PATH, 40, "xfs")) TH_LOG("%s", request_error(h));
		EXPECT_STREQ("", vm_shell(h, "ls %s", PATH));
		EXPECT_NE(NULL, strstr(vm_shell(h, "grep %s /proc/mounts", PATH), " xfs "));
		ASSERT_EQ(0, request_layers(h, "Add", "/run/gcs/c/e/rootfs", LAYER, PATH "/scratch/e")) TH_LOG("%s", request_error(h));
		ASSERT_EQ(0, oci_create_spec(h, "e", spec)) TH_LOG("%s", request_error(h));
		pid = oci_start(h, "e", NULL, &out, NULL);
		ASSERT_LT(0, pid) TH_LOG("%s", request_error(h));
		EXPECT_STREQ("kept\n", host_stream_read(&out, NULL));
		EXPECT_EQ(0, host_wait(h, "e", pid));
		host_notified(h, "e", NULL);
		EXPECT_EQ(0, request_layers(h, "Remove", "/run/gcs/c/e/rootfs", LAYER, PATH "/scratch/e"));
		EXPECT_EQ(0, host_call(h, MSG_DELETE_CONTAINER_STATE, "e", "%s", ""));
		EXPECT_EQ(E_FAIL, request_eject(h, 0, 40));
		ASSERT_EQ(0, request_unmap(h, PATH, 0, 40)) TH_LOG("%s", request_error(h));
		host_forget_over(h);
	}
	EXPECT_EQ(0, request_eject(h, 0, 40)) TH_LOG("%s", request_error(h));
	plug_out(h, 40);
	ASSERT_EQ(0, system("rm -rf /run/test"));
	free(spec);
}

TEST_F_TIMEOUT(crypt, what_cannot_be_encrypted_is_refused_before_and_a_failure_leaves_nothing, 120)
{
	struct host *h = &self->h;
	char *node = strdup(plug_node(h, 1)), *sum;

	ASSERT_EQ(0, system("mkdir -p /run/mounts/scsi"));
	sum = vm_shell(h, "head -c 4194304 %s | sha256sum", node);
	EXPECT_EQ(E_ARG, request_map_as(h, "{\"MountPath\":\"" PATH "\",\"Lun\":1,\"BlockDev\":true," ENCRYPTED, "ext4"));
	EXPECT_EQ(E_ARG, request_map_as(h, "{\"MountPath\":\"" PATH "\",\"Lun\":1,\"ReadOnly\":true," ENCRYPTED, "ext4"));
	EXPECT_EQ(E_ARG, request_map_as(h, "{\"MountPath\":\"" PATH "\",\"Lun\":1," ENCRYPTED, "btrfs"));
	EXPECT_EQ(E_ARG, request_map_as(h, "{\"MountPath\":\"" PATH "\",\"Lun\":1,\"Encrypted\":true,\"Filesystem\":\"xfs\"}"));
	EXPECT_NE(NULL, strstr(request_error(h), "EnsureFilesystem")) TH_LOG("%s", request_error(h));
	EXPECT_STREQ(sum, vm_shell(h, "head -c 4194304 %s | sha256sum", node));

	/* mkfs.xfs says that the disk is too small. */
	EXPECT_EQ(E_FAIL, encrypt(h, PATH, 1, "xfs"));
	EXPECT_NE(NULL, strstr(request_error(h), "mkfs.xfs")) TH_LOG("%s", request_error(h));
	EXPECT_STREQ(self->before, vm_traces(h));
	/* The disk is too small for a header. */
	plug_qmp(h, "blockdev-add", "\"driver\": \"null-co\", \"node-name\": \"tiny\", \"size\": 65536, \"read-zeroes\": true");
	plug_in(h, 41, "tiny");
	EXPECT_EQ(E_FAIL, encrypt(h, PATH, 41, "ext4"));
	EXPECT_NE(NULL, strstr(request_error(h), plug_node(h, 41))) TH_LOG("%s", request_error(h));
	EXPECT_NE(NULL, strstr(request_error(h), "gcscrypt")) TH_LOG("%s", request_error(h));
	EXPECT_STREQ(self->before, vm_traces(h));
	EXPECT_EQ(0, request_eject(h, 0, 41)) TH_LOG("%s", request_error(h));
	plug_out(h, 41);
	plug_qmp(h, "blockdev-del", "\"node-name\": \"tiny\"");
	/* Not a directory to mount on. */
	ASSERT_EQ(0, system("touch " PATH));
	EXPECT_EQ(E_FAIL, encrypt(h, PATH, 1, "ext4"));
	ASSERT_EQ(0, unlink(PATH));
	EXPECT_STREQ(self->before, vm_traces(h));
	/* None of this has kept the disk busy. */
	ASSERT_EQ(0, encrypt(h, PATH, 1, "ext4")) TH_LOG("%s", request_error(h));
	ASSERT_EQ(0, request_unmap(h, PATH, 0, 1)) TH_LOG("%s", request_error(h));
	ASSERT_EQ(0, request_unmap(h, PATH, 0, 1)) TH_LOG("%s", request_error(h));
}

TEST_F_TIMEOUT(crypt, a_disk_that_is_encrypted_is_not_given_to_another_path, 120)
{
	struct host *h = &self->h;
	const char *other = "/run/mounts/scsi/other";
	uint64_t a, b;
	bool first;

	ASSERT_EQ(0, encrypt(h, PATH, 1, "ext4")) TH_LOG("%s", request_error(h));
	ASSERT_EQ(0, system("echo mine > " PATH "/file; sync"));
	EXPECT_EQ(E_FAIL, encrypt(h, PATH, 1, "ext4"));
	EXPECT_EQ(E_FAIL, encrypt(h, other, 1, "ext4"));
	/* Nor is it formatted for who does not want it encrypted. */
	EXPECT_EQ(E_FAIL, request_map_as(h, "{\"MountPath\":\"%s\",\"Lun\":1,\"EnsureFilesystem\":true,\"Filesystem\":\"ext4\"}", other));
	EXPECT_EQ(E_FAIL, request_map_as(h, "{\"MountPath\":\"%s\",\"Lun\":1,\"EnsureFilesystem\":true,\"Filesystem\":\"xfs\"}", other));
	EXPECT_NE(0, access(other, F_OK));
	ASSERT_EQ(0, system("echo 3 > /proc/sys/vm/drop_caches; grep -qx mine " PATH "/file"));
	/* In use: the Remove is refused, and can be repeated. */
	ASSERT_EQ(0, chdir(PATH));
	EXPECT_EQ(E_FAIL, request_unmap(h, PATH, 0, 1));
	ASSERT_EQ(0, chdir("/"));
	ASSERT_EQ(0, request_unmap(h, PATH, 0, 1)) TH_LOG("%s", request_error(h));

	/* Two at once: one has it. */
	a = host_ask(h, MSG_MODIFY_SETTINGS, Z, ",\"Request\":{\"ResourceType\":\"MappedVirtualDisk\",\"Settings\":"
		     "{\"MountPath\":\"%s\",\"Lun\":1," ENCRYPTED "}", PATH, "ext4");
	b = host_ask(h, MSG_MODIFY_SETTINGS, Z, ",\"Request\":{\"ResourceType\":\"MappedVirtualDisk\",\"Settings\":"
		     "{\"MountPath\":\"%s\",\"Lun\":1," ENCRYPTED "}", other, "ext4");
	first = answer_result(host_answer(h, a)) == 0;
	EXPECT_EQ(first ? E_FAIL : 0, answer_result(host_answer(h, b)));
	ASSERT_EQ(0, request_unmap(h, first ? PATH : other, 0, 1)) TH_LOG("%s", request_error(h));
}

TEST_F_TIMEOUT(crypt, what_a_former_agent_has_left_is_removed_or_replaced, 120)
{
	struct host *h = &self->h;
	char command[256];

	ASSERT_EQ(0, encrypt(h, PATH, 1, "ext4")) TH_LOG("%s", request_error(h));
	host_stop(h);
	host_start(h, true, NULL);
	ASSERT_EQ(0, system("test -d " PATH "/lost+found"));
	/* It is in use, although this agent does not know it. */
	EXPECT_EQ(E_FAIL, encrypt(h, "/run/mounts/scsi/other", 1, "ext4"));
	EXPECT_NE(NULL, strstr(request_error(h), "busy")) TH_LOG("%s", request_error(h));
	ASSERT_EQ(0, request_unmap(h, PATH, 0, 1)) TH_LOG("%s", request_error(h));
	EXPECT_STREQ(self->before, vm_traces(h));

	/* One that died between encryption and mount. */
	snprintf(command, sizeof(command), "gcscrypt open %s " NAME, plug_node(h, 1));
	ASSERT_EQ(0, system(command));
	ASSERT_EQ(0, encrypt(h, PATH, 1, "ext4")) TH_LOG("%s", request_error(h));
	ASSERT_EQ(0, request_unmap(h, PATH, 0, 1)) TH_LOG("%s", request_error(h));
}

TEST_F_TIMEOUT(crypt, a_disk_that_the_host_takes_away_is_let_go, 120)
{
	struct host *h = &self->h;

	plug_in(h, 42, "big");
	for (int i = 0; i < 2; i++) {
		ASSERT_EQ(0, encrypt(h, PATH, 42, i ? "xfs" : "ext4")) TH_LOG("%s", request_error(h));
		plug_out(h, 42);
		EXPECT_NE(0, system("dd if=/dev/zero of=" PATH "/file bs=64k count=4 conv=fsync 2>/dev/null"));
		ASSERT_EQ(0, request_unmap(h, PATH, 0, 42)) TH_LOG("%s", request_error(h));
		EXPECT_STREQ(self->before, vm_traces(h));
		plug_in(h, 42, "big");
	}
	ASSERT_EQ(0, encrypt(h, PATH, 42, "ext4")) TH_LOG("%s", request_error(h));
	ASSERT_EQ(0, request_unmap(h, PATH, 0, 42)) TH_LOG("%s", request_error(h));
	EXPECT_EQ(0, request_eject(h, 0, 42)) TH_LOG("%s", request_error(h));
	plug_out(h, 42);
}

TEST_HARNESS_MAIN

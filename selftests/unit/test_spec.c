// SPDX-License-Identifier: MIT
/* Rewriting of OCI specs: annotations, mounts, devices, limits, users, network files (lifecycle.md 3 to 5). */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "cleanup.h"
#include "container/netfiles.h"
#include "container/pod.h"
#include "container/spec.h"
#include "container/spec_tree.h"
#include "fs.h"
#include "network/network.h"

#include "kselftest_harness.h"

FIXTURE(spec)
{
	struct gcs_error err;
	char dir[64];
};

FIXTURE_SETUP(spec)
{
	strcpy(self->dir, "/tmp/test_spec.XXXXXX");
	ASSERT_NE(NULL, mkdtemp(self->dir));
	ASSERT_EQ(0, chdir(self->dir));
}

FIXTURE_TEARDOWN(spec)
{
	EXPECT_EQ(0, chdir("/"));
	EXPECT_EQ(0, fs_remove_tree(self->dir, &self->err)) TH_LOG("%s", self->err.text);
}

#define TYPE "\"io.kubernetes.cri.container-type\":"
#define SANDBOX_ID "\"io.kubernetes.cri.sandbox-id\":"
#define VIRTUAL "\"io.microsoft.cri.virtual-pod-id\":"
#define PRIVILEGED "\"io.microsoft.virtualmachine.lcow.privileged\":"
#define HOSTNET "\"io.microsoft.virtualmachine.lcow.hostnetwork\":"
#define SKIP_NET "\"io.microsoft.cri.skip-pod-networking\":"
#define CORE "\"io.microsoft.lcow.rlimitcore\":"
#define SHM "\"io.microsoft.lcow.shm.size-kb\":"
#define WORKLOAD TYPE "\"container\"," SANDBOX_ID "\"p\""

TEST_F(spec, kinds_come_from_annotations)
{
	static const struct {
		const char *text;
		int kind; /* -1: an error */
		const char *pod;
	} cases[] = {
		{ "{}", KIND_STANDALONE, "" },
		{ "{" TYPE "\"\"}", KIND_STANDALONE, "" },
		{ "{" TYPE "\"sandbox\"}", KIND_SANDBOX, "c" },
		{ "{" TYPE "\"container\"," SANDBOX_ID "\"p\"}", KIND_WORKLOAD, "p" },
		{ "{" TYPE "\"container\"," SANDBOX_ID "\"p\"," VIRTUAL "\"v\"}", KIND_WORKLOAD, "v" },
		{ "{" TYPE "\"container\"," SANDBOX_ID "\"p\"," VIRTUAL "\"c\"}", KIND_SANDBOX, "c" },
		{ "{" VIRTUAL "\"c\"}", KIND_SANDBOX, "c" },
		{ "{" VIRTUAL "\"v\"}", KIND_STANDALONE, "" },
		{ "{" TYPE "\"container\"}", -1, NULL },
		{ "{" TYPE "\"container\"," SANDBOX_ID "\"../p\"}", -1, NULL },
		{ "{" TYPE "\"container\"," VIRTUAL "\"/p\"}", -1, NULL },
		{ "{" TYPE "\"sandbox\"," VIRTUAL "\"v\"}", -1, NULL },
		{ "{" TYPE "\"Sandbox\"}", -1, NULL },
		{ "{" TYPE "1}", -1, NULL },
		{ "{\"other\":null}", -1, NULL },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_json_ struct json_object *o = json_tokener_parse(cases[i].text);
		struct annotations a;

		if (cases[i].kind < 0) {
			EXPECT_EQ(-1, annotations_read("c", o, &a, &self->err)) TH_LOG("%s", cases[i].text);
			continue;
		}
		ASSERT_EQ(0, annotations_read("c", o, &a, &self->err)) TH_LOG("%s: %s", cases[i].text, self->err.text);
		EXPECT_EQ(cases[i].kind, (int)a.kind) TH_LOG("%s", cases[i].text);
		EXPECT_STREQ(cases[i].pod, a.pod) TH_LOG("%s", cases[i].text);
	}
}

TEST_F(spec, annotations_count_for_the_kinds_that_heed_them)
{
	static const char *const bad[] = {
		"{" WORKLOAD "," SHM "\"0\"}", "{" WORKLOAD "," SHM "\"\"}", "{" WORKLOAD "," SHM "\"1k\"}",
		"{" WORKLOAD "," SHM "\"-1\"}", "{" WORKLOAD "," SHM "\"18446744073709551615\"}",
		"{" WORKLOAD "," CORE "\"1\"}", "{" WORKLOAD "," CORE "\"1;\"}", "{" WORKLOAD "," CORE "\";1\"}",
		"{" WORKLOAD "," CORE "\"1;2;3\"}", "{" WORKLOAD "," CORE "\"1;-2\"}",
		"{" TYPE "\"sandbox\"," CORE "\"1;18446744073709551616\"}",
		"{\"io.microsoft.container.lcow.tee-log-dir-mount\":\"x\"}",
	};
	_cleanup_json_ struct json_object *o = json_tokener_parse("{" WORKLOAD "," PRIVILEGED "\"T\"," HOSTNET "\"true\","
		SHM "\"64\"," CORE "\"0;18446744073709551615\"}");
	_cleanup_json_ struct json_object *sandbox = json_tokener_parse("{" TYPE "\"sandbox\"," PRIVILEGED "\"true\","
		HOSTNET "\"1\"," SKIP_NET "\"TrUe\"," SHM "\"x\"}");
	_cleanup_json_ struct json_object *alone = json_tokener_parse("{" HOSTNET "\"yes\"," CORE "\"x\"," SHM "\"x\"}");
	struct annotations a;

	ASSERT_EQ(0, annotations_read("c", o, &a, &self->err)) TH_LOG("%s", self->err.text);
	EXPECT_TRUE(a.privileged);
	EXPECT_FALSE(a.host_network);
	EXPECT_FALSE(a.no_security_context);
	EXPECT_EQ(64, a.shm_kb);
	EXPECT_TRUE(a.has_core);
	EXPECT_EQ(0, a.core_soft);
	EXPECT_EQ(UINT64_MAX, a.core_hard);
	ASSERT_EQ(0, annotations_read("c", sandbox, &a, &self->err)) TH_LOG("%s", self->err.text);
	EXPECT_TRUE(a.host_network);
	EXPECT_TRUE(a.skip_networking);
	EXPECT_FALSE(a.privileged);
	/* "yes" is no boolean. */
	ASSERT_EQ(0, annotations_read("c", alone, &a, &self->err)) TH_LOG("%s", self->err.text);
	EXPECT_FALSE(a.host_network);
	EXPECT_FALSE(a.has_core);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		_cleanup_json_ struct json_object *b = json_tokener_parse(bad[i]);

		EXPECT_EQ(-1, annotations_read("c", b, &a, &self->err)) TH_LOG("%s", bad[i]);
	}
}

/* mounts_expand() of one mount for a workload of a pod in self->dir. */
static int expand(struct __test_metadata *_metadata, FIXTURE_DATA(spec) *self, const char *source, const char *destination,
		  struct container *c, char **result, struct json_object **rules)
{
	_cleanup_json_ struct json_object *mounts = json_object_new_array();
	_cleanup_json_ struct json_object *own_rules = json_object_new_array();
	struct json_object *m = json_object_new_object();
	const char *wrong = NULL;
	int ret;

	json_object_array_add(mounts, m);
	set_string(m, "source", source);
	set_string(m, "destination", destination);
	ret = mounts_expand(c, mounts, own_rules, &self->err);
	*result = strdup(string(m, strncmp(destination, "blockdev", 8) ? "source" : "destination", &wrong));
	if (rules)
		*rules = json_object_get(own_rules);
	return ret;
}

TEST_F(spec, shared_mounts_are_made_below_the_pods_directories)
{
	static const struct {
		const char *source, *result; /* NULL: an error */
	} cases[] = {
		{ "sandbox://a/b", "sandboxMounts/a/b" },
		{ "sandbox:///a//c/", "sandboxMounts/a/c" },
		{ "sandbox://a/./b/../d", "sandboxMounts/a/d" },
		{ "sandbox://", "sandboxMounts" },
		{ "sandbox-tmp://t", "sandboxTmpfsMounts/t" },
		{ "sandbox://..", NULL },
		{ "sandbox://../sandboxMountsX", NULL },
		{ "sandbox://a/../../logs", NULL },
		{ "hugepages://2M", NULL },
		{ "hugepages://2M/", NULL },
		{ "hugepages://2M/..", NULL },
		{ "hugepages://2M/../x", NULL },
		{ "hugepages://2m,size=1/x", NULL },
		{ "hugepages:///x", NULL },
		/* A link that a container has made does not lead out. */
		{ "sandbox://link/x", "sandboxMounts/etc/x" },
		{ "sandbox://up/x", "sandboxMounts/x" },
		{ "/plain/path", "" },
	};
	struct pod pod = { .id = "p", .root = self->dir, .files = PTHREAD_MUTEX_INITIALIZER };
	struct container c = { .id = "c", .pod = &pod };
	struct stat st, pinned;

	if (geteuid() || unshare(CLONE_NEWNS) < 0 || mount("", "/", "", MS_REC | MS_PRIVATE, "") < 0 ||
	    mount("tmpfs", "/run", "tmpfs", 0, "") < 0)
		SKIP(return, "needs permission to mount");
	ASSERT_EQ(0, shared_init(&self->err)) TH_LOG("%s", self->err.text);
	ASSERT_EQ(0, mkdir("sandboxMounts", 0755));
	ASSERT_EQ(0, mkdir("sandboxTmpfsMounts", 0755));
	ASSERT_EQ(0, mkdir("hugepages", 0755));
	ASSERT_EQ(0, mkdir("logs", 0755));
	ASSERT_EQ(0, mkdir("sandboxMounts/etc", 0755));
	ASSERT_EQ(0, symlink("/etc", "sandboxMounts/link"));
	ASSERT_EQ(0, symlink("../../..", "sandboxMounts/up"));
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_free_ char *result = NULL, *expected = NULL;
		int ret = expand(_metadata, self, cases[i].source, "/x", &c, &result, NULL);

		if (!cases[i].result) {
			EXPECT_EQ(-1, ret) TH_LOG("%s", cases[i].source);
			EXPECT_STREQ(cases[i].source, result);
			continue;
		}
		ASSERT_EQ(0, ret) TH_LOG("%s: %s", cases[i].source, self->err.text);
		ASSERT_LT(0, asprintf(&expected, "%s/%s", self->dir, cases[i].result));
		if (!*cases[i].result) {
			EXPECT_STREQ(cases[i].source, result);
			continue;
		}
		/* The same directory, by a way that nobody else can change. */
		EXPECT_EQ(0, strncmp("/run/gcs/mounts/", result, 16)) TH_LOG("%s", result);
		ASSERT_EQ(0, stat(expected, &st)) TH_LOG("%s", expected);
		ASSERT_EQ(0, stat(result, &pinned)) TH_LOG("%s", result);
		EXPECT_TRUE(st.st_dev == pinned.st_dev && st.st_ino == pinned.st_ino) TH_LOG("%s", expected);
	}
	ASSERT_EQ(0, stat("sandboxMounts/a/b", &st));
	EXPECT_EQ(0777, st.st_mode & 0777);
	EXPECT_NE(0, access("sandboxMountsX", F_OK));
	EXPECT_NE(0, access("/etc/x", F_OK));
	/* What had been there stays, the rest goes, parents too. */
	shared_unpin(&c);
	fs_made_undo(&c.made);
	EXPECT_EQ(0, rmdir("/run/gcs/mounts"));
	EXPECT_NE(0, access("sandboxMounts/a", F_OK));
	EXPECT_NE(0, access("sandboxMounts/etc/x", F_OK));
	EXPECT_NE(0, access("sandboxTmpfsMounts/t", F_OK));
}

TEST_F(spec, paths_and_block_devices_of_the_vm_are_checked)
{
	_cleanup_free_ char *uvm = NULL, *missing = NULL, *plain = NULL, *file = NULL, *character = NULL, *nowhere = NULL;
	struct container c = { .id = "c" };
	char path[128], source[160];

	snprintf(source, sizeof(source), "uvm://%s", self->dir);
	ASSERT_EQ(0, expand(_metadata, self, source, "/x", &c, &uvm, NULL)) TH_LOG("%s", self->err.text);
	EXPECT_STREQ(self->dir, uvm);
	EXPECT_EQ(-1, expand(_metadata, self, "uvm:///no/such/path", "/x", &c, &missing, NULL));
	EXPECT_NE(NULL, strstr(self->err.text, "/no/such/path")) TH_LOG("%s", self->err.text);
	/* Not a link, a link to a file, to a character device. */
	ASSERT_EQ(0, fs_write("file", "", 0, 0600, &self->err));
	snprintf(path, sizeof(path), "%s/file", self->dir);
	EXPECT_EQ(-1, expand(_metadata, self, path, "blockdev:///dev/x", &c, &plain, NULL));
	ASSERT_EQ(0, symlink(path, "link"));
	snprintf(path, sizeof(path), "%s/link", self->dir);
	EXPECT_EQ(-1, expand(_metadata, self, path, "blockdev:///dev/x", &c, &file, NULL));
	ASSERT_EQ(0, symlink("/dev/null", "null"));
	snprintf(path, sizeof(path), "%s/null", self->dir);
	EXPECT_EQ(-1, expand(_metadata, self, path, "blockdev:///dev/x", &c, &character, NULL));
	EXPECT_NE(NULL, strstr(self->err.text, "not a block device")) TH_LOG("%s", self->err.text);
	EXPECT_EQ(-1, expand(_metadata, self, "/no/link", "blockdev:///dev/x", &c, &nowhere, NULL));
	EXPECT_EQ(0, c.made.count);
	EXPECT_EQ(0, c.pins);
}

TEST_F(spec, shm_is_replaced_and_moves_to_the_end)
{
	_cleanup_json_ struct json_object *mounts = json_tokener_parse("[{\"destination\":\"/dev/shm\",\"type\":\"tmpfs\"},"
		"{\"destination\":\"/a\"}]");

	mounts_set_shm(mounts, 4096);
	EXPECT_STREQ("[{\"destination\":\"/a\"},{\"destination\":\"/dev/shm\",\"type\":\"tmpfs\",\"source\":\"shm\",\"options\":"
		     "[\"nosuid\",\"noexec\",\"nodev\",\"mode=1777\",\"size=4096k\"]}]",
		     json_object_to_json_string_ext(mounts, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
}

TEST_F(spec, devices_are_those_of_the_vm)
{
	_cleanup_json_ struct json_object *devices = json_tokener_parse("[{\"path\":\"/dev/null\",\"type\":\"b\",\"major\":9,"
		"\"fileMode\":420}]");
	_cleanup_json_ struct json_object *rules = json_object_new_array();
	static const char *const bad[] = { "[{\"path\":\"/dev/no-such\"}]", "[{\"path\":\"/tmp\"}]", "[{}]", "[1]",
					   "[{\"path\":\"null\"}]", "[{\"path\":\"/dev/../etc\"}]" };
	struct json_object *d;
	const char *wrong = NULL;

	ASSERT_EQ(0, devices_resolve(devices, rules, &self->err)) TH_LOG("%s", self->err.text);
	d = json_object_array_get_idx(devices, 0);
	EXPECT_STREQ("c", string(d, "type", &wrong));
	EXPECT_EQ(1, json_object_get_int(json_object_object_get(d, "major")));
	EXPECT_EQ(3, json_object_get_int(json_object_object_get(d, "minor")));
	EXPECT_STREQ("[{\"allow\":true,\"type\":\"c\",\"major\":1,\"minor\":3,\"access\":\"rwm\"}]",
		     json_object_to_json_string_ext(rules, JSON_C_TO_STRING_PLAIN));
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		_cleanup_json_ struct json_object *b = json_tokener_parse(bad[i]);

		EXPECT_EQ(-1, devices_resolve(b, rules, &self->err)) TH_LOG("%s", bad[i]);
	}
}

TEST_F(spec, privileged_gets_every_device_once)
{
	_cleanup_json_ struct json_object *devices = json_tokener_parse("[{\"path\":\"/dev/null\",\"fileMode\":420},"
		"{\"path\":\"/dev/mine\"}]");
	struct json_object *d;
	const char *wrong = NULL;
	struct stat st;

	ASSERT_EQ(0, devices_add_all(devices, "/dev", &self->err)) TH_LOG("%s", self->err.text);
	/* In its place, and only there. */
	d = json_object_array_get_idx(devices, 0);
	EXPECT_STREQ("/dev/null", string(d, "path", &wrong));
	EXPECT_EQ(3, json_object_get_int(json_object_object_get(d, "minor")));
	EXPECT_STREQ("/dev/mine", string(json_object_array_get_idx(devices, 1), "path", &wrong));
	EXPECT_LE(2, find_by(devices, "path", "/dev/zero"));
	EXPECT_EQ(-1, find_by(devices, "path", "/dev/console"));
	EXPECT_EQ(-1, find_by(devices, "path", "/dev/stdin"));
	for (size_t i = 2; i < json_object_array_length(devices); i++) {
		const char *path = string(json_object_array_get_idx(devices, i), "path", &wrong);

		EXPECT_NE(0, strncmp(path, "/dev/pts/", 9)) TH_LOG("%s", path);
		ASSERT_EQ(0, lstat(path, &st)) TH_LOG("%s", path);
		EXPECT_TRUE(S_ISCHR(st.st_mode) || S_ISBLK(st.st_mode)) TH_LOG("%s", path);
	}
	/* What is no device is not even looked at twice. */
	ASSERT_EQ(0, mkdir("sub", 0755));
	ASSERT_EQ(0, mkfifo("sub/fifo", 0600));
	ASSERT_EQ(0, fs_write("sub/file", "", 0, 0600, &self->err));
	json_object_put(devices);
	devices = json_object_new_array();
	ASSERT_EQ(0, devices_add_all(devices, self->dir, &self->err)) TH_LOG("%s", self->err.text);
	EXPECT_EQ(0, json_object_array_length(devices));
}

TEST_F(spec, network_files_are_exact)
{
	static const char hosts[] = "127.0.0.1 localhost\n127.0.0.1 box.example.org box\n\n"
		"# The following lines are desirable for IPv6 capable hosts\n::1     ip6-localhost ip6-loopback\n"
		"fe00::0 ip6-localnet\nff00::0 ip6-mcastprefix\nff02::1 ip6-allnodes\nff02::2 ip6-allrouters\n";
	_cleanup_json_ struct json_object *mounts = json_tokener_parse("[{\"destination\":\"/etc/resolv.conf\"}]");
	_cleanup_free_ char *text = NULL, *name = NULL;
	struct json_object *m;
	const char *wrong = NULL;
	char source[96];
	struct netns *n;

	ASSERT_EQ(0, netns_claim("", true, &n, &self->err));
	ASSERT_EQ(0, netfiles_write(self->dir, "box.example.org", n, mounts, &self->err)) TH_LOG("%s", self->err.text);
	ASSERT_NE(NULL, text = fs_read("hosts", 4096, &self->err));
	EXPECT_STREQ(hosts, text);
	ASSERT_NE(NULL, name = fs_read("hostname", 4096, &self->err));
	EXPECT_STREQ("box.example.org\n", name);
	EXPECT_NE(0, access("resolv.conf", F_OK));
	ASSERT_EQ(0, netfiles_mount(self->dir, true, mounts, &self->err)) TH_LOG("%s", self->err.text);
	ASSERT_EQ(3, json_object_array_length(mounts));
	m = json_object_array_get_idx(mounts, 1);
	snprintf(source, sizeof(source), "%s/hostname", self->dir);
	EXPECT_STREQ("/etc/hostname", string(m, "destination", &wrong));
	EXPECT_STREQ(source, string(m, "source", &wrong));
	EXPECT_TRUE(has_word(json_object_object_get(m, "options"), "ro"));
	ASSERT_EQ(0, netfiles_write(self->dir, "box", n, NULL, &self->err)) TH_LOG("%s", self->err.text);
	EXPECT_EQ(0, access("resolv.conf", F_OK));
	netfiles_remove(self->dir);
	EXPECT_NE(0, access("hosts", F_OK));
	netns_release(n);
}

TEST_F(spec, users_are_looked_up_inside_the_root)
{
	static const struct {
		const char *name;
		int64_t uid, gid; /* -1: an error */
	} cases[] = {
		{ "app", 1000, 1001 }, { "app:staff", 1000, 50 }, { "app:7", 1000, 7 }, { "1000", 1000, 1001 },
		{ "4294967295:0", 4294967295, 0 }, { "77", 77, 0 }, { "twice", -1, -1 }, { "nobody-here", -1, -1 },
		{ "app:nogroup", -1, -1 }, { "a:b:c", -1, -1 }, { "4294967296", -1, -1 }, { "outside", -1, -1 },
	};
	struct container c = { .id = "c", .rootfs = self->dir };

	/* A link that would lead to the VM's file if it were followed from there. */
	ASSERT_EQ(0, mkdir("etc", 0755));
	ASSERT_EQ(0, mkdir("real", 0755));
	ASSERT_EQ(0, symlink("../../../../real/users", "etc/passwd"));
	ASSERT_EQ(0, fs_write("real/users", "app:x:1000:1001::/:/bin/sh\n\ntwice:x:1:1:\ntwice:x:2:2:\n", 54, 0644, &self->err));
	ASSERT_EQ(0, fs_write("etc/group", "# staff:x:1:\nstaff:x:50:\n", 25, 0644, &self->err));
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_json_ struct json_object *user = json_object_new_object();

		set_string(user, "username", cases[i].name);
		if (cases[i].uid < 0) {
			EXPECT_EQ(-1, spec_resolve_user(&c, user, &self->err)) TH_LOG("%s", cases[i].name);
			continue;
		}
		ASSERT_EQ(0, spec_resolve_user(&c, user, &self->err)) TH_LOG("%s: %s", cases[i].name, self->err.text);
		EXPECT_EQ(cases[i].uid, json_object_get_int64(json_object_object_get(user, "uid"))) TH_LOG("%s", cases[i].name);
		EXPECT_EQ(cases[i].gid, json_object_get_int64(json_object_object_get(user, "gid"))) TH_LOG("%s", cases[i].name);
	}
}

/* Put @text, which may have NULs, into etc/passwd, and look up "app". */
static int look_up(FIXTURE_DATA(spec) *self, const char *text, size_t len, uint32_t *uid)
{
	uint32_t gid;

	if (fs_write("etc/passwd", text, len, 0644, &self->err) < 0)
		return -2;
	return user_lookup(self->dir, "app", uid, &gid, &self->err);
}
#define LOOK_UP(text) look_up(self, text, sizeof(text) - 1, &uid)

TEST_F(spec, no_content_of_a_list_of_users_hides_or_makes_one)
{
	size_t size = 1 << 20, tail = strlen("\napp:x:3:1:");
	_cleanup_free_ char *big = malloc(size);
	uint32_t uid = 0;

	ASSERT_EQ(0, mkdir("etc", 0755));
	EXPECT_EQ(0, LOOK_UP("app:x:1000:1::/:/bin/sh"));
	EXPECT_EQ(1000, uid);
	EXPECT_EQ(-1, LOOK_UP(""));
	EXPECT_EQ(-1, LOOK_UP("app"));
	EXPECT_EQ(-1, LOOK_UP("app:x"));
	EXPECT_EQ(-1, LOOK_UP("app\0:x:1:1:\n"));
	EXPECT_EQ(-1, LOOK_UP("app:x:1\0:1:\n"));
	EXPECT_EQ(-1, LOOK_UP("\0app:x:1:1:\n"));
	EXPECT_EQ(0, LOOK_UP("\0\n\napp:x:2:1:\n\0:::\n"));
	EXPECT_EQ(2, uid);
	/* A line of 1 MiB is one line, whatever is in it, and what is cut off of it is no number. */
	memset(big, 'y', size);
	memcpy(big + size - tail, "\napp:x:3:1:", tail);
	memcpy(big, "other:", 6);
	EXPECT_EQ(0, look_up(self, big, size, &uid)) TH_LOG("%s", self->err.text);
	EXPECT_EQ(3, uid);
	memcpy(big, "app:x:4:1:", 10);
	EXPECT_EQ(-1, look_up(self, big, size, &uid));
	EXPECT_EQ(0, look_up(self, big, size - tail, &uid)) TH_LOG("%s", self->err.text);
	EXPECT_EQ(4, uid);
	memset(big, '1', size);
	memcpy(big, "app:x:", 6);
	EXPECT_EQ(-1, look_up(self, big, size, &uid));
	/* More than anybody reads, without a byte on the disk. */
	ASSERT_EQ(0, LOOK_UP("app:x:1000:1::/:/bin/sh\n"));
	ASSERT_EQ(0, truncate("etc/passwd", 1LL << 40));
	EXPECT_EQ(-1, user_lookup(self->dir, "app", &uid, &uid, &self->err));
}

TEST_F(spec, what_is_no_file_is_no_list_of_users_and_is_not_opened)
{
	uint32_t uid, gid;

	ASSERT_EQ(0, mkdir("etc", 0755));
	ASSERT_EQ(0, mkfifo("etc/passwd", 0644));
	EXPECT_EQ(-1, user_lookup(self->dir, "app", &uid, &gid, &self->err));
	ASSERT_EQ(0, unlink("etc/passwd"));
	ASSERT_EQ(0, mkdir("etc/passwd", 0755));
	EXPECT_EQ(-1, user_lookup(self->dir, "app", &uid, &gid, &self->err));
	ASSERT_EQ(0, rmdir("etc/passwd"));
	ASSERT_EQ(0, symlink("passwd", "etc/passwd"));
	EXPECT_EQ(-1, user_lookup(self->dir, "app", &uid, &gid, &self->err));
	ASSERT_EQ(0, unlink("etc/passwd"));
	ASSERT_EQ(0, symlink("/proc/self/fd/0", "etc/passwd"));
	EXPECT_EQ(-1, user_lookup(self->dir, "app", &uid, &gid, &self->err));
	ASSERT_EQ(0, unlink("etc/passwd"));
	if (mknod("etc/passwd", S_IFCHR | 0644, makedev(1, 3)) < 0)
		SKIP(return, "needs permission to make devices");
	EXPECT_EQ(-1, user_lookup(self->dir, "app", &uid, &gid, &self->err));
}

TEST_F(spec, a_standalone_container_is_its_own_pod)
{
	_cleanup_json_ struct json_object *tree = NULL;
	struct container c = { .id = "alone", .bundle = self->dir };
	struct json_object *linux_, *mounts;
	const char *wrong = NULL;
	char *text;

	ASSERT_EQ(0, mkdir("rootfs", 0755));
	ASSERT_LT(0, asprintf(&text, "{\"process\":{\"args\":[\"x\"],\"cwd\":\"/work\",\"user\":{\"username\":\"nobody-here\"},"
			      "\"rlimits\":[{\"type\":\"RLIMIT_CORE\",\"soft\":1,\"hard\":1}]},\"root\":{\"path\":\"%s/rootfs\"},"
			      "\"hostname\":\"h\",\"annotations\":{" HOSTNET "\"true\",\"io.microsoft.container.lcow.tee-log-dir-mount\":"
			      "\"/logs\"," CORE "\"5;6\"},\"linux\":{\"cgroupsPath\":\"/x\",\"namespaces\":[{\"type\":\"network\"},"
			      "{\"type\":\"pid\"},{\"type\":\"ipc\",\"path\":\"/proc/1/ns/ipc\"}]},\"windows\":{\"network\":"
			      "{\"networkNamespace\":\"N\"}}}", self->dir));
	tree = json_tokener_parse(text);
	free(text);
	ASSERT_EQ(0, spec_prepare(&c, tree, &self->err)) TH_LOG("%s", self->err.text);
	EXPECT_EQ(KIND_STANDALONE, (int)c.kind);
	EXPECT_TRUE(c.own_pid_namespace);
	EXPECT_STREQ("/pods/alone", c.cgroup);
	EXPECT_EQ(NULL, json_object_object_get(tree, "windows"));
	EXPECT_STREQ("h", string(tree, "hostname", &wrong));
	linux_ = json_object_object_get(tree, "linux");
	EXPECT_STREQ("/pods/alone", string(linux_, "cgroupsPath", &wrong));
	EXPECT_STREQ("[{\"type\":\"pid\"},{\"type\":\"ipc\",\"path\":\"/proc/1/ns/ipc\"}]",
		     json_object_to_json_string_ext(json_object_object_get(linux_, "namespaces"),
						    JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
	mounts = json_object_object_get(tree, "mounts");
	EXPECT_EQ(4, json_object_array_length(mounts));
	EXPECT_LE(0, find_by(mounts, "destination", "/logs"));
	EXPECT_EQ(0, access("logs", F_OK));
	EXPECT_EQ(0, access("rootfs/work", F_OK));
	/* Neither users nor limits are its business. */
	EXPECT_EQ(1, json_object_get_int(json_object_object_get(json_object_array_get_idx(c.rlimits, 0), "soft")));
	netns_release(c.netns);
	json_object_put(c.rlimits);
	json_object_put(c.user);
	free(c.rootfs);
	free(c.cgroup);
}

TEST_F(spec, an_execs_limits_are_the_containers_and_its_own)
{
	struct container c = { .id = "c", .rlimits = json_tokener_parse("[{\"type\":\"RLIMIT_CORE\",\"soft\":0,\"hard\":0},"
		"{\"type\":\"RLIMIT_NOFILE\",\"soft\":64,\"hard\":64}]") };
	_cleanup_json_ struct json_object *process = json_tokener_parse("{\"args\":[\"x\"],\"rlimits\":[{\"type\":"
		"\"RLIMIT_NOFILE\",\"soft\":32,\"hard\":32}]}");

	ASSERT_EQ(0, spec_prepare_process(&c, process, &self->err)) TH_LOG("%s", self->err.text);
	EXPECT_STREQ("[{\"type\":\"RLIMIT_NOFILE\",\"soft\":32,\"hard\":32},{\"type\":\"RLIMIT_CORE\",\"soft\":0,\"hard\":0}]",
		     json_object_to_json_string_ext(json_object_object_get(process, "rlimits"), JSON_C_TO_STRING_PLAIN));
	json_object_put(c.rlimits);
}

TEST_F(spec, an_execs_user_is_its_own_or_the_containers)
{
	static const struct {
		const char *own, *user;
	} cases[] = {
		{ "{\"uid\":0,\"gid\":0}", "{\"uid\":1000,\"gid\":1001,\"username\":\"app\"}" },
		{ "null", "{\"uid\":1000,\"gid\":1001,\"username\":\"app\"}" },
		{ "{\"uid\":7,\"gid\":0}", "{\"uid\":7,\"gid\":0}" },
		{ "{\"uid\":0,\"gid\":7}", "{\"uid\":0,\"gid\":7}" },
		{ "{\"uid\":0,\"gid\":0,\"username\":\"77:78\"}", "{\"uid\":77,\"gid\":78}" },
	};
	struct container c = { .id = "c", .rootfs = self->dir,
			       .user = json_tokener_parse("{\"uid\":1000,\"gid\":1001,\"username\":\"app\"}") };

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_json_ struct json_object *process = json_tokener_parse("{\"args\":[\"x\"]}");

		json_object_object_add(process, "user", json_tokener_parse(cases[i].own));
		ASSERT_EQ(0, spec_prepare_process(&c, process, &self->err)) TH_LOG("%s", self->err.text);
		EXPECT_STREQ(cases[i].user, json_object_to_json_string_ext(json_object_object_get(process, "user"),
									   JSON_C_TO_STRING_PLAIN));
	}
	json_object_put(c.user);
}

TEST_F(spec, the_core_limit_replaces_the_specs)
{
	_cleanup_json_ struct json_object *process = json_tokener_parse("{\"rlimits\":[{\"type\":\"RLIMIT_CORE\",\"soft\":1,"
		"\"hard\":1}]}");
	struct spec s = { .process = process, .a = { .has_core = true, .core_soft = 5, .core_hard = UINT64_MAX } };

	spec_set_core_limit(&s);
	EXPECT_STREQ("{\"rlimits\":[{\"type\":\"RLIMIT_CORE\",\"soft\":5,\"hard\":18446744073709551615}]}",
		     json_object_to_json_string_ext(process, JSON_C_TO_STRING_PLAIN));
}

TEST_F(spec, a_network_namespace_belongs_to_one_container)
{
	struct netns *a, *b, *c, *d;

	EXPECT_EQ(-1, netns_claim("n", false, &a, &self->err));
	EXPECT_EQ(HR_NOT_FOUND, self->err.hr);
	ASSERT_EQ(0, netns_claim("n", true, &a, &self->err));
	EXPECT_EQ(-1, netns_claim("N", true, &b, &self->err));
	ASSERT_EQ(0, netns_claim("", true, &b, &self->err));
	ASSERT_EQ(0, netns_claim("", true, &c, &self->err));
	netns_release(a);
	ASSERT_EQ(0, netns_claim("N", true, &d, &self->err));
	netns_release(c);
	netns_release(b);
	netns_release(d);
	netns_release(NULL);
}

TEST_HARNESS_MAIN

// SPDX-License-Identifier: MIT
/* Paths, and removal that stops at mounts and links. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cleanup.h"
#include "fs.h"

#include "kselftest_harness.h"

TEST(plain_paths)
{
	static const char *const good[] = { "/a", "/a/b", "/a/b/", "/a..b/.c", "/..." };
	static const char *const bad[] = { "", "/", "//", "a", "a/b", "/a/../b", "/..", "/a/./b", "/a//b", "/a/.." };

	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		EXPECT_TRUE(path_is_plain(good[i])) TH_LOG("%s", good[i]);
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		EXPECT_FALSE(path_is_plain(bad[i])) TH_LOG("%s", bad[i]);
	}
}

/* storage-and-network.md 8.2: when the bundle is bound on the scratch is decided by this. */
TEST(below_is_by_components)
{
	EXPECT_TRUE(path_is_below("/run/gcs/c/abc/scratch/abc", "/run/gcs/c/abc"));
	EXPECT_TRUE(path_is_below("/run/gcs/c/abc", "/run/gcs/c/abc"));
	EXPECT_TRUE(path_is_below("/run/gcs/c/abc/", "/run/gcs/c/abc/"));
	EXPECT_FALSE(path_is_below("/run/gcs/c/sb/scratch/wl", "/run/gcs/c/wl"));
	EXPECT_FALSE(path_is_below("/run/mounts/scsi/0_2_0/scratch/p/c", "/run/gcs/pods/p/c"));
	EXPECT_FALSE(path_is_below("/run/gcs/c/abcdef/scratch/x", "/run/gcs/c/abc"));
}

FIXTURE(tree)
{
	char dir[64];
	struct gcs_error err;
};

FIXTURE_SETUP(tree)
{
	strcpy(self->dir, "/tmp/test_fs.XXXXXX");
	ASSERT_NE(NULL, mkdtemp(self->dir));
	ASSERT_EQ(0, chdir(self->dir));
}

FIXTURE_TEARDOWN(tree)
{
	chdir("/");
	EXPECT_EQ(0, fs_remove_tree(self->dir, &self->err)) TH_LOG("%s", self->err.text);
	EXPECT_NE(0, access(self->dir, F_OK));
}

TEST_F(tree, removal_does_not_follow_links)
{
	char path[96];

	ASSERT_EQ(0, mkdir("outside", 0755));
	ASSERT_EQ(0, fs_write("outside/precious", "x", 1, 0644, &self->err));
	ASSERT_EQ(0, mkdir("t", 0755));
	ASSERT_EQ(0, mkdir("t/a", 0755));
	ASSERT_EQ(0, symlink("../../outside", "t/a/link"));
	ASSERT_EQ(0, symlink("outside", "link"));
	snprintf(path, sizeof(path), "%s/t", self->dir);
	EXPECT_EQ(0, fs_remove_tree(path, &self->err)) TH_LOG("%s", self->err.text);
	snprintf(path, sizeof(path), "%s/link", self->dir);
	EXPECT_EQ(0, fs_remove_tree(path, &self->err)) TH_LOG("%s", self->err.text);
	EXPECT_EQ(0, access("outside/precious", F_OK));
	EXPECT_EQ(0, fs_remove_tree(path, &self->err));
}

TEST_F(tree, removal_stops_at_mounts)
{
	char path[96], mnt[96];

	if (geteuid() || unshare(CLONE_NEWNS) < 0 || mount("", "/", "", MS_REC | MS_PRIVATE, "") < 0)
		SKIP(return, "needs permission to mount");
	snprintf(path, sizeof(path), "%s/t", self->dir);
	snprintf(mnt, sizeof(mnt), "%s/t/a/mnt", self->dir);
	ASSERT_EQ(0, fs_mkdir_p(mnt, 0755, NULL, &self->err));
	ASSERT_EQ(0, fs_write("t/gone", "x", 1, 0644, &self->err));
	ASSERT_EQ(0, mkdir("data", 0755));
	ASSERT_EQ(0, fs_write("data/precious", "x", 1, 0644, &self->err));
	/* On the same file system: its device number would not tell. */
	ASSERT_EQ(0, mount("data", mnt, "", MS_BIND, ""));
	EXPECT_EQ(1, fs_is_mount(mnt));
	EXPECT_EQ(-1, fs_remove_tree(path, &self->err));
	EXPECT_EQ(EBUSY, self->err.err);
	EXPECT_NE(NULL, strstr(self->err.text, "mnt")) TH_LOG("%s", self->err.text);
	EXPECT_EQ(0, access("data/precious", F_OK));
	EXPECT_NE(0, access("t/gone", F_OK));
	EXPECT_EQ(-1, fs_remove_tree(mnt, &self->err));
	EXPECT_EQ(0, access("data/precious", F_OK));
	EXPECT_EQ(0, fs_unmount(mnt, &self->err));
	EXPECT_EQ(0, fs_unmount(mnt, &self->err));
	EXPECT_EQ(0, fs_remove_tree(path, &self->err)) TH_LOG("%s", self->err.text);
	EXPECT_EQ(0, access("data/precious", F_OK));
}

TEST_F(tree, a_deep_tree_is_removed)
{
	struct rlimit few = { 64, 64 };
	char path[96];

	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &few));
	snprintf(path, sizeof(path), "%s/deep", self->dir);
	ASSERT_EQ(0, mkdir("deep", 0755));
	ASSERT_EQ(0, mkdir("deep/.removed-1", 0755));
	ASSERT_EQ(0, chdir("deep"));
	for (int i = 0; i < 3000; i++) {
		ASSERT_EQ(0, mkdir("d", 0755));
		ASSERT_EQ(0, chdir("d"));
	}
	ASSERT_EQ(0, chdir("/"));
	EXPECT_EQ(0, fs_remove_tree(path, &self->err)) TH_LOG("%s", self->err.text);
}

/* fs_mkdir_in(); *@real: the path that it has, malloc'd. */
static int make_in(const char *root, const char *path, mode_t mode, char **real, struct fs_made *made, struct gcs_error *err)
{
	_cleanup_close_ int dir = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	_cleanup_close_ int fd = dir < 0 ? -1 : fs_mkdir_in(dir, path, mode, made, err);
	char link[32];

	if (fd < 0)
		return -1;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	if (real)
		*real = realpath(link, NULL);
	return 0;
}

TEST_F(tree, directories_in_a_root_stay_in_it)
{
	char root[96];

	snprintf(root, sizeof(root), "%s/root", self->dir);
	ASSERT_EQ(0, mkdir("root", 0755));
	ASSERT_EQ(0, mkdir("outside", 0755));
	ASSERT_EQ(0, symlink("/../../outside", "root/up"));
	ASSERT_EQ(0, symlink("/real", "root/absolute"));
	ASSERT_EQ(0, mkdir("root/real", 0755));
	EXPECT_EQ(0, make_in(root, "/a/b/c", 0755, NULL, NULL, &self->err)) TH_LOG("%s", self->err.text);
	EXPECT_EQ(0, access("root/a/b/c", F_OK));
	EXPECT_EQ(0, make_in(root, "/absolute/x", 0755, NULL, NULL, &self->err)) TH_LOG("%s", self->err.text);
	EXPECT_EQ(0, access("root/real/x", F_OK));
	/* There is no "outside" in the root, and nothing is made through the dangling link. */
	EXPECT_EQ(-1, make_in(root, "/up/x", 0755, NULL, NULL, &self->err));
	EXPECT_NE(0, access("outside/x", F_OK));
	EXPECT_EQ(0, make_in(root, "/../../esc", 0755, NULL, NULL, &self->err)) TH_LOG("%s", self->err.text);
	EXPECT_EQ(0, access("root/esc", F_OK));
	EXPECT_NE(0, access("esc", F_OK));
}

TEST_F(tree, a_directory_in_a_root_has_its_mode_and_its_path_without_links)
{
	_cleanup_free_ char *real = NULL, *same = NULL;
	char root[96], expect[128];
	struct stat st;
	struct fs_made made = { 0 };

	snprintf(root, sizeof(root), "%s/root", self->dir);
	snprintf(expect, sizeof(expect), "%s/root/real/x", self->dir);
	ASSERT_EQ(0, mkdir("root", 0755));
	ASSERT_EQ(0, mkdir("root/real", 0700));
	ASSERT_EQ(0, symlink("/real", "root/link"));
	umask(077);
	ASSERT_EQ(0, make_in(root, "/link/x", 0777, &real, &made, &self->err)) TH_LOG("%s", self->err.text);
	umask(022);
	EXPECT_EQ(1, made.count);
	EXPECT_STREQ(expect, real);
	ASSERT_EQ(0, stat("root/real/x", &st));
	EXPECT_EQ(0777, st.st_mode & 07777);
	ASSERT_EQ(0, stat("root/real", &st));
	EXPECT_EQ(0700, st.st_mode & 07777);
	ASSERT_EQ(0, make_in(root, "real/x/", 0700, &same, &made, &self->err)) TH_LOG("%s", self->err.text);
	EXPECT_EQ(1, made.count);
	EXPECT_STREQ(expect, same);
	/* The link is another's by now: what was made is what goes. */
	ASSERT_EQ(0, unlink("root/link"));
	ASSERT_EQ(0, mkdir("root/link", 0755));
	ASSERT_EQ(0, mkdir("root/link/x", 0755));
	fs_made_undo(&made);
	EXPECT_EQ(0, made.count);
	EXPECT_NE(0, access("root/real/x", F_OK));
	EXPECT_EQ(0, access("root/link/x", F_OK));
}

static bool may_mount(void)
{
	return !geteuid() && unshare(CLONE_NEWNS) == 0 && mount("", "/", "", MS_REC | MS_PRIVATE, "") == 0;
}

static int bind_mount(const char *dir, unsigned long propagation)
{
	return mount(dir, dir, "", MS_BIND, "") < 0 ? -1 : mount("", dir, "", propagation, "");
}

TEST_F(tree, what_is_made_in_a_mount_of_somebody_is_not_taken_back)
{
	struct fs_made made = { 0 };
	char root[96];

	if (!may_mount())
		SKIP(return, "needs permission to mount");
	snprintf(root, sizeof(root), "%s/root", self->dir);
	ASSERT_EQ(0, fs_mkdir_p("root/theirs", 0755, NULL, &self->err));
	ASSERT_EQ(0, bind_mount("root/theirs", MS_PRIVATE));
	ASSERT_EQ(0, make_in(root, "/theirs/a", 0755, NULL, &made, &self->err)) TH_LOG("%s", self->err.text);
	ASSERT_EQ(0, make_in(root, "/ours/b", 0755, NULL, &made, &self->err)) TH_LOG("%s", self->err.text);
	EXPECT_EQ(2, made.count);
	fs_made_undo(&made);
	EXPECT_EQ(0, access("root/theirs/a", F_OK));
	EXPECT_NE(0, access("root/ours", F_OK));
	ASSERT_EQ(0, umount("root/theirs"));
}

TEST_F(tree, everything_below_is_unmounted_though_it_is_used_and_nothing_elsewhere)
{
	char dir[96], text[256];
	int used;

	if (!may_mount())
		SKIP(return, "needs permission to mount");
	snprintf(dir, sizeof(dir), "%s/d", self->dir);
	ASSERT_EQ(0, fs_mkdir_p("d/plain", 0755, NULL, &self->err));
	ASSERT_EQ(0, mkdir("copy", 0755));
	/* Nothing on it: what is below, by a name that must be decoded, and behind a link, which is not. */
	ASSERT_EQ(0, mkdir("d/a b\\", 0755));
	ASSERT_EQ(0, mkdir("elsewhere", 0755));
	ASSERT_EQ(0, mount("x", "d/a b\\", "tmpfs", 0, ""));
	ASSERT_EQ(0, mkdir("d/a b\\/c", 0755));
	ASSERT_EQ(0, mount("x", "d/a b\\/c", "tmpfs", 0, ""));
	ASSERT_EQ(0, mount("x", "elsewhere", "tmpfs", 0, ""));
	ASSERT_EQ(0, symlink("../elsewhere", "d/link"));
	used = open("d/a b\\/c", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ASSERT_LE(0, used);
	EXPECT_EQ(0, fs_unmount_below(dir, &self->err)) TH_LOG("%s", self->err.text);
	EXPECT_EQ(0, fs_is_mount("d/a b\\"));
	EXPECT_EQ(1, fs_is_mount("elsewhere"));
	close(used);
	/* Mounts on each other, shared with a copy that keeps what it has. */
	ASSERT_EQ(0, bind_mount("d", MS_SHARED));
	ASSERT_EQ(0, mount("d", "copy", "", MS_BIND, ""));
	ASSERT_EQ(0, mount("x", "copy/plain", "tmpfs", 0, ""));
	ASSERT_EQ(1, fs_is_mount("d/plain"));
	ASSERT_EQ(0, mount("x", "d/plain", "tmpfs", 0, ""));
	ASSERT_EQ(0, mkdir("copy/plain/kept", 0755));
	EXPECT_EQ(0, fs_unmount_below(dir, &self->err)) TH_LOG("%s", self->err.text);
	EXPECT_EQ(0, fs_is_mount(dir));
	EXPECT_EQ(0, fs_is_mount("d/plain"));
	EXPECT_EQ(0, access("copy/plain/kept", F_OK));
	EXPECT_EQ(0, fs_unmount_below(dir, &self->err));
	snprintf(text, sizeof(text), "%s/copy", self->dir);
	EXPECT_EQ(0, fs_unmount_below(text, &self->err)) TH_LOG("%s", self->err.text);
	ASSERT_EQ(0, umount("elsewhere"));
}

TEST_F(tree, of_a_directory_that_cannot_be_made_in_a_root_no_parent_is_left)
{
	char root[96], path[NAME_MAX + 32];

	snprintf(root, sizeof(root), "%s/root", self->dir);
	ASSERT_EQ(0, mkdir("root", 0755));
	ASSERT_EQ(0, mkdir("root/there", 0755));
	/* The last component's name is too long. */
	memset(path, 'x', sizeof(path) - 1);
	path[sizeof(path) - 1] = '\0';
	memcpy(path, "there//a/b///c/", 15);
	EXPECT_EQ(-1, make_in(root, path, 0755, NULL, NULL, &self->err));
	EXPECT_EQ(ENAMETOOLONG, self->err.err);
	EXPECT_NE(0, access("root/there/a", F_OK));
	EXPECT_EQ(0, access("root/there", F_OK));
	memcpy(path, "/d/e/f/there/..", 15);
	EXPECT_EQ(-1, make_in(root, path, 0755, NULL, NULL, &self->err));
	EXPECT_NE(0, access("root/d", F_OK));
}

TEST_F(tree, of_a_directory_that_cannot_be_made_no_parent_is_left)
{
	char path[400] = "d/a/b/";
	bool made = true;

	ASSERT_EQ(0, mkdir("d", 0755));
	ASSERT_EQ(0, fs_write("d/file", "x", 1, 0644, &self->err));
	EXPECT_EQ(-1, fs_mkdir_p("d/file/x", 0755, &made, &self->err));
	EXPECT_EQ(ENOTDIR, self->err.err);
	EXPECT_FALSE(made);
	/* A name that is too long, below what can be made. */
	memset(path + 6, 'x', 300);
	EXPECT_EQ(-1, fs_mkdir_p(path, 0755, &made, &self->err));
	EXPECT_EQ(ENAMETOOLONG, self->err.err);
	EXPECT_NE(0, access("d/a", F_OK));
	EXPECT_EQ(0, access("d/file", F_OK));
}

TEST_F(tree, a_path_of_a_request_is_plain_and_without_links)
{
	char path[200];

	ASSERT_EQ(0, mkdir("d", 0755));
	ASSERT_EQ(0, symlink("d", "link"));
	snprintf(path, sizeof(path), "%s/d/not/there", self->dir);
	EXPECT_EQ(0, path_check("Field", path, &self->err)) TH_LOG("%s", self->err.text);
	snprintf(path, sizeof(path), "%s/link", self->dir);
	EXPECT_EQ(-1, path_check("Field", path, &self->err));
	EXPECT_EQ(HR_INVALID_ARG, self->err.hr);
	EXPECT_NE(NULL, strstr(self->err.text, "Field \"")) TH_LOG("%s", self->err.text);
	snprintf(path, sizeof(path), "%s/link/not/there", self->dir);
	EXPECT_EQ(-1, path_check("Field", path, &self->err));
	EXPECT_EQ(-1, path_check("Field", "d", &self->err));
	EXPECT_EQ(-1, path_check("Field", "", &self->err));
}

TEST(mounts_below_a_directory_are_found_by_components_and_with_blanks)
{
	char text[] = "22 1 0:20 / /run rw shared:1 - tmpfs tmpfs rw\n"
		      "23 22 0:21 / /run/p rw - tmpfs tmpfs rw\n"
		      "24 22 0:21 / /run/pq rw - tmpfs tmpfs rw\n"
		      "25 23 0:21 / /run/p/a\\040b\\134 rw - tmpfs tmpfs rw\n"
		      "torn line\n"
		      "26 23 0:21 /x /run/p rw - tmpfs tmpfs rw\n";
	char *paths[2];

	EXPECT_EQ(3, mountinfo_below(text, "/run/p", paths, 2));
	EXPECT_STREQ("/run/p", paths[0]);
	EXPECT_STREQ("/run/p/a b\\", paths[1]);
}

TEST_HARNESS_MAIN

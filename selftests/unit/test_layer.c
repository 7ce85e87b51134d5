// SPDX-License-Identifier: MIT
// unit-sources: userspace/uvmctl/layer_tree.c userspace/uvmctl/layer_disk.c
/* Layers: what a tar becomes, also one that somebody has made to do harm. e2fsck(8) and debugfs(8) say what is on the disk. */
#include <archive.h>
#include <archive_entry.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../userspace/uvmctl/layer_disk.h"
#include "kselftest_harness.h"

#define TAR_MAX (8 << 20)

static struct gcs_error err;
static const unsigned char uuid[16] = { 1, 2, 3 };

FIXTURE(layer)
{
	char *tar, *said;
	size_t size;
	struct archive *to;
	struct archive_entry *entry;
	struct layer_tree tree;
	struct layer_limits limits;
	int disk;
};

static void begin(FIXTURE_DATA(layer) *self)
{
	self->size = 0;
	self->to = archive_write_new();
	archive_write_set_format_pax(self->to);
	archive_write_open_memory(self->to, self->tar, TAR_MAX, &self->size);
}

FIXTURE_SETUP(layer)
{
	self->tar = malloc(TAR_MAX);
	self->said = malloc(65536);
	self->entry = archive_entry_new();
	self->limits = (struct layer_limits){ .bytes = 64 << 20, .nodes = 1000 };
	self->disk = memfd_create("disk", 0);
	begin(self);
}

FIXTURE_TEARDOWN(layer)
{
	archive_write_free(self->to);
	archive_entry_free(self->entry);
	layer_tree_free(&self->tree);
	close(self->disk);
	free(self->tar);
	free(self->said);
}

/* The next entry: its members can be changed until put(). */
static struct archive_entry *entry(FIXTURE_DATA(layer) *self, const char *path, mode_t mode)
{
	archive_entry_clear(self->entry);
	archive_entry_set_pathname(self->entry, path);
	archive_entry_set_mode(self->entry, mode);
	archive_entry_set_mtime(self->entry, 1000000000, 5);
	archive_entry_set_size(self->entry, 0);
	return self->entry;
}

static void put(FIXTURE_DATA(layer) *self, const char *content)
{
	archive_entry_set_size(self->entry, (int64_t)strlen(content));
	if (archive_write_header(self->to, self->entry) != ARCHIVE_OK)
		abort();
	archive_write_data(self->to, content, strlen(content));
}

static void file(FIXTURE_DATA(layer) *self, const char *path, const char *content)
{
	entry(self, path, S_IFREG | 0644);
	put(self, content);
}

static void dir(FIXTURE_DATA(layer) *self, const char *path, mode_t mode)
{
	entry(self, path, S_IFDIR | mode);
	put(self, "");
}

static void symbolic(FIXTURE_DATA(layer) *self, const char *path, const char *target)
{
	archive_entry_set_symlink(entry(self, path, S_IFLNK | 0777), target);
	put(self, "");
}

static void hard(FIXTURE_DATA(layer) *self, const char *path, const char *target)
{
	archive_entry_set_hardlink(entry(self, path, S_IFREG | 0644), target);
	put(self, "");
}

static struct archive *from(FIXTURE_DATA(layer) *self)
{
	struct archive *a = archive_read_new();

	archive_read_support_format_tar(a);
	archive_read_open_memory(a, self->tar, self->size);
	return a;
}

static int read_tree(FIXTURE_DATA(layer) *self)
{
	struct archive *a;
	int ret;

	archive_write_close(self->to);
	a = from(self);
	err = (struct gcs_error){ 0 };
	ret = layer_tree_read(&self->tree, a, true, &self->limits, &err);
	archive_read_free(a);
	return ret;
}

/* What @command, in which %d is the disk, says; NULL unless it succeeds. */
static const char *say(FIXTURE_DATA(layer) *self, const char *command)
{
	char line[512];
	size_t n;
	FILE *f;

	snprintf(line, sizeof(line), "PATH=$PATH:/sbin:/usr/sbin; disk=/proc/self/fd/%d; exec 2>&1; %s", self->disk, command);
	f = popen(line, "r");
	n = fread(self->said, 1, 65535, f);
	self->said[n] = '\0';
	return pclose(f) == 0 ? self->said : NULL;
}

static int make_disk(FIXTURE_DATA(layer) *self)
{
	struct archive *a;
	int ret;

	if (read_tree(self) < 0)
		return -1;
	a = from(self);
	ret = layer_disk_write(self->disk, &self->tree, a, uuid, &err);
	archive_read_free(a);
	if (ret == 0 && !say(self, "e2fsck -fn $disk"))
		ret = gcs_fail(&err, 0, HR_FAIL, "e2fsck: %s", self->said);
	return ret;
}

static bool has(FIXTURE_DATA(layer) *self, const char *command, const char *text)
{
	char line[256];

	snprintf(line, sizeof(line), "debugfs -R '%s' $disk", command);
	if (!say(self, line) || !strstr(self->said, text)) {
		fprintf(stderr, "# %s: %s\n", command, self->said);
		return false;
	}
	return true;
}

TEST_F(layer, everything_that_a_tar_can_say_is_on_the_disk)
{
	struct archive_entry *e;

	dir(self, "./", 0750);
	dir(self, "bin/", 0755);
	e = entry(self, "bin/su", S_IFREG | 04755);
	archive_entry_set_uid(e, 70000);
	archive_entry_set_gid(e, 80000);
	archive_entry_xattr_add_entry(e, "security.capability", "\1\2\3\4", 4);
	archive_entry_xattr_add_entry(e, "user.note", "hello", 5);
	archive_entry_xattr_add_entry(e, "trusted.overlay.redirect", "/etc", 4);
	put(self, "content of su");
	hard(self, "bin/also-su", "bin/su");
	symbolic(self, "bin/short", "su");
	symbolic(self, "bin/long", "/a/target/that/is/longer/than/the/sixty/bytes/which/an/inode/has/room/for");
	e = entry(self, "null", S_IFCHR | 0666);
	archive_entry_set_rdevmajor(e, 1);
	archive_entry_set_rdevminor(e, 3);
	put(self, "");
	e = entry(self, "disk", S_IFBLK | 0660);
	archive_entry_set_rdevmajor(e, 259);
	archive_entry_set_rdevminor(e, 70000);
	put(self, "");
	entry(self, "pipe", S_IFIFO | 0600);
	put(self, "");
	file(self, "empty", "");
	file(self, "a/b/c/deep", "down there");
	ASSERT_EQ(0, make_disk(self)) TH_LOG("%s", err.text);
	EXPECT_TRUE(has(self, "stat /", "Mode:  0750"));
	EXPECT_TRUE(has(self, "cat /bin/su", "content of su"));
	EXPECT_TRUE(has(self, "cat /bin/also-su", "content of su"));
	EXPECT_TRUE(has(self, "stat /bin/su", "Mode:  04755"));
	EXPECT_TRUE(has(self, "stat /bin/su", "User: 70000   Group: 80000"));
	EXPECT_TRUE(has(self, "stat /bin/su", "Links: 2"));
	EXPECT_TRUE(has(self, "stat /bin/su", "mtime: 0x3b9aca00:00000014"));
	EXPECT_TRUE(has(self, "ea_get /bin/su user.note", "hello"));
	EXPECT_TRUE(has(self, "ea_list /bin/su", "security.capability (4)"));
	EXPECT_EQ(NULL, strstr(self->said, "overlay"));
	EXPECT_TRUE(has(self, "stat /bin/short", "Fast link dest: \"su\""));
	EXPECT_TRUE(has(self, "cat /bin/long", "room/for"));
	EXPECT_TRUE(has(self, "stat /null", "Device major/minor number: 01:03"));
	EXPECT_TRUE(has(self, "stat /disk", "(hex 103:11170)"));
	EXPECT_TRUE(has(self, "stat /pipe", "Type: FIFO"));
	EXPECT_TRUE(has(self, "stat /empty", "Size: 0"));
	EXPECT_TRUE(has(self, "stat /a/b", "Mode:  0755"));
	EXPECT_TRUE(has(self, "stat /a/b", "Links: 3"));
	EXPECT_TRUE(has(self, "cat /a/b/c/deep", "down there"));
}

TEST_F(layer, whiteouts_are_what_an_overlay_knows)
{
	file(self, "dir/.wh.gone", "");
	file(self, "dir/.wh..wh..opq", "");
	file(self, ".wh..wh.plnk/1.2", "");
	dir(self, ".wh..wh.orph", 0700);
	/* What the layer has itself stays, in either order; a directory hides what was in it before. */
	file(self, ".wh.file-after", "");
	file(self, "file-after", "new");
	file(self, "file-before", "new");
	file(self, ".wh.file-before", "");
	file(self, ".wh.dir-after", "");
	dir(self, "dir-after", 0700);
	file(self, "dir-before/file", "new");
	file(self, ".wh.dir-before", "");
	file(self, ".wh.implied", "");
	file(self, "implied/file", "new");
	ASSERT_EQ(0, make_disk(self)) TH_LOG("%s", err.text);
	EXPECT_TRUE(has(self, "stat /dir/gone", "Device major/minor number: 00:00"));
	EXPECT_TRUE(has(self, "ea_get /dir trusted.overlay.opaque", "\"y\""));
	EXPECT_TRUE(has(self, "stat /file-after", "Type: regular"));
	EXPECT_TRUE(has(self, "stat /file-before", "Type: regular"));
	EXPECT_TRUE(has(self, "ea_get /dir-after trusted.overlay.opaque", "\"y\""));
	EXPECT_TRUE(has(self, "stat /dir-after", "Mode:  0700"));
	EXPECT_TRUE(has(self, "ea_get /dir-before trusted.overlay.opaque", "\"y\""));
	EXPECT_TRUE(has(self, "ea_get /implied trusted.overlay.opaque", "\"y\""));
	EXPECT_TRUE(has(self, "ls /", "dir"));
	EXPECT_EQ(NULL, strstr(self->said, ".wh."));
	EXPECT_EQ(NULL, strstr(self->said, "plnk"));
}

TEST_F(layer, a_later_entry_replaces_an_earlier_one)
{
	file(self, "file", "old");
	file(self, "file", "the new one");
	file(self, "was-dir/inside", "old");
	hard(self, "linked", "was-dir/inside");
	file(self, "was-dir", "a file now");
	symbolic(self, "was-link", "/nowhere");
	dir(self, "was-link", 0711);
	dir(self, "kept", 0700);
	file(self, "kept/inside", "still here");
	dir(self, "kept", 0751);
	/* A link to what it replaces: the directory around it goes, the file does not. */
	file(self, "around/inside", "saved");
	hard(self, "around", "around/inside");
	ASSERT_EQ(0, make_disk(self)) TH_LOG("%s", err.text);
	EXPECT_TRUE(has(self, "cat /file", "the new one"));
	EXPECT_TRUE(has(self, "cat /was-dir", "a file now"));
	EXPECT_TRUE(has(self, "cat /linked", "old"));
	EXPECT_TRUE(has(self, "stat /linked", "Links: 1"));
	EXPECT_TRUE(has(self, "stat /was-link", "Mode:  0711"));
	EXPECT_TRUE(has(self, "ea_get /was-link trusted.overlay.opaque", "\"y\""));
	EXPECT_TRUE(has(self, "stat /kept", "Mode:  0751"));
	EXPECT_TRUE(has(self, "cat /kept/inside", "still here"));
	EXPECT_TRUE(has(self, "cat /around", "saved"));
}

TEST_F(layer, links_on_the_way_lead_nowhere_but_into_the_image)
{
	symbolic(self, "abs", "/usr/lib");
	file(self, "abs/one", "1");
	dir(self, "deep/er", 0755);
	symbolic(self, "deep/er/up", "../../../../../../etc");
	file(self, "deep/er/up/two", "2");
	symbolic(self, "chain", "abs");
	symbolic(self, "d/to-top", "/single");
	symbolic(self, "top", "d/to-top");
	file(self, "single", "6");
	file(self, "chain/three", "3");
	file(self, "/absolute/path", "4");
	file(self, "a/./b/../four", "5");
	ASSERT_EQ(0, make_disk(self)) TH_LOG("%s", err.text);
	EXPECT_TRUE(has(self, "cat /usr/lib/one", "1"));
	EXPECT_TRUE(has(self, "cat /etc/two", "2"));
	EXPECT_TRUE(has(self, "cat /usr/lib/three", "3"));
	EXPECT_TRUE(has(self, "cat /absolute/path", "4"));
	EXPECT_TRUE(has(self, "cat /a/four", "5"));
	EXPECT_NE(NULL, layer_tree_file(&self->tree, "abs/one"));
	EXPECT_EQ(NULL, layer_tree_file(&self->tree, "abs"));
	EXPECT_NE(NULL, layer_tree_file(&self->tree, "top"));
	EXPECT_EQ(NULL, layer_tree_file(&self->tree, "../abs/nothing"));
}

/* One entry that must not be taken, and what is said about it. */
#define REFUSED(why)                                                          \
	do {                                                                  \
		EXPECT_EQ(-1, read_tree(self));                               \
		EXPECT_NE(NULL, strstr(err.text, why)) TH_LOG("%s", err.text); \
		EXPECT_EQ(NULL, self->tree.root);                             \
		archive_write_free(self->to);                                 \
		begin(self);                                                  \
	} while (0)

TEST_F(layer, hostile_entries_are_refused_by_name)
{
	char *name = malloc(4096);

	file(self, "../escape", "");
	REFUSED("\"../escape\": its path leads out");
	file(self, "a/../../escape", "");
	REFUSED("leads out");
	hard(self, "link", "../../etc/passwd");
	REFUSED("\"link\": its path leads out");
	hard(self, "link", "/etc/passwd");
	REFUSED("not in this layer");
	dir(self, "dir", 0755);
	hard(self, "link", "dir");
	REFUSED("a hard link to a directory");
	symbolic(self, "a", "b");
	symbolic(self, "b", "a");
	file(self, "a/file", "");
	REFUSED("too many symbolic links");
	file(self, "file", "");
	file(self, "file/below", "");
	REFUSED("its directory is none");
	file(self, ".wh...", "");
	REFUSED("a whiteout of no name");
	file(self, ".wh.dir/file", "");
	REFUSED("a whiteout as a directory");
	file(self, ".wh.", "");
	REFUSED("a whiteout of no name");
	memset(name, 'n', 300);
	strcpy(name + 300, "");
	file(self, name, "");
	REFUSED("its name is too long");
	archive_entry_xattr_add_entry(entry(self, "file", S_IFREG), "user.large", self->tar, 5000);
	put(self, "");
	REFUSED("extended attributes are too large");
	memset(name, 'l', 4095);
	name[4095] = '\0';
	symbolic(self, "link", name);
	REFUSED("a path that is too long");
	free(name);
}

TEST_F(layer, limits_hold)
{
	char name[16];

	for (unsigned int i = 0; i < 1001; i++) {
		snprintf(name, sizeof(name), "f%u", i);
		file(self, name, "");
	}
	REFUSED("more than 1000 files");
	for (unsigned int i = 0; i < 5000; i++)
		file(self, "same", "");
	REFUSED("more than 4000 entries");
	/* As sparse files, or as promises, bombs cost their maker nothing. */
	entry(self, "bomb", S_IFREG | 0644);
	archive_entry_sparse_add_entry(self->entry, 0, 1);
	archive_entry_set_size(self->entry, 1ll << 50);
	archive_write_header(self->to, self->entry);
	archive_write_data(self->to, "x", 1);
	REFUSED("more than 64 MiB (--max-size)");
}

TEST_F(layer, depth_is_limited_also_by_way_of_links)
{
	char path[2048] = "";

	self->limits.nodes = 100000;
	for (int i = 0; i < 500; i++)
		strcat(path, "d/");
	dir(self, path, 0755);
	symbolic(self, "l", path);
	strcpy(path, "l/");
	for (int i = 0; i < 600; i++)
		strcat(path, "e/");
	strcat(path, "f");
	file(self, path, "");
	REFUSED("too long");
}

TEST_F(layer, sparse_files_keep_their_holes)
{
	FILE *f = popen("dir=$(mktemp -d) && cd $dir && truncate -s 40M sparse && printf hello >> sparse && truncate -s 50M sparse && "
			"tar -Scf - sparse; rm -r $dir", "r");

	archive_write_close(self->to);
	self->size = fread(self->tar, 1, TAR_MAX, f);
	pclose(f);
	ASSERT_LT(self->size, 65536);
	ASSERT_EQ(0, make_disk(self)) TH_LOG("%s", err.text);
	EXPECT_TRUE(has(self, "stat /sparse", "Size: 52428800"));
	EXPECT_TRUE(has(self, "stat /sparse", "Blockcount: 8\n"));
	EXPECT_NE(NULL, say(self, "debugfs -R 'cat /sparse' $disk 2>&- | tail -c +41943041 | head -c 5"));
	EXPECT_STREQ("hello", self->said);
}

TEST_F(layer, the_same_tree_is_the_same_disk_whatever_the_order)
{
	unsigned char *first, *second;
	struct stat a, b;
	int disk;

	file(self, "b", "2");
	file(self, "a", "2");
	dir(self, "c", 0755);
	ASSERT_EQ(0, make_disk(self)) TH_LOG("%s", err.text);
	disk = self->disk;
	layer_tree_free(&self->tree);
	self->disk = memfd_create("disk", 0);
	ASSERT_EQ(0, make_disk(self)) TH_LOG("%s", err.text);
	ASSERT_EQ(0, fstat(disk, &a));
	ASSERT_EQ(0, fstat(self->disk, &b));
	ASSERT_EQ(a.st_size, b.st_size);
	first = mmap(NULL, (size_t)a.st_size, PROT_READ, MAP_SHARED, disk, 0);
	second = mmap(NULL, (size_t)a.st_size, PROT_READ, MAP_SHARED, self->disk, 0);
	EXPECT_EQ(0, memcmp(first, second, (size_t)a.st_size));
	munmap(first, (size_t)a.st_size);
	munmap(second, (size_t)a.st_size);
	close(disk);
}

TEST_F(layer, a_directory_of_thousands_and_names_of_255_bytes_fit)
{
	char name[300];

	self->limits.nodes = 10000;
	for (unsigned int i = 0; i < 2000; i++) {
		memset(name, 'x', 255);
		snprintf(name, sizeof(name), "d/%04u", i);
		memset(name + 6, 'x', 251);
		name[257] = '\0';
		file(self, name, i % 2 ? "" : "content");
	}
	ASSERT_EQ(0, make_disk(self)) TH_LOG("%s", err.text);
	EXPECT_NE(NULL, say(self, "debugfs -R 'ls -p /d' $disk | grep -c /1999x")) TH_LOG("%.200s", self->said);
}

TEST_F(layer, a_tar_that_is_cut_is_an_error)
{
	file(self, "whole", "content");
	file(self, "cut", "content that is not all there");
	archive_write_close(self->to);
	self->size = 3 * 512 + 512 + 100;
	EXPECT_EQ(-1, make_disk(self));
	EXPECT_NE(NULL, strstr(err.text, "runcated")) TH_LOG("%s", err.text);
}

TEST_HARNESS_MAIN

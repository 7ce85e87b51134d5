// SPDX-License-Identifier: MIT
/* The table of owned resources: what is undone, in which order, and what stands on what. Mounts: test_disk. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fs.h"
#include "storage/internal.h"

#include "kselftest_harness.h"

FIXTURE(owned)
{
	char dir[32], path[64], link[64];
	struct gcs_error err;
};

FIXTURE_SETUP(owned)
{
	strcpy(self->dir, "/tmp/owned.XXXXXX");
	ASSERT_NE(NULL, mkdtemp(self->dir));
	snprintf(self->path, sizeof(self->path), "%s/d", self->dir);
	snprintf(self->link, sizeof(self->link), "%s/d/link", self->dir);
}

FIXTURE_TEARDOWN(owned)
{
	fs_remove_tree(self->dir, NULL);
}

/* A directory with a link in it. */
static struct owned *make(const char *path, const char *link, struct gcs_error *err)
{
	struct owned *o = owned_claim(path, "thing", err);

	if (!o || mkdir(path, 0700) < 0 || owned_push(o, OWNED_DIR, path, err) < 0 || symlink("/nowhere", link) < 0 ||
	    owned_push(o, OWNED_LINK, link, err) < 0)
		return NULL;
	return o;
}

static bool is_there(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0;
}

static bool dump_has(const char *text)
{
	char *dump = NULL;
	size_t size;
	FILE *f = open_memstream(&dump, &size);
	bool has;

	owned_dump(f);
	fclose(f);
	has = strstr(dump, text);
	free(dump);
	return has;
}

TEST_F(owned, steps_are_undone_in_reverse_and_forgotten)
{
	struct owned *o = make(self->path, self->link, &self->err), *other;

	ASSERT_NE(NULL, o) TH_LOG("%s", self->err.text);
	owned_keep(o);
	EXPECT_TRUE(dump_has(self->link));
	ASSERT_EQ(1, owned_acquire(self->path, NULL, &other, &self->err));
	EXPECT_EQ(o, other);
	/* Were the directory first, it would stay. */
	ASSERT_EQ(0, owned_undo(o, &self->err)) TH_LOG("%s", self->err.text);
	EXPECT_FALSE(is_there(self->path));
	EXPECT_FALSE(dump_has("thing"));
	EXPECT_EQ(0, owned_acquire(self->path, NULL, &other, &self->err));
	EXPECT_EQ(0, owned_remove("path", self->path, &self->err));
}

TEST_F(owned, a_step_that_fails_can_be_undone_later)
{
	struct owned *o = make(self->path, self->link, &self->err);

	ASSERT_NE(NULL, o) TH_LOG("%s", self->err.text);
	owned_keep(o);
	ASSERT_EQ(0, unlink(self->link));
	ASSERT_EQ(0, mkdir(self->link, 0700));
	ASSERT_EQ(-1, owned_remove("path", self->path, &self->err));
	EXPECT_EQ(EISDIR, self->err.err);
	EXPECT_NE(NULL, strstr(self->err.text, self->link)) TH_LOG("%s", self->err.text);
	EXPECT_TRUE(is_there(self->path));
	EXPECT_EQ(-1, owned_remove("path", self->path, &self->err));
	ASSERT_EQ(0, rmdir(self->link));
	ASSERT_EQ(0, owned_remove("path", self->path, &self->err)) TH_LOG("%s", self->err.text);
	EXPECT_FALSE(is_there(self->path));
}

TEST_F(owned, a_directory_with_something_of_others_in_it_stays)
{
	struct owned *o = make(self->path, self->link, &self->err);
	char file[80];

	ASSERT_NE(NULL, o) TH_LOG("%s", self->err.text);
	snprintf(file, sizeof(file), "%s/kept", self->path);
	ASSERT_EQ(0, fs_write(file, "x", 1, 0600, &self->err));
	ASSERT_EQ(0, owned_undo(o, &self->err)) TH_LOG("%s", self->err.text);
	EXPECT_TRUE(is_there(file));
	EXPECT_FALSE(is_there(self->link));
}

TEST_F(owned, a_path_is_one_s_only_and_not_waited_for)
{
	struct owned *o = owned_claim(self->path, "thing", &self->err), *other;
	char slash[80];

	ASSERT_NE(NULL, o);
	snprintf(slash, sizeof(slash), "%s/", self->path);
	EXPECT_EQ(NULL, owned_claim(self->path, "other", &self->err));
	EXPECT_EQ(EBUSY, self->err.err);
	EXPECT_EQ(-1, owned_acquire(slash, NULL, &other, &self->err));
	EXPECT_EQ(EBUSY, self->err.err);
	owned_keep(o);
	EXPECT_EQ(NULL, owned_claim(slash, "other", &self->err));
	EXPECT_EQ(EEXIST, self->err.err);
	EXPECT_NE(NULL, strstr(self->err.text, "there is thing already")) TH_LOG("%s", self->err.text);
	ASSERT_EQ(0, owned_remove("path", slash, &self->err)) TH_LOG("%s", self->err.text);
	o = owned_claim(self->path, "other", &self->err);
	ASSERT_NE(NULL, o);
	EXPECT_EQ(0, owned_undo(o, &self->err));
}

TEST_F(owned, what_others_stand_on_stays_and_they_are_named)
{
	struct owned *base = make(self->path, self->link, &self->err), *o;
	char below[80], beside[80];

	ASSERT_NE(NULL, base) TH_LOG("%s", self->err.text);
	ASSERT_EQ(0, owned_use(base, "device 1", &self->err));
	snprintf(below, sizeof(below), "%s/a/b", self->path);
	snprintf(beside, sizeof(beside), "%sx", self->path);
	o = owned_claim("/run/user", "user", &self->err);
	ASSERT_NE(NULL, o);
	/* It is being made, and may be gone. */
	EXPECT_EQ(-1, owned_use(o, below, &self->err));
	EXPECT_EQ(EBUSY, self->err.err);
	owned_keep(base);
	ASSERT_EQ(0, owned_use(o, beside, &self->err));
	ASSERT_EQ(0, owned_use(o, below, &self->err));
	owned_keep(o);

	EXPECT_EQ(-1, owned_remove("path", self->path, &self->err));
	EXPECT_EQ(EBUSY, self->err.err);
	EXPECT_NE(NULL, strstr(self->err.text, "is used by user /run/user")) TH_LOG("%s", self->err.text);
	EXPECT_TRUE(is_there(self->link));
	EXPECT_EQ(-1, owned_unused("device 1", &self->err));
	EXPECT_NE(NULL, strstr(self->err.text, self->path)) TH_LOG("%s", self->err.text);
	EXPECT_EQ(0, owned_unused("device 11", &self->err));
	EXPECT_EQ(0, owned_unused("device", &self->err));

	ASSERT_EQ(0, owned_remove("path", "/run/user", &self->err)) TH_LOG("%s", self->err.text);
	ASSERT_EQ(0, owned_remove("path", self->path, &self->err)) TH_LOG("%s", self->err.text);
	EXPECT_EQ(0, owned_unused("device 1", &self->err));
}

TEST_F(owned, a_container_holds_what_is_of_its_kind)
{
	struct owned *o = owned_claim(self->path, "bundle", &self->err);

	ASSERT_NE(NULL, o);
	EXPECT_EQ(-1, owned_hold(self->path, "bundle", &self->err));
	owned_keep(o);
	ASSERT_EQ(0, owned_hold(self->path, "disk", &self->err));
	EXPECT_FALSE(owned_is_held(o));
	ASSERT_EQ(0, owned_hold(self->path, "bundle", &self->err));
	EXPECT_TRUE(owned_is_held(o));
	EXPECT_TRUE(dump_has("held"));
	owned_unhold(self->path);
	EXPECT_FALSE(owned_is_held(o));
	EXPECT_EQ(0, owned_hold("/run/none", "bundle", &self->err));
	EXPECT_EQ(0, owned_remove("path", self->path, &self->err));
}

TEST_F(owned, a_link_of_nobody_is_removed_and_nothing_is_success)
{
	ASSERT_EQ(0, symlink("/nowhere", self->path));
	EXPECT_EQ(0, owned_remove("path", self->path, &self->err)) TH_LOG("%s", self->err.text);
	EXPECT_FALSE(is_there(self->path));
	EXPECT_EQ(0, owned_remove("path", self->path, &self->err)) TH_LOG("%s", self->err.text);
}

TEST_HARNESS_MAIN

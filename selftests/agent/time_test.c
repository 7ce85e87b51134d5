// SPDX-License-Identifier: MIT
/*
 * Conformance: time synchronisation (boot-and-image.md 6). chronyd is the real one. No machine that the tests run on gives a clock to its
 * guests: one is named in /sys, whose device nobody serves, so that chronyd ends at once.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "host.h"
#include "kselftest_harness.h"

#define CLASS "/sys/class/ptp"
#define CONF "/tmp/chronyd.conf"
#define NODE "/dev/ptp7"

FIXTURE(time)
{
	struct host h;
	bool clock;
};

static void take_clock_away(void)
{
	umount2(CLASS, MNT_DETACH);
	unlink(NODE);
	unlink(CONF);
}

static bool give_clock(const char *name)
{
	FILE *f;

	if (mount("clock", CLASS, "tmpfs", 0, NULL) < 0 || mkdir(CLASS "/ptp7", 0755) < 0)
		return false;
	f = fopen(CLASS "/ptp7/clock_name", "we");
	if (!f)
		return false;
	fprintf(f, "%s\n", name);
	fclose(f);
	/* The one that the kernel keeps for tests. */
	return mknod(NODE, S_IFCHR | 0600, makedev(60, 7)) == 0;
}

FIXTURE_SETUP(time)
{
	take_clock_away();
}

FIXTURE_TEARDOWN(time)
{
	host_stop(&self->h);
	take_clock_away();
}

static void expect_line(struct host *h, const char *text, const char *text2, int n)
{
	json_object_put(host_log_line(h, text, text2, n));
}

TEST_F(time, chronyd_follows_the_host_s_clock_and_is_started_again)
{
	char conf[256] = "";
	struct stat st;
	FILE *f;

	ASSERT_TRUE(give_clock("hyperv"));
	host_start(&self->h, true, NULL);
	expect_line(&self->h, "time sync", "/dev/ptp7", 1);
	expect_line(&self->h, "time sync", "started again", 2);
	f = fopen(CONF, "re");
	ASSERT_NE(NULL, f);
	ASSERT_LT(0, fread(conf, 1, sizeof(conf) - 1, f));
	fclose(f);
	EXPECT_STREQ("refclock PHC /dev/ptp7 poll 3 dpoll -2 offset 0 stratum 2\nmakestep 0.1 -1\n", conf);
	ASSERT_EQ(0, stat(CONF, &st));
	EXPECT_EQ(0644, st.st_mode & 07777);
}

TEST_F(time, a_clock_may_come_late_and_others_do_not_count)
{
	ASSERT_TRUE(give_clock("of somebody else"));
	host_start(&self->h, true, NULL);
	EXPECT_EQ(0, host_log_count(&self->h, "/dev/ptp7"));
	take_clock_away();
	ASSERT_TRUE(give_clock("hyperv"));
	expect_line(&self->h, "time sync", "/dev/ptp7", 1);
	expect_line(&self->h, "time sync", "started again", 1);
}

TEST_F(time, is_not_kept_if_the_host_does_not_want_it)
{
	ASSERT_TRUE(give_clock("hyperv"));
	host_start(&self->h, true, (char *[]){ "-disable-time-sync", NULL });
	/* What follows the start of the time's keeper has an answer. */
	host_wait(&self->h, Z, host_external(&self->h, "[\"true\"]", NULL, NULL, NULL));
	EXPECT_EQ(0, host_log_count(&self->h, "time sync"));
	EXPECT_EQ(-1, access(CONF, F_OK));
}

TEST_HARNESS_MAIN

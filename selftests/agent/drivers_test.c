// SPDX-License-Identifier: MIT
/* /bin/install-drivers (storage-and-network.md 11.4), as the host runs it, with modules of this kernel that the VM has not loaded. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "pod.h"
#include "kselftest_harness.h"

#define DRIVERS "/run/test/drivers"
#define STATE "/run/drivers/0110f83b-de10-5172-a266-78bca56bf50a"

FIXTURE(drivers)
{
	struct host h;
	bool started;
};

/* vxlan depends on udp_tunnel and ip6_udp_tunnel, which are found nowhere else. */
FIXTURE_SETUP(drivers)
{
	if (!host_has_vsock())
		SKIP(_exit(255), "needs vsock");
	if (system("find /lib/modules -name vxlan.ko | grep -q . && [ ! -e /sys/module/vxlan ] && [ ! -e /sys/module/udp_tunnel ]") != 0)
		SKIP(_exit(255), "needs a kernel with vxlan as a module");
	ASSERT_EQ(0, system("mkdir -p " DRIVERS "/lib/a /run/test/modules && for m in vxlan udp_tunnel ip6_udp_tunnel; do "
			    "f=$(find /lib/modules -name $m.ko) && cp $f " DRIVERS "/lib/a && echo $f > /run/test/modules/$m && "
			    "mv $f /run/test/modules/$m.ko; done"));
	host_start(&self->h, true, NULL);
	self->started = true;
}

FIXTURE_TEARDOWN(drivers)
{
	if (!self->started)
		return;
	EXPECT_EQ(0, system("rm -rf " DRIVERS " " STATE "; [ ! -e /sys/module/vxlan ] || rmmod vxlan udp_tunnel ip6_udp_tunnel || exit 1; "
			    "cd /run/test/modules && for m in vxlan udp_tunnel ip6_udp_tunnel; do mv $m.ko $(cat $m); done"));
	host_stop(&self->h);
}

/* Its exit code; *@text: what it says on stderr, malloc'd. */
static int64_t install(struct host *h, const char *args, char **text)
{
	struct host_stream err;
	char words[256];
	int64_t pid;

	snprintf(words, sizeof(words), "[\"/bin/install-drivers\"%s]", args);
	pid = host_external(h, words, NULL, NULL, &err);
	if (pid <= 0)
		host_fail(h, "run install-drivers: %s", error(h));
	*text = host_stream_read(&err, NULL);
	return host_wait(h, Z, pid);
}

static int loaded(void)
{
	return !access("/sys/module/vxlan", F_OK) + !access("/sys/module/udp_tunnel", F_OK) + !access("/sys/module/ip6_udp_tunnel", F_OK);
}

#define BOTH ",\"" STATE "\",\"" DRIVERS "\""

TEST_F_TIMEOUT(drivers, all_modules_are_loaded_in_their_order_and_once, 120)
{
	char *text;

	EXPECT_EQ(0, install(&self->h, BOTH, &text));
	EXPECT_STREQ("", text);
	EXPECT_EQ(3, loaded());
	EXPECT_EQ(0, access(STATE, F_OK));
	/* Who has removed one meant it. */
	EXPECT_EQ(0, system("rmmod vxlan"));
	EXPECT_EQ(0, install(&self->h, BOTH, &text));
	EXPECT_EQ(2, loaded());
	EXPECT_EQ(0, system("rmmod udp_tunnel ip6_udp_tunnel"));
}

TEST_F_TIMEOUT(drivers, a_failure_is_told_and_leaves_nothing_so_that_it_can_be_done_again, 120)
{
	char *text;

	/* The last of them. */
	ASSERT_EQ(0, write_text(DRIVERS "/lib/zz.ko", "no module"));
	EXPECT_EQ(1, install(&self->h, BOTH, &text));
	EXPECT_NE(NULL, strstr(text, "install-drivers: " DRIVERS "/lib/zz.ko: load it")) TH_LOG("%s", text);
	EXPECT_EQ(0, loaded());
	EXPECT_NE(0, access(STATE, F_OK));
	ASSERT_EQ(0, rename(DRIVERS "/lib/zz.ko", DRIVERS "/lib/zz.txt"));
	EXPECT_EQ(0, install(&self->h, BOTH, &text));
	EXPECT_STREQ("", text);
	EXPECT_EQ(3, loaded());
}

TEST_F_TIMEOUT(drivers, what_is_missing_is_named, 120)
{
	char *text;

	EXPECT_EQ(1, install(&self->h, ",\"" STATE "\"", &text));
	EXPECT_NE(NULL, strstr(text, "usage")) TH_LOG("%s", text);
	EXPECT_EQ(1, install(&self->h, ",\"" STATE "\",\"/run/test/nowhere\"", &text));
	EXPECT_NE(NULL, strstr(text, "/run/test/nowhere: not a directory")) TH_LOG("%s", text);
	ASSERT_EQ(0, unlink(DRIVERS "/lib/a/udp_tunnel.ko"));
	EXPECT_EQ(1, install(&self->h, BOTH, &text));
	EXPECT_NE(NULL, strstr(text, "needs udp_tunnel, which cannot be loaded")) TH_LOG("%s", text);
	EXPECT_EQ(0, loaded());
	ASSERT_EQ(0, system("rm " DRIVERS "/lib/a/*"));
	EXPECT_EQ(1, install(&self->h, BOTH, &text));
	EXPECT_NE(NULL, strstr(text, "no kernel module there")) TH_LOG("%s", text);
	EXPECT_NE(0, access(STATE, F_OK));
}

TEST_HARNESS_MAIN

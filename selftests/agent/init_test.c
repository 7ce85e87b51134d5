// SPDX-License-Identifier: MIT
/*
 * init (boot-and-image.md 2): each option, step and rule of failure. It is PID 1 of namespaces of its own, on a root file system in
 * memory that has busybox, as in the initrd. That the VM itself comes up with it boot_test shows.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/filter.h>
#include <linux/netlink.h>
#include <linux/seccomp.h>

#include "child.h"
#include "host_io.h"
#include "kselftest_harness.h"

#define ROOT "/run/init_test"

FIXTURE(init)
{
	struct host h; /* its ports, without an agent */
	struct child child;
};

static bool shell(const char *script)
{
	return system(script) == 0;
}

FIXTURE_SETUP(init)
{
	self->h.next_port = PORT_STDIO_FIRST;
	/* Of a test that was ended. */
	umount2(ROOT, MNT_DETACH);
	rmdir(ROOT);
	ASSERT_EQ(0, mkdir(ROOT, 0755));
	ASSERT_EQ(0, mount("init_test", ROOT, "tmpfs", 0, NULL));
	ASSERT_TRUE(shell("cd " ROOT " && mkdir -p bin dev etc proc run sys tmp var lib/modules/$(uname -r) && cp /bin/init init && "
			  "cp /bin/busybox bin && for name in sh cat env grep; do ln -s busybox bin/$name; done && mkfifo fifo"));
}

FIXTURE_TEARDOWN(init)
{
	EXPECT_EQ(0, umount2(ROOT, MNT_DETACH));
	EXPECT_EQ(0, rmdir(ROOT));
}

/* In a process whose children are in a new PID namespace: the first of them is init. */
static int enter(void *arg)
{
	int status;
	pid_t pid;

	if (unshare(CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWPID) < 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return 98;
	pid = fork();
	if (pid < 0)
		return 98;
	if (pid) {
		waitpid(pid, &status, 0);
		_exit(WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
	}
	/* The namespaces end with the test. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	return chdir(ROOT) < 0 || syscall(SYS_pivot_root, ".", ".") < 0 || umount2(".", MNT_DETACH) < 0 || chdir("/") < 0 ? 97 : 0;
}

/* The same on a kernel without eBPF. */
static int enter_without_bpf(void *arg)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_bpf, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { .len = 4, .filter = code };
	int ret = enter(arg);

	return ret ? ret : prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0 ? 96 : 0;
}

/* Start init with these words. */
#define START_IN(enter, ...) child_start(&self->child, (char *[]){ "/init", ##__VA_ARGS__, NULL }, enter, NULL)
#define START(...) START_IN(enter, ##__VA_ARGS__)

/* Let it end: status and output, which is compared. */
static void expect_end(struct __test_metadata *_metadata, struct child *c, int status, const char *output)
{
	char *out;

	EXPECT_EQ(status, child_end(c, &out))
		TH_LOG("%s", out);
	EXPECT_STREQ(output, out);
	free(out);
}

/* The same, but the output has @text somewhere, and not "ran". */
static void expect_refusal(struct __test_metadata *_metadata, struct child *c, int status, const char *text)
{
	char *out;

	EXPECT_EQ(status, child_end(c, &out))
		TH_LOG("%s", out);
	EXPECT_NE(NULL, strstr(out, text))
		TH_LOG("not \"%s\": %s", text, out);
	EXPECT_EQ(NULL, strstr(out, "ran"));
	free(out);
}

TEST_F(init, the_program_has_a_path_and_nothing_else)
{
	START("env");
	EXPECT_STREQ("PATH=/sbin:/usr/sbin:/bin:/usr/bin", child_line(&self->child));
	expect_end(_metadata, &self->child, 0, "init: env ended with status 0\n");
}

TEST_F(init, the_program_leads_a_session_with_no_signal_blocked_and_1024_files)
{
	START("--", "sh", "-c", "read pid x x ppid group session x < /proc/self/stat; test $ppid = 1 -a $pid = $group -a $pid = $session && "
	      "grep SigBlk /proc/self/status && grep SigBlk /proc/1/status && ulimit -Sn && ulimit -Hn && pwd && umask");
	EXPECT_STREQ("SigBlk:\t0000000000000000", child_line(&self->child));
	/* All but SIGKILL and SIGSTOP, and the two that the C library keeps. */
	EXPECT_STREQ("SigBlk:\tfffffffe7ffbfeff", child_line(&self->child));
	EXPECT_STREQ("1024", child_line(&self->child));
	EXPECT_STREQ("1048576", child_line(&self->child));
	expect_end(_metadata, &self->child, 0, "/\n0022\ninit: sh ended with status 0\n");
}

TEST_F(init, its_status_is_the_program_s)
{
	START("sh", "-c", "exit 7");
	expect_end(_metadata, &self->child, 7, "init: sh ended with status 7\n");
	START("sh", "-c", "kill -9 $$");
	expect_end(_metadata, &self->child, 137, "init: sh ended with status 137\n");
	START("no-such-program");
	expect_end(_metadata, &self->child, 127, "init: no-such-program: No such file or directory\ninit: no-such-program ended with status 127\n");
	START("/etc");
	expect_end(_metadata, &self->child, 126, "init: /etc: Permission denied\ninit: /etc ended with status 126\n");
}

TEST_F(init, an_orphan_s_end_is_not_its_own)
{
	START("-d", "/bin/sh", "sh", "-c", "(sh -c 'echo here; read x < /fifo; exit 3' &)");
	EXPECT_STREQ("here", child_line(&self->child));
	ASSERT_LT(0, dprintf(self->child.in, "echo > /fifo; read x; exit 4\n"));
	expect_end(_metadata, &self->child, 4, "init: /bin/sh ended with status 4\n");
}

TEST_F(init, the_file_systems_are_there_with_their_flags)
{
	static const char *const lines[] = {
		"/dev devtmpfs rw,nosuid,noexec", "/proc proc rw,nosuid,nodev,noexec", "/run tmpfs rw,nosuid,nodev,noexec",
		"/tmp tmpfs rw,nosuid,nodev,noexec", "/dev/shm tmpfs rw,nosuid,nodev,noexec", "/dev/pts devpts rw,nosuid,noexec",
		"/sys sysfs rw,nosuid,nodev,noexec",
	};
	size_t n = 0;
	char *out;

	START("sh", "-c", "while read dev at type how x; do echo \"$at $type $how\"; done < /proc/mounts; "
	      "for f in fd stdin stdout stderr; do busybox readlink /dev/$f; done; busybox stat -c %a /run; cat /sys/class/net/lo/flags");
	EXPECT_EQ(0, child_end(&self->child, &out));
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		char *at = strstr(out + n, lines[i]);

		EXPECT_NE(NULL, at)
			TH_LOG("no %s after that before it: %s", lines[i], out);
		n = at ? at - out : n;
	}
	EXPECT_EQ(NULL, strstr(out, "overlay"));
	/* The loopback interface is up. */
	EXPECT_NE(NULL, strstr(out, "/proc/self/fd\n/proc/self/fd/0\n/proc/self/fd/1\n/proc/self/fd/2\n755\n0x9\n"));
	free(out);
}

TEST_F(init, cgroups_are_of_the_version_that_is_asked_for_with_all_controllers)
{
	bool v1 = shell("grep -qw hcsshim.cgroup=v1 /proc/cmdline");

	/* What it does again is to be seen, unless a cgroup of an earlier test has this one. */
	if (!v1)
		shell("echo -hugetlb 2> /dev/null > /sys/fs/cgroup/cgroup.subtree_control");
	START("sh", "-c", v1 ? "grep -c '^cgroup_root /sys/fs/cgroup tmpfs rw,nosuid,nodev,noexec.*mode=755' /proc/mounts; "
			       "while read name x x on; do test \"$on\" != 1 || grep -q \"^$name /sys/fs/cgroup/$name cgroup "
			       "rw,nosuid,nodev,noexec\" /proc/mounts || echo no $name; done < /proc/cgroups" :
			       "grep -c '^cgroup2 /sys/fs/cgroup cgroup2 rw,nosuid,nodev,noexec' /proc/mounts; read all < /sys/fs/cgroup/cgroup.controllers; "
			       "read on < /sys/fs/cgroup/cgroup.subtree_control; test \"$all\" = \"$on\" || echo $on");
	expect_end(_metadata, &self->child, 0, "1\ninit: sh ended with status 0\n");
}

/* The VM itself has version 2, and so all controllers but those that version 2 does not have, as the freezer. */
TEST_F(init, without_ebpf_for_devices_cgroups_are_version_1)
{
	char *out;

	if (shell("grep -qw hcsshim.cgroup=v1 /proc/cmdline"))
		SKIP(return, "version 1 is asked for");
	/* What a cgroup has stays in version 2. */
	ASSERT_TRUE(shell("mkdir -p /sys/fs/cgroup/init_test"));
	START_IN(enter_without_bpf, "sh", "-c", "while read dev at type how; do echo \"$dev $at $type\"; done < /proc/mounts; test -e /sys/fs/cgroup/freezer/tasks");
	EXPECT_EQ(0, child_end(&self->child, &out)) TH_LOG("%s", out);
	EXPECT_NE(NULL, strstr(out, "cgroup_root /sys/fs/cgroup tmpfs\n")) TH_LOG("%s", out);
	EXPECT_NE(NULL, strstr(out, "freezer /sys/fs/cgroup/freezer cgroup\n")) TH_LOG("%s", out);
	EXPECT_EQ(NULL, strstr(out, "cgroup2")) TH_LOG("%s", out);
	EXPECT_NE(NULL, strstr(out, "init: cgroup controller pids: Device or resource busy\n")) TH_LOG("%s", out);
	EXPECT_EQ(0, rmdir("/sys/fs/cgroup/init_test"));
	free(out);
}

TEST_F(init, with_w_etc_and_var_are_writable_over_what_was_there)
{
	char *out;

	ASSERT_TRUE(shell("cd " ROOT " && echo old > etc/file && echo old > var/file"));
	START("-w", "sh", "-c", "while read dev at type how x; do echo \"$at $type $how\"; done < /proc/mounts; cat /etc/file; "
	      "echo new > /etc/file; echo new > /var/file; cat /run/over/etc/upper/file /run/over/var/upper/file");
	EXPECT_EQ(0, child_end(&self->child, &out));
	EXPECT_NE(NULL, strstr(out, "/run/over tmpfs rw,nosuid,nodev,noexec"));
	EXPECT_NE(NULL, strstr(out, "mode=755"));
	EXPECT_NE(NULL, strstr(out, "/etc overlay rw,nosuid,nodev,noexec"));
	EXPECT_NE(NULL, strstr(out, "/var overlay rw,nosuid,nodev,relatime"));
	EXPECT_NE(NULL, strstr(out, "old\nnew\nnew\n"))
		TH_LOG("%s", out);
	free(out);
	EXPECT_TRUE(shell("grep -q old " ROOT "/etc/file && grep -q old " ROOT "/var/file"));
}

TEST_F(init, a_shell_is_what_is_waited_for)
{
	START("-d", "/bin/sh", "sh", "-c", "echo program >&2; exit 5");
	EXPECT_STREQ("program", child_line(&self->child));
	ASSERT_EQ(17, write(self->child.in, "echo ran; exit 6\n", 17));
	expect_end(_metadata, &self->child, 6, "ran\ninit: /bin/sh ended with status 6\n");
}

TEST_F(init, without_arguments_the_agent_and_a_shell_are_started)
{
	ASSERT_TRUE(shell("printf '#!/bin/sh\\necho $0 $* > /fifo\\n' > " ROOT "/bin/gcs && chmod +x " ROOT "/bin/gcs"));
	START();
	ASSERT_EQ(17, write(self->child.in, "cat fifo; exit 3\n", 17));
	expect_end(_metadata, &self->child, 3, "/bin/gcs -loglevel debug -logfile=/run/gcs/gcs.log\ninit: /bin/sh ended with status 3\n");
}

TEST_F(init, daemons_that_are_there_are_started_and_may_fail)
{
	ASSERT_TRUE(shell("cd " ROOT "/bin && printf '#!/bin/sh\\necho $0 $* > /fifo\\nexit 1\\n' > nv-fabricmanager && "
			  "echo '#!/none' > nvidia-persistenced && chmod +x nv*"));
	START("cat", "/fifo");
	expect_end(_metadata, &self->child, 0,
		   "/bin/nv-fabricmanager -c /usr/share/nvidia/nvswitch/fabricmanager.cfg\ninit: cat ended with status 0\n");
}

TEST_F(init, wrong_arguments_end_it_before_the_program_starts)
{
	static char *const ports[] = { "0", "x", "", "1x", "-1", "4294967297" };

	START("-x", "sh", "-c", "echo ran");
	expect_refusal(_metadata, &self->child, 1, "usage: ");
	START("-w");
	expect_refusal(_metadata, &self->child, 1, "usage: ");
	START("-e");
	expect_refusal(_metadata, &self->child, 1, "usage: ");
	for (size_t i = 0; i < sizeof(ports) / sizeof(ports[0]); i++) {
		START("-e", ports[i], "sh", "-c", "echo ran");
		expect_refusal(_metadata, &self->child, 1, "not a vsock port");
	}
}

TEST_F(init, a_step_that_fails_ends_it_with_the_error_s_number)
{
	static const struct {
		const char *spoil, *told;
	} rows[] = {
		{ "rmdir " ROOT "/tmp", "init: /tmp: No such file" }, { "rmdir " ROOT "/sys", "init: /sys: No such file" },
		{ "rmdir " ROOT "/proc", "init: /proc: No such file" }, { "rmdir " ROOT "/var", "init: /var: No such file" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		ASSERT_TRUE(shell(rows[i].spoil));
		START("-w", "sh", "-c", "echo ran");
		expect_refusal(_metadata, &self->child, ENOENT, rows[i].told);
		ASSERT_TRUE(shell("mkdir -p " ROOT "/tmp " ROOT "/sys " ROOT "/proc"));
	}
}

TEST_F(init, below_a_start_script_it_takes_what_is_mounted_and_reaps_as_well)
{
	ASSERT_TRUE(shell("cd " ROOT " && mv init real && printf '#!/bin/sh\\nbusybox mount -t proc proc /proc && /real \"$@\"\\necho status $?\\n' > init && "
			  "chmod +x init"));
	START("sh", "-c", "(sh -c 'exit 1' &); grep PPid /proc/$$/status; exit 9");
	EXPECT_STRNE("PPid:\t1", child_line(&self->child));
	expect_end(_metadata, &self->child, 0, "init: sh ended with status 9\nstatus 9\n");
}

/* The host's port, and init that dials it before the program starts. */
#define START_WITH_ENTROPY(s)                                    \
	do {                                                     \
		char port[16];                                   \
		host_stream_listen(&self->h, s);                 \
		snprintf(port, sizeof(port), "%u", (s)->port);   \
		START("-e", port, "sh", "-c", "echo started");   \
	} while (0)

TEST_F(init, the_program_starts_when_the_host_has_ended_its_entropy)
{
	char bytes[512] = "not random, but this is a test";
	struct host_stream s;

	START_WITH_ENTROPY(&s);
	host_stream_accept(&s);
	ASSERT_EQ(512, write(s.fd, bytes, 512));
	EXPECT_FALSE(host_readable(self->child.out, host_now_ms() + 200));
	/* The guest has nothing to say, and ends when the host has. */
	ASSERT_EQ(0, shutdown(s.fd, SHUT_WR));
	free(host_stream_read(&s, NULL));
	expect_end(_metadata, &self->child, 0, "started\ninit: sh ended with status 0\n");
}

TEST_F(init, without_entropy_it_goes_on)
{
	struct host_stream s;
	char *out;

	START("-e", "77", "sh", "-c", "echo started");
	EXPECT_EQ(0, child_end(&self->child, &out));
	EXPECT_NE(NULL, strstr(out, "init: entropy: connect to vsock port 77"));
	EXPECT_NE(NULL, strstr(out, "started\n"));
	free(out);
	/* A host that never ends. */
	START_WITH_ENTROPY(&s);
	host_stream_accept(&s);
	EXPECT_EQ(0, child_end(&self->child, &out));
	EXPECT_NE(NULL, strstr(out, "init: entropy: the host did not end it within 10 s\nstarted\n"));
	free(out);
	host_stream_close(&s);
}

static void wait_for_module(const struct host *h, int uevents, const char *event)
{
	int64_t deadline = host_now_ms() + WAIT_MS;
	char buf[8192];

	do
		if (!host_readable(uevents, deadline))
			host_fail(h, "no event %s", event);
	while (recv(uevents, buf, sizeof(buf), 0) < 0 || strcmp(buf, event));
}

TEST_F(init, modules_are_loaded_by_the_list)
{
	struct sockaddr_nl addr = { .nl_family = AF_NETLINK, .nl_groups = 1 };
	int uevents = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_KOBJECT_UEVENT);
	char *out;

	ASSERT_EQ(0, bind(uevents, (struct sockaddr *)&addr, sizeof(addr)));
	/* What it needs is there, so that the list has a line for it alone. */
	ASSERT_TRUE(shell("modprobe vxlan && rmmod vxlan && mkdir -p " ROOT "/lib/modules/$(uname -r)/a && "
			  "cp $(find /lib/modules/$(uname -r) -name vxlan.ko) " ROOT "/lib/modules/$(uname -r)/a/"));
	/* Not for this machine, not there, not a line; and then one with a parameter, twice. */
	ASSERT_TRUE(shell("printf 'early hyperv a/vxlan.ko\\nearly any a/none.ko\\n\\nearly\\n' > " ROOT "/lib/modules/$(uname -r)/gcs.modules"));
	START("sh", "-c", "test ! -e /sys/module/vxlan && echo started");
	EXPECT_EQ(0, child_end(&self->child, &out));
	EXPECT_NE(NULL, strstr(out, "/a/none.ko: No such file or directory\nstarted\n"))
		TH_LOG("%s", out);
	free(out);
	ASSERT_TRUE(shell("for i in 1 2; do echo early virtio a/vxlan.ko log_ecn_error=N; done > " ROOT "/lib/modules/$(uname -r)/gcs.modules"));
	START("cat", "/sys/module/vxlan/parameters/log_ecn_error");
	expect_end(_metadata, &self->child, 0, "N\ninit: cat ended with status 0\n");
	ASSERT_TRUE(shell("rmmod vxlan && echo late any a/vxlan.ko > " ROOT "/lib/modules/$(uname -r)/gcs.modules"));
	wait_for_module(&self->h, uevents, "remove@/module/vxlan");
	START("cat");
	wait_for_module(&self->h, uevents, "add@/module/vxlan");
	expect_end(_metadata, &self->child, 0, "init: cat ended with status 0\n");
	/* And what it depends on: another test wants neither. */
	EXPECT_TRUE(shell("rmmod vxlan ip6_udp_tunnel udp_tunnel"));
	close(uevents);
}

TEST_F(init, the_kernel_s_log_has_its_steps)
{
	int kmsg = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	char text[8192];
	bool seen = false;
	ssize_t n;

	ASSERT_LE(0, kmsg);
	lseek(kmsg, 0, SEEK_END);
	START("busybox", "true");
	expect_end(_metadata, &self->child, 0, "init: busybox ended with status 0\n");
	while ((n = read(kmsg, text, sizeof(text) - 1)) > 0) {
		text[n] = '\0';
		/* Facility 1, a user's program; level 5, a notice. */
		seen |= !strncmp(text, "13,", 3) && strstr(text, ";init: starting busybox\n");
	}
	EXPECT_TRUE(seen);
	close(kmsg);
}

TEST_HARNESS_MAIN

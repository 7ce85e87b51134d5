// SPDX-License-Identifier: MIT
/* Conformance: shares of the host's directories (storage-and-network.md section 9), which diod serves. */
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/vm_sockets.h>

#include "host_io.h"
#include "pod.h"
#include "kselftest_harness.h"

#define E_ARG (-2147024809)

#define PORT 564
#define EXPORT "/run/test/export"
#define ODD "/run/test/an odd=name; 'ä' \\n"
#define MOUNTS "/run/test/mounts/"

FIXTURE(share)
{
	struct host h;
	pid_t server;
	char *before;
};

/* As the host has it: a server for each connection. It ends with the last of the test's own ends of them. */
static pid_t serve(struct host *h)
{
	struct sockaddr_vm addr = { .svm_family = AF_VSOCK, .svm_cid = VMADDR_CID_ANY, .svm_port = PORT };
	int fd = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0), client;
	pid_t pid;

	if (fd < 0 || bind(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0 || listen(fd, 64) < 0)
		host_fail(h, "listen on port %d: %s", PORT, strerror(errno));
	pid = fork();
	if (pid) {
		close(fd);
		return pid;
	}
	setpgid(0, 0);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGCHLD, SIG_IGN);
	while ((client = accept(fd, NULL, NULL)) >= 0) {
		if (fork() == 0) {
			signal(SIGCHLD, SIG_DFL);
			dup2(client, 0);
			close(client);
			execl("/usr/sbin/diod", "diod", "-f", "-r", "0", "-w", "0", "-n", "-c", "/dev/null", "-L", "/run/test/diod.log",
			      "-e", EXPORT, "-e", ODD, NULL);
			_exit(127);
		}
		close(client);
	}
	_exit(1);
}

/* Ends the server, and with it all connections. */
static void stop_server(pid_t *server)
{
	if (*server <= 0)
		return;
	kill(-*server, SIGKILL);
	kill(*server, SIGKILL);
	waitpid(*server, NULL, 0);
	*server = 0;
}

FIXTURE_SETUP(share)
{
	if (!host_has_vsock())
		SKIP(_exit(255), "needs vsock");
	if (system("modprobe 9p 2> /dev/null; grep -q '9p$' /proc/filesystems") != 0)
		SKIP(_exit(255), "needs a kernel with 9p");
	ASSERT_EQ(0, system("mkdir -p " EXPORT " " MOUNTS));
	/* diod wants to know whom it serves: the kernel, which calls itself nobody, and users. */
	ASSERT_EQ(0, system("for u in root:x:0:0 nobody:x:65534:65534 user:x:1000:1000; do echo $u::/:; done > /etc/passwd; "
			    "for g in root:x:0: nogroup:x:65534: user:x:1000:; do echo $g; done > /etc/group"));
	if (mkdir(ODD, 0755) < 0)
		ASSERT_EQ(EEXIST, errno);
	host_start(&self->h, true, NULL);
	self->server = serve(&self->h);
	self->before = traces(&self->h);
}

FIXTURE_TEARDOWN(share)
{
	if (!self->before)
		return;
	EXPECT_STREQ(self->before, traces(&self->h));
	host_stop(&self->h);
	stop_server(&self->server);
	EXPECT_EQ(0, system("rm -rf " EXPORT " " MOUNTS " /run/test/an*"));
}

static int64_t share(struct host *h, const char *request, const char *path, int port, const char *name, const char *more)
{
	char *text = quoted(name);
	int64_t result;

	result = host_call(h, MSG_MODIFY_SETTINGS, Z,
			   ",\"Request\":{\"RequestType\":\"%s\",\"ResourceType\":\"MappedDirectory\",\"Settings\":{\"MountPath\":\"%s\","
			   "\"Port\":%d,\"ShareName\":%s%s}}", request, path, port, text, more);
	free(text);
	return result;
}

/* Write, or compare, 64 MiB of which no eight bytes are the same. */
static bool numbers(const char *path, bool out)
{
	static uint64_t expected[1 << 17], buf[1 << 17];
	int fd = open(path, out ? O_CREAT | O_WRONLY | O_CLOEXEC : O_RDONLY | O_CLOEXEC, 0600);
	bool ok = fd >= 0;

	for (uint64_t part = 0; part < 64 && ok; part++) {
		for (uint64_t i = 0; i < 1 << 17; i++)
			expected[i] = (part << 17 | i) * 0x9e3779b97f4a7c15ull;
		if (out)
			ok = write(fd, expected, sizeof(expected)) == sizeof(expected);
		else
			ok = read(fd, buf, sizeof(buf)) == sizeof(buf) && !memcmp(buf, expected, sizeof(buf));
	}
	return ok && close(fd) == 0;
}

#define add(h, path, name) share(h, "Add", path, PORT, name, "")
#define take(h, path, name) share(h, "Remove", path, PORT, name, "")
#define RO ",\"ReadOnly\":true"

TEST_F_TIMEOUT(share, what_the_guest_writes_the_host_has_and_the_other_way_round, 300)
{
	struct host *h = &self->h;

	ASSERT_EQ(0, add(h, MOUNTS "a", EXPORT)) TH_LOG("%s", error(h));
	/* The same once more, for somebody else. */
	ASSERT_EQ(0, add(h, MOUNTS "b", EXPORT)) TH_LOG("%s", error(h));
	EXPECT_TRUE(numbers(MOUNTS "a/big", true));
	EXPECT_TRUE(numbers(EXPORT "/big", false));
	EXPECT_TRUE(numbers(MOUNTS "b/big", false));
	EXPECT_EQ(0, system("rm " MOUNTS "b/big && [ ! -e " EXPORT "/big ]"));
	EXPECT_EQ(0, system("mkdir " EXPORT "/d && cd " EXPORT "/d && seq 1000 | xargs touch && [ $(ls " MOUNTS "a/d | sort -n | uniq | wc -l) = 1000 ]"));
	EXPECT_EQ(0, system("cd " MOUNTS "a && mv d/1 one && mv d e && [ -e " EXPORT "/one -a -e " EXPORT "/e/1000 -a ! -e " EXPORT "/d ]"));
	EXPECT_EQ(0, system("cd " MOUNTS "a && ln -s one link && echo text > link && [ $(readlink " EXPORT "/link) = one ] && "
			    "[ $(cat " EXPORT "/one) = text ]"));
	EXPECT_EQ(0, system("cd " MOUNTS "a && chmod 600 one && [ $(stat -c %a " EXPORT "/one) = 600 ] && rm -rf e one link && [ -z \"$(ls " EXPORT ")\" ]"));
	EXPECT_EQ(0, take(h, MOUNTS "a", EXPORT)) TH_LOG("%s", error(h));
	EXPECT_NE(0, access(MOUNTS "a", F_OK));
	/* What the host asks for again has been done. */
	EXPECT_EQ(0, take(h, MOUNTS "a", EXPORT)) TH_LOG("%s", error(h));
	EXPECT_EQ(0, system("echo still > " EXPORT "/there && [ $(cat " MOUNTS "b/there) = still ]"));
	EXPECT_EQ(0, take(h, MOUNTS "b", EXPORT)) TH_LOG("%s", error(h));
}

TEST_F_TIMEOUT(share, a_container_sees_it_and_no_more_than_its_user_may, 120)
{
	struct host *h = &self->h;
	struct json_object *spec = spec_new("c", "[\"sh\",\"-c\",\"cat /share/open; cat /share/secret 2>&1; echo x 2>&1 > /ro/new; "
					    "echo written > /share/w/new\"]");

	ASSERT_EQ(0, system("cd " EXPORT " && echo seen > open && echo hidden > secret && chmod 600 secret && mkdir -m 777 w"));
	ASSERT_EQ(0, add(h, MOUNTS "a", EXPORT)) TH_LOG("%s", error(h));
	ASSERT_EQ(0, share(h, "Add", MOUNTS "ro", PORT, EXPORT, RO)) TH_LOG("%s", error(h));
	EXPECT_EQ(-1, open(MOUNTS "ro/new", O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	EXPECT_EQ(EROFS, errno);
	set(spec, "process/user", "{\"uid\":1000,\"gid\":1000}");
	add_mount(spec, MOUNTS "a", "/share", "[\"rbind\",\"rw\"]");
	add_mount(spec, MOUNTS "ro", "/ro", "[\"rbind\",\"rw\"]");
	EXPECT_STREQ("seen\ncat: can't open '/share/secret': Permission denied\nsh: can't create /ro/new: Read-only file system\n",
		     output(h, "c", spec));
	EXPECT_EQ(0, system("[ $(cat " EXPORT "/w/new) = written -a $(stat -c %u " EXPORT "/w/new) = 1000 ]"));
	EXPECT_EQ(0, oci_delete(h, "c"));
	EXPECT_EQ(0, take(h, MOUNTS "a", EXPORT)) TH_LOG("%s", error(h));
	/* As an older host says it, without what it was added with. */
	EXPECT_EQ(0, take(h, MOUNTS "ro", EXPORT)) TH_LOG("%s", error(h));
}

TEST_F_TIMEOUT(share, twenty_at_once_and_each_is_one_of_its_own, 120)
{
	struct host *h = &self->h;
	uint64_t ids[20];

	ASSERT_EQ(0, system("echo x > " EXPORT "/f"));
	for (int add = 1; add >= 0; add--) {
		for (int i = 0; i < 20; i++)
			ids[i] = host_ask(h, MSG_MODIFY_SETTINGS, Z,
					  ",\"Request\":{\"RequestType\":\"%s\",\"ResourceType\":\"MappedDirectory\",\"Settings\":{"
					  "\"MountPath\":\"" MOUNTS "m%d\",\"Port\":%d,\"ShareName\":\"" EXPORT "\"}}",
					  add ? "Add" : "Remove", i, PORT);
		for (int i = 0; i < 20; i++) {
			const struct answer *answer = host_answer(h, ids[i]);

			EXPECT_EQ(0, answer_result(answer)) TH_LOG("%s", answer_text(answer, "ErrorMessage"));
		}
		EXPECT_EQ(0, system(add ? "[ $(cat " MOUNTS "m*/f | wc -l) = 20 ]" : "[ -z \"$(ls " MOUNTS ")\" ]"));
	}
}

TEST_F_TIMEOUT(share, a_name_is_nothing_but_a_name, 60)
{
	struct host *h = &self->h;

	ASSERT_EQ(0, add(h, MOUNTS "odd", ODD)) TH_LOG("%s", error(h));
	ASSERT_EQ(0, close(open(MOUNTS "odd/f", O_CREAT | O_WRONLY | O_CLOEXEC, 0600)));
	EXPECT_EQ(0, access(ODD "/f", F_OK));
	EXPECT_EQ(0, take(h, MOUNTS "odd", ODD)) TH_LOG("%s", error(h));
	EXPECT_EQ(E_ARG, add(h, MOUNTS "odd", EXPORT ",access=any"));
	EXPECT_NE(NULL, strstr(error(h), "comma")) TH_LOG("%s", error(h));
	EXPECT_NE(0, add(h, MOUNTS "odd", "/run"));
	EXPECT_NE(NULL, strstr(error(h), "share \"/run\" of port 564")) TH_LOG("%s", error(h));
	EXPECT_NE(0, add(h, "relative", EXPORT));
	EXPECT_NE(0, add(h, "", EXPORT));
	EXPECT_NE(0, share(h, "Add", MOUNTS "odd", 0, EXPORT, ""));
	EXPECT_NE(0, share(h, "Add", MOUNTS "odd", -1, EXPORT, ""));
	EXPECT_NE(0, access(MOUNTS "odd", F_OK));
	/* There is one already. */
	ASSERT_EQ(0, add(h, MOUNTS "odd", EXPORT)) TH_LOG("%s", error(h));
	EXPECT_NE(0, add(h, MOUNTS "odd", EXPORT));
	EXPECT_EQ(0, take(h, MOUNTS "odd", EXPORT)) TH_LOG("%s", error(h));
}

TEST_F_TIMEOUT(share, a_host_that_goes_away_or_is_not_there_or_says_nothing, 180)
{
	struct host *h = &self->h;
	struct host_stream silent;

	ASSERT_EQ(0, add(h, MOUNTS "a", EXPORT)) TH_LOG("%s", error(h));
	stop_server(&self->server);
	/* The first may be told so in other words. */
	EXPECT_EQ(-1, access(MOUNTS "a/f", F_OK));
	EXPECT_EQ(-1, access(MOUNTS "a/f", F_OK));
	EXPECT_EQ(EIO, errno);
	EXPECT_EQ(0, take(h, MOUNTS "a", EXPORT)) TH_LOG("%s", error(h));

	EXPECT_NE(0, share(h, "Add", MOUNTS "a", 4711, "7", ""));
	EXPECT_NE(NULL, strstr(error(h), "share \"7\" of port 4711: vsock port 4711: connect to the host: ")) TH_LOG("%s", error(h));

	/* One that keeps its connection and answers nothing, not even to the kernel's good-bye. */
	self->server = serve(h);
	ASSERT_EQ(0, add(h, MOUNTS "a", EXPORT)) TH_LOG("%s", error(h));
	ASSERT_EQ(0, kill(-self->server, SIGSTOP));
	EXPECT_EQ(0, take(h, MOUNTS "a", EXPORT)) TH_LOG("%s", error(h));
	EXPECT_NE(0, access(MOUNTS "a", F_OK));
	stop_server(&self->server);

	host_stream_listen(h, &silent);
	EXPECT_NE(0, share(h, "Add", MOUNTS "a", silent.port, "7", ""));
	EXPECT_NE(NULL, strstr(error(h), "timed out")) TH_LOG("%s", error(h));
	host_stream_close(&silent);
	EXPECT_NE(0, access(MOUNTS "a", F_OK));
}

TEST_HARNESS_MAIN

// SPDX-License-Identifier: MIT
/* Processes: how they start, what they inherit, who reaps them. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "event.h"
#include "spawn.h"

#include "kselftest_harness.h"

#define CAPTURE { SPAWN_NULL, SPAWN_CAPTURE, SPAWN_CAPTURE }

static int run(const char *script, int deadline_ms, struct spawn_result *r, struct gcs_error *err)
{
	const char *const argv[] = { "sh", "-c", script, NULL };
	struct spawn s = { .argv = (char *const *)argv, .fds = CAPTURE, .cwd = "/" };

	return spawn_run(&s, deadline_ms, r, err);
}

TEST(output_and_exit_codes)
{
	static const struct {
		const char *script, *output;
		int code;
	} cases[] = {
		{ "echo out; echo err >&2", "out\nerr\n", 0 },
		{ "exit 7", "", 7 },
		{ "kill -9 $$", "", 137 },
		{ "cat; echo end; pwd", "end\n/\n", 0 },
	};
	struct spawn_result r;
	struct gcs_error err;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		ASSERT_EQ(0, run(cases[i].script, 10000, &r, &err)) TH_LOG("%s", err.text);
		EXPECT_EQ(cases[i].code, r.code);
		EXPECT_STREQ(cases[i].output, r.output);
		free(r.output);
	}
}

TEST(more_output_than_is_kept_does_not_block)
{
	struct spawn_result r;
	struct gcs_error err;

	ASSERT_EQ(0, run("head -c 300000 /dev/zero | tr '\\0' x; exit 3", 10000, &r, &err));
	EXPECT_EQ(3, r.code);
	EXPECT_EQ((size_t)SPAWN_OUTPUT_MAX, r.length);
	free(r.output);
}

TEST(a_grandchild_that_holds_the_output_is_not_waited_for)
{
	struct spawn_result r;
	struct gcs_error err;

	ASSERT_EQ(0, run("sleep 60 & echo $!", 10000, &r, &err)) TH_LOG("%s", err.text);
	EXPECT_EQ(0, kill(atoi(r.output), SIGKILL));
	free(r.output);
}

TEST(the_deadline_kills)
{
	struct spawn_result r;
	struct gcs_error err;

	EXPECT_EQ(-1, run("exec sleep 60", 100, &r, &err));
	EXPECT_EQ(ETIMEDOUT, err.err);
	EXPECT_NE(NULL, strstr(err.text, "sh"));
	EXPECT_EQ(-1, waitid(P_ALL, 0, &(siginfo_t){ 0 }, WEXITED | WNOHANG));
}

TEST(nothing_is_inherited_but_the_standard_streams)
{
	struct spawn_result r;
	struct gcs_error err;
	sigset_t set;
	int leak = open("/dev/null", O_RDONLY);

	ASSERT_LE(3, leak);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGUSR1, SIG_IGN);
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	ASSERT_EQ(0, run("ls -1 /proc/self/fd | grep -v '^3$' | tr '\\n' ' '; grep -E 'Sig(Blk|Ign)' /proc/self/status | "
			 "tr -dc '1-9'", 10000, &r, &err));
	EXPECT_STREQ("0 1 2 ", r.output);
	free(r.output);
}

TEST(standard_streams_may_be_any_descriptors)
{
	const char *const argv[] = { "sh", "-c", "echo out; echo err >&2", NULL };
	struct spawn s = { .argv = (char *const *)argv };
	struct gcs_error err;
	struct child child;
	char buf[16] = "";
	int out[2], e[2];

	ASSERT_EQ(0, pipe2(out, O_CLOEXEC));
	ASSERT_EQ(0, pipe2(e, O_CLOEXEC));
	/* The child's 1 is the caller's 2 and the other way round. */
	ASSERT_EQ(1, dup2(e[1], 1));
	ASSERT_EQ(2, dup2(out[1], 2));
	s.fds[0] = SPAWN_NULL;
	s.fds[1] = 2;
	s.fds[2] = 1;
	ASSERT_EQ(0, spawn(&s, &child, &err));
	EXPECT_EQ(0, child_reap(&child));
	EXPECT_EQ(4, read(out[0], buf, sizeof(buf)));
	EXPECT_EQ(0, memcmp(buf, "out\n", 4));
	EXPECT_EQ(4, read(e[0], buf, sizeof(buf)));
	EXPECT_EQ(0, memcmp(buf, "err\n", 4));
}

TEST(what_cannot_be_executed_is_an_error_that_says_why)
{
	const char *const missing[] = { "no-such-program", NULL }, *const path[] = { "/no/such", NULL };
	const char *const dir[] = { "/tmp", NULL }, *const ok[] = { "true", NULL };
	char *const env[] = { "PATH=/nowhere", NULL };
	struct spawn s = { .argv = (char *const *)missing, .fds = { -1, -1, -1 } };
	struct gcs_error err;
	struct child child;

	EXPECT_EQ(-1, spawn(&s, &child, &err));
	EXPECT_EQ(ENOENT, err.err);
	EXPECT_NE(NULL, strstr(err.text, "no-such-program"));
	s.argv = (char *const *)path;
	EXPECT_EQ(-1, spawn(&s, &child, &err));
	EXPECT_EQ(ENOENT, err.err);
	s.argv = (char *const *)dir;
	EXPECT_EQ(-1, spawn(&s, &child, &err));
	EXPECT_EQ(EACCES, err.err);
	s.argv = (char *const *)ok;
	s.cwd = "/no/such/directory";
	EXPECT_EQ(-1, spawn(&s, &child, &err));
	EXPECT_NE(NULL, strstr(err.text, "/no/such/directory")) TH_LOG("%s", err.text);
	/* PATH is the program's own. */
	s.cwd = NULL;
	s.env = env;
	EXPECT_EQ(-1, spawn(&s, &child, &err));
	/* None of them stays. */
	EXPECT_EQ(-1, waitid(P_ALL, 0, &(siginfo_t){ 0 }, WEXITED | WNOHANG));
}

/* Is @pid a process, a zombie included? Waits, at most 5 s, until it is not. */
static bool gone(pid_t pid)
{
	int fd = syscall(SYS_pidfd_open, pid, 0);
	struct pollfd p = { .fd = fd, .events = POLLIN };

	if (fd < 0)
		return true;
	poll(&p, 1, 5000);
	/* It has ended; the reaper works on another thread: two rounds of the event loop come after it. */
	for (int i = 0; i < 2; i++) {
		struct spawn_result r;

		run("true", 5000, &r, NULL);
		free(r.output);
	}
	close(fd);
	return kill(pid, 0) < 0 && errno == ESRCH;
}

TEST(orphans_are_reaped_and_known_children_are_not_stolen)
{
	struct spawn_result r;
	struct gcs_error err;

	ASSERT_EQ(0, event_start(&err));
	ASSERT_EQ(0, reap_init(&err)) TH_LOG("%s", err.text);
	for (int i = 0; i < 50; i++) {
		/* The grandchild outlives its parent by a little, or not at all. */
		ASSERT_EQ(0, run("(exit 3) & echo $!; exit 5", 10000, &r, &err));
		EXPECT_EQ(5, r.code);
		EXPECT_TRUE(gone(atoi(r.output)));
		free(r.output);
	}
}

TEST(an_orphan_can_be_adopted_after_it_has_ended)
{
	struct spawn_result r;
	struct gcs_error err;
	struct child child;
	struct pollfd p;

	ASSERT_EQ(0, event_start(&err));
	ASSERT_EQ(0, reap_init(&err));
	for (int i = 0; i < 20; i++) {
		reap_hold();
		/* Its parent must not be there to reap it. */
		ASSERT_EQ(0, run("(while kill -0 $$ 2> /dev/null; do :; done; exit 42) & echo $!", 10000, &r, &err));
		p = (struct pollfd){ .fd = syscall(SYS_pidfd_open, atoi(r.output), 0), .events = POLLIN };
		ASSERT_EQ(1, poll(&p, 1, 10000));
		close(p.fd);
		ASSERT_EQ(0, child_adopt(atoi(r.output), &child, &err)) TH_LOG("%s", err.text);
		reap_release();
		EXPECT_EQ(42, child_reap(&child));
		free(r.output);
	}
}

/* The first process of a pid namespace does not end before the others have been waited for, whatever kills it: as if a disk kept it. */
TEST(a_killed_child_that_the_kernel_keeps_is_an_orphan_until_it_ends)
{
	siginfo_t info = { 0 };
	struct child child;
	struct gcs_error err;
	pid_t first, second;

	if (unshare(CLONE_NEWPID) < 0)
		SKIP(return, "needs root");
	reap_hold();
	first = fork();
	if (!first)
		for (;;)
			pause();
	second = fork();
	if (!second)
		_exit(0);
	ASSERT_EQ(0, waitid(P_PID, second, &info, WEXITED | WNOWAIT));
	ASSERT_EQ(0, child_adopt(first, &child, &err));
	child_kill(&child);
	EXPECT_EQ(-1, child.pidfd);
	info.si_pid = 0;
	EXPECT_EQ(0, waitid(P_PID, first, &info, WEXITED | WNOHANG | WNOWAIT));
	EXPECT_EQ(0, info.si_pid);
	EXPECT_EQ(second, waitpid(second, NULL, 0));
	EXPECT_EQ(0, waitid(P_PID, first, &info, WEXITED | WNOWAIT));
	reap_release();
	EXPECT_EQ(-1, waitpid(first, NULL, 0));
	EXPECT_EQ(ECHILD, errno);
}

TEST_HARNESS_MAIN

// SPDX-License-Identifier: MIT
/* Conformance: processes of the VM, their stdio, waits, signals (bridge.md 9.4 to 9.7, 10.5, 11). */
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "host.h"
#include "kselftest_harness.h"

#define E_FAIL (-2147467259)
#define E_NOT_FOUND (-2147023728)
#define E_TIMEOUT (-1070137079)

HOST_FIXTURE(process)

TEST_F_TIMEOUT(process, exit_codes_are_told_once, 180)
{
	struct host *h = &self->h;
	int64_t pid = host_external(h, "[\"sh\",\"-c\",\"exit 7\"]", NULL, NULL, NULL), again;
	int asked = 0;

	ASSERT_LT(0, pid);
	EXPECT_EQ(7, host_wait(h, Z, pid));
	/* Who asks before the agent knows that the first answer was written is told again. */
	do
		again = host_wait(h, Z, pid);
	while (again == 7 && ++asked < 100);
	EXPECT_EQ(E_NOT_FOUND, again);
	pid = host_external(h, "[\"sh\",\"-c\",\"kill -SEGV $$\"]", NULL, NULL, NULL);
	EXPECT_EQ(128 + 11, host_wait(h, Z, pid));
}

TEST_F_TIMEOUT(process, each_stream_has_its_own_connection, 180)
{
	struct host_stream in, out, err;
	int64_t pid = host_external(&self->h, "[\"sh\",\"-c\",\"read a; echo out $a; echo err $a >&2\"]", &in, &out, &err);

	ASSERT_LT(0, pid);
	ASSERT_EQ(6, send(in.fd, "hello\n", 6, 0));
	EXPECT_STREQ("out hello\n", host_stream_read(&out, NULL));
	EXPECT_STREQ("err hello\n", host_stream_read(&err, NULL));
	EXPECT_EQ(0, host_wait(&self->h, Z, pid));
	host_stream_close(&in);
}

static void *writer(void *arg)
{
	struct host_stream *s = arg;
	char buf[8192];

	for (int i = 0; i < 256; i++) {
		memset(buf, i, sizeof(buf));
		for (size_t done = 0; done < sizeof(buf);) {
			ssize_t n = send(s->fd, buf + done, sizeof(buf) - done, MSG_NOSIGNAL);

			if (n < 0)
				return NULL;
			done += n;
		}
	}
	shutdown(s->fd, SHUT_WR);
	return NULL;
}

TEST_F_TIMEOUT(process, half_close_of_stdin_is_end_of_file_and_every_byte_comes_back, 180)
{
	struct host_stream in, out;
	int64_t pid = host_external(&self->h, "[\"cat\"]", &in, &out, NULL);
	pthread_t thread;
	size_t len = 0;
	char *data;

	ASSERT_LT(0, pid);
	ASSERT_EQ(0, pthread_create(&thread, NULL, writer, &in));
	data = host_stream_read(&out, &len);
	pthread_join(thread, NULL);
	ASSERT_EQ(256 * 8192, len);
	for (size_t i = 0; i < len; i++)
		ASSERT_EQ((unsigned char)(i / 8192), (unsigned char)data[i]);
	EXPECT_EQ(0, host_wait(&self->h, Z, pid));
	host_stream_close(&in);
}

TEST_F_TIMEOUT(process, a_stream_that_was_not_asked_for_is_dev_null, 180)
{
	struct host_stream out;
	int64_t pid = host_external(&self->h,
				    "[\"sh\",\"-c\",\"readlink /proc/$$/fd/0; readlink /proc/$$/fd/2; echo x >&2 && echo $?; cat\"]",
				    NULL, &out, NULL);

	ASSERT_LT(0, pid);
	EXPECT_STREQ("/dev/null\n/dev/null\n0\n", host_stream_read(&out, NULL));
	EXPECT_EQ(0, host_wait(&self->h, Z, pid));
}

TEST_F_TIMEOUT(process, no_other_descriptor_leaks_into_a_process, 180)
{
	struct host_stream out;
	/* The shell's own glob opens the directory, which is the 3. */
	int64_t pid = host_external(&self->h, "[\"sh\",\"-c\",\"echo /proc/self/fd/*; ulimit -n\"]", NULL, &out, NULL);
	char *text;

	ASSERT_LT(0, pid);
	text = host_stream_read(&out, NULL);
	EXPECT_EQ(text, strstr(text, "/proc/self/fd/0 /proc/self/fd/1 /proc/self/fd/2 /proc/self/fd/3\n"));
	EXPECT_EQ(0, host_wait(&self->h, Z, pid));
}

TEST_F_TIMEOUT(process, environment_and_directory_are_those_of_the_request, 180)
{
	struct host *h = &self->h;
	struct host_stream out;
	uint64_t id;

	host_stream_listen(h, &out);
	id = host_ask(h, MSG_EXECUTE_PROCESS, Z,
		      ",\"Settings\":{\"ProcessParameters\":\"{\\\"CommandLine\\\":\\\"/bin/sh -c 'pwd; env | grep -v PWD "
		      "| grep -v SHLVL' arg\\\",\\\"WorkingDirectory\\\":\\\"/proc\\\",\\\"Environment\\\":{\\\"A\\\":"
		      "\\\"1 2\\\",\\\"PATH\\\":\\\"/bin\\\"},\\\"CreateStdOutPipe\\\":true}\","
		      "\"VsockStdioRelaySettings\":{\"StdOut\":%u}}", out.port);
	ASSERT_EQ(0, answer_result(host_answer(h, id)));
	host_stream_accept(&out);
	char *text = host_stream_read(&out, NULL);
	EXPECT_EQ(text, strstr(text, "/proc\n"));
	EXPECT_NE(NULL, strstr(text, "A=1 2\n"));
	EXPECT_NE(NULL, strstr(text, "PATH=/bin\n"));
	EXPECT_EQ(strlen("/proc\nA=1 2\nPATH=/bin\n"), strlen(text));
	EXPECT_EQ(0, host_wait(h, Z, answer_number(host_last(h), "ProcessId")));
}

TEST_F_TIMEOUT(process, a_timed_out_wait_changes_nothing, 180)
{
	struct host *h = &self->h;
	struct host_stream in;
	int64_t pid = host_external(h, "[\"cat\"]", &in, NULL, NULL);
	uint64_t a, b;

	ASSERT_LT(0, pid);
	EXPECT_EQ(E_TIMEOUT, host_call(h, MSG_WAIT_FOR_PROCESS, Z, ",\"ProcessId\":%d,\"TimeoutInMs\":50", (int)pid));
	EXPECT_EQ(E_TIMEOUT, host_call(h, MSG_WAIT_FOR_PROCESS, Z, ",\"ProcessId\":%d,\"TimeoutInMs\":0", (int)pid));
	/* Any number of waits, all answered; other requests meanwhile. */
	a = host_ask(h, MSG_WAIT_FOR_PROCESS, Z, ",\"ProcessId\":%d,\"TimeoutInMs\":4294967295", (int)pid);
	b = host_ask(h, MSG_WAIT_FOR_PROCESS, Z, ",\"ProcessId\":%d,\"TimeoutInMs\":29000", (int)pid);
	EXPECT_EQ(0, host_call(h, MSG_START, "x", "%s", ""));
	EXPECT_FALSE(host_answered(h, a, 100));
	host_stream_close(&in);
	EXPECT_EQ(0, answer_number(host_answer(h, a), "ExitCode"));
	EXPECT_EQ(0, answer_number(host_answer(h, b), "ExitCode"));
}

TEST_F_TIMEOUT(process, a_hundred_waits_block_nothing, 180)
{
	struct host *h = &self->h;
	struct host_stream in;
	int64_t pid = host_external(h, "[\"cat\"]", &in, NULL, NULL);
	uint64_t ids[100];

	ASSERT_LT(0, pid);
	for (int i = 0; i < 100; i++)
		ids[i] = host_ask(h, MSG_WAIT_FOR_PROCESS, Z, ",\"ProcessId\":%d,\"TimeoutInMs\":4294967295", (int)pid);
	EXPECT_EQ(0, host_wait(h, Z, host_external(h, "[\"true\"]", NULL, NULL, NULL)));
	host_stream_close(&in);
	for (int i = 0; i < 100; i++)
		EXPECT_EQ(0, answer_number(host_answer(h, ids[i]), "ExitCode"));
}

TEST_F_TIMEOUT(process, signals_reach_it_and_only_while_it_lives, 180)
{
	struct host *h = &self->h;
	struct host_stream out;
	/* It stays awake: a shell that is just about to block in `read` when a signal comes blocks, and runs no trap. */
	int64_t pid = host_external(h, "[\"sh\",\"-c\",\"trap 'echo usr1; exit 5' USR1; echo ready; while :; do :; done\"]",
				    NULL, &out, NULL);
	char line[6] = "";

	ASSERT_LT(0, pid);
	ASSERT_EQ(6, recv(out.fd, line, 6, MSG_WAITALL));
	EXPECT_EQ(E_FAIL, host_call(h, MSG_SIGNAL_PROCESS, Z, ",\"ProcessId\":%d,\"Options\":{\"Signal\":99}", (int)pid));
	EXPECT_EQ(0, host_call(h, MSG_SIGNAL_PROCESS, Z, ",\"ProcessId\":%d,\"Options\":{\"Signal\":10}", (int)pid));
	EXPECT_STREQ("usr1\n", host_stream_read(&out, NULL));
	EXPECT_EQ(5, host_wait(h, Z, pid));
	EXPECT_EQ(E_NOT_FOUND, host_call(h, MSG_SIGNAL_PROCESS, Z, ",\"ProcessId\":%d", (int)pid));
	/* No options, null options, signal 0: SIGKILL. */
	static const char *const options[] = { "", ",\"Options\":null", ",\"Options\":{}", ",\"Options\":{\"Signal\":0}" };
	for (int i = 0; i < 4; i++) {
		pid = host_external(h, "[\"sleep\",\"1000\"]", NULL, NULL, NULL);
		EXPECT_EQ(0, host_call(h, MSG_SIGNAL_PROCESS, Z, ",\"ProcessId\":%d%s", (int)pid, options[i]));
		EXPECT_EQ(137, host_wait(h, Z, pid));
	}
}

TEST_F_TIMEOUT(process, without_a_terminal_there_is_nothing_to_resize, 180)
{
	struct host *h = &self->h;
	int64_t pid = host_external(h, "[\"sleep\",\"1000\"]", NULL, NULL, NULL);

	EXPECT_EQ(E_FAIL, host_call(h, MSG_RESIZE_CONSOLE, Z, ",\"ProcessId\":%d,\"Height\":1,\"Width\":1", (int)pid));
	EXPECT_EQ(0, host_call(h, MSG_SIGNAL_PROCESS, Z, ",\"ProcessId\":%d", (int)pid));
	EXPECT_EQ(137, host_wait(h, Z, pid));
}

TEST_F_TIMEOUT(process, a_host_that_closes_stdout_early_gets_its_exit_code, 180)
{
	struct host_stream out;
	int64_t pid = host_external(&self->h, "[\"yes\"]", NULL, &out, NULL);
	char buf[100];

	ASSERT_LT(0, pid);
	ASSERT_EQ(100, recv(out.fd, buf, 100, MSG_WAITALL));
	host_stream_close(&out);
	EXPECT_LT(0, host_wait(&self->h, Z, pid));
}

TEST_F_TIMEOUT(process, a_port_that_nobody_listens_on_fails_the_request_before_the_start, 180)
{
	struct host *h = &self->h;
	struct pollfd p = { .events = POLLIN };
	struct host_stream in;
	char c;

	unlink("/run/started");
	host_stream_listen(h, &in);
	EXPECT_EQ(E_FAIL, host_call(h, MSG_EXECUTE_PROCESS, Z,
				    ",\"Settings\":{\"ProcessParameters\":\"{\\\"CommandArgs\\\":[\\\"touch\\\","
				    "\\\"/run/started\\\"],\\\"CreateStdInPipe\\\":true,\\\"CreateStdOutPipe\\\":true}\","
				    "\"VsockStdioRelaySettings\":{\"StdIn\":%u,\"StdOut\":%u}}", in.port, in.port + 1000));
	EXPECT_NE(NULL, strstr(answer_text(host_last(h), "ErrorMessage"), "port"));
	EXPECT_NE(0, access("/run/started", F_OK));
	/* The one that was made is closed. */
	host_stream_accept(&in);
	p.fd = in.fd;
	EXPECT_EQ(1, poll(&p, 1, WAIT_MS));
	EXPECT_GE(0, recv(in.fd, &c, 1, 0));
	host_stream_close(&in);
}

TEST_F_TIMEOUT(process, a_port_without_its_flag_is_not_dialled, 180)
{
	struct host *h = &self->h;
	struct pollfd p = { .events = POLLIN };
	struct host_stream out;

	host_stream_listen(h, &out);
	ASSERT_EQ(0, host_call(h, MSG_EXECUTE_PROCESS, Z,
			       ",\"Settings\":{\"ProcessParameters\":\"{\\\"CommandArgs\\\":[\\\"/bin/true\\\"]}\","
			       "\"VsockStdioRelaySettings\":{\"StdOut\":%u}}", out.port));
	EXPECT_EQ(0, host_wait(h, Z, answer_number(host_last(h), "ProcessId")));
	p.fd = out.listener;
	EXPECT_EQ(0, poll(&p, 1, 0));
	host_stream_close(&out);
}

TEST_F_TIMEOUT(process, thirty_at_once, 180)
{
	struct host *h = &self->h;
	uint64_t ids[30];
	int64_t pids[30];

	for (int i = 0; i < 30; i++)
		ids[i] = host_ask(h, MSG_EXECUTE_PROCESS, Z,
				  ",\"Settings\":{\"ProcessParameters\":\"{\\\"CommandArgs\\\":[\\\"/bin/sh\\\",\\\"-c\\\","
				  "\\\"exit %d\\\"]}\"}", i);
	for (int i = 0; i < 30; i++)
		pids[i] = answer_number(host_answer(h, ids[i]), "ProcessId");
	for (int i = 0; i < 30; i++)
		EXPECT_EQ(i, host_wait(h, Z, pids[i]));
}

TEST_HARNESS_MAIN

// SPDX-License-Identifier: MIT
/* Conformance: a container's life with the real runtime (bridge.md 9.2 to 9.13, 10, 11). */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/gcs.h>

#include "oci.h"
#include "kselftest_harness.h"

#define E_FAIL (-2147467259)
#define E_NOT_FOUND (-2147023728)
#define E_TIMEOUT (-1070137079)
#define E_NO_SYSTEM (-1070137074)
#define E_SYSTEM_EXISTS (-1070137073)

HOST_FIXTURE(container)

#define PID(p) ",\"ProcessId\":%d", (int)(p)
#define FOREVER(p) ",\"ProcessId\":%d,\"TimeoutInMs\":4294967295", (int)(p)

TEST_F_TIMEOUT(container, a_life_from_create_to_delete, 180)
{
	struct host *h = &self->h;
	struct host_stream out, err;
	unsigned int notified;
	uint64_t wait;
	int64_t pid;

	ASSERT_EQ(0, oci_create(h, "c1", "[\"sh\",\"-c\",\"echo out; echo err >&2; exit 3\"]"));
	EXPECT_EQ(0, answer_number(host_last(h), "SelectedProtocolVersion"));
	pid = oci_start(h, "c1", NULL, &out, &err);
	ASSERT_LT(0, pid);
	wait = host_ask(h, MSG_WAIT_FOR_PROCESS, "c1", FOREVER(pid));
	EXPECT_STREQ("out\n", host_stream_read(&out, NULL));
	EXPECT_STREQ("err\n", host_stream_read(&err, NULL));
	EXPECT_EQ(3, answer_number(host_answer(h, wait), "ExitCode"));
	EXPECT_STREQ("UnexpectedExit", host_notified(h, "c1", &notified));
	/* The notification never overtakes the answer to the wait. */
	EXPECT_LT(host_last(h)->order, notified);
	/* The code stays until the container is deleted; dead is dead. */
	EXPECT_EQ(3, host_wait(h, "c1", pid));
	EXPECT_EQ(3, host_wait(h, "c1", pid));
	EXPECT_EQ(E_NOT_FOUND, host_call(h, MSG_SIGNAL_PROCESS, "c1", PID(pid)));
	EXPECT_EQ(0, host_call(h, MSG_SHUTDOWN_GRACEFUL, "c1", "%s", ""));
	EXPECT_GT(0, oci_exec(h, "c1", "[\"true\"]", NULL, NULL, NULL));
	EXPECT_EQ(0, oci_delete(h, "c1"));
	EXPECT_EQ(E_NO_SYSTEM, host_call(h, MSG_DELETE_CONTAINER_STATE, "c1", "%s", ""));
	EXPECT_EQ(E_NO_SYSTEM, host_wait(h, "c1", pid));
	EXPECT_NE(0, access("/run/gcs/c/c1", F_OK));
	host_watch(h, 200);
}

TEST_F_TIMEOUT(container, the_init_sees_what_the_specification_says, 180)
{
	struct host *h = &self->h;
	struct host_stream out;
	int64_t pid;

	ASSERT_EQ(0, oci_create(h, "c2", "[\"sh\",\"-c\",\"echo $HERE $$; cat /proc/sys/kernel/hostname; ls -d /bin/busybox; "
					 "echo /proc/self/fd/*\"]"));
	pid = oci_start(h, "c2", NULL, &out, NULL);
	ASSERT_LT(0, pid);
	EXPECT_STREQ("container 1\nbox\n/bin/busybox\n/proc/self/fd/0 /proc/self/fd/1 /proc/self/fd/2 /proc/self/fd/3\n",
		     host_stream_read(&out, NULL));
	EXPECT_EQ(0, host_wait(h, "c2", pid));
	host_notified(h, "c2", NULL);
	EXPECT_EQ(0, oci_delete(h, "c2"));
}

TEST_F_TIMEOUT(container, an_id_is_used_once_at_a_time, 180)
{
	struct host *h = &self->h;
	char *spec = oci_spec("c3", "[\"true\"]");

	ASSERT_EQ(0, oci_create(h, "c3", "[\"true\"]"));
	EXPECT_EQ(E_SYSTEM_EXISTS, oci_create_spec(h, "c3", spec));
	/* Created, never started: its init ends with it. */
	EXPECT_EQ(0, oci_delete(h, "c3"));
	EXPECT_STREQ("UnexpectedExit", host_notified(h, "c3", NULL));
	ASSERT_EQ(0, oci_combine(h, "c3"));
	EXPECT_EQ(0, oci_create_spec(h, "c3", spec));
	EXPECT_EQ(0, oci_delete(h, "c3"));
	EXPECT_STREQ("UnexpectedExit", host_notified(h, "c3", NULL));
	free(spec);
}

TEST_F_TIMEOUT(container, stdin_ends_with_half_close_and_every_byte_comes_back, 180)
{
	struct host *h = &self->h;
	struct host_stream in, out;
	size_t len, total = 4 << 20, sent = 0, got = 0;
	char *buf = malloc(total), *back = malloc(total + 1);
	int64_t pid;

	for (size_t i = 0; i < total; i++)
		buf[i] = i * 31 + (i >> 12);
	ASSERT_EQ(0, oci_create(h, "c4", "[\"cat\"]"));
	pid = oci_start(h, "c4", &in, &out, NULL);
	ASSERT_LT(0, pid);
	while (got < total) {
		struct pollfd p[] = { { .fd = sent < total ? in.fd : -1, .events = POLLOUT }, { .fd = out.fd, .events = POLLIN } };

		ASSERT_LT(0, poll(p, 2, WAIT_MS));
		if (p[0].revents) {
			ssize_t n = send(in.fd, buf + sent, total - sent > 65536 ? 65536 : total - sent, MSG_DONTWAIT);

			sent += n > 0 ? n : 0;
			if (sent == total)
				shutdown(in.fd, SHUT_WR);
		}
		if (p[1].revents) {
			ssize_t n = recv(out.fd, back + got, total + 1 - got, 0);

			ASSERT_LT(0, n);
			got += n;
		}
	}
	EXPECT_EQ(0, memcmp(buf, back, total));
	free(host_stream_read(&out, &len));
	EXPECT_EQ(0, len);
	EXPECT_EQ(0, host_wait(h, "c4", pid));
	host_stream_close(&in);
	host_notified(h, "c4", NULL);
	EXPECT_EQ(0, oci_delete(h, "c4"));
}

TEST_F_TIMEOUT(container, the_exit_code_waits_for_the_output, 180)
{
	struct host *h = &self->h;
	struct host_stream out;
	uint64_t wait;
	int64_t pid;
	size_t len;

	/* More than any buffer on the way holds, so that some of it is still in the guest. */
	ASSERT_EQ(0, oci_create(h, "c5", "[\"sh\",\"-c\",\"head -c 60000 /proc/kallsyms >/tmp/x; head -c 60000 /tmp/x; exit 9\"]"));
	pid = oci_start(h, "c5", NULL, &out, NULL);
	ASSERT_LT(0, pid);
	wait = host_ask(h, MSG_WAIT_FOR_PROCESS, "c5", FOREVER(pid));
	EXPECT_FALSE(host_answered(h, wait, 1500));
	free(host_stream_read(&out, &len));
	EXPECT_EQ(60000, len);
	EXPECT_EQ(9, answer_number(host_answer(h, wait), "ExitCode"));
	host_notified(h, "c5", NULL);
	EXPECT_EQ(0, oci_delete(h, "c5"));
}

TEST_F_TIMEOUT(container, streams_that_were_not_asked_for_swallow_output, 180)
{
	struct host *h = &self->h;
	int64_t pid;

	ASSERT_EQ(0, oci_create(h, "c6", "[\"sh\",\"-c\",\"dd if=/dev/zero bs=64k count=16 2>/dev/null || exit 1; "
					 "echo x >&2 || exit 2; cat || exit 3; exit 4\"]"));
	pid = oci_start(h, "c6", NULL, NULL, NULL);
	ASSERT_LT(0, pid);
	EXPECT_EQ(4, host_wait(h, "c6", pid));
	host_notified(h, "c6", NULL);
	EXPECT_EQ(0, oci_delete(h, "c6"));
}

static bool is_by_module(void)
{
	const char *engine = getenv("GCS_ENGINE");

	return !engine || strcmp(engine, "user") != 0;
}

TEST_F_TIMEOUT(container, exec_runs_beside_the_init, 180)
{
	bool by_module = is_by_module();
	struct host *h = &self->h;
	struct host_stream in, out;
	int64_t init, pid;
	char expect[32];

	ASSERT_EQ(0, oci_create(h, "c7", "[\"sleep\",\"1000\"]"));
	init = oci_start(h, "c7", NULL, NULL, NULL);
	ASSERT_LT(0, init);
	pid = oci_exec(h, "c7", "[\"sh\",\"-c\",\"read x; echo got $x; exit 6\"]", &in, &out, NULL);
	ASSERT_LT(0, pid);
	/* Who waits for the host is seen in DumpStacks: the kernel knows of each of its streams. */
	EXPECT_EQ(0, host_call(h, MSG_DUMP_STACKS, Z, "%s", ""));
	EXPECT_EQ(by_module, strstr(answer_text(host_last(h), "GuestStacks"), "to read: open, 0 bytes in, 0 out") != NULL);
	EXPECT_EQ(by_module, strstr(answer_text(host_last(h), "GuestStacks"), "to write: open, 0 bytes in, 0 out, 0 queued") != NULL);
	ASSERT_EQ(3, send(in.fd, "hi\n", 3, 0));
	EXPECT_STREQ("got hi\n", host_stream_read(&out, NULL));
	EXPECT_EQ(6, host_wait(h, "c7", pid));
	/* Answers are written down as given before the next is sent. */
	host_call(h, MSG_START, "x", "%s", "");
	EXPECT_EQ(E_NOT_FOUND, host_wait(h, "c7", pid));
	host_stream_close(&in);
	/* Not there: an error, and nothing of it is left. */
	EXPECT_EQ(E_FAIL, oci_exec(h, "c7", "[\"nothing-of-this-name\"]", NULL, NULL, NULL));
	EXPECT_NE(NULL, strstr(answer_text(host_last(h), "ErrorMessage"), "nothing-of-this-name"));
	EXPECT_EQ(E_FAIL, oci_exec(h, "c7", "[\"nor-of-this-one\"]", NULL, NULL, NULL));
	EXPECT_NE(NULL, strstr(answer_text(host_last(h), "ErrorMessage"), "nor-of-this-one"));
	EXPECT_EQ(NULL, strstr(answer_text(host_last(h), "ErrorMessage"), "nothing-of-this-name"));
	pid = oci_exec(h, "c7", "[\"sleep\",\"1000\"]", NULL, NULL, NULL);
	ASSERT_LT(0, pid);
	EXPECT_EQ(0, host_call(h, MSG_GET_PROPERTIES, "c7", ",\"Query\":\"{\\\"PropertyTypes\\\":[\\\"ProcessList\\\"]}\""));
	snprintf(expect, sizeof(expect), "{\"ProcessId\":%d}", (int)init);
	EXPECT_NE(NULL, strstr(answer_text(host_last(h), "Properties"), expect));
	snprintf(expect, sizeof(expect), "{\"ProcessId\":%d}", (int)pid);
	EXPECT_NE(NULL, strstr(answer_text(host_last(h), "Properties"), expect));
	EXPECT_EQ(0, host_call(h, MSG_GET_PROPERTIES, "c7", ",\"Query\":\"\""));
	EXPECT_STREQ("{}", answer_text(host_last(h), "Properties"));
	EXPECT_EQ(0, host_call(h, MSG_GET_PROPERTIES, "c7", ",\"Query\":\"{\\\"PropertyTypes\\\":[\\\"Foo\\\"]}\""));
	EXPECT_STREQ("{}", answer_text(host_last(h), "Properties"));
	EXPECT_EQ(0, host_call(h, MSG_SIGNAL_PROCESS, "c7", ",\"ProcessId\":%d,\"Options\":{\"Signal\":15}", (int)pid));
	EXPECT_EQ(143, host_wait(h, "c7", pid));
	EXPECT_EQ(E_NOT_FOUND, host_call(h, MSG_SIGNAL_PROCESS, "c7", PID(pid)));
	EXPECT_EQ(E_FAIL, host_call(h, MSG_RESIZE_CONSOLE, "c7", ",\"ProcessId\":%d,\"Height\":1,\"Width\":1", (int)init));
	/* Only this container's layers and constraints belong to it. */
	EXPECT_EQ(E_FAIL, host_call(h, MSG_MODIFY_SETTINGS, "c7",
				    ",\"Request\":{\"ResourceType\":\"SCSIDevice\",\"Settings\":{}}"));
	EXPECT_EQ(0, host_call(h, MSG_SHUTDOWN_FORCED, "c7", "%s", ""));
	EXPECT_EQ(137, host_wait(h, "c7", init));
	EXPECT_STREQ("ForcedExit", host_notified(h, "c7", NULL));
	EXPECT_EQ(0, oci_delete(h, "c7"));
}

TEST_F_TIMEOUT(container, a_second_start_is_refused_and_harms_nothing, 180)
{
	struct host *h = &self->h;
	struct host_stream out;
	char line[6] = "";
	int64_t pid;

	ASSERT_EQ(0, oci_create(h, "c8", "[\"sh\",\"-c\",\"echo here; sleep 1000\"]"));
	pid = oci_start(h, "c8", NULL, &out, NULL);
	ASSERT_LT(0, pid);
	EXPECT_GT(0, oci_start(h, "c8", NULL, NULL, NULL));
	ASSERT_EQ(5, recv(out.fd, line, 5, MSG_WAITALL));
	EXPECT_STREQ("here\n", line);
	EXPECT_EQ(0, host_call(h, MSG_SIGNAL_PROCESS, "c8", PID(pid)));
	EXPECT_STREQ("", host_stream_read(&out, NULL));
	EXPECT_EQ(137, host_wait(h, "c8", pid));
	EXPECT_STREQ("ForcedExit", host_notified(h, "c8", NULL));
	EXPECT_EQ(0, oci_delete(h, "c8"));
}

TEST_F_TIMEOUT(container, a_graceful_shutdown_is_sigterm, 180)
{
	struct host *h = &self->h;
	struct host_stream out;
	char line[6];
	int64_t pid;

	ASSERT_EQ(0, oci_create(h, "c9", "[\"sh\",\"-c\",\"trap 'exit 4' TERM; echo ready; sleep 1000 & wait\"]"));
	pid = oci_start(h, "c9", NULL, &out, NULL);
	ASSERT_LT(0, pid);
	ASSERT_EQ(6, recv(out.fd, line, 6, MSG_WAITALL));
	EXPECT_EQ(0, host_call(h, MSG_SHUTDOWN_GRACEFUL, "c9", "%s", ""));
	free(host_stream_read(&out, NULL));
	EXPECT_EQ(4, host_wait(h, "c9", pid));
	EXPECT_STREQ("GracefulExit", host_notified(h, "c9", NULL));
	EXPECT_EQ(0, oci_delete(h, "c9"));
}

TEST_F_TIMEOUT(container, an_init_that_was_never_started_is_notified_without_a_wait, 180)
{
	struct host *h = &self->h;

	ASSERT_EQ(0, oci_create(h, "c10", "[\"true\"]"));
	EXPECT_EQ(0, host_call(h, MSG_SHUTDOWN_FORCED, "c10", "%s", ""));
	EXPECT_STREQ("ForcedExit", host_notified(h, "c10", NULL));
	EXPECT_EQ(0, host_call(h, MSG_SHUTDOWN_FORCED, "c10", "%s", ""));
	EXPECT_EQ(0, oci_delete(h, "c10"));
	host_watch(h, 200);
}

TEST_F_TIMEOUT(container, a_command_that_is_not_there_fails_and_can_be_deleted, 180)
{
	struct host *h = &self->h;
	int64_t result;

	/* Whichever step finds it, the text names it. */
	result = oci_create(h, "c11", "[\"nothing-of-this-name\"]");
	if (result == 0)
		result = oci_start(h, "c11", NULL, NULL, NULL);
	EXPECT_GT(0, result);
	EXPECT_NE(NULL, strstr(answer_text(host_last(h), "ErrorMessage"), "nothing-of-this-name"));
	oci_delete(h, "c11");
	EXPECT_EQ(E_NO_SYSTEM, host_call(h, MSG_DELETE_CONTAINER_STATE, "c11", "%s", ""));
}

TEST_F_TIMEOUT(container, a_failed_create_leaves_nothing, 180)
{
	static const char *const specs[] = {
		"{}", "{\"process\":{\"args\":[\"true\"],\"cwd\":\"/\"}}", "{\"process\":null,\"root\":null,\"linux\":null}",
		"{\"process\":{\"args\":[],\"cwd\":\"/\"},\"root\":{\"path\":\"/run/gcs/c/c12/rootfs\"},\"linux\":{}}",
		"{\"process\":{\"args\":[\"true\"],\"cwd\":\"/\"},\"root\":{\"path\":\"/does/not/exist\"},\"linux\":{}}",
		"{\"process\":{\"args\":\"true\",\"cwd\":1},\"root\":[],\"linux\":3}",
	};
	struct host *h = &self->h;

	for (size_t i = 0; i < sizeof(specs) / sizeof(specs[0]); i++) {
		EXPECT_NE(0, oci_create_spec(h, "c12", specs[i]));
		EXPECT_EQ(E_NO_SYSTEM, host_call(h, MSG_DELETE_CONTAINER_STATE, "c12", "%s", ""));
		EXPECT_NE(0, access("/run/gcs/c/c12/config.json", F_OK));
	}
	ASSERT_EQ(0, oci_create(h, "c12", "[\"true\"]"));
	EXPECT_EQ(0, oci_delete(h, "c12"));
}

TEST_F_TIMEOUT(container, a_host_that_closes_stdout_early_still_gets_the_exit, 180)
{
	struct host *h = &self->h;
	struct host_stream out;
	char buf[1000];
	int64_t pid;

	ASSERT_EQ(0, oci_create(h, "c13", "[\"sh\",\"-c\",\"yes; sleep 1000\"]"));
	pid = oci_start(h, "c13", NULL, &out, NULL);
	ASSERT_LT(0, pid);
	ASSERT_EQ(1000, recv(out.fd, buf, 1000, MSG_WAITALL));
	host_stream_close(&out);
	EXPECT_EQ(0, host_call(h, MSG_SIGNAL_PROCESS, "c13", PID(pid)));
	EXPECT_EQ(137, host_wait(h, "c13", pid));
	EXPECT_STREQ("ForcedExit", host_notified(h, "c13", NULL));
	EXPECT_EQ(0, oci_delete(h, "c13"));
}

TEST_F_TIMEOUT(container, the_log_says_how_it_ended_and_what_its_streams_carried, 180)
{
	bool by_module = is_by_module();
	struct host *h = &self->h;
	struct host_stream in, out;
	int64_t pid;
	struct json_object *line;
	char text[32], buf[12];

	ASSERT_EQ(0, oci_create(h, "e1", "[\"sh\",\"-c\",\"cat; exec 0<&-; echo more; exec sleep 1000\"]"));
	pid = oci_start(h, "e1", &in, &out, NULL);
	ASSERT_LT(0, pid);
	ASSERT_EQ(6, send(in.fd, "hello\n", 6, 0));
	shutdown(in.fd, SHUT_WR);
	ASSERT_EQ(11, recv(out.fd, buf, 11, MSG_WAITALL));
	/* The guest has closed it: its bytes are counted. The other engine waits with that, and does not count. */
	if (by_module)
		ASSERT_EQ(0, recv(in.fd, buf, 1, 0));
	host_stream_close(&out);
	oci_end(h, "e1", pid);
	snprintf(text, sizeof(text), "\"pid\":%d,", (int)pid);
	line = host_log_line(h, "\"Process ended\"", text, 1);
	EXPECT_STREQ("e1", json_object_get_string(json_at(line, "cid")));
	EXPECT_EQ(137, json_object_get_int(json_at(line, "exitCode")));
	EXPECT_EQ(by_module, json_at(line, "bytesLost") != NULL);
	EXPECT_EQ(by_module ? 6 : 0, json_object_get_int(json_at(line, "bytesIn")));
	EXPECT_EQ(by_module ? 11 : 0, json_object_get_int(json_at(line, "bytesOut")));
	json_object_put(line);
	host_stream_close(&in);
}

TEST_F_TIMEOUT(container, a_background_child_of_an_exec_does_not_hold_back_its_exit, 180)
{
	struct host *h = &self->h;
	struct host_stream out;
	int64_t init, pid;
	uint64_t wait;

	ASSERT_EQ(0, oci_create(h, "c14", "[\"sleep\",\"1000\"]"));
	init = oci_start(h, "c14", NULL, NULL, NULL);
	ASSERT_LT(0, init);
	pid = oci_exec(h, "c14", "[\"sh\",\"-c\",\"sleep 1000 & echo done\"]", NULL, &out, NULL);
	ASSERT_LT(0, pid);
	wait = host_ask(h, MSG_WAIT_FOR_PROCESS, "c14", FOREVER(pid));
	EXPECT_STREQ("done\n", host_stream_read(&out, NULL));
	EXPECT_EQ(0, answer_number(host_answer(h, wait), "ExitCode"));
	EXPECT_EQ(0, host_call(h, MSG_SHUTDOWN_FORCED, "c14", "%s", ""));
	EXPECT_EQ(137, host_wait(h, "c14", init));
	host_notified(h, "c14", NULL);
	EXPECT_EQ(0, oci_delete(h, "c14"));
}

TEST_F_TIMEOUT(container, deleting_a_running_one_is_refused_or_ends_it, 180)
{
	struct host *h = &self->h;
	int64_t pid, result;

	ASSERT_EQ(0, oci_create(h, "c15", "[\"sleep\",\"1000\"]"));
	pid = oci_start(h, "c15", NULL, NULL, NULL);
	ASSERT_LT(0, pid);
	result = host_call(h, MSG_DELETE_CONTAINER_STATE, "c15", "%s", "");
	EXPECT_NE(0, result);
	/* It is not forgotten while it runs. */
	EXPECT_EQ(0, host_call(h, MSG_SIGNAL_PROCESS, "c15", PID(pid)));
	EXPECT_EQ(137, host_wait(h, "c15", pid));
	host_notified(h, "c15", NULL);
	EXPECT_EQ(0, oci_delete(h, "c15"));
}

TEST_F_TIMEOUT(container, waits_and_signals_from_before_the_start_to_after_the_end, 180)
{
	struct host *h = &self->h;
	struct host_stream out;
	uint64_t early, limited;
	unsigned int notified;
	int pid = 0;

	ASSERT_EQ(0, oci_create(h, "c16", "[\"sh\",\"-c\",\"trap 'echo usr1' USR1; trap 'exit 4' TERM; echo ready; while :; do :; done\"]"));
	EXPECT_EQ(0, host_call(h, MSG_GET_PROPERTIES, "c16", ",\"Query\":\"{\\\"PropertyTypes\\\":[\\\"ProcessList\\\"]}\""));
	ASSERT_EQ(1, sscanf(answer_text(host_last(h), "Properties"), "{\"ProcessList\":[{\"ProcessId\":%d}]}", &pid));
	early = host_ask(h, MSG_WAIT_FOR_PROCESS, "c16", FOREVER(pid));
	EXPECT_EQ(E_TIMEOUT, host_call(h, MSG_WAIT_FOR_PROCESS, "c16", ",\"ProcessId\":%d,\"TimeoutInMs\":50", pid));
	ASSERT_EQ(pid, oci_start(h, "c16", NULL, &out, NULL));
	limited = host_ask(h, MSG_WAIT_FOR_PROCESS, "c16", ",\"ProcessId\":%d,\"TimeoutInMs\":4294967294", pid);
	EXPECT_EQ(E_NOT_FOUND, host_call(h, MSG_WAIT_FOR_PROCESS, "c16", FOREVER(pid + 1)));
	EXPECT_EQ(E_NOT_FOUND, host_call(h, MSG_SIGNAL_PROCESS, "c16", PID(pid + 1)));
	/* A process of a container is none of the VM. */
	EXPECT_EQ(E_NOT_FOUND, host_call(h, MSG_SIGNAL_PROCESS, Z, PID(pid)));
	{
		char line[12] = "";

		ASSERT_EQ(6, recv(out.fd, line, 6, MSG_WAITALL));
		EXPECT_EQ(0, host_call(h, MSG_SIGNAL_PROCESS, "c16", ",\"ProcessId\":%d,\"Options\":{\"Signal\":10}", pid));
		ASSERT_EQ(5, recv(out.fd, line + 6, 5, MSG_WAITALL));
		EXPECT_STREQ("ready\nusr1\n", line);
	}
	EXPECT_EQ(E_FAIL, host_call(h, MSG_SIGNAL_PROCESS, "c16", ",\"ProcessId\":%d,\"Options\":{\"Signal\":-1}", pid));
	EXPECT_FALSE(host_answered(h, early, 0));
	EXPECT_EQ(0, host_call(h, MSG_SIGNAL_PROCESS, "c16", ",\"ProcessId\":%d,\"Options\":{\"Signal\":15}", pid));
	EXPECT_STREQ("", host_stream_read(&out, NULL));
	EXPECT_EQ(4, answer_number(host_answer(h, early), "ExitCode"));
	EXPECT_EQ(4, answer_number(host_answer(h, limited), "ExitCode"));
	EXPECT_STREQ("GracefulExit", host_notified(h, "c16", &notified));
	EXPECT_LT(host_answer(h, early)->order, notified);
	EXPECT_LT(host_answer(h, limited)->order, notified);
	/* The code is there without a wait. */
	EXPECT_EQ(0, host_call(h, MSG_WAIT_FOR_PROCESS, "c16", ",\"ProcessId\":%d,\"TimeoutInMs\":0", pid));
	EXPECT_EQ(4, answer_number(host_last(h), "ExitCode"));
	EXPECT_EQ(0, oci_delete(h, "c16"));
}

/* More finished streams than the agent's netlink socket has room for, while the agent stands still. */
#define FLOOD 2000

TEST_F_TIMEOUT(container, an_exit_is_reported_although_the_event_of_its_stream_was_missed, 180)
{
	struct host *h = &self->h;
	struct host_stream out, lost;
	int64_t init, pid;
	char text[7] = "";
	uint64_t wait;
	int device, fd;

	ASSERT_EQ(0, oci_create(h, "flood", "[\"sh\",\"-c\",\"mkfifo /tmp/f; echo first; read a </tmp/f; head -c 600000 /dev/zero; exit 9\"]"));
	init = oci_start(h, "flood", NULL, &lost, NULL);
	ASSERT_LT(0, init);
	ASSERT_EQ(6, recv(lost.fd, text, 6, MSG_WAITALL));
	pid = oci_exec(h, "flood", "[\"echo\",\"last\"]", NULL, &out, NULL);
	ASSERT_LT(0, pid);
	wait = host_ask(h, MSG_WAIT_FOR_PROCESS, "flood", FOREVER(pid));
	/* It has ended, and is not reported as long as this host has not closed its end. */
	ASSERT_EQ(5, recv(out.fd, text, 5, MSG_WAITALL));
	EXPECT_EQ(0, memcmp("last\n", text, 5));
	EXPECT_EQ(0, recv(out.fd, text, 1, 0));
	EXPECT_FALSE(host_answered(h, wait, 500));

	ASSERT_EQ(0, kill(h->agent, SIGSTOP));
	device = open("/dev/" GCS_DEVICE_NAME, O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, device);
	for (int i = 0; i < FLOOD; i++) {
		struct gcs_stream_open o = { .size = sizeof(o), .flags = GCS_STREAM_READ, .socket_fd = -1 };

		fd = ioctl(device, GCS_STREAM_OPEN, &o);
		ASSERT_LE(0, fd);
		close(fd);
	}
	close(device);
	host_stream_close(&out);
	host_stream_close(&lost);
	ASSERT_EQ(0, kill(h->agent, SIGCONT));
	EXPECT_EQ(0, answer_number(host_answer(h, wait), "ExitCode"));
	/* Nor was the loss of the init's stream missed: it does not wait for a host that has not gone. */
	oci_go_on(init);
	EXPECT_EQ(9, host_wait(h, "flood", init));
	host_notified(h, "flood", NULL);
	EXPECT_EQ(0, oci_delete(h, "flood"));
}

TEST_HARNESS_MAIN

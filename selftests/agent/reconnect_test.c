// SPDX-License-Identifier: MIT
/* Conformance: broken frames, lost connections, what may follow them (bridge.md 2, 3 and 12.2). */
#include <endian.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "host_io.h"
#include "oci.h"
#include "kselftest_harness.h"

#define E_TIMEOUT (-1070137079)

#define WAIT_FOREVER(pid) ",\"ProcessId\":%d,\"TimeoutInMs\":4294967295", (int)(pid)
#define PROBE(pid) ",\"ProcessId\":%d,\"TimeoutInMs\":50", (int)(pid)

HOST_FIXTURE(reconnect)

static void again(struct host *h)
{
	host_accept_bridge(h, WAIT_MS);
	host_negotiate(h);
	/* After a migration the ids jump. */
	h->next_id += 1000;
}

static bool silent(struct host *h, int ms)
{
	struct pollfd p = { .fd = h->fd, .events = POLLIN };

	return poll(&p, 1, ms) == 0;
}

/* Wait for the end of a process that is not ours. */
static bool gone(pid_t pid)
{
	int fd = syscall(SYS_pidfd_open, pid, 0);
	struct pollfd p = { .fd = fd, .events = POLLIN };
	bool ended = fd < 0 || poll(&p, 1, WAIT_MS) == 1;

	close(fd);
	return ended;
}

TEST_F_TIMEOUT(reconnect, a_header_with_a_bad_size_ends_the_connection, 180)
{
	static const uint32_t sizes[] = { 0, 15, FRAME_MAX_TO_GUEST + 1, UINT32_MAX };
	struct host *h = &self->h;

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct frame_header header = { htole32(MSG_START), htole32(sizes[i]), 0 };

		host_send_raw(h, &header, sizeof(header));
		ASSERT_TRUE(host_sees_close(h, WAIT_MS));
		again(h);
		EXPECT_EQ(0, host_call(h, MSG_START, "x", "%s", ""));
	}
}

TEST_F_TIMEOUT(reconnect, a_connection_may_end_anywhere_in_a_frame, 180)
{
	static const char frame[] = "\x01\x02\x10\x10\x18\0\0\0\x07\0\0\0\0\0\0\0{\"a\":1}\n";
	struct host *h = &self->h;

	for (size_t n = 0; n < sizeof(frame) - 1; n++) {
		host_send_raw(h, frame, n);
		host_drop(h);
		again(h);
	}
	EXPECT_EQ(0, host_call(h, MSG_START, "x", "%s", ""));
}

TEST_F_TIMEOUT(reconnect, frames_may_come_byte_by_byte_and_many_at_once, 180)
{
	static const char frame[] = "\x01\x02\x10\x10\x18\0\0\0\x07\0\0\0\0\0\0\0{\"a\":1}\n";
	struct host *h = &self->h;
	char many[50 * (sizeof(frame) - 1)];

	host_expect(h, 7, MSG_START);
	for (size_t i = 0; i < sizeof(frame) - 1; i++)
		host_send_raw(h, frame + i, 1);
	EXPECT_EQ(0, answer_result(host_answer(h, 7)));
	for (int i = 0; i < 50; i++) {
		memcpy(many + i * (sizeof(frame) - 1), frame, sizeof(frame) - 1);
		many[i * (sizeof(frame) - 1) + 8] = 100 + i;
		host_expect(h, 100 + i, MSG_START);
	}
	host_send_raw(h, many, sizeof(many));
	for (int i = 0; i < 50; i++)
		EXPECT_EQ(0, answer_result(host_answer(h, 100 + i)));
}

TEST_F_TIMEOUT(reconnect, a_host_that_hangs_up_at_once_is_not_hammered, 180)
{
	struct host *h = &self->h;
	struct timespec a, b;

	host_drop(h);
	clock_gettime(CLOCK_MONOTONIC, &a);
	for (int i = 0; i < 10; i++) {
		host_accept_bridge(h, WAIT_MS);
		host_drop(h);
	}
	clock_gettime(CLOCK_MONOTONIC, &b);
	EXPECT_LE(800, (b.tv_sec - a.tv_sec) * 1000 + (b.tv_nsec - a.tv_nsec) / 1000000);
	again(h);
	EXPECT_EQ(0, host_call(h, MSG_START, "x", "%s", ""));
}

TEST_F_TIMEOUT(reconnect, a_new_connection_is_not_negotiated, 180)
{
	struct host *h = &self->h;

	host_drop(h);
	host_accept_bridge(h, WAIT_MS);
	EXPECT_EQ(-2147467263, host_call(h, MSG_START, "x", "%s", ""));
	host_negotiate(h);
	EXPECT_EQ(0, host_call(h, MSG_START, "x", "%s", ""));
}

TEST_F_TIMEOUT(reconnect, a_pending_wait_is_answered_with_its_old_id, 180)
{
	struct host *h = &self->h;
	uint64_t waits[4], later;
	int64_t pids[3];
	unsigned int notified;

	ASSERT_EQ(0, oci_create(h, "r1", "[\"sleep\",\"1000\"]"));
	pids[0] = oci_start(h, "r1", NULL, NULL, NULL);
	pids[1] = oci_exec(h, "r1", "[\"sleep\",\"1000\"]", NULL, NULL, NULL);
	pids[2] = host_external(h, "[\"sleep\",\"1000\"]", NULL, NULL, NULL);
	/* Two for the init. */
	for (int i = 0; i < 4; i++) {
		ASSERT_LT(0, pids[i % 3]);
		waits[i] = host_ask(h, MSG_WAIT_FOR_PROCESS, i == 2 ? Z : "r1", WAIT_FOREVER(pids[i % 3]));
	}
	EXPECT_EQ(0, host_call(h, MSG_START, Z, "%s", "")); /* all waits have been read */
	host_drop(h);
	again(h);
	for (int i = 0; i < 3; i++)
		EXPECT_EQ(E_TIMEOUT, host_call(h, MSG_WAIT_FOR_PROCESS, i == 2 ? Z : "r1", PROBE(pids[i])));
	later = host_ask(h, MSG_WAIT_FOR_PROCESS, "r1", WAIT_FOREVER(pids[0]));
	for (int i = 2; i >= 0; i--) {
		EXPECT_EQ(0, host_call(h, MSG_SIGNAL_PROCESS, i == 2 ? Z : "r1", ",\"ProcessId\":%d", (int)pids[i]));
		EXPECT_EQ(137, answer_number(host_answer(h, waits[i]), "ExitCode"));
	}
	EXPECT_STREQ("ForcedExit", host_notified(h, "r1", &notified));
	EXPECT_EQ(137, answer_number(host_answer(h, waits[3]), "ExitCode"));
	EXPECT_EQ(137, answer_number(host_answer(h, later), "ExitCode"));
	EXPECT_LT(host_answer(h, waits[3])->order, notified);
	EXPECT_LT(host_answer(h, later)->order, notified);
	EXPECT_EQ(0, oci_delete(h, "r1"));
}

TEST_F_TIMEOUT(reconnect, what_happened_meanwhile_is_held_until_the_host_names_the_container, 180)
{
	struct host *h = &self->h;
	struct host_stream in;
	unsigned int notified;
	uint64_t wait;
	int64_t pid;

	ASSERT_EQ(0, oci_create(h, "r2", "[\"sh\",\"-c\",\"cat; exit 5\"]"));
	pid = oci_start(h, "r2", &in, NULL, NULL);
	ASSERT_LT(0, pid);
	wait = host_ask(h, MSG_WAIT_FOR_PROCESS, "r2", ",\"ProcessId\":%d,\"TimeoutInMs\":4294967295", (int)pid);
	EXPECT_EQ(0, host_call(h, MSG_START, "r2", "%s", "")); /* the wait has been read */
	/* Nobody listens: the agent redials while the container ends. */
	close(h->listener);
	host_drop(h);
	host_stream_close(&in);
	ASSERT_TRUE(gone(pid));
	host_listen_bridge(h);
	host_accept_bridge(h, WAIT_MS);
	EXPECT_TRUE(silent(h, 500)); /* before the negotiation */
	host_negotiate(h);
	h->next_id += 1000;
	EXPECT_TRUE(silent(h, 500)); /* before the container is named */
	EXPECT_EQ(0, host_call(h, MSG_WAIT_FOR_PROCESS, "r2", ",\"ProcessId\":%d,\"TimeoutInMs\":50", (int)pid));
	EXPECT_EQ(5, answer_number(host_last(h), "ExitCode"));
	EXPECT_EQ(5, answer_number(host_answer(h, wait), "ExitCode"));
	EXPECT_STREQ("UnexpectedExit", host_notified(h, "r2", &notified));
	EXPECT_EQ(0, oci_delete(h, "r2"));
}

/* The lines that seq prints, from @first to @last. */
static char *lines(int first, int last)
{
	char *text = malloc((last - first + 1) * 8 + 1), *at = text;

	for (int i = first; i <= last; i++)
		at += sprintf(at, "%d\n", i);
	return text;
}

/* The next bytes of the stream are those of @text. */
static bool comes(struct host_stream *s, const char *text)
{
	size_t len = strlen(text), got = 0;
	char buf[16384];
	ssize_t n;

	while (got < len) {
		n = host_readable(s->fd, host_now_ms() + WAIT_MS) ?
			read(s->fd, buf, len - got < sizeof(buf) ? len - got : sizeof(buf)) : -1;
		if (n <= 0 || memcmp(buf, text + got, n)) {
			printf("# %zu of %zu bytes came, then %zd\n", got, len, n);
			return false;
		}
		got += n;
	}
	return true;
}

#define KEPT (128 * 1024)

TEST_F_TIMEOUT(reconnect, an_init_waits_for_the_next_host_which_gets_every_byte, 180)
{
	static const char script[] = "mkfifo /tmp/f; seq 1 20000 >&2; seq 1 60000; read a </tmp/f; seq 60001 120000; seq 20001 30000 >&2; exit 3";
	struct host *h = &self->h;
	char *all = lines(1, 120000), *first = lines(1, 60000), *errors = lines(1, 30000), *text, *args;
	struct host_stream out, err;
	int64_t pid;
	uint64_t wait;

	ASSERT_LT(0, asprintf(&args, "[\"sh\",\"-c\",\"%s\"]", script));
	ASSERT_EQ(0, oci_create(h, "l1", args));
	pid = oci_start(h, "l1", NULL, &out, &err);
	ASSERT_LT(0, pid);
	wait = host_ask(h, MSG_WAIT_FOR_PROCESS, "l1", WAIT_FOREVER(pid));
	EXPECT_EQ(0, host_call(h, MSG_START, "l1", "%s", "")); /* the wait has been read */
	/* All of the one was read; of the other most has come and was not. */
	ASSERT_TRUE(comes(&out, first));
	ASSERT_TRUE(comes(&err, "1\n2\n3\n"));
	close(h->listener);
	host_stream_again(h, &out);
	host_stream_again(h, &err);
	host_drop(h);
	oci_lost(h, &out, 1);
	oci_lost(h, &err, 1);
	oci_go_on(pid); /* it writes more than there is room for */
	host_listen_bridge(h);
	again(h);
	host_stream_accept(&out);
	host_stream_accept(&err);
	EXPECT_EQ(E_TIMEOUT, host_call(h, MSG_WAIT_FOR_PROCESS, "l1", PROBE(pid)));
	text = host_stream_read(&out, NULL);
	EXPECT_STREQ(all + strlen(first) - KEPT, text);
	free(text);
	text = host_stream_read(&err, NULL);
	EXPECT_STREQ(errors, text);
	free(text);
	EXPECT_EQ(3, answer_number(host_answer(h, wait), "ExitCode"));
	EXPECT_STREQ("UnexpectedExit", host_notified(h, "l1", NULL));
	EXPECT_EQ(0, oci_delete(h, "l1"));
	free(all);
	free(first);
	free(errors);
	free(args);
}

TEST_F_TIMEOUT(reconnect, an_exit_without_a_host_is_told_when_the_next_one_has_the_output, 180)
{
	struct host *h = &self->h;
	struct host_stream out, err;
	int64_t pid;
	uint64_t wait;
	char *text;

	ASSERT_EQ(0, oci_create(h, "l2", "[\"sh\",\"-c\",\"mkfifo /tmp/f; echo one; read a </tmp/f; echo two; echo three >&2; exit 6\"]"));
	pid = oci_start(h, "l2", NULL, &out, &err);
	ASSERT_LT(0, pid);
	wait = host_ask(h, MSG_WAIT_FOR_PROCESS, "l2", WAIT_FOREVER(pid));
	EXPECT_EQ(0, host_call(h, MSG_START, "l2", "%s", ""));
	ASSERT_TRUE(comes(&out, "one\n"));
	close(h->listener);
	host_drop(h);
	host_stream_again(h, &out);
	host_stream_again(h, &err);
	oci_lost(h, &out, 1);
	oci_lost(h, &err, 1);
	oci_go_on(pid);
	ASSERT_TRUE(gone(pid));
	host_listen_bridge(h);
	again(h);
	host_stream_accept(&out);
	host_stream_accept(&err);
	EXPECT_TRUE(silent(h, 300));
	EXPECT_EQ(E_TIMEOUT, host_call(h, MSG_WAIT_FOR_PROCESS, "l2", PROBE(pid)));
	text = host_stream_read(&out, NULL);
	EXPECT_STREQ("one\ntwo\n", text); /* nobody could know that the first line had arrived */
	free(text);
	text = host_stream_read(&err, NULL);
	EXPECT_STREQ("three\n", text);
	free(text);
	EXPECT_EQ(6, answer_number(host_answer(h, wait), "ExitCode"));
	EXPECT_STREQ("UnexpectedExit", host_notified(h, "l2", NULL));
	EXPECT_EQ(0, oci_delete(h, "l2"));
}

TEST_F_TIMEOUT(reconnect, an_exit_does_not_wait_for_a_host_that_does_not_come, 180)
{
	struct host *h = &self->h;
	struct host_stream out;
	char port[40];
	int64_t pid;
	uint64_t wait;

	ASSERT_EQ(0, oci_create(h, "l4", "[\"sh\",\"-c\",\"mkfifo /tmp/f; echo one; read a </tmp/f; echo two; exit 7\"]"));
	pid = oci_start(h, "l4", NULL, &out, NULL);
	ASSERT_LT(0, pid);
	ASSERT_TRUE(comes(&out, "one\n"));
	wait = host_ask(h, MSG_WAIT_FOR_PROCESS, "l4", WAIT_FOREVER(pid));
	EXPECT_EQ(0, host_call(h, MSG_START, "l4", "%s", ""));
	close(h->listener);
	host_drop(h);
	host_stream_close(&out);
	oci_lost(h, &out, 1);
	oci_go_on(pid);
	snprintf(port, sizeof(port), "vsock port %u", out.port);
	json_object_put(host_log_line(h, port, "does not take this stream any more", 1));
	host_listen_bridge(h);
	again(h);
	EXPECT_EQ(0, host_call(h, MSG_WAIT_FOR_PROCESS, "l4", PROBE(pid)));
	EXPECT_EQ(7, answer_number(host_last(h), "ExitCode"));
	EXPECT_EQ(7, answer_number(host_answer(h, wait), "ExitCode"));
	EXPECT_STREQ("UnexpectedExit", host_notified(h, "l4", NULL));
	EXPECT_EQ(0, oci_delete(h, "l4"));
}

TEST_F_TIMEOUT(reconnect, a_stream_that_a_host_closes_whose_bridge_lives_is_not_dialled_again, 180)
{
	struct host *h = &self->h;
	struct host_stream out;
	int64_t pid;

	ASSERT_EQ(0, oci_create(h, "l3", "[\"sh\",\"-c\",\"mkfifo /tmp/f; echo one; read a </tmp/f; head -c 600000 /dev/zero; exit 4\"]"));
	pid = oci_start(h, "l3", NULL, &out, NULL);
	ASSERT_LT(0, pid);
	ASSERT_TRUE(comes(&out, "one\n"));
	host_stream_again(h, &out);
	oci_go_on(pid);
	EXPECT_EQ(4, host_wait(h, "l3", pid));
	EXPECT_FALSE(host_readable(out.listener, 0));
	host_stream_close(&out);
	EXPECT_STREQ("UnexpectedExit", host_notified(h, "l3", NULL));
	EXPECT_EQ(0, oci_delete(h, "l3"));
}

TEST_F_TIMEOUT(reconnect, without_a_name_the_fallback_delivers, 180)
{
	struct host *h = &self->h;
	uint64_t deaf;
	struct host_stream out;
	int64_t pid = host_external(h, "[\"sh\",\"-c\",\"exit 8\"]", NULL, NULL, NULL);
	struct timespec a, b;
	struct host_stream in;
	uint64_t wait;

	EXPECT_EQ(8, host_wait(h, Z, pid));
	pid = host_external(h, "[\"sh\",\"-c\",\"cat; exit 8\"]", &in, NULL, NULL);
	ASSERT_LT(0, pid);
	wait = host_ask(h, MSG_WAIT_FOR_PROCESS, Z, ",\"ProcessId\":%d,\"TimeoutInMs\":4294967295", (int)pid);
	EXPECT_EQ(0, host_call(h, MSG_START, Z, "%s", ""));
	/* And of a container the output that the next host does not ask for is given up. */
	ASSERT_EQ(0, oci_create(h, "r3", "[\"sh\",\"-c\",\"mkfifo /tmp/f; echo one; read a </tmp/f; head -c 600000 /dev/zero; exit 7\"]"));
	pid = oci_start(h, "r3", NULL, &out, NULL);
	ASSERT_LT(0, pid);
	ASSERT_TRUE(comes(&out, "one\n"));
	deaf = host_ask(h, MSG_WAIT_FOR_PROCESS, "r3", WAIT_FOREVER(pid));
	EXPECT_EQ(0, host_call(h, MSG_START, Z, "%s", ""));
	host_stream_close(&out);
	host_drop(h);
	again(h);
	oci_go_on(pid);
	clock_gettime(CLOCK_MONOTONIC, &a);
	host_stream_close(&in);
	EXPECT_EQ(8, answer_number(host_answer(h, wait), "ExitCode"));
	clock_gettime(CLOCK_MONOTONIC, &b);
	EXPECT_LE(8, b.tv_sec - a.tv_sec);
	EXPECT_GE(20, b.tv_sec - a.tv_sec);
	EXPECT_EQ(7, answer_number(host_answer(h, deaf), "ExitCode"));
	EXPECT_STREQ("UnexpectedExit", host_notified(h, "r3", NULL));
	EXPECT_EQ(0, oci_delete(h, "r3"));
}

TEST_F_TIMEOUT(reconnect, a_response_to_a_lost_connection_is_dropped, 180)
{
	struct host *h = &self->h;
	struct host_stream in;
	uint64_t probe;
	int64_t pid = host_external(h, "[\"cat\"]", &in, NULL, NULL);

	ASSERT_LT(0, pid);
	/* A wait with a limit is nothing that a new host adopts. */
	probe = host_ask(h, MSG_WAIT_FOR_PROCESS, Z, ",\"ProcessId\":%d,\"TimeoutInMs\":1000", (int)pid);
	EXPECT_EQ(0, host_call(h, MSG_START, Z, "%s", ""));
	host_forget(h, probe);
	host_drop(h);
	again(h);
	EXPECT_EQ(0, host_call(h, MSG_START, Z, "%s", ""));
	host_watch(h, 2000); /* an answer to the probe would fail the test */
	host_stream_close(&in);
	EXPECT_EQ(0, host_wait(h, Z, pid));
}

TEST_HARNESS_MAIN

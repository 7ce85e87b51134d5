// SPDX-License-Identifier: MIT
/* Conformance: terminals of containers, of further processes and of processes of the VM (bridge.md 9.7, 11.5, 11.6). */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <unistd.h>

#include "host_io.h"
#include "oci.h"
#include "kselftest_harness.h"

#define E_FAIL (-2147467259)
#define E_INVALID_JSON (-1070137075)
#define E_NOT_FOUND (-2147023728)
#define E_TIMEOUT (-1070137079)
#define E_NO_SYSTEM (-1070137074)

#define PID(p) ",\"ProcessId\":%d", (int)(p)
#define FOREVER(p) ",\"ProcessId\":%d,\"TimeoutInMs\":4294967295", (int)(p)
#define SIZE(p, rows, columns) ",\"ProcessId\":%d,\"Height\":%d,\"Width\":%d", (int)(p), rows, columns

/* The next bytes of the stream are these. */
static void expect(struct host *h, struct host_stream *s, const char *text)
{
	size_t len = strlen(text), got = 0;
	char buf[512] = "";

	while (got < len) {
		ssize_t n = host_readable(s->fd, host_now_ms() + WAIT_MS) ? read(s->fd, buf + got, len - got) : -1;

		if (n <= 0)
			host_fail(h, "\"%s\" expected, and the stream has ended or stands still after \"%s\"", text, buf);
		got += n;
		if (memcmp(buf, text, got))
			host_fail(h, "\"%s\" expected, and \"%s\" came", text, buf);
	}
}

static void type(struct host *h, struct host_stream *s, const char *text)
{
	if (send(s->fd, text, strlen(text), MSG_NOSIGNAL) != (ssize_t)strlen(text))
		host_fail(h, "type \"%s\"", text);
}

/* Create a container that runs a shell's @script, with a terminal or only with the means for one. */
static int64_t create(struct host *h, const char *cid, const char *script, bool terminal)
{
	char *words, *text;
	struct json_object *spec, *process;
	int64_t result;

	script = quoted(script);
	if (asprintf(&words, "[\"sh\",\"-c\",%s]", script) < 0)
		abort();
	text = oci_spec(cid, words);
	spec = json_tokener_parse(text);
	process = json_object_object_get(spec, "process");
	json_object_object_add(process, "terminal", json_object_new_boolean(terminal));
	if (terminal)
		json_object_object_add(process, "consoleSize", json_tokener_parse("{\"height\":33,\"width\":101}"));
	json_object_array_add(json_object_object_get(spec, "mounts"),
			      json_tokener_parse("{\"destination\":\"/dev/pts\",\"type\":\"devpts\",\"source\":\"devpts\",\"options\":"
						 "[\"nosuid\",\"noexec\",\"newinstance\",\"ptmxmode=0666\",\"mode=0620\"]}"));
	result = oci_combine(h, cid);
	if (result == 0)
		result = oci_create_spec(h, cid, json_object_to_json_string(spec));
	json_object_put(spec);
	free(text);
	free(words);
	free((char *)script);
	return result;
}

/* Run a shell's @script with a terminal in the container; NULL: in the VM. */
static int64_t run(struct host *h, const char *cid, const char *script, struct host_stream *in, struct host_stream *out,
		   struct host_stream *err)
{
	char *more, *string = quoted(script);
	int64_t pid;

	if (asprintf(&more, cid ? ",\"OciProcess\":{\"terminal\":true,\"consoleSize\":{\"height\":24,\"width\":80},\"user\":{\"uid\":0,"
				  "\"gid\":0},\"args\":[\"sh\",\"-c\",%s],\"env\":[\"PATH=/bin\"],\"cwd\":\"/\"}" :
				  ",\"EmulateConsole\":true,\"ConsoleSize\":[24,80],\"CommandArgs\":[\"sh\",\"-c\",%s],"
				  "\"WorkingDirectory\":\"/\",\"Environment\":{\"PATH\":\"/usr/sbin:/usr/bin:/sbin:/bin\"}",
		     string) < 0)
		abort();
	pid = host_execute(h, cid ? cid : Z, more, in, out, err);
	free(more);
	free(string);
	return pid;
}

static size_t count_files(const char *path)
{
	DIR *d = opendir(path);
	size_t n = 0;

	while (d && readdir(d))
		n++;
	if (d)
		closedir(d);
	return n;
}

/* The CPU time of the agent's threads so far, in ms. */
static long cpu_ms(const struct host *h)
{
	char command[128], line[64] = "";
	FILE *f;

	snprintf(command, sizeof(command), "cat /proc/%d/task/*/schedstat | awk '{ n += $1 } END { print int(n / 1000000) }'",
		 (int)h->agent);
	f = popen(command, "r");
	if (!f || !fgets(line, sizeof(line), f))
		host_fail(h, "%s", command);
	pclose(f);
	return atol(line);
}

HOST_FIXTURE(tty)

TEST_F_TIMEOUT(tty, an_init_with_a_terminal_from_create_to_delete, 180)
{
	struct host *h = &self->h;
	struct host_stream in, out;
	unsigned int notified;
	uint64_t wait;
	int64_t pid;

	ASSERT_EQ(0, create(h, "t1", "tty; stty size; read x; echo got $x; stty size; exit 3", true));
	pid = oci_start(h, "t1", &in, &out, NULL);
	ASSERT_LT(0, pid);
	expect(h, &out, "/dev/pts/0\r\n33 101\r\n");
	wait = host_ask(h, MSG_WAIT_FOR_PROCESS, "t1", FOREVER(pid));
	EXPECT_EQ(0, host_call(h, MSG_RESIZE_CONSOLE, "t1", SIZE(pid, 40, 12345)));
	EXPECT_EQ(E_INVALID_JSON, host_call(h, MSG_RESIZE_CONSOLE, "t1", SIZE(pid, 40, 65536)));
	type(h, &in, "hi\n");
	EXPECT_STREQ("hi\r\ngot hi\r\n40 12345\r\n", host_stream_read(&out, NULL));
	EXPECT_EQ(3, answer_number(host_answer(h, wait), "ExitCode"));
	EXPECT_STREQ("UnexpectedExit", host_notified(h, "t1", &notified));
	EXPECT_LT(host_last(h)->order, notified);
	/* The host need not know that the terminal has gone. */
	EXPECT_EQ(0, host_call(h, MSG_RESIZE_CONSOLE, "t1", SIZE(pid, 1, 1)));
	EXPECT_EQ(E_NOT_FOUND, host_call(h, MSG_RESIZE_CONSOLE, "t1", SIZE(pid + 1, 1, 1)));
	EXPECT_EQ(0, oci_delete(h, "t1"));
	EXPECT_EQ(E_NO_SYSTEM, host_call(h, MSG_RESIZE_CONSOLE, "t1", SIZE(pid, 1, 1)));
	host_stream_close(&in);
}

TEST_F_TIMEOUT(tty, a_terminal_is_there_before_the_start, 180)
{
	struct host *h = &self->h;
	struct host_stream in, out;
	const char *list;
	int pid = 0;

	ASSERT_EQ(0, create(h, "t2", "trap 'exit 9' INT; stty size; cat", true));
	EXPECT_EQ(0, host_call(h, MSG_GET_PROPERTIES, "t2", ",\"Query\":\"{\\\"PropertyTypes\\\":[\\\"ProcessList\\\"]}\""));
	list = answer_text(host_last(h), "Properties");
	ASSERT_EQ(1, sscanf(list, "{\"ProcessList\":[{\"ProcessId\":%d}]}", &pid));
	EXPECT_EQ(0, host_call(h, MSG_RESIZE_CONSOLE, "t2", SIZE(pid, 50, 60)));
	ASSERT_EQ(pid, oci_start(h, "t2", &in, &out, NULL));
	expect(h, &out, "50 60\r\n");
	/* It is the controlling terminal. The shell waits for the other by now: see process_test. */
	type(h, &in, "a\n");
	expect(h, &out, "a\r\na\r\n");
	type(h, &in, "\003");
	expect(h, &out, "^C");
	free(host_stream_read(&out, NULL));
	EXPECT_EQ(9, host_wait(h, "t2", pid));
	host_notified(h, "t2", NULL);
	EXPECT_EQ(0, oci_delete(h, "t2"));
	host_stream_close(&in);
}

TEST_F_TIMEOUT(tty, an_init_that_never_ran_leaves_nothing, 180)
{
	struct host *h = &self->h;
	size_t calls = count_files("/run/gcs/runtime");

	for (int i = 0; i < 2; i++) {
		ASSERT_EQ(0, create(h, "t3", "exit 1", true));
		if (i == 0)
			EXPECT_EQ(0, host_call(h, MSG_SHUTDOWN_FORCED, "t3", "%s", ""));
		EXPECT_EQ(0, oci_delete(h, "t3"));
		EXPECT_STREQ(i == 0 ? "ForcedExit" : "UnexpectedExit", host_notified(h, "t3", NULL));
	}
	EXPECT_EQ(calls, count_files("/run/gcs/runtime"));
}

TEST_F_TIMEOUT(tty, an_init_does_not_notice_a_host_that_closes_its_streams, 180)
{
	struct host *h = &self->h;
	struct host_stream in, out, closed;
	int64_t pid, exec;
	uint64_t wait;

	ASSERT_EQ(0, create(h, "t4", "mkfifo /tmp/f; stty raw; echo x; read a </tmp/f; head -c 300000 /dev/zero; exit 4", true));
	pid = oci_start(h, "t4", &in, &out, NULL);
	ASSERT_LT(0, pid);
	expect(h, &out, "x\n");
	wait = host_ask(h, MSG_WAIT_FOR_PROCESS, "t4", FOREVER(pid));
	host_stream_close(&in);
	host_stream_close(&out);
	exec = oci_exec(h, "t4", "[\"sh\",\"-c\",\"echo go >/tmp/f\"]", NULL, &closed, NULL);
	ASSERT_LT(0, exec);
	EXPECT_STREQ("", host_stream_read(&closed, NULL));
	EXPECT_EQ(4, answer_number(host_answer(h, wait), "ExitCode"));
	host_notified(h, "t4", NULL);
	EXPECT_EQ(0, oci_delete(h, "t4"));
}

TEST_F_TIMEOUT(tty, a_terminal_and_its_keys_survive_the_loss_of_the_host, 180)
{
	struct host *h = &self->h;
	struct host_stream in, out;
	int64_t pid;

	ASSERT_EQ(0, create(h, "t5", "mkfifo /tmp/f; stty raw -echo; echo ready; head -n 2; read a </tmp/f; echo bye; exit 5", true));
	pid = oci_start(h, "t5", &in, &out, NULL);
	ASSERT_LT(0, pid);
	expect(h, &out, "ready\n");
	type(h, &in, "one\n");
	expect(h, &out, "one\n");
	host_stream_again(h, &in);
	host_stream_again(h, &out);
	host_drop(h);
	host_accept_bridge(h, WAIT_MS);
	host_negotiate(h);
	h->next_id += 1000;
	host_stream_accept(&in);
	host_stream_accept(&out);
	type(h, &in, "two\n");
	expect(h, &out, "two\n");
	/* Once more, and it ends while there is no host. */
	close(h->listener);
	host_stream_again(h, &out);
	host_drop(h);
	oci_lost(h, &out, 2);
	oci_go_on(pid);
	host_listen_bridge(h);
	host_accept_bridge(h, WAIT_MS);
	host_negotiate(h);
	h->next_id += 1000;
	host_stream_accept(&out);
	EXPECT_STREQ("bye\n", host_stream_read(&out, NULL));
	EXPECT_EQ(5, host_wait(h, "t5", pid));
	host_stream_close(&in);
	host_notified(h, "t5", NULL);
	EXPECT_EQ(0, oci_delete(h, "t5"));
}

/* --- further processes ------------------------------------------------------------------------ */

FIXTURE(tty_exec)
{
	struct host h;
	char id[16]; /* another each time: a test that fails leaves it behind */
	int64_t init;
};

FIXTURE_SETUP(tty_exec)
{
	if (!host_has_vsock())
		SKIP(_exit(255), "needs vsock");
	host_start(&self->h, true, NULL);
	snprintf(self->id, sizeof(self->id), "te%d", getpid());
	ASSERT_EQ(0, create(&self->h, self->id, "sleep 1000", false));
	self->init = oci_start(&self->h, self->id, NULL, NULL, NULL);
	ASSERT_LT(0, self->init);
}

FIXTURE_TEARDOWN(tty_exec)
{
	oci_end(&self->h, self->id, self->init);
	host_stop(&self->h);
}

TEST_F_TIMEOUT(tty_exec, resizing_is_a_signal_and_keys_are_too, 180)
{
	/* It stays awake: see process_test. */
	static const char script[] = "trap 'stty size; exit 7' WINCH; stty size; while :; do :; done";
	struct host *h = &self->h;

	for (int i = 0; i < 2; i++) {
		const char *cid = i ? NULL : self->id, *id = i ? Z : self->id;
		struct host_stream in, out;
		int64_t pid = run(h, cid, script, &in, &out, NULL);

		ASSERT_LT(0, pid);
		expect(h, &out, "24 80\r\n");
		EXPECT_EQ(0, host_call(h, MSG_RESIZE_CONSOLE, id, SIZE(pid, 40, 120)));
		EXPECT_STREQ("40 120\r\n", host_stream_read(&out, NULL));
		EXPECT_EQ(7, host_wait(h, id, pid));
		host_stream_close(&in);

		pid = run(h, cid, "echo ready; cat", &in, &out, NULL);
		ASSERT_LT(0, pid);
		expect(h, &out, "ready\r\n");
		type(h, &in, "a\n");
		expect(h, &out, "a\r\na\r\n");
		type(h, &in, "\004");
		EXPECT_STREQ("", host_stream_read(&out, NULL));
		EXPECT_EQ(0, host_wait(h, id, pid));
		host_stream_close(&in);

		/* A shell that is about to become another program loses what it is sent: cat has answered before. */
		pid = run(h, cid, "exec cat", &in, &out, NULL);
		ASSERT_LT(0, pid);
		type(h, &in, "a\n");
		expect(h, &out, "a\r\na\r\n");
		type(h, &in, "\034");
		EXPECT_STREQ("^\\", host_stream_read(&out, NULL));
		EXPECT_EQ(128 + 3, host_wait(h, id, pid));
		host_stream_close(&in);
	}
}

TEST_F_TIMEOUT(tty_exec, the_end_of_stdin_is_none_of_the_terminals, 180)
{
	struct host *h = &self->h;
	const char *ids[] = { self->id, Z };

	for (int i = 0; i < 2; i++) {
		struct host_stream in, out;
		int64_t pid = run(h, i ? NULL : self->id, "echo ready; read x; echo $x; exec cat", &in, &out, NULL);

		ASSERT_LT(0, pid);
		expect(h, &out, "ready\r\n");
		type(h, &in, "last\n");
		ASSERT_EQ(0, shutdown(in.fd, SHUT_WR));
		expect(h, &out, "last\r\nlast\r\n");
		EXPECT_EQ(E_TIMEOUT, host_call(h, MSG_WAIT_FOR_PROCESS, ids[i], ",\"ProcessId\":%d,\"TimeoutInMs\":100", (int)pid));
		/* No options: SIGKILL. */
		EXPECT_EQ(0, host_call(h, MSG_SIGNAL_PROCESS, ids[i], PID(pid)));
		EXPECT_STREQ("", host_stream_read(&out, NULL));
		EXPECT_EQ(137, host_wait(h, ids[i], pid));
		host_stream_close(&in);
	}
}

TEST_F_TIMEOUT(tty_exec, the_exit_code_waits_for_the_output, 180)
{
	struct host *h = &self->h;
	const char *ids[] = { self->id, Z };

	for (int i = 0; i < 2; i++) {
		struct host_stream out;
		/* It fits into what is on the way, so that the process does end before this host reads. */
		int64_t pid = run(h, i ? NULL : self->id, "stty raw; head -c 60000 /dev/zero; exit 9", NULL, &out, NULL);
		uint64_t wait;
		size_t len;

		ASSERT_LT(0, pid);
		wait = host_ask(h, MSG_WAIT_FOR_PROCESS, ids[i], FOREVER(pid));
		EXPECT_FALSE(host_answered(h, wait, 700));
		free(host_stream_read(&out, &len));
		EXPECT_EQ(60000, len);
		EXPECT_EQ(9, answer_number(host_answer(h, wait), "ExitCode"));
	}
}

TEST_F_TIMEOUT(tty_exec, standard_error_is_the_terminal_too, 180)
{
	struct host *h = &self->h;
	struct host_stream in, out, err;
	int64_t pid = run(h, self->id, "tty <&2; echo err >&2; exit 1", &in, &out, &err);

	ASSERT_LT(0, pid);
	EXPECT_STREQ("/dev/pts/0\r\nerr\r\n", host_stream_read(&out, NULL));
	EXPECT_EQ(1, host_wait(h, self->id, pid));
	/* It was connected, since it was asked for. */
	EXPECT_STREQ("", host_stream_read(&err, NULL));
	host_stream_close(&in);
	/* No streams: the terminal is there, and nobody looks. */
	pid = run(h, self->id, "test -t 0 && stty raw && head -c 100000 /dev/zero && exit 5", NULL, NULL, NULL);
	ASSERT_LT(0, pid);
	EXPECT_EQ(5, host_wait(h, self->id, pid));
}

TEST_F_TIMEOUT(tty_exec, who_keeps_the_terminal_is_not_waited_for_and_hung_up, 180)
{
	struct host *h = &self->h;
	struct host_stream in, out, told;
	int64_t pid = run(h, self->id, "mkfifo /tmp/gone; trap '' HUP; exec 3<&0; (cat <&3; echo gone >/tmp/gone) & echo done", &in, &out,
			  NULL);

	ASSERT_LT(0, pid);
	EXPECT_STREQ("done\r\n", host_stream_read(&out, NULL));
	EXPECT_EQ(0, host_wait(h, self->id, pid));
	host_stream_close(&in);
	pid = oci_exec(h, self->id, "[\"cat\",\"/tmp/gone\"]", NULL, &told, NULL);
	ASSERT_LT(0, pid);
	EXPECT_STREQ("gone\n", host_stream_read(&told, NULL));
	EXPECT_EQ(0, host_wait(h, self->id, pid));
}

TEST_F_TIMEOUT(tty_exec, a_process_may_let_go_of_its_terminal, 180)
{
	struct host *h = &self->h;
	struct host_stream in, out;
	int64_t pid = run(h, self->id, "mkfifo /tmp/on; echo bye; exec </dev/null >/dev/null 2>&1; read x </tmp/on; exit 6", &in, &out,
			  NULL), other;
	long used;

	ASSERT_LT(0, pid);
	EXPECT_STREQ("bye\r\n", host_stream_read(&out, NULL));
	EXPECT_EQ(0, host_call(h, MSG_RESIZE_CONSOLE, self->id, SIZE(pid, 9, 9)));
	/* Nobody looks again and again whether it has come back. */
	used = cpu_ms(h);
	host_watch(h, 500);
	EXPECT_GT(100, cpu_ms(h) - used);
	other = oci_exec(h, self->id, "[\"sh\",\"-c\",\"echo >/tmp/on\"]", NULL, NULL, NULL);
	ASSERT_LT(0, other);
	EXPECT_EQ(6, host_wait(h, self->id, pid));
	EXPECT_EQ(0, host_wait(h, self->id, other));
	host_stream_close(&in);
}

TEST_F_TIMEOUT(tty_exec, without_stdout_there_are_no_keys, 180)
{
	struct host *h = &self->h;
	struct host_stream in, out;
	int64_t pid = run(h, self->id, "echo ready; exec cat", &in, &out, NULL);
	char byte;

	ASSERT_LT(0, pid);
	expect(h, &out, "ready\r\n");
	host_stream_close(&out);
	/* It may be closed already. */
	send(in.fd, "x\n", 2, MSG_NOSIGNAL);
	ASSERT_TRUE(host_readable(in.fd, host_now_ms() + WAIT_MS));
	EXPECT_GE(0, recv(in.fd, &byte, 1, 0));
	host_stream_close(&in);
	EXPECT_EQ(E_TIMEOUT, host_call(h, MSG_WAIT_FOR_PROCESS, self->id, ",\"ProcessId\":%d,\"TimeoutInMs\":100", (int)pid));
	EXPECT_EQ(0, host_call(h, MSG_SIGNAL_PROCESS, self->id, PID(pid)));
	EXPECT_EQ(137, host_wait(h, self->id, pid));
}

#define MANY 8

/* The thread that lets go of all files but masters is the one that answers this. */
static void settle(struct host *h, const char *id, int64_t init)
{
	if (host_call(h, MSG_WAIT_FOR_PROCESS, id, ",\"ProcessId\":%d,\"TimeoutInMs\":1", (int)init) != E_TIMEOUT)
		host_fail(h, "the init has ended");
}

/* Returns an inotify descriptor that tells of the terminals of the VM and of the container with @init. */
static int watch_terminals(struct host *h, int64_t init)
{
	int fd = inotify_init1(IN_CLOEXEC);
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/root/dev/pts", (int)init);
	if (inotify_add_watch(fd, "/dev/pts", IN_CREATE | IN_DELETE) < 0 || inotify_add_watch(fd, path, IN_CREATE | IN_DELETE) < 0)
		host_fail(h, "watch /dev/pts and %s", path);
	return fd;
}

/* Wait until each terminal that was made since is gone, which it is with its master; the agent closes that on a thread of its own. */
static void terminals_gone(struct host *h, int fd)
{
	char buf[4096] __attribute__((aligned(8)));
	int made = 0, gone = 0;
	ssize_t n;

	do {
		if (!host_readable(fd, host_now_ms() + WAIT_MS))
			host_fail(h, "of %d terminals only %d are gone", made, gone);
		n = read(fd, buf, sizeof(buf));
		for (char *at = buf; at < buf + n;) {
			const struct inotify_event *ev = (void *)at;

			made += ev->mask & IN_CREATE ? 1 : 0;
			gone += ev->mask & IN_DELETE ? 1 : 0;
			at += sizeof(*ev) + ev->len;
		}
	} while (gone < made);
}

TEST_F_TIMEOUT(tty_exec, many_at_once_leave_nothing, 180)
{
	struct host *h = &self->h;
	size_t files, calls = count_files("/run/gcs/runtime");
	int terminals = watch_terminals(h, self->init);
	struct host_stream in[MANY], out[MANY];
	int64_t pids[MANY];
	char fds[32];

	snprintf(fds, sizeof(fds), "/proc/%d/fd", (int)h->agent);
	/* What the agent does once, and after it has said that it is ready. */
	pids[0] = run(h, self->id, "exit 0", &in[0], &out[0], NULL);
	ASSERT_LT(0, pids[0]);
	host_stream_read(&out[0], NULL);
	EXPECT_EQ(0, host_wait(h, self->id, pids[0]));
	host_stream_close(&in[0]);
	settle(h, self->id, self->init);
	terminals_gone(h, terminals);
	files = count_files(fds);
	for (int i = 0; i < MANY; i++) {
		pids[i] = run(h, i & 1 ? NULL : self->id, "read x; echo $x", &in[i], &out[i], NULL);
		ASSERT_LT(0, pids[i]);
	}
	for (int i = 0; i < MANY; i++)
		type(h, &in[i], "x\n");
	for (int i = 0; i < MANY; i++) {
		EXPECT_STREQ("x\r\nx\r\n", host_stream_read(&out[i], NULL));
		EXPECT_EQ(0, host_wait(h, i & 1 ? Z : self->id, pids[i]));
		host_stream_close(&in[i]);
	}
	/* A program that is not there takes its terminal with it. */
	EXPECT_EQ(E_FAIL, host_execute(h, Z, ",\"EmulateConsole\":true,\"CommandArgs\":[\"/nothing\"]", NULL, NULL, NULL));
	EXPECT_EQ(E_FAIL, host_execute(h, self->id, ",\"OciProcess\":{\"terminal\":true,\"user\":{\"uid\":0,\"gid\":0},\"args\":"
				       "[\"/nothing\"],\"cwd\":\"/\"}", NULL, NULL, NULL));
	settle(h, self->id, self->init);
	terminals_gone(h, terminals);
	EXPECT_EQ(files, count_files(fds));
	EXPECT_EQ(calls, count_files("/run/gcs/runtime"));
	close(terminals);
}

TEST_HARNESS_MAIN

// SPDX-License-Identifier: MIT
/* vsockexec (boot-and-image.md 3): each option, who gets what, what fails how. The host's ports are vsock loopback's. */
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "child.h"
#include "host_io.h"
#include "kselftest_harness.h"

FIXTURE(vsockexec)
{
	struct host h; /* its ports, without an agent */
	struct host_stream a, b, c;
	struct child child;
};

FIXTURE_SETUP(vsockexec)
{
	struct host_stream *streams[] = { &self->a, &self->b, &self->c };

	if (!host_has_vsock())
		SKIP(_exit(255), "needs vsock");
	self->h.next_port = PORT_STDIO_FIRST;
	for (int i = 0; i < 3; i++)
		host_stream_listen(&self->h, streams[i]);
}

FIXTURE_TEARDOWN(vsockexec)
{
	host_stream_close(&self->a);
	host_stream_close(&self->b);
	host_stream_close(&self->c);
}

/* The ports of a, b and c are $A, $B and $C; that of nobody is $N. */
static void start(FIXTURE_DATA(vsockexec) * self, const char *script)
{
	char *argv[] = { "/bin/sh", "-c", NULL, NULL };

	if (asprintf(&argv[2], "A=%u B=%u C=%u N=%u; exec %s", self->a.port, self->b.port, self->c.port, self->h.next_port + 100, script) < 0)
		abort();
	child_start(&self->child, argv, NULL, NULL);
	free(argv[2]);
}

static int end(FIXTURE_DATA(vsockexec) * self, char **out)
{
	return child_end(&self->child, out);
}

static void expect_stream(struct __test_metadata *_metadata, struct host_stream *s, const char *expected)
{
	char *text = host_stream_read(s, NULL);

	EXPECT_STREQ(expected, text);
	free(text);
}

static bool is_called(const struct host_stream *s)
{
	return host_readable(s->listener, host_now_ms());
}

TEST_F(vsockexec, each_stream_has_its_port)
{
	char *out;

	start(self, "vsockexec -i $A -o $B -e $C -- sh -c 'read x; echo out $x; echo err $x >&2; ls /proc/self/fd | wc -l; exit 5'");
	host_stream_accept(&self->a);
	host_stream_accept(&self->b);
	host_stream_accept(&self->c);
	ASSERT_EQ(5, write(self->a.fd, "text\n", 5));
	/* ls has the directory open beside the three. */
	expect_stream(_metadata, &self->b, "out text\n4\n");
	expect_stream(_metadata, &self->c, "err text\n");
	EXPECT_EQ(5, end(self, &out));
	EXPECT_STREQ("", out);
}

TEST_F(vsockexec, the_end_of_the_host_s_stream_is_that_of_the_input)
{
	start(self, "vsockexec -i $A cat");
	host_stream_accept(&self->a);
	ASSERT_EQ(4, write(self->a.fd, "all\n", 4));
	ASSERT_EQ(0, shutdown(self->a.fd, SHUT_WR));
	EXPECT_STREQ("all", child_line(&self->child));
	EXPECT_EQ(0, end(self, NULL));
}

TEST_F(vsockexec, equal_ports_are_one_connection)
{
	char *out;

	start(self, "vsockexec -e $A -i $A -o $A sh -c 'read x; echo $x; echo $x >&2'");
	host_stream_accept(&self->a);
	/* The listener is closed: a second connection would have failed. */
	ASSERT_EQ(5, write(self->a.fd, "text\n", 5));
	expect_stream(_metadata, &self->a, "text\ntext\n");
	EXPECT_EQ(0, end(self, &out));
	EXPECT_STREQ("", out);
}

TEST_F(vsockexec, what_has_no_port_or_port_0_is_inherited)
{
	char *out;

	start(self, "vsockexec -o 0 -i 0 -e $A sh -c 'read x; echo out $x; echo err >&2'");
	host_stream_accept(&self->a);
	ASSERT_EQ(5, write(self->child.in, "text\n", 5));
	expect_stream(_metadata, &self->a, "err\n");
	EXPECT_EQ(0, end(self, &out));
	EXPECT_STREQ("out text\n", out);
	free(out);
	start(self, "vsockexec echo -o $B");
	EXPECT_EQ(0, end(self, &out));
	EXPECT_NE(NULL, strstr(out, "-o "));
	EXPECT_FALSE(is_called(&self->b));
}

TEST_F(vsockexec, without_descriptors_connections_become_only_what_was_asked_for)
{
	start(self, "vsockexec -e $A sh -c 'echo out; echo err >&2; readlink /proc/self/fd/0 >&2' <&- >&- 2>&-");
	host_stream_accept(&self->a);
	expect_stream(_metadata, &self->a, "err\n/dev/null\n");
	EXPECT_EQ(0, end(self, NULL));
}

TEST_F(vsockexec, what_cannot_be_done_has_its_status_and_is_told)
{
	static const struct {
		const char *script, *told;
		int status;
	} rows[] = {
		{ "vsockexec", "usage: ", 1 },
		{ "vsockexec -o $A", "usage: ", 1 },
		{ "vsockexec -x true", "usage: ", 1 },
		{ "vsockexec -o", "usage: ", 1 },
		{ "vsockexec -o port true", "port: not a port", 1 },
		{ "vsockexec -e -1 true", "-1: not a port", 1 },
		{ "vsockexec -i 4294967296 true", "4294967296: not a port", 1 },
		{ "vsockexec -i 9x true", "9x: not a port", 1 },
		{ "vsockexec -r true", "-r needs -o or -e", 1 },
		{ "vsockexec -r -i $A true", "-r needs -o or -e", 1 },
		{ "vsockexec -e $N echo ran", "connect to vsock port ", 1 },
		{ "vsockexec -- no-such-program", "no-such-program: No such file", 127 },
		{ "vsockexec /etc", "/etc: Permission denied", 126 },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char *out;

		start(self, rows[i].script);
		EXPECT_EQ(rows[i].status, end(self, &out))
			TH_LOG("%s: %s", rows[i].script, out);
		EXPECT_NE(NULL, strstr(out, rows[i].told))
			TH_LOG("%s: %s", rows[i].script, out);
		EXPECT_EQ(NULL, strstr(out, "ran"));
		free(out);
	}
	EXPECT_FALSE(is_called(&self->a));
}

TEST_F(vsockexec, a_relay_has_one_connection_and_the_program_s_status)
{
	char *out;

	start(self, "vsockexec -r -i $C -o $A -e $B sh -c 'read x; echo out $x; echo err >&2; grep -E \"Sig(Blk|Ign|Cgt)\" /proc/self/status; exit 6'");
	host_stream_accept(&self->b);
	ASSERT_EQ(5, write(self->child.in, "text\n", 5));
	expect_stream(_metadata, &self->b, "out text\nerr\n"
		      "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\nSigCgt:\t0000000000000000\n");
	EXPECT_EQ(6, end(self, &out));
	EXPECT_STREQ("", out);
	EXPECT_FALSE(is_called(&self->a));
	EXPECT_FALSE(is_called(&self->c));
}

TEST_F(vsockexec, a_relay_takes_only_what_has_a_port)
{
	char *out;

	start(self, "vsockexec -r -o $A sh -c 'echo out; echo err >&2; kill -9 $$'");
	host_stream_accept(&self->a);
	expect_stream(_metadata, &self->a, "out\n");
	EXPECT_EQ(137, end(self, &out));
	EXPECT_STREQ("err\n", out);
}

TEST_F(vsockexec, a_relay_s_program_runs_before_the_host_listens_and_nothing_is_lost)
{
	host_stream_close(&self->a);
	start(self, "vsockexec -r -e $A sh -c 'echo early >&2; echo runs; read x; echo late >&2'");
	EXPECT_STREQ("runs", child_line(&self->child));
	host_stream_again(&self->h, &self->a);
	host_stream_accept(&self->a);
	ASSERT_EQ(3, write(self->child.in, "go\n", 3));
	expect_stream(_metadata, &self->a, "early\nlate\n");
	EXPECT_EQ(0, end(self, NULL));
}

TEST_F(vsockexec, a_relay_dials_again_when_the_host_is_lost)
{
	char line[32], *text, *save, *word;
	int sent = 0, last = 0;

	start(self, "vsockexec -r -e $A sh -c 'while read x; do echo $x >&2; echo told; done'");
	host_stream_accept(&self->a);
	ASSERT_EQ(6, write(self->child.in, "first\n", 6));
	EXPECT_STREQ("told", child_line(&self->child));
	ASSERT_EQ(6, recv(self->a.fd, line, 6, MSG_WAITALL));
	host_stream_again(&self->h, &self->a);
	/* What the lost connection had taken is lost with it, so that the first of these may be. */
	do {
		int n = snprintf(line, sizeof(line), "%d\n", ++sent);

		ASSERT_EQ(n, write(self->child.in, line, n));
		EXPECT_STREQ("told", child_line(&self->child));
	} while (!host_readable(self->a.listener, host_now_ms() + 500) && sent < 100);
	host_stream_accept(&self->a);
	ASSERT_EQ(4, write(self->child.in, "end\n", 4));
	EXPECT_STREQ("told", child_line(&self->child));
	EXPECT_EQ(0, end(self, NULL));
	/* The rest, in order and without a gap. */
	text = host_stream_read(&self->a, NULL);
	for (word = strtok_r(text, "\n", &save); word && strcmp(word, "end"); word = strtok_r(NULL, "\n", &save)) {
		EXPECT_TRUE(!last || atoi(word) == last + 1);
		last = atoi(word);
	}
	EXPECT_EQ(sent, last);
	EXPECT_NE(NULL, word);
}

TEST_F(vsockexec, a_relay_ends_with_its_program_when_there_is_no_host)
{
	start(self, "vsockexec -r -e $N sh -c 'echo lost >&2; exit 3'");
	EXPECT_EQ(3, end(self, NULL));
}

TEST_HARNESS_MAIN
